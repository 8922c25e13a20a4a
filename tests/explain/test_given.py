"""Given a clip's other inputs, the function of one input is the system."""

from __future__ import annotations

import pytest
import torch

from sersupport.explain.given import GivenInputs


def clip(inputs, index):
    return {name: tensor[[index]] for name, tensor in inputs.items()}


@pytest.mark.parametrize(("row", "role"), [("A", "spectral"), ("C", "spectral"), ("D", "spectral"), ("D", "frames")])
@pytest.mark.parametrize("index", [0, 1])
def test_given_its_other_inputs_the_system_is_the_system(fusion, inputs, row, role, index):
    model = fusion(row)
    known = {name: tensor for name, tensor in inputs.items() if row != "A" or name == "spectral"}
    function = GivenInputs(model, clip(known, index), role)
    others = {**clip(known, index), role: inputs[role][[1 - index]]}
    with torch.no_grad():
        torch.testing.assert_close(function(function.values[None]), model(**clip(known, index)).logits)
        both = torch.stack([function.values, function.seen(inputs[role])[1 - index]])
        torch.testing.assert_close(function(both)[1:], model(**others).logits)


def test_values_are_those_that_the_branch_sees(fusion, inputs):
    model = fusion("D")
    function = GivenInputs(model, clip(inputs, 0), "spectral")
    torch.testing.assert_close(function.values, model.prepare("spectral", inputs["spectral"])[0])
    assert not torch.equal(function.values, inputs["spectral"][0])


@pytest.mark.parametrize("role", ["spectral", "frames"])
def test_a_system_without_branches_is_run_whole(whole, inputs, role):
    """Its own preparation must not come twice."""
    function = GivenInputs(whole, clip(inputs, 1), role)
    with torch.no_grad():
        expected = whole(**clip(inputs, 1)).logits
        torch.testing.assert_close(function(function.values.expand(3, *function.values.shape)), expected.expand(3, -1))

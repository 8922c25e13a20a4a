"""Attributions against linear models, whose Shapley values are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sersupport.explain import attribution
from sersupport.explain.given import GivenInputs


class Linear(nn.Module):
    """A function whose Shapley values are known: w (x - mean background)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.layer = nn.Linear(20, 7)

    def forward(self, x):
        return self.layer(x.flatten(1))


def test_expected_gradients_of_a_linear_function():
    function, background, x = Linear(), torch.randn(16, 20), torch.randn(20)
    found = attribution.expected_gradients(function, x, 4, background, samples=4000)
    exact = function.layer.weight[4].detach() * (x - background.mean(dim=0))
    np.testing.assert_allclose(found.values, exact, atol=0.06)
    assert found.additivity_error < 0.1
    assert found.base == pytest.approx(function(background)[:, 4].mean().item(), abs=1e-6)
    again = attribution.expected_gradients(function, x, 4, background, samples=4000)
    np.testing.assert_array_equal(found.values, again.values)
    frames = attribution.expected_gradients(function, x.view(5, 4), 4, background.view(16, 5, 4), samples=200)
    assert frames.values.shape == (5, 4)  # any shape of input


def test_integrated_gradients_of_a_linear_function_are_exact_and_complete(fusion, inputs):
    function, x = Linear(), torch.randn(20)
    found = attribution.integrated_gradients(function, x, 4)
    np.testing.assert_allclose(found.values, (function.layer.weight[4] * x).detach(), atol=1e-5)
    assert found.additivity_error < 1e-5
    network = GivenInputs(fusion("D"), {name: tensor[[0]] for name, tensor in inputs.items()}, "spectral")
    error = attribution.integrated_gradients(network, network.values, 2).additivity_error
    logits = network(network.seen(inputs["spectral"])).detach()
    assert error < 0.02 * float(logits.max() - logits.min())

"""Score-CAM against the printed algorithm, step by step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sersupport.explain.given import GivenInputs
from sersupport.explain.score_cam import normalised, score_cam


def test_normalised_maps_reach_0_and_1_and_a_constant_map_is_0():
    maps = torch.tensor([[1.0, 3.0, 2.0], [4.0, 4.0, 4.0]])
    torch.testing.assert_close(normalised(maps), torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]))


@pytest.mark.parametrize("score", ["probability", "logit"])
def test_score_cam_is_algorithm_1(fusion, inputs, score):
    model, target = fusion("D"), 3
    function = GivenInputs(model, {name: tensor[[0]] for name, tensor in inputs.items()}, "spectral")
    x = function.values
    with torch.no_grad():
        maps = model.feature_maps("spectral", x[None])[0]
    cam = score_cam(function, maps, x, target, score=score, batch_size=2)

    def confidence(one):
        logits = function(one[None])[0]
        return (logits.softmax(0) if score == "probability" else logits)[target]

    with torch.no_grad():
        raw = torch.zeros(len(x))
        for k, small in enumerate(maps):
            full = nn.functional.interpolate(small[None, None], size=len(x), mode="linear", align_corners=False)[0, 0]
            mask = (full - full.min()) / (full.max() - full.min()) if full.max() > full.min() else torch.zeros(len(x))
            weight = confidence(x * mask) - confidence(torch.zeros(len(x)))
            torch.testing.assert_close(cam.weights[k], weight, atol=1e-6, rtol=1e-4)
            raw += weight * full
    torch.testing.assert_close(cam.saliency, raw.clamp(min=0), atol=1e-6, rtol=1e-3)
    assert (cam.saliency >= 0).all()


def test_it_takes_any_function_and_maps_as_an_array():
    """One map over the part that alone counts: the saliency is there and nowhere else."""
    weights = torch.zeros(2, 12)
    weights[1, 4:8] = 1.0
    maps = torch.zeros(1, 12)
    maps[0, 4:8] = 2.0
    cam = score_cam(lambda x: x @ weights.T, maps.numpy(), torch.ones(12), 1, score="logit")
    torch.testing.assert_close(cam.saliency, 4 * maps[0])  # the masked input's logit, 4, times the map

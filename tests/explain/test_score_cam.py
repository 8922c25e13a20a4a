"""Score-CAM against the printed algorithm, step by step."""

from __future__ import annotations

import torch
from torch import nn

from sersupport.explain.given import GivenInputs
from sersupport.explain.score_cam import normalised, score_cam


def test_normalised_maps_reach_0_and_1_and_a_constant_map_is_0():
    maps = torch.tensor([[1.0, 3.0, 2.0], [4.0, 4.0, 4.0]])
    torch.testing.assert_close(normalised(maps), torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]))


def test_score_cam_is_algorithm_1(fusion, inputs):
    model, target = fusion("D"), 3
    function = GivenInputs(model, {name: tensor[[0]] for name, tensor in inputs.items()}, "spectral")
    x = function.values
    with torch.no_grad():
        maps = model.feature_maps("spectral", x[None])[0]
    saliency = score_cam(function, maps, x, target)

    def confidence(one):
        return function(one[None])[0].softmax(0)[target]

    with torch.no_grad():
        raw = torch.zeros(len(x))
        for small in maps:
            full = nn.functional.interpolate(small[None, None], size=len(x), mode="linear", align_corners=False)[0, 0]
            mask = (full - full.min()) / (full.max() - full.min()) if full.max() > full.min() else torch.zeros(len(x))
            weight = confidence(x * mask) - confidence(torch.zeros(len(x)))
            raw += weight * full
    torch.testing.assert_close(saliency, raw.clamp(min=0), atol=1e-6, rtol=1e-3)
    assert (saliency >= 0).all() and saliency.any()


def test_it_takes_any_function_and_maps_as_an_array():
    """One map over the part that alone counts: the saliency is there and nowhere else."""
    weights = torch.zeros(2, 12)
    weights[1, 4:8] = 1.0
    maps = torch.zeros(1, 12)
    maps[0, 4:8] = 2.0
    saliency = score_cam(lambda x: x @ weights.T, maps.numpy(), torch.ones(12), 1)
    # the masked input's logits are 0 and 4, those of the baseline 0 and 0
    torch.testing.assert_close(saliency, (torch.sigmoid(torch.tensor(4.0)) - 0.5) * maps[0])

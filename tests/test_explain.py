"""Explanations against the printed algorithm, against linear models whose answer is known, and against controls."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sersupport.explain import attribution, perturbation, scorecam
from sersupport.models.fusion import FusionModel, row_config

LENGTH, RATE_HZ = 300, 1000


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = FusionModel(row_config("D", spectral_length=LENGTH, frame_dim=5, cnn_width=0.03)).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):  # statistics of some data, so that the network is not degenerate
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return model


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    mask = torch.tensor([[True] * 6, [True] * 3 + [False] * 3])
    spectral = torch.randn(2, LENGTH, generator=generator)
    return {"spectral": spectral, "frames": torch.randn(2, 6, 5, generator=generator), "frame_mask": mask}


@pytest.mark.parametrize("row", ["A", "C", "D"])
def test_given_its_context_the_model_is_the_model(row, inputs):
    model = FusionModel(row_config(row, spectral_length=LENGTH, frame_dim=5, cnn_width=0.03)).eval()
    for index in (0, 1):
        function = scorecam.GivenContext.of(model, inputs, index)
        with torch.no_grad():
            given = function(model.standardise(inputs["spectral"][[index]]))
            whole = model(**{name: tensor[[index]] for name, tensor in inputs.items()}).logits
        torch.testing.assert_close(given, whole)


def test_normalised_maps_reach_0_and_1_and_a_constant_map_is_0():
    maps = torch.tensor([[1.0, 3.0, 2.0], [4.0, 4.0, 4.0]])
    torch.testing.assert_close(scorecam.normalised(maps), torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]))


@pytest.mark.parametrize("score", ["probability", "logit"])
def test_score_cam_is_algorithm_1(model, inputs, score):
    function, x, target = scorecam.GivenContext.of(model, inputs, 0), inputs["spectral"][0], 3
    cam = scorecam.score_cam(function, x, target, score=score, batch_size=2)

    def confidence(one):
        logits = function(one[None])[0]
        return (logits.softmax(0) if score == "probability" else logits)[target]

    with torch.no_grad():
        raw = torch.zeros(LENGTH)
        for k, small in enumerate(model.spectral_encoder.feature_maps(x[None])[0]):
            full = nn.functional.interpolate(small[None, None], size=LENGTH, mode="linear", align_corners=False)[0, 0]
            mask = (full - full.min()) / (full.max() - full.min()) if full.max() > full.min() else torch.zeros(LENGTH)
            weight = confidence(x * mask) - confidence(torch.zeros(LENGTH))
            torch.testing.assert_close(cam.weights[k], weight, atol=1e-6, rtol=1e-4)
            raw += weight * full
    torch.testing.assert_close(cam.saliency, raw.clamp(min=0), atol=1e-6, rtol=1e-3)
    assert (cam.saliency >= 0).all()


class Linear(nn.Module):
    """A function whose Shapley values are known: w (x - mean background)."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.layer = nn.Linear(20, 7)

    def forward(self, x):
        return self.layer(x)


def test_expected_gradients_of_a_linear_function():
    function, background, x = Linear(), torch.randn(16, 20), torch.randn(20)
    found = attribution.expected_gradients(function, x, 4, background, samples=4000)
    exact = function.layer.weight[4].detach() * (x - background.mean(dim=0))
    np.testing.assert_allclose(found.values, exact, atol=0.06)
    assert found.additivity_error < 0.1
    assert found.base == pytest.approx(function(background)[:, 4].mean().item(), abs=1e-6)
    again = attribution.expected_gradients(function, x, 4, background, samples=4000)
    np.testing.assert_array_equal(found.values, again.values)


def test_integrated_gradients_of_a_linear_function_are_exact_and_complete(model, inputs):
    function, x = Linear(), torch.randn(20)
    found = attribution.integrated_gradients(function, x, 4)
    np.testing.assert_allclose(found.values, (function.layer.weight[4] * x).detach(), atol=1e-5)
    assert found.additivity_error < 1e-5
    fusion = scorecam.GivenContext.of(model, inputs, 0)
    network = attribution.integrated_gradients(fusion, inputs["spectral"][0], 2)
    span = float(fusion(inputs["spectral"]).detach().max() - fusion(inputs["spectral"]).detach().min())
    assert network.additivity_error < 0.02 * span


def listens_between(start: int, end: int):
    """A classifier whose confidence is the energy of one stretch, and nothing else."""

    def classify(waves):
        p = np.clip((waves[:, start:end] ** 2).mean(axis=1), 0, 1)
        return np.stack([p, 1 - p], axis=1)

    return classify


def test_occlusion_finds_the_only_stretch_that_matters():
    wave = np.ones(1000, dtype=np.float32)
    curve = perturbation.occlusion(listens_between(400, 500), wave, 0, RATE_HZ, window_s=0.1, hop_s=0.05)
    best = curve.loc[curve["drop"].idxmax()]
    assert (best["start_s"], best["end_s"], best["drop"]) == (0.4, 0.5, 1.0)
    assert (curve.loc[(curve["end_s"] <= 0.4) | (curve["start_s"] >= 0.5), "drop"] == 0).all()
    whole = perturbation.occlusion(listens_between(0, 50), wave[:50], 0, RATE_HZ, window_s=0.1)
    assert len(whole) == 1 and whole["end_s"].iloc[0] == 0.05  # a window longer than the clip


def test_deletion_beats_its_control_only_where_the_map_is_right():
    wave, hop, rng = np.ones(1000, dtype=np.float32), 10, np.random.default_rng(0)
    right, wrong = np.zeros(101), np.zeros(101)
    right[40:51], wrong[80:91] = 1, 1
    found = perturbation.deletion(listens_between(400, 500), wave, 0, right, hop, rng, share=0.11, controls=40)
    assert found["whole"] == 1 and found["salient_muted"] < 0.1 and found["control_muted"] > 0.7
    missed = perturbation.deletion(listens_between(400, 500), wave, 0, wrong, hop, rng, share=0.11, controls=40)
    assert missed["salient_muted"] == 1 > missed["control_muted"]
    # where all of the clip matters alike, no map can beat its control by more than the clip's ends
    alike = perturbation.deletion(listens_between(0, 1000), wave, 0, right, hop, rng, share=0.11, controls=40)
    assert alike["salient_muted"] == pytest.approx(alike["control_muted"], abs=0.01)


def test_padding_is_no_control():
    """Half of the clip is padding; a model that hears all of the rest alike leaves no map an advantage."""
    wave, hop, rng = np.ones(1000, dtype=np.float32), 10, np.random.default_rng(0)
    wave[500:] = 0
    saliency = np.r_[np.linspace(1, 2, 51), np.zeros(50)]
    heard = listens_between(0, 500)
    found = perturbation.deletion(heard, wave, 0, saliency, hop, rng, controls=40, n_valid=500)
    assert found["salient_muted"] == pytest.approx(found["control_muted"], abs=0.02)
    assert perturbation.occlusion(heard, wave, 0, RATE_HZ, 0.1, 0.05, n_valid=500)["end_s"].max() == 0.5
    flat = perturbation.deletion(heard, wave, 0, np.r_[np.ones(50), np.zeros(51)], hop, rng, n_valid=500)
    assert flat["whole"] == 1 and np.isnan(flat["salient_muted"])  # flat where there is speech: no frames are chosen


def test_top_frames_and_muting():
    np.testing.assert_array_equal(perturbation.top_frames(np.array([0.1, 0.9, 0.5, 0.2]), 0.5), [0, 1, 1, 0])
    quiet = perturbation.muted(np.ones(40), np.array([False, True, False, False]), 10)
    np.testing.assert_array_equal(np.flatnonzero(quiet == 0), np.arange(5, 15))


def test_enrichment_of_a_flat_map_is_1_and_of_the_cue_alone_its_inverse_share():
    times = np.arange(100) / 100
    assert perturbation.enrichment(np.ones(100), times, 0.2, 0.45) == pytest.approx(1)
    inside = ((times >= 0.2) & (times < 0.45)).astype(float)
    assert perturbation.enrichment(inside, times, 0.2, 0.45) == pytest.approx(4)
    assert np.isnan(perturbation.enrichment(np.zeros(100), times, 0.2, 0.45))
    assert np.isnan(perturbation.enrichment(np.ones(100), times, 2.0, 3.0))

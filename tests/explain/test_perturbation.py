"""Occlusion and deletion against classifiers that are known to listen to one stretch, and against controls."""

from __future__ import annotations

import numpy as np
import pytest

from sersupport.explain import perturbation

RATE_HZ = 1000


def listens_between(start: int, end: int):
    """A classifier whose confidence is the energy of one stretch, and nothing else."""

    def classify(waves):
        p = np.clip((waves[:, start:end] ** 2).mean(axis=1), 0, 1)
        return np.stack([p, 1 - p], axis=1)

    return classify


def occlusion(classify, wave, **how):
    waves, windows = perturbation.occluded(wave, RATE_HZ, **how)
    probability = classify(waves)[:, 0]
    return windows.assign(drop=probability[0] - probability[1:])


def test_occlusion_finds_the_only_stretch_that_matters():
    wave = np.ones(1000, dtype=np.float32)
    curve = occlusion(listens_between(400, 500), wave, window_s=0.1, hop_s=0.05)
    best = curve.loc[curve["drop"].idxmax()]
    assert (best["start_s"], best["end_s"], best["drop"]) == (0.4, 0.5, 1.0)
    assert (curve.loc[(curve["end_s"] <= 0.4) | (curve["start_s"] >= 0.5), "drop"] == 0).all()
    whole = occlusion(listens_between(0, 50), wave[:50], window_s=0.1)
    assert len(whole) == 1 and whole["end_s"].iloc[0] == 0.05  # a window longer than the clip
    assert wave.all()  # the clip itself is left as it is


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
    assert occlusion(heard, wave, window_s=0.1, hop_s=0.05, n_valid=500)["end_s"].max() == 0.5
    flat = perturbation.deletion(heard, wave, 0, np.r_[np.ones(50), np.zeros(51)], hop, rng, n_valid=500)
    assert flat["whole"] == 1  # flat where there is speech: no frames are chosen
    assert np.isnan([flat["salient_muted"], flat["control_muted"], flat["controls_beaten"]]).all()


def test_controls_beaten_do_not_depend_on_how_sure_a_model_is():
    """A model near chance, as with random weights, has small falls; which placement costs most is another matter."""
    wave, saliency = np.ones(1000, dtype=np.float32), np.zeros(101)
    saliency[35:46] = 1
    sure = listens_between(400, 500)
    found = []
    for classify in (sure, lambda waves: 0.5 + 1e-3 * (sure(waves) - 0.5), lambda waves: np.full((len(waves), 2), 0.5)):
        rng = np.random.default_rng(3)
        found.append(perturbation.deletion(classify, wave, 0, saliency, 10, rng, share=0.11, controls=100))
    falls = [one["control_muted"] - one["salient_muted"] for one in found]
    assert falls[0] > 900 * falls[1] > 0 and falls[2] == 0
    # the pattern of 11 frames covers half of the stretch: of its 100 other places 9 mute more of it and 1 as much
    assert found[0]["controls_beaten"] == found[1]["controls_beaten"] == pytest.approx(0.905)
    assert found[2]["controls_beaten"] == 0.5  # nothing is told apart


def test_top_frames_and_muting():
    np.testing.assert_array_equal(perturbation.top_frames(np.array([0.1, 0.9, 0.5, 0.2]), 0.5), [0, 1, 1, 0])
    quiet = perturbation.muted(np.ones(40), np.array([False, True, False, False]), 10)
    np.testing.assert_array_equal(np.flatnonzero(quiet == 0), np.arange(5, 15))
    odd = perturbation.muted(np.ones(20), np.array([False, True, True, False]), 5)
    np.testing.assert_array_equal(np.flatnonzero(odd == 0), np.arange(3, 13))  # no sample left between two frames


def test_enrichment_of_a_flat_map_is_1_and_of_the_cue_alone_its_inverse_share():
    times = np.arange(100) / 100
    assert perturbation.enrichment(np.ones(100), times, 0.2, 0.45) == pytest.approx(1)
    inside = ((times >= 0.2) & (times < 0.45)).astype(float)
    assert perturbation.enrichment(inside, times, 0.2, 0.45) == pytest.approx(4)
    assert np.isnan(perturbation.enrichment(np.zeros(100), times, 0.2, 0.45))
    assert np.isnan(perturbation.enrichment(np.ones(100), times, 2.0, 3.0))

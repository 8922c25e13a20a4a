"""Calibration by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sersupport.corpora.convention import EMOTIONS
from sersupport.evaluation.calibration import (
    calibration,
    calibration_test,
    expected_calibration_error,
    if_calibrated,
)


def with_probabilities(confidences, right) -> pd.DataFrame:
    """Predictions of the first class with given confidence, right or wrong."""
    rows = np.array([[c, *[(1 - c) / 6] * 6] for c in confidences])
    frame = pd.DataFrame(rows, columns=[f"p_{emotion}" for emotion in EMOTIONS])
    frame["predicted"] = EMOTIONS[0]
    frame["true"] = np.where(right, EMOTIONS[0], EMOTIONS[1])
    return frame.assign(utterance=np.arange(len(frame)))


def test_calibration_by_hand():
    frame = with_probabilities([0.95, 0.95, 0.55, 0.55], [True, False, True, True])
    table = calibration(frame, bins=10)
    np.testing.assert_allclose(table[["confidence", "accuracy", "share"]], [[0.55, 1, 0.5], [0.95, 0.5, 0.5]])
    assert expected_calibration_error(frame, bins=10) == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)


def test_a_calibrated_model_has_a_small_error():
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.3, 1, 40000)
    right = rng.random(confidences.size) < confidences
    assert expected_calibration_error(with_probabilities(confidences, right)) < 0.01
    assert expected_calibration_error(with_probabilities(confidences, rng.random(40000) < 0.3)) > 0.25


def of_speakers(rng: np.random.Generator, speakers: int, each: int, spread: float = 0.0) -> pd.DataFrame:
    """Calibrated on average: a speaker's confidences are off by a normal number of this deviation, around 0.6."""
    tables = []
    for speaker in range(speakers):
        confidence = rng.uniform(0.5, 0.7, each)
        right = rng.random(each) < np.clip(confidence + spread * rng.standard_normal(), 0, 1)
        tables.append(with_probabilities(confidence, right).assign(speaker=f"s{speaker}"))
    return pd.concat(tables, ignore_index=True)


def test_signs_are_those_of_speakers():
    """With two speakers each error is that of their sum or of their difference, by hand."""
    one, two = with_probabilities([0.75] * 4, [True] * 4), with_probabilities([0.75] * 2, [False] * 2)
    both = pd.concat([one.assign(speaker="a"), two.assign(speaker="b")], ignore_index=True)
    found = if_calibrated(both, samples=200)
    np.testing.assert_allclose(sorted(set(found.round(9))), [(1.5 - 1.0) / 6, (1.5 + 1.0) / 6])  # +1.0 and −1.5
    assert expected_calibration_error(both) == pytest.approx((1.5 - 1.0) / 6)


@pytest.mark.parametrize("spread", [0.0, 0.15])
def test_a_calibrated_model_is_found_out_of_five_in_a_hundred(spread):
    """Also where speakers differ, which as independent predictions would be taken for a fault of the model."""
    rng = np.random.default_rng(3)
    p = [calibration_test(of_speakers(rng, 12, 40, spread), samples=200, seed=study)["p"] for study in range(200)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_a_small_test_shows_an_error_that_is_chance_and_a_sure_model_more():
    """Of 240 predictions a calibrated model shows an error of several points."""
    frame = of_speakers(np.random.default_rng(4), 12, 20)
    found = calibration_test(frame)
    assert 0.02 < found["calibrated"] < found["calibrated_high"] < 0.2 and found["p"] > 0.05
    assert found["error"] == expected_calibration_error(frame)
    wrong = calibration_test(frame.assign(true=EMOTIONS[1]))
    assert wrong["error"] > wrong["calibrated_high"] and wrong["p"] < 0.01


def test_copies_of_an_utterance_are_not_further_trials():
    frame = of_speakers(np.random.default_rng(5), 6, 20)
    np.testing.assert_allclose(if_calibrated(frame), if_calibrated(pd.concat([frame] * 5)))

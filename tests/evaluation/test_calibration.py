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
from sersupport.systems.predictions import probabilities


def with_probabilities(confidences, right) -> pd.DataFrame:
    """Predictions of the first class with given confidence, right or wrong."""
    rows = np.array([[c, *[(1 - c) / 6] * 6] for c in confidences])
    frame = pd.DataFrame(rows, columns=[f"p_{emotion}" for emotion in EMOTIONS])
    frame["predicted"] = EMOTIONS[0]
    frame["true"] = np.where(right, EMOTIONS[0], EMOTIONS[1])
    return frame.assign(utterance=np.arange(len(frame)))


def confident(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Predictions of seven classes whose labels follow their own probabilities."""
    shares = rng.dirichlet(np.full(7, 0.3), n)
    frame = pd.DataFrame(shares, columns=[f"p_{emotion}" for emotion in EMOTIONS])
    frame["true"] = [EMOTIONS[rng.choice(7, p=own)] for own in shares]
    return frame.assign(predicted=np.array(EMOTIONS)[shares.argmax(axis=1)], utterance=np.arange(n))


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


def test_errors_by_chance_are_those_of_labels_drawn_class_by_class():
    """Against labels that numpy draws from the probabilities, one by one, and the error as it is defined."""
    frame, rng = confident(np.random.default_rng(1), 150), np.random.default_rng(2)
    shares = probabilities(frame).to_numpy()
    drawn = [
        expected_calibration_error(frame.assign(true=[EMOTIONS[rng.choice(7, p=own)] for own in shares]))
        for _ in range(400)
    ]
    found = if_calibrated(frame, samples=4000)
    assert found.mean() == pytest.approx(np.mean(drawn), rel=0.03)
    assert np.quantile(found, 0.95) == pytest.approx(np.quantile(drawn, 0.95), rel=0.05)


def test_a_calibrated_model_is_found_out_of_five_in_a_hundred():
    rng = np.random.default_rng(3)
    p = [calibration_test(confident(rng, 120), samples=200, seed=study)["p"] for study in range(400)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_a_small_test_shows_an_error_that_is_chance_and_a_sure_model_more():
    """Of 240 predictions a calibrated model shows an error of several points."""
    frame = confident(np.random.default_rng(4), 240)
    found = calibration_test(frame)
    assert 0.03 < found["calibrated"] < found["calibrated_high"] < 0.2 and found["p"] > 0.05
    assert found["error"] == expected_calibration_error(frame)
    wrong = calibration_test(frame.assign(true=np.roll(frame["true"], 1)))
    assert wrong["error"] > wrong["calibrated_high"] and wrong["p"] == 1 / 1001


def test_copies_of_an_utterance_are_not_further_trials():
    """Five seeds that say the same have one label to be right about: chance makes the same errors as with one seed."""
    frame = confident(np.random.default_rng(5), 100)
    one, five = if_calibrated(frame), if_calibrated(pd.concat([frame] * 5))
    np.testing.assert_allclose(five, one)
    assert if_calibrated(pd.concat([frame] * 5).assign(utterance=np.arange(500))).mean() < 0.6 * one.mean()

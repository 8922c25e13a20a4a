"""Calibration by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sersupport.corpora.convention import EMOTIONS
from sersupport.evaluation.calibration import calibration, expected_calibration_error


def with_probabilities(confidences, right) -> pd.DataFrame:
    """Predictions of the first class with given confidence, right or wrong."""
    rows = np.array([[c, *[(1 - c) / 6] * 6] for c in confidences])
    frame = pd.DataFrame(rows, columns=[f"p_{emotion}" for emotion in EMOTIONS])
    frame["predicted"] = EMOTIONS[0]
    frame["true"] = np.where(right, EMOTIONS[0], EMOTIONS[1])
    return frame


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

"""Stability row by row, and areas as means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sersupport.evaluation.curves import robustness_area, stability


def test_stability_compares_with_the_clean_prediction():
    rows = [("s", "a", "clean", "sad"), ("s", "a", "white@0.5", "sad"), ("s", "a", "pink@0.5", "fear"),
            ("t", "a", "white@0.5", "sad")]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["system", "utterance", "condition", "predicted"])
    same = stability(frame)
    assert list(same[:3]) == [1, 1, 0] and np.isnan(same[3])


@pytest.mark.parametrize(("column", "values"), [("seed", (0, 1)), ("fold", (1, 2)), ("protocol", ("random", "apart"))])
def test_stability_compares_within_one_training(column, values):
    """Two trainings of one system that never change their mind under noise, and do not agree with each other."""
    parts = [
        pd.DataFrame({"system": "s", "utterance": "a", "condition": ["clean", "white@0.5"], "predicted": emotion})
        for emotion in ("sad", "fear")
    ]
    frame = pd.concat([part.assign(**{column: value}) for part, value in zip(parts, values, strict=True)])
    assert (stability(frame.set_axis([7, 5, 3, 1])) == 1).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_robustness_area_is_a_mean_over_the_range(scores):
    levels = np.arange(len(scores)) * 5.0 - 5
    area = robustness_area(levels, np.array(scores))
    assert min(scores) - 1e-9 <= area <= max(scores) + 1e-9
    assert robustness_area(levels[::-1], np.array(scores[::-1])) == pytest.approx(area)
    assert robustness_area(levels, np.full(len(scores), 0.3)) == pytest.approx(0.3)

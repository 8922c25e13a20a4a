"""Scores against scikit-learn."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score

from sersupport.corpora.convention import EMOTIONS
from sersupport.evaluation.metrics import METRICS, classes, confusion, grouped_confusions, metrics, uar_of_confusions

CLASSES = np.array(EMOTIONS)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 80))
def test_scores_of_confusions_are_scikit_learns(seed, n):
    rng = np.random.default_rng(seed)
    true, predicted = CLASSES[rng.integers(7, size=(2, n))]
    frame = pd.DataFrame({"true": true, "predicted": predicted, "speaker": CLASSES[rng.integers(3, size=n)]})
    counts = grouped_confusions(frame, classes(frame), frame["speaker"]).sum(axis=0)
    np.testing.assert_array_equal(counts, confusion(frame))
    present = np.unique(true)
    expected = recall_score(true, predicted, labels=present, average="macro", zero_division=0)
    assert METRICS["uar"](counts) == pytest.approx(expected)
    assert METRICS["accuracy"](counts) == pytest.approx(accuracy_score(true, predicted))


def test_uar_leaves_out_a_class_that_does_not_occur(skilled):
    table = skilled(42, np.array([0.5, 0.9])).query("true != 'surprise'")
    present = sorted(table["true"].unique())
    expected = recall_score(table["true"], table["predicted"], average="macro", labels=present)
    assert uar_of_confusions(confusion(table).to_numpy()) == pytest.approx(expected)
    assert metrics(table)["recall"] == pytest.approx(expected)


def test_macro_f1_never_exceeds_the_mean_of_precision_and_recall():
    """What the checks of the papers' F1 rest on, on random confusions."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        frame = pd.DataFrame(CLASSES[rng.integers(7, size=(60, 2))], columns=["true", "predicted"])
        scores = metrics(frame)
        assert scores["f1"] <= (scores["precision"] + scores["recall"]) / 2 + 1e-12


def test_figures_of_a_table_load_no_network():
    modules = ["calibration", "curves", "intervals", "metrics", "paired", "speed", "tables"]
    code = f"import sys; from sersupport.evaluation import {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""Paired differences against Student's t test and an exact permutation test; Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import permutation_test, ttest_rel
from statsmodels.stats.multitest import multipletests

from sersupport.core.errors import UserError
from sersupport.evaluation.metrics import metrics
from sersupport.evaluation.paired import compare, holm, over_folds, paired_difference


def test_paired_difference_is_students_on_speakers(simulated):
    """With equal counts a speaker the accuracy's difference is a paired t test over the speakers."""
    frame = simulated(np.random.default_rng(3), 12, 6, 1.0, systems=("one", "two"), gain=0.5)
    right = frame.assign(right=frame["true"] == frame["predicted"]).groupby(["speaker", "system"])["right"].mean()
    reference = ttest_rel(right.xs("two", level="system"), right.xs("one", level="system"))
    found = paired_difference(frame, "two", "one", "accuracy", samples=20000)
    assert found["difference"] == pytest.approx(right.groupby("system").mean().diff().iloc[-1])
    assert found["p"] == pytest.approx(reference.pvalue, rel=0.1)
    interval = reference.confidence_interval()
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high), abs=0.003)


def test_paired_difference_agrees_with_exchanging_systems(simulated):
    """Against an exact sign-flip permutation test."""
    frame = simulated(np.random.default_rng(5), 10, 6, 1.0, systems=("one", "two"), gain=0.6)
    right = frame.assign(right=frame["true"] == frame["predicted"]).groupby(["speaker", "system"])["right"].mean()
    pairs = [right.xs(name, level="system").to_numpy() for name in ("two", "one")]
    exact = permutation_test(
        pairs, lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", vectorized=True
    )
    assert paired_difference(frame, "two", "one", "accuracy")["p"] == pytest.approx(exact.pvalue, abs=0.05)


def test_different_speakers_are_not_paired(simulated):
    frame = simulated(np.random.default_rng(2), 4, 3, 1, systems=("one", "two"))
    with pytest.raises(UserError, match=r"one and two were not tested on the same speakers \(s0\)"):
        paired_difference(frame[(frame["system"] == "one") | (frame["speaker"] != "s0")], "one", "two")
    with pytest.raises(UserError, match="nobody at all"):
        paired_difference(frame, "three", "four")


def test_comparisons_are_corrected_by_holm(simulated):
    frame = simulated(np.random.default_rng(4), 9, 5, 0.7, systems=("base", "a", "b", "c"), gain=0.2)
    table = compare(frame, "base")
    assert list(table["system"]) == ["a", "b", "c"] and table["difference"].is_monotonic_increasing
    np.testing.assert_allclose(table["p_holm"], multipletests(table["p"], method="holm")[1])
    assert (table["p_holm"] >= table["p"]).all()


def test_over_folds_is_students_on_their_scores(simulated):
    """The speakers of a fold share a model, and are no independent trials of its training."""
    frame = simulated(np.random.default_rng(6), 12, 6, 1.0, systems=("base", "a", "b"), gain=0.5)
    frame["fold"] = frame["speaker"].str.removeprefix("s").astype(int) % 4
    for name, p in compare(frame, "base").set_index("system")["p_folds"].items():
        of = [
            [metrics(own)["recall"] for _, own in frame[frame["system"] == system].groupby("fold")]
            for system in (name, "base")
        ]
        reference = ttest_rel(*of).pvalue
        assert over_folds(frame, name, "base") == pytest.approx(reference) and reference <= p <= 2 * reference + 1e-12
    assert np.isnan(over_folds(frame[frame["fold"] < 2], "a", "base"))
    assert np.isnan(over_folds(frame.drop(columns="fold"), "a", "base"))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holms_correction_is_that_of_statsmodels(p):
    expected = multipletests(p, method="holm")[1]
    np.testing.assert_allclose(holm(p), expected)
    found = holm([np.nan, *p, np.nan])  # what cannot be tested is no test of the family
    assert np.isnan(found[[0, -1]]).all() and np.isnan(holm([np.nan])).all()
    np.testing.assert_allclose(found[1:-1], expected)


def test_one_speaker_can_be_compared_and_not_tested(simulated):
    table = compare(simulated(np.random.default_rng(4), 1, 5, 0.7, systems=("base", "a", "b")), "base")
    assert table["difference"].notna().all() and table[["low", "high", "p", "p_holm"]].isna().all().all()

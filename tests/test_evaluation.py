"""sersupport.evaluation: metrics against scikit-learn, coverage by simulation, paired tests, calibration, stability."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy.stats import permutation_test, ttest_rel
from sklearn.metrics import accuracy_score, recall_score
from statsmodels.stats.multitest import multipletests

from sersupport import evaluation
from sersupport.corpora import EMOTIONS

CLASSES = np.array(EMOTIONS)


def simulated(rng, speakers: int, utterances: int, spread: float, mean: float = 0.4, systems=("one",), gain=0.0):
    """Predictions of speakers who differ: the logit of a speaker's recall is normal with deviation ``spread``."""
    rows = []
    for speaker in range(speakers):
        ability = mean + spread * rng.standard_normal()
        for place, system in enumerate(systems):
            right = rng.random((7, utterances)) < special.expit(ability + gain * place)
            true = np.repeat(np.arange(7), utterances)
            wrong = (true + rng.integers(1, 7, true.size)) % 7
            predicted = np.where(right.ravel(), true, wrong)
            rows.append(
                pd.DataFrame({
                    "speaker": f"s{speaker}",
                    "system": system,
                    "utterance": [f"{speaker}-{i}" for i in range(true.size)],
                    "true": CLASSES[true],
                    "predicted": CLASSES[predicted],
                })
            )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 80))
def test_scores_of_confusions_are_scikit_learns(seed, n):
    rng = np.random.default_rng(seed)
    true, predicted = CLASSES[rng.integers(7, size=(2, n))]
    frame = pd.DataFrame({"true": true, "predicted": predicted, "speaker": CLASSES[rng.integers(3, size=n)]})
    counts = evaluation.speaker_confusions(frame).sum(axis=0)
    np.testing.assert_array_equal(counts, evaluation.confusion(frame))
    present = np.unique(true)
    expected = recall_score(true, predicted, labels=present, average="macro", zero_division=0)
    assert evaluation.METRICS["uar"](counts) == pytest.approx(expected)
    assert evaluation.METRICS["accuracy"](counts) == pytest.approx(accuracy_score(true, predicted))


@pytest.mark.parametrize(("speakers", "spread"), [(4, 0.5), (8, 0.8), (24, 0.5)])
def test_intervals_cover_what_they_promise(speakers, spread):
    """95 % intervals hold the population's UAR in 93 to 97 % of 1,000 simulated studies, also with four speakers."""
    rng = np.random.default_rng(7)
    grid = np.linspace(-6, 6, 4001)
    density = np.exp(-(grid**2) / 2)
    truth = np.sum(density * special.expit(0.4 + spread * grid)) / density.sum()
    covered = []
    for study in range(1000):
        low, high = evaluation.speaker_interval(simulated(rng, speakers, 5, spread), samples=400, seed=study)
        covered.append(low <= truth <= high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_percentiles_of_four_speakers_would_not():
    """Why the width is Student's: four values hold their own mean in at most 1 - 2 / 2^4 of all cases."""
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((4000, 4))
    assert np.mean((draws.min(axis=1) < 0) & (draws.max(axis=1) > 0)) == pytest.approx(1 - 2 / 2**4, abs=0.02)


def test_seeds_are_pooled_and_do_not_pass_for_speakers():
    rng = np.random.default_rng(1)
    one = simulated(rng, 6, 5, 0.5)
    assert evaluation.speaker_interval(pd.concat([one] * 5)) == pytest.approx(
        evaluation.speaker_interval(one), abs=0.004
    )


def test_one_speaker_has_no_interval():
    assert np.isnan(evaluation.speaker_interval(simulated(np.random.default_rng(0), 1, 5, 0))).all()


def test_a_perfect_score_has_an_interval_within_the_unit_range():
    frame = simulated(np.random.default_rng(0), 4, 5, 0, mean=50)
    low, high = evaluation.speaker_interval(frame)
    assert 0.9 < low <= high <= 1


def test_paired_difference_is_students_on_speakers():
    """With equal counts a speaker the accuracy's difference is a paired t test over the speakers."""
    frame = simulated(np.random.default_rng(3), 12, 6, 1.0, systems=("one", "two"), gain=0.5)
    right = frame.assign(right=frame["true"] == frame["predicted"]).groupby(["speaker", "system"])["right"].mean()
    reference = ttest_rel(right.xs("two", level="system"), right.xs("one", level="system"))
    found = evaluation.paired_difference(frame, "two", "one", "accuracy", samples=20000)
    assert found["difference"] == pytest.approx(right.groupby("system").mean().diff().iloc[-1])
    assert found["p"] == pytest.approx(reference.pvalue, rel=0.1)
    interval = reference.confidence_interval()
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high), abs=0.003)


def test_paired_difference_agrees_with_exchanging_systems():
    """Against an exact sign-flip permutation test."""
    frame = simulated(np.random.default_rng(5), 10, 6, 1.0, systems=("one", "two"), gain=0.6)
    right = frame.assign(right=frame["true"] == frame["predicted"]).groupby(["speaker", "system"])["right"].mean()
    pairs = [right.xs(name, level="system").to_numpy() for name in ("two", "one")]
    exact = permutation_test(
        pairs, lambda a, b, axis: np.mean(a - b, axis=axis), permutation_type="samples", vectorized=True
    )
    assert evaluation.paired_difference(frame, "two", "one", "accuracy")["p"] == pytest.approx(exact.pvalue, abs=0.05)


def test_pairing_narrows_the_difference():
    frame = simulated(np.random.default_rng(2), 8, 6, 1.5, systems=("one", "two"), gain=0.3)
    one, two = (frame[frame["system"] == name] for name in ("one", "two"))
    paired = evaluation.difference(two, one)
    apart = evaluation.difference(two, one.assign(speaker="other " + one["speaker"]))
    assert paired["difference"] == pytest.approx(apart["difference"])
    assert paired["high"] - paired["low"] < 0.7 * (apart["high"] - apart["low"])


def test_different_speakers_are_not_paired():
    frame = simulated(np.random.default_rng(2), 4, 3, 1, systems=("one", "two"))
    with pytest.raises(ValueError, match="not tested on the same speakers"):
        evaluation.paired_difference(frame[(frame["system"] == "one") | (frame["speaker"] != "s0")], "one", "two")


def test_comparisons_are_corrected_by_holm():
    frame = simulated(np.random.default_rng(4), 9, 5, 0.7, systems=("base", "a", "b", "c"), gain=0.2)
    table = evaluation.compare(frame, "base")
    assert list(table["system"]) == ["a", "b", "c"] and table["difference"].is_monotonic_increasing
    np.testing.assert_allclose(table["p_holm"], multipletests(table["p"], method="holm")[1])
    assert (table["p_holm"] >= table["p"]).all()


def with_probabilities(confidences, right) -> pd.DataFrame:
    """Predictions of the first class with given confidence, right or wrong."""
    rows = np.array([[c, *[(1 - c) / 6] * 6] for c in confidences])
    frame = pd.DataFrame(rows, columns=evaluation.PROBABILITIES)
    frame["predicted"] = EMOTIONS[0]
    frame["true"] = np.where(right, EMOTIONS[0], EMOTIONS[1])
    return frame


def test_calibration_by_hand():
    frame = with_probabilities([0.95, 0.95, 0.55, 0.55], [True, False, True, True])
    table = evaluation.calibration(frame, bins=10)
    np.testing.assert_allclose(table[["confidence", "accuracy", "share"]], [[0.55, 1, 0.5], [0.95, 0.5, 0.5]])
    assert evaluation.expected_calibration_error(frame, bins=10) == pytest.approx(0.5 * 0.45 + 0.5 * 0.45)


def test_a_calibrated_model_has_a_small_error():
    rng = np.random.default_rng(0)
    confidences = rng.uniform(0.3, 1, 40000)
    right = rng.random(confidences.size) < confidences
    assert evaluation.expected_calibration_error(with_probabilities(confidences, right)) < 0.01
    assert evaluation.expected_calibration_error(with_probabilities(confidences, rng.random(40000) < 0.3)) > 0.25


def test_stability_compares_with_the_clean_prediction():
    rows = [("s", "a", "clean", "sad"), ("s", "a", "white@0.5", "sad"), ("s", "a", "pink@0.5", "fear"),
            ("t", "a", "white@0.5", "sad")]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["system", "utterance", "condition", "predicted"])
    same = evaluation.stability(frame)
    assert list(same[:3]) == [1, 1, 0] and np.isnan(same[3])


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_robustness_area_is_a_mean_over_the_range(scores):
    levels = np.arange(len(scores)) * 5.0 - 5
    area = evaluation.robustness_area(levels, np.array(scores))
    assert min(scores) - 1e-9 <= area <= max(scores) + 1e-9
    assert evaluation.robustness_area(levels[::-1], np.array(scores[::-1])) == pytest.approx(area)
    assert evaluation.robustness_area(levels, np.full(len(scores), 0.3)) == pytest.approx(0.3)


def test_side_by_side_keeps_order_and_leaves_out_what_has_no_interval():
    summary = pd.DataFrame(
        {
            "encoder": ["b", "b", "a", "a"],
            "speech": ["noisy", "clean"] * 2,
            "recall": [0.5, 0.25, 0.125, 1.0],
            "uar_low": [0.25, np.nan, 0.0, 0.5],
            "uar_high": [0.75, np.nan, 0.5, 1.0],
        }
    )
    found = evaluation.side_by_side(summary, ["encoder"], ["speech"])
    assert list(found.columns) == ["encoder", "noisy", "clean"]
    assert found.values.tolist() == [["b", "0.50 (0.25–0.75)", "0.25"], ["a", "0.12 (0.00–0.50)", "1.00 (0.50–1.00)"]]

"""Intervals over speakers: coverage by simulation, Student's theory, pairing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special
from scipy.stats import t

from sersupport.core.errors import UserError
from sersupport.evaluation.intervals import contrast, difference, speaker_interval
from sersupport.evaluation.metrics import confusion, uar_of_confusions


@pytest.mark.parametrize(("speakers", "spread"), [(4, 0.5), (8, 0.8), (24, 0.5)])
def test_intervals_cover_what_they_promise(simulated, speakers, spread):
    """95 % intervals hold the population's UAR in 93 to 97 % of 1,000 simulated studies, also with four speakers."""
    rng = np.random.default_rng(7)
    grid = np.linspace(-6, 6, 4001)
    density = np.exp(-(grid**2) / 2)
    truth = np.sum(density * special.expit(0.4 + spread * grid)) / density.sum()
    covered = []
    for study in range(1000):
        low, high = speaker_interval(simulated(rng, speakers, 5, spread), samples=400, seed=study)
        covered.append(low <= truth <= high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_percentiles_of_four_speakers_would_not():
    """Why the width is Student's: four values hold their own mean in at most 1 - 2 / 2^4 of all cases."""
    rng = np.random.default_rng(0)
    draws = rng.standard_normal((4000, 4))
    assert np.mean((draws.min(axis=1) < 0) & (draws.max(axis=1) > 0)) == pytest.approx(1 - 2 / 2**4, abs=0.02)


def test_seeds_are_pooled_and_do_not_pass_for_speakers(simulated):
    one = simulated(np.random.default_rng(1), 6, 5, 0.5)
    assert speaker_interval(pd.concat([one] * 5)) == pytest.approx(speaker_interval(one), abs=0.004)


def test_one_speaker_has_no_interval(simulated):
    one = simulated(np.random.default_rng(0), 1, 5, 0)
    assert np.isnan(speaker_interval(one)).all()
    found = difference(one, one.assign(predicted="sad"))
    assert found["difference"] > 0 and np.isnan([found["low"], found["high"], found["p"]]).all()


def test_a_perfect_score_has_an_interval_within_the_unit_range(simulated):
    low, high = speaker_interval(simulated(np.random.default_rng(0), 4, 5, 0, mean=50))
    assert 0.9 < low <= high <= 1
    assert high == 1.0, "the interval does not hold the score, and its bar cannot be drawn"


def test_speaker_intervals_are_wider_than_those_of_utterances_when_speakers_differ(skilled):
    table = skilled(70, np.linspace(0.2, 0.9, 8))
    low, high = speaker_interval(table, samples=2000)
    naive = speaker_interval(table.assign(speaker=table["utterance"]), samples=2000)
    uar = float(uar_of_confusions(confusion(table).to_numpy()))
    assert low < uar < high and (high - low) > 2 * (naive[1] - naive[0])
    # against Student's theory of a mean over speakers; the logit bends it
    by_speaker = [uar_of_confusions(confusion(rows).to_numpy()) for _, rows in table.groupby("speaker")]
    assert high - low == pytest.approx(2 * t.ppf(0.975, 7) * np.std(by_speaker, ddof=1) / np.sqrt(8), rel=0.1)
    assert (low, high) == speaker_interval(table, samples=2000)


def test_pairing_narrows_the_difference(simulated):
    frame = simulated(np.random.default_rng(2), 8, 6, 1.5, systems=("one", "two"), gain=0.3)
    one, two = (frame[frame["system"] == name] for name in ("one", "two"))
    paired = difference(two, one)
    apart = difference(two, one.assign(speaker="other " + one["speaker"]))
    assert paired["difference"] == pytest.approx(apart["difference"])
    assert paired["high"] - paired["low"] < 0.7 * (apart["high"] - apart["low"])


def test_a_contrast_of_different_speakers_is_refused_by_name(simulated):
    """As many speakers on both sides, but not the same: their counts would be paired in silence."""
    one = simulated(np.random.default_rng(2), 4, 3, 1)
    two = one.replace({"speaker": {"s0": "s9"}})
    with pytest.raises(UserError, match="s0, s9 not in every part"):
        contrast([one, two], [1, -1])

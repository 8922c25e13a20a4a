"""Speakers and sources drawn again: theory of two-way means, coverage by simulation, strata kept apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from sersupport.core.errors import UserError
from sersupport.corpora.convention import EMOTIONS
from sersupport.evaluation.intervals import contrast, speaker_interval
from sersupport.evaluation.resampling import resampled

ONE = np.ones(1)


def crossed(
    rng: np.random.Generator, speakers: int, sources: int, each: int, spread: tuple[float, float], noise="fish_market"
) -> pd.DataFrame:
    """Predictions of every speaker in noise of every source, whose logits of recall both add to."""
    who, where, true = (own.ravel() for own in np.mgrid[:speakers, :sources, : 7 * each])
    ability = 0.3 + spread[0] * rng.standard_normal(speakers)[who] + spread[1] * rng.standard_normal(sources)[where]
    right = rng.random(who.size) < special.expit(ability)
    true = true % 7
    said = np.where(right, true, (true + rng.integers(1, 7, true.size)) % 7)
    names = np.array(EMOTIONS)
    return pd.DataFrame({
        "speaker": [f"s{n}" for n in who], "source": [f"{noise}/{n}" for n in where], "noise": noise,
        "true": names[true], "predicted": names[said],
    })  # fmt: skip


def test_errors_are_those_of_two_way_means():
    """Accuracy in a balanced layout is a mean of row means and of column means, whose errors are textbook."""
    frame = crossed(np.random.default_rng(0), 12, 5, 4, (0.8, 0.8))
    right = (frame["true"] == frame["predicted"]).astype(float)
    found = resampled(frame, metric="accuracy", samples=20000, sources=True).errors(ONE)
    expected = [stats.sem(right.groupby(frame[column]).mean()) for column in ("speaker", "source")]
    assert found == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(("sources", "least"), [(2, 0.9), (4, 0.93)])
def test_intervals_over_speakers_and_sources_cover_what_they_promise(sources, least):
    """95 % intervals hold the population's UAR in 93 to 99 % of simulated studies, with two sources in 90 %; those over
    speakers alone hold it far less often."""
    rng, spread = np.random.default_rng(sources), (0.5, 0.5)
    grid = np.linspace(-6, 6, 2001)
    density = np.exp(-(grid**2) / 2)
    truth = np.sum(density * special.expit(0.3 + np.hypot(*spread) * grid)) / density.sum()
    covered = []
    for study in range(300):
        frame = crossed(rng, 8, sources, 3, spread)
        both, alone = (speaker_interval(frame, 200, seed=study, sources=drawn) for drawn in (True, False))
        covered.append([low <= truth <= high for low, high in (both, alone)])
    both, alone = np.mean(covered, axis=0)
    assert least <= both <= 0.99 and alone < 0.85


def test_where_sources_alone_differ_two_leave_one_degree_of_freedom():
    """All speakers alike, one source all right and one half right."""
    frame = crossed(np.random.default_rng(0), 4, 2, 2, (0, 0)).assign(predicted=lambda rows: rows["true"])
    half = (frame["source"] == "fish_market/1") & (np.arange(len(frame)) % 2 == 0)
    frame.loc[half, "predicted"] = "none of them"
    scores = resampled(frame, metric="accuracy", samples=20000, sources=True)
    error = stats.sem([1, 0.5])
    assert scores.errors(ONE) == pytest.approx([0, error], rel=0.02, abs=1e-12)
    found = scores.tested(ONE)
    assert found["high"] - found["difference"] == pytest.approx(stats.t.ppf(0.975, 1) * error, rel=0.02)


def test_sources_of_one_noise_are_drawn_by_themselves():
    rng = np.random.default_rng(1)
    both = [crossed(rng, 6, 3, 2, (0.3, 0.8), noise) for noise in ("fish_market", "railway_engine")]
    frame = pd.concat(both, ignore_index=True)
    scores = resampled(frame, ["noise"], samples=500, sources=True)
    assert scores.clusters == (6, 3, 3) and scores.groups["noise"].tolist() == ["fish_market", "railway_engine"]
    for place, own in enumerate(scores.draws[1:]):
        assert own[:, place].std() > 0 and (own[:, 1 - place] == scores.scores[1 - place]).all()
    # so the errors of a difference between them add up
    gap = scores.errors(np.array([1.0, -1.0]))
    single = [resampled(own, samples=500, sources=True).errors(ONE)[1] for own in both]
    assert gap[1:] == pytest.approx(single, rel=1e-6)
    heard = frame.assign(noise_part=np.where(frame["source"].str.endswith("0"), "train", "test"))
    assert resampled(heard, ["noise"], samples=100, sources=True).clusters == (6, 2, 2)  # a single one is not drawn


def test_noise_without_recordings_and_single_recordings_add_no_error():
    frame = crossed(np.random.default_rng(2), 6, 3, 2, (0.3, 0.8))
    for same in (frame.assign(source=""), frame.assign(source="one")):
        assert resampled(same, sources=True).interval(ONE) == speaker_interval(frame)
    assert speaker_interval(frame) != speaker_interval(frame, sources=True)


def test_groups_of_other_speakers_are_refused_by_name():
    frame = crossed(np.random.default_rng(3), 3, 2, 1, (0, 0))
    lacking = frame[(frame["source"] == "fish_market/0") | (frame["speaker"] != "s2")]
    with pytest.raises(UserError, match="s2 not in every part"):
        resampled(lacking, ["source"])


def test_a_table_of_groups_has_their_intervals():
    frame = crossed(np.random.default_rng(4), 5, 2, 3, (0.5, 0.5))
    table = resampled(frame, ["source"]).table()
    for row in table.itertuples():
        assert (row.low, row.high) == pytest.approx(speaker_interval(frame[frame["source"] == row.source]))
    parts = [own for _, own in frame.groupby("source")]
    found = resampled(frame, ["source"]).tested(np.array([1.0, -1.0]))
    assert found == pytest.approx(contrast(parts, [1, -1]))


def test_one_speaker_has_a_score_and_no_interval():
    scores = resampled(crossed(np.random.default_rng(5), 1, 3, 2, (0, 0.5)), sources=True)
    found = scores.tested(ONE)
    assert 0 < found["difference"] < 1 and np.isnan([found[name] for name in ("low", "high", "p")]).all()
    assert np.isnan(scores.interval(ONE)).all()

"""Ranks as far as pairs are told apart: by hand, by independent correction, and by simulation of equals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special
from statsmodels.stats.multitest import multipletests

from sersupport.evaluation.paired import paired_difference
from sersupport.evaluation.ranking import every_pair, in_words, moved, rank_text, ranks, told_apart
from sersupport.evaluation.resampling import resampled


def pairs_of(*apart: tuple[str, str]) -> pd.DataFrame:
    """Pairs of a to d of which some are told apart, the first being higher; some of them listed the other way round."""
    rows = []
    for first, second in [("a", "b"), ("a", "c"), ("d", "a"), ("b", "c"), ("b", "d"), ("c", "d")]:
        sign = 1 if (first, second) in apart else -1
        p = 0.01 if {(first, second), (second, first)} & set(apart) else 0.4
        rows.append({"first": first, "second": second, "difference": 0.1 * sign, "p_holm": p})
    return pd.DataFrame(rows)


def test_ranks_by_hand():
    found = ranks("abcd", pairs_of(("a", "d"), ("b", "d"), ("a", "c"))).set_index("name")
    assert found.loc["a"].tolist() == [1, 2]  # above c and d
    assert found.loc["b"].tolist() == [1, 3]  # above d
    assert found.loc["c"].tolist() == [2, 4]
    assert found.loc["d"].tolist() == [3, 4]
    assert rank_text(found.reset_index()).tolist() == ["1–2", "1–3", "2–4", "3–4"]


def test_only_what_is_told_apart_is_said():
    def said(*apart: tuple[str, str], listed: bool = True) -> str:
        return in_words(ranks("abcd", pairs_of(*apart)), "best", "worst", listed)

    every = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    assert said(*every) == "6 of 6 pairs told apart; best a; worst d"
    assert said() == "0 of 6 pairs told apart"
    some = [("a", "d"), ("b", "d"), ("c", "d")]
    assert said(*some) == "3 of 6 pairs told apart; best may be a, b or c; worst d"
    assert said(*some, listed=False) == "3 of 6 pairs told apart; worst d"
    assert said(("a", "d")) == "1 of 6 pairs told apart; best may be a, b or c; worst may be b, c or d"
    assert said(("a", "d"), listed=False) == "1 of 6 pairs told apart"
    assert in_words(ranks("a", pairs_of()[:0]), "best", "worst") == "best and worst not ranked"


@pytest.mark.parametrize(
    ("p", "words"),
    [
        ([0.01, 0.02], "told apart from all 2 others"),
        ([0.01, 0.2], "not told apart from 1 of 2 others"),
        ([0.5, np.nan], "not told apart from 2 of 2 others"),
    ],
)
def test_from_how_many_something_is_told_apart(p, words):
    """Of the best row it once said that it is not told apart from 0 of 4 others."""
    assert told_apart(pd.DataFrame({"p_holm": p, "p_folds": np.nan})) == words
    folds = np.nan_to_num(p, nan=0.9)  # NaN would be of too few folds, which say nothing
    assert told_apart(pd.DataFrame({"p_holm": 1e-9, "p_folds": folds})) == words


def test_ranks_have_moved_where_they_have_none_in_common():
    falling = [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    rising = [(second, first) for first, second in falling]
    up, down, none = (ranks("abcd", pairs_of(*order)) for order in (falling, rising, ()))
    assert moved(up, down) == ["a", "b", "c", "d"]
    assert moved(up, none) == moved(none, down) == moved(up, up) == []


def test_every_pair_is_a_paired_difference_corrected_by_holm(simulated):
    frame = simulated(np.random.default_rng(4), 9, 5, 0.7, systems=("a", "b", "c"), gain=0.4)
    scores = resampled(frame, ["system"])
    table = every_pair(scores, {name: scores.where(system=name) for name in ("a", "b", "c")})
    assert list(zip(table["first"], table["second"], strict=True)) == [("a", "b"), ("a", "c"), ("b", "c")]
    alone = [paired_difference(frame, *pair) for pair in zip(table["first"], table["second"], strict=True)]
    for column in ("difference", "low", "high", "p"):
        np.testing.assert_allclose(table[column], [row[column] for row in alone])
    np.testing.assert_allclose(table["p_holm"], multipletests(table["p"], method="holm")[1])
    assert ranks(["a", "b", "c"], table).set_index("name").loc["c", "first"] == 1  # the most able


def test_equals_are_rarely_told_apart():
    """In 200 studies of four equal systems some pair is told apart in 5 % at most, as the correction promises."""
    rng, wrong = np.random.default_rng(0), 0
    speaker, system, true = (own.ravel() for own in np.mgrid[:8, :4, :21])
    frame = pd.DataFrame({"speaker": speaker, "system": np.array(list("abcd"))[system], "true": true % 7})
    for study in range(200):
        ability = 0.4 + 0.5 * rng.standard_normal(8)[speaker] + 0.5 * rng.standard_normal((8, 4))[speaker, system]
        right = rng.random(true.size) < special.expit(ability)
        said = frame.assign(
            predicted=np.where(right, frame["true"], (frame["true"] + rng.integers(1, 7, true.size)) % 7)
        )
        scores = resampled(said, ["system"], samples=200, seed=study)
        table = every_pair(scores, {name: scores.where(system=name) for name in "abcd"})
        wrong += in_words(ranks("abcd", table), "best", "worst") != "0 of 6 pairs told apart"
    assert 0 < wrong / 200 <= 0.08

"""Recordings, heard and unheard sources, and unheard types, on predictions whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from noisy_rows import EACH, SPEAKERS, of, rows

from sersupport.evaluation import ranking
from sersupport.evaluation.intervals import contrast, speaker_interval
from sersupport.evaluation.metrics import metrics
from sersupport.evaluation.paired import paired_difference
from sersupport.studies import robustness


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Two systems. Railway has one recording. Heard children are easier, for "B" alone; rain is hard for both."""
    parts, levels = [], (0.0, 5.0, 20.0)
    for system in ("A", "B"):
        parts.append(rows(system, 0.8))
        for noise, sources in (("white", 0), ("fish_market", 4), ("children_playing", 3), ("railway_engine", 1)):
            parts += [rows(system, 0.3, noise, level, sources=sources) for level in levels]
        for noise, right in (("children_playing", 0.3 + 0.4 * (system == "B")), ("railway_engine", 0.9)):
            parts += [rows(system, right, noise, level, part="train", sources=2) for level in levels]
        never = {"synthetic rain": (0.2, "snr", 0), "babble": (0.7, "snr", 4), "dog": (0.7, "snr", 1)}
        for noise, (right, kind, sources) in (never | {"room": (0.7, "effect", 0)}).items():
            own = (0.0,) if kind == "effect" else (0.0, 5.0)
            parts += [rows(system, right, noise, level, kind, robustness.UNHEARD, sources) for level in own]
    return pd.concat(parts, ignore_index=True)


def test_recordings_stand_beside_what_the_same_utterances_have_clean(predictions):
    table = robustness.by_source(predictions, "A", 300).set_index("source")
    assert len(table) == 4 + 3 + 1 and table["utterances"].sum() == 3 * SPEAKERS * 7 * EACH
    own = of(predictions, system="A", level_kind="snr", source="test/fish_market/2")
    clean = of(predictions, system="A", condition="clean")
    row = table.loc["test/fish_market/2"]
    assert row["UAR"] == pytest.approx(metrics(own)["recall"])
    assert (row["low"], row["high"]) == speaker_interval(own, 300)
    assert row["clean"] == pytest.approx(metrics(clean[clean["utterance"].isin(own["utterance"])])["recall"])


def test_heard_and_unheard_sources_are_compared_at_equal_decibels(predictions):
    more = rows("A", 1.0, "children_playing", -5.0, part="train", sources=2)  # a level that the other part lacks
    table = robustness.heard_less_unheard(pd.concat([predictions, more]), 300).set_index(["system", "noise"])
    heard, unheard = (
        [
            of(predictions, system="B", noise="children_playing", level=level, noise_part=part)
            for level in (0.0, 5.0, 20.0)
        ]
        for part in ("train", "test")
    )
    weights = np.array([2.5, 10, 7.5]) / 20  # trapezoids
    found = contrast([*heard, *unheard], [*weights, *-weights], samples=300, sources=True)
    row = table.loc[("B", "children_playing")]
    assert row[["difference", "low", "high", "p"]].tolist() == pytest.approx([found[name] for name in row.index[2:6]])
    assert row["p_holm"] < 0.05 and table.loc[("A", "children_playing"), "p_holm"] > 0.05
    railway = table.loc[("A", "railway_engine")]
    assert (railway["heard"], railway["unheard"]) == (2, 1)
    assert (
        railway["difference"] > 0.3 and np.isnan([railway["p"], railway["p_holm"]]).all()
    )  # one recording decides nothing


def test_unheard_types_lose_against_clean_speech_of_the_same_utterances(predictions):
    new = robustness.UnheardTypes(predictions, 300)
    table = new.table().set_index(["system", "kind"])
    assert table.loc["A"].index.tolist() == ["clean", robustness.HEARD, "synthetic rain", "babble", "dog", "room"]
    own = pd.concat(
        [of(predictions, system="A", noise="synthetic rain"), of(predictions, system="A", condition="clean")]
    )
    found = paired_difference(own, "synthetic rain", "", samples=300, by="noise")
    row = table.loc[("A", "synthetic rain")]
    assert row[["less clean", "low", "high"]].tolist() == pytest.approx(
        [found[name] for name in ("difference", "low", "high")]
    )
    known = of(predictions, system="A", level_kind="snr", noise_part="test")
    known = known[known["level"].isin([0.0, 5.0]) & (known["noise"] != "white")]
    assert table.loc[("A", robustness.HEARD), "recall"] == pytest.approx(metrics(known)["recall"])
    assert table.loc["A", "sources"].fillna(0).tolist() == [0, 8, 0, 4, 1, 0]
    assert table.loc["A", "p_holm"].isna().tolist() == [True, False, False, False, True, False]
    assert (
        ranking.in_words(new.ranks("A"), "easiest", "hardest")
        == "2 of 3 pairs told apart; easiest may be babble or room; hardest synthetic rain"
    )

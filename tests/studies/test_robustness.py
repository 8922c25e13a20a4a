"""What noise leaves: areas, ranks, recordings, heard and unheard sources, on predictions whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sersupport.corpora.convention import EMOTIONS
from sersupport.evaluation import ranking
from sersupport.evaluation.curves import retained
from sersupport.evaluation.intervals import contrast, speaker_interval
from sersupport.evaluation.metrics import metrics
from sersupport.evaluation.paired import holm, paired_difference
from sersupport.studies import robustness

SPEAKERS, EACH = 8, 3
COLUMNS = ["utterance", "speaker", "system", "condition", "noise", "source", "level_kind", "level", "noise_part"]


def rows(system: str, recall: float, noise="", level=0.0, kind="snr", part="test", sources=3, seed=0) -> pd.DataFrame:
    """Predictions of every utterance in one condition, its source by turns, that are right by chance with a recall."""
    rng = np.random.default_rng([seed, *map(ord, f"{system}{noise}{level}{kind}{part}")])
    number = np.arange(SPEAKERS * 7 * EACH)
    true = number % 7
    right = rng.random(number.size) < recall + 0.1 * np.sin(number // (7 * EACH))
    recorded = [f"{part}/{noise}/{place}" if sources else "" for place in number % max(sources, 1)]
    frame = pd.DataFrame({
        "utterance": [f"u{place}" for place in number], "speaker": [f"s{place // (7 * EACH)}" for place in number],
        "system": system, "condition": f"{noise}@{level:g}" if noise else "clean", "noise": noise,
        "source": recorded if noise else "", "level_kind": kind if noise else "none", "level": level,
        "noise_part": part, "true": np.array(EMOTIONS)[true],
    })  # fmt: skip
    return frame.assign(predicted=np.array(EMOTIONS)[np.where(right, true, (true + rng.integers(1, 7, true.size)) % 7)])


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Two systems. White noise costs most at equal λ and nothing at equal decibels, the market the other way round.

    Railway has one recording. Children in heard recordings are easier for "B" alone. Of what training never had, rain
    is hard for both.
    """
    recall = {("white", "lambda"): 0.2, ("white", "snr"): 0.75, ("fish_market", "lambda"): 0.75}
    parts = []
    for system in ("A", "B"):
        parts.append(rows(system, 0.8))
        for noise, sources in (("white", 0), ("fish_market", 4), ("children_playing", 3), ("railway_engine", 1)):
            for kind, levels in (("lambda", (0.25, 0.75)), ("snr", (0.0, 5.0, 20.0))):
                right = recall.get((noise, kind), 0.3)
                parts += [rows(system, right, noise, level, kind, sources=sources) for level in levels]
        for noise, right in (("children_playing", 0.3 + 0.4 * (system == "B")), ("railway_engine", 0.9)):
            parts += [rows(system, right, noise, level, part="train", sources=2) for level in (0.0, 5.0, 20.0)]
        never = {"synthetic rain": (0.2, "snr", 0), "babble": (0.7, "snr", 4), "dog": (0.7, "snr", 1)}
        for noise, (right, kind, sources) in (never | {"room": (0.7, "effect", 0)}).items():
            levels = (0.0,) if kind == "effect" else (0.0, 5.0)
            parts += [rows(system, right, noise, level, kind, robustness.UNHEARD, sources) for level in levels]
    return pd.concat(parts, ignore_index=True)


def of(predictions: pd.DataFrame, **values: object) -> pd.DataFrame:
    chosen = np.logical_and.reduce([predictions[name] == value for name, value in values.items()])
    return predictions[chosen]


def test_areas_are_means_over_the_range_with_intervals_over_speakers_and_sources(predictions):
    areas = robustness.Axis(predictions, "snr", 300).areas().set_index(["system", "noise"])
    for noise in ("white", "fish_market", "railway_engine"):
        own = of(predictions, system="A", noise=noise, level_kind="snr", noise_part="test")
        uar = [metrics(own[own["level"] == level])["recall"] for level in (0.0, 5.0, 20.0)]
        assert areas.loc[("A", noise), "area"] == pytest.approx(np.trapezoid(uar, [0, 5, 20]) / 20)
    mean = areas.loc["A"].drop(robustness.TOGETHER)["area"].mean()
    assert areas.loc[("A", robustness.TOGETHER), "area"] == pytest.approx(mean)
    assert (areas["low"] < areas["area"]).all() and (areas["area"] < areas["high"]).all()
    assert areas.loc["A", "sources"].drop(robustness.TOGETHER).fillna(0).tolist() == [0, 4, 3, 1]
    assert areas.loc["A", "over sources"].notna().tolist() == [False, True, True, False, True]


def test_noises_are_ranked_as_far_as_they_are_told_apart_and_one_recording_is_not(predictions):
    by_lambda, by_snr = (robustness.Axis(predictions, kind, 300).noise_ranks("A") for kind in ("lambda", "snr"))
    assert by_lambda["name"].tolist() == ["white", "fish_market", "children_playing"]
    assert by_lambda.set_index("name")["first"].to_dict() == {"white": 3, "fish_market": 1, "children_playing": 2}
    assert ranking.in_words(by_snr, "easiest", "hardest", listed=False) == "easiest white, hardest not told apart"
    assert ranking.moved(by_lambda, by_snr) == ["white", "fish_market"]


def test_systems_are_compared_by_area_and_by_what_is_left(predictions):
    axis = robustness.Axis(predictions, "snr", 300)
    pairs = axis.between_systems()
    assert pairs["measure"].tolist() == ["area", "retained"] and pairs["p_holm"].tolist() == holm(pairs["p"]).tolist()
    areas, left = axis.areas().set_index(["system", "noise"])["area"], axis.retained().set_index("system")
    gap = areas["A", robustness.TOGETHER] - areas["B", robustness.TOGETHER]
    assert pairs["difference"].tolist() == pytest.approx([gap, left["retained"]["A"] - left["retained"]["B"]])
    clean = of(predictions, system="A", condition="clean")
    noisy = of(predictions, system="A", level_kind="snr", noise_part="test")
    found = retained(clean, noisy, 300, sources=True)  # noises that are equally frequent weigh the same
    assert left.loc["A", "retained"] == pytest.approx(found["share"], abs=0.01)
    assert left.loc["A", ["low", "high"]].tolist() == pytest.approx([found["low"], found["high"]], abs=0.01)


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
    more = rows(
        "A", 1.0, "children_playing", -5.0, part="train", sources=2
    )  # a level that the other part does not have
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
        == "easiest not told apart (babble, room), hardest synthetic rain"
    )

"""Areas, ranks and what is left in noise, on predictions whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from noisy_rows import of, rows

from sersupport.evaluation import ranking
from sersupport.evaluation.metrics import metrics
from sersupport.evaluation.noise import TOGETHER, Axis
from sersupport.evaluation.paired import holm


@pytest.fixture(scope="module")
def predictions() -> pd.DataFrame:
    """Two systems. White noise costs most at equal λ and nothing at equal decibels, the market the other way round.

    Railway has one recording.
    """
    recall = {("white", "lambda"): 0.2, ("white", "snr"): 0.75, ("fish_market", "lambda"): 0.75}
    parts = []
    for system in ("A", "B"):
        parts.append(rows(system, 0.8))
        for noise, sources in (("white", 0), ("fish_market", 4), ("children_playing", 3), ("railway_engine", 1)):
            for kind, levels in (("lambda", (0.25, 0.75)), ("snr", (0.0, 5.0, 20.0))):
                right = recall.get((noise, kind), 0.3)
                parts += [rows(system, right, noise, level, kind, sources=sources) for level in levels]
    return pd.concat(parts, ignore_index=True)


def test_areas_are_means_over_the_range_with_intervals_over_speakers_and_sources(predictions):
    areas = Axis(predictions, "snr", 300).areas().set_index(["system", "noise"])
    for noise in ("white", "fish_market", "railway_engine"):
        own = of(predictions, system="A", noise=noise, level_kind="snr", noise_part="test")
        uar = [metrics(own[own["level"] == level])["recall"] for level in (0.0, 5.0, 20.0)]
        assert areas.loc[("A", noise), "area"] == pytest.approx(np.trapezoid(uar, [0, 5, 20]) / 20)
    mean = areas.loc["A"].drop(TOGETHER)["area"].mean()
    assert areas.loc[("A", TOGETHER), "area"] == pytest.approx(mean)
    assert (areas["low"] < areas["area"]).all() and (areas["area"] < areas["high"]).all()
    assert areas.loc["A", "sources"].drop(TOGETHER).fillna(0).tolist() == [0, 4, 3, 1]
    assert areas.loc["A", "over sources"].notna().tolist() == [False, True, True, False, True]


def test_noises_are_ranked_as_far_as_they_are_told_apart_and_one_recording_is_not(predictions):
    by_lambda, by_snr = (Axis(predictions, kind, 300).ranks("A") for kind in ("lambda", "snr"))
    assert by_lambda["name"].tolist() == ["white", "fish_market", "children_playing"]
    assert by_lambda.set_index("name")["first"].to_dict() == {"white": 3, "fish_market": 1, "children_playing": 2}
    assert ranking.in_words(by_snr, "easiest", "hardest", listed=False) == "2 of 3 pairs told apart; easiest white"
    assert ranking.moved(by_lambda, by_snr) == ["white", "fish_market"]


def test_systems_are_compared_by_area_and_by_what_is_left(predictions):
    axis = Axis(predictions, "snr", 300)
    pairs = axis.between_systems()
    assert pairs["measure"].tolist() == ["area", "retained"] and pairs["p_holm"].tolist() == holm(pairs["p"]).tolist()
    areas, left = axis.areas().set_index(["system", "noise"])["area"], axis.retained().set_index("system")
    gap = areas["A", TOGETHER] - areas["B", TOGETHER]
    assert pairs["difference"].tolist() == pytest.approx([gap, left["retained"]["A"] - left["retained"]["B"]])

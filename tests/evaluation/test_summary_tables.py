"""What tables of scores show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sersupport.evaluation.speed import throughput
from sersupport.evaluation.tables import presented, side_by_side, summarise


def test_summaries_and_their_titles(skilled):
    summary = summarise(skilled(35, np.full(4, 0.7)).assign(system="D"), ["system"], 100)
    row = summary.iloc[0]
    assert (row["speakers"], row["utterances"]) == (4, 140) and row["uar_low"] <= row["recall"] <= row["uar_high"]
    shown = presented(summary.assign(accuracy_pct=97.28), "system")
    assert list(shown)[:4] == ["system", "accuracy (%)", "accuracy (%), paper", "f1"]
    assert shown["accuracy (%)"].iloc[0] == pytest.approx(100 * row["accuracy"])


def test_sources_are_drawn_and_counted_where_they_are_asked_for(skilled):
    table = skilled(42, np.linspace(0.3, 0.9, 4)).assign(noise="rain", source="", level=0.5)
    recorded = table.assign(noise="fish_market", source=np.where(np.arange(len(table)) % 2, "a", "b"))
    recorded.loc[recorded["source"] == "a", "predicted"] = recorded["true"]
    both = pd.concat([table, recorded])
    found = summarise(both, ["noise", "level"], 100, sources=True)
    assert found["sources"].tolist()[1] == 2 and np.isnan(found["sources"][0])
    assert list(presented(found, "noise", "level").columns)[-2:] == ["utterances", "sources"]
    alone = summarise(both, ["noise", "level"], 100)
    assert "sources" not in alone and alone.loc[0, "uar_low"] == found.loc[0, "uar_low"]
    assert alone.loc[1, "uar_low"] > found.loc[1, "uar_low"] + 0.05


def test_one_speaker_of_unknown_sex_who_lacks_a_class_is_summarised(skilled):
    table = skilled(35, np.array([0.7])).query("true != 'surprise'").assign(sex="", text="", corpus="own_words")
    shown = presented(summarise(table, ["sex", "corpus"], 100), "sex", "corpus")
    assert shown[["sex", "corpus"]].iloc[0].tolist() == ["", "own words"] and shown["UAR"].between(0, 1).all()
    assert shown[["UAR low", "UAR high"]].isna().all().all()


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
    found = side_by_side(summary, ["encoder"], ["speech"])
    assert list(found.columns) == ["encoder", "noisy", "clean"]
    assert found.values.tolist() == [["b", "0.50 (0.25–0.75)", "0.25"], ["a", "0.12 (0.00–0.50)", "1.00 (0.50–1.00)"]]


def test_throughput_counts_clips_over_seconds(monkeypatch):
    """One call warms up and is not counted; three more of 8 clips fill the second."""
    clock = iter([0.0, 0.2, 0.6, 0.9, 1.2])
    monkeypatch.setattr("sersupport.evaluation.speed.time.perf_counter", lambda: next(clock))
    assert throughput(lambda: 8, 1.0) == pytest.approx(3 * 8 / 1.2)

"""The ladder on toy speech whose class only a known voice, or only a sibling, tells."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from sersupport.corpora.protocols import THINNED
from sersupport.evaluation import metrics
from sersupport.recipes.drawing import VARIANTS
from sersupport.studies.ablation import BASELINE, ablation
from sersupport.studies.protocols import TAKEN_AWAY, divided, ladder, rungs, steps


@pytest.fixture
def utterances(toy):
    return toy("emotion").utterances.reset_index(drop=True)


def test_the_control_loses_as_many_training_rows_as_the_strictest_protocol(protocols, utterances):
    found = rungs(protocols, utterances)
    assert list(found) == ["row-random", *TAKEN_AWAY]
    counts = {name: rows["split"].value_counts() for name, rows in found.items()}
    assert counts[THINNED]["train"] == counts["speaker-and-text-disjoint"]["train"]
    assert counts[THINNED]["train"] < counts["speaker-disjoint"]["train"]
    without = protocols[protocols["protocol"] != "speaker-and-text-disjoint"]
    assert list(rungs(without, utterances)) == list(found)[:3]


def test_division_parts_the_rows_as_the_assignment_says(toy, protocols, utterances):
    recipes = toy("emotion").store.recipes
    assignment = rungs(protocols, utterances)["speaker-and-text-disjoint"]
    parts = divided(recipes, assignment)
    assert sum(map(len, parts.values())) == len(assignment) < len(recipes)
    for name, part in parts.items():
        wanted = assignment[assignment["split"] == name][["utterance", "variant"]].apply(tuple, axis=1)
        assert set(part[["utterance", "variant"]].apply(tuple, axis=1)) == set(wanted)


@pytest.mark.parametrize(
    ("told_by", "high", "low"),
    [
        (["speaker", "emotion"], "utterance-grouped", "speaker-disjoint"),
        (["utterance", "emotion"], "row-random", "utterance-grouped"),
    ],
)
def test_the_ladder_finds_what_a_model_had_to_have_heard(toy, setup, protocols, utterances, told_by, high, low):
    """Where only a known voice, or only a sibling, tells the class, the score falls at the step that takes it away."""
    bench = toy(*told_by)
    kept = {name: rows for name, rows in rungs(protocols, utterances).items() if name in (high, low)}
    found = bench.run(ladder(replace(setup, epochs=30), "D", bench.store.recipes, kept))
    uar = {name: metrics.metrics(part)["recall"] for name, part in found.groupby("protocol")}
    assert uar[high] > 0.85 and uar[low] < 0.35, uar
    assert set(found["condition"]) == set(VARIANTS)
    change = steps(found[found["condition"] == "clean"], [high, low], 100)
    assert change["difference"].item() < -0.4 and change["what goes"].item() == TAKEN_AWAY[low]


def test_every_protocol_and_change_takes_exactly_the_same_steps(toy, setup, protocols, utterances):
    """Rounded epochs once gave up to a quarter more or less, under a caption that said "the same steps"."""
    bench, found = toy("emotion"), rungs(protocols, utterances)
    jobs = ladder(setup, "D", bench.store.recipes, found)
    parts = divided(bench.store.recipes, found["speaker-disjoint"])
    changed = ablation(setup, "D", parts, ["mean pooling", "clean rows only"])
    assert [job.system for job in changed] == [BASELINE, "mean pooling", "clean rows only"]
    rows = [len(job.train) for job in (*jobs, *changed)]
    assert max(rows) > 2 * min(rows)
    for some in (jobs, changed):
        courses = [bench.history(bench.fit(job))["step"].tolist() for job in some]
        every = some[0].budget.evaluate_every
        assert courses == [[every, 2 * every, 3 * every]] * len(some)
    assert isinstance(bench.run(jobs[:1]), pd.DataFrame)

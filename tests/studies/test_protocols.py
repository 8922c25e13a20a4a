"""The ladder on toy speech whose class only a known voice, or only a sibling, tells."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from sersupport.corpora.protocols import levelled
from sersupport.evaluation import metrics
from sersupport.recipes.drawing import VARIANTS
from sersupport.studies.ablation import BASELINE, ablation
from sersupport.studies.protocols import (
    IN_VALIDATION,
    ON_TEST,
    STRICT,
    TAKEN_AWAY,
    ladder,
    leaks,
    of_second_takes,
    second_takes,
    steps,
)


def test_every_protocol_is_trained_on_as_many_rows_and_tests_what_may_be_tested(toy, setup, protocols):
    recipes = toy("emotion").store.recipes
    tested = set(recipes["utterance"].unique()[::2])
    jobs = ladder(setup, "D", recipes, protocols, tested)
    assert [job.protocol for job in jobs] == ["row-random", *TAKEN_AWAY] and {job.fold for job in jobs} == {0}
    assert len({len(job.train) for job in jobs[:3]}) == len({len(job.train) for job in jobs[3:]}) == 1
    assert len(jobs[3].train) < len(jobs[0].train) and len({job.budget.steps for job in jobs}) == 1
    for job in jobs:
        assignment = protocols[protocols["protocol"] == job.protocol].set_index(["utterance", "variant"])["split"]
        for name in ("train", "validation", "test"):
            rows = getattr(job, name)
            own = pd.MultiIndex.from_frame(rows[["utterance", "variant"]])
            assert (assignment[own] == name).all() and len(rows)
            assert set(rows["variant"]) == (set(VARIANTS) if name == "train" else {"clean", "noisy"})
        assert set(job.test["utterance"]) <= tested


@pytest.mark.parametrize(
    ("told_by", "high", "low"),
    [
        (["speaker", "emotion"], "utterance-grouped", "speaker-disjoint"),
        (["utterance", "emotion"], "row-random", "utterance-grouped"),
    ],
)
def test_the_ladder_finds_what_a_model_had_to_have_heard(toy, setup, possible, told_by, high, low):
    """Where only a known voice, or only a sibling, tells the class, the score falls at the step that takes it away."""
    bench = toy(*told_by)
    kept = levelled({name: possible[name] for name in (high, low)}, bench.utterances.reset_index(drop=True))
    everything = set(bench.store.recipes["utterance"])
    found = bench.run(ladder(replace(setup, epochs=30), "D", bench.store.recipes, kept, everything))
    uar = {name: metrics.metrics(part)["recall"] for name, part in found.groupby("protocol")}
    assert uar[high] > 0.85 and uar[low] < 0.35, uar
    assert set(found["condition"]) == {"clean", "noisy"}
    change = steps(found[found["condition"] == "clean"], [high, low], 100)
    assert change["difference"].item() < -0.4 and change["what goes"].item() == TAKEN_AWAY[low]


def test_every_protocol_and_change_takes_exactly_the_same_steps(toy, setup, protocols):
    """Rounded epochs once gave up to a quarter more or less, under a caption that said "the same steps"."""
    bench = toy("emotion")
    jobs = ladder(setup, "D", bench.store.recipes, protocols, set(bench.store.recipes["utterance"]))
    parts = {part: getattr(jobs[2], part) for part in ("train", "validation", "test")}
    changed = ablation(setup, "D", {0: parts}, ["mean pooling", "clean rows only"])
    assert [job.system for job in changed] == [BASELINE, "mean pooling", "clean rows only"]
    rows = [len(job.train) for job in (*jobs, *changed)]
    assert max(rows) > 2 * min(rows)
    for some in (jobs, changed):
        courses = [bench.history(bench.fit(job))["step"].tolist() for job in some]
        every = some[0].budget.evaluate_every
        assert courses == [[every, 2 * every, 3 * every]] * len(some)
    assert isinstance(bench.run(jobs[:1]), pd.DataFrame)


def test_a_leak_differs_from_the_strict_rung_in_its_validation_alone(toy, setup, protocols):
    bench = toy("emotion")
    recipes, utterances = bench.store.recipes, bench.utterances.reset_index(drop=True)
    arguments = setup, "D", recipes, protocols, set(recipes["utterance"].unique()[::2])
    (strict,) = (job for job in ladder(*arguments) if job.protocol == STRICT)
    on_test, *halves = leaks(*arguments, utterances)
    assert [job.protocol for job in (on_test, *halves)] == [ON_TEST, IN_VALIDATION, IN_VALIDATION]
    for job in (on_test, *halves):
        pd.testing.assert_frame_equal(job.train, strict.train)
        assert job.budget == strict.budget and job.seed == strict.seed
    pd.testing.assert_frame_equal(on_test.validation, strict.test)
    pd.testing.assert_frame_equal(on_test.test, strict.test)
    tested = pd.concat([job.test for job in halves])
    pd.testing.assert_frame_equal(tested.sort_index(), strict.test)  # each row once
    speaker = utterances.set_index("id")["speaker"]
    for job, other in zip(halves, halves[::-1], strict=True):
        pd.testing.assert_frame_equal(job.validation, other.test)
        assert not set(job.validation["utterance"]) & set(job.test["utterance"])
        assert set(speaker[job.validation["utterance"]]) == set(speaker[strict.test["utterance"]])


def test_an_epoch_chosen_on_the_test_is_the_best_that_the_test_knows(toy, setup, protocols):
    bench = toy("speaker", "emotion")
    recipes = bench.store.recipes
    arguments = replace(setup, epochs=6), "D", recipes, protocols, set(recipes["utterance"])
    job = leaks(*arguments, bench.utterances.reset_index(drop=True))[0]
    course = bench.history(bench.fit(job))["validation_uar"]
    reported = metrics.metrics(bench.run([job]))["recall"]
    assert reported == pytest.approx(course.max()) and course.max() > course.mean()


def spoken_twice(known: float, twice: float, speakers: int = 6, lines: int = 20):
    """Utterances of which each even line was spoken twice, and a ladder that is right more often for what was heard."""
    rows = [
        (f"s{who}/{line}-{take}", f"s{who}", line, take)
        for who in range(speakers) for line in range(lines) for take in range(2 - line % 2)
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["id", "speaker", "line", "take"])
    table["text"], table["intensity"] = table["line"].map("text {}".format), "normal"
    table["emotion"] = table["line"].mod(4).map({0: "sad", 1: "sad", 2: "fear", 3: "fear"})
    shares = {"utterance-grouped": (0.5 + known, 0.5 + known + twice), STRICT: (0.5, 0.5)}
    predictions, assignments = [], []
    for protocol, share in shares.items():
        for (_, line), own in table.groupby(["speaker", "line"]):
            fold = int(own["speaker"].str[1:].iloc[0]) % 2 if protocol == STRICT else 0
            right = line % 10 < round(10 * share[int(len(own) > 1)])
            said = own["emotion"] if right else own["emotion"].map({"sad": "fear", "fear": "sad"})
            folds = own["take"] if protocol != STRICT else fold
            predictions.append(
                own.assign(
                    protocol=protocol, fold=folds, true=own["emotion"], predicted=said, condition="clean", seed=0
                )
            )
    every = pd.concat(predictions, ignore_index=True).rename(columns={"id": "utterance"})
    for (protocol, fold), own in every.groupby(["protocol", "fold"]):
        heard = table["id"].isin(own["utterance"]).map({True: "test", False: "train"})
        assignments.append(pd.DataFrame({"protocol": protocol, "fold": fold, "utterance": table["id"], "split": heard}))
    return every.drop(columns=["line", "take", "text", "intensity", "emotion"]), pd.concat(assignments), table


def test_a_second_take_is_the_same_line_of_the_same_voice():
    every, assignments, table = spoken_twice(0.2, 0.2)
    whole = every[every["protocol"] == "utterance-grouped"]
    even = whole["utterance"].str.extract(r"/(\d+)-")[0].astype(int) % 2 == 0
    assert (second_takes(whole, assignments, table) == even).all()
    strict = every[every["protocol"] == STRICT]
    assert not second_takes(strict, assignments, table).any(), "a line of another voice is no second take"
    unknown = table.assign(text="")
    assert not second_takes(whole, assignments, unknown).any(), "recordings of unknown text pass for takes of one line"


def test_what_second_takes_are_worth_is_told_from_what_voices_are():
    """Voices were once said to be worth what in two thirds of the recordings was the same line once more."""
    found = of_second_takes(*spoken_twice(0.1, 0.2), samples=200).set_index("second take")
    assert found.loc["in training", "difference"] == pytest.approx(0.3, abs=0.1)
    assert found.loc["not in training", "difference"] == pytest.approx(0.1, abs=0.1)
    gap = found.loc["in training", "difference"] - found.loc["not in training", "difference"]
    assert found.loc["difference", "difference"] == pytest.approx(gap)
    every, assignments, table = spoken_twice(0.1, 0.2)
    assert of_second_takes(every, assignments, table.assign(text=""), samples=200).empty

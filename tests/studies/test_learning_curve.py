"""Shares of a target corpus: who is trained, what is nested, what starts where."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sersupport.corpora.reading import read_all
from sersupport.inputs.store import Store
from sersupport.recipes.rendering import Renderer, Window
from sersupport.studies.jobs import Bench
from sersupport.studies.learning_curve import ENGLISH, NOTHING, gains, learning_curve, sources
from sersupport.systems import humpcat

SHARES = [0.05, 0.5, 1.0]


@pytest.fixture(scope="module")
def table(small):
    rows = small.table[~small.table["speaker"].isin(small.table["speaker"].unique()[8:])]
    own = read_all(small.folder, ["savee"])[0]
    return pd.concat([rows, own], ignore_index=True)


@pytest.fixture
def jobs(setup, table):
    return learning_curve(setup, humpcat.NAME, table, "savee", SHARES, "emobox")


def test_smaller_shares_are_part_of_larger_ones_and_even(jobs, table):
    emotion = table.set_index("id")["emotion"]
    for fold in {job.fold for job in jobs}:
        own = [job for job in jobs if job.fold == fold and job.labels["start"] == NOTHING]
        rows = [set(job.train["utterance"]) for job in sorted(own, key=lambda job: job.labels["share"])]
        assert rows[0] < rows[1] < rows[2] and len(rows[1]) == round(0.5 * len(rows[2]))
        counts = emotion[list(rows[0])].value_counts()
        assert counts.max() - counts.min() <= 1 and len(counts) == min(len(rows[0]), emotion[list(rows[2])].nunique())


def test_speakers_of_the_target_stay_apart_and_english_has_none_of_them(jobs, table):
    speaker = table.set_index("id")["speaker"]
    for job in jobs:
        who = {part: set(speaker[getattr(job, part)["utterance"]]) for part in ("train", "validation", "test")}
        assert not who["test"] & (who["train"] | who["validation"])
        assert all(name.startswith("savee") for name in who["test"])
        if job.labels["share"] == 0:
            assert not any(name.startswith("savee") for name in who["train"] | who["validation"])


def test_both_starts_have_the_same_rows_and_steps_and_differ_by_the_start_alone(setup, jobs):
    english, nothing = (
        {(job.fold, job.labels["share"]): job for job in jobs if job.labels["start"] == start and job.labels["share"]}
        for start in (ENGLISH, NOTHING)
    )
    assert english.keys() == nothing.keys() and len({job.budget for job in english.values()}) <= 4
    for cell, job in english.items():
        other = nothing[cell]
        assert job.budget == other.budget and list(job.train.index) == list(other.train.index)
        assert other.start is None and job.start.labels == {"share": 0.0, "start": ENGLISH}


def test_a_german_corpus_is_no_source_and_without_english_there_is_no_curve(setup, table):
    foreign = table.assign(language=table["language"].mask(table["corpus"] == "tess", "de"))
    assert set(sources(foreign, "savee")["corpus"]) == {"ravdess"}
    alone = table[table["corpus"] == "savee"]
    assert learning_curve(setup, humpcat.NAME, alone, "savee", SHARES, "emobox") == []


def test_gains_are_those_of_the_english_start_over_nothing_paired_by_speaker():
    rng = np.random.default_rng(0)
    rows = []
    for share, right in ((0.1, 0.8), (1.0, 0.5)):
        for start, chance in ((ENGLISH, right), (NOTHING, 0.5)):
            for speaker in range(8):
                for number, true in enumerate(["happy", "sad"] * 10):
                    said = true if rng.random() < chance else "sad" if true == "happy" else "happy"
                    rows.append((share, start, f"s{speaker}", f"{speaker}-{number}", true, said))
    table = pd.DataFrame(rows, columns=["share", "start", "speaker", "utterance", "true", "predicted"])
    table = table.assign(source="", seed=0, condition="clean", noise="")
    found = gains(table, samples=200).set_index(["share", "start"])
    assert found.loc[(0.1, ENGLISH), "p_holm"] < 0.05 < found.loc[(1.0, ENGLISH), "p_holm"]
    uar = found["recall"]
    assert found.loc[(0.1, ENGLISH), "difference"] == pytest.approx(uar[0.1, ENGLISH] - uar[0.1, NOTHING])
    assert found.xs(NOTHING, level="start")["difference"].isna().all()


def test_a_curve_is_trained_and_tests_every_speaker_of_the_target(setup, table, small, tmp_path):
    store = Store(Renderer(table, None, Window(0.3, 1.0)), small.bench.store.cache)
    bench = Bench(store, tmp_path, small.bench.load_encoder)
    jobs = learning_curve(setup, humpcat.NAME, table, "savee", [0.5], "emobox")
    found = bench.run([job for job in jobs if job.fold == 0])
    assert set(zip(found["share"], found["start"], strict=True)) == {(0.0, ENGLISH), (0.5, ENGLISH), (0.5, NOTHING)}
    assert found.groupby(["share", "start"])["utterance"].agg(set).map(len).nunique() == 1

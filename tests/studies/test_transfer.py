"""Across corpora: whole corpora apart, only the classes that both have, and the figure within beside it."""

from __future__ import annotations

import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from sersupport.core.errors import UserError
from sersupport.corpora.reading import read_all
from sersupport.inputs.descriptors import Descriptors
from sersupport.run import from_parameters
from sersupport.run.parameters import Parameters
from sersupport.studies import transfer
from sersupport.studies.protocols import STRICT
from sersupport.studies.setup import PROBE


@pytest.fixture
def one(setup):
    return replace(setup, descriptors=Descriptors(), clip_samples=55_125, epochs=1, seeds=(3, 4))


@pytest.fixture
def table(small):
    """TESS without surprise."""
    return small.table[(small.table["corpus"] != "tess") | (small.table["emotion"] != "surprise")]


def test_corpora_are_apart_and_share_their_classes(table, one):
    jobs = transfer.transfers(one, ["D", PROBE], table, "emobox")
    of = table.set_index("id")
    assert {job.seed for job in jobs} == {3}
    cross = [job for job in jobs if job.protocol == transfer.CROSS]
    assert [(job.labels["source"], job.system) for job in cross] == [
        ("ravdess", "D"), ("ravdess", PROBE), ("tess", "D"), ("tess", PROBE),
    ]  # fmt: skip
    for job in cross:
        corpora = {
            part: set(of.loc[getattr(job, part)["utterance"], "corpus"]) for part in ("train", "validation", "test")
        }
        assert corpora["train"] == corpora["validation"] == {job.labels["source"]}
        assert corpora["test"] == {"ravdess", "tess"} - {job.labels["source"]}
        assert set(job.test["utterance"]) == set(
            of.index[(of["corpus"] != job.labels["source"]) & (of["emotion"] != "surprise")]
        )
        assert not set(job.train["utterance"]) & set(job.validation["utterance"])
    for job in jobs:
        rows = pd.concat([job.train, job.validation, job.test])
        assert "surprise" not in set(of.loc[rows["utterance"], "emotion"]) and "surprise" not in job.labels["classes"]
        assert set(rows["variant"]) == {"clean"}
        assert job.budget.steps == one.budget(4 * len(job.train)).steps


def test_within_a_corpus_every_speaker_is_tested_once_and_apart(table, one):
    jobs = [job for job in transfer.transfers(one, [PROBE], table, "emobox") if job.protocol == STRICT]
    speaker = table.set_index("id")["speaker"]
    tested = pd.concat([job.test for job in jobs])["utterance"]
    assert tested.is_unique and set(speaker[tested]) == set(table["speaker"])
    for job in jobs:
        assert not set(speaker[job.test["utterance"]]) & set(
            speaker[pd.concat([job.train, job.validation])["utterance"]]
        )


def test_a_corpus_with_one_speaker_is_not_used(table, one):
    less = table[table["speaker"] != "tess-OAF"]
    assert transfer.usable(less) == ["ravdess"] and transfer.transfers(one, [PROBE], less, "emobox") == []


def test_scores_stand_beside_those_within_the_tested_corpus(small, table, one):
    found = small.bench.run(transfer.transfers(one, [PROBE], table, "emobox"))
    scores = transfer.side_by_side(found, 100)
    assert scores[["corpus", "source", "protocol"]].values.tolist() == [
        ["ravdess", "ravdess", STRICT], ["ravdess", "tess", transfer.CROSS],
        ["tess", "tess", STRICT], ["tess", "ravdess", transfer.CROSS],
    ]  # fmt: skip
    assert scores["speakers"].tolist() == [8, 8, 2, 2] and scores["recall"].between(0, 1).all()
    assert not set(found["predicted"]) - set(scores["classes"].iloc[0].split(", "))
    lost = transfer.losses(found, 100)
    np.testing.assert_allclose(lost["p_holm"], multipletests(lost["p"], method="holm")[1])


def test_corpora_beside_the_run_s_own_are_read_and_absent_ones_named(small, tmp_path):
    changes = {"data_dir": os.path.relpath(small.folder, tmp_path), "corpora": ["ravdess"]}
    own = read_all(small.folder, ["ravdess"])[0]
    run = SimpleNamespace(p=None, root=tmp_path, load=lambda name: own)
    run.p = Parameters().model_copy(update=changes | {"transfer_corpora": ["ravdess", "tess", "emovo"]})
    table, absent = from_parameters.transfer_utterances(run)
    assert absent == ["emovo"] and list(table["corpus"].unique()) == ["ravdess", "tess"] and table["id"].is_unique
    run.p = run.p.model_copy(update={"transfer_corpora": ["emovo", "emodb"]})
    table, absent = from_parameters.transfer_utterances(run)
    assert table.empty and absent == ["emovo", "emodb"] and transfer.usable(table) == []
    run.p = run.p.model_copy(update={"transfer_corpora": ["nowhere"]})
    with pytest.raises(UserError, match="no reader for corpus 'nowhere'"):
        from_parameters.transfer_utterances(run)

"""Encoders side by side, students, and what linear probes tell of them."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from sersupport.core.cache import Cache
from sersupport.core.errors import UserError
from sersupport.corpora.reading import read_all
from sersupport.inputs.descriptors import Descriptors
from sersupport.inputs.encoders import encoder as encoders
from sersupport.recipes.bank import ENVIRONMENTS
from sersupport.run import from_parameters
from sersupport.run.parameters import Parameters
from sersupport.studies import encoders as studies
from sersupport.studies.ablation import BASELINE, by_speech
from sersupport.studies.setup import PROBE
from sersupport.systems import lessons
from sersupport.systems.fusion import FusionConfig


@pytest.fixture
def run(small, tmp_path):
    changes = {
        "data_dir": os.path.relpath(small.folder, tmp_path),
        "teacher": encoders.TINY,
        "teacher_layers": [1],
        "lesson_steps": 10,
        "lesson_changes": ["one speed", "last layer as target"],
        "lesson_speeds": [0.9, 1.0, 1.1],
        "student_channels": 4,
        "student_hidden": 16,
        "student_layers": 1,
        "encoders": {encoders.TINY: [-1], "nobody/none": [0]},
    }
    parameters = Parameters().model_copy(update=changes)
    return SimpleNamespace(
        p=parameters, root=tmp_path, cache=Cache(small.folder / "cache"), load=lambda name: small.table
    )


@pytest.fixture
def one(setup):
    return replace(setup, descriptors=Descriptors(), clip_samples=55_125, epochs=1)


def test_students_are_taught_each_by_its_own_plan_and_probed(run, small, one, tmp_path):
    asked = []

    def listen(plan):
        asked.append((plan.layers, plan.speeds))
        teacher = from_parameters.load_encoder(run, run.p.teacher, plan.layers)
        return lessons.listen(lessons.heard(small.table), teacher, run.cache, plan.speeds)

    plan, bank = from_parameters.plan(run), small.renderer.bank
    students = studies.students(plan, run.p.lesson_changes, listen, bank, tmp_path / "models", None)
    assert list(students) == [studies.UNTAUGHT, BASELINE, *run.p.lesson_changes]
    assert asked == [((1,), (0.9, 1.0, 1.1)), ((1,), (1.0,)), ((-1,), (0.9, 1.0, 1.1))]  # not twice for one plan
    assert len({student.fingerprint for student in students.values()}) == 4
    corpus = small.table[small.table["corpus"] == "ravdess"]
    jobs = studies.probed(one, {BASELINE: students[BASELINE]}, corpus, bank, ENVIRONMENTS, 0, 2.5)
    trains = {(job.protocol, *job.test["utterance"].unique()): set(job.train["utterance"]) for job in jobs}
    assert all(
        not own & set(name[1:]) for name, own in trains.items()
    )  # nobody is classified by a probe that heard them
    found = by_speech(small.bench.run(jobs))
    who = found.groupby("protocol")["speaker"].unique()
    assert not set(who["heard"]) & lessons.UNHEARD and set(who["unheard"]) <= lessons.UNHEARD
    assert (found.groupby("utterance")["condition"].nunique() == 1 + len(ENVIRONMENTS)).all()
    assert set(found["utterance"]) == set(corpus["id"])
    assert ((found["speech"] == "clean") == (found["condition"] == "clean")).all()


def test_an_encoder_that_is_here_and_broken_is_not_called_absent(run, tmp_path):
    """Notebook 11 would say that it is not on this machine."""
    (tmp_path / "torn").mkdir()
    shutil.copy(encoders.MINI_FOLDER / "config.json", tmp_path / "torn")
    (tmp_path / "torn" / "model.safetensors").write_bytes(b"")
    run.p = run.p.model_copy(update={"encoders": {"torn": [-1]}})
    with pytest.raises(UserError, match="torn"):
        from_parameters.compared_encoders(run)


def test_encoders_are_compared_on_the_same_rows_and_the_absent_are_named(run, small, one, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    here, absent = from_parameters.compared_encoders(run)
    assert list(here) == [encoders.TINY] and "nobody/none" in absent["nobody/none"]
    jobs = studies.compared(one, here, ["B", "D"], {0: small.recipes})
    found = small.bench.run(jobs)
    assert list(found["system"].unique()) == [PROBE, "B", "D"] and set(found["encoder"]) == {encoders.TINY}
    for _, rows in found.groupby("system"):
        assert sorted(rows["utterance"]) == sorted(small.recipes["test"]["utterance"])
    config = FusionConfig.from_pretrained(small.bench.fit(jobs[1]).folder)
    assert config.temporal and not config.spectral
    # a probe that had heard no noise once stood below row B, which had
    assert all(job.train.equals(small.recipes["train"]) for job in jobs)
    (clean,) = studies.compared(one, here, [], studies.on_clean({0: small.recipes}))
    assert set(clean.train["variant"]) == {"clean"} and set(clean.test["condition"]) == {"clean"}


def test_the_corpus_to_probe_has_speakers_of_both_kinds():
    who = {"cremad": ["1001", "1002", "1003"], "ravdess": ["02", "03", "01"], "tess": ["OAF"]}
    rows = [(corpus, f"{corpus}-{code}") for corpus, codes in who.items() for code in codes]
    table = pd.DataFrame(rows, columns=["corpus", "speaker"])
    assert set(studies.corpus_to_probe(table)["corpus"]) == {"ravdess"}
    assert set(studies.corpus_to_probe(table[table["speaker"] != "ravdess-01"])["corpus"]) == {"cremad"}
    with pytest.raises(UserError, match="must stay unheard"):
        studies.corpus_to_probe(table[table["corpus"] == "tess"])


def test_a_fine_tuned_row_has_the_encoder_inside_and_starts_from_it(small, one, encoder):
    """On the folds that are asked for, with one seed, on the rows that the frozen ones are trained on."""
    setup, folds = replace(one, seeds=(0, 1)), {fold: small.recipes for fold in (0, 1)}
    frozen = studies.compared(setup, {encoders.TINY: encoder}, ["D"], folds)
    (tuned,) = studies.finetuned(setup, {encoders.TINY: encoder}, ["D"], {encoders.TINY: {1: folds[1]}})
    assert tuned.config.encoder_learning_rate_factor == studies.FINETUNED_RATE
    (same,) = [job for job in frozen if job.system == "D" and job.fold == 1]
    assert tuned.config.encoder == encoder.config and tuned.start is encoder and "waves" in tuned.inputs
    assert same.config.encoder is None and "frames" in same.inputs
    assert (tuned.seed, tuned.fold, tuned.labels) == (0, 1, {"encoder": encoders.TINY}) == (same.seed, 1, same.labels)
    assert tuned.train.equals(same.train) and tuned.test.equals(same.test) and tuned.budget == same.budget


def test_all_classes_are_those_that_the_corpora_name(small, tmp_path):
    """Calm counts as neutral in the paper's classes; where nobody is calm there is nothing to show apart."""
    folder = tmp_path / "data"
    shutil.copytree(small.folder / "ravdess", folder / "ravdess")
    shutil.copytree(small.folder / "noise", folder / "noise")

    def bench():
        parameters = Parameters().model_copy(update={"data_dir": "data", "corpora": ["ravdess"]})
        table = read_all(folder, ["ravdess"], parameters.classes)[0]
        run = SimpleNamespace(
            p=parameters, root=tmp_path, build=tmp_path, cache=Cache(tmp_path / "cache"), jobs_folder=tmp_path / "jobs",
            load=lambda name: table,
        )  # fmt: skip
        return table, from_parameters.bench_with_all_classes(run)

    for path in (folder / "ravdess").rglob("03-01-02-*"):
        path.unlink()
    assert bench()[1] is None
    calm = next((folder / "ravdess").rglob("03-01-01-*"))
    shutil.copyfile(calm, calm.with_name(calm.name.replace("03-01-01-", "03-01-02-", 1)))
    table, found = bench()
    assert "calm" not in set(table["emotion"]) and "calm" in found.store.renderer.classes
    assert set(found.utterances["id"]) == set(table["id"])

"""Settings: equally many for every system, chosen on validation speakers, each trained once."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from sersupport.studies import jobs, tuning
from sersupport.studies.setup import PROBE
from sersupport.systems.probe import PENALTY


@pytest.fixture
def folds(possible, toy):
    """One fold of toy speech, speakers apart."""
    recipes = toy("emotion").store.recipes
    part = possible["speaker-disjoint"].set_index(["utterance", "variant"])["split"]
    own = pd.MultiIndex.from_frame(recipes[["utterance", "variant"]]).map(part)
    return {0: {name: recipes[own == name] for name in ("train", "validation", "test")}}


@pytest.mark.parametrize("system", ["D", PROBE])
def test_as_many_settings_for_each_system_and_the_runs_own_first(system, setup):
    own = tuning.settings(system, tuning.MOST)
    assert len(own) == tuning.MOST == len({tuple(setting.items()) for setting in own})
    assert own[:3] == tuning.settings(system, 3)  # asking for more changes none
    same, changes = tuning.with_setting(setup, own[0])
    assert same == setup
    assert changes == ({"penalty": PENALTY} if system == PROBE else {"cnn_dropout": 0.2, "head_dropout": 0.5})


def test_a_setting_is_what_the_system_is_trained_with(setup, folds):
    setting = {"cnn_width": 2, "learning_rate": 3, "weight_decay": 10, "epochs": 0.5, "cnn_dropout": 0.4}
    (job,) = tuning.tuned_jobs(setup, "D", folds[0], 0, setting)
    assert (job.config.cnn_width, job.config.cnn_dropout) == (2 * setup.width, 0.4)
    assert job.budget.learning_rate == pytest.approx(3 * setup.learning_rate)
    assert job.budget.weight_decay == pytest.approx(10 * setup.weight_decay)
    assert job.budget.steps == 2 * job.budget.evaluate_every  # half of three epochs, rounded to whole ones
    wide, _ = tuning.with_setting(replace(setup, width=0.9), setting)
    assert wide.width == 1.0


def test_validation_chooses_and_the_test_is_never_looked_at(toy, setup, folds, monkeypatch):
    bench, seen = toy("emotion"), []
    score = pd.Series({0: 0.2, 1: 0.9, 2: 0.5})

    def run(asked):
        seen.extend(asked)
        rows = []
        for job in asked:
            right = int(100 * score[int(job.labels["setting"])])
            own = pd.DataFrame({"true": ["sad"] * 100, "predicted": ["sad"] * right + ["fear"] * (100 - right)})
            rows.append(own.assign(speaker="a", utterance="u", **job.names))
        return pd.concat(rows, ignore_index=True)

    monkeypatch.setattr(bench, "run", run)
    table = tuning.chosen(bench, replace(setup, seeds=(3, 4)), ["A", PROBE], folds, 3)
    assert len(table) == 6 and (table.groupby("system")["setting"].nunique() == 3).all()
    picked = table[table["chosen"]]
    assert (picked["setting"] == 1).all() and picked["validation_uar"].tolist() == [0.9, 0.9]
    assert {job.seed for job in seen} == {3}
    for job in seen:
        assert job.test.equals(folds[0]["validation"]) and not set(job.test["utterance"]) & set(
            folds[0]["test"]["utterance"]
        )
    final = tuning.together(replace(setup, seeds=(3, 4)), table, folds)
    assert [(job.system, job.seed) for job in final] == [("A", 3), ("A", 4), (PROBE, 3)]
    assert all(job.test.equals(folds[0]["test"]) for job in final)
    drawn = tuning.settings("A", 3)[1]
    assert final[0].config.cnn_dropout == drawn["cnn_dropout"]


def test_the_chosen_setting_is_not_trained_again(toy, setup, folds, monkeypatch):
    bench, trained = toy("emotion"), []
    fit = jobs.fit.fit
    monkeypatch.setattr(jobs.fit, "fit", lambda *given, **more: trained.append(1) or fit(*given, **more))
    few = {0: {name: rows.groupby("emotion").head(4) for name, rows in folds[0].items()}}
    table = tuning.chosen(bench, replace(setup, epochs=1), ["A"], few, 2)
    assert len(trained) == 2 and table["chosen"].sum() == 1
    bench.fit_all(tuning.together(replace(setup, epochs=1), table, few))
    assert len(trained) == 2

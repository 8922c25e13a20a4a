"""The three systems as jobs of the bench, and the comparison of systems over levels of noise."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sersupport.evaluation.metrics import metrics
from sersupport.studies.ablation import AS_PRINTED, BASELINE, CLEAN_ALONE, RELATED_CHANGES, related_ablation
from sersupport.studies.related import CLEAN, Comparison, costs, evenness, neutral_share
from sersupport.studies.setup import RELATED
from sersupport.studies.tuning import settings, tuned_jobs
from sersupport.systems import cnn_attention, humpcat, trnet
from sersupport.systems.predictions import probabilities


@pytest.fixture
def parts(small):
    noisy = small.grid.groupby("condition").head(6)
    few = {name: rows.groupby("condition").head(24) for name, rows in small.recipes.items()}
    return few | {"test": pd.concat([few["test"], noisy], ignore_index=True)}


@pytest.fixture
def quick(setup):
    from dataclasses import replace

    return replace(setup, epochs=1, filters=4, layers=(0, -1), clip_samples=55_125)


@pytest.mark.parametrize("system", RELATED)
def test_each_trains_is_asked_and_comes_back_from_disk(system, quick, parts, small):
    bench, (job,) = small.bench, tuned_jobs(quick, system, parts, 0, settings(system, 1)[0])
    trained = bench.fit(job)
    found = bench.predictions(trained, parts["test"])
    assert (probabilities(found).sum(axis=1) - 1).abs().max() < 1e-5
    assert set(found["system"]) == {system} and len(found) == len(parts["test"])
    again = bench.recogniser(trained)
    rendered = bench.store.renderer.render(parts["test"].head(4))
    waves, n_valid = np.stack([one.signal for one, _ in rendered]), [count for _, count in rendered]
    assert again(waves, n_valid) == pytest.approx(probabilities(found).head(4).to_numpy(), abs=0.02)  # 16-bit inputs
    cost = costs(bench, [trained], parts["test"], bench.history(trained), 0.01).iloc[0]
    assert cost["pretrained"] == ("encoder" if system == humpcat.NAME else "")
    learnt = [len(own) for name, own in bench.model(trained)[0].named_parameters() if name.startswith(trnet.FROZEN)]
    assert bool(learnt) == (system == trnet.NAME)
    assert cost["parameters"] > 1000 and cost["clips_per_s"] > 0 and cost["training_s"] > 0


def test_trnet_begins_with_the_same_network_trained_on_clean_speech(quick, parts):
    (job,) = quick.jobs(trnet.NAME, parts, quick.budget(96), "speaker-disjoint", 0)
    assert job.start.config.stage == trnet.CLEAN and job.start.budget == job.budget
    assert set(job.start.train["level_kind"]) == set(job.start.validation["level_kind"]) == {"none"}
    assert len(job.start.train) < len(job.train) and job.config.clean_partners and not job.start.config.clean_partners


@pytest.mark.parametrize("system", RELATED)
def test_every_change_is_a_job_that_differs_from_the_baseline_and_has_its_steps(system, quick, parts):
    jobs = related_ablation(quick, system, {0: parts}, list(RELATED_CHANGES[system]))
    names = [job.system for job in jobs]
    assert names == [f"{system}: {name}" for name in (BASELINE, *RELATED_CHANGES[system])]
    first = jobs[0]
    for job in jobs[1:]:
        inputs = {role: one.spec() for role, one in job.inputs.items()} != {
            role: one.spec() for role, one in first.inputs.items()
        }
        rows = not job.train.reset_index(drop=True).equals(first.train.reset_index(drop=True))
        assert inputs or rows or job.config.to_dict() != first.config.to_dict(), job.system
        both = 2 if job.system.endswith(CLEAN_ALONE) else 1
        assert job.budget.steps == both * first.budget.steps


def test_augmented_as_printed_is_the_same_speech_with_gaussian_noise(quick, parts):
    own, found = related_ablation(quick, cnn_attention.NAME, {0: parts}, [AS_PRINTED])
    columns = ["utterance", "condition", "semitones"]
    assert found.train[columns].to_numpy().tolist() == own.train[columns].to_numpy().tolist()
    noisy = found.train["level_kind"] != "none"
    assert set(found.train["noise"][noisy]) == {"white"} and "white" not in set(own.train["noise"])
    assert found.validation is own.validation and found.budget == own.budget


def test_one_layer_stands_for_both(quick, parts):
    names = ["low layer alone", "high layer alone", "last layer"]
    jobs = related_ablation(quick, humpcat.NAME, {0: parts}, names)
    low, high = quick.layers
    found = [[job.inputs[role].encoder.layers for role in ("low", "high")] for job in jobs]
    assert found == [[(one,), (other,)] for one, other in ((low, high), (low, low), (high, high), (-1, -1))]


def test_names_of_changes_and_features_are_one_wherever_they_stand():
    from typing import get_args

    from sersupport.claims import cnn_attention as first
    from sersupport.claims import humpcat as second
    from sersupport.claims import trnet as third
    from sersupport.run import parameters
    from sersupport.studies.coefficients import FEATURES

    assert {name: tuple(own) for name, own in RELATED_CHANGES.items()} == parameters.RELATED_CHANGES
    assert get_args(parameters.Related) == RELATED == tuple(own.SYSTEM for own in (first, second, third))
    assert set(get_args(parameters.Coefficient)) == set(FEATURES)
    for module in (first, second, third):
        quoted = set(re.findall(r'"([a-z][a-z0-9 -]+)"', Path(module.__file__).read_text()))
        known = set(RELATED_CHANGES[module.SYSTEM])
        assert quoted & known and not {name for name in quoted if name.endswith((" alone", " only", " loss"))} - known


def test_tuning_draws_settings_of_the_related_systems_and_none_twice():
    for system in RELATED:
        found = settings(system, 9)
        assert len(found) == 9 and all(found.count(one) == 1 for one in found)
        assert found[0] == {"learning_rate": 1, "weight_decay": 1, "epochs": 1, "dropout": 0.3}


@pytest.fixture(scope="module")
def rows():
    """Two systems: one right on clean speech nine times of ten and at 0 dB half of the time, the other the reverse."""
    rng, table = np.random.default_rng(0), []
    right = {("one", CLEAN): 0.95, ("one", 0.0): 0.5, ("other", CLEAN): 0.5, ("other", 0.0): 0.95}
    for (system, level), chance in right.items():
        for speaker in range(10):
            for number, true in enumerate(["happy", "neutral"] * 8):
                said = true if rng.random() < chance else "neutral" if true == "happy" else "happy"
                kind, at = ("none", 0.0) if level == CLEAN else ("snr", level)
                noise, source = ("", "") if level == CLEAN else ("hum", f"h{number % 3}")
                table.append((system, kind, at, noise, source, f"s{speaker}", f"{speaker}-{number}", true, said))
    columns = ["system", "level_kind", "level", "noise", "source", "speaker", "utterance", "true", "predicted"]
    return pd.DataFrame(table, columns=columns).assign(seed=0, noise_part="test", fold=0)


def test_the_answer_changes_with_the_noise_where_the_scores_do(rows):
    comparison = Comparison(rows, samples=300)
    first = comparison.first().set_index("speech")
    assert list(first.index) == [CLEAN, "0 dB"] and list(first["system"]) == ["one", "other"]
    assert list(first["may be first"]) == [["one"], ["other"]]
    table = comparison.table().set_index(["system", "speech"])
    for (system, speech), own in comparison.cells.groupby(["system", "speech"]):
        assert table.loc[(system, speech), "recall"] == pytest.approx(metrics(own)["recall"])
    assert table.loc[("one", "all noise"), "recall"] == pytest.approx(table.loc[("one", "0 dB"), "recall"])
    assert comparison.reversals() == [("one", "other")] and set(comparison.apart["speech"]) == {CLEAN, "0 dB"}
    assert comparison.apart["p_folds"].isna().all()  # of a single one
    assert (first["by folds as well"] == first["may be first"]).all()
    gaps = comparison.gaps().set_index("system")
    for system, own in gaps.iterrows():
        noisy = [table.loc[(system, level), "recall"] for level in comparison.speech[1:]]
        assert own["difference"] == pytest.approx(table.loc[(system, CLEAN), "recall"] - np.mean(noisy))
    assert gaps["wide"].to_dict() == {"one": "yes", "other": "no"} and (gaps["low"] < gaps["high"]).all()
    (pair,) = comparison.pairs([CLEAN]).to_dict("records")
    assert pair["difference"] == pytest.approx(table["recall"]["one", CLEAN] - table["recall"]["other", CLEAN])


def test_pairs_are_told_apart_over_folds_as_well(rows):
    folds, p = rows.assign(fold=rows["speaker"].str[1:].astype(int) % 5), {}
    for kind, table in folds.groupby("level_kind"):
        uar = [[metrics(part)["recall"] for _, part in own.groupby("fold")] for _, own in table.groupby("system")]
        p[CLEAN if kind == "none" else "0 dB"] = stats.ttest_rel(*uar).pvalue
    found = Comparison(folds, samples=50).apart.set_index("speech")["p_folds"]
    few = Comparison(folds[folds["fold"] < 3], samples=50)
    assert (few.first()["by folds as well"].map(len) >= few.first()["may be first"].map(len)).all()
    least, other = sorted(p, key=p.get)
    assert found[least] == pytest.approx(2 * p[least]) and found[other] == pytest.approx(max(2 * p[least], p[other]))


def test_the_same_scores_leave_both_in_the_first_place(rows):
    same = pd.concat([rows[rows["system"] == "one"].assign(system=name) for name in ("one", "other")])
    comparison = Comparison(same, samples=200)
    assert all(set(own) == {"one", "other"} for own in comparison.first()["may be first"])
    assert comparison.reversals() == []


def test_neutral_is_counted_as_said_and_as_true(rows):
    found = neutral_share(rows.assign(predicted="neutral"), ["system"])
    assert set(found["said"]) == {1.0} and found["true"].tolist() == pytest.approx([0.5, 0.5])


def test_evenness_of_attention_stands_beside_that_of_the_untrained_network(quick, parts, small):
    (job,) = tuned_jobs(quick, humpcat.NAME, parts, 0, settings(humpcat.NAME, 1)[0])
    found = evenness(small.bench, small.bench.fit(job), parts["test"].head(8))
    assert list(found["stage"].unique()) == ["prosody", "frames"]
    assert found[["trained", "untrained"]].stack().between(0, 1).all() and (found["untrained"] > 0.5).all()

"""Jobs: what their key covers, that none is done twice, transfer, and a fifth system that nobody foresaw."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from sersupport.core.errors import UserError
from sersupport.evaluation import tables
from sersupport.evaluation.noise import Axis
from sersupport.inputs.descriptors import Descriptors
from sersupport.inputs.encoders import encoder as encoders
from sersupport.studies import explained, explanations, jobs, one_corpus, robustness
from sersupport.studies.jobs import Job
from sersupport.systems.base import System, SystemConfig, register
from sersupport.systems.fit import Budget
from sersupport.systems.predictions import probabilities
from sersupport.systems.recogniser import predict

SHORT = Budget(steps=6, evaluate_every=3, batch_size=16, learning_rate=1e-2, weight_decay=0.0, warmup_fraction=0.0)


class FifthConfig(SystemConfig):
    model_type = "ser-fifth"
    size: int = 2376


class Fifth(System):
    config_class = FifthConfig

    def __init__(self, config):
        super().__init__(config)
        self.layer = nn.Linear(config.size, config.num_labels)
        self.register_buffer("mean", torch.zeros(config.size))
        self.post_init()

    def set_statistics(self, train):
        self.mean.copy_(torch.from_numpy(np.asarray(train.arrays["voice"]).mean(axis=0)))

    def forward(self, voice, labels=None, **_):
        return self.output(self.layer(0.01 * (voice - self.mean)), labels)


register(FifthConfig, Fifth)


def fifth(small, **changes) -> Job:
    return Job(**{
        "system": "fifth", "config": FifthConfig(), "inputs": {"voice": Descriptors()}, "budget": SHORT,
        **small.recipes, "protocol": "speaker-disjoint", "fold": 0, "seed": 0,
    } | changes)  # fmt: skip


def test_a_fifth_system_goes_all_the_way(small):
    """Training, noise grid, tables and explanations take it without a change anywhere else."""
    trained = small.bench.fit(fifth(small))
    grids = {"clean": ("test", small.recipes["test"]), "snr": ("test", small.grid)}
    found = robustness.on_grids(small.bench, [trained], grids, {0: set(small.recipes["test"]["utterance"])})
    assert len(found) == len(small.recipes["test"]) + len(small.grid)
    np.testing.assert_allclose(probabilities(found).sum(axis=1), 1, atol=1e-5)
    summary = tables.summarise(found, ["system", "noise", "level"], 100)
    assert summary["recall"].between(0, 1).all() and len(tables.presented(summary, "system", "noise")) == 5
    areas = Axis(found, "snr", 100).areas()
    assert areas["area"].between(0, 1).all() and (found["source"] != "").equals(found["noise"] == "fish_market")

    some = found[found["condition"] == "clean"].assign(predicted=lambda frame: frame["true"])  # explain any of them
    recognisers = {0: small.bench.recogniser(trained)}
    decisions = explanations.Decisions.of(
        recognisers, Descriptors(), small.renderer, small.recipes["test"], explanations.chosen(some, "fifth", 3)
    )
    grounds = decisions.backgrounds(small.renderer, {0: small.recipes["train"]}, 4, 0)
    told = explanations.explain(decisions, explanations.How(grounds, 50, 0.4, 0.4, 1, 0))
    assert {tuple(one.maps) for one in told} == {("SHAP", "occlusion")}  # it has no convolution for Score-CAM
    errors = explained.additivity(told).query("method == @explained.CHECK")["error"]
    assert len(errors) == 6 and errors.max() < 1e-3  # it is linear
    tests = explained.deletions(told)
    assert set(tests["explanation"]) == {"SHAP"} and tests["whole"].between(0, 1).all()


def test_a_job_is_done_once_and_its_key_covers_what_it_depends_on(small, monkeypatch):
    bench, job = small.bench, fifth(small)
    trained = bench.fit(job)
    written = (trained.folder / "model.safetensors").stat().st_mtime_ns
    assert bench.fit(fifth(small)).key == trained.key
    assert (trained.folder / "model.safetensors").stat().st_mtime_ns == written
    others = [
        fifth(small, seed=1),
        fifth(small, budget=replace(SHORT, steps=9)),
        fifth(small, config=FifthConfig(clean_partners=True)),
        fifth(small, train=small.recipes["train"].iloc[:-1]),
        fifth(small, inputs={"voice": Descriptors(n_mels=64)}),
        fifth(small, start=job),
    ]
    keys = [bench.key(other) for other in others]
    # names alone change nothing that is trained
    assert bench.key(fifth(small, system="other", fold=3, protocol="p", test=small.grid)) == trained.key
    # a corrected label does: the old model was taught something else
    table = small.renderer.utterances
    first = small.recipes["train"]["utterance"].iloc[0]
    monkeypatch.setattr(bench, "utterances", table.assign(emotion=table["emotion"].where(table["id"] != first, "fear")))
    keys.append(bench.key(job))
    assert len({trained.key, *keys}) == 1 + len(keys)


def test_jobs_of_one_configuration_do_not_change_each_other(small):
    config = FifthConfig()
    first = fifth(small, config=config)
    key = small.bench.key(first)
    fifth(small, config=config, inputs={"voice": Descriptors(n_mels=64)})
    assert small.bench.key(first) == key and first.config.inputs["voice"]["n_mels"] == 128


def test_nothing_to_train_is_one_line(small):
    with pytest.raises(UserError, match="nothing to train"):
        small.bench.run([])


def test_a_corpus_with_a_single_training_row_is_left_out(small, setup):
    """Its batch size was once looked for without end."""
    few = small.recipes | {"train": small.recipes["train"].head(1)}
    assert one_corpus.one_corpus(setup, {0: few}) == []


def test_mistakes_are_explained_where_nothing_is_right():
    table = pd.DataFrame({"system": "D", "true": ["sad", "fear"], "predicted": "angry", "seed": 0})
    table = table.assign(utterance=["a", "b"], speaker="x")
    assert len(explanations.chosen(table, "D", 3)) == 2
    assert len(explanations.chosen(table.assign(predicted=["sad", "angry"]), "D", 3)) == 1


def test_two_processes_that_need_one_job_train_it_once(small, tmp_path, monkeypatch):
    """Threads stand for processes here: the lock is on a file, and each has a bench of its own."""
    trained, fit = [], jobs.fit.fit
    monkeypatch.setattr(jobs.fit, "fit", lambda *args, **more: trained.append(1) or fit(*args, **more))
    benches = [jobs.Bench(small.bench.store, tmp_path / "jobs", small.bench.load_encoder) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        keys = {found.key for found in pool.map(lambda bench: bench.fit(fifth(small, seed=9)), benches)}
    assert len(keys) == len(trained) == 1


def test_a_changed_byte_in_a_finished_model_is_not_believed(small):
    """Flipped signs once gave another table."""
    job = fifth(small, seed=7)
    trained = small.bench.fit(job)
    before = small.bench.predictions(trained, job.test)
    path = trained.folder / "model.safetensors"
    save_file({name: -array for name, array in load_file(path).items()}, path)
    other = small.bench.predictions(trained, job.test)
    assert not np.allclose(probabilities(other), probabilities(before))  # what is kept is kept of a model as it was
    again = small.bench.predictions(small.bench.fit(job), job.test)
    pd.testing.assert_frame_equal(again, before)


def test_no_system_classifies_a_recipe_twice(small, monkeypatch):
    """Drawing a chapter's figures anew once classified forty thousand clips again."""
    job, asked = fifth(small, seed=8), []
    monkeypatch.setattr(jobs, "predict", lambda model, rows: asked.append(len(rows)) or predict(model, rows))
    some = small.bench.predictions(small.bench.fit(job), job.test.iloc[::2])
    every = small.bench.run([job])
    assert asked == [len(some), len(job.test) - len(some)]
    again = small.bench.test([small.bench.fit(job)], {0: job.test})
    assert len(asked) == 2
    pd.testing.assert_frame_equal(again, every)
    pd.testing.assert_frame_equal(every.iloc[::2].reset_index(drop=True), some)
    alone = predict(small.bench.model(small.bench.fit(job))[0], small.bench.store.materials(job.inputs, job.test))
    np.testing.assert_allclose(probabilities(every), alone, atol=1e-6)


def test_a_job_goes_on_from_another(small):
    first = fifth(small, seed=3)
    start = load_file(small.bench.fit(first).folder / "model.safetensors")
    still = replace(SHORT, steps=1, evaluate_every=1, learning_rate=1e-12)
    gone_on = load_file(small.bench.fit(fifth(small, start=first, budget=still, seed=4)).folder / "model.safetensors")
    for name in ("layer.weight", "mean"):
        np.testing.assert_allclose(gone_on[name], start[name], atol=1e-6)


def test_the_clean_partner_of_every_noisy_row_reaches_the_system(small, monkeypatch):
    seen = []

    def forward(self, voice, labels=None, clean_voice=None, **_):
        seen.append(None if clean_voice is None else (voice - clean_voice).abs().amax(dim=1))
        return self.output(self.layer(0.01 * (voice - self.mean)), labels)

    monkeypatch.setattr(Fifth, "forward", forward)
    trained = small.bench.fit(fifth(small, config=FifthConfig(clean_partners=True), seed=5))
    assert all(difference is not None for difference in seen)
    moved = torch.cat(seen) > 0
    assert moved.any() and not moved.all()  # noisy rows differ from their partners, clean ones do not
    seen.clear()
    small.bench.predictions(trained, small.recipes["test"])
    assert seen == [None] * len(seen) and seen  # nobody hands clean speech to a system that is tested


def test_a_kept_system_stands_without_the_folder_of_jobs(small, tmp_path):
    trained = small.bench.fit(fifth(small))
    table = jobs.keep([trained], tmp_path / "models")
    (found,) = jobs.kept(table, tmp_path / "models")
    assert found.names == trained.names and found.folder.is_relative_to(tmp_path)
    expected = small.bench.predictions(trained, small.recipes["test"])
    pd.testing.assert_frame_equal(small.bench.predictions(found, small.recipes["test"]), expected)
    path = found.folder / "model.safetensors"
    save_file({name: -array for name, array in load_file(path).items()}, path)
    with pytest.raises(UserError, match="fifth is no longer what was kept there"):
        small.bench.model(found)
    (found.folder / "config.json").unlink()
    with pytest.raises(UserError, match="fifth is not there"):
        small.bench.model(found)


def test_a_system_over_an_encoder_refuses_the_frames_of_another(small, setup, encoder):
    setup = replace(setup, descriptors=Descriptors(), clip_samples=55_125, epochs=1)
    (job,) = setup.jobs("B", small.recipes, setup.budget(len(small.recipes["train"])), "speaker-disjoint", 0)
    trained = small.bench.fit(job)
    small.bench.model(trained)
    other = encoders.load(encoders.TINY, [-1], seed=1)
    bench = jobs.Bench(small.bench.store, small.bench.folder, lambda name, layers: other)
    with pytest.raises(UserError, match="another encoder"):
        bench.model(trained)

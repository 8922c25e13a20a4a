"""The ablation changes one thing at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from sersupport.core.errors import UserError
from sersupport.inputs.descriptors import Descriptors
from sersupport.run.parameters import Parameters
from sersupport.studies.ablation import BASELINE, CHANGES, ablation, at_published_width
from sersupport.studies.setup import parted
from sersupport.systems.fusion import FusionConfig


@pytest.fixture
def parts(toy, protocols):
    bench = toy("emotion")
    split = protocols.query("protocol == 'speaker-disjoint' and variant == 'clean'").set_index("utterance")["split"]
    return bench, parted(bench.store.recipes, bench.store.recipes["utterance"].map(split))


def test_a_change_changes_one_thing(setup, parts):
    bench, recipes = parts
    jobs = ablation(replace(setup, epochs=1), "D", {0: recipes}, ["statistics pooling", "no noisy rows"])
    folders = {job.system: bench.fit(job).folder for job in jobs}
    configs = {name: FusionConfig.from_pretrained(folder).to_dict() for name, folder in folders.items()}
    own = configs[BASELINE]
    differs = {name: {key for key in own if other[key] != own[key]} for name, other in configs.items()}
    assert differs["statistics pooling"] == {"pooling"}
    assert differs["no noisy rows"] <= {"class_weights"}
    quiet = recipes["train"][~recipes["train"]["condition"].str.contains("noisy")]
    expected = bench.store.spectral[quiet.index].mean(axis=0)
    stored = load_file(folders["no noisy rows"] / "model.safetensors")["spectral_mean"]
    np.testing.assert_allclose(stored, expected, atol=1e-5)


def test_the_published_width_has_the_same_rows_and_steps(setup, parts):
    wide = at_published_width(replace(setup, seeds=(3, 4)), "D", {0: parts[1]})
    assert [(job.system, job.config.cnn_width, job.seed) for job in wide] == [
        (BASELINE, setup.width, 3),
        ("published width", 1.0, 3),
    ]
    assert wide[0].budget == wide[1].budget and wide[0].train is wide[1].train


def test_an_unknown_change_is_refused(setup, parts):
    """It once trained a baseline under another name."""
    with pytest.raises(UserError, match="no change 'no pitch'"):
        ablation(setup, "D", {0: parts[1]}, ["no pitch"])


def test_the_parameters_offer_the_changes_that_there_are():
    assert set(Parameters.model_json_schema()["properties"]["ablations"]["items"]["enum"]) == set(CHANGES)


def test_longer_cepstra_and_fine_tuning_change_what_is_eaten(setup, small):
    setup = replace(setup, descriptors=Descriptors(), clip_samples=55_125)
    jobs = {job.system: job for job in ablation(setup, "D", {2: small.recipes}, ["K = 40", "fine-tuned"])}
    assert jobs["K = 40"].inputs["spectral"].n_mfcc == 40
    assert jobs["K = 40"].config.spectral_length == Descriptors(n_mfcc=40).length(55_125)
    tuned = jobs["fine-tuned"]
    assert set(tuned.inputs) == {"spectral", "waves"} and tuned.start is setup.encoder
    assert jobs[BASELINE].start is None and set(jobs[BASELINE].inputs) == {"spectral", "frames"}

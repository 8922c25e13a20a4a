"""The linear probe: pooling against numpy, probabilities of absent classes, and nobody tested on who was trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sersupport import UserError, probe
from sersupport.corpora import EMOTIONS
from sersupport.dataset import Materials


def rows(labels, speakers, shift=8.0, seed=0):
    """Frames whose mean says the class, with another length each."""
    rng = np.random.default_rng(seed)
    labels = np.array(labels)
    frames = rng.standard_normal((len(labels), 9, len(EMOTIONS)))
    frames[np.arange(len(labels)), :, labels] += shift
    lengths = rng.integers(4, 10, len(labels))
    for own, length in zip(frames, lengths, strict=True):
        own[length:] = 1e3
    ids = [f"c/{speaker}-{number}" for number, speaker in enumerate(speakers)]
    recipes = pd.DataFrame(
        {"utterance": ids, "condition": "clean", "noise": "", "level_kind": "none", "level": 0.0, "variant": "clean"}
    )
    return Materials(recipes, labels, {"frames": frames.astype(np.float16), "n_frames": lengths})


def utterances(materials, speakers):
    ids = materials.recipes["utterance"]
    return pd.DataFrame({"id": ids, "corpus": "c", "speaker": speakers, "sex": "F"})


def test_pooling_is_mean_and_deviation_without_the_padding():
    some = rows([0, 1, 2], ["a"] * 3)
    found = probe.pooled(some)
    for vector, frames, length in zip(found, some.arrays["frames"], some.arrays["n_frames"], strict=True):
        valid = frames[:length].astype(float)
        np.testing.assert_allclose(vector, [*valid.mean(axis=0), *valid.std(axis=0)], atol=2e-3)


def test_a_class_that_was_not_shown_gets_nothing():
    train = rows([0, 0, 2, 2] * 5, ["a"] * 20)
    found = probe.classify(train, rows([0, 2, 3], ["b"] * 3, seed=1))
    assert found.shape == (3, 7)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (found[:, [1, 3, 4, 5, 6]] == 0).all() and list(found[:2].argmax(axis=1)) == [0, 2]


def test_cross_validation_trains_on_the_others_only():
    # each speaker's classes are shifted by one: who is known is classified wholly right, who is not wholly wrong
    speakers = np.repeat(["a", "b"], 14)
    labels = np.tile(np.arange(7), 4)
    some = rows(labels, speakers)
    some.labels = np.where(speakers == "a", labels, (labels + 1) % 7)
    table = utterances(some, speakers)
    groups = table.set_index("id")["speaker"]
    found = probe.cross_validated(some, some, groups, table, system="x", protocol="p", fold=0, seed=0)
    assert sorted(found["utterance"]) == sorted(table["id"])
    assert (found["predicted"] == found["true"]).mean() == 0
    known = probe.predictions(some.select(speakers == "a"), some.select(speakers == "a"), table, system="x")
    assert (known["predicted"] == known["true"]).all()


def test_one_group_cannot_be_tested_on_another():
    some = rows([0, 1] * 4, ["a"] * 8)
    table = utterances(some, ["a"] * 8)
    with pytest.raises(UserError, match="two folds of speakers"):
        probe.cross_validated(some, some, table.set_index("id")["speaker"], table, system="x")

"""The linear probe: pooling against numpy, predictions against scikit-learn, probabilities of absent classes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sersupport.core.errors import UserError
from sersupport.corpora.convention import EMOTIONS
from sersupport.inputs.store import Materials
from sersupport.systems import registry
from sersupport.systems.fit import Budget, fit
from sersupport.systems.probe import PENALTY, Probe, ProbeConfig, pooled
from sersupport.systems.recogniser import predict

DIM = 9


def rows(labels, shift=2.0, seed=0, scale=1.0):
    """Frames whose mean says the class, with another length each, beyond which stands what must not be heard."""
    rng = np.random.default_rng(seed)
    labels = np.array(labels)
    frames = rng.standard_normal((len(labels), 11, DIM))
    frames[np.arange(len(labels)), :, labels] += shift
    frames = frames * scale + 3
    frames[..., -1] = 7  # a dimension that says nothing
    lengths = rng.integers(4, 12, len(labels))
    for own, length in zip(frames, lengths, strict=True):
        own[length:] = 1e3
    recipes = pd.DataFrame({"utterance": [f"c/{number}" for number in range(len(labels))], "condition": "clean"})
    return Materials(recipes, labels, EMOTIONS, {"frames": frames.astype(np.float16)}, {"frames": lengths})


def solved(train):
    model = Probe(ProbeConfig(inputs={"frames": {}}, frame_dim=DIM)).eval()
    assert model.solve(train)
    return model


def test_pooling_is_mean_and_deviation_without_the_padding():
    some = rows([0, 1, 2])
    found = pooled(some)
    for vector, frames, length in zip(found, some.arrays["frames"], some.lengths["frames"], strict=True):
        valid = frames[:length].astype(float)
        np.testing.assert_allclose(vector, [*valid.mean(axis=0), *valid.std(axis=0)], atol=2e-3)


@pytest.mark.parametrize("labels", [range(7), [0, 2, 5], [1, 4]], ids=["all classes", "three", "two"])
@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_it_says_what_scikit_learn_says(labels, scale):
    train, test = rows([*labels] * 9, scale=scale), rows([*labels] * 5, seed=1, scale=scale)
    classifier = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=2000)
    reference = make_pipeline(StandardScaler(), classifier).fit(pooled(train), train.labels)
    expected = np.zeros((len(test), len(EMOTIONS)))
    expected[:, reference.classes_] = reference.predict_proba(pooled(test))
    found = predict(solved(train), test)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    absent = sorted({*range(7)} - {*labels})
    assert (found[:, absent] == 0).all() and np.isfinite(found).all()
    assert (found.argmax(axis=1) == test.labels).mean() > 0.5


def test_it_is_fitted_kept_and_loaded_like_any_system(tmp_path):
    train, test = rows([0, 0, 2, 2] * 5), rows([0, 2, 3], seed=1)
    config = ProbeConfig(inputs={"frames": {"kind": "frames"}}, frame_dim=DIM)
    made = fit(config, train, test, Budget(1, 1), 0, tmp_path / "probe", "key")
    assert list(made.history) == [
        "step",
        "train_loss",
        "validation_loss",
        "validation_uar",
        "validation_accuracy",
        "cpu_s",
    ]
    loaded = registry.load(tmp_path / "probe/model")
    assert isinstance(loaded, Probe) and loaded.config.inputs == {"frames": {"kind": "frames"}}
    np.testing.assert_array_equal(predict(loaded, test), predict(made.model, test))
    again = fit(config, train, test, Budget(1, 1), 0, tmp_path / "probe", "key")
    np.testing.assert_array_equal(predict(again.model, test), predict(made.model, test))
    assert len(again.history) == 0
    frames, length = torch.zeros(1, 4, DIM, requires_grad=True), torch.tensor([4])
    loaded(frames=frames, frames_length=length, labels=torch.tensor([0])).loss.backward()
    assert frames.grad.isfinite().all()  # also where a clip's deviation is zero


def test_one_class_cannot_be_told_apart():
    with pytest.raises(UserError, match="two classes or more"):
        solved(rows([3] * 6))

"""The CNN with attention: its attentions against their equations in numpy, its size against the printed counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from sersupport.core.errors import UserError
from sersupport.corpora.convention import EMOTIONS
from sersupport.inputs.store import Materials
from sersupport.systems.cnn_attention import (
    ChannelAttention,
    CnnAttention,
    CnnAttentionConfig,
    SpatialAttention,
    as_public_code,
    keras_count,
)
from sersupport.systems.fit import Budget, fit
from sersupport.systems.recogniser import predict

STEPS, CHANNELS = 60, 5


def config(**changes):
    small = {"n_steps": STEPS, "n_channels": CHANNELS, "filters": 8, "ratio": 4, "dense": 6}
    return CnnAttentionConfig(inputs={"cepstra": {}}, **small | changes)


def rows(per_class, seed):
    """The class is which of three coefficients are high in the middle of the clip."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(EMOTIONS)), per_class)
    cepstra = rng.standard_normal((len(labels), STEPS, CHANNELS))
    cepstra[:, 20:40, :3] += 3 * (labels[:, None] >> np.arange(3) & 1)[:, None]
    recipes = pd.DataFrame({"utterance": [f"c/{number}" for number in range(len(labels))], "condition": "clean"})
    arrays = {"cepstra": (20 * cepstra - 300).astype(np.float32)}
    return Materials(recipes, labels, EMOTIONS, arrays, {"cepstra": np.full(len(labels), STEPS)})


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(("columns", "printed"), [(251, 4_388_119), (2_268, 37_434_661)])
def test_the_public_form_has_the_printed_number_of_parameters(columns, printed):
    with torch.device("meta"):
        assert keras_count(CnnAttention(as_public_code(columns))) == printed
        other = CnnAttention(as_public_code(columns, spatial_attention=columns == 251))
    assert abs(keras_count(other) - printed) == 14  # a convolution of kernel 7 over two channels, without bias


def test_channel_attention_is_equation_2():
    maps, own = torch.randn(3, 8, 11), ChannelAttention(8, 4)
    w, b, v, c = (weights.detach().double().numpy() for weights in own.parameters())
    values = maps.double().numpy()

    def mlp(x):
        return np.maximum(x @ w.T + b, 0) @ v.T + c

    expected = sigmoid(mlp(values.mean(axis=2)) + mlp(values.max(axis=2)))
    found = own(maps)
    assert found.shape == (3, 8, 1) and ((found > 0) & (found < 1)).all()
    np.testing.assert_allclose(found[..., 0].detach(), expected, atol=1e-6)


def test_spatial_attention_is_equation_3():
    maps, own = torch.randn(3, 8, 11), SpatialAttention(7)
    values, kernel = maps.double().numpy(), own.convolution.weight.detach().double().numpy()[0]
    padded = np.pad(np.stack([values.mean(axis=1), values.max(axis=1)], axis=1), [(0, 0), (0, 0), (3, 3)])
    expected = sigmoid(np.stack([(padded[:, :, step : step + 7] * kernel).sum(axis=(1, 2)) for step in range(11)], 1))
    found = own(maps)
    assert found.shape == (3, 1, 11) and ((found > 0) & (found < 1)).all()
    np.testing.assert_allclose(found[:, 0].detach(), expected, atol=1e-6)


@pytest.mark.parametrize("channel", [True, False])
@pytest.mark.parametrize("spatial", [True, False])
def test_every_ablation_has_its_attentions_and_learns_with_all_its_weights(channel, spatial):
    model = CnnAttention(config(channel_attention=channel, spatial_attention=spatial)).train()
    expected = [ChannelAttention] * channel + [SpatialAttention] * spatial
    assert [type(own) for own in model.attentions] == expected
    some = rows(1, 0)
    model.set_statistics(some)
    found = model(torch.from_numpy(some.arrays["cepstra"]), labels=torch.from_numpy(some.labels))
    assert found.logits.shape == (len(EMOTIONS), len(EMOTIONS))
    found.loss.backward()
    assert all(own.grad is not None and own.grad.abs().sum() > 0 for own in model.parameters())


def test_inputs_have_mean_0_and_deviation_1_over_the_training_rows():
    model, some = CnnAttention(config()), rows(4, 0)
    model.set_statistics(some)
    found = model.prepare("cepstra", torch.from_numpy(some.arrays["cepstra"])).flatten(0, 1)
    np.testing.assert_allclose(found.mean(dim=0), 0, atol=1e-4)
    np.testing.assert_allclose(found.std(dim=0, correction=0), 1, atol=1e-4)


def test_padding_changes_nothing_whatever_it_holds():
    model, some = CnnAttention(config()).eval(), rows(2, 0)
    lengths = some.lengths["cepstra"] = np.arange(30, 30 + len(some))
    found = []
    for padding in (0.0, 1e3):
        for row, length in zip(some.arrays["cepstra"], lengths, strict=True):
            row[length:] = padding
        model.set_statistics(some)
        found.append(model(torch.from_numpy(some.arrays["cepstra"]), torch.from_numpy(lengths)).logits)
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_it_learns_is_kept_and_loaded_like_any_system(tmp_path):
    train, test = rows(12, 0), rows(4, 1)
    made = fit(config(dropout=0.0), train, test, Budget(60, 20, 32, 1e-2), 0, tmp_path / "cnn", "key")
    again = fit(config(dropout=0.0), train, test, Budget(60, 20, 32, 1e-2), 0, tmp_path / "cnn", "key")  # loads
    assert isinstance(again.model, CnnAttention) and again.model is not made.model
    np.testing.assert_array_equal(predict(again.model, test), predict(made.model, test))
    assert (predict(made.model, test).argmax(axis=1) == test.labels).mean() > 0.6  # chance 0.14


def test_clips_too_short_for_the_blocks_are_refused():
    with pytest.raises(UserError, match="49 frames are too few for 3 blocks"):
        config(n_steps=49)
    assert config(n_steps=50).steps_left == 1

"""HuMP-CAT: attention and loss against their formulas, padding, round trips, ablations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForAudioClassification

from sersupport.core.errors import UserError
from sersupport.corpora.convention import EMOTIONS
from sersupport.inputs.store import Materials
from sersupport.systems import humpcat
from sersupport.systems.humpcat import Humpcat, HumpcatConfig, uniformity

SIZES = {"frame_dim": 6, "cepstra_dim": 5, "prosody_dim": 4}
SMALL = SIZES | {"dim": 8, "heads": 2, "lstm_dim": 3}
STAGES = [(True, True), (True, False), (False, True), (False, False)]
LENGTHS = {"low": [7, 3], "cepstra": [4, 9]}


def model(**settings) -> Humpcat:
    torch.manual_seed(0)
    return Humpcat(HumpcatConfig(**SMALL | settings)).eval()


def inputs(seed: int = 0) -> dict[str, torch.Tensor]:
    values = torch.Generator().manual_seed(seed)
    shapes = {"low": (2, 7, 6), "high": (2, 7, 6), "cepstra": (2, 9, 5), "prosody": (2, 4)}
    found = {role: torch.randn(shape, generator=values) for role, shape in shapes.items()}
    return found | {f"{role}_length": torch.tensor(own) for role, own in LENGTHS.items()}


def rows(n: int, seed: int) -> Materials:
    """Class in the mean of every role; the last frame is padding, full of what must not be counted."""
    rng, labels = np.random.default_rng(seed), np.arange(n) % 7
    shapes = {"low": (7, 6), "high": (7, 6), "cepstra": (9, 5), "prosody": (4,)}
    centres = {role: np.random.default_rng(9).normal(size=(7, shape[-1])) for role, shape in shapes.items()}
    arrays = {}
    for role, shape in shapes.items():
        own = centres[role][labels].reshape(n, *[1] * (len(shape) - 1), shape[-1])
        arrays[role] = (3 + 2 * (own + rng.normal(size=(n, *shape)))).astype(np.float32)
        if len(shape) == 2:
            arrays[role][:, -1] = 1e3
    lengths = {role: np.full(n, shape[0] - 1) for role, shape in shapes.items() if len(shape) == 2}
    return Materials(pd.DataFrame({"utterance": range(n)}), labels, EMOTIONS, arrays, lengths)


@pytest.mark.parametrize(("prosody", "frames"), STAGES)
def test_every_stage_saves_loads_and_learns(prosody, frames, tmp_path):
    one = model(attend_prosody=prosody, attend_frames=frames)
    one.save_pretrained(tmp_path)
    again = AutoModelForAudioClassification.from_pretrained(tmp_path)
    assert isinstance(again, Humpcat)
    torch.testing.assert_close(one(**inputs()).logits, again(**inputs()).logits)
    assert list(one.attention(**inputs())) == ["prosody"] * prosody + ["frames"] * frames
    one.train()(**inputs(), labels=torch.tensor([0, 6])).loss.backward()
    assert [name for name, own in one.named_parameters() if own.grad is None or not own.grad.abs().max() > 1e-9] == []
    with torch.device("meta"):
        Humpcat(one.config)


@pytest.mark.parametrize(("prosody", "frames"), STAGES)
def test_padding_changes_nothing(prosody, frames):
    one, given = model(attend_prosody=prosody, attend_frames=frames), inputs()
    other = inputs(1)
    for role, lengths in {**LENGTHS, "high": LENGTHS["low"]}.items():
        for row, length in enumerate(lengths):
            other[role][row, :length] = given[role][row, :length]
    other["prosody"] = given["prosody"]
    torch.testing.assert_close(one(**given).logits, one(**other).logits, rtol=1e-5, atol=1e-5)
    for row in range(2):
        alone = {role: own[row : row + 1] for role, own in given.items()}
        for role, lengths in {**LENGTHS, "high": LENGTHS["low"]}.items():
            alone[role] = alone[role][:, : lengths[row]]
        torch.testing.assert_close(one(**alone).logits[0], one(**given).logits[row], rtol=1e-5, atol=1e-4)


def test_the_recurrent_layer_is_a_bidirectional_one_over_packed_sequences():
    one, given, length = model(), inputs()["cepstra"], torch.tensor(LENGTHS["cepstra"])
    reference = torch.nn.LSTM(5, 3, batch_first=True, bidirectional=True)
    own = {
        f"{name}{end}": value
        for lstm, end in zip(one.lstms, ("", "_reverse"), strict=True)
        for name, value in lstm.named_parameters()
    }
    reference.load_state_dict(own)
    packed = torch.nn.utils.rnn.pack_padded_sequence(given, length, batch_first=True, enforce_sorted=False)
    found = one._recurrent(given, length)
    for own, states in zip(found, torch.nn.utils.rnn.unpack_sequence(reference(packed)[0]), strict=True):
        torch.testing.assert_close(own[: len(states)], states, rtol=1e-5, atol=1e-6)


def test_attention_is_softmax_of_scaled_products():
    layer = humpcat.CrossAttention(HumpcatConfig(**SMALL)).eval()
    rng = torch.Generator().manual_seed(0)
    query, context = torch.randn(2, 3, 8, generator=rng), torch.randn(2, 5, 8, generator=rng)
    mask = torch.tensor([[True] * 5, [True, True, False, False, False]])
    found, weights = (own.detach().numpy() for own in layer(query, context, mask))
    numbers = {name: own.detach().numpy() for name, own in layer.attention.named_parameters()}
    w, b = np.split(numbers["in_proj_weight"], 3), np.split(numbers["in_proj_bias"], 3)
    for row in range(2):
        keys = context[row, mask[row]].numpy()
        heads = []
        for number, head in enumerate((slice(0, 4), slice(4, 8))):
            q, k, v = (
                x @ w[i][head].T + b[i][head] for i, x in enumerate((normalised(query[row].numpy()), keys, keys))
            )
            scores = np.exp(q @ k.T / 2)  # the square root of 4 dimensions a head
            scores /= scores.sum(axis=1, keepdims=True)
            np.testing.assert_allclose(weights[row, number, :, : len(keys)], scores, atol=1e-6)
            assert not weights[row, number, :, len(keys) :].any()
            heads.append(scores @ v)
        gathered = np.concatenate(heads, axis=1) @ numbers["out_proj.weight"].T + numbers["out_proj.bias"]
        x = query[row].numpy() + gathered
        fed = layer.feed(torch.from_numpy(normalised(x))).detach().numpy()
        np.testing.assert_allclose(found[row], x + fed, atol=1e-5)


def normalised(x: np.ndarray) -> np.ndarray:
    return ((x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)).astype(np.float32)


def test_both_stages_really_attend():
    weights = model().attention(**inputs())
    assert weights["prosody"].shape == (2, 2, 1, 9) and weights["frames"].shape == (2, 2, 7, 9)
    torch.testing.assert_close(weights["prosody"].sum(dim=3), torch.ones(2, 2, 1))
    queries = torch.arange(7) < torch.tensor(LENGTHS["low"])[:, None]
    torch.testing.assert_close(weights["frames"].sum(dim=3), queries.float()[:, None].expand(-1, 2, -1))
    for own in weights.values():
        assert not own[0, :, :, 4:].any()  # keys that are padding
        assert own[1, 0, 0].std() > 1e-4  # not one weight for all
    assert (weights["frames"][0, 0, 1] - weights["frames"][0, 0, 0]).abs().max() > 1e-4  # depends on the query


def test_uniformity_by_hand():
    weights = torch.zeros(4, 2, 2, 4)
    weights[0] = 0.25  # four keys alike
    weights[1, :, :, 2] = 1  # one key
    weights[2, :, 0, :2] = 0.5  # one query, two keys of four
    weights[3, 0, :, 0], weights[3, 1, :, 1] = 1, 1  # a key a head: the heads' mean is half as even
    found = uniformity(weights, torch.tensor([4, 4, 4, 4]), torch.tensor([2, 2, 1, 2]))
    torch.testing.assert_close(found, torch.tensor([1.0, 0.0, 0.5, 0.0]))


def test_loss_is_the_additive_margin_softmax():
    """The fraction as printed, and logits without a margin."""
    labels, s, m = [1, 6], 8.0, 0.3
    one = model(scale=s, margin=m, class_weights=[1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 3.0])
    output = one(**inputs(), labels=torch.tensor(labels))
    torch.testing.assert_close(output.logits, one(**inputs()).logits)
    cosines = output.logits.detach().numpy().astype(float) / s
    assert np.abs(cosines).max() <= 1
    losses = []
    for own, label in zip(cosines, labels, strict=True):
        true, others = np.exp(s * (own[label] - m)), np.exp(s * np.delete(own, label)).sum()
        losses.append(-np.log(true / (true + others)))
    assert output.loss.item() == pytest.approx((2 * losses[0] + 3 * losses[1]) / 5, rel=1e-5)


def test_logits_are_scaled_cosines_of_pooled_frames():
    one, seen = model(), []
    one.pooling.register_forward_hook(lambda _, given, found: seen.append((given, found[0])))
    logits = one(**inputs()).logits
    ((frames, mask), clip) = seen[0]
    valid = frames[1][mask[1]].detach().numpy()
    expected = np.concatenate([valid.mean(axis=0), valid.std(axis=0)])
    np.testing.assert_allclose(clip[1].detach().numpy(), expected, atol=1e-4)
    w = one.classes.weight.detach().numpy()
    cosines = w @ expected / np.linalg.norm(w, axis=1) / np.linalg.norm(expected)
    np.testing.assert_allclose(logits[1].detach().numpy(), 30 * cosines, atol=1e-2)


def test_statistics_leave_the_padding_out():
    one, train = model(), rows(14, 0)
    train.arrays["prosody"][:, 0] = 5  # constant in training
    one.set_statistics(train)
    for role in ("low", "high", "cepstra"):
        valid = train.arrays[role][:, :-1].reshape(-1, train.arrays[role].shape[2])
        found = one.prepare(role, torch.from_numpy(valid))
        torch.testing.assert_close(found.mean(dim=0), torch.zeros(valid.shape[1]), atol=1e-5, rtol=0)
        torch.testing.assert_close(found.std(dim=0, correction=0), torch.ones(valid.shape[1]))
    assert one.prepare("prosody", torch.full((1, 4), 6.0))[0, 0] == pytest.approx(1)


@pytest.mark.parametrize(("prosody", "frames"), STAGES)
def test_it_learns_toy_classes(prosody, frames):
    train, test = rows(70, 0), rows(35, 1)
    one = model(attend_prosody=prosody, attend_frames=frames, dropout=0.0)
    one.set_statistics(train)
    optimiser = torch.optim.Adam(one.parameters(), lr=0.01)
    for _ in range(40):
        optimiser.zero_grad()
        one(**batch(train), labels=torch.from_numpy(train.labels)).loss.backward()
        optimiser.step()
    assert (one(**batch(test)).logits.argmax(dim=1).numpy() == test.labels).mean() > 0.8  # chance 0.14


def batch(own: Materials) -> dict[str, torch.Tensor]:
    lengths = {f"{role}_length": torch.from_numpy(length) for role, length in own.lengths.items()}
    return {role: torch.from_numpy(values) for role, values in own.arrays.items()} | lengths


def test_heads_must_share_the_dimension():
    with pytest.raises(UserError, match="heads=3"):
        HumpcatConfig(dim=8, heads=3)

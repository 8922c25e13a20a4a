"""TRNet: c, compensation and both losses against numpy, padding, and training in two stages."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from toy_rows import one_thread  # noqa: F401
from transformers import AutoModelForAudioClassification, TrainerCallback

from sersupport.core.errors import UserError
from sersupport.corpora.convention import EMOTIONS
from sersupport.inputs.store import Materials, MaterialsDataset
from sersupport.systems import fit as fitting
from sersupport.systems import registry
from sersupport.systems.fit import Budget, fit
from sersupport.systems.recogniser import predict
from sersupport.systems.trnet import CLEAN, REFINE, Trnet, TrnetConfig

BANDS, T = 12, 20
SMALL = {"n_mels": BANDS, "channels": (4, 6), "hidden_dim": 8, "bridge_dim": 4, "dropout": 0.0}
BUDGET = Budget(steps=60, evaluate_every=20, batch_size=14, learning_rate=1e-2)


def config(stage: str = REFINE, **more) -> TrnetConfig:
    roles = ("noisy",) if stage == CLEAN else ("noisy", "enhanced")
    return TrnetConfig(stage=stage, inputs={role: {"kind": role} for role in roles}, **SMALL | more)


def materials(n: int, seed: int, noise: float) -> Materials:
    """Log-mels with a band a class, under noise of which the enhanced ones have less."""
    rng = np.random.default_rng(seed)
    labels, lengths = np.arange(n) % 7, rng.integers(12, T + 1, n)
    clean = rng.normal(size=(n, T, BANDS)) - 9
    clean[np.arange(n), :, labels] += 3
    arrays = {"noisy": clean + noise * rng.normal(size=clean.shape)}
    arrays["enhanced"] = clean + 0.2 * noise * rng.normal(size=clean.shape)
    recipes = pd.DataFrame({"utterance": [f"toy/{seed}-{i}" for i in range(n)], "condition": "clean"})
    arrays = {role: own.astype(np.float16) for role, own in arrays.items()}
    return Materials(recipes, labels, EMOTIONS, arrays, dict.fromkeys(arrays, lengths))


def batch(n: int = 5, noise: float = 2.0) -> dict[str, torch.Tensor]:
    rows = MaterialsDataset(*(materials(n, 0, own).only(["noisy", "enhanced"]) for own in (noise, 0.0)))
    return torch.utils.data.default_collate([rows[i] for i in range(n)])


def model(**more) -> Trnet:
    torch.manual_seed(0)
    made = Trnet(config(**more))
    made.mean.fill_(-9)
    made.scale.copy_(torch.linspace(1, 2, BANDS))
    return made.eval()


def standardised(values: torch.Tensor) -> np.ndarray:
    return (values.numpy().astype(np.float64) + 9) / np.linspace(1, 2, BANDS)


def expected_c(inputs: dict[str, torch.Tensor]) -> np.ndarray:
    """The correlation of both spectrograms, each band less its own mean."""
    found = []
    for noisy, enhanced, length in zip(inputs["noisy"], inputs["enhanced"], inputs["noisy_length"], strict=True):
        x, y = (standardised(own)[:length] for own in (noisy, enhanced))
        x, y = (own - own.mean(axis=0) for own in (x, y))
        found.append(np.clip((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()), 0, 1))
    return np.array(found)


def test_c_is_the_cosine_over_valid_frames_and_rises_with_the_ratio():
    one = model()
    c = {noise: one.coefficient(**batch(noise=noise)).detach() for noise in (0.0, 1.0, 4.0)}
    for noise, found in c.items():
        np.testing.assert_allclose(found, expected_c(batch(noise=noise)), atol=1e-5)
    assert (c[0.0] > c[1.0]).all() and (c[1.0] > c[4.0]).all()


@pytest.mark.parametrize(("compensate", "c"), [("enhanced", 0.0), ("noisy", 1.0)])
def test_one_spectrogram_alone_is_heard_where_c_is_fixed(compensate, c):
    one, inputs = model(compensate=compensate), batch()
    assert (one.coefficient(**inputs) == c).all()
    other = inputs | {"enhanced" if compensate == "noisy" else "noisy": torch.zeros_like(inputs["noisy"])}
    torch.testing.assert_close(one(**inputs).logits, one(**other).logits)


def test_the_loss_is_the_task_s_and_two_mean_squares():
    one, inputs = model(), batch()
    torch.nn.init.normal_(one.bridge[-1].weight)  # the identity would hide the bridge
    losses = {}
    for low in (True, False):
        for high in (True, False):
            one.config.low_loss, one.config.high_loss = low, high
            losses[low, high] = one(**inputs).loss.item()
    task = one(**{name: own for name, own in inputs.items() if not name.startswith("clean")}).loss.item()
    assert losses[False, False] == pytest.approx(task, abs=1e-6)

    c, lengths = expected_c(inputs)[:, None, None], inputs["noisy_length"]
    noisy, enhanced, clean = (standardised(inputs[role]) for role in ("noisy", "enhanced", "clean_noisy"))
    compensated = c * noisy + (1 - c) * enhanced
    valid = np.arange(T) < lengths.numpy()[:, None]
    low = np.mean((compensated - clean)[valid] ** 2)
    assert losses[True, False] - task == pytest.approx(0.5 * low, rel=1e-4)

    with torch.no_grad():
        gamma, beta = one.bridge(torch.from_numpy(c[:, 0]).float()).chunk(2, dim=1)
        h = (1 + gamma) * one.encoder(torch.from_numpy(compensated).float(), lengths) + beta
        aim = one.reference(torch.from_numpy(clean).float(), lengths)
    assert losses[False, True] - task == pytest.approx(0.5 * float(((h - aim) ** 2).mean()), rel=1e-4)
    assert losses[True, True] == pytest.approx(losses[True, False] + losses[False, True] - task, rel=1e-5)


@pytest.mark.parametrize("stage", [CLEAN, REFINE])
def test_what_stands_in_the_padding_is_not_heard(stage):
    one, inputs = model(stage=stage), batch()
    padding = torch.arange(T) >= inputs["noisy_length"][:, None]
    other = {name: own.masked_fill(padding[..., None], 7.0) if own.ndim == 3 else own for name, own in inputs.items()}
    longer = {name: torch.nn.functional.pad(own, (0, 0, 0, 9), value=3.0) if own.ndim == 3 else own
              for name, own in inputs.items()}  # fmt: skip
    for changed in (other, longer):
        found, known = one(**changed), one(**inputs)
        torch.testing.assert_close(found.logits, known.logits)
        torch.testing.assert_close(found.loss, known.loss)


@pytest.mark.parametrize("stage", [CLEAN, REFINE])
def test_gradients_reach_all_that_is_trained_and_nothing_else(stage):
    one = model(stage=stage).train()
    optimiser = torch.optim.SGD([own for own in one.parameters() if own.requires_grad], lr=0.01)
    for _ in range(2):  # at first the bridge's last layer is zero, and nothing flows through it
        optimiser.zero_grad()
        one(**batch()).loss.backward()
        optimiser.step()
    reached = {name for name, own in one.named_parameters() if own.grad is not None and own.grad.any()}
    beyond = ("reference.", *(("bridge.", "similarity") if stage == CLEAN else ()))
    assert reached == {name for name, _ in one.named_parameters() if not name.startswith(beyond)}
    assert not any(part.training for part in one.reference.modules()) and one.encoder.training


def test_the_low_level_loss_trains_the_weights_of_both_spectrograms():
    """The enhanced one has less noise: the least square has the lesser c."""
    one, inputs = model(high_loss=False).train(), batch(28)
    before = one.coefficient(**inputs).mean().item()
    optimiser = torch.optim.Adam([one.similarity], lr=0.02)
    for _ in range(30):
        optimiser.zero_grad()
        one(**inputs).loss.backward()
        optimiser.step()
    assert one.coefficient(**inputs).mean().item() < before - 0.1


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    return fit(config(CLEAN), materials(70, 0, 0.0), materials(28, 1, 0.0), BUDGET, 0, folder, "key"), folder / "model"


def refined(start, folder, **more):
    parts = {name: materials(n, seed, 2.0) for name, n, seed in (("train", 70, 0), ("validation", 28, 1))}
    partners = {name: materials(n, seed, 0.0) for name, n, seed in (("train", 70, 0), ("validation", 28, 1))}
    return fit(config(**more), *parts.values(), BUDGET, 1, folder, "key", start=start, partners=partners)


def test_the_second_stage_goes_on_from_the_first_whose_encoder_it_keeps(first, tmp_path):
    made, folder = refined(first[1], tmp_path), first[1]
    assert first[0].history["validation_uar"].max() > 0.9 and made.history["validation_uar"].max() > 0.6
    known, own = registry.load(folder).state_dict(), made.model.state_dict()
    for name, value in made.model.reference.state_dict().items():
        torch.testing.assert_close(value, known[f"encoder.{name}"], atol=0, rtol=0)
    assert all(torch.equal(own[name], known[name]) for name in ("mean", "scale"))
    assert not torch.equal(own["encoder.recurrent.weight_ih_l0"], known["encoder.recurrent.weight_ih_l0"])
    assert not torch.equal(own["similarity"], known["similarity"])
    test = materials(14, 2, 2.0)
    saved = AutoModelForAudioClassification.from_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(predict(saved, test), predict(made.model, test))


def test_a_killed_second_stage_goes_on_where_it_stopped(first, tmp_path, monkeypatch):
    whole = refined(first[1], tmp_path / "whole")

    class Kill(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step >= 40:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "Bar", lambda label: Kill())
        with pytest.raises(KeyboardInterrupt):
            refined(first[1], tmp_path / "killed")
    resumed, test = refined(first[1], tmp_path / "killed"), materials(14, 2, 2.0)
    np.testing.assert_allclose(predict(resumed.model, test), predict(whole.model, test), atol=1e-5)


def test_statistics_are_those_of_valid_frames(first):
    rows = materials(70, 0, 0.0)
    valid = np.concatenate([own[:n] for own, n in zip(rows.arrays["noisy"], rows.lengths["noisy"], strict=True)])
    np.testing.assert_allclose(first[0].model.mean, valid.astype(float).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(first[0].model.scale, valid.astype(float).std(axis=0), rtol=1e-4)


def test_what_cannot_be_is_refused(tmp_path):
    with pytest.raises(UserError, match="TRNet's stage 'both': choose one of clean, refine"):
        TrnetConfig(stage="both")
    with pytest.raises(UserError, match="compensate 'half': choose one of c, enhanced, noisy"):
        TrnetConfig(compensate="half")
    with pytest.raises(UserError, match="goes on from a model of stage 'clean'"):
        refined(None, tmp_path)


def test_clean_partners_are_asked_for_where_a_loss_needs_them():
    asked = [config(CLEAN), config(), config(low_loss=False), config(low_loss=False, high_loss=False)]
    assert [own.clean_partners for own in asked] == [False, True, True, False]


def test_it_has_half_a_million_parameters():
    assert 3e5 < sum(own.numel() for own in Trnet(TrnetConfig()).parameters() if own.requires_grad) < 1e6

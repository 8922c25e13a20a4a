"""Distillation: its loss against numpy, its draws against what they promise, and a student that learns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import TrainerCallback, Wav2Vec2Model

from sersupport import UserError, backbones, distill, noise
from sersupport.cache import Cache
from sersupport.distill import Corruption, Lessons, Settings, Shape, Speech

RATE_HZ = backbones.BACKBONE_RATE_HZ
SMALL = Shape(channels=8, hidden=16, layers=1, heads=2, positional_kernel=7)
SETTINGS = Settings(steps=6, batch_size=4, crop_s=0.4)
QUIET = Corruption(noisy=0, level_db=0)


def speech(n: int = 6, seconds: float = 1.0, dim: int = 5) -> Speech:
    """Tones; the teacher's frames say which."""
    rng = np.random.default_rng(0)
    pitch = np.linspace(100, 400, n)[:, None]
    waves = 0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    frames = np.repeat(rng.standard_normal((n, 1, dim)), round(seconds * 50), axis=1)
    return Speech(waves.astype(np.float16), frames.astype(np.float16), np.full(n, frames.shape[1]))


def test_the_loss_is_distilhuberts():
    rng = np.random.default_rng(0)
    p, t = rng.standard_normal((2, 2, 3, 4))
    cosine = (p * t).sum(-1) / np.linalg.norm(p, axis=-1) / np.linalg.norm(t, axis=-1)
    expected = (np.abs(p - t).mean(-1) + np.log1p(np.exp(-cosine))).mean()
    assert distill.distillation_loss(torch.tensor(p), torch.tensor(t)).item() == pytest.approx(expected, abs=1e-9)


def test_targets_are_standardised_over_frames_that_are_not_padding():
    rng = np.random.default_rng(0)
    frames = (3 + 2 * rng.standard_normal((4, 10, 3))).astype(np.float32)
    frames[1, 6:] = 100
    lengths = np.array([10, 6, 10, 10])
    found = distill.standardised(frames, lengths).astype(float)
    valid = np.concatenate([own[:length] for own, length in zip(found, lengths, strict=True)])
    np.testing.assert_allclose(valid.mean(axis=0), 0, atol=2e-3)
    np.testing.assert_allclose(valid.std(axis=0), 1, atol=2e-3)


def test_a_room_decays_by_sixty_decibels_and_keeps_the_level():
    rng = np.random.default_rng(0)
    click = np.zeros(RATE_HZ, dtype=np.float32)
    click[0] = 1
    wet = distill.reverberant(click, 0.4, rng)
    assert np.sum(wet**2) == pytest.approx(np.sum(click**2), rel=1e-4)
    energy = 10 * np.log10(np.cumsum(wet[1:][::-1] ** 2)[::-1] + 1e-20)  # Schroeder's backward integration
    at = [np.argmax(energy < energy[0] - fall) / RATE_HZ for fall in (5, 25)]
    assert 3 * (at[1] - at[0]) == pytest.approx(0.4, rel=0.15)  # T20


def test_a_lesson_depends_on_its_number_alone_and_keeps_crop_and_targets_together():
    some = speech()
    lessons = Lessons(some, None, QUIET, SETTINGS)
    assert len(lessons) == 24
    for index in (0, 7):
        item, again = lessons[index], lessons[index]
        torch.testing.assert_close(item["waves"], again["waves"])
        row = next(
            row for row in range(6) if np.array_equal(some.frames[row, 0].astype(np.float32), item["targets"][0])
        )
        wave = some.waves[row].astype(np.float32)
        starts = [s for s in range(0, len(wave) - 6400 + 1, 320) if np.allclose(wave[s : s + 6400], item["waves"])]
        assert starts and item["targets"].shape == (20, 5)


def test_noise_comes_at_the_level_that_was_drawn():
    some = speech()
    lessons = Lessons(some, None, Corruption(noisy=1, snr_db=(5, 5), level_db=0), SETTINGS)
    clean = Lessons(some, None, Corruption(noisy=0, level_db=0), SETTINGS)
    for index in range(5):
        noisy, plain = lessons[index]["waves"].numpy(), clean[index]["waves"].numpy()
        assert noise.snr_db(plain, noisy - plain) == pytest.approx(5, abs=0.1)


def test_kept_back_actors_are_never_taught_with(tmp_path):
    table = pd.DataFrame({"speaker": ["ravdess-01", "ravdess-02", "tess-OAF"], "path": "", "sha256": ["a", "b", "c"]})
    assert list(distill.heard(table)["speaker"]) == ["ravdess-02", "tess-OAF"]
    teacher = backbones.load(backbones.TINY, [-1])
    with pytest.raises(UserError, match="must stay unheard"):
        distill.listen(table, teacher, Cache(tmp_path))


def test_a_student_learns_is_kept_and_goes_on_after_a_kill(tmp_path, monkeypatch):
    settings = Settings(steps=60, batch_size=4, crop_s=0.4, learning_rate=3e-3)
    first = distill.teach(speech(), None, tmp_path / "a", SMALL, QUIET, settings)
    history = pd.read_parquet(tmp_path / "a/history.parquet")
    assert history["loss"].iloc[-1] < 0.8 * history["loss"].iloc[0]
    loaded = Wav2Vec2Model.from_pretrained(tmp_path / "a/student").eval()
    waves = torch.randn(1, 6400)
    with torch.no_grad():
        torch.testing.assert_close(loaded(waves)[0], first(waves)[0], atol=1e-2, rtol=1e-2)
    assert loaded.config.num_conv_pos_embeddings == 7

    class Killed(RuntimeError):
        pass

    def kill(self, args, state, control, **kwargs):
        if state.global_step == 30:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TrainerCallback, "on_step_begin", kill)
        with pytest.raises(Killed):
            distill.teach(speech(), None, tmp_path / "b", SMALL, QUIET, settings)
    assert list((tmp_path / "b").glob("checkpoint-*"))
    second = distill.teach(speech(), None, tmp_path / "b", SMALL, QUIET, settings)
    with torch.no_grad():
        torch.testing.assert_close(second(waves)[0], first(waves)[0], atol=2e-2, rtol=2e-2)

"""Distillation: its loss against numpy, plans that change one thing, and a student that learns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock, Timeout
from toy_rows import one_thread  # noqa: F401
from transformers import TrainerCallback, Wav2Vec2Model

from sersupport.core.errors import UserError
from sersupport.inputs.encoders import encoder as encoders
from sersupport.systems import distill
from sersupport.systems.distill import Plan, Shape
from sersupport.systems.fit import Budget
from sersupport.systems.lessons import Corruption, Speech

RATE_HZ = encoders.ENCODER_RATE_HZ
QUIET = Corruption(noisy=0, pitched=0, reverberant=0, level_db=0)
PLAN = Plan(Shape(4, 16, 1), QUIET, Budget(steps=6, evaluate_every=2, batch_size=4, learning_rate=2e-3), crop_s=0.4)


def speech(n: int = 6, seconds: float = 1.0, dim: int = 5) -> Speech:
    """Tones; the teacher's frames say which."""
    rng = np.random.default_rng(0)
    pitch = np.linspace(100, 400, n)[:, None]
    waves = 0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    frames = np.repeat(rng.standard_normal((n, 1, dim)), round(seconds * 50), axis=1)
    speakers = np.array([f"s{row}" for row in range(n)])
    return Speech(waves.astype(np.float16), frames.astype(np.float16), np.full(n, frames.shape[1]), speakers)


def test_the_loss_is_distilhuberts():
    rng = np.random.default_rng(0)
    p, t = rng.standard_normal((2, 2, 3, 4))
    cosine = (p * t).sum(-1) / np.linalg.norm(p, axis=-1) / np.linalg.norm(t, axis=-1)
    expected = (np.abs(p - t).mean(-1) + np.log1p(np.exp(-cosine))).mean()
    assert distill.distillation_loss(torch.tensor(p), torch.tensor(t)).item() == pytest.approx(expected, abs=1e-9)


def test_padding_is_no_part_of_the_loss():
    lesson = distill.Lesson(distill.untaught(PLAN), 5).eval()
    waves, targets = torch.randn(2, 6400), torch.randn(2, 20, 5)
    n_valid = torch.tensor([6400, 3200])
    with torch.no_grad():
        loss = lesson(waves, n_valid, targets)["loss"]
        targets[1, 12:] = 100
        torch.testing.assert_close(lesson(waves, n_valid, targets)["loss"], loss)
        targets[1, 5] = 100
        assert lesson(waves, n_valid, targets)["loss"] > loss + 0.1


def test_changed_plans_change_one_thing_each():
    for name, changed in distill.changed_plans(PLAN).items():
        fields = [field for field in vars(PLAN) if getattr(changed, field) != getattr(PLAN, field)]
        assert len(fields) <= 1, name
    assert distill.changed_plans(PLAN)["half the steps"].budget.steps == 3


def test_a_width_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match="multiple of 16"):
        distill.student_config(Shape(hidden=40))


def test_a_student_learns_is_kept_and_goes_on_after_a_kill(tmp_path, monkeypatch):
    plan = replace(PLAN, budget=Budget(steps=40, evaluate_every=4, batch_size=4, learning_rate=5e-3))
    first = distill.teach(speech(), None, tmp_path / "a", plan)
    history = pd.read_parquet(tmp_path / "a/history.parquet")
    assert history["loss"].iloc[-1] < 0.8 * history["loss"].iloc[0]
    loaded = Wav2Vec2Model.from_pretrained(tmp_path / "a/student").eval()
    waves = torch.randn(1, 6400)
    with torch.no_grad():
        torch.testing.assert_close(loaded(waves)[0], first(waves)[0])
    assert loaded.dtype == torch.float32
    largest = max(path.stat().st_size for path in (tmp_path / "a/student").iterdir())
    assert largest < 2.2 * sum(parameter.numel() for parameter in first.parameters()) + 20_000

    class Killed(RuntimeError):
        pass

    def kill(self, args, state, control, **kwargs):
        if state.global_step == 20:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TrainerCallback, "on_step_begin", kill)
        with pytest.raises(Killed):
            distill.teach(speech(), None, tmp_path / "b", plan)
    assert list((tmp_path / "b").glob("checkpoint-*"))
    second = distill.teach(speech(), None, tmp_path / "b", plan)
    with torch.no_grad():
        torch.testing.assert_close(second(waves)[0], first(waves)[0], atol=2e-2, rtol=2e-2)


def test_a_harmed_checkpoint_is_not_gone_on_from(tmp_path, monkeypatch):
    """A truncated file once made every further try crash."""

    def kill(self, args, state, control, **kwargs):
        if state.global_step == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(distill.Bar, "on_save", kill)
        with pytest.raises(KeyboardInterrupt):
            distill.teach(speech(), None, tmp_path / "a", PLAN)
    path = tmp_path / "a/checkpoint-2/optimizer.pt"
    path.write_bytes(path.read_bytes()[:100])
    distill.teach(speech(), None, tmp_path / "a", PLAN)
    assert pd.read_parquet(tmp_path / "a/history.parquet")["step"].tolist() == [2, 4, 6]


def test_one_student_is_taught_by_one_process_at_a_time(tmp_path, monkeypatch):
    """Two processes once wrote into one folder."""
    tried, folder = [], tmp_path / "deep/a"

    def attempt(self, args, state, control, **kwargs):
        (lock,) = folder.parent.glob(".*.lock")
        with pytest.raises(Timeout):
            FileLock(lock).acquire(timeout=0)
        tried.append(lock.name)

    monkeypatch.setattr(distill.Bar, "on_save", attempt)
    distill.teach(speech(), None, folder, PLAN)
    assert tried == 3 * [".a.lock"]
    with FileLock(folder.parent / ".a.lock", timeout=0):
        pass  # it is let go of


def test_a_student_that_was_changed_is_taught_again(tmp_path):
    first = distill.teach(speech(), None, tmp_path, PLAN).state_dict()
    path = tmp_path / "student/model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    again = distill.teach(speech(), None, tmp_path, PLAN).state_dict()
    for name, value in first.items():
        torch.testing.assert_close(again[name], value, atol=2e-2, rtol=2e-2)


def test_other_targets_of_equal_sum_are_another_teaching(tmp_path):
    """A sum once stood for all that was heard."""
    some, other = speech(), speech()
    other.frames = other.frames[::-1].copy()
    distill.teach(some, None, tmp_path, PLAN)
    key = (tmp_path / "training.key").read_text()
    distill.teach(other, None, tmp_path, PLAN)
    assert (tmp_path / "training.key").read_text() != key


def test_teaching_starts_from_the_untaught_student(tmp_path, monkeypatch):
    began = []
    monkeypatch.setattr(
        TrainerCallback,
        "on_train_begin",
        lambda self, args, state, control, model=None, **kwargs: began.append(
            {name: value.clone() for name, value in model.student.model.state_dict().items()}
        ),
    )
    distill.teach(speech(), None, tmp_path / "a", PLAN)
    for name, value in distill.untaught(PLAN).model.state_dict().items():
        torch.testing.assert_close(began[0][name], value)
    first = distill.untaught(PLAN)
    other = distill.untaught(replace(PLAN, seed=1), first)
    assert other.fingerprint == first.fingerprint  # taught further, whatever the seed
    distill.teach(
        speech(),
        None,
        tmp_path / "a",
        PLAN,
        encoders.Encoder(Wav2Vec2Model.from_pretrained(tmp_path / "a/student"), [-1]),
    )
    assert len(began) == 2  # not taken for the student that began with nothing
    with pytest.raises(UserError, match="student_start: its shape"):
        distill.untaught(replace(PLAN, shape=replace(PLAN.shape, layers=2)), first)

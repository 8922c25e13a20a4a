"""Distillation: its loss against numpy, its draws against what they promise, and a student that learns."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import TrainerCallback, Wav2Vec2Model

from sersupport import UserError, backbones, distill, noise, parameters
from sersupport.cache import Cache
from sersupport.distill import Corruption, Lessons, Plan, Settings, Shape, Speech
from sersupport.synthesis import noises as made_noises

RATE_HZ = backbones.BACKBONE_RATE_HZ
QUIET = Corruption(noisy=0, pitched=0, reverberant=0, level_db=0)
PLAN = Plan(Shape(4, 16, 1), QUIET, Settings(steps=6, batch_size=4, crop_s=0.4))


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
    lessons = Lessons(some, None, PLAN)
    assert len(lessons) == 24
    for index in (0, 7):
        item, again = lessons[index], lessons[index]
        torch.testing.assert_close(item["waves"], again["waves"])
        row = next(
            row for row in range(6) if np.array_equal(some.frames[row, 0].astype(np.float32), item["targets"][0])
        )
        wave = some.waves[row].astype(np.float32)
        starts = [s for s in range(0, len(wave) - 6400 + 1, 320) if np.allclose(wave[s : s + 6400], item["waves"])]
        assert starts and item["targets"].shape == (20, 5) and item["n_valid"] == 6400


def test_what_follows_the_utterance_is_said_to_be_padding():
    some = speech(n=1)
    some.n_frames[:] = 12
    assert Lessons(some, None, PLAN)[0]["n_valid"] == 12 * 320


def test_a_speaker_with_much_speech_is_heard_by_the_square_root():
    some = speech(n=20)
    some.speakers[:] = ["many"] * 16 + ["few"] * 4
    some.frames[:16], some.frames[16:] = 1, -1
    lessons = Lessons(some, None, replace(PLAN, settings=replace(PLAN.settings, steps=300)))
    many = np.mean([lessons[index]["targets"][0, 0] > 0 for index in range(1200)])
    assert many == pytest.approx(2 / 3, abs=0.05)  # 4 : 2, where utterances alone would give 4 : 1


def test_noise_comes_at_the_level_that_was_drawn_and_from_the_training_sources(tmp_path):
    made_noises.make_noises(tmp_path)
    bank = noise.NoiseBank.from_folder(tmp_path / "noise", ["embedded-test"])
    some, asked = speech(), []
    loud = replace(PLAN, corruption=replace(QUIET, noisy=1, snr_db=(5, 5)))
    lessons, clean = Lessons(some, bank, loud), Lessons(some, None, PLAN)
    segment = bank.segment
    bank.segment = lambda recording, *rest: asked.append(recording) or segment(recording, *rest)
    for index in range(24):
        noisy, plain = lessons[index]["waves"].numpy(), clean[index]["waves"].numpy()
        assert noise.snr_db(plain, noisy - plain) == pytest.approx(5, abs=0.1)
    parts = bank.sources.set_index("recording")["part"]
    assert len(asked) > 5 and set(parts[asked]) == {"train"}


@pytest.mark.parametrize("part", ["pitched", "reverberant", "level_db"])
def test_each_corruption_changes_what_is_heard_and_not_the_target(part):
    some = speech()
    changed = Lessons(some, None, replace(PLAN, corruption=replace(QUIET, **{part: 1})))[1]
    plain = Lessons(some, None, PLAN)[1]
    assert not torch.allclose(changed["waves"], plain["waves"], atol=1e-4)
    torch.testing.assert_close(changed["targets"], plain["targets"])


def test_speakers_of_the_test_folds_are_never_taught_with(tmp_path):
    speakers = ["ravdess-01", "ravdess-02", "tess-OAF", "tess-YAF", "emovo-f1"]
    table = pd.DataFrame({"speaker": speakers, "path": "", "sha256": speakers})
    assert list(distill.heard(table)["speaker"]) == ["ravdess-02", "tess-YAF", "emovo-f1"]
    assert {f"ravdess-{code}" for code in ("01", "04", "10", "11", "12", "14", "20", "21")} < distill.UNHEARD
    with pytest.raises(UserError, match="must stay unheard"):
        distill.listen(table, backbones.load(backbones.TINY, [-1]), Cache(tmp_path))


def test_who_was_heard_by_the_encoder_in_the_box():
    speakers = ["ravdess-01", "ravdess-02", "tess-OAF", "savee-DC", "emovo-f1"]
    table = pd.DataFrame({"speaker": speakers, "corpus": [speaker.split("-")[0] for speaker in speakers]})
    assert distill.known_to_mini(table, embedded=False) == ["emovo-f1", "ravdess-02"]
    assert distill.known_to_mini(table, embedded=True) == ["emovo-f1", "ravdess-02", "savee-DC"]


def test_listening_keeps_time_at_every_speed(tmp_path):
    import soundfile as sf

    path = tmp_path / "a.wav"
    tone = 0.3 * np.sin(2 * np.pi * 200 * np.arange(2 * RATE_HZ) / RATE_HZ)
    sf.write(path, tone, RATE_HZ)
    table = pd.DataFrame({"speaker": ["emovo-f1"], "path": [str(path)], "sha256": ["x"]})
    teacher = backbones.load(backbones.TINY, [-1])
    found = distill.listen(table, teacher, Cache(tmp_path / "cache"), (0.5, 1.0, 2.0), length_s=3.0)
    assert list(found.speakers) == ["emovo-f1"] * 3
    for wave, length, hz, seconds in zip(found.waves, found.n_frames, (100, 200, 400), (3, 2, 1), strict=True):
        spectrum = np.abs(np.fft.rfft(wave[:RATE_HZ].astype(float)))
        assert np.argmax(spectrum) == pytest.approx(hz, abs=1)
        assert length == teacher.n_frames(torch.tensor(seconds * RATE_HZ))


def test_variants_change_one_thing_each():
    assert tuple(distill.variants(PLAN)) == get_args(parameters.Lesson)  # what a profile may name
    for name, changed in distill.variants(PLAN).items():
        fields = [field for field in vars(PLAN) if getattr(changed, field) != getattr(PLAN, field)]
        assert len(fields) <= 1, name
    assert distill.variants(PLAN)["half the steps"].settings.steps == 3


def test_a_width_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match="multiple of 16"):
        distill.student_config(Shape(hidden=40))


def test_a_student_learns_is_kept_and_goes_on_after_a_kill(tmp_path, monkeypatch):
    plan = replace(PLAN, settings=Settings(steps=40, batch_size=4, crop_s=0.4, learning_rate=5e-3))
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


def test_teaching_starts_from_the_untaught_student(tmp_path, monkeypatch):
    began = []
    monkeypatch.setattr(
        TrainerCallback,
        "on_train_begin",
        lambda self, args, state, control, model=None, **kwargs: began.append(
            {name: value.clone() for name, value in model.student.encoder.state_dict().items()}
        ),
    )
    distill.teach(speech(), None, tmp_path / "a", PLAN)
    for name, value in distill.untaught(PLAN).encoder.state_dict().items():
        torch.testing.assert_close(began[0][name], value)
    first = distill.untaught(PLAN)
    other = distill.untaught(replace(PLAN, settings=replace(PLAN.settings, seed=1)), first)
    assert other.fingerprint == first.fingerprint  # taught further, whatever the seed
    distill.teach(
        speech(),
        None,
        tmp_path / "a",
        PLAN,
        backbones.Backbone(Wav2Vec2Model.from_pretrained(tmp_path / "a/student"), [-1]),
    )
    assert len(began) == 2  # not taken for the student that began with nothing
    with pytest.raises(UserError, match="student_start: its shape"):
        distill.untaught(replace(PLAN, shape=replace(PLAN.shape, layers=2)), first)

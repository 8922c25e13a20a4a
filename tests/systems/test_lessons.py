"""Lessons: their draws against what they promise, who may be heard, and what a teacher hears."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import torch

from sersupport.core.cache import Cache
from sersupport.core.errors import UserError
from sersupport.corpora.synthesis import noises as made_noises
from sersupport.inputs.encoders import encoder as encoders
from sersupport.recipes.bank import NoiseBank
from sersupport.sound import audio
from sersupport.sound.mixing import snr_db
from sersupport.systems import lessons as teaching
from sersupport.systems.lessons import Corruption, Lessons, Speech

RATE_HZ = encoders.ENCODER_RATE_HZ
QUIET = Corruption(noisy=0, pitched=0, reverberant=0, level_db=0)


def speech(n: int = 6, seconds: float = 1.0, dim: int = 5) -> Speech:
    """Tones; the teacher's frames say which."""
    rng = np.random.default_rng(0)
    pitch = np.linspace(100, 400, n)[:, None]
    waves = 0.3 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)
    frames = np.repeat(rng.standard_normal((n, 1, dim)), round(seconds * 50), axis=1)
    speakers = np.array([f"s{row}" for row in range(n)])
    return Speech(waves.astype(np.float16), frames.astype(np.float16), np.full(n, frames.shape[1]), speakers)


def drawn(some: Speech, bank: NoiseBank | None = None, corruption: Corruption = QUIET, n: int = 24) -> Lessons:
    return Lessons(some, bank, corruption, crop_s=0.4, n=n, seed=0)


def test_targets_are_standardised_over_frames_that_are_not_padding():
    rng = np.random.default_rng(0)
    frames = (3 + 2 * rng.standard_normal((4, 10, 3))).astype(np.float32)
    frames[1, 6:] = 100
    lengths = np.array([10, 6, 10, 10])
    found = teaching.standardised(frames, lengths).astype(float)
    valid = np.concatenate([own[:length] for own, length in zip(found, lengths, strict=True)])
    np.testing.assert_allclose(valid.mean(axis=0), 0, atol=2e-3)
    np.testing.assert_allclose(valid.std(axis=0), 1, atol=2e-3)


def test_a_lesson_depends_on_its_number_alone_and_keeps_crop_and_targets_together():
    some = speech()
    lessons = drawn(some)
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
    assert drawn(some)[0]["n_valid"] == 12 * 320


def test_a_speaker_with_much_speech_is_heard_by_the_square_root():
    some = speech(n=20)
    some.speakers[:] = ["many"] * 16 + ["few"] * 4
    some.frames[:16], some.frames[16:] = 1, -1
    lessons = drawn(some, n=1200)
    many = np.mean([lessons[index]["targets"][0, 0] > 0 for index in range(1200)])
    assert many == pytest.approx(2 / 3, abs=0.05)  # 4 : 2, where utterances alone would give 4 : 1


def test_noise_comes_at_the_level_that_was_drawn_and_from_the_training_sources(tmp_path):
    made_noises.make_noises(tmp_path)
    bank = NoiseBank.from_folder(tmp_path / "noise", ["embedded-test"])
    some, asked = speech(), []
    loud = replace(QUIET, noisy=1, snr_db=(5, 5))
    lessons, clean = drawn(some, bank, loud), drawn(some)
    segment = bank.segment
    bank.segment = lambda recording, *rest: asked.append(recording) or segment(recording, *rest)
    for index in range(24):
        noisy, plain = lessons[index]["waves"].numpy(), clean[index]["waves"].numpy()
        assert snr_db(plain, noisy - plain) == pytest.approx(5, abs=0.1)
    parts = bank.sources.set_index("recording")["part"]
    assert len(asked) > 5 and set(parts[asked]) == {"train"}


@pytest.mark.parametrize("part", ["pitched", "reverberant", "level_db"])
def test_each_corruption_changes_what_is_heard_and_not_the_target(part):
    some = speech()
    changed = drawn(some, corruption=replace(QUIET, **{part: 1}))[1]
    plain = drawn(some)[1]
    assert not torch.allclose(changed["waves"], plain["waves"], atol=1e-4)
    torch.testing.assert_close(changed["targets"], plain["targets"])


def test_speakers_of_the_test_folds_are_never_taught_with(tmp_path):
    speakers = ["ravdess-01", "ravdess-02", "tess-OAF", "tess-YAF", "emovo-f1"]
    table = pd.DataFrame({"speaker": speakers, "path": "", "sha256": speakers})
    assert list(teaching.heard(table)["speaker"]) == ["ravdess-02", "tess-YAF", "emovo-f1"]
    assert {f"ravdess-{code}" for code in ("01", "04", "10", "11", "12", "14", "20", "21")} < teaching.UNHEARD
    with pytest.raises(UserError, match="must stay unheard"):
        teaching.listen(table, encoders.load(encoders.TINY, [-1]), Cache(tmp_path))


def test_who_was_heard_by_the_encoder_in_the_box():
    paths = {
        "ravdess-01": "03-01-01-01-01-01-01.wav", "ravdess-02": "03-01-01-01-01-01-02.wav", "savee-DC": "DC/a01.wav",
        "tess-OAF": "OAF_back_angry.wav", "emovo-f1": "dis-f1-b1.wav", "mine-anna": "x/03-01-05-01-02-01-03.wav",
        "mine-bert": "y/bert.wav",
    }  # fmt: skip
    table = pd.DataFrame({"speaker": list(paths), "path": list(paths.values())})
    assert teaching.known_to_mini(table, embedded=False) == ["emovo-f1", "mine-anna", "ravdess-02"]
    everybody = set(paths) - {"ravdess-01", "tess-OAF"}
    assert set(teaching.known_to_mini(table, embedded=True)) == everybody


def test_listening_keeps_time_at_every_speed(tmp_path):
    path = tmp_path / "a.wav"
    tone = 0.3 * np.sin(2 * np.pi * 200 * np.arange(2 * RATE_HZ) / RATE_HZ)
    sf.write(path, tone, RATE_HZ)
    table = pd.DataFrame({"speaker": ["emovo-f1"], "path": [str(path)], "sha256": [audio.probe(path).sha256]})
    teacher = encoders.load(encoders.TINY, [-1])
    found = teaching.listen(table, teacher, Cache(tmp_path / "cache"), (0.5, 1.0, 2.0), length_s=3.0)
    assert list(found.speakers) == ["emovo-f1"] * 3
    for wave, length, hz, seconds in zip(found.waves, found.n_frames, (100, 200, 400), (3, 2, 1), strict=True):
        spectrum = np.abs(np.fft.rfft(wave[:RATE_HZ].astype(float)))
        assert np.argmax(spectrum) == pytest.approx(hz, abs=1)
        assert length == teacher.n_frames(torch.tensor(seconds * RATE_HZ))

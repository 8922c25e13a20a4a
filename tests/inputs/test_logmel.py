"""Log-mel spectrograms against librosa's, with their lengths, and what their key depends on."""

from __future__ import annotations

import librosa
import numpy as np
import torch

from sersupport.inputs.build import build
from sersupport.inputs.logmel import LogMel
from sersupport.sound import audio
from sersupport.sound.enhancers import enhance, located

N = 22_050


def noise() -> np.ndarray:
    return 0.1 * np.random.default_rng(0).normal(size=(2, N)).astype(np.float32)


def test_it_is_librosa_s_with_frames_that_lie_whole_within_the_clip():
    waves = noise()
    found, lengths = LogMel().compute(waves, np.array([N, N // 2]))
    assert found.shape == (2, 98, 80) and found.dtype == np.float16
    slow = audio.resample(waves[0], audio.RATE_HZ, 16_000)
    # librosa lays its window into the middle of the longer transform
    around = np.pad(slow, (512 - 400) // 2)
    expected = librosa.feature.melspectrogram(
        y=around, sr=16_000, n_fft=512, win_length=400, hop_length=160, n_mels=80, center=False
    )
    np.testing.assert_allclose(found[0], np.log(expected.T[:98]), atol=6e-3)  # half precision
    assert lengths.tolist() == [98, 1 + (8_000 - 400) // 160]


def test_frames_before_the_padding_do_not_hear_it():
    waves = noise()
    cut = waves.copy()
    cut[:, N // 2 :] = 0
    (one, lengths), (other, _) = (LogMel().compute(own, np.array([N // 2] * 2)) for own in (waves, cut))
    np.testing.assert_allclose(one[0, : lengths[0] - 1], other[0, : lengths[0] - 1], atol=1e-2)


def test_silence_is_the_floor():
    found, lengths = LogMel(floor=1e-6).compute(np.zeros((1, N), np.float32), np.array([100]))
    np.testing.assert_allclose(found, np.log(1e-6), atol=5e-3)
    assert lengths == [1]


def test_an_enhanced_one_is_that_of_enhanced_speech():
    waves, n_valid = noise(), np.array([N, N])
    expected = LogMel().compute(enhance("spectral gating", waves, n_valid, audio.RATE_HZ), n_valid)[0]
    np.testing.assert_array_equal(LogMel(enhancer="spectral gating").compute(waves, n_valid)[0], expected)


def test_its_key_holds_what_the_enhancer_is_and_its_specification_makes_it_again(tmp_path):
    for name, scale in (("one.pt", 2.0), ("two.pt", 3.0)):
        torch.jit.trace(lambda wave, scale=scale: wave * scale, torch.ones(1, 8)).save(str(tmp_path / name))
    (tmp_path / "copy.pt").write_bytes((tmp_path / "one.pt").read_bytes())
    inputs = {name: LogMel(enhancer=located(name, tmp_path)) for name in ("one.pt", "two.pt", "copy.pt", "none")}
    keys = {name: own.describe() for name, own in inputs.items()}
    assert keys["one.pt"] == keys["copy.pt"] and keys["two.pt"] not in (keys["one.pt"], keys["none"])
    assert all(build(own.spec(), None) == own for own in inputs.values())

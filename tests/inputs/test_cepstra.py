"""Cepstra: librosa's own numbers, and nothing of the padding."""

from __future__ import annotations

import json

import librosa
import numpy as np
import pytest

from sersupport.core.errors import UserError
from sersupport.inputs.cepstra import Cepstra
from sersupport.sound.audio import RATE_HZ

SIZES = {"n_fft": 2048, "hop_length": 512, "n_mels": 128}


@pytest.fixture(scope="module")
def waves() -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = np.cumsum(rng.standard_normal((2, RATE_HZ)), axis=1)  # louder at low frequencies, as speech is
    return (0.1 * noise / np.abs(noise).max()).astype(np.float32)


def test_mfcc_are_librosas(waves):
    values, lengths = Cepstra(n_mfcc=40, deltas=False).compute(waves, np.array([RATE_HZ, RATE_HZ]))
    assert values.shape == (2, 44, 40) and values.dtype == np.float32 and (lengths == 44).all()
    for wave, own in zip(waves, values, strict=True):
        np.testing.assert_allclose(own.T, librosa.feature.mfcc(y=wave, sr=RATE_HZ, n_mfcc=40, **SIZES), atol=0.05)


def test_deltas_are_regression_slopes(waves):
    """Against the sums over 4 frames on both sides; order 2 against a fitted parabola's second derivative."""
    values, _ = Cepstra().compute(waves, np.array([RATE_HZ, RATE_HZ]))
    assert values.shape == (2, 44, 39)
    mfcc, t = values[0, :, :13].astype(float), np.arange(-4, 5)
    padded = np.pad(mfcc, ((4, 4), (0, 0)), mode="edge")
    windows = np.stack([padded[i : i + 9] for i in range(44)])
    slope = np.einsum("w,twc->tc", t, windows) / (t @ t)
    bend = np.stack([2 * np.polyfit(t, window, 2)[0] for window in windows])
    np.testing.assert_allclose(values[0, :, 13:26], slope, atol=1e-3)
    np.testing.assert_allclose(values[0, :, 26:], bend, atol=1e-3)


def test_padding_changes_nothing(waves):
    short = np.where(np.arange(RATE_HZ) < 12_000, waves, 0)
    values, lengths = Cepstra().compute(short, np.array([12_000, 12_000]))
    alone, length = Cepstra().compute(short[:, :12_000], np.array([12_000, 12_000]))
    assert lengths.tolist() == length.tolist() == [24, 24]
    np.testing.assert_allclose(values[:, :24], alone, atol=1e-3)
    assert not values[:, 24:].any()
    together, lengths = Cepstra().compute(short, np.array([0, 12_000]))
    assert lengths.tolist() == [1, 24]
    np.testing.assert_array_equal(together[1], values[1])


def test_specification_round_trip_and_sizes():
    one = Cepstra(n_mfcc=40, deltas=False, hop_length=220)
    assert Cepstra.from_spec(json.loads(json.dumps(one.spec())), None) == one
    with pytest.raises(UserError, match="n_mfcc"):
        Cepstra(n_mfcc=200)

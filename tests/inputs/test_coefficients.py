"""Coefficients: their shape and floors, the cosine transform against scipy, and the way through JSON."""

from __future__ import annotations

import json

import librosa
import numpy as np
import pytest
from scipy.fft import idct

from sersupport.core.errors import UserError
from sersupport.inputs.coefficients import Coefficients
from sersupport.sound.audio import RATE_HZ

SAMPLES = 55_125


@pytest.fixture(scope="module")
def waves() -> np.ndarray:
    """A loud and a soft clip, silent at the end."""
    clips = np.random.default_rng(0).standard_normal((2, SAMPLES)) * np.array([[0.5], [0.01]])
    clips[:, 40_000:] = 0
    return clips.astype(np.float32)


def values(waves, *fields, **named):
    found, lengths = Coefficients(*fields, **named).compute(waves, np.full(len(waves), waves.shape[1]))
    assert lengths is None and found.dtype == np.float32 and np.isfinite(found).all()
    return found


@pytest.mark.parametrize("feature", ["log-mel", "mfcc"])
@pytest.mark.parametrize("samples", [55_125, 44_100, 22_051, 2_600])
def test_any_clip_has_as_many_rows_and_columns(waves, feature, samples):
    assert values(waves[:, :samples], feature).shape == (2, 256, 251)


def test_bands_are_librosas_power_in_decibels(waves):
    mel = librosa.feature.melspectrogram(y=waves[1], sr=RATE_HZ, n_fft=2048, hop_length=220, n_mels=256)
    found = values(waves, top_db=None)[1]
    heard = mel > 1e-20  # softer: rounding of the transform
    np.testing.assert_allclose(found[heard], 10 * np.log10(mel[heard].astype(float)), atol=1e-3)


def test_the_floor_is_below_each_clips_own_peak(waves):
    found = values(waves)
    np.testing.assert_allclose(found.min(axis=(1, 2)), found.max(axis=(1, 2)) - 80, atol=1e-4)
    assert (found.min(axis=2) == found.min(axis=(1, 2))[:, None]).all()  # silence: every band reaches it
    free = values(waves, top_db=None)
    assert (free.min(axis=(1, 2)) < -300).all()
    np.testing.assert_array_equal(found, np.maximum(free, found.min(axis=(1, 2), keepdims=True)))


def test_all_cepstra_turn_back_into_bands(waves):
    np.testing.assert_allclose(idct(values(waves, "mfcc"), axis=1, norm="ortho"), values(waves), atol=1e-3)
    np.testing.assert_array_equal(values(waves, "mfcc", 20), values(waves, "mfcc")[:, :20])


@pytest.mark.parametrize("top_db", [80.0, None])
def test_a_specification_goes_through_json(top_db):
    one = Coefficients("mfcc", 21, 108, top_db)
    assert Coefficients.from_spec(json.loads(json.dumps(one.spec())), None) == one


@pytest.mark.parametrize("fields", [("chroma",), ("mfcc", 257), ("mfcc", 0), ("log-mel", 20, 1), ("mfcc", 20, 9, 0.0)])
def test_what_cannot_be_is_refused(fields):
    with pytest.raises(UserError, match="needs a feature of log-mel, mfcc"):
        Coefficients(*fields)


def test_a_clip_shorter_than_its_frames_is_refused(waves):
    with pytest.raises(UserError, match="clips of 200 samples have no 251 frames"):
        values(waves[:, :200])

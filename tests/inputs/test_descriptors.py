"""Descriptors: the printed equations evaluated directly, librosa against torch, and the serialised layout."""

from __future__ import annotations

import json

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport.core.errors import UserError
from sersupport.inputs import descriptors
from sersupport.inputs.build import build
from sersupport.inputs.descriptors import Descriptors, FeatureIndex

P = Descriptors()
CLIP = 55_125  # 2.5 s at 22,050 Hz
SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40))  # n_frames, n_mfcc


def speech_like(n: int, seed: int = 0) -> np.ndarray:
    """Pulses at 120 Hz through two resonances, syllables at 4 Hz, a silent start, a faint hiss."""
    rng, t = np.random.default_rng(seed), np.arange(n) / P.rate_hz
    pulses = (np.diff(np.floor(120 * t), prepend=0) > 0).astype(float)
    s = t[:800]
    ring = np.exp(-400 * s) * (np.sin(2 * np.pi * 600 * s) + 0.5 * np.sin(2 * np.pi * 1700 * s))
    voiced = np.convolve(pulses, ring)[:n] * np.clip(np.sin(2 * np.pi * 4 * t), 0, None) * (t > 0.3)
    return (0.5 * voiced / max(1e-9, np.abs(voiced).max()) + 1e-4 * rng.standard_normal(n)).astype(np.float32)


def frame(y: np.ndarray, index: int, mode: str) -> np.ndarray:
    """Centred frame by plain slicing."""
    padded = np.pad(y.astype(np.float64), P.frame_length // 2, mode=mode)
    return padded[index * P.hop_length : index * P.hop_length + P.frame_length]


@pytest.fixture(scope="module")
def noisy() -> np.ndarray:
    rng = np.random.default_rng(1)
    return (speech_like(CLIP) + 0.05 * rng.standard_normal(CLIP)).astype(np.float32)


# --- sizes


@pytest.mark.parametrize(("n_mfcc", "length"), [(20, 2_376), (40, 4_536)])
def test_length_at_two_and_a_half_seconds(n_mfcc, length):
    p = Descriptors(n_mfcc=n_mfcc)
    assert p.n_frames(CLIP) == 108
    assert p.length(CLIP) == length


@pytest.mark.filterwarnings("ignore:Empty filters:UserWarning")  # tiny frames leave mel bands without a bin
@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6_000), st.integers(2, 300), st.integers(1, 300))
def test_n_frames_is_the_number_extracted(n, frame_length, hop_length):
    p = Descriptors(frame_length=frame_length, hop_length=hop_length, n_mfcc=2, n_mels=2)
    assert descriptors.extract_batch(torch.ones(1, n), p).shape == (1, 4, p.n_frames(n))
    rms = librosa.feature.rms(y=np.ones(n), frame_length=frame_length, hop_length=hop_length)
    assert rms.shape == (1, p.n_frames(n))


@pytest.mark.parametrize("wrong", [{"frame_length": 1}, {"hop_length": 0}, {"n_mfcc": 0}, {"n_mfcc": 129}])
def test_parameters_out_of_range(wrong):
    with pytest.raises(UserError, match="needs frame_length"):
        Descriptors(**wrong)


@pytest.mark.parametrize("y", [np.zeros(0, np.float32), np.zeros((2, 5), np.float32)])
def test_signal_of_wrong_shape(y):
    with pytest.raises(UserError, match="shape"):
        descriptors.extract(y, P)
    with pytest.raises(UserError, match="shape"):
        descriptors.extract_batch(torch.from_numpy(y.reshape(-1)), P)


# --- the printed equations


@pytest.mark.parametrize("index", [0, 31, 60, 107])
def test_zcr_is_equation_13_over_n(noisy, index):
    x = frame(noisy, index, "edge")
    n = len(x)
    printed = np.abs(np.diff(np.sign(x))).sum() / (2 * (n - 1))
    assert descriptors.extract(noisy, P)[0, index] == pytest.approx(printed * (n - 1) / n, rel=1e-6)


def test_zcr_counts_an_exact_zero_as_positive():
    p = Descriptors(frame_length=4, hop_length=4, n_mfcc=1, n_mels=1)
    # frames, edge padded: 1 1 1 0 | -1 -1 1 0 | 1 1 1 1
    y = np.array([1, 0, -1, -1, 1, 0, 1, 1], np.float32)
    printed = [np.abs(np.diff(np.sign(x))).sum() / 6 for x in ([1, 1, 1, 0], [-1, -1, 1, 0], [1, 1, 1, 1])]
    assert printed == [1 / 6, 1 / 2, 0]  # sgn(0) = 0 makes half a crossing of touching zero
    np.testing.assert_allclose(descriptors.extract_batch(torch.from_numpy(y)[None], p)[0, 0], [0, 1 / 4, 0])
    # frame_length 4 is too short for librosa's mel bands, not for its crossings
    zcr = librosa.feature.zero_crossing_rate(y, frame_length=4, hop_length=4)
    np.testing.assert_allclose(zcr[0], [0, 1 / 4, 0])


@pytest.mark.parametrize("index", [0, 31, 60, 107])
def test_rms_is_equation_14(noisy, index):
    printed = np.sqrt(np.mean(np.abs(frame(noisy, index, "constant")) ** 2))
    assert descriptors.extract(noisy, P)[1, index] == pytest.approx(printed, rel=1e-5)


@pytest.mark.parametrize("index", [0, 31, 60, 107])
def test_mfcc_is_scaled_equation_19(index):
    y = np.random.default_rng(2).standard_normal(CLIP).astype(np.float32)  # no band near either floor
    x, n = frame(y, index, "constant"), P.frame_length
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)
    power = np.abs(np.fft.fft(x * hann)[: n // 2 + 1]) ** 2  # eqs. 15, 16
    energy = librosa.filters.mel(sr=P.rate_hz, n_fft=n, n_mels=P.n_mels) @ power  # eq. 17
    c, m = np.arange(P.n_mfcc)[:, None], np.arange(1, P.n_mels + 1)
    printed = (np.log(energy) * np.cos(np.pi * c / P.n_mels * (m - 0.5))).sum(axis=1)  # eqs. 18, 19
    orthonormal = np.sqrt(np.where(c[:, 0] == 0, 1, 2) / P.n_mels)
    expected = 10 / np.log(10) * orthonormal * printed
    np.testing.assert_allclose(descriptors.extract(y, P)[2:, index], expected, atol=2e-3)


def test_a_tone_has_its_own_crossings_and_level():
    t = np.arange(CLIP) / P.rate_hz
    inner = descriptors.extract(0.3 * np.sin(2 * np.pi * 440 * t), P)[:, 4:-4]
    np.testing.assert_allclose(inner[0], 2 * 440 / P.rate_hz, atol=1.01 / P.frame_length)
    np.testing.assert_allclose(inner[1], 0.3 / np.sqrt(2), rtol=5e-3)


# --- torch against librosa


def signals() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    speech = speech_like(CLIP)
    padded = speech.copy()
    padded[30_000:] = 0
    return {
        "speech": speech,
        "speech, zero-padded": padded,
        "speech in white noise": speech + 0.3 * rng.standard_normal(CLIP),
        "speech in brown noise": speech + 0.01 * np.cumsum(rng.standard_normal(CLIP)),
        "faint": 1e-5 * speech,  # the power floor acts
        "below the zero threshold": 1e-11 * speech,
        "silence": np.zeros(CLIP),
        "a click": np.eye(1, CLIP, 20_000)[0],
        "constant": np.full(CLIP, -0.25),
    }


@pytest.mark.parametrize("n_mfcc", [20, 40])
def test_batch_equals_librosa(n_mfcc):
    p = Descriptors(n_mfcc=n_mfcc)
    waves = np.stack(list(signals().values())).astype(np.float32)  # more clips than one chunk
    assert len(waves) > descriptors.CPU_CHUNK
    batch = descriptors.extract_batch(torch.from_numpy(waves), p).numpy()
    assert batch.dtype == np.float32
    for name, wave, got in zip(signals(), waves, batch, strict=True):
        assert_close(got, descriptors.extract(wave, p), name)


@pytest.mark.filterwarnings("ignore:n_fft=:UserWarning")
@pytest.mark.parametrize("n", [1, 2, 300, 1_024, 2_047, 2_048, 5_000])
def test_batch_equals_librosa_on_short_clips(n):
    wave = 0.1 * np.random.default_rng(n).standard_normal(n).astype(np.float32)
    batch = descriptors.extract_batch(torch.from_numpy(wave)[None], P)
    assert_close(batch[0].numpy(), descriptors.extract(wave, P), n)


def test_batch_keeps_double_precision():
    wave = speech_like(CLIP)
    batch = descriptors.extract_batch(torch.from_numpy(wave)[None].double(), P)
    assert batch.dtype == torch.float64
    assert_close(batch[0].numpy(), descriptors.extract(wave, P), "double")


def assert_close(got: np.ndarray, reference: np.ndarray, name: object, tolerance: float = 1e-3) -> None:
    """Largest difference over the descriptor's largest value, for each of ZCR, RMS and MFCC."""
    assert got.shape == reference.shape
    for descriptor, rows in {"ZCR": slice(0, 1), "RMS": slice(1, 2), "MFCC": slice(2, None)}.items():
        largest = np.abs(reference[rows]).max()
        difference = np.abs(got[rows] - reference[rows]).max()
        assert difference <= tolerance * largest, f"{name}: {descriptor} differs by {difference} of {largest}"


# --- the serialised vector


def test_serialise_is_equation_28():
    z, e = np.array([1.0, 2, 3]), np.array([4.0, 5, 6])
    m = np.array([[11.0, 12], [21, 22], [31, 32]])  # m[t, k]
    expected = [1, 2, 3, 4, 5, 6, 11, 12, 21, 22, 31, 32]
    matrix = np.vstack([z, e, m.T])
    np.testing.assert_array_equal(descriptors.serialise(matrix), expected)
    batch = torch.from_numpy(np.stack([matrix, -matrix]))
    assert descriptors.serialise(batch).tolist() == [expected, [-value for value in expected]]


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.integers(0, 3))
def test_serialise_round_trip(shape, n_batch):
    n_frames, n_mfcc = shape
    matrix = np.random.default_rng(0).standard_normal((n_batch, 2 + n_mfcc, n_frames))
    vector = descriptors.serialise(matrix)
    assert vector.shape == (n_batch, (2 + n_mfcc) * n_frames)
    np.testing.assert_array_equal(descriptors.deserialise(vector, n_mfcc), matrix)
    assert torch.equal(descriptors.deserialise(torch.from_numpy(vector), n_mfcc), torch.from_numpy(matrix))


def test_deserialise_refuses_half_a_frame():
    with pytest.raises(UserError, match="2375 values"):
        descriptors.deserialise(np.zeros(2_375), 20)


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.data())
def test_index_maps_are_inverse(shape, data):
    n_frames, n_mfcc = shape
    i = data.draw(st.integers(0, (2 + n_mfcc) * n_frames - 1))
    feature = descriptors.index_to_feature(i, *shape)
    assert descriptors.feature_to_index(feature, *shape) == i
    # eq. 29, as printed
    if i < n_frames:
        assert feature == ("ZCR", None, i)
    elif i < 2 * n_frames:
        assert feature == ("RMS", None, i - n_frames)
    else:
        assert feature.descriptor == "MFCC"

    descriptor = data.draw(st.sampled_from(["ZCR", "RMS", "MFCC"]))
    coefficient = data.draw(st.integers(0, n_mfcc - 1)) if descriptor == "MFCC" else None
    feature = FeatureIndex(descriptor, coefficient, data.draw(st.integers(0, n_frames - 1)))
    assert descriptors.index_to_feature(descriptors.feature_to_index(feature, *shape), *shape) == feature


def test_index_names_the_value_that_serialise_puts_there():
    rows = {"ZCR": 0, "RMS": 1}
    matrix = np.arange(22 * 108).reshape(22, 108)
    vector = descriptors.serialise(matrix)
    for i in (0, 107, 108, 215, 216, 1191, 1408, 1865, 2367, 2375):
        descriptor, coefficient, at = descriptors.index_to_feature(i, 108, 20)
        assert vector[i] == matrix[rows.get(descriptor, 2 + (coefficient or 0)), at]


def test_layout_agrees_with_index_to_feature():
    table = descriptors.layout(108, 20)
    assert table["index"].tolist() == list(range(2_376))
    assert table["descriptor"].value_counts().to_dict() == {"MFCC": 2_160, "ZCR": 108, "RMS": 108}
    for row in table.itertuples(index=False):
        coefficient = None if row.descriptor != "MFCC" else row.coefficient
        assert descriptors.index_to_feature(row.index, 108, 20) == (row.descriptor, coefficient, row.frame)
    assert table["coefficient"].isna().sum() == 216


@pytest.mark.parametrize("i", [-1, 2_376])
def test_index_out_of_range(i):
    with pytest.raises(UserError, match="outside"):
        descriptors.index_to_feature(i, 108, 20)


@pytest.mark.parametrize(
    "feature", [("ZCR", 0, 0), ("MFCC", None, 0), ("MFCC", 20, 0), ("RMS", None, 108), ("F0", None, 0)]
)
def test_feature_that_does_not_exist(feature):
    with pytest.raises(UserError, match="not one of"):
        descriptors.feature_to_index(FeatureIndex(*feature), 108, 20)


def test_frame_times():
    times_s = descriptors.frame_times_s(P, 108)
    assert len(times_s) == 108
    assert times_s[0] == 0
    np.testing.assert_allclose(np.diff(times_s), 512 / 22_050)
    # a frame's place is its share of the way from the first to the last
    assert descriptors.place_in_clip(np.array([0, 48, 107]), 108) == pytest.approx(times_s[[0, 48, 107]] / times_s[-1])
    assert descriptors.place_in_clip(0, 1) == 0
    # a click is loudest in the frames around its own time
    rms = descriptors.extract(np.eye(1, CLIP, 20_000)[0], P)[1]
    loud = times_s[rms > 0.99 * rms.max()]
    assert abs(loud.mean() - 20_000 / P.rate_hz) < P.hop_length / P.rate_hz


# --- as an input


@pytest.mark.filterwarnings("ignore:Empty filters:UserWarning")
@pytest.mark.parametrize(
    "p",
    [
        Descriptors(n_mfcc=1),
        Descriptors(frame_length=256, hop_length=1000, n_mels=40),
        Descriptors(n_mfcc=1, frame_length=64, hop_length=100_000, n_mels=8),
    ],
    ids=["one coefficient", "gaps between frames", "one frame"],
)
def test_one_coefficient_and_gaps_between_frames_are_legitimate(p):
    wave = speech_like(CLIP)
    reference = descriptors.extract(wave, p)
    (values, lengths), n_frames = p.compute(wave[None], np.array([CLIP])), p.n_frames(CLIP)
    assert lengths is None and values.shape == (1, p.length(CLIP))
    matrix = descriptors.deserialise(values[0], p.n_mfcc)
    assert_close(matrix, reference, p)
    table = descriptors.layout(n_frames, p.n_mfcc)
    assert set(table["descriptor"]) == {"ZCR", "RMS", "MFCC"} and len(table) == p.length(CLIP)
    for i in range(p.length(CLIP)):
        feature = descriptors.index_to_feature(i, n_frames, p.n_mfcc)
        assert descriptors.feature_to_index(feature, n_frames, p.n_mfcc) == i
        row = {"ZCR": 0, "RMS": 1}.get(feature.descriptor, 2 + (feature.coefficient or 0))
        assert values[0, i] == matrix[row, feature.frame]
    assert len(descriptors.frame_times_s(p, n_frames)) == n_frames


def test_a_specification_makes_the_same_input_again():
    p = Descriptors(n_mfcc=13, hop_length=400)
    assert build(json.loads(json.dumps(p.spec())), None) == p
    assert p.describe() != Descriptors().describe()
    with pytest.raises(UserError, match="input of kind 'spectrum' is not known; there are: descriptors, frames"):
        build({"kind": "spectrum"}, None)

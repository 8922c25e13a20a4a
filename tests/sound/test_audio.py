"""sersupport.sound.audio: every broken kind of file, decoding by content, resampling, clips and activity."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport.core.errors import UserError
from sersupport.sound.audio import (
    RATE_HZ,
    SILENT_PEAK,
    AudioError,
    clip_window,
    load_audio,
    load_probed,
    probe,
    resample,
    speech_active,
    speech_cut_off_s,
)


def tone(frequency_hz: float, rate_hz: int = 16_000, duration_s: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * rate_hz)) / rate_hz)).astype("f4")


def dominant_hz(y: np.ndarray, rate_hz: float) -> float:
    """Peak of the spectrum, refined by a parabola through the log magnitudes of three bins."""
    magnitude = np.log(np.abs(np.fft.rfft(y * np.hanning(len(y)))) + 1e-12)
    k = int(magnitude.argmax())
    left, peak, right = magnitude[k - 1 : k + 2]
    return (k + 0.5 * (left - right) / (left - 2 * peak + right)) * rate_hz / len(y)


def write_float(path, samples, rate_hz=16_000):
    sf.write(path, np.asarray(samples, dtype="f4"), rate_hz, subtype="FLOAT")


BROKEN = {
    "empty file": lambda path: path.write_bytes(b""),
    "Git LFS pointer": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
    "no samples": lambda path: sf.write(path, np.zeros(0), 16_000),
    "silent": lambda path: sf.write(path, np.zeros(800), 16_000),
    "all samples are NaN": lambda path: write_float(path, np.full(800, np.nan)),
    "no sample is finite": lambda path: write_float(path, np.full(800, np.inf)),
    "3 samples are not finite": lambda path: write_float(path, np.r_[tone(440)[:797], [np.nan] * 3]),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_each_broken_kind_is_named(tmp_path, reason):
    path = tmp_path / "x.wav"
    BROKEN[reason](path)
    for reader in (probe, load_audio):
        with pytest.raises(AudioError) as caught:
            reader(path)
        assert caught.value.reason == reason
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".wav", ".raw", ".au", ".gsm", ".mp3", ".flac"])
def test_text_is_not_audio_whatever_its_extension(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_text("these are words, not samples\n" * 200)
    with pytest.raises(AudioError, match="not audio"):
        probe(path)


def test_missing_file_and_folder_are_named(tmp_path):
    for path in (tmp_path / "absent.wav", tmp_path):
        with pytest.raises(AudioError, match="cannot be read: "):
            probe(path)


def test_audio_error_is_a_user_error_and_survives_pickling():
    error = pickle.loads(pickle.dumps(AudioError("a.wav", "silent")))
    assert isinstance(error, UserError)
    assert (error.path, error.reason) == ("a.wav", "silent")


def test_just_audible_is_not_silent(tmp_path):
    write_float(tmp_path / "x.wav", np.full(100, 1.01 * SILENT_PEAK))
    assert probe(tmp_path / "x.wav").duration_s == 100 / 16_000


def test_container_and_extension_do_not_matter(tmp_path):
    """One recording in four containers under one wrong extension: the same samples and the same hash."""
    y = (np.round(tone(440) * 2**15) / 2**15).astype("f4")
    kinds = [("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("FLAC", "PCM_16"), ("WAV", "FLOAT")]
    paths = [tmp_path / f"{number}.wav" for number in range(len(kinds))]
    for path, (container, subtype) in zip(paths, kinds, strict=True):
        sf.write(path, y, 16_000, format=container, subtype=subtype)
    assert len({probe(path) for path in paths}) == 1
    for path in paths:
        np.testing.assert_array_equal(load_audio(path, 16_000), y)


@pytest.mark.parametrize(("container", "subtype"), [("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")])
def test_lossy_containers_decode(tmp_path, container, subtype):
    sf.write(tmp_path / "x.wav", tone(440), 16_000, format=container, subtype=subtype)
    y = load_audio(tmp_path / "x.wav", 16_000)
    assert dominant_hz(y[2000:14000], 16_000) == pytest.approx(440, rel=1e-3)


def test_one_decoding_gives_samples_and_description(tmp_path, monkeypatch):
    path = tmp_path / "x.wav"
    write_float(path, np.stack([tone(440), tone(880)], axis=1))
    expected, probed = load_audio(path, 4_000), probe(path)
    decoded, reader = [], sf.read
    monkeypatch.setattr(sf, "read", lambda *args, **kwargs: decoded.append(1) or reader(*args, **kwargs))
    y, found = load_probed(path, 4_000)
    np.testing.assert_array_equal(y, expected)
    assert found == probed and len(decoded) == 1


def test_hash_tells_recordings_apart(tmp_path):
    sf.write(tmp_path / "a.wav", tone(440), 16_000)
    sf.write(tmp_path / "b.wav", tone(441), 16_000)
    assert probe(tmp_path / "a.wav").sha256 != probe(tmp_path / "b.wav").sha256


def test_channels_are_averaged(tmp_path):
    left, right = tone(440), tone(880)
    write_float(tmp_path / "x.wav", np.stack([left, right], axis=1))
    np.testing.assert_allclose(load_audio(tmp_path / "x.wav", 16_000), (left + right) / 2, atol=1e-7)
    assert probe(tmp_path / "x.wav").channels == 2


def test_load_resamples_to_the_working_rate(tmp_path):
    sf.write(tmp_path / "x.flac", tone(440, 48_000), 48_000)
    y = load_audio(tmp_path / "x.flac")
    assert y.dtype == np.float32
    assert y.shape == (RATE_HZ,)
    assert dominant_hz(y, RATE_HZ) == pytest.approx(440, rel=1e-4)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(48_000, 22_050), (24_414, 16_000), (22_050, 16_000), (16_000, 22_050)])
@pytest.mark.parametrize("frequency_hz", [100, 1_000, 6_500])
def test_resampling_keeps_frequency_and_level(from_hz, to_hz, frequency_hz):
    y = resample(tone(frequency_hz, from_hz), from_hz, to_hz)
    assert len(y) == pytest.approx(to_hz, abs=1)
    assert dominant_hz(y, to_hz) == pytest.approx(frequency_hz, rel=1e-4)
    middle = y[len(y) // 4 : -len(y) // 4]
    assert np.sqrt(2 * np.mean(middle**2)) == pytest.approx(0.5, rel=0.01)


def test_resampling_removes_what_would_alias():
    y = resample(tone(15_000, 48_000), 48_000, 22_050)
    assert np.abs(y[2_000:-2_000]).max() < 0.5e-4  # 80 dB below the tone


def test_resampling_to_the_same_rate_changes_nothing():
    y = tone(440)
    assert resample(y, 16_000, 16_000) is y


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 900), start_s=st.floats(0, 6), length_s=st.floats(0.02, 6))
def test_clip_is_a_slice_and_zeros(n, start_s, length_s):
    rate_hz = 100
    y = np.arange(1, n + 1, dtype="f4")
    clip, n_valid = clip_window(y, rate_hz, start_s, length_s)
    n_clip = round(length_s * rate_hz)
    assert clip.shape == (n_clip,)
    assert n_valid == min(n, n_clip)
    start = int(clip[0]) - 1
    np.testing.assert_array_equal(clip[:n_valid], y[start : start + n_valid])
    np.testing.assert_array_equal(clip[n_valid:], 0)
    assert start == min(round(start_s * rate_hz), max(0, n - n_clip))


def test_clip_does_not_alias_the_recording():
    y = tone(440)
    clip, _ = clip_window(y, 16_000, 0.0, 1.0)
    clip[:] = 0
    assert np.abs(y).max() > 0.4


@pytest.mark.parametrize(("n", "start_s", "length_s"), [(0, 0.6, 2.5), (100, -0.1, 2.5), (100, 0.6, 0.0)])
def test_impossible_clips_are_refused(n, start_s, length_s):
    with pytest.raises(UserError, match="clip window"):
        clip_window(np.ones(n, dtype="f4"), RATE_HZ, start_s, length_s)


def test_activity_finds_the_tone_between_silences():
    rate_hz = 16_000
    quiet = 1e-4 * np.random.default_rng(0).standard_normal(rate_hz).astype("f4")
    active = speech_active(np.r_[quiet, tone(200), quiet], rate_hz)
    edges = np.flatnonzero(np.diff(active.astype(int))) / rate_hz
    assert active.shape == (3 * rate_hz,)
    np.testing.assert_allclose(edges, [1.0, 2.0], atol=0.032)  # one frame


@pytest.mark.parametrize(("level_db", "expected"), [(-24, True), (-36, False)])
def test_activity_threshold_is_in_db_below_the_peak_frame(level_db, expected):
    weak = 10 ** (level_db / 20) * tone(200)
    active = speech_active(np.r_[tone(200), weak], 16_000, top_db=30)
    assert bool(active[20_000:30_000].all()) is expected
    assert bool(active[20_000:30_000].any()) is expected


def test_activity_does_not_depend_on_level():
    y = np.r_[tone(200), 0.001 * tone(300), tone(250)]
    np.testing.assert_array_equal(speech_active(y, 16_000), speech_active(0.01 * y, 16_000))


def test_silence_is_not_speech():
    assert not speech_active(np.zeros(5_000, dtype="f4"), 16_000).any()


def test_a_faint_recording_is_not_all_speech():
    """librosa takes every frame below an absolute floor for equally loud."""
    y = np.r_[np.zeros(8_000), tone(200), np.zeros(8_000)].astype("f4")
    np.testing.assert_array_equal(speech_active(3e-5 * y, 16_000), speech_active(y, 16_000))


def test_a_flac_that_does_not_state_its_length_is_named(tmp_path):
    """As a recorder writes it that streams to a pipe: the number of samples in STREAMINFO is zero."""
    path = tmp_path / "a.flac"
    sf.write(path, tone(200), 16_000)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(AudioError, match="does not state its length"):
        load_audio(path, 16_000)


def test_speech_outside_the_window_is_counted():
    """Two seconds of noise within silence, of which the window holds the last half second."""
    rate = 8000
    y = np.zeros(4 * rate, dtype=np.float32)
    y[rate : 3 * rate] = np.random.default_rng(0).normal(0, 0.1, 2 * rate)
    assert speech_cut_off_s(y, rate, 2.5, 1.0) == pytest.approx(1.5, abs=0.05)
    assert speech_cut_off_s(y, rate, 0.5, 3.5) == pytest.approx(0.0, abs=0.05)
    assert speech_cut_off_s(y, rate, 3.9, 3.5) == pytest.approx(0.0, abs=0.05)  # it starts earlier, to be filled

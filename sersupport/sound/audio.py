"""Audio in: decoding by content, resampling, the fixed-length clip, and where a recording holds speech."""

from __future__ import annotations

import hashlib
import io
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import soundfile as sf
import soxr

from sersupport.core.errors import UserError

RATE_HZ = 22_050  # the working rate of everything but the self-supervised encoders, which want 16 kHz
SHORTEST_S = 0.15  # of an utterance: two frames of Praat's intensity; less is a file that was cut off
SILENT_PEAK = 1e-4  # full scale 1.0: -80 dBFS, three steps of 16-bit audio, below any recorded speech

_LFS_POINTER = b"version https://git-lfs"


class AudioError(UserError):
    """A file that cannot serve as a recording.

    Parameters
    ----------
    path : str or PathLike
        The file.
    reason : str
        Short text, e.g. ``"empty file"``, ``"silent"``, ``"not audio: Format not recognised."``.
    """

    def __init__(self, path: str | PathLike[str], reason: str) -> None:
        super().__init__(str(path), reason)  # both in args, so that the error survives pickling
        self.path, self.reason = str(path), reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}; restore the recording or remove the file"


class Probe(NamedTuple):
    """What :func:`probe` finds: length, native rate, channel count and a hash of the decoded mono samples."""

    duration_s: float
    rate_hz: int
    channels: int
    sha256: str


def probe(path: str | PathLike[str]) -> Probe:
    """Check that a file holds usable audio and describe it, at its native rate.

    Parameters
    ----------
    path : str or PathLike
        Any container libsndfile reads (WAV, FLAC, OGG, MP3, AIFF, ...); content decides, not the extension.

    Returns
    -------
    Probe
        ``sha256`` covers the decoded mono float32 samples and their rate: one recording has one hash in WAV and in
        FLAC.

    Raises
    ------
    AudioError
        Unreadable, empty, a Git LFS pointer, not audio, without samples, not finite, or silent.
    """
    return _described(*_decode(path))


def load_probed(path: str | PathLike[str], rate_hz: int = RATE_HZ) -> tuple[np.ndarray, Probe]:
    """What :func:`load_audio` and :func:`probe` give, from one decoding."""
    y, native_hz, channels = _decode(path)
    return resample(y, native_hz, rate_hz), _described(y, native_hz, channels)


def load_known(path: str | PathLike[str], sha256: str, rate_hz: int = RATE_HZ) -> np.ndarray:
    """What :func:`load_audio` gives, of a recording that was read before; an AudioError if it is another by now."""
    y, found = load_probed(path, rate_hz)
    if found.sha256 != sha256:
        raise AudioError(path, "has changed since it was read")
    return y


def load_audio(path: str | PathLike[str], rate_hz: int = RATE_HZ) -> np.ndarray:
    """Read a file as mono audio at one rate.

    Parameters
    ----------
    path : str or PathLike
        As for :func:`probe`; channels are averaged.
    rate_hz : int > 0
        Rate of the result.

    Returns
    -------
    y : np.ndarray float32 [shape=(n,)]
        Full scale is 1.0.

    Raises
    ------
    AudioError
        As for :func:`probe`.
    """
    y, native_hz, _ = _decode(path)
    return resample(y, native_hz, rate_hz)


def resample(y: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    """Band-limited change of sampling rate (SoX resampler, "HQ": 20-bit precision, linear phase).

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono audio at `from_hz`.
    from_hz, to_hz : float > 0
        Rates before and after.

    Returns
    -------
    np.ndarray float32 [shape=(round(n * to_hz / from_hz),)]
        The content at frequencies below both Nyquist limits; `y` itself where the rates agree.
    """
    y = np.asarray(y, dtype=np.float32)
    return y if from_hz == to_hz else soxr.resample(y, from_hz, to_hz, quality="HQ")


def clip_start(n: int, rate_hz: float, start_s: float, length_s: float) -> int:
    """First sample of :func:`clip_window`'s window in a recording of ``n`` samples."""
    return min(round(start_s * rate_hz), max(0, n - round(length_s * rate_hz)))


def clip_window(y: np.ndarray, rate_hz: float, start_s: float = 0.6, length_s: float = 2.5) -> tuple[np.ndarray, int]:
    """Cut the fixed-length window that every model sees.

    The window starts at `start_s`, or earlier where the recording ends too soon to fill it: at
    ``min(start_s, max(0, duration_s - length_s))``. Only a recording shorter than `length_s` is zero-padded,
    at the end. 2.5 s from 0.6 s skips the leading silence of RAVDESS and gives 108 frames at hop 512, as the
    feature indices printed in arXiv 2512.18298 imply; the paper itself does not state the window.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], n >= 1
        Mono audio.
    rate_hz : float > 0
        Its rate.
    start_s : float >= 0
        Preferred start.
    length_s : float > 0
        Length of the window.

    Returns
    -------
    clip : np.ndarray, dtype of `y` [shape=(round(length_s * rate_hz),)]
        A new array.
    n_valid : int
        Samples that come from `y`; the rest is padding.

    Raises
    ------
    UserError
        No samples, or a negative start or length.

    Examples
    --------
    >>> clip, n_valid = clip_window(np.ones(3 * 22050, dtype="float32"), 22050)
    >>> clip.shape, n_valid
    ((55125,), 55125)
    """
    n_clip = round(length_s * rate_hz)
    if len(y) == 0 or n_clip < 1 or start_s < 0:
        raise UserError(
            f"clip window: {len(y)} samples, start_s={start_s}, length_s={length_s}; "
            "it needs at least one sample, start_s >= 0 and length_s > 0"
        )
    start = clip_start(len(y), rate_hz, start_s, length_s)
    kept = y[start : start + n_clip]
    clip = np.zeros(n_clip, dtype=y.dtype)
    clip[: len(kept)] = kept
    return clip, len(kept)


def speech_active(
    y: np.ndarray, rate_hz: float, top_db: float = 30.0, frame_s: float = 0.032, hop_s: float = 0.008
) -> np.ndarray:
    """Mark the samples where the signal is loud enough to be speech.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Clean mono speech.
    rate_hz : float > 0
        Its rate.
    top_db : float > 0
        A frame is active if its energy is within this many dB of the loudest frame's.
    frame_s, hop_s : float > 0
        Frame length and spacing.

    Returns
    -------
    np.ndarray bool [shape=(n,)]
        All False where `y` has no energy at all.
    """
    active = np.zeros(len(y), dtype=bool)
    if np.any(y):  # librosa measures against the peak frame, and of silence every frame is the peak
        frame_length, hop_length = round(frame_s * rate_hz), round(hop_s * rate_hz)
        loud = y / np.abs(y).max()  # librosa's floor is absolute: below it all frames are equally loud
        intervals = librosa.effects.split(loud, top_db=top_db, frame_length=frame_length, hop_length=hop_length)
        for start, end in intervals:
            active[start:end] = True
    return active


def speech_cut_off_s(y: np.ndarray, rate_hz: float, start_s: float, length_s: float) -> float:
    """Seconds of active speech (:func:`speech_active`) that :func:`clip_window`'s window leaves out of a recording."""
    active, start = speech_active(y, rate_hz), clip_start(len(y), rate_hz, start_s, length_s)
    inside = active[start : start + round(length_s * rate_hz)]
    return float(active.sum() - inside.sum()) / rate_hz


def _described(y: np.ndarray, rate_hz: int, channels: int) -> Probe:
    sha256 = hashlib.sha256(np.ascontiguousarray(y, dtype="<f4"))
    sha256.update(str(rate_hz).encode())  # played at another rate the same samples are another recording
    return Probe(len(y) / rate_hz, rate_hz, channels, sha256.hexdigest())


def _decode(path: str | PathLike[str]) -> tuple[np.ndarray, int, int]:
    """Mono float32 samples, native rate and channel count of a file that passes every check."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise AudioError(path, f"cannot be read: {error.strerror}") from error
    if not content:
        raise AudioError(path, "empty file")
    if content.startswith(_LFS_POINTER):
        raise AudioError(path, "Git LFS pointer")
    try:
        # from memory: given a name, libsndfile may fall back on the extension and read text as raw samples
        samples, rate_hz = sf.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except sf.LibsndfileError as error:
        raise AudioError(path, f"not audio: {error.error_string}") from error
    except (ValueError, MemoryError) as error:  # a stream written to a pipe: libsndfile takes its length for endless
        raise AudioError(path, "its header does not state its length: decode and encode it again") from error
    if len(samples) == 0:
        raise AudioError(path, "no samples")
    y = samples.mean(axis=1)
    finite = np.isfinite(y)
    if not finite.any():
        raise AudioError(path, "all samples are NaN" if np.isnan(y).all() else "no sample is finite")
    if not finite.all():
        raise AudioError(path, f"{np.count_nonzero(~finite)} samples are not finite")
    if np.abs(y).max() < SILENT_PEAK:
        raise AudioError(path, "silent")
    return y, rate_hz, samples.shape[1]

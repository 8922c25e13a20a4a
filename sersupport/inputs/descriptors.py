"""Handcrafted descriptors of the spectral branch: zero-crossing rate, RMS energy and MFCCs, frame by frame.

:func:`extract` (librosa) is the reference; :func:`extract_batch` (torch) gives the same numbers for a batch.
The serialised vector that the 1D-CNN reads is ordered as eq. 28 of arXiv 2512.18298 prints it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, TypeVar

import librosa
import numpy as np
import pandas as pd
import torch
from scipy.fft import dct

from sersupport.core.errors import UserError
from sersupport.inputs.base import Computed, Plain
from sersupport.sound.audio import RATE_HZ

ZERO_THRESHOLD = 1e-10  # librosa's: a smaller amplitude counts as zero, and zero as positive
POWER_FLOOR = 1e-10  # librosa's amin: mel power below it, -100 dB, is raised to it
TOP_DB = 80.0  # librosa's: mel power further below the clip's largest is raised to that
CPU_CHUNK = 8  # clips whose overlapping frames stay in a processor's cache: half again as fast as 64

Array = TypeVar("Array", np.ndarray, torch.Tensor)


@dataclass(frozen=True)
class Descriptors(Plain):
    """The serialised descriptors as an input, float32 (B, L), with their parameters.

    Parameters
    ----------
    rate_hz : int
        Sampling rate of the signals.
    frame_length, hop_length : int
        N and H of eqs. 13-15, in samples. Frames are centred: half a frame of padding at both ends.
    n_mfcc : int
        K, the number of cepstral coefficients. The text says 40; only 20 fits the feature indices it prints.
    n_mels : int >= n_mfcc
        M, the number of mel bands; the paper does not say, 128 is librosa's default.

    Raises
    ------
    UserError
        If a length or count is out of range.

    Examples
    --------
    >>> Descriptors().length(55_125), Descriptors(n_mfcc=40).length(55_125)
    (2376, 4536)
    """

    kind: ClassVar[str] = "descriptors"

    rate_hz: int = RATE_HZ
    frame_length: int = 2048
    hop_length: int = 512
    n_mfcc: int = 20
    n_mels: int = 128

    def __post_init__(self) -> None:
        if self.frame_length < 2 or self.hop_length < 1 or not 1 <= self.n_mfcc <= self.n_mels:
            raise UserError(f"{self}: needs frame_length >= 2, hop_length >= 1 and 1 <= n_mfcc <= n_mels")

    def n_frames(self, n_samples: int) -> int:
        """Number of centred frames, T, of a signal of ``n_samples``."""
        padded = n_samples + 2 * (self.frame_length // 2)
        return 1 + (padded - self.frame_length) // self.hop_length

    def length(self, n_samples: int) -> int:
        """Length of the serialised vector, L = (2 + K) T."""
        return (2 + self.n_mfcc) * self.n_frames(n_samples)

    def compute(self, waves: np.ndarray, n_valid: np.ndarray) -> Computed:
        return serialise(extract_batch(torch.from_numpy(waves), self)).numpy(), None


def extract(y: np.ndarray, p: Descriptors) -> np.ndarray:
    """Descriptors of one signal, by librosa.

    Where librosa departs from the printed equations:

    - ZCR divides the crossings by N, eq. 13 by N - 1: librosa = (N - 1)/N * eq. 13. A sample that is exactly
      zero counts as positive, where sgn(0) = 0 would count half a crossing before it and half after it.
    - RMS is eq. 14.
    - The MFCCs are in decibels, 10 log10 where eq. 18 has a natural logarithm, floored at ``POWER_FLOOR`` and
      ``TOP_DB`` below the clip's maximum; and their cosine transform is orthonormal. Above the floors,
      librosa = 10/ln 10 * sqrt(2/M) * eq. 19, with sqrt(1/M) for c = 0. The mel bands of eq. 17 have unit
      area (Slaney), the window of eq. 15 is a periodic Hann.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)], n >= 1
        Signal at ``p.rate_hz``.
    p : Descriptors

    Returns
    -------
    np.ndarray float32 [shape=(2 + K, T)]
        ZCR (crossings a sample), RMS (full scale 1), MFCC 0 ... K - 1 (dB).

    References
    ----------
    .. [1] arXiv 2512.18298, eqs. 12-19.
    """
    _check_samples(y.shape, n_dimensions=1)
    frames = {"frame_length": p.frame_length, "hop_length": p.hop_length}
    zcr = librosa.feature.zero_crossing_rate(y, threshold=ZERO_THRESHOLD, **frames)
    rms = librosa.feature.rms(y=y, **frames)
    mel = librosa.feature.melspectrogram(
        y=y, sr=p.rate_hz, n_fft=p.frame_length, hop_length=p.hop_length, n_mels=p.n_mels
    )
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel, amin=POWER_FLOOR, top_db=TOP_DB), n_mfcc=p.n_mfcc)
    return np.concatenate([zcr, rms, mfcc]).astype(np.float32)


def extract_batch(waves: torch.Tensor, p: Descriptors) -> torch.Tensor:
    """Descriptors of a batch of equally long signals, each with its own ``TOP_DB`` floor, as :func:`extract`.

    Parameters
    ----------
    waves : torch.Tensor [shape=(B, N)], float32 or float64, any device
        Signals at ``p.rate_hz``.
    p : Descriptors

    Returns
    -------
    torch.Tensor [shape=(B, 2 + K, T)]
        Type and device of the waves; :func:`extract` within 1e-3 of each descriptor's largest value.
    """
    _check_samples(waves.shape, n_dimensions=2)
    size = CPU_CHUNK if waves.device.type == "cpu" else max(1, len(waves))
    return torch.cat([_extract_chunk(chunk, p) for chunk in waves.split(size)])


def _extract_chunk(waves: torch.Tensor, p: Descriptors) -> torch.Tensor:
    half = p.frame_length // 2
    window, mel_bands, cosines = (torch.from_numpy(c).to(waves) for c in _constants(p))

    # counts of sign changes from a running sum: exact, and one pass however much the frames overlap
    edge = torch.nn.functional.pad(waves[:, None], (half, half), mode="replicate")[:, 0]
    negative = edge < -ZERO_THRESHOLD
    crossed = torch.nn.functional.pad(negative[:, 1:] != negative[:, :-1], (1, 0))  # B, N + 2 half
    until = crossed.cumsum(dim=1, dtype=torch.int32)
    first = torch.arange(p.n_frames(waves.shape[1]), device=waves.device) * p.hop_length
    zcr = (until[:, first + p.frame_length - 1] - until[:, first]).to(waves.dtype) / p.frame_length  # B, T

    padded = torch.nn.functional.pad(waves, (half, half))
    frames = padded.unfold(1, p.frame_length, p.hop_length)  # B, T, frame_length: a view
    rms = torch.linalg.vector_norm(frames, dim=2) / p.frame_length**0.5

    spectrum = torch.fft.rfft(frames * window)
    power = spectrum.real.square() + spectrum.imag.square()  # B, T, F
    decibels = 10 * torch.log10((power @ mel_bands).clamp(min=POWER_FLOOR))  # B, T, M
    decibels = torch.maximum(decibels, decibels.amax(dim=(1, 2), keepdim=True) - TOP_DB)
    mfcc = decibels @ cosines  # B, T, K
    return torch.cat([zcr[:, None], rms[:, None], mfcc.transpose(1, 2)], dim=1)


@lru_cache(maxsize=8)
def _constants(p: Descriptors) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Window (frame_length,), mel bands (F, M) and cosines (M, K)."""
    window = librosa.filters.get_window("hann", p.frame_length)
    mel_bands = librosa.filters.mel(sr=p.rate_hz, n_fft=p.frame_length, n_mels=p.n_mels)
    cosines = dct(np.eye(p.n_mels), axis=1, norm="ortho")[:, : p.n_mfcc]
    return window, np.ascontiguousarray(mel_bands.T), np.ascontiguousarray(cosines)


def _check_samples(shape: tuple[int, ...], n_dimensions: int) -> None:
    if len(shape) != n_dimensions or shape[-1] == 0:
        wanted = "(n,)" if n_dimensions == 1 else "(batch, n)"
        raise UserError(f"features: signal of shape {tuple(shape)}; expected {wanted}, at least one sample")


# eq. 28: all z, all e, then m frame by frame with the coefficient running fastest


def serialise(matrix: Array) -> Array:
    """Vector(s) that the 1D-CNN reads, in the order of eq. 28.

    Parameters
    ----------
    matrix : np.ndarray or torch.Tensor [shape=(..., 2 + K, T)]
        Of :func:`extract` or :func:`extract_batch`.

    Returns
    -------
    np.ndarray or torch.Tensor [shape=(..., (2 + K) T)]
        z_1 ... z_T, e_1 ... e_T, m_{1,1}, m_{1,2} ... m_{T,K}.
    """
    *batch, n_rows, n_frames = matrix.shape
    return matrix.reshape(*batch, n_rows * n_frames)[..., _order(n_frames, n_rows - 2)]


def deserialise(vector: Array, n_mfcc: int) -> Array:
    """Inverse of :func:`serialise`: (..., L) back to (..., 2 + K, T)."""
    *batch, length = vector.shape
    n_frames, left_over = divmod(length, 2 + n_mfcc)
    if left_over or not n_frames:
        raise UserError(f"a vector of {length} values does not hold whole frames of 2 + {n_mfcc} descriptors")
    return vector[..., np.argsort(_order(n_frames, n_mfcc))].reshape(*batch, 2 + n_mfcc, n_frames)


@lru_cache(maxsize=8)
def _order(n_frames: int, n_mfcc: int) -> np.ndarray:
    """Where in the flattened matrix each value of the vector stands (L,)."""
    rows = np.arange((2 + n_mfcc) * n_frames).reshape(2 + n_mfcc, n_frames)
    return np.concatenate([rows[0], rows[1], rows[2:].T.ravel()])


class FeatureIndex(NamedTuple):
    """What one value of the serialised vector is; frame and coefficient count from 0 (eqs. 29 and 19)."""

    descriptor: str  # "ZCR", "RMS" or "MFCC"
    coefficient: int | None  # c of eq. 19, None but for MFCC
    frame: int


def index_to_feature(i: int, n_frames: int, n_mfcc: int) -> FeatureIndex:
    """Descriptor at index ``i`` of the serialised vector (eq. 29).

    Examples
    --------
    >>> index_to_feature(1191, n_frames=108, n_mfcc=20)
    FeatureIndex(descriptor='MFCC', coefficient=15, frame=48)
    """
    if not 0 <= i < (2 + n_mfcc) * n_frames:
        raise UserError(f"feature index {i} is outside 0 ... {(2 + n_mfcc) * n_frames - 1}")
    if i < 2 * n_frames:
        return FeatureIndex("ZCR" if i < n_frames else "RMS", None, i % n_frames)
    frame, coefficient = divmod(i - 2 * n_frames, n_mfcc)
    return FeatureIndex("MFCC", coefficient, frame)


def feature_to_index(feature: FeatureIndex, n_frames: int, n_mfcc: int) -> int:
    """Index of a descriptor in the serialised vector: the inverse of :func:`index_to_feature`."""
    descriptor, coefficient, frame = feature
    is_mfcc = descriptor == "MFCC"
    valid = coefficient is not None and 0 <= coefficient < n_mfcc if is_mfcc else coefficient is None
    if descriptor not in ("ZCR", "RMS", "MFCC") or not valid or not 0 <= frame < n_frames:
        raise UserError(f"{feature} is not one of {n_frames} frames with {n_mfcc} MFCCs")
    if is_mfcc:
        return 2 * n_frames + frame * n_mfcc + coefficient
    return frame + (n_frames if descriptor == "RMS" else 0)


def layout(n_frames: int, n_mfcc: int) -> pd.DataFrame:
    """Every index of the serialised vector and what it is.

    Returns
    -------
    pandas.DataFrame
        ``index`` 0 ... L - 1, ``descriptor``, ``coefficient`` (<NA> but for MFCC), ``frame``: L rows.
    """
    row, frame = np.divmod(_order(n_frames, n_mfcc), n_frames)
    coefficient = pd.array(row - 2, dtype="Int64")
    coefficient[row < 2] = pd.NA
    descriptor = np.array(["ZCR", "RMS", "MFCC"])[np.minimum(row, 2)]
    columns = {"descriptor": descriptor, "coefficient": coefficient, "frame": frame}
    return pd.DataFrame({"index": np.arange(len(row))} | columns)


def frame_times_s(p: Descriptors, n_frames: int) -> np.ndarray:
    """Time in s of the middle of each frame (T,), from the start of the clip."""
    return np.arange(n_frames) * (p.hop_length / p.rate_hz)


def place_in_clip(frame: Any, n_frames: int) -> Any:
    """Where a frame lies on the way from the clip's first frame (0) to its last (1).

    Frames are centred, the first on the clip's start and the last less than a hop before its end.

    Parameters
    ----------
    frame : int, or np.ndarray or pandas.Series of int
        In [0, n_frames).
    n_frames : int
        T.

    Examples
    --------
    >>> f"{place_in_clip(48, 108):.3f}"
    '0.449'
    """
    return frame / max(n_frames - 1, 1)

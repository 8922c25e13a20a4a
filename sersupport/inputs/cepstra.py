"""Mel-frequency cepstral coefficients with their differences, frame by frame."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

import librosa
import numpy as np
import torch

from sersupport.inputs.base import Computed, Plain
from sersupport.inputs.descriptors import Descriptors, extract_batch

DELTA_WIDTH = 9  # frames over which a difference is fitted; librosa's


@dataclass(frozen=True)
class Cepstra(Plain):
    """MFCCs in dB, float32 (B, T, C), with the number of frames before the padding; frames behind it are 0.

    C is ``n_mfcc``, or three times that with ``deltas``: MFCC, delta, delta-delta (librosa's first and second
    derivative of a polynomial over 9 frames, a clip's first and last frame repeated at its ends as HTK does).

    Parameters
    ----------
    n_mfcc : int
        13 with deltas are the 39 of arXiv 2501.10408.
    deltas : bool
    n_mels, frame_length, hop_length : int
        Not printed there; librosa's, as is usual. Lengths in samples at :data:`sersupport.sound.audio.RATE_HZ`.

    Raises
    ------
    UserError
        If a length or count is out of range.

    Examples
    --------
    >>> values, lengths = Cepstra().compute(np.ones((1, 55_125), np.float32), np.array([27_648]))
    >>> values.shape, lengths
    ((1, 108, 39), array([55]))
    """

    kind: ClassVar[str] = "cepstra"

    n_mfcc: int = 13
    deltas: bool = True
    n_mels: int = 128
    frame_length: int = 2048
    hop_length: int = 512

    def __post_init__(self) -> None:
        self._descriptors()

    def _descriptors(self) -> Descriptors:
        sizes = {name: value for name, value in asdict(self).items() if name != "deltas"}
        return Descriptors(**sizes)

    def n_frames(self, n_samples: int) -> int:
        """Number of frames T of a clip of ``n_samples``."""
        return self._descriptors().n_frames(n_samples)

    def compute(self, waves: np.ndarray, n_valid: np.ndarray) -> Computed:
        mfcc = extract_batch(torch.from_numpy(waves), self._descriptors())[
            :, 2:
        ].numpy()  # B, K, T; without ZCR and RMS
        lengths = np.array([self.n_frames(n) for n in n_valid])
        values = np.zeros(
            (len(waves), self.n_frames(waves.shape[1]), self.n_mfcc * (3 if self.deltas else 1)), np.float32
        )
        for length in np.unique(lengths):  # differences at the end must not reach into the padding
            rows = lengths == length
            own = mfcc[rows, :, :length]
            orders = (1, 2) if self.deltas else ()
            parts = [librosa.feature.delta(own, width=DELTA_WIDTH, order=order, mode="nearest") for order in orders]
            values[rows, :length] = np.concatenate([own, *parts], axis=1).transpose(0, 2, 1)
        return values, lengths

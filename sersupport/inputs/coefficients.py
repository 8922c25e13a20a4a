"""A matrix of many coefficients by few frames, of which arXiv 2507.03251's public code takes each row as a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import librosa
import numpy as np

from sersupport.core.errors import UserError
from sersupport.inputs.base import Computed, Plain
from sersupport.sound.audio import RATE_HZ

FEATURES = ("log-mel", "mfcc")
N_FFT = 2048
MELS = 256  # bands that MFCCs are made of
AMIN = float(np.finfo(np.float32).tiny)  # no other floor than top_db's binds, but in digital silence


@dataclass(frozen=True)
class Coefficients(Plain):
    """Log-mel bands or MFCCs of a clip, float32 (B, n_rows, n_columns), in dB.

    The hop is the longest whole number of samples that fits ``n_columns`` centred frames into the clip.

    Parameters
    ----------
    feature : {"log-mel", "mfcc"}
        What a row is: a mel band or a cepstral coefficient. The public code's tables do not name theirs.
    n_rows, n_columns : int
        Coefficients and frames. The public code has 256 by 251 for RAVDESS and SAVEE.
    top_db : float > 0 or None
        Decibels below the clip's peak to which what is softer is raised, before the cosine transform; None: no floor.
        80 is librosa's.

    Raises
    ------
    UserError
        For an unknown feature, a size or a floor out of range, or a clip shorter than its frames.
    """

    kind: ClassVar[str] = "coefficients"

    feature: str = "log-mel"
    n_rows: int = 256
    n_columns: int = 251
    top_db: float | None = 80.0

    def __post_init__(self) -> None:
        sound = 1 <= self.n_rows <= MELS and self.n_columns >= 2 and (self.top_db is None or self.top_db > 0)
        if self.feature not in FEATURES or not sound:
            raise UserError(
                f"{self}: needs a feature of {', '.join(FEATURES)}, 1 to {MELS} rows, 2 columns or more, top_db > 0"
            )

    @property
    def title(self) -> str:
        """The feature, and whether it has no floor."""
        return self.feature if self.top_db is not None else f"{self.feature} without floor"

    def compute(self, waves: np.ndarray, n_valid: np.ndarray) -> Computed:
        hop = waves.shape[1] // (self.n_columns - 1)
        if hop < 1:
            raise UserError(f"clips of {waves.shape[1]} samples have no {self.n_columns} frames: use longer clips")
        n_mels = self.n_rows if self.feature == "log-mel" else MELS
        mel = librosa.feature.melspectrogram(y=waves, sr=RATE_HZ, n_fft=N_FFT, hop_length=hop, n_mels=n_mels)
        # clip by clip: the floor is under each one's own peak
        rows = np.stack([librosa.power_to_db(one, amin=AMIN, top_db=self.top_db) for one in mel])
        if self.feature == "mfcc":
            rows = librosa.feature.mfcc(S=rows, n_mfcc=self.n_rows)
        return rows[..., : self.n_columns].astype(np.float32), None

"""Log-mel spectrograms, of speech as it is or enhanced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import librosa
import numpy as np

from sersupport.core.errors import UserError
from sersupport.inputs.base import Computed, LoadEncoder, Plain
from sersupport.inputs.encoders.encoder import ENCODER_RATE_HZ
from sersupport.inputs.waveform import Waveform
from sersupport.sound import enhancers
from sersupport.sound.audio import RATE_HZ

WINDOW, HOP, N_FFT = 400, 160, 512  # samples at 16 kHz: 25 ms every 10 ms


@dataclass(frozen=True)
class LogMel(Plain):
    """Natural logarithm of mel bands' energies at 16 kHz, float16 (B, T, n_mels), with the number of valid frames.

    Frames lie whole within the clip, those that count whole within its valid samples. Window (Hann), mel scale
    (Slaney, bands of unit area) and floor are not printed; they are librosa's, and as is usual.

    Parameters
    ----------
    n_mels : int
        80, as in arXiv 2404.12979.
    floor : float
        Least energy, lest the logarithm of silence decide; the default is 14 dB above what rounding to 16 bits adds.
    enhancer : str
        What the speech goes through first; see :func:`sersupport.sound.enhancers.located`.
    """

    kind: ClassVar[str] = "log-mel"

    n_mels: int = 80
    floor: float = 1e-8
    enhancer: str = "none"

    def spec(self) -> dict[str, Any]:
        return {**super().spec(), "identity": enhancers.identity(self.enhancer)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], load_encoder: LoadEncoder) -> LogMel:
        """See :func:`sersupport.inputs.build.build`; a UserError where the enhancer is another by now."""
        found = super().from_spec({name: value for name, value in spec.items() if name != "identity"}, load_encoder)
        if found.spec() != dict(spec):
            raise UserError(
                f"enhancer {found.enhancer}: this system was trained with another one of that name; give that one, or"
                " train it again"
            )
        return found

    def describe(self) -> dict[str, Any]:
        """As the base's, without the enhancer's name: its content or version says which it is, wherever it lies."""
        return {key: value for key, value in super().describe().items() if key != "enhancer"}

    def compute(self, waves: np.ndarray, n_valid: np.ndarray) -> Computed:
        slow, n_slow = Waveform().compute(enhancers.enhance(self.enhancer, waves, n_valid, RATE_HZ), n_valid)
        mel_bands = librosa.filters.mel(sr=ENCODER_RATE_HZ, n_fft=N_FFT, n_mels=self.n_mels).T
        window = librosa.filters.get_window("hann", WINDOW).astype(np.float32)
        found = []
        for wave in slow:  # clip by clip: the frames of a batch would fill hundreds of megabytes
            frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP]
            energies = np.abs(np.fft.rfft(frames * window, N_FFT)) ** 2 @ mel_bands
            found.append(np.log(np.maximum(energies, self.floor)).astype(np.float16))
        return np.stack(found), np.maximum((n_slow - WINDOW) // HOP + 1, 1)

"""Speech enhancement by name, and how much nearer to the clean speech it comes."""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import librosa
import numpy as np
import torch
from torch import Tensor

from sersupport.core.errors import UserError
from sersupport.core.keys import file_digest
from sersupport.core.seeds import generator
from sersupport.sound.audio import resample

SCRIPT = ".pt"  # ending of a TorchScript file
SCRIPT_RATE_HZ = 16_000
RNNOISE_RATE_HZ = 48_000
RNNOISE_DELAY = 960  # samples at that rate: two frames, measured
_FULL_SCALE = 32_767  # RNNoise takes floats in the range of 16-bit samples


def rnnoise(wave: np.ndarray, rate_hz: int) -> np.ndarray:
    """A wave (n,) through RNNoise, a recurrent network on bands of Opus's scale, its delay taken off.

    References
    ----------
    Valin (2018), A hybrid DSP/deep learning approach to real-time full-band speech enhancement, arXiv 1709.08243.
    """
    from pyrnnoise.rnnoise import FRAME_SIZE, create, destroy, lib  # brings FFmpeg along: only who enhances waits

    fast = resample(wave, rate_hz, RNNOISE_RATE_HZ)
    n_frames = -(-(len(fast) + RNNOISE_DELAY) // FRAME_SIZE)
    samples = np.zeros(n_frames * FRAME_SIZE, dtype=np.float32)
    samples[: len(fast)] = fast * _FULL_SCALE
    state, pointer = create(), ctypes.POINTER(ctypes.c_float)
    for start in range(0, samples.nbytes, FRAME_SIZE * samples.itemsize):
        frame = ctypes.cast(samples.ctypes.data + start, pointer)
        lib.rnnoise_process_frame(state, frame, frame)
    destroy(state)
    return resample(samples[RNNOISE_DELAY:][: len(fast)] / _FULL_SCALE, RNNOISE_RATE_HZ, rate_hz)


def spectral_gating(wave: np.ndarray, rate_hz: int) -> np.ndarray:
    """A wave (n,) through a gate that opens where a band is louder than its own mean of some seconds.

    The mean moves: one threshold for the clip would be set by the speech that fills most of it.

    References
    ----------
    Sainburg, Thielk and Gentner (2020), PLoS Computational Biology 16(10), whose package noisereduce this is.
    """
    from noisereduce import reduce_noise  # brings Matplotlib along

    return reduce_noise(wave, rate_hz)


# take a wave (n,) and its rate in Hz, return a wave about as long
ENHANCERS: Mapping[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "none": lambda wave, rate_hz: wave,
    "spectral gating": spectral_gating,
    "rnnoise": rnnoise,
}
_PACKAGES = {"spectral gating": "noisereduce", "rnnoise": "pyrnnoise"}


def located(name: str, root: Path) -> str:
    """The name by which the other functions know an enhancer: that of :data:`ENHANCERS`, or a file's full path.

    Parameters
    ----------
    name : str
        One of :data:`ENHANCERS`, or the path of a TorchScript file, ``*.pt``: waveform (1, N) at 16 kHz in and out,
        such as CMGAN's, whose weights come in no package.
    root : Path
        What a relative path is relative to.

    Raises
    ------
    UserError
        If there is no such enhancer, or the file cannot be loaded or makes no waveform of a second of noise.
    """
    if name in ENHANCERS:
        return name
    if not name.endswith(SCRIPT):
        raise UserError(f"enhancer {name!r}: choose one of {', '.join(ENHANCERS)} or a TorchScript file, *{SCRIPT}")
    path = str((root / name).resolve())
    _scripted(path, generator(0, "enhancer").standard_normal(SCRIPT_RATE_HZ).astype(np.float32), SCRIPT_RATE_HZ)
    return path


def identity(name: str) -> str:
    """What an enhancer's results depend on: its package's version, or the digest of its file, wherever that lies."""
    if name not in ENHANCERS:
        if not Path(name).is_file():
            raise UserError(f"enhancer {name}: there is no such file")
        return file_digest(Path(name))
    package = _PACKAGES.get(name)
    return f"{package} {metadata.version(package)}" if package else name


@lru_cache(maxsize=2)
def _script(path: str, _: str) -> torch.jit.ScriptModule:
    """The network in a file; read again where its digest is another."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the format is an old one, and what there is to load is in it
        try:
            return torch.jit.load(path, map_location="cpu").eval()
        except (RuntimeError, ValueError):
            raise UserError(f"enhancer {path}: is no TorchScript file; write it with torch.jit.save") from None


@torch.inference_mode()
def _scripted(name: str, wave: np.ndarray, rate_hz: int) -> np.ndarray:
    slow = torch.from_numpy(resample(wave, rate_hz, SCRIPT_RATE_HZ))[None]
    try:
        found = _script(name, identity(name))(slow)
    except (RuntimeError, torch.jit.Error) as error:
        why = str(error).strip().splitlines()[-1]
        raise UserError(f"enhancer {name}: fails on a waveform of shape {tuple(slow.shape)}: {why}") from None
    is_wave = isinstance(found, Tensor) and found.is_floating_point() and found.numel() == found.shape[-1]
    if not (is_wave and bool(found.isfinite().all())):
        raise UserError(f"enhancer {name}: gives no finite waveform for one of shape {tuple(slow.shape)}")
    return resample(found.reshape(-1).numpy(), SCRIPT_RATE_HZ, rate_hz)


def enhance(name: str, waves: np.ndarray, n_valid: np.ndarray, rate_hz: int) -> np.ndarray:
    """Enhanced speech, aligned in time with what was given; the padding, and what is silent, stays silent.

    Parameters
    ----------
    name : str
        From :func:`located`.
    waves : np.ndarray, shape (B, N)
    n_valid : np.ndarray of int, shape (B,)
        Samples before the padding.
    rate_hz : int

    Returns
    -------
    np.ndarray of float32, shape (B, N)
    """
    enhanced = np.zeros(waves.shape, dtype=np.float32)
    for row, wave, n in zip(enhanced, waves.astype(np.float32), n_valid, strict=True):
        if wave[:n].any():
            own = ENHANCERS[name](wave[:n], rate_hz) if name in ENHANCERS else _scripted(name, wave[:n], rate_hz)
            row[:n] = librosa.util.fix_length(own, size=n)
    return enhanced


def si_snr(estimate: np.ndarray, reference: np.ndarray) -> float:
    """Scale-invariant signal-to-noise ratio in dB of an estimate (N,) of a reference (N,), both less their means.

    What of the estimate lies along the reference, over the rest; inf where there is no rest, -inf of a silent estimate.

    References
    ----------
    Le Roux, Wisdom, Erdogan and Hershey (2019), SDR: half-baked or well done?, ICASSP, equation 4.
    """
    estimate, reference = (
        np.asarray(one, np.float64) - np.mean(one, dtype=np.float64) for one in (estimate, reference)
    )
    if not estimate.any():
        return -np.inf
    target = (estimate @ reference) / (reference @ reference) * reference
    rest = estimate - target
    with np.errstate(divide="ignore"):
        return float(10 * np.log10((target @ target) / (rest @ rest)))

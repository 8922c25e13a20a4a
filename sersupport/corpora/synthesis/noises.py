"""Three synthetic environments: many voices over clatter, an engine, children at play."""

import os
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile as sf
import soxr

from sersupport.core.keys import code_version
from sersupport.core.made import made
from sersupport.core.seeds import generator
from sersupport.corpora.synthesis.voice import Take, speak_afresh
from sersupport.sound.audio import RATE_HZ
from sersupport.sound.textures import add_wrapped, bandpass, bursts

NOISE_S = 6.0
SOURCES = 4  # of each type in each collection
_LIMIT = 2.5  # standard deviations above which a recorder's limiter would bend the signal
# training and test share no voice: neither variant nor accent
_VOICES = {
    "embedded-train": [("us", "Male1"), ("us", "Female1"), ("gb", "Male3"), ("us", "Female3"), ("gb", "Female5")],
    "embedded-test": [("sc", "Male2"), ("rp", "Female2"), ("la", "Male6"), ("wm", "Female4"), ("sc", "Female2")],
}
_CALLS = (
    "fresh fish today two for one", "how much is that over there", "come here and look at these",
    "no no that is far too much", "wait for me I am coming too", "give it back that one is mine",
)  # fmt: skip


def _voices(
    n: int, takes: list[Take], voices: int, pitch_ratio: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Overlapping voices, each played faster (and so higher) by a ratio drawn from a range."""
    total = np.zeros(n)
    for _ in range(voices):
        y = takes[rng.integers(len(takes))].y
        y = soxr.resample(y, RATE_HZ * rng.uniform(*pitch_ratio), RATE_HZ)
        add_wrapped(total, y / np.std(y) * rng.uniform(0.3, 1.0), rng.integers(n))
    return total


def _fish_market(n: int, takes: list[Take], rng: np.random.Generator) -> np.ndarray:
    babble = _voices(n, takes, 40, (0.9, 1.15), rng)
    clatter = bursts(n, 3.0, 0.02, (1500, 6000), rng, RATE_HZ)
    return babble / np.std(babble) + 0.3 * clatter / np.std(clatter)


def _railway_engine(n: int, takes: list[Take], rng: np.random.Generator) -> np.ndarray:
    time_s = np.arange(n) / RATE_HZ
    beat_hz = rng.uniform(3.0, 6.0)
    rumble = bandpass(rng.standard_normal(n), 30, 160, RATE_HZ) * (1 + 0.6 * np.sin(2 * np.pi * beat_hz * time_s) ** 3)
    tone_hz = rng.uniform(45, 75)
    engine = sum(np.sin(2 * np.pi * tone_hz * k * time_s + rng.uniform(0, 2 * np.pi)) / k for k in range(1, 6))
    hiss = bandpass(rng.standard_normal(n), 800, 5000, RATE_HZ)
    whistle_hz, blast = rng.uniform(600, 900), scipy.signal.windows.tukey(int(1.2 * RATE_HZ), 0.3)
    whistle = np.zeros(n)
    add_wrapped(whistle, blast * np.sin(2 * np.pi * whistle_hz * time_s[: len(blast)]), rng.integers(n))
    return rumble / np.std(rumble) + 0.5 * engine / np.std(engine) + 0.1 * hiss / np.std(hiss) + 0.25 * whistle


def _babble(n: int, takes: list[Take], rng: np.random.Generator) -> np.ndarray:
    return _voices(n, takes, 8, (0.95, 1.05), rng)


def _children_playing(n: int, takes: list[Take], rng: np.random.Generator) -> np.ndarray:
    voices = _voices(n, takes, 9, (1.5, 2.0), rng)
    bumps = bursts(n, 1.5, 0.06, (100, 1200), rng, RATE_HZ)
    return voices / np.std(voices) + 0.4 * bumps / np.std(bumps)


_TYPES = {"fish_market": _fish_market, "railway_engine": _railway_engine, "children_playing": _children_playing}
_TEST_ONLY = {"babble": _babble}  # which training never has


def make_noises(folder: str | os.PathLike[str], seed: int = 0) -> Path:
    """Write environmental noises, those for training and those for testing from different seeds and voices.

    Parameters
    ----------
    folder : path
        Gets ``noise/<collection>/<type>/<type>-<number>.wav`` (mono 16-bit, 22,050 Hz) and ``noises.json``; a
        complete set of the same settings is left as it is.
    seed : int
        A file's bytes depend on the seed and its own name only, on one machine.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If the folder holds a ``noise`` folder that was not made here.
    """

    def write(empty: Path) -> None:
        n = round(NOISE_S * RATE_HZ)
        for collection, voices in _VOICES.items():
            takes = speak_afresh([(accent, voice, 170, text) for accent, voice in voices for text in _CALLS])
            types = _TYPES | (_TEST_ONLY if collection == "embedded-test" else {})
            for kind, make in types.items():
                for number in range(SOURCES):
                    y = make(n, takes, generator(seed, collection, kind, number, wide=True))
                    y = np.tanh(y / (_LIMIT * np.std(y)))
                    path = empty / "noise" / collection / kind / f"{kind}-{number}.wav"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    sf.write(path, 0.9 * y / np.abs(y).max(), RATE_HZ, subtype="PCM_16")

    settings = {"seed": seed, "code": code_version("core", "sound", "corpora/synthesis")}
    return made(Path(folder), ["noise"], "noises.json", settings, write)

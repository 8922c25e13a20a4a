"""Noise: colours, recorded environments, mixing by peak ratio λ or by SNR, and the recipes of noisy samples.

A *recipe* is one row of a table, drawn without touching audio; :func:`render` makes its signal. Every row is
drawn from a generator seeded by the row's own key, so that order, batching and the number of processes never
change a sample. Equations are those of arXiv 2512.18298, sections III-B and III-C.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import librosa
import numpy as np
import pandas as pd
from scipy.signal import welch

from sersupport import UserError, audio

ENVIRONMENTS = ("railway_engine", "children_playing", "fish_market")
VARIANTS = ("clean", "noisy", "pitched", "pitched_noisy")

# what collections call the three environments
_ALIASES = {"children": "children_playing", "railway": "railway_engine", "fish": "fish_market"}
_URBANSOUND8K_STEM = re.compile(r"(\d+)-\d+-\d+-\d+")  # <source id>-<class>-<occurrence>-<slice>


def white(n: int, rng: np.random.Generator) -> np.ndarray:
    """White noise (n,): independent standard normal samples (eq. 5 with σ = 1)."""
    return rng.standard_normal(n)


def pink(n: int, rng: np.random.Generator) -> np.ndarray:
    """Pink noise (n,), −3.01 dB an octave: white noise filtered by |H(f)| ∝ 1/√f (eq. 6).

    The filter acts in the frequency domain: no gain at 0 Hz, a mean square of one over the other bins.
    """
    gain = np.zeros(n // 2 + 1)
    gain[1:] = 1 / np.sqrt(np.arange(1, len(gain)))
    gain /= max(np.sqrt(np.mean(gain**2)), np.finfo(float).tiny)  # n < 2 has no bin above 0 Hz
    return np.fft.irfft(np.fft.rfft(white(n, rng)) * gain, n)


def brown(n: int, rng: np.random.Generator) -> np.ndarray:
    """Brown noise (n,), −6.02 dB an octave: the running sum of white noise, literally (eq. 7).

    Nothing holds the sum near zero: a short piece carries a large offset, which counts in its peak and power.
    """
    return np.cumsum(white(n, rng))


COLOURS = MappingProxyType({"white": white, "pink": pink, "brown": brown})


def spectral_slope_db_per_octave(x: np.ndarray, rate_hz: float, band_hz: tuple[float, float] = (50.0, 2000.0)) -> float:
    """Slope of a signal's power spectral density in dB an octave: −3.01 β under the law of eq. 4.

    Welch's density (Hann, 8,192 samples) of ``x`` (n,) is regressed in dB on log2 f over ``band_hz``; a bin
    weighs 1/f, so that octaves count alike. A running sum departs from 1/f² above a tenth of the rate.
    """
    f_hz, density = welch(x, rate_hz, nperseg=min(8192, len(x)))
    inside = (f_hz > 0) & (f_hz >= band_hz[0]) & (f_hz <= band_hz[1]) & (density > 0)
    if inside.sum() < 3:
        raise UserError(f"spectral slope: too little energy or too few bins in {band_hz} Hz; widen the band")
    octaves, level_db = np.log2(f_hz[inside]), 10 * np.log10(density[inside])
    return float(np.polyfit(octaves, level_db, 1, w=f_hz[inside] ** -0.5)[0])  # polyfit squares its weights


class Mixture(NamedTuple):
    """A noisy signal (N,), which may exceed ±1 and is not clipped, and the noise that was added (N,)."""

    signal: np.ndarray
    noise_added: np.ndarray


def align(noise: np.ndarray, n: int) -> np.ndarray:
    """Noise at the speech's length: cut at ``n`` samples if longer, zero-padded if shorter, never looped."""
    return np.pad(noise[:n], (0, max(0, n - len(noise))))


def mix(speech: np.ndarray, noise: np.ndarray, level: float, scale: str = "peak") -> Mixture:
    """Add noise at an amplitude ratio. Silent noise adds nothing, nor does ``"peak"`` to silent speech.

    Parameters
    ----------
    speech, noise : np.ndarray [shape=(N,)]
        Signals of one length (:func:`align`) and rate.
    level : float >= 0
        λ of eqs. 2 and 10, α of eq. 8.
    scale : {"peak", "unit", "raw"}
        ``"peak"``: the added noise peaks at ``level * max|speech|`` (eqs. 1-3). ``"unit"``: it peaks at
        ``level`` (eq. 8 as printed; the text below eq. 9 means ``"peak"``). ``"raw"``: ``level * noise``
        (eq. 10 as printed).
    """
    _check_lengths(speech, noise)
    if not level >= 0:
        raise UserError(f"mix: level {level} must be 0 or more")
    if scale not in ("peak", "unit", "raw"):
        raise UserError(f"mix: unknown scale {scale!r}; there are: peak, unit, raw")
    speech_peak, noise_peak = (float(np.max(np.abs(x), initial=0)) for x in (speech, noise))
    # dividing before multiplying keeps the peak exact: the loudest sample becomes ±1
    unit = noise if scale == "raw" else noise / (noise_peak or 1.0)
    added = unit * (level * speech_peak if scale == "peak" else level)
    return Mixture(speech + added, added)


def snr_db(speech: np.ndarray, noise: np.ndarray, active: np.ndarray | None = None) -> float:
    """Ratio in dB of the mean powers of speech (N,) and noise as added (N,).

    Measured over the samples that ``active`` (N,) marks, such as :func:`sersupport.audio.speech_active`, or
    over all; inf without noise, −inf without speech, NaN with neither or if no sample is active.
    """
    speech_power, noise_power = _powers(speech, noise, active)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.float64(speech_power) / noise_power))


def mix_at_snr(speech: np.ndarray, noise: np.ndarray, snr_db: float, active: np.ndarray | None = None) -> Mixture:
    """Add noise so that :func:`snr_db`, with the same arguments, gives the ratio asked for.

    A UserError if speech or noise has no power where it is measured: no gain reaches the ratio then.
    """
    speech_power, noise_power = _powers(speech, noise, active)
    if not (speech_power > 0 and noise_power > 0):
        silent = "noise" if speech_power > 0 else "speech"
        raise UserError(f"mix at {snr_db:g} dB: the {silent} is silent there; choose another segment")
    added = noise * float(np.sqrt(speech_power / noise_power) * 10 ** (-snr_db / 20))
    return Mixture(speech + added, added)


def pitch_shift(y: np.ndarray, rate_hz: float, semitones: float = 0.7) -> np.ndarray:
    """Move the pitch of ``y`` (n,) and keep its length: phase vocoder, then resampling (librosa).

    Eq. 11 as printed rescales the frequency axis, which changes the duration too; the text wants it kept.
    """
    return librosa.effects.pitch_shift(y, sr=rate_hz, n_steps=semitones)


def _powers(speech: np.ndarray, noise: np.ndarray, active: np.ndarray | None) -> tuple[float, float]:
    _check_lengths(speech, noise)
    if active is not None:
        speech, noise = speech[active], noise[active]
    if not len(speech):
        return np.nan, np.nan
    return tuple(float(np.mean(np.square(x, dtype=np.float64))) for x in (speech, noise))


def _check_lengths(speech: np.ndarray, noise: np.ndarray) -> None:
    if speech.shape != noise.shape or speech.ndim != 1:
        raise UserError(f"speech {speech.shape} and noise {noise.shape} must be 1-D and as long; align them")


@lru_cache(maxsize=128)
def _decoded(path: str, rate_hz: int) -> np.ndarray:
    y = audio.load_audio(path, rate_hz)
    y.flags.writeable = False  # shared by all who ask for it
    return y


class NoiseBank:
    """Recorded noises, parted into training and test by the *source* they were cut from.

    A UserError if a source, or one sound under two names, stands in both parts, or either lacks a type.

    Parameters
    ----------
    sources : pandas.DataFrame
        One row a file: ``recording`` (unique: its path below the bank's folder), ``source``, ``noise``,
        ``collection``, ``part`` ("train" | "test"), ``path``, ``duration_s``, ``sha256`` of its samples.
    noises : sequence of str
        Types that both parts must hold.
    """

    def __init__(self, sources: pd.DataFrame, noises: Sequence[str] = ENVIRONMENTS) -> None:
        for key in ("source", "sha256"):
            in_both = sources.groupby(key)["part"].transform("nunique") > 1
            if in_both.any():
                files = ", ".join(sorted(sources.loc[in_both, "recording"]))
                raise UserError(f"one noise {key} stands in training and in test: {files}; keep one part")
        self.sources = sources.sort_values(["source", "recording"], ignore_index=True)
        self._paths = dict(zip(self.sources["recording"], self.sources["path"], strict=True))
        for part in ("train", "test"):
            if missing := [noise for noise in noises if noise not in self.choices(part)]:
                raise UserError(f"the {part} noises lack {', '.join(missing)}; add a folder of that name")

    @classmethod
    def from_folder(
        cls, folder: Path | str, test_collections: Iterable[str], noises: Sequence[str] = ENVIRONMENTS
    ) -> NoiseBank:
        """Bank of the files ``folder/<collection>/<type>/*.wav`` and ``*.flac``.

        The source of an UrbanSound8K file, ``<source>-<class>-<occurrence>-<slice>``, is its first number, in
        whatever collection it lies; that of any other is ``<collection>/<stem>``.

        Parameters
        ----------
        folder : Path
            Folder of collections.
        test_collections : iterable of str
            Collections kept for testing; all others are for training.
        noises : sequence of str
            Types to read (a folder ``children`` holds ``children_playing``); other folders are left alone.
        """
        folder, test = Path(folder), set(test_collections)
        rows = []
        for path in sorted(folder.glob("*/*/*")):
            collection, noise = path.parts[-3], path.parts[-2].lower().replace(" ", "_").replace("-", "_")
            noise = _ALIASES.get(noise, noise)
            if noise not in noises or path.suffix.lower() not in (".wav", ".flac"):
                continue
            recording = path.relative_to(folder).as_posix()
            cut = _URBANSOUND8K_STEM.fullmatch(path.stem)
            source = cut[1] if cut else f"{collection}/{path.stem}"
            part, found = "test" if collection in test else "train", audio.probe(path)
            row = recording, source, noise, collection, part, str(path), found.duration_s, found.sha256
            rows.append(row)
        absent = sorted(test - {row[3] for row in rows})
        if absent or not rows:
            wanted = f"<collection>/{'|'.join(noises)}/*.wav|*.flac"
            raise UserError(f"{folder}: no noise found in {', '.join(absent) or 'it'}; expected {wanted}")
        columns = ["recording", "source", "noise", "collection", "part", "path", "duration_s", "sha256"]
        return cls(pd.DataFrame(rows, columns=columns), noises)

    def choices(self, part: str) -> dict[str, list[list[tuple[str, str, float]]]]:
        """By noise type, the sources of a part, each a list of (source, recording, duration_s)."""
        fields = ["source", "recording", "duration_s"]
        choices: dict[str, list] = {}
        rows = self.sources[self.sources["part"] == part]
        for (noise, _), files in rows.groupby(["noise", "source"]):
            choices.setdefault(noise, []).append(list(files[fields].itertuples(index=False, name=None)))
        return choices

    def segment(self, recording: str, offset_s: float, n: int, rate_hz: int) -> np.ndarray:
        """``n`` samples of a recording from ``offset_s`` on, at ``rate_hz``, zero-padded where it ends."""
        if recording not in self._paths:
            raise UserError(f"the noise bank has no recording {recording!r}; draw the recipes from this bank")
        return align(_decoded(self._paths[recording], rate_hz)[int(offset_s * rate_hz) :], n)

    def fingerprint(self) -> str:
        """Digest of what the bank holds, wherever its folder lies."""
        held = self.sources.drop(columns="path").to_csv()
        return hashlib.blake2b(held.encode(), digest_size=16).hexdigest()


class Recipe(NamedTuple):
    """What makes a sample of an utterance: one row of a recipe table."""

    utterance: str  # id in the utterance table
    variant: str  # one of VARIANTS
    condition: str  # the variant, or at a fixed level "white@0.25" (λ), "white@5dB" (SNR)
    noise: str = ""  # type
    source: str = ""  # what the recording was cut from; "" for colours
    recording: str = ""  # file in the bank; "" for colours
    offset_s: float = 0.0  # start within the recording
    level_kind: str = "none"  # "lambda", "snr" or "none"
    level: float = 0.0  # λ, or SNR in dB over speech-active samples
    semitones: float = 0.0
    seed: int = 0  # of the row's own generator


def key_seed(seed: int, *key: object) -> int:
    """Seed in [0, 2^63) that depends on ``seed`` and every part of the key, and on nothing else."""
    text = "\x1f".join(map(str, (seed, *key)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def generator(seed: int, *key: object) -> np.random.Generator:
    """Random generator of a key: the same key, the same draws, in any order and any process."""
    return np.random.default_rng(key_seed(seed, *key))


def clean(utterances: pd.DataFrame) -> pd.DataFrame:
    """Recipes (columns of :class:`Recipe`) that leave each utterance of the table as it is."""
    return _table(Recipe(utterance, "clean", "clean") for utterance in utterances["id"])


def environmental(rows: pd.DataFrame) -> np.ndarray:
    """Which rows of recipes or predictions are clean or hold environmental noise, bool (n,)."""
    return (rows["noise"].isin(ENVIRONMENTS) | (rows["condition"] == "clean")).to_numpy()


def draw_quadruplet(
    utterances: pd.DataFrame,
    bank: NoiseBank | None,
    seed: int,
    part: str = "train",
    noises: Sequence[str] = ENVIRONMENTS,
    lambda_max: float = 0.75,
    semitones: float = 0.7,
    clip_length_s: float = 2.5,
) -> pd.DataFrame:
    """Four recipes an utterance: clean, noisy, pitched, pitched and noisy (section III-C).

    Each noisy row draws afresh: λ uniform on (0, ``lambda_max``), a type, a source of it, one of its files
    and, if that is longer than the clip, an offset; all uniform.

    Parameters
    ----------
    utterances : pandas.DataFrame
        Utterance table; its ``id`` is used.
    bank, part : NoiseBank or None, {"train", "test"}
        Recorded noises and which part of them; None will do for colours.
    seed : int
        Seed of the run.
    noises : sequence of str
        Types to draw among: environments or colours.
    lambda_max, semitones, clip_length_s : float
        Upper end of λ; pitch shift; length in s of the clips that the noise is for.

    Returns
    -------
    pandas.DataFrame
        Columns of :class:`Recipe`, in the order of the utterances and of ``VARIANTS``.
    """
    choices, rows = _choices(bank, part, noises), []
    for utterance in utterances["id"]:
        for variant in VARIANTS:
            row = Recipe(utterance, variant, variant, semitones=semitones if "pitched" in variant else 0.0)
            if "noisy" in variant:
                row = row._replace(level_kind="lambda", seed=key_seed(seed, "quadruplet", utterance, variant))
                rng = generator(row.seed, "draw")
                row = row._replace(level=rng.uniform(0, lambda_max), noise=noises[rng.integers(len(noises))])
                row = _place(row, choices, clip_length_s, rng)
            rows.append(row)
    return _table(rows)


def grid(
    utterances: pd.DataFrame,
    bank: NoiseBank | None,
    noises: Sequence[str],
    levels: Sequence[float],
    level_kind: str,
    seed: int,
    part: str = "test",
    clip_length_s: float = 2.5,
) -> pd.DataFrame:
    """One recipe an utterance, noise and level; ``level_kind`` is "lambda" or "snr", the rest as above.

    Levels are paired: for one utterance and noise, all levels on both axes take the same recording and
    offset, or the same draw of a colour, so that curves differ by level alone.
    """
    if level_kind not in ("lambda", "snr"):
        raise UserError(f"grid: level_kind {level_kind!r} must be 'lambda' or 'snr'")
    choices, rows = _choices(bank, part, noises), []
    unit = "dB" if level_kind == "snr" else ""
    for utterance in utterances["id"]:
        for noise in noises:
            own_seed = key_seed(seed, "grid", utterance, noise)
            row = Recipe(utterance, "noisy", "noisy", noise, level_kind=level_kind, seed=own_seed)
            row = _place(row, choices, clip_length_s, generator(own_seed, "draw"))
            for level in map(float, levels):
                rows.append(row._replace(level=level, condition=f"{noise}@{level:g}{unit}"))
    return _table(rows)


def _table(rows: Iterable[Recipe]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(Recipe._fields))


def _choices(bank: NoiseBank | None, part: str, noises: Sequence[str]) -> dict[str, list]:
    held = bank.choices(part) if bank is not None else {}
    if unknown := [noise for noise in noises if noise not in held and noise not in COLOURS]:
        known = ", ".join([*COLOURS, *held])
        raise UserError(f"no {part} noise of type {', '.join(unknown)}; there are: {known}")
    return held


def _place(row: Recipe, choices: dict[str, list], clip_length_s: float, rng: np.random.Generator) -> Recipe:
    if row.noise in COLOURS:
        return row
    recordings = choices[row.noise][rng.integers(len(choices[row.noise]))]
    source, recording, duration_s = recordings[rng.integers(len(recordings))]
    offset_s = rng.uniform(0, max(0.0, duration_s - clip_length_s))
    return row._replace(source=source, recording=recording, offset_s=offset_s)


class Rendered(NamedTuple):
    """A sample (N,) float32 and its SNR over the clip and over active samples; NaN if no noise is due."""

    signal: np.ndarray
    snr_clip_db: float
    snr_active_db: float


def render(row: Recipe, clip: np.ndarray, n_valid: int, bank: NoiseBank | None, rate_hz: int) -> Rendered:
    """Make the sample that a recipe describes: pitch shift first, then noise.

    λ is relative to the peak of the clip as shifted; an SNR level holds over its speech-active samples. The
    zero padding of a short clip receives noise as well: a room does not fall silent when the speaker does.

    Parameters
    ----------
    row : Recipe
        Row of a recipe table (``itertuples``).
    clip, n_valid : np.ndarray [shape=(N,)], int
        As :func:`sersupport.audio.clip_window` gives them.
    bank : NoiseBank or None
        The bank that the recipe was drawn from; None will do for colours.
    rate_hz : int
        Rate of the clip.
    """
    if row.semitones:
        clip = pitch_shift(clip, rate_hz, row.semitones)
        clip[n_valid:] = 0  # the vocoder smears into the padding
    if row.level_kind == "none":
        return Rendered(clip.astype(np.float32), np.nan, np.nan)
    if row.noise in COLOURS:
        noise = COLOURS[row.noise](len(clip), generator(row.seed, "noise"))
    else:
        noise = bank.segment(row.recording, row.offset_s, len(clip), rate_hz)
    active = audio.speech_active(clip, rate_hz)
    by_snr = row.level_kind == "snr"
    try:
        mixture = mix_at_snr(clip, noise, row.level, active) if by_snr else mix(clip, noise, row.level)
    except UserError as error:
        where = f"{row.utterance} with {row.recording or row.noise} from {row.offset_s:.2f} s"
        raise UserError(f"{where}: {error}") from None
    added = mixture.noise_added
    return Rendered(mixture.signal.astype(np.float32), snr_db(clip, added), snr_db(clip, added, active))

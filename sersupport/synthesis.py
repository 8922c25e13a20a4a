"""The embedded corpus: emotional speech and environmental noise made by rule, for runs without any recording.

Praat's built-in synthesiser speaks the published sentences; pulse-synchronous overlap-add, filters and an intensity
envelope then express seven emotions by the rules of the literature. **It is synthetic speech**: results on it show
that the machinery works and say nothing about people. In exchange, where the emotion sits in each file is known.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
import parselmouth
import scipy.fft
import scipy.integrate
import scipy.ndimage
import scipy.signal
import soundfile as sf
import soxr
from parselmouth.praat import call
from tqdm.auto import tqdm

from sersupport import UserError
from sersupport.audio import RATE_HZ

VERSION = 1  # raise it whenever the same seed gives other bytes; a corpus of another version is made anew
PARTIAL = 0.4  # share of the emotion's strength outside the cue region
LIVELINESS = 1.4  # neutral F0 excursions relative to the synthesiser's, which are flat
GRID_S = 0.01


# --- emotions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prosody:
    """Change of prosody relative to the speaker's neutral voice.

    Parameters
    ----------
    f0_st : float
        F0 level, semitones.
    f0_range : float
        Factor on the excursions of F0 around its level (in semitones).
    end_st : float
        Rise (or fall) of F0 reached at the end of the phrase, semitones.
    rate : float
        Factor on the speaking rate.
    intensity_db : float
        Level, dB.
    tilt_db_per_octave : float
        Spectral slope above 500 Hz: positive is tense and bright, negative is lax and dull.
    breath : float
        Amplitude of aspiration noise relative to the speech envelope.
    jitter_st : float
        Standard deviation of irregular F0 from one 10 ms step to the next, semitones.
    tremor_st : float
        Amplitude of a 6 Hz modulation of F0, semitones.
    source : str
        Where the rule is published.

    References
    ----------
    .. [1] I. R. Murray and J. L. Arnott, "Toward the simulation of emotion in synthetic speech", JASA 93(2), 1993,
       summary table of human vocal emotion effects.
    .. [2] K. R. Scherer, "Vocal communication of emotion", Speech Communication 40, 2003, table of acoustic patterns.
    .. [3] J. E. Cahn, "The generation of affect in synthesized speech", J. American Voice I/O Society 8, 1990.
    .. [4] F. Burkhardt, "Emofilt: the simulation of emotional speech by prosody-transformation", Interspeech 2005.
    """

    f0_st: float = 0.0
    f0_range: float = 1.0
    end_st: float = 0.0
    rate: float = 1.0
    intensity_db: float = 0.0
    tilt_db_per_octave: float = 0.0
    breath: float = 0.0
    jitter_st: float = 0.0
    tremor_st: float = 0.0
    source: str = ""

    def vector(self) -> np.ndarray:
        """Return the nine figures, factors as log2, so that rules can be scaled and mixed linearly."""
        values = np.array([getattr(self, field.name) for field in fields(self)[:-1]], dtype=float)
        values[_FACTORS] = np.log2(values[_FACTORS])
        return values


_FACTORS = [1, 3]  # f0_range and rate: factors, handled as log2

# Direction and order of size are published; the figures are ours, chosen so that Praat measures those directions.
RULES: dict[str, Prosody] = {
    "neutral": Prosody(source="reference"),
    "angry": Prosody(4.0, 1.9, -1.0, 1.16, 7.0, 3.5, 0.0, 0.15, 0.0, "Murray & Arnott: pitch much higher and wider, "
                     "slightly faster, louder, tense, abrupt on stress; Scherer: more high-frequency energy"),
    "disgust": Prosody(-3.5, 1.3, -3.0, 0.68, -2.5, -1.0, 0.0, 0.8, 0.0, "Murray & Arnott: very much slower, very "
                       "much lower, slightly wider, quieter, grumbled, wide downward terminal inflections"),
    "fear": Prosody(6.5, 1.5, 0.5, 1.40, -0.5, 1.5, 0.1, 0.5, 1.2, "Murray & Arnott: much faster, very much higher, "
                    "much wider, normal intensity, irregular voicing; Emofilt: trembling"),
    "happy": Prosody(3.5, 2.0, 1.5, 1.12, 3.5, 1.5, 0.1, 0.0, 0.0, "Murray & Arnott: much higher and wider, louder, "
                     "breathy, upward inflections; Scherer: faster"),
    "sad": Prosody(-2.0, 0.45, -1.0, 0.80, -5.5, -3.5, 0.25, 0.1, 0.0, "Murray & Arnott: slightly lower, narrower and "
                   "slower, quieter, downward inflections; Scherer: less high-frequency energy"),
    "surprise": Prosody(4.5, 1.8, 8.0, 1.10, 2.0, -1.5, 0.35, 0.0, 0.0, "Cahn: range wide, contour rising, faster, "
                        "louder; the level of F0 follows from its rise"),
}
CALM = Prosody(-0.3, 0.9, 0.0, 0.96, -1.0, -0.5, 0.03, 0.0, 0.0, "RAVDESS's second baseline, close to neutral")

# The published sign of each measured quantity against neutral; 0 is the literature's "normal". Keys: measure_prosody.
RULE_DIRECTIONS: dict[str, dict[str, int]] = {
    emotion: dict(zip(("f0_mean_hz", "f0_range_semitones", "rate_syllables_per_s", "intensity_db"), signs, strict=True))
    for emotion, signs in {
        "angry": (+1, +1, +1, +1), "disgust": (-1, +1, -1, -1), "fear": (+1, +1, +1, 0),
        "happy": (+1, +1, +1, +1), "sad": (-1, -1, -1, -1), "surprise": (+1, +1, +1, +1),
    }.items()
}

# Variation. Standard deviations in the units of Prosody.vector(): of one utterance, and of a speaker's own way.
_SPREAD = np.array([0.6, 0.12, 0.8, 0.045, 0.9, 0.45, 0.03, 0.03, 0.07])
_OWN_WAY = 0.8  # x _SPREAD, drawn once a speaker and emotion
_MIX = 0.45  # most of a neighbouring emotion that an utterance can hold
_STRENGTH_SD = 0.14  # of the logarithm of the strength
_NEIGHBOURS = {"angry": ("happy", "disgust"), "happy": ("surprise", "angry"), "surprise": ("happy", "fear"),
               "fear": ("surprise", "sad"), "sad": ("neutral", "disgust"), "disgust": ("sad", "angry"),
               "neutral": ("sad", "disgust"), "calm": ("neutral", "sad")}  # what each is taken for


# --- who says what --------------------------------------------------------------------------------------------------


class Speaker(NamedTuple):
    """A synthetic speaker under a corpus's code: voice and accent of the synthesiser, base F0, rate, formant ratio."""

    corpus: str
    code: str
    sex: str
    accent: str
    voice: str
    f0_hz: float
    words_per_minute: int
    formant_ratio: float


_ACCENTS = {"gb": "English (Great Britain)", "us": "English (America)", "sc": "English (Scotland)",
            "la": "English (Lancaster)", "rp": "English (Received Pronunciation)", "wm": "English (West Midlands)"}
SPEAKERS = (
    Speaker("ravdess", "01", "M", "us", "Male1", 112, 165, 1.00), Speaker("ravdess", "04", "F", "us", "Female1", 205, 172, 1.02),
    Speaker("ravdess", "08", "F", "gb", "Female3", 190, 160, 0.97), Speaker("ravdess", "09", "M", "gb", "Male3", 98, 158, 0.95),
    Speaker("ravdess", "10", "F", "sc", "Female2", 222, 168, 1.05), Speaker("ravdess", "11", "M", "us", "Male6", 128, 175, 1.03),
    Speaker("ravdess", "20", "F", "us", "Female4", 198, 164, 1.00), Speaker("ravdess", "21", "M", "wm", "Male7", 120, 170, 0.98),
    Speaker("cremad", "1001", "M", "us", "Michael", 105, 170, 0.97), Speaker("cremad", "1002", "F", "us", "Annie", 215, 175, 0.99),
    Speaker("cremad", "1011", "M", "gb", "Male4", 118, 162, 1.02), Speaker("cremad", "1012", "F", "us", "Female5", 188, 168, 0.96),
    Speaker("cremad", "1083", "M", "us", "Max", 132, 178, 1.04), Speaker("cremad", "1084", "F", "rp", "Female2", 208, 160, 0.98),
    Speaker("tess", "OAF", "F", "us", "Female1", 182, 150, 0.95), Speaker("tess", "YAF", "F", "us", "Female3", 218, 162, 1.05),
    Speaker("savee", "DC", "M", "gb", "Male2", 110, 160, 1.00), Speaker("savee", "JE", "M", "rp", "Male1", 125, 172, 1.04),
    Speaker("savee", "JK", "M", "la", "Male3", 102, 166, 0.97), Speaker("savee", "KL", "M", "gb", "Denis", 116, 155, 1.01),
)  # fmt: skip

_RAVDESS_TEXTS = ("Kids are talking by the door", "Dogs are sitting by the door")
_CREMAD_TEXTS = {
    "IEO": "It's eleven o'clock", "TIE": "That is exactly what happened", "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about", "TAI": "The airplane is almost full", "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock", "ITH": "I think I have a doctor's appointment", "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before", "TSI": "The surface is slick", "WSI": "We'll stop in a couple of minutes",
}  # fmt: skip
_TESS_WORDS = ("back", "bar", "base", "bath", "bean", "beg", "bite", "boat", "bone", "book", "burn", "cab",
               "calm", "came", "cause", "chain", "chair", "chalk", "chat", "check", "cheek", "chief", "choice", "food")
_SAVEE_TEXTS = ("She had your dark suit in greasy wash water all year",
                "Don't ask me to carry an oily rag like that", "Will you tell me why")  # SAVEE's three common sentences
_RAVDESS_CODES = {"neutral": 1, "calm": 2, "happy": 3, "sad": 4, "angry": 5, "fear": 6, "disgust": 7, "surprise": 8}
_CREMAD_CODES = {"neutral": "NEU", "happy": "HAP", "sad": "SAD", "angry": "ANG", "fear": "FEA", "disgust": "DIS"}
_SAVEE_CODES = {"neutral": "n", "happy": "h", "sad": "sa", "angry": "a", "fear": "f", "disgust": "d", "surprise": "su"}
_STRENGTH = {"01": 0.85, "02": 1.2, "LO": 0.7, "MD": 0.95, "HI": 1.2, "XX": 1.0}  # RAVDESS and CREMA-D intensity codes
_LEAD_S = {"ravdess": (0.6, 1.0), "cremad": (0.25, 0.5), "tess": (0.1, 0.25), "savee": (0.15, 0.35)}


class _Item(NamedTuple):
    speaker: Speaker
    stem: str
    emotion: str  # a key of RULES, or "calm"
    strength: float
    text: str


def _items(speaker: Speaker, scale: float) -> Iterator[_Item]:
    """Yield a speaker's utterances, named as the corpus names them."""
    corpus, code = speaker.corpus, speaker.code

    def first(n: int, listed: list) -> list:
        return listed[: max(1, round(n * scale))]

    if corpus == "ravdess":
        for emotion in RULES:
            if emotion == "neutral":  # the paper counts calm as neutral, so half of this class is calm
                takes = [(e, s, "01", r) for r in (1, 2) for s in (0, 1) for e in ("neutral", "calm")]
            else:
                takes = [(emotion, s, level, r) for r in (1, 2) for level in ("01", "02") for s in (0, 1)]
            for label, s, level, r in first(4, takes):
                stem = f"03-01-{_RAVDESS_CODES[label]:02d}-{level}-{s + 1:02d}-{r:02d}-{code}"
                yield _Item(speaker, stem, label, _STRENGTH[level], _RAVDESS_TEXTS[s])
    elif corpus == "cremad":
        turn = 2 * int(code) % len(_CREMAD_TEXTS)  # speakers differ in sentences, emotions of one speaker do not
        texts = list(_CREMAD_TEXTS)[turn:] + list(_CREMAD_TEXTS)[:turn]
        for emotion, letters in _CREMAD_CODES.items():
            for k, sentence in enumerate(first(4, texts)):
                graded = sentence == "IEO" and emotion != "neutral"  # only this sentence has levels in CREMA-D
                level = ("LO", "MD", "HI")[k % 3] if graded else "XX"
                yield _Item(speaker, f"{code}_{sentence}_{letters}_{level}", emotion, _STRENGTH[level], _CREMAD_TEXTS[sentence])
    elif corpus == "tess":
        for emotion in RULES:
            for word in first(6, list(_TESS_WORDS)):
                label = "ps" if emotion == "surprise" else emotion
                yield _Item(speaker, f"{code}_{word}_{label}", emotion, 1.0, f"Say the word {word}")
    else:
        for emotion, letters in _SAVEE_CODES.items():
            for k, text in enumerate(first(2, list(_SAVEE_TEXTS)), start=1):
                yield _Item(speaker, f"{code}_{letters}{k:02d}", emotion, 1.0, text)


# --- speaking -------------------------------------------------------------------------------------------------------


class _Take(NamedTuple):
    """Speech as the synthesiser gives it: samples at RATE_HZ (n,), and start and end of each word in seconds."""

    y: np.ndarray
    words: np.ndarray


def _speak(jobs: list[tuple[str, str, int, str]]) -> list[_Take]:
    """Speak (accent, voice, words per minute, text) jobs in order."""
    takes = []
    for accent, voice, words_per_minute, text in jobs:
        synthesizer = call("Create SpeechSynthesizer", _ACCENTS[accent], voice)
        call(synthesizer, "Speech output settings", RATE_HZ, 0.01, 1.0, 1.0, words_per_minute, "IPA")
        grid, sound = call(synthesizer, "To Sound", text, "yes")
        tier = 3  # sentence, clause, word, phoneme
        intervals = range(1, call(grid, "Get number of intervals", tier) + 1)
        words = [(call(grid, "Get start time of interval", tier, i), call(grid, "Get end time of interval", tier, i))
                 for i in intervals if call(grid, "Get label of interval", tier, i).strip()]
        y = sound.values[0]
        loud = np.flatnonzero(np.abs(y) > 0.01 * np.abs(y).max()) / RATE_HZ
        start_s, end_s = max(loud[0] - 0.02, 0.0), loud[-1] + 0.02
        inside = y[int(start_s * RATE_HZ) : int(end_s * RATE_HZ)]
        takes.append(_Take(inside.astype(np.float32), np.clip(np.array(words), start_s, end_s) - start_s))
    return takes


def _speak_afresh(jobs: list[tuple[str, str, int, str]]) -> list[_Take]:
    """Speak jobs in a new process: the synthesiser keeps hidden state, so only a fresh one repeats byte for byte."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_speak, jobs).result()


def _generator(*key: object) -> np.random.Generator:
    """Return a generator that depends on the key alone, so that the order of use never changes a draw."""
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def _intent(item: _Item, seed: int, rng: np.random.Generator) -> np.ndarray:
    """Draw what this utterance does: the rule, how strongly, towards which neighbour, the speaker's way, chance."""
    rules = {**RULES, "calm": CALM}
    own = _generator(seed, "speaker", item.speaker.corpus, item.speaker.code)
    expressiveness = own.normal(1.0, 0.12)
    way = dict(zip(rules, own.normal(0.0, _OWN_WAY, (len(rules), len(_SPREAD))) * _SPREAD, strict=True))
    neighbour = _NEIGHBOURS[item.emotion][rng.integers(2)]
    mix = _MIX * rng.beta(1.0, 3.0)
    rule = (1 - mix) * rules[item.emotion].vector() + mix * rules[neighbour].vector()
    strength = item.strength * expressiveness * rng.lognormal(0.0, _STRENGTH_SD)
    values = strength * rule + way[item.emotion] + rng.normal(0.0, 1.0, len(_SPREAD)) * _SPREAD
    values[-3:] = np.maximum(values[-3:], 0.0)  # breath, jitter and tremor are amplitudes
    return values


def _cue(words: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Choose the run of words, about 30 to 55 % of the phrase, that carries the emotion."""
    runs = [(a[0], b[1]) for i, a in enumerate(words) for b in words[i:]]
    share = np.array([end - start for start, end in runs]) / (words[-1, 1] - words[0, 0])
    fit = np.flatnonzero((share >= 0.3) & (share <= 0.55))
    return runs[rng.choice(fit) if len(fit) else int(np.argmin(np.abs(share - 0.42)))]


def _filter(y: np.ndarray, gain_db: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a zero-phase gain over frequency (Hz) to y (n,)."""
    size = scipy.fft.next_fast_len(len(y), real=True)
    spectrum = scipy.fft.rfft(y, size) * 10 ** (gain_db(scipy.fft.rfftfreq(size, 1 / RATE_HZ)) / 20)
    return scipy.fft.irfft(spectrum, size)[: len(y)]


class _Source(NamedTuple):
    """A take made ready for a speaker: Praat's manipulation, and F0 around its median where voiced."""

    manipulation: parselmouth.Data
    times_s: np.ndarray  # (T,), 10 ms apart
    voiced: np.ndarray  # (T,) bool
    own_st: np.ndarray  # (T,) semitones
    duration_s: float
    rate_hz: float


def _source(take: _Take, speaker: Speaker) -> _Source:
    """Analyse a take, played faster or slower so that every formant moves by the speaker's ratio."""
    rate_hz = RATE_HZ * speaker.formant_ratio  # overlap-add takes the change of time and pitch back
    sound = parselmouth.Sound(take.y.astype(float), sampling_frequency=rate_hz)
    floor_hz, ceiling_hz = (60, 260) if speaker.sex == "M" else (100, 450)
    pitch = sound.to_pitch_ac(GRID_S, floor_hz, pitch_ceiling=ceiling_hz)
    f0_hz = pitch.selected_array["frequency"]
    voiced = f0_hz > 0
    own_st = np.where(voiced, 12 * np.log2(np.where(voiced, f0_hz, 1.0) / np.median(f0_hz[voiced])), 0.0)
    manipulation = call(sound, "To Manipulation", GRID_S, floor_hz, ceiling_hz)
    return _Source(manipulation, pitch.xs(), voiced, own_st, sound.duration, rate_hz)


def _resynthesise(source: _Source, f0_hz: np.ndarray, stretch: list[tuple[float, float]]) -> np.ndarray:
    """Overlap-add with F0 (T,) and (time, duration factor) points; return samples at RATE_HZ."""
    # One matrix for the whole contour: adding its points one by one costs more than everything else together.
    contour = parselmouth.Sound(np.where(source.voiced, f0_hz, 0.0), 1 / GRID_S, source.times_s[0] - GRID_S / 2)
    pitch_tier = call(call(call(contour, "Down to Matrix"), "To Pitch"), "Down to PitchTier")
    duration_tier = call("Create DurationTier", "stretch", 0.0, source.duration_s)
    for time_s, factor in stretch:
        call(duration_tier, "Add point", time_s, factor)
    call([source.manipulation, pitch_tier], "Replace pitch tier")
    call([source.manipulation, duration_tier], "Replace duration tier")
    said = call(source.manipulation, "Get resynthesis (overlap-add)")
    return soxr.resample(said.values[0], source.rate_hz, RATE_HZ, "HQ")


def _perform(source: _Source, speaker: Speaker, intent: np.ndarray, cue_s: tuple[float, float],
             rng: np.random.Generator) -> tuple[np.ndarray, tuple[float, float]]:
    """Say a source with the intended prosody, full inside the cue; return samples (n,) and the cue's new place (s)."""
    f0_st, f0_range, end_st, rate, intensity_db, tilt, breath, jitter_st, tremor_st = intent
    start_s, end_s = (t / speaker.formant_ratio for t in cue_s)
    knots_s = np.array([start_s - 0.03, start_s + 0.03, end_s - 0.03, end_s + 0.03])
    knot_weights = np.array([PARTIAL, 1.0, 1.0, PARTIAL])
    knot_stretch = speaker.formant_ratio * 2 ** (-rate * knot_weights)

    times_s = source.times_s
    weight = np.interp(times_s, knots_s, knot_weights)
    wobble_st = jitter_st * rng.standard_normal(len(times_s)) + tremor_st * np.sin(2 * np.pi * (6 * times_s + rng.random()))
    end_ramp = (times_s / source.duration_s) ** 3  # a terminal inflection: mostly on the last words
    change_st = (f0_st + end_st * end_ramp + wobble_st) * weight
    contour_st = LIVELINESS * 2 ** (f0_range * weight) * source.own_st + change_st
    f0_hz = np.clip(speaker.f0_hz * 2 ** (contour_st / 12), 55.0, 580.0)
    y = _resynthesise(source, f0_hz, list(zip(knots_s, knot_stretch, strict=True)))

    grid_s = np.arange(0.0, source.duration_s + 0.005, 0.005)
    new_s = scipy.integrate.cumulative_trapezoid(np.interp(grid_s, knots_s, knot_stretch), grid_s, initial=0.0)
    weight = np.interp(np.interp(np.arange(len(y)) / RATE_HZ, new_s, grid_s), knots_s, knot_weights)
    tilted = _filter(y, lambda hz: tilt * np.log2(np.clip(hz, 500.0, 8000.0) / 500.0))
    y = y + weight * (tilted * np.std(y) / np.std(tilted) - y)
    aspiration = _filter(rng.standard_normal(len(y)), lambda hz: np.where(hz < 1000.0, -30.0, 0.0))
    envelope = np.sqrt(scipy.ndimage.uniform_filter1d(y**2, int(0.02 * RATE_HZ)))
    y = (y + breath * weight * envelope * aspiration) * 10 ** (intensity_db * weight / 20)
    return y, tuple(np.interp((start_s, end_s), grid_s, new_s))


def _record(y: np.ndarray, corpus: str, reference: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Put speech into a recording: level, silence around it, a noise floor; return samples and the lead (s)."""
    lead_s = rng.uniform(*_LEAD_S[corpus])
    trail_s = max(rng.uniform(0.2, 0.5), 2.0 - lead_s - len(y) / RATE_HZ)
    fade = np.minimum(1.0, np.minimum(np.arange(len(y)), np.arange(len(y))[::-1]) / (0.01 * RATE_HZ))
    y = y * fade * 10 ** ((-27.0 + rng.normal(0.0, 1.0)) / 20) / reference
    y = np.pad(y, (round(lead_s * RATE_HZ), round(trail_s * RATE_HZ)))
    y += 10 ** (-66 / 20) * rng.standard_normal(len(y))
    return y * min(1.0, 0.98 / np.abs(y).max()), lead_s


# --- writing --------------------------------------------------------------------------------------------------------


def _build(folder: Path, names: list[str], manifest: str, settings: dict, write: Callable[[Path], None]) -> Path:
    """Write `names` into `folder` unless a complete set with these settings is there; never touch foreign files."""
    record = folder / manifest
    known = json.loads(record.read_text()) if record.exists() else None
    here = [folder / name for name in names if (folder / name).exists()]
    if known and known["settings"] == settings and known["files"] == sum(len(list(p.rglob("*.wav"))) for p in here):
        return folder
    if known is None and here:
        raise UserError(f"{here[0]} exists and was not made here: choose another folder for the synthetic audio")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".making-") as made:
        write(Path(made))
        files = len(list(Path(made).rglob("*.wav")))
        record.write_text(json.dumps({"settings": settings, "files": -1}))  # ours, but not complete
        for path in here:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in names:
            os.replace(Path(made) / name, folder / name)
    record.write_text(json.dumps({"settings": settings, "files": files}))
    return folder


def make_corpus(folder: str | os.PathLike[str], seed: int = 0, scale: float = 1.0, progress: bool = True) -> Path:
    """Write the embedded corpus under the names of RAVDESS, CREMA-D, TESS and SAVEE, and where its cues are.

    Parameters
    ----------
    folder : path
        Gets ``ravdess/Actor_NN/``, ``cremad/``, ``tess/``, ``savee/`` (mono 16-bit wav, 22,050 Hz, 2 to 5 s),
        ``cues.csv`` and ``synthesis.json``. A complete corpus of the same settings is left as it is.
    seed : int
        An utterance's bytes depend on the seed and its own name only, on one machine.
    scale : float
        Factor on the number of utterances a speaker and emotion, at least one each; 1.0 gives 508 by 20 speakers.
    progress : bool
        Show a bar.

    Returns
    -------
    Path
        The folder. ``cues.csv`` has the columns id (``corpus/stem``), start_s, end_s: the stretch of the file in
        which the emotion has its full strength (elsewhere: ``PARTIAL``). Neutral and calm have no cue and no row.

    Raises
    ------
    UserError
        If `scale` is not positive, or the folder holds such subfolders that were not made here.
    """
    if not scale > 0:
        raise UserError(f"scale is {scale}, must be positive: 1.0 gives 508 utterances, 0.25 about 150")

    def write(made: Path) -> None:
        # Every text that any scale can ask for is spoken, in one order, so that bytes do not depend on the scale.
        jobs = [(s.accent, s.voice, s.words_per_minute, text) for s in SPEAKERS
                for text in dict.fromkeys(item.text for item in _items(s, 100.0))]
        takes = dict(zip(jobs, _speak_afresh(jobs), strict=True))
        items = [item for speaker in SPEAKERS for item in _items(speaker, scale)]
        cues, sources = [], {}
        for item in tqdm(items, desc="embedded corpus", unit="utterance", disable=not progress, leave=False):
            speaker, key = item.speaker, f"{item.speaker.corpus}/{item.stem}"
            rng = _generator(seed, key)
            take = takes[speaker.accent, speaker.voice, speaker.words_per_minute, item.text]
            if (speaker, item.text) not in sources:
                sources[speaker, item.text] = _source(take, speaker)
            y, cue_s = _perform(sources[speaker, item.text], speaker, _intent(item, seed, rng), _cue(take.words, rng), rng)
            y, lead_s = _record(y, speaker.corpus, float(np.std(take.y)), rng)
            path = made / speaker.corpus / (f"Actor_{speaker.code}" if speaker.corpus == "ravdess" else "") / f"{item.stem}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, y, RATE_HZ, subtype="PCM_16")
            if item.emotion not in ("neutral", "calm"):
                cues.append((key, lead_s + cue_s[0], lead_s + cue_s[1]))
        pd.DataFrame(cues, columns=["id", "start_s", "end_s"]).round(4).to_csv(made / "cues.csv", index=False)

    names = [*dict.fromkeys(speaker.corpus for speaker in SPEAKERS), "cues.csv"]
    settings = {"version": VERSION, "seed": seed, "scale": scale}
    return _build(Path(folder), names, "synthesis.json", settings, write)


# --- measuring ------------------------------------------------------------------------------------------------------


def measure_prosody(y: np.ndarray, rate_hz: int) -> dict[str, float]:
    """Measure prosody with Praat, of synthetic or real speech.

    Parameters
    ----------
    y : np.ndarray [shape=(n,)]
        Mono speech, at least 0.1 s.
    rate_hz : int
        Sampling rate.

    Returns
    -------
    dict
        ``f0_mean_hz`` over voiced frames; ``f0_range_semitones`` from the 5th to the 95th percentile (both NaN if
        nothing is voiced); ``rate_syllables_per_s``, voiced intensity peaks per second of phrase, a proxy that misses
        weak syllables; ``intensity_db`` re full scale, mean energy of the phrase. The phrase runs from the first to
        the last moment within 25 dB of the loudest.

    Raises
    ------
    UserError
        If `y` is too short, silent or not finite.

    References
    ----------
    .. [1] D. Hirst, "A Praat plugin for Momel and INTSINT", ICPhS 2007: two-pass pitch floor and ceiling.
    .. [2] N. H. de Jong and T. Wempe, "Praat script to detect syllable nuclei", Behavior Research Methods 41, 2009.
    """
    if np.ndim(y) != 1 or len(y) < 0.1 * rate_hz or not np.isfinite(y).all() or not np.any(y):
        raise UserError("prosody needs one channel, 0.1 s or more, finite and not silent: check the recording")
    sound = parselmouth.Sound(np.asarray(y, dtype=float), sampling_frequency=rate_hz)
    f0_hz = sound.to_pitch_ac(0.01, 65, pitch_ceiling=650).selected_array["frequency"]
    f0_hz = f0_hz[f0_hz > 0]
    pitch = None
    if len(f0_hz):
        low, high = np.percentile(f0_hz, [25, 75])
        pitch = sound.to_pitch_ac(0.01, max(0.75 * low, 50), pitch_ceiling=min(2.5 * high, 900))
        f0_hz = pitch.selected_array["frequency"]
        f0_hz = f0_hz[f0_hz > 0]
    level = sound.to_intensity(50.0, 0.01)
    level_db, times_s = level.values[0], level.xs()
    phrase = np.flatnonzero(level_db > level_db.max() - 25)
    peaks = scipy.signal.find_peaks(level_db, height=level_db.max() - 25, prominence=2.0)[0]
    nuclei = [p for p in peaks if pitch is not None and pitch.get_value_at_time(times_s[p]) > 0]
    phrase_s = (phrase[-1] - phrase[0] + 1) * 0.01
    inside = y[int(times_s[phrase[0]] * rate_hz) : int(times_s[phrase[-1]] * rate_hz) + 1]
    return {
        "f0_mean_hz": float(np.mean(f0_hz)) if len(f0_hz) else float("nan"),
        "f0_range_semitones": float(12 * np.log2(np.divide(*np.percentile(f0_hz, [95, 5])))) if len(f0_hz) else float("nan"),
        "rate_syllables_per_s": len(nuclei) / phrase_s,
        "intensity_db": float(10 * np.log10(np.mean(np.square(inside, dtype=float)))),
    }

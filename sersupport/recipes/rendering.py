"""From recipes to samples: a clip, its pitch, its noise."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from sersupport.core.cache import Cache
from sersupport.core.errors import UserError
from sersupport.core.keys import code_version
from sersupport.core.seeds import generator
from sersupport.recipes.bank import NoiseBank
from sersupport.recipes.drawing import Recipe
from sersupport.sound import audio
from sersupport.sound.colours import COLOURS
from sersupport.sound.effects import EFFECTS, pitch_shift
from sersupport.sound.mixing import mix, mix_at_snr, snr_db
from sersupport.sound.textures import TEXTURES

KEPT = 64  # clips that a renderer remembers, and as many shifted ones
RECIPE_KEY = ["noise", "recording", "offset_s", "level_kind", "level", "semitones", "seed"]


class Rendered(NamedTuple):
    """A sample (N,) float32 and, if measured, its SNR over the clip and over active samples; NaN if no noise is due."""

    signal: np.ndarray
    snr_clip_db: float
    snr_active_db: float


def at_pitch(clip: np.ndarray, n_valid: int, semitones: float) -> np.ndarray:
    """A clip [shape=(N,)] at another pitch, its padding from `n_valid` on left silent; the clip itself for 0."""
    if not semitones:
        return clip
    shifted = pitch_shift(clip, audio.RATE_HZ, semitones)
    shifted[n_valid:] = 0  # the vocoder smears into the padding
    return shifted


def render(row: Recipe, clip: np.ndarray, bank: NoiseBank | None, rate_hz: int, measure: bool = False) -> Rendered:
    """Add the noise that a recipe describes to its clip, at the pitch that it asks for.

    λ is relative to the peak of the clip as shifted; an SNR level holds over its speech-active samples. The
    zero padding of a short clip receives noise as well: a room does not fall silent when the speaker does.

    Parameters
    ----------
    row : Recipe
        Row of a recipe table (``itertuples``).
    clip : np.ndarray [shape=(N,)]
        From :func:`at_pitch`.
    bank : NoiseBank or None
        The bank that the recipe was drawn from; None will do for colours.
    rate_hz : int
        Rate of the clip.
    measure : bool
        Whether its SNR is wanted, which takes longer than the mixing.
    """
    if row.level_kind == "none":
        return Rendered(clip.astype(np.float32), np.nan, np.nan)
    if row.level_kind == "effect":
        changed = EFFECTS[row.noise](clip, rate_hz, generator(row.seed, "effect"))
        return Rendered(changed.astype(np.float32), np.nan, np.nan)
    if row.noise in COLOURS:
        noise = COLOURS[row.noise](len(clip), generator(row.seed, "noise"))
    elif row.noise in TEXTURES:
        noise = TEXTURES[row.noise](len(clip), generator(row.seed, "noise"), rate_hz)
    else:
        noise = bank.segment(row.recording, row.offset_s, len(clip), rate_hz)
    by_snr = row.level_kind == "snr"
    active = audio.speech_active(clip, rate_hz) if by_snr or measure else None
    try:
        mixture = mix_at_snr(clip, noise, row.level, active) if by_snr else mix(clip, noise, row.level)
    except UserError as error:
        where = f"{row.utterance} with {row.recording or row.noise} from {row.offset_s:.2f} s"
        raise UserError(f"{where}: {error}") from None
    added = mixture.noise_added
    ratios = (snr_db(clip, added), snr_db(clip, added, active)) if measure else (np.nan, np.nan)
    return Rendered(mixture.signal.astype(np.float32), *ratios)


@dataclass(frozen=True)
class Window:
    """The stretch of an utterance that is used.

    Parameters
    ----------
    start_s, length_s : float
        As for :func:`sersupport.sound.audio.clip_window`.
    """

    start_s: float = 0.6
    length_s: float = 2.5


class Renderer:
    """Renders recipes: loads a clip, shifts its pitch, adds its noise.

    Parameters
    ----------
    utterances : pandas.DataFrame
        The utterance table.
    bank : NoiseBank or None
        Environmental noises; None will do for colours.
    window : Window
        Which part of an utterance.
    """

    def __init__(self, utterances: pd.DataFrame, bank: NoiseBank | None, window: Window) -> None:
        self.utterances = utterances.set_index("id", drop=False)
        self.bank = bank
        self.window = window
        self.clip = lru_cache(maxsize=KEPT)(self._clip)
        self.shifted = lru_cache(maxsize=KEPT)(self._shifted)

    def __reduce__(self) -> tuple:
        return Renderer, (self.utterances.reset_index(drop=True), self.bank, self.window)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Of all utterances, in alphabetical order."""
        return tuple(sorted(self.utterances["emotion"].unique()))

    def _clip(self, utterance: str) -> tuple[np.ndarray, int]:
        samples = audio.load_known(*self.utterances.loc[utterance, ["path", "sha256"]])
        return audio.clip_window(samples, audio.RATE_HZ, self.window.start_s, self.window.length_s)

    def _shifted(self, utterance: str, semitones: float) -> np.ndarray:
        return at_pitch(*self.clip(utterance), semitones)

    def render(self, recipes: pd.DataFrame, measure: bool = False) -> list[tuple[Rendered, int]]:
        """Rendered samples and their number of samples before padding, in the recipes' order; see :func:`render`."""
        rendered = []
        for recipe in recipes.itertuples(index=False):
            n_valid, clip = self.clip(recipe.utterance)[1], self.shifted(recipe.utterance, recipe.semitones)
            rendered.append((render(recipe, clip, self.bank, audio.RATE_HZ, measure), n_valid))
        return rendered

    def keys(self, recipes: pd.DataFrame) -> list[list]:
        """All that each rendered sample depends on besides the window: its speech, its noise, and its recipe."""
        speech = self.utterances["sha256"].loc[recipes["utterance"]]
        noises = self.bank.sha256 if self.bank else {}
        noise = [noises.get(recording, "") for recording in recipes["recording"]]
        rows = recipes[RECIPE_KEY].itertuples(index=False, name=None)
        return [[*shas, *row] for *shas, row in zip(speech, noise, rows, strict=True)]

    def describe(self) -> dict:
        """What all rendered samples share, for the cache's key."""
        code = code_version("core", "sound", "recipes")
        return {"window": asdict(self.window), "code": code}


def with_snr(renderer: Renderer, recipes: pd.DataFrame, cache: Cache) -> pd.DataFrame:
    """Recipes with the signal-to-noise ratio that each in fact has.

    Parameters
    ----------
    renderer : Renderer
    recipes : pandas.DataFrame
        See :mod:`sersupport.recipes.drawing`.
    cache : Cache

    Returns
    -------
    pandas.DataFrame
        The recipes with ``snr_clip_db`` (over the clip) and ``snr_active_db`` (where there is speech); NaN for rows
        without noise.
    """

    def compute(_: tuple[str, ...], rows: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
        rendered = renderer.render(recipes.iloc[rows], measure=True)
        pairs = [(sample.snr_clip_db, sample.snr_active_db) for sample, _ in rendered]
        return {"snr": {"snr_db": np.array(pairs, dtype=np.float64)}}

    requests = {"snr": {"kind": "snr"} | renderer.describe()}
    snr = cache.fetch(requests, renderer.keys(recipes), compute)["snr"]["snr_db"].array()
    return recipes.assign(snr_clip_db=snr[:, 0], snr_active_db=snr[:, 1])

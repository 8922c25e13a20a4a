"""Recipes of noisy samples: rows of a table, drawn without touching audio (sections III-B and III-C of 2512.18298).

Every row is drawn from a generator seeded by the row's own key, so that order, batching and the number of processes
never change a sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from sersupport.core.errors import UserError
from sersupport.core.seeds import generator, key_seed
from sersupport.recipes.bank import ENVIRONMENTS, NoiseBank
from sersupport.sound.colours import COLOURS
from sersupport.sound.effects import EFFECTS
from sersupport.sound.textures import TEXTURES

MADE = (*COLOURS, *TEXTURES)  # noises that are made of a generator's numbers
VARIANTS = ("clean", "noisy", "pitched", "pitched_noisy")


class Recipe(NamedTuple):
    """What makes a sample of an utterance: one row of a recipe table."""

    utterance: str  # id in the utterance table
    variant: str  # one of VARIANTS
    condition: str  # the variant, or at a fixed level "white@0.25" (λ), "white@5dB" (SNR)
    noise: str = ""  # type
    source: str = ""  # what the recording was cut from; "" for colours
    recording: str = ""  # file in the bank; "" for colours
    offset_s: float = 0.0  # start within the recording
    level_kind: str = "none"  # "lambda", "snr", "effect" (without a level) or "none"
    level: float = 0.0  # λ, or SNR in dB over speech-active samples
    semitones: float = 0.0
    seed: int = 0  # of the row's own generator


def clean(utterances: pd.DataFrame) -> pd.DataFrame:
    """Recipes (columns of :class:`Recipe`) that leave each utterance of the table as it is."""
    return _table(Recipe(utterance, "clean", "clean") for utterance in utterances["id"])


def environmental(rows: pd.DataFrame) -> np.ndarray:
    """Which rows of recipes or predictions are clean or hold a recorded noise, bool (n,)."""
    return ((~rows["noise"].isin(["", *MADE, *EFFECTS])) | (rows["condition"] == "clean")).to_numpy()


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


def recorded_types(kinds: Sequence[str]) -> list[str]:
    """Those of some types of noise that need recordings."""
    return [kind for kind in kinds if kind not in MADE and kind not in EFFECTS]


def unheard(
    utterances: pd.DataFrame,
    bank: NoiseBank | None,
    kinds: Sequence[str],
    levels_db: Sequence[float],
    seed: int,
    clip_length_s: float = 2.5,
) -> pd.DataFrame:
    """Recipes with noise types and effects that training never has: noises at each SNR, effects as they are.

    Parameters
    ----------
    utterances, bank, seed, clip_length_s
        As for :func:`grid`.
    kinds : sequence of str
        Recorded types of the test part, keys of :data:`sersupport.sound.textures.TEXTURES` and of
        :data:`sersupport.sound.effects.EFFECTS`.
    levels_db : sequence of float
    """
    noises = [kind for kind in kinds if kind not in EFFECTS]
    added = grid(utterances, bank, noises, levels_db, "snr", seed, clip_length_s=clip_length_s)
    changed = _table(
        Recipe(name, "noisy", kind, kind, level_kind="effect", seed=key_seed(seed, "effect", name, kind))
        for name in utterances["id"]
        for kind in kinds
        if kind in EFFECTS
    )
    return pd.concat([part for part in (added, changed) if len(part)], ignore_index=True)


def clean_partners(recipes: pd.DataFrame) -> pd.DataFrame:
    """The same rows without their noise, each with its pitch: what a noisy sample is before noise is added to it.

    Parameters
    ----------
    recipes : pandas.DataFrame
        Columns of :class:`Recipe`; others are left out, for they describe the noisy row.

    Returns
    -------
    pandas.DataFrame
        Index and order of ``recipes``; ``variant`` and ``condition`` are "clean" or "pitched".
    """
    variant = np.where(recipes["semitones"] != 0, "pitched", "clean").astype(object)
    kept = Recipe("", variant, variant)._asdict()
    for column in ("utterance", "semitones"):
        kept[column] = recipes[column]
    return recipes[list(Recipe._fields)].assign(**kept)


def _table(rows: Iterable[Recipe]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(Recipe._fields))


def _choices(bank: NoiseBank | None, part: str, noises: Sequence[str]) -> dict[str, list]:
    held = bank.choices(part) if bank is not None else {}
    if unknown := [noise for noise in noises if noise not in held and noise not in MADE]:
        known = ", ".join([*MADE, *held])
        raise UserError(f"no {part} noise of type {', '.join(unknown)}; there are: {known}")
    return held


def _place(row: Recipe, choices: dict[str, list], clip_length_s: float, rng: np.random.Generator) -> Recipe:
    if row.noise in MADE:
        return row
    recordings = choices[row.noise][rng.integers(len(choices[row.noise]))]
    source, recording, duration_s = recordings[rng.integers(len(recordings))]
    offset_s = rng.uniform(0, max(0.0, duration_s - clip_length_s))
    return row._replace(source=source, recording=recording, offset_s=offset_s)

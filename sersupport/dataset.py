"""From recipes to arrays: render each sample once, describe it, encode it, keep the result."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from sersupport import audio, backbones, features, noise
from sersupport.cache import Cache, code_version
from sersupport.corpora import EMOTIONS
from sersupport.features import FeatureParameters
from sersupport.noise import NoiseBank

RECIPE_KEY = ["noise", "recording", "offset_s", "level_kind", "level", "semitones", "seed"]


@dataclass(frozen=True)
class Window:
    """The stretch of an utterance that is used.

    Parameters
    ----------
    start_s, length_s : float
        As for :func:`sersupport.audio.clip_window`.
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
        self.clip = lru_cache(maxsize=64)(self._clip)

    def _clip(self, utterance: str) -> tuple[np.ndarray, int]:
        samples = audio.load_audio(self.utterances.at[utterance, "path"])
        return audio.clip_window(samples, audio.RATE_HZ, self.window.start_s, self.window.length_s)

    def render(self, recipes: pd.DataFrame) -> list[tuple[noise.Rendered, int]]:
        """Rendered samples and their number of samples before padding, in the recipes' order."""
        rendered = []
        for recipe in recipes.itertuples(index=False):
            clip, n_valid = self.clip(recipe.utterance)
            rendered.append((noise.render(recipe, clip, n_valid, self.bank, audio.RATE_HZ), n_valid))
        return rendered

    def keys(self, recipes: pd.DataFrame) -> list[list]:
        """All that each rendered sample depends on besides the window: its audio's digest and its recipe."""
        digests = self.utterances["sha256"].loc[recipes["utterance"]].to_numpy()
        rows = recipes[RECIPE_KEY].itertuples(index=False, name=None)
        return [[sha, *row] for sha, row in zip(digests, rows, strict=True)]

    def describe(self) -> dict:
        """What all rendered samples share, for the cache's key."""
        code = code_version([audio, noise, sys.modules[__name__]])
        return {"window": asdict(self.window), "noises": self.bank.fingerprint() if self.bank else "", "code": code}


def with_snr(renderer: Renderer, recipes: pd.DataFrame, cache: Cache) -> pd.DataFrame:
    """Recipes with the signal-to-noise ratio that each in fact has.

    Parameters
    ----------
    renderer : Renderer
    recipes : pandas.DataFrame
        See :mod:`sersupport.noise`.
    cache : Cache

    Returns
    -------
    pandas.DataFrame
        The recipes with ``snr_clip_db`` (over the clip) and ``snr_active_db`` (where there is speech); NaN for rows
        without noise.
    """
    keys = renderer.keys(recipes)

    def compute(rows: np.ndarray) -> dict[str, np.ndarray]:
        pairs = [(sample.snr_clip_db, sample.snr_active_db) for sample, _ in renderer.render(recipes.iloc[rows])]
        return {"snr_db": np.array(pairs, dtype=np.float64)}

    snr = cache.rows("snr", keys, compute, renderer.describe())["snr_db"]
    return recipes.assign(snr_clip_db=snr[:, 0], snr_active_db=snr[:, 1])


@dataclass
class Materials:
    """What the models eat, one row a recipe.

    Parameters
    ----------
    recipes : pandas.DataFrame
    labels : np.ndarray of int64, shape (n,)
        Indices into :data:`sersupport.corpora.EMOTIONS`.
    arrays : dict of np.ndarray
        ``spectral`` (n, L) float32; with a frozen backbone ``frames`` (n, T, D) float16 and ``n_frames`` (n,);
        without, ``waves`` (n, N) float32 at 16 kHz and ``n_valid`` (n,).
    """

    recipes: pd.DataFrame
    labels: np.ndarray
    arrays: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.recipes)

    def select(self, keep: np.ndarray) -> Materials:
        """The rows where ``keep`` (n,) is true."""
        arrays = {name: array[keep] for name, array in self.arrays.items()}
        return Materials(self.recipes[keep].reset_index(drop=True), self.labels[keep], arrays)

    def with_spectral(self, other: Materials) -> Materials:
        """The same rows with another's descriptors."""
        return Materials(self.recipes, self.labels, self.arrays | {"spectral": other.arrays["spectral"]})

    def clean_of(self, corpus: str) -> Materials:
        """The unaltered utterances of one corpus."""
        recipes = self.recipes
        own = recipes["utterance"].str.startswith(f"{corpus}/") & (recipes["condition"] == "clean")
        return self.select(own.to_numpy())


def encode(
    waves: np.ndarray,
    n_valid: np.ndarray,
    parameters: FeatureParameters | None,
    backbone: backbones.Backbone | None,
    frozen: bool = True,
) -> dict[str, np.ndarray]:
    """Inputs of the branches for a batch of clips.

    Parameters
    ----------
    waves : np.ndarray of float32, shape (B, N)
        At :data:`sersupport.audio.RATE_HZ`.
    n_valid : np.ndarray of int, shape (B,)
        Samples before the padding.
    parameters : FeatureParameters, optional
        Without them no descriptors are computed.
    backbone : Backbone, optional
        Without it nothing is made for the temporal branch.
    frozen : bool
        Whether to run the backbone here, or to hand on the samples at its rate.

    Returns
    -------
    dict of np.ndarray
        As :attr:`Materials.arrays`, frames in float32.
    """
    arrays = {}
    if parameters is not None:
        arrays["spectral"] = features.serialise(features.extract_batch(torch.from_numpy(waves), parameters)).numpy()
    if backbone is None:
        return arrays
    rate = backbones.BACKBONE_RATE_HZ
    slow = np.stack([audio.resample(wave, audio.RATE_HZ, rate) for wave in waves]).astype(np.float32)
    n_slow = np.round(n_valid * (rate / audio.RATE_HZ)).astype(np.int64).clip(max=slow.shape[1])
    if not frozen:
        return arrays | {"waves": slow, "n_valid": n_slow}
    frames, n_frames = backbone.encode(slow, n_slow)
    return arrays | {"frames": frames, "n_frames": n_frames}


def materialise(
    renderer: Renderer,
    recipes: pd.DataFrame,
    parameters: FeatureParameters | None,
    backbone: backbones.Backbone | None,
    cache: Cache,
    frozen: bool = True,
) -> Materials:
    """Arrays of every recipe, from the cache where they have been computed before.

    Parameters
    ----------
    renderer : Renderer
    recipes : pandas.DataFrame
    parameters : FeatureParameters or None
        Of the handcrafted descriptors; without them there are none.
    backbone : Backbone or None
        Run once over every sample where it is frozen; else the samples at its rate are kept instead. Without one
        there are descriptors only.
    cache : Cache
    frozen : bool
        Whether the backbone is frozen.
    """

    def compute(rows: np.ndarray) -> dict[str, np.ndarray]:
        rendered = renderer.render(recipes.iloc[rows])
        waves = np.stack([sample.signal for sample, _ in rendered]).astype(np.float32)
        arrays = encode(waves, np.array([count for _, count in rendered]), parameters, backbone, frozen)
        if "frames" in arrays:  # half the disk; the encoder's frames have far less than 11 significant bits
            arrays["frames"] = arrays["frames"].astype(np.float16)
        return arrays

    describe = renderer.describe() | {
        "features": asdict(parameters) if parameters else None,
        "backbone": [backbone.fingerprint, list(backbone.layers), frozen] if backbone else None,
        "branches": code_version([features, backbones]),
    }
    speakers, emotions = (renderer.utterances[name].loc[recipes["utterance"]] for name in ("speaker", "emotion"))
    # parts of the split, the ladder and the grids have speakers in common, each with all its rows of a condition
    groups = list(zip(speakers, recipes["condition"], strict=True))
    arrays = cache.rows("materials", renderer.keys(recipes), compute, describe, chunk=64, groups=groups)
    labels = emotions.map({emotion: index for index, emotion in enumerate(EMOTIONS)}).to_numpy(np.int64)
    return Materials(recipes.reset_index(drop=True), labels, arrays)


class MaterialsDataset(Dataset):
    """:class:`Materials` as a map-style dataset of model inputs."""

    def __init__(self, materials: Materials) -> None:
        self.materials = materials

    def __len__(self) -> int:
        return len(self.materials)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        arrays = self.materials.arrays
        item = {
            "spectral": torch.from_numpy(arrays["spectral"][index]),
            "labels": torch.tensor(self.materials.labels[index]),
        }
        if "frames" in arrays:
            frames = torch.from_numpy(arrays["frames"][index]).float()
            item |= {"frames": frames, "frame_mask": torch.arange(len(frames)) < int(arrays["n_frames"][index])}
        else:
            item |= {
                "waves": torch.from_numpy(arrays["waves"][index]),
                "n_valid": torch.tensor(arrays["n_valid"][index]),
            }
        return item

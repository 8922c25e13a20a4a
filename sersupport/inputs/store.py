"""From recipes to arrays: each sample rendered once for all inputs that lack it, each input computed once and kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from sersupport.core.cache import Cache, Rows
from sersupport.core.errors import UserError
from sersupport.inputs.base import Input, compute
from sersupport.recipes.rendering import RECIPE_KEY, Renderer

BATCH = 64  # rows that are computed at once
PIECE = 512  # rows that one worker computes, if no group has more


@dataclass
class Materials:
    """What the systems eat, one row a recipe.

    Parameters
    ----------
    recipes : pandas.DataFrame
    labels : np.ndarray of int64, shape (n,)
        Indices into the classes.
    classes : tuple of str
        Those of all the run's utterances, in alphabetical order.
    arrays : dict of Rows or np.ndarray
        Values by role, n rows each; from :class:`Store` they lie on disk and are read row by row.
    lengths : dict of np.ndarray of int, shape (n,)
        Of the roles that are ragged in time, how much of a row is not padding.
    """

    recipes: pd.DataFrame
    labels: np.ndarray
    classes: tuple[str, ...]
    arrays: dict[str, Rows | np.ndarray]
    lengths: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.recipes)

    def select(self, keep: np.ndarray) -> Materials:
        """The rows where ``keep`` (n,) is true; what lies on disk stays there."""
        arrays, lengths = ({role: own[keep] for role, own in part.items()} for part in (self.arrays, self.lengths))
        return Materials(self.recipes[keep].reset_index(drop=True), self.labels[keep], self.classes, arrays, lengths)

    def only(self, roles: Iterable[str]) -> Materials:
        """The same rows with the inputs of some roles.

        Raises
        ------
        UserError
            If one of them is not there.
        """
        roles = list(roles)
        if lacking := [role for role in roles if role not in self.arrays]:
            there = ", ".join(self.arrays)
            raise UserError(
                f"this system eats {', '.join(lacking)}; its rows have {there}: make materials with its inputs"
            )
        lengths = {role: self.lengths[role] for role in roles if role in self.lengths}
        arrays = {role: self.arrays[role] for role in roles}
        return Materials(self.recipes, self.labels, self.classes, arrays, lengths)


@dataclass
class Store:
    """Makes materials of recipes, from the cache where they have been computed before.

    Parameters
    ----------
    renderer : Renderer
    cache : Cache
    """

    renderer: Renderer
    cache: Cache

    def materials(self, inputs: Mapping[str, Input], recipes: pd.DataFrame) -> Materials:
        """Inputs of every recipe.

        Parameters
        ----------
        inputs : mapping of str to Input
            By role.
        recipes : pandas.DataFrame
        """

        def computed(roles: tuple[str, ...], rows: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
            rendered = self.renderer.render(recipes.iloc[rows])
            waves = np.stack([sample.signal for sample, _ in rendered]).astype(np.float32)
            found = compute({role: inputs[role] for role in roles}, waves, np.array([count for _, count in rendered]))
            return {
                role: {"values": values} | ({} if lengths is None else {"lengths": lengths})
                for role, (values, lengths) in found.items()
            }

        requests, keys, groups = self._requests(inputs), self.renderer.keys(recipes), self._groups(recipes)
        found = self.cache.fetch(requests, keys, computed, groups, BATCH, "materials")
        emotions = self.renderer.utterances["emotion"].loc[recipes["utterance"]]
        labels = np.searchsorted(np.array(self.renderer.classes), emotions.to_numpy(dtype=str))
        arrays = {role: parts["values"] for role, parts in found.items()}
        lengths = {role: np.asarray(parts["lengths"]) for role, parts in found.items() if "lengths" in parts}
        return Materials(recipes.reset_index(drop=True), labels, self.renderer.classes, arrays, lengths)

    def lacking(self, inputs: Mapping[str, Input], recipes: pd.DataFrame) -> list[pd.DataFrame]:
        """Recipes that lack an input, each once, in pieces that can be computed side by side: a speaker's in a row.

        Parameters
        ----------
        inputs, recipes
            As for :meth:`materials`.
        """
        recipes = recipes.drop_duplicates(["utterance", *RECIPE_KEY])
        rows = recipes[self.cache.lacking(self._requests(inputs), self.renderer.keys(recipes))]
        members: dict[tuple[str, str], list[int]] = {}
        for number, group in enumerate(self._groups(rows)):
            members.setdefault(group, []).append(number)
        pieces: list[list[int]] = [[]]
        for _, own in sorted(members.items()):
            if pieces[-1] and len(pieces[-1]) + len(own) > PIECE:
                pieces.append([])
            pieces[-1] += own
        return [rows.iloc[piece] for piece in pieces if piece]

    def _requests(self, inputs: Mapping[str, Input]) -> dict[str, dict[str, Any]]:
        shared = self.renderer.describe()
        return {role: {"kind": one.kind, "input": one.describe(), "rendered": shared} for role, one in inputs.items()}

    def _groups(self, recipes: pd.DataFrame) -> list[tuple[str, str]]:
        """A pass over one speaker's rows of a condition does not depend on whose other rows are asked for."""
        speakers = self.renderer.utterances["speaker"].loc[recipes["utterance"]]
        return list(zip(speakers, recipes["condition"], strict=True))


class MaterialsDataset(Dataset):
    """:class:`Materials` as a map-style dataset of model inputs, read row by row.

    Parameters
    ----------
    materials : Materials
    partners : Materials, optional
        For each row its clean partner, handed over beside it as ``clean_<role>``.

    Raises
    ------
    UserError
        If a partner is of another utterance than its row.
    """

    def __init__(self, materials: Materials, partners: Materials | None = None) -> None:
        self.materials, self.partners = materials, partners
        if partners is not None and list(partners.recipes["utterance"]) != list(materials.recipes["utterance"]):
            raise UserError("the clean partners are not those of the rows: give one of the same utterance for each row")

    def __len__(self) -> int:
        return len(self.materials)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """``labels``; float32 ``<role>`` and, where it is ragged, ``<role>_length``; ``clean_<role>`` alike."""
        item = {"labels": torch.tensor(self.materials.labels[index])}
        for prefix, part in (("", self.materials), ("clean_", self.partners)):
            for role, rows in part.arrays.items() if part is not None else ():
                item[f"{prefix}{role}"] = torch.from_numpy(np.asarray(rows[index], dtype=np.float32))
                if role in part.lengths:
                    item[f"{prefix}{role}_length"] = torch.tensor(int(part.lengths[role][index]))
        return item

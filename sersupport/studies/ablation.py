"""One row, one part changed at a time, every change with the budget of the unchanged baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from sersupport.core.errors import UserError
from sersupport.studies.jobs import Job
from sersupport.studies.setup import Parts, Setup

BASELINE = "baseline"  # what is trained like the changed ones, with nothing changed
_POOLING = {"mean pooling": "mean", "statistics pooling": "statistics"}
_WIDTH = {"half width": 0.5, "double width": 2.0}
_LEFT_OUT = {"no noisy rows": "noisy", "no pitched rows": "pitched", "clean rows only": "noisy|pitched"}
CHANGES = (*_POOLING, *_WIDTH, *_LEFT_OUT, "K = 40", "fine-tuned")


def ablation(setup: Setup, row: str, folds: Mapping[int, Parts], changes: Sequence[str]) -> list[Job]:
    """The baseline and the row with each change, for each fold and seed, tested on the same rows.

    Parameters
    ----------
    setup : Setup
    row : str
        As for :meth:`Setup.jobs`.
    folds : mapping
        Recipes by fold and part.
    changes : sequence of str
        Of :data:`CHANGES`.

    Raises
    ------
    UserError
        For a change that there is not.
    """
    jobs = []
    for fold, recipes in folds.items():
        budget = setup.budget(len(recipes["train"]))
        for name in (BASELINE, *changes):
            own, parts, arguments = _changed(setup, name, dict(recipes))
            jobs += own.jobs(row, parts, budget, "speaker-disjoint", fold, name, **arguments)
    return jobs


def at_published_width(setup: Setup, row: str, folds: Mapping[int, Parts]) -> list[Job]:
    """The row with as many filters as published and with this run's, first seed, as many steps of the same rows."""
    widths = {BASELINE: setup.width, "published width": 1.0}
    return [
        job
        for fold, parts in folds.items()
        for name, width in widths.items()
        for job in replace(setup.with_one_seed(), width=width).jobs(
            row, parts, setup.budget(len(parts["train"])), "speaker-disjoint", fold, name
        )
    ]


def _changed(
    setup: Setup, name: str, recipes: dict[str, pd.DataFrame]
) -> tuple[Setup, dict[str, pd.DataFrame], dict[str, object]]:
    """Setup, recipes and arguments of the configuration under a change."""
    if name in _LEFT_OUT:
        left_out = recipes["train"]["condition"].str.contains(_LEFT_OUT[name])
        return setup, recipes | {"train": recipes["train"][~left_out]}, {}
    if name in _POOLING:
        return setup, recipes, {"pooling": _POOLING[name]}
    if name in _WIDTH:
        return replace(setup, width=setup.width * _WIDTH[name]), recipes, {}
    if name == "K = 40":
        return replace(setup, descriptors=replace(setup.descriptors, n_mfcc=40)), recipes, {}
    if name == "fine-tuned":
        return replace(setup, frozen=False), recipes, {}
    if name != BASELINE:
        raise UserError(f"no change {name!r} of the ablation; there are: {', '.join(CHANGES)}")
    return setup, recipes, {}


def by_speech(predictions: pd.DataFrame) -> pd.DataFrame:
    """A predictions table with ``speech``: "clean", or "noisy" for every other condition."""
    return predictions.assign(speech=predictions["condition"].where(predictions["condition"] == "clean", "noisy"))

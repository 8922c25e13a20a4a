"""One row, one part changed at a time, every change with the budget of the unchanged baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import pandas as pd

from sersupport.core.errors import UserError
from sersupport.recipes.drawing import draw_quadruplet
from sersupport.studies.jobs import Job
from sersupport.studies.setup import LAST, Parts, Setup, clean_rows
from sersupport.systems import cnn_attention, humpcat, trnet

BASELINE = "baseline"  # what is trained like the changed ones, with nothing changed
_POOLING = {"mean pooling": "mean", "statistics pooling": "statistics"}
_WIDTH = {"half width": 0.5, "double width": 2.0}
CLEAN_ALONE, UNAUGMENTED, AS_PRINTED = "clean speech alone", "clean rows only", "Gaussian noise and pitch"
# of HuMP-CAT: which of its two layers, or the encoder's last, stands for both
_LAYERS = {
    "low layer alone": lambda layers: layers[:1] * 2,
    "high layer alone": lambda layers: layers[1:] * 2,
    "last layer": lambda _: LAST,
}
_LEFT_OUT = {"no noisy rows": "noisy", "no pitched rows": "pitched", UNAUGMENTED: "noisy|pitched"}
CHANGES = (*_POOLING, *_WIDTH, *_LEFT_OUT, "K = 40", "fine-tuned")
# of the systems of other papers, by system: arguments of the configuration
RELATED_CHANGES: Mapping[str, Mapping[str, Mapping[str, object]]] = MappingProxyType({
    cnn_attention.NAME: {
        "no attention": {"channel_attention": False, "spatial_attention": False},
        "channel only": {"spatial_attention": False},
        "spatial only": {"channel_attention": False},
        UNAUGMENTED: {},
        AS_PRINTED: {},
    },
    humpcat.NAME: {
        "concatenation for stage 1": {"attend_prosody": False},
        "concatenation for stage 2": {"attend_frames": False},
        **{name: {} for name in _LAYERS},
    },
    trnet.NAME: {
        "no low-level loss": {"low_loss": False},
        "no high-level loss": {"high_loss": False},
        "enhanced only": {"compensate": "enhanced"},
        "noisy speech alone": {"compensate": "noisy", "low_loss": False, "high_loss": False},
        CLEAN_ALONE: {"stage": trnet.CLEAN},
    },
})  # fmt: skip


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


def related_ablation(setup: Setup, system: str, folds: Mapping[int, Parts], changes: Sequence[str]) -> list[Job]:
    """A system of another paper and the same with each change, for each fold and seed, tested on the same rows.

    As many steps each; in the predictions table they are called "<system>: <change>". What TRNet's two stages take
    together, the same network takes on clean speech alone. Rows for the CNN with attention are altered by the run's
    noises and pitch, but where the change says by Gaussian noise.

    Parameters
    ----------
    setup : Setup
    system : str
        One of :data:`.setup.RELATED`.
    folds : mapping
        Recipes by fold and part.
    changes : sequence of str
        Of :data:`RELATED_CHANGES` of the system.

    Raises
    ------
    UserError
        For a change that there is not.
    """
    jobs, known = [], RELATED_CHANGES[system]
    if unknown := [name for name in changes if name not in known]:
        raise UserError(f"no change {unknown[0]!r} of {system}; there are: {', '.join(known)}")
    for fold, recipes in folds.items():
        budget = setup.budget(len(recipes["train"]))
        for name in (BASELINE, *changes):
            own, parts, steps = setup, recipes, budget
            if name in _LAYERS:
                own = replace(setup, layers=_LAYERS[name](setup.layers))
            elif name == UNAUGMENTED:
                _, parts, _ = _changed(setup, name, dict(recipes))
            elif name == AS_PRINTED:
                spoken = pd.DataFrame({"id": recipes["train"]["utterance"].unique()})
                parts = recipes | {"train": draw_quadruplet(spoken, None, setup.seeds[0], noises=("white",))}
            elif name == CLEAN_ALONE:
                parts, steps = recipes | clean_rows(recipes), replace(budget, steps=2 * budget.steps)
            arguments = known.get(name, {})
            jobs += own.jobs(system, parts, steps, "speaker-disjoint", fold, f"{system}: {name}", **arguments)
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

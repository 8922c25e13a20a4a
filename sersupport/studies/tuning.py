"""Each system tuned alike: so many settings, tried on the validation speakers of every fold, before any test."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from sersupport.core.seeds import generator
from sersupport.evaluation.tables import summarise
from sersupport.studies.jobs import Bench, Job
from sersupport.studies.setup import PROBE, RELATED, Parts, Setup
from sersupport.systems.probe import PENALTY

Setting = Mapping[str, float]
# factors on what the run's parameters name, and the dropout of both parts of a row; the first of each is the default
ROW = {
    "cnn_width": (1, 0.5, 2), "learning_rate": (1, 1 / 3, 3), "weight_decay": (1, 10), "epochs": (1, 2, 0.5),
    "cnn_dropout": (0.2, 0.4), "head_dropout": (0.5, 0.3, 0.7),
}  # fmt: skip
OTHER = {"learning_rate": (1, 1 / 3, 3), "weight_decay": (1, 10), "epochs": (1, 2, 0.5), "dropout": (0.3, 0.1, 0.5)}
LINEAR = {"penalty": tuple(PENALTY * factor for factor in (1, 0.1, 10, 0.3, 3, 0.03, 30, 0.01, 100))}
MOST = len(LINEAR["penalty"])  # settings that there are of the system that has fewest


def settings(system: str, count: int, seed: int = 0) -> list[Setting]:
    """The settings that a system is tried with: the run's own, then others drawn at random, none twice.

    Parameters
    ----------
    system : str
        Row A to D, the linear probe, or one of :data:`.setup.RELATED`.
    count : int
        In 1 to :data:`MOST`.
    seed : int
        Of the draw.

    References
    ----------
    Bergstra and Bengio (2012), Random search for hyper-parameter optimization, JMLR 13.
    """
    if system == PROBE:
        return [{"penalty": value} for value in LINEAR["penalty"][:count]]
    among = OTHER if system in RELATED else ROW
    found = [{name: values[0] for name, values in among.items()}]
    rng = generator(seed, "settings", system)
    while len(found) < count:
        drawn = {name: values[rng.integers(len(values))] for name, values in among.items()}
        if drawn not in found:
            found.append(drawn)
    return found


def with_setting(setup: Setup, setting: Setting) -> tuple[Setup, dict[str, Any]]:
    """A setup under a setting, and the arguments of the configuration that the setting gives."""
    own = dict(setting)
    if "penalty" in own:
        return setup, own
    factors = {name: own.pop(name, 1) for name in ("cnn_width", "learning_rate", "weight_decay", "epochs")}
    tuned = replace(
        setup,
        width=min(1.0, setup.width * factors["cnn_width"]),
        learning_rate=setup.learning_rate * factors["learning_rate"],
        weight_decay=setup.weight_decay * factors["weight_decay"],
        epochs=max(1, round(setup.epochs * factors["epochs"])),
    )
    return tuned, own


def tuned_jobs(
    setup: Setup, system: str, parts: Parts, fold: int, setting: Setting, labels: dict[str, str] | None = None
) -> list[Job]:
    """Jobs of a system under a setting, speakers apart, one for each seed of the setup."""
    own, changes = with_setting(setup, setting)
    budget = own.budget(len(parts["train"]))
    return own.jobs(system, parts, budget, "speaker-disjoint", fold, labels=labels, **changes)


def chosen(bench: Bench, setup: Setup, systems: Sequence[str], folds: Mapping[int, Parts], count: int) -> pd.DataFrame:
    """Try every system's settings on the validation speakers of every fold, with the first seed.

    No fold looks at another's choice: the validation speakers of one are the test speakers of the next.

    Parameters
    ----------
    bench : Bench
    setup : Setup
    systems : sequence of str
    folds : mapping
        Recipes by fold and part.
    count : int
        Settings of each system.

    Returns
    -------
    pandas.DataFrame
        ``system``, ``fold``, ``setting`` (its number, from 0, the run's own), ``validation_uar``, ``chosen``, and what
        the setting is.
    """
    first, jobs, known = setup.with_one_seed(), [], {}
    for system in systems:
        known[system] = settings(system, count)
        for fold, parts in folds.items():
            tested = {**parts, "test": parts["validation"]}
            for number, setting in enumerate(known[system]):
                jobs += tuned_jobs(first, system, tested, fold, setting, {"setting": str(number)})
    scores = summarise(bench.run(jobs), ["system", "fold", "setting"], 1).rename(columns={"recall": "validation_uar"})
    best = scores.groupby(["system", "fold"])["validation_uar"].transform("idxmax")
    table = scores.assign(chosen=best == scores.index, setting=scores["setting"].astype(int))
    what = [known[row.system][row.setting] for row in table.itertuples()]
    return pd.concat([table[["system", "fold", "setting", "validation_uar", "chosen"]], pd.DataFrame(what)], axis=1)


def together(setup: Setup, table: pd.DataFrame, folds: Mapping[int, Parts]) -> list[Job]:
    """A job for each fold, system and seed under the setting that its validation speakers chose.

    Parameters
    ----------
    setup : Setup
    table : pandas.DataFrame
        From :func:`chosen`.
    folds : mapping
        Recipes by fold and part.
    """
    picked = table[table["chosen"]]
    count = int(table["setting"].max()) + 1
    return [
        job
        for row in picked.sort_values("fold", kind="stable").itertuples()
        for job in tuned_jobs(setup, row.system, folds[row.fold], row.fold, settings(row.system, count)[row.setting])
    ]

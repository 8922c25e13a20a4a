"""The ladder of protocols: one model and one budget, from rows split at random to speakers and texts kept apart."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pandas as pd

from sersupport.corpora.folds import PARTS
from sersupport.corpora.protocols import THINNED, thinned
from sersupport.evaluation.intervals import difference
from sersupport.studies.jobs import Job
from sersupport.studies.setup import Setup

# what a protocol takes away from the one before it
TAKEN_AWAY = {
    "utterance-grouped": "augmented siblings",
    "speaker-disjoint": "known voices",
    THINNED: "training rows",
    "speaker-and-text-disjoint": "known texts",
}


def rungs(protocols: pd.DataFrame, utterances: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Assignments in the ladder's order, with the control that loses as many training rows as the last but no text.

    Parameters
    ----------
    protocols : pandas.DataFrame
        Assignments of :func:`sersupport.corpora.protocols.possible`, one below the other, with ``protocol``.
    utterances : pandas.DataFrame
        The utterance table.
    """
    found = dict(iter(protocols.groupby("protocol", sort=False)))
    strictest = found.pop("speaker-and-text-disjoint", None)
    if strictest is None:
        return found
    control = thinned(found["speaker-disjoint"], strictest, utterances)
    return found | {THINNED: control, "speaker-and-text-disjoint": strictest}


def divided(recipes: pd.DataFrame, assignment: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Recipes by part of a protocol.

    Parameters
    ----------
    recipes : pandas.DataFrame
        All variants of all utterances.
    assignment : pandas.DataFrame
        From :func:`sersupport.corpora.protocols.assign`: utterance, variant, split. Rows that it lacks are left out.
    """
    parts = recipes[["utterance", "variant"]].merge(assignment, on=["utterance", "variant"], how="left")["split"]
    return {part: recipes[(parts == part).to_numpy()] for part in PARTS}


def ladder(setup: Setup, row: str, recipes: pd.DataFrame, assignments: Mapping[str, pd.DataFrame]) -> list[Job]:
    """A row under each protocol, for each seed, tested on the protocol's own test rows.

    Every protocol has the budget of the first: what is left between them is who and what was heard before.

    Parameters
    ----------
    setup : Setup
    row : str
        As for :meth:`Setup.jobs`.
    recipes : pandas.DataFrame
        All variants of all utterances.
    assignments : mapping
        Protocol to assignment, from :func:`rungs`.
    """
    parts = {protocol: divided(recipes, assignment) for protocol, assignment in assignments.items()}
    budget = setup.budget(len(next(iter(parts.values()))["train"]))
    return [job for protocol, own in parts.items() for job in setup.jobs(row, own, budget, protocol)]


def steps(predictions: pd.DataFrame, order: list[str], samples: int = 1000) -> pd.DataFrame:
    """Change of UAR from one protocol to the next stricter one, with an interval over speakers.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions table of :func:`ladder`'s jobs.
    order : list of str
        Its protocols, mildest first.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``condition``, ``from``, ``to``, ``what goes``, and what
        :func:`sersupport.evaluation.intervals.difference` gives.
    """
    rows = {kind: dict(iter(part.groupby("protocol"))) for kind, part in predictions.groupby("condition")}
    return pd.DataFrame(
        {"condition": kind, "from": first, "to": second, "what goes": TAKEN_AWAY[second]}
        | difference(of[second], of[first], samples=samples)
        for kind, of in rows.items()
        for first, second in pairwise(order)
    )

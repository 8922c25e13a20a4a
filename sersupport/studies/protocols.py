"""The ladder of protocols: one model and one budget, from rows split at random to speakers and texts kept apart."""

from collections.abc import Collection
from itertools import pairwise

import pandas as pd

from sersupport.evaluation.intervals import difference
from sersupport.evaluation.paired import nested
from sersupport.studies.jobs import Job
from sersupport.studies.setup import Setup, parted

# what a protocol takes away from the one before it
TAKEN_AWAY = {
    "utterance-grouped": "augmented siblings",
    "speaker-disjoint": "known voices",
    "speaker-and-text-disjoint": "known texts",
}


def ladder(
    setup: Setup, row: str, recipes: pd.DataFrame, assignments: pd.DataFrame, tested: Collection[str]
) -> list[Job]:
    """A row under each protocol, for each fold and seed, tested on the protocol's own test rows.

    Every protocol has the same number of steps: what is left between them is who and what was heard before.

    Parameters
    ----------
    setup : Setup
    row : str
        As for :meth:`Setup.jobs`.
    recipes : pandas.DataFrame
        All variants of all utterances.
    assignments : pandas.DataFrame
        From :func:`sersupport.corpora.protocols.levelled`.
    tested : collection of str
        Utterances that may be tested.
    """
    jobs, budgets = [], {}
    for (protocol, fold), assignment in assignments.groupby(["protocol", "fold"], sort=False):
        rows = recipes[["utterance", "variant"]].merge(assignment, on=["utterance", "variant"], how="left")
        parts = parted(recipes, rows["split"])
        parts["test"] = parts["test"][parts["test"]["utterance"].isin(tested)]
        budget = budgets.setdefault(fold, setup.budget(len(parts["train"])))
        jobs += setup.jobs(row, parts, budget, protocol, fold)
    return jobs


def steps(predictions: pd.DataFrame, order: list[str], samples: int = 1000) -> pd.DataFrame:
    """Change of UAR from one protocol to the next stricter one, with an interval over speakers.

    Where the milder one tests all that the stricter one does, as over all folds, it counts on the same utterances.

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
    rows = []
    for kind, part in predictions.groupby("condition"):
        of = dict(iter(part.groupby("protocol")))
        for first, second in pairwise(order):
            gap = difference(of[second], nested(of[first], of[second]), samples=samples)
            rows.append({"condition": kind, "from": first, "to": second, "what goes": TAKEN_AWAY[second], **gap})
    return pd.DataFrame(rows)

"""The ladder of protocols: one model and one budget, from rows split at random to speakers and texts kept apart."""

from collections.abc import Collection
from itertools import pairwise

import numpy as np
import pandas as pd

from sersupport.corpora.protocols import THINNED, halves
from sersupport.evaluation.intervals import contrast, difference, unshared
from sersupport.evaluation.paired import compare, holm, nested
from sersupport.evaluation.tables import summarise
from sersupport.studies.jobs import Job
from sersupport.studies.setup import Setup, parted
from sersupport.systems.predictions import probabilities

# what a protocol takes away from the one before it
TAKEN_AWAY = {
    "utterance-grouped": "augmented siblings",
    "speaker-disjoint": "known voices, second takes",
    THINNED: "training rows",
    "speaker-and-text-disjoint": "known texts",
}
STRICT = "speaker-disjoint"
# speakers apart in training, but not in what the epoch is chosen on
IN_VALIDATION, ON_TEST = "test speakers heard in validation", "epoch chosen on the test fold"


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
        parts = _parts(recipes, assignment, tested)
        budget = budgets.setdefault(fold, setup.budget(len(parts["train"])))
        jobs += setup.jobs(row, parts, budget, protocol, fold)
    return jobs


def _parts(recipes: pd.DataFrame, assignment: pd.DataFrame, tested: Collection[str]) -> dict[str, pd.DataFrame]:
    """Recipes by part, the test without utterances that may not be tested."""
    rows = recipes[["utterance", "variant"]].merge(assignment, on=["utterance", "variant"], how="left")
    parts = parted(recipes, rows["split"])
    return parts | {"test": parts["test"][parts["test"]["utterance"].isin(tested)]}


def leaks(
    setup: Setup,
    row: str,
    recipes: pd.DataFrame,
    assignments: pd.DataFrame,
    tested: Collection[str],
    utterances: pd.DataFrame,
    seed: int = 0,
) -> list[Job]:
    """The ladder's speaker-disjoint rung again, its epoch chosen on what it must not be: test rows, or test speakers.

    Training rows, steps and seeds are those of :func:`ladder`, and so is what is tested. Under :data:`ON_TEST` the
    test rows are the validation rows as well. Under :data:`IN_VALIDATION` each half of every test speaker's recordings
    is validated on the other half: another model for each, and all are tested once.

    Parameters
    ----------
    setup, row, recipes, assignments, tested
        As for :func:`ladder`; the row must be one that is trained in steps, which the linear probe is not.
    utterances : pandas.DataFrame
        The utterance table.
    seed : int
        Of the halves, see :func:`sersupport.corpora.protocols.halves`.
    """
    half_of, jobs = halves(utterances, seed), []
    for fold, assignment in assignments[assignments["protocol"] == STRICT].groupby("fold"):
        parts = _parts(recipes, assignment, tested)
        test, budget = parts["test"], setup.budget(len(parts["train"]))
        jobs += setup.jobs(row, parts | {"validation": test}, budget, ON_TEST, fold)
        half = test["utterance"].map(half_of)
        for own in (0, 1):
            other = {"validation": test[half != own], "test": test[half == own]}
            jobs += setup.jobs(row, parts | other, budget, IN_VALIDATION, fold)
    return jobs


def against(predictions: pd.DataFrame, baseline: str = STRICT, samples: int = 1000) -> pd.DataFrame:
    """UAR under each protocol, and its difference to one of them on the same speakers.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions table of several protocols, all with the same test rows.
    baseline : str
        The protocol that the others are compared with.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        What :func:`sersupport.evaluation.tables.summarise` gives by ``protocol`` and ``condition``, then
        ``difference``, ``low``, ``high``, ``p`` and ``p_holm`` (corrected within a condition), NaN for the baseline.
    """
    rows = []
    for _, own in predictions.groupby("condition"):
        paired = compare(own, baseline, "protocol", samples=samples).drop(columns=["p_folds", "speakers"])
        rows.append(summarise(own, ["protocol", "condition"], samples).merge(paired, on="protocol", how="left"))
    return pd.concat(rows, ignore_index=True)


def second_takes(predictions: pd.DataFrame, assignments: pd.DataFrame, utterances: pd.DataFrame) -> pd.Series:
    """Whether training held another recording of the same line by the same speaker in the same emotion and intensity.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of one protocol.
    assignments : pandas.DataFrame
        Of :func:`ladder`, which has that protocol among others.
    utterances : pandas.DataFrame
        The utterance table; recordings whose text is not known have no second take.

    Returns
    -------
    pandas.Series of bool
        With the index of the predictions.
    """
    line = utterances.groupby(["speaker", "emotion", "intensity", "text"], dropna=False).ngroup()
    line = line.where(utterances["text"].fillna("").ne(""), -1 - np.arange(len(line)))
    line_of = pd.Series(line.to_numpy(), index=utterances["id"])
    own = assignments[assignments["protocol"].isin(predictions["protocol"]) & (assignments["split"] == "train")]
    heard = pd.MultiIndex.from_arrays([own["fold"], own["utterance"].map(line_of)])
    asked = pd.MultiIndex.from_arrays([predictions["fold"], predictions["utterance"].map(line_of)])
    return pd.Series(asked.isin(heard), index=predictions.index)


def of_second_takes(
    predictions: pd.DataFrame, assignments: pd.DataFrame, utterances: pd.DataFrame, samples: int = 1000
) -> pd.DataFrame:
    """What known voices are worth on clean speech, with a second take of the tested line in training and without.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions table of :func:`ladder`'s jobs.
    assignments, utterances
        As for :func:`second_takes`.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``second take``, ``utterances``, and what :func:`sersupport.evaluation.intervals.difference` gives of keeping
        recordings whole less keeping speakers apart; at last the first less the second of these. Empty where less than
        a tenth of the recordings are of either kind.
    """
    clean = predictions[predictions["condition"] == "clean"]
    strict = clean[clean["protocol"] == STRICT]
    whole = nested(clean[clean["protocol"] == "utterance-grouped"], strict)
    heard = second_takes(whole, assignments, utterances)
    parts = {
        name: (whole[own], strict[strict["utterance"].isin(whole.loc[own, "utterance"])])
        for name, own in {"in training": heard, "not in training": ~heard}.items()
    }
    if min(heard.mean(), 1 - heard.mean()) < 0.1:
        return pd.DataFrame(columns=["second take", "utterances", "difference", "low", "high", "p"])
    rows = [
        {"second take": name, "utterances": first["utterance"].nunique(), **difference(first, second, samples=samples)}
        for name, (first, second) in parts.items()
    ]
    four = [part for both in parts.values() for part in both]
    if not unshared(four):
        rows.append({"second take": "difference", **contrast(four, [1, -1, -1, 1], samples=samples)})
    return pd.DataFrame(rows).drop(columns="speakers")


def unmoved(predictions: pd.DataFrame, baseline: str = STRICT) -> pd.DataFrame:
    """Whether a protocol's models say what those of another say, as where the same epoch of one training was chosen.

    Parameters
    ----------
    predictions, baseline
        As for :func:`against`.

    Returns
    -------
    pandas.DataFrame of bool
        A row for each fold and seed, a column for each other protocol.
    """
    key = ["fold", "seed", "utterance", "condition"]
    own = predictions[predictions["protocol"] == baseline]
    same = {}
    for name, part in predictions[predictions["protocol"] != baseline].groupby("protocol"):
        both = part.merge(own, on=key, suffixes=("", " before"))
        shares = (np.isclose(both[column], both[f"{column} before"]) for column in probabilities(part))
        same[name] = both.assign(same=np.all(list(shares), axis=0)).groupby(["fold", "seed"])["same"].all()
    return pd.DataFrame(same)


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
        :func:`sersupport.evaluation.intervals.difference` gives; ``p_holm``, corrected over the table.
    """
    rows = []
    for kind, part in predictions.groupby("condition"):
        of = dict(iter(part.groupby("protocol")))
        for first, second in pairwise(order):
            gap = difference(of[second], nested(of[first], of[second]), samples=samples)
            rows.append({"condition": kind, "from": first, "to": second, "what goes": TAKEN_AWAY[second], **gap})
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"]))

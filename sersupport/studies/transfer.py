"""Trained on one corpus, tested on another: other voices, other recordings, other actors' idea of an emotion."""

from collections.abc import Sequence
from itertools import permutations

import pandas as pd

from sersupport.corpora.folds import chosen, speaker_disjoint
from sersupport.evaluation.intervals import contrast
from sersupport.evaluation.paired import holm
from sersupport.evaluation.tables import summarise
from sersupport.recipes.drawing import VARIANTS, clean
from sersupport.studies.jobs import Job
from sersupport.studies.protocols import STRICT
from sersupport.studies.setup import Setup, parted

CROSS = "cross-corpus"  # the protocol
SUMMARY = ("accuracy", "precision", "recall", "f1", "uar_low", "uar_high", "speakers", "utterances")


def usable(utterances: pd.DataFrame) -> list[str]:
    """Corpora with two speakers or more, which can be held apart from each other."""
    speakers = utterances.groupby("corpus", sort=False)["speaker"].nunique()
    return list(speakers.index[speakers > 1])


def shared_classes(utterances: pd.DataFrame, first: str, second: str) -> list[str]:
    """Classes that both of two corpora have, in alphabetical order."""
    of = utterances.groupby("corpus")["emotion"].agg(set)
    return sorted(of[first] & of[second])


def transfers(setup: Setup, systems: Sequence[str], utterances: pd.DataFrame, scheme: str) -> list[Job]:
    """Every system trained on each corpus and tested on each other one; and on speakers of its own held out.

    All on clean speech and on the classes that two corpora share. Across corpora all of the one is trained but for the
    validation speakers of its first fold; within a corpus all folds are. There are as many steps as if all variants of
    an utterance were trained.

    Parameters
    ----------
    setup : Setup
        Its first seed is used.
    systems : sequence of str
        As for :meth:`Setup.jobs`.
    utterances : pandas.DataFrame
        Utterance table of :func:`usable` corpora.
    scheme : str
        A key of :data:`sersupport.corpora.folds.SCHEMES`.

    Returns
    -------
    list of Job
        With protocol :data:`CROSS` or "speaker-disjoint"; labels ``source`` (the corpus that is trained) and
        ``classes`` (those shared, as text). A pair that shares fewer than two classes is left out.
    """
    jobs: list[Job] = []
    setup = setup.with_one_seed()
    within: dict[tuple[str, str], pd.DataFrame] = {}
    for source, target in permutations(usable(utterances), 2):
        names = shared_classes(utterances, source, target)
        if len(names) < 2:
            continue
        kept = utterances[utterances["emotion"].isin(names)]
        own, other = (kept[kept["corpus"] == name] for name in (source, target))
        split = speaker_disjoint(own, 0, scheme).replace("test", "train")
        labels = {"source": source, "classes": ", ".join(names)}
        jobs += _jobs(setup, systems, clean(own), split, CROSS, 0, labels, clean(other))
        within[target, labels["classes"]] = other
    for (corpus, names), own in within.items():
        for fold in chosen(own, "all", scheme):
            split, labels = speaker_disjoint(own, fold, scheme), {"source": corpus, "classes": names}
            jobs += _jobs(setup, systems, clean(own), split, STRICT, fold, labels)
    return jobs


def _jobs(
    setup: Setup,
    systems: Sequence[str],
    recipes: pd.DataFrame,
    split: pd.Series,
    protocol: str,
    fold: int,
    labels: dict[str, str],
    test: pd.DataFrame | None = None,
) -> list[Job]:
    parts = parted(recipes, recipes["utterance"].map(split))
    parts = parts if test is None else parts | {"test": test}
    budget = setup.budget(len(VARIANTS) * len(parts["train"]))
    return [job for name in systems for job in setup.jobs(name, parts, budget, protocol, fold, labels=labels)]


def side_by_side(predictions: pd.DataFrame, samples: int = 1000) -> pd.DataFrame:
    """UAR of each pair of corpora, and within the tested one on the same classes.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`transfers`' jobs.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        What :func:`sersupport.evaluation.tables.summarise` gives by ``system``, ``source``, ``corpus`` (the one that is
        tested), ``classes`` and ``protocol``, the tested ones together, each with what it is compared with first.
    """
    by = ["system", "source", "corpus", "classes", "protocol"]
    table = summarise(predictions, by, samples).reindex(columns=[*by, *SUMMARY])  # nothing trained: no rows
    order = {STRICT: 0, CROSS: 1}
    return table.sort_values(
        ["system", "corpus", "classes", "protocol"],
        key=lambda column: column.map(order) if column.name == "protocol" else column,
        kind="stable", ignore_index=True,
    )  # fmt: skip


def losses(predictions: pd.DataFrame, samples: int = 1000) -> pd.DataFrame:
    """By how much UAR is higher within a corpus than from another one, on the same speakers, the least first.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`transfers`' jobs.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``system``, ``source``, ``corpus`` and what :func:`sersupport.evaluation.intervals.contrast` gives; ``p_holm``,
        corrected over the table.
    """
    key, rows = ["system", "corpus", "classes"], []
    within = dict(iter(predictions[predictions["protocol"] == STRICT].groupby(key)))
    for names, own in predictions[predictions["protocol"] == CROSS].groupby([*key, "source"]):
        gap = contrast([within[names[:3]], own], [1, -1], samples=samples)
        rows.append({"system": names[0], "source": names[3], "corpus": names[1], **gap})
    columns = ["system", "source", "corpus", "difference", "low", "high", "p", "speakers"]
    table = pd.DataFrame(rows, columns=columns).sort_values("difference", ignore_index=True)
    return table.assign(p_holm=holm(table["p"]))

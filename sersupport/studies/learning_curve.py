"""A system moved to another language: how many of its recordings are needed, begun with English or with nothing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from sersupport.core.seeds import generator
from sersupport.corpora.folds import chosen, speaker_disjoint
from sersupport.evaluation.paired import compare, holm
from sersupport.evaluation.tables import summarise
from sersupport.recipes.drawing import VARIANTS, clean
from sersupport.studies.jobs import Job
from sersupport.studies.protocols import STRICT
from sersupport.studies.setup import Setup, parted

ENGLISH, NOTHING = "English", "nothing"  # what a training begins with
FEWEST = 2  # rows that a training takes


def sources(utterances: pd.DataFrame, target: str) -> pd.DataFrame:
    """Utterances of the English corpora besides the target, as far as their classes are the target's, too."""
    classes = set(utterances.loc[utterances["corpus"] == target, "emotion"])
    english = (utterances["language"] == "en") & (utterances["corpus"] != target)
    return utterances[english & utterances["emotion"].isin(classes)]


def learning_curve(
    setup: Setup, system: str, utterances: pd.DataFrame, target: str, shares: Sequence[float], scheme: str
) -> list[Job]:
    """A system fine-tuned on shares of a target corpus, its speakers apart; on clean speech.

    First it learns on all English corpora, but for the validation speakers of their first fold. Then, fold by fold of
    the target, it goes on with a share of the training speakers' recordings, and beside it one begins with nothing on
    the same. Both take as many steps as the whole target does; the start brings weights and the means and deviations
    by which inputs are standardised. Each chooses its step on all recordings of the fold's
    validation speakers, which is more than a small share: a user would have to have them.

    Parameters
    ----------
    setup : Setup
    system : str
        As for :meth:`Setup.jobs`.
    utterances : pandas.DataFrame
        Utterance table of the corpora.
    target : str
        Corpus with two speakers or more.
    shares : sequence of float
        In (0, 1], of the training rows; the smaller are part of the larger, classes as even as they may be. No share
        at all, tested as learnt in English, is the left end.
    scheme : str
        A key of :data:`sersupport.corpora.folds.SCHEMES`.

    Returns
    -------
    list of Job
        With labels ``share`` and ``start``; none where there is no English corpus of two speakers besides the target,
        or none with two of its classes.

    References
    ----------
    arXiv 2501.10408, section IV: learnt on IEMOCAP, fine-tuned on 10 to 33 % of each target.
    """
    english = sources(utterances, target)
    own = utterances[(utterances["corpus"] == target) & utterances["emotion"].isin(set(english["emotion"]))]
    voices = english.groupby("corpus")["speaker"].nunique().max() if len(english) else 0
    if english["emotion"].nunique() < 2 or min(voices, own["speaker"].nunique()) < 2:
        return []
    split = speaker_disjoint(english, 0, scheme).replace("test", "train")
    first, budget = _parts(setup, english, split)
    folds = {fold: _parts(setup, own, speaker_disjoint(own, fold, scheme)) for fold in chosen(own, "all", scheme)}
    known = setup.jobs(system, first | {"test": clean(own)}, budget, STRICT, 0, labels={"share": 0.0, "start": ENGLISH})
    jobs = []
    for fold, (parts, steps) in folds.items():
        jobs += [replace(job, fold=fold, test=parts["test"]) for job in known]
        emotion = own.set_index("id")["emotion"][parts["train"]["utterance"]].to_numpy()
        order = _dealt(emotion, setup.seeds[0], fold)
        for share in shares:
            some = np.sort(order[: max(FEWEST, round(share * len(order)))])
            few = parts | {"train": parts["train"].iloc[some]}
            for begun, starts in ((ENGLISH, known), (NOTHING, [None] * len(known))):
                new = setup.jobs(system, few, steps, STRICT, fold, labels={"share": float(share), "start": begun})
                jobs += [replace(job, start=start) for job, start in zip(new, starts, strict=True)]
    return jobs


def _parts(setup: Setup, utterances: pd.DataFrame, split: pd.Series) -> tuple[dict[str, pd.DataFrame], object]:
    recipes = clean(utterances)
    parts = parted(recipes, recipes["utterance"].map(split))
    return parts, setup.budget(len(VARIANTS) * len(parts["train"]))


def _dealt(classes: np.ndarray, seed: int, fold: int) -> np.ndarray:
    """Rows in an order that takes one of each class in turn, drawn at random within and among them."""
    rng = generator(seed, "share", str(fold))
    drawn = pd.Series(rng.permutation(len(classes)))
    turn = drawn.groupby(classes).rank()
    return np.lexsort([drawn, turn])


def gains(predictions: pd.DataFrame, samples: int = 1000) -> pd.DataFrame:
    """UAR by share and start, and what the English start adds to nothing on the same rows, paired by speaker.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of :func:`learning_curve`'s jobs.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``share``, ``start``, what :func:`.tables.summarise` gives, and of rows with the English start ``difference``,
        ``low``, ``high``, ``p_holm`` (over the shares); NaN for those without.
    """
    table = summarise(predictions, ["share", "start"], samples)
    gaps = [
        compare(own, NOTHING, "start", samples).assign(share=share)
        for share, own in predictions.groupby("share")
        if own["start"].nunique() > 1
    ]
    columns = ["share", "start", "difference", "low", "high", "p"]
    found = pd.concat(gaps)[columns] if gaps else pd.DataFrame(columns=columns)
    found["p_holm"] = holm(found.pop("p"))
    return table.merge(found, on=["share", "start"], how="left").sort_values(["share", "start"], ignore_index=True)

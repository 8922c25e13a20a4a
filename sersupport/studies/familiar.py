"""What it brings an encoder to have heard the test speakers, without labels, when it was pretrained."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from sersupport.evaluation.intervals import contrast, difference, independent
from sersupport.evaluation.metrics import metrics
from sersupport.inputs.encoders.encoder import MINI
from sersupport.systems.lessons import known_to_mini

FEWEST = 2  # speakers of either kind: one gives no interval


def comparable(predictions: pd.DataFrame, heard: Collection[str]) -> pd.DataFrame:
    """The predictions of the corpus that has the most speakers of both kinds, or all, where no corpus has enough.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Predictions table.
    heard : collection of str
        Speakers whom the encoder heard.
    """
    who = predictions.drop_duplicates("speaker")
    sizes = who["speaker"].isin(heard).groupby(who["corpus"]).agg(lambda own: min(own.sum(), (~own).sum()))
    return predictions[predictions["corpus"] == sizes.idxmax()] if sizes.max() >= FEWEST else predictions


def familiarity(predictions: pd.DataFrame, heard: Collection[str], samples: int = 1000) -> pd.DataFrame:
    """UAR of each encoder on speakers whom one of them heard, and on the others.

    The two groups are different people, who may be easy or hard to recognise whatever was heard. Hence the difference
    has the interval of independent samples, and beside it stands by how much it exceeds that of each other
    encoder on the same people: a difference of differences, paired within either group.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of several encoders for the same utterances; ``encoder`` tells them apart, and the first is the one that heard
        them.
    heard : collection of str
        The speakers whom it heard.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        ``encoder``, ``heard`` and ``unheard`` (UAR), ``difference``, ``low``, ``high``; ``excess``, ``excess low`` and
        ``excess high``: by how much the first one's difference exceeds it, NaN for itself. No rows where all speakers
        are of one kind.
    """
    known = predictions["speaker"].isin(heard)
    if known.all() or not known.any():
        return pd.DataFrame()
    groups = [dict(iter(part.groupby("encoder", sort=False))) for part in (predictions[known], predictions[~known])]
    first, *_ = names = list(predictions["encoder"].unique())
    rows = []
    for name in names:
        own = [group[name] for group in groups]
        gap = difference(*own, samples=samples)
        row = {"encoder": name, "heard": metrics(own[0])["recall"], "unheard": metrics(own[1])["recall"]}
        row |= {column: gap[column] for column in ("difference", "low", "high")}
        pairs = [contrast([group[first], group[name]], [1, -1], samples=samples) for group in groups]
        excess = independent(*pairs) if name != first else dict.fromkeys(("difference", "low", "high"), np.nan)
        rows.append(row | {"excess": excess["difference"], "excess low": excess["low"], "excess high": excess["high"]})
    return pd.DataFrame(rows)


def note(tested: pd.DataFrame, encoders: Collection[str], embedded: bool) -> str:
    """What a caption says where the encoder in the box heard some of the tested speakers; "" where it did not.

    Parameters
    ----------
    tested : pandas.DataFrame
        Utterance table, or its rows of what is tested.
    encoders : collection of str
        Names of those that a figure rests on.
    embedded : bool
        As for :func:`sersupport.systems.lessons.known_to_mini`.
    """
    heard = known_to_mini(tested, embedded) if MINI in encoders else []
    of = f"{len(heard)} of the {tested['speaker'].nunique()} tested speakers"
    return f" {MINI} has heard {of} before, without labels." if heard else ""

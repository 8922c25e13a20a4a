"""Summaries of predictions, and how tables show them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sersupport.evaluation.intervals import speaker_interval
from sersupport.evaluation.metrics import metrics

MEASURED = ("accuracy (%)", "precision", "UAR", "f1", "UAR low", "UAR high")  # columns of presented()
_TITLES = {
    "level": "λ",
    "accuracy": "accuracy (%)",
    "accuracy_pct": "accuracy (%), paper",
    "recall": "UAR",
    "f1_paper": "f1, paper",
    "uar_low": "UAR low",
    "uar_high": "UAR high",
}


def summarise(predictions: pd.DataFrame, by: Sequence[str], samples: int = 1000, sources: bool = False) -> pd.DataFrame:
    """Metrics and a speaker interval of UAR for each group.

    Parameters
    ----------
    predictions : pandas.DataFrame
    by : sequence of str
        Columns that define the groups.
    samples : int
        Bootstrap samples.
    sources : bool
        Whether sources of noise are drawn as well; see :func:`sersupport.evaluation.intervals.speaker_interval`.

    Returns
    -------
    pandas.DataFrame
        One row a group: ``by``, accuracy, precision, recall (= UAR), f1, uar_low, uar_high, speakers, utterances and,
        if they are drawn, the number of sources (NaN where the noise is made afresh for every row).
    """
    rows = []
    for group, part in predictions.groupby(list(by), sort=False, dropna=False):
        low, high = speaker_interval(part, samples=samples, sources=sources)
        counts = {"speakers": part["speaker"].nunique(), "utterances": part["utterance"].nunique()}
        if sources:
            counts["sources"] = number_of_sources(part)
        rows.append({**dict(zip(by, group, strict=True)), **metrics(part), "uar_low": low, "uar_high": high, **counts})
    return pd.DataFrame(rows)


def number_of_sources(predictions: pd.DataFrame) -> float:
    """How many sources the noise of some predictions comes from; NaN where it is made afresh for every row."""
    return predictions.loc[predictions["source"] != "", "source"].nunique() or np.nan


def presented(summary: pd.DataFrame, *leading: str) -> pd.DataFrame:
    """A summary with the titles that tables show.

    Parameters
    ----------
    summary : pandas.DataFrame
        From :func:`summarise`, the paper's ``accuracy_pct`` and ``f1_paper`` merged to it where there are any.
    *leading : str
        Columns to begin with; then come accuracy, F1 and UAR, each with the paper's, and the counts.
    """
    own = ["accuracy", "accuracy_pct", "f1", "f1_paper", "recall", "uar_low", "uar_high"]
    own += ["speakers", "utterances", "sources"]
    columns = [column for column in (*leading, *own) if column in summary]
    frame = summary.assign(accuracy=100 * summary["accuracy"])[columns].rename(columns=_TITLES)
    for column in frame.select_dtypes("object").columns.union(frame.select_dtypes("str").columns):
        frame[column] = frame[column].str.replace("_", " ")
    return frame


def side_by_side(summary: pd.DataFrame, index: Sequence[str], across: Sequence[str]) -> pd.DataFrame:
    """UAR and its interval as text, one column for each combination of some columns' values.

    Parameters
    ----------
    summary : pandas.DataFrame
        From :func:`summarise`, one row for each combination of ``index`` and ``across``.
    index, across : sequence of str
        Columns that stay, and columns whose values become columns.
    """
    text = [
        f"{row.recall:.2f}" + ("" if pd.isna(row.uar_low) else f" ({row.uar_low:.2f}–{row.uar_high:.2f})")
        for row in summary.itertuples()
    ]
    title = summary[list(across)].agg(", ".join, axis=1)
    wide = summary.assign(text=text, title=title).pivot(index=list(index), columns="title", values="text")
    order = summary[list(index)].drop_duplicates()
    return order.merge(wide[title.unique()].reset_index(), on=list(index))


def uar_of_each(predictions: pd.DataFrame, *by: str) -> pd.Series:
    """UAR of each group of the columns ``by``, which are its index."""
    groups = predictions.groupby(list(by), sort=False)[["true", "predicted"]]
    return groups.apply(lambda rows: metrics(rows)["recall"])


def spread(predictions: pd.DataFrame, over: str) -> pd.DataFrame:
    """How far a system's UAR differs from one fold, or seed, to the next.

    Parameters
    ----------
    predictions : pandas.DataFrame
    over : {"fold", "seed"}

    Returns
    -------
    pandas.DataFrame
        ``system``, ``number`` (of folds or seeds), ``lowest``, ``mean``, ``highest`` and ``deviation`` (NaN for one)
        of the UAR.
    """
    uar = uar_of_each(predictions, "system", over).groupby("system", sort=False)
    titles = {"size": "number", "min": "lowest", "max": "highest", "std": "deviation"}
    return uar.agg(["size", "min", "mean", "max", "std"]).rename(columns=titles).reset_index()

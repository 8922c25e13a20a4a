"""Scores of predictions and of confusion counts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support


def metrics(predictions: pd.DataFrame) -> pd.Series:
    """Accuracy (WAR) and macro precision, recall (UAR) and F1 over the classes that occur, all in [0, 1]."""
    present = sorted(predictions["true"].unique())
    precision, recall, f1, _ = precision_recall_fscore_support(
        predictions["true"], predictions["predicted"], labels=present, average="macro", zero_division=0
    )
    accuracy = accuracy_score(predictions["true"], predictions["predicted"])
    return pd.Series({"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1})


def classes(*predictions: pd.DataFrame) -> list[str]:
    """Classes that are meant or said somewhere in some predictions tables, in alphabetical order."""
    return sorted({name for part in predictions for column in ("true", "predicted") for name in part[column].unique()})


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Counts: a row a true class, a column a predicted one, both those of :func:`classes`."""
    names = classes(predictions)
    counts = confusion_matrix(predictions["true"], predictions["predicted"], labels=names)
    return pd.DataFrame(counts, index=names, columns=names)


def uar_of_confusions(counts: np.ndarray) -> np.ndarray:
    """Unweighted average recall of confusion counts (..., C, C) over the classes that occur."""
    totals = counts.sum(axis=-1)
    recalls = np.divide(np.diagonal(counts, axis1=-2, axis2=-1), totals, out=np.zeros(totals.shape), where=totals > 0)
    return recalls.sum(axis=-1) / (totals > 0).sum(axis=-1)


def accuracy_of_confusions(counts: np.ndarray) -> np.ndarray:
    """Share of correct predictions of confusion counts (..., C, C)."""
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


METRICS = {"uar": uar_of_confusions, "accuracy": accuracy_of_confusions}


def grouped_confusions(predictions: pd.DataFrame, names: Sequence[str], *by: Sequence) -> np.ndarray:
    """Confusion counts by groupings of the rows, the values of each in sorted order; several seeds add up.

    Parameters
    ----------
    predictions : pandas.DataFrame
    names : sequence of str
        The C classes, see :func:`classes`.
    *by : sequence
        One value a row, such as its speaker.

    Returns
    -------
    np.ndarray, shape (n_1, ..., n_k, C, C)
        For k groupings with n_1 to n_k values.
    """
    codes, order = [pd.factorize(values, sort=True)[0] for values in by], pd.Index(names)
    codes += [order.get_indexer(predictions[column]) for column in ("true", "predicted")]
    shape = (*(own.max() + 1 for own in codes[: len(by)]), len(order), len(order))
    return np.bincount(np.ravel_multi_index(codes, shape), minlength=np.prod(shape)).reshape(shape).astype(float)

"""Scores of predictions and of confusion counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from sersupport.corpora.convention import EMOTIONS


def metrics(predictions: pd.DataFrame) -> pd.Series:
    """Accuracy (WAR) and macro precision, recall (UAR) and F1 over the classes that occur, all in [0, 1]."""
    present = sorted(predictions["true"].unique())
    precision, recall, f1, _ = precision_recall_fscore_support(
        predictions["true"], predictions["predicted"], labels=present, average="macro", zero_division=0
    )
    accuracy = accuracy_score(predictions["true"], predictions["predicted"])
    return pd.Series({"accuracy": accuracy, "precision": precision, "recall": recall, "f1": f1})


def confusion(predictions: pd.DataFrame) -> np.ndarray:
    """Counts, shape (7, 7): rows are true classes, columns predicted ones, in the order of ``EMOTIONS``."""
    return confusion_matrix(predictions["true"], predictions["predicted"], labels=list(EMOTIONS))


def uar_of_confusions(counts: np.ndarray) -> np.ndarray:
    """Unweighted average recall of confusion counts (..., 7, 7) over the classes that occur."""
    totals = counts.sum(axis=-1)
    recalls = np.divide(np.diagonal(counts, axis1=-2, axis2=-1), totals, out=np.zeros(totals.shape), where=totals > 0)
    return recalls.sum(axis=-1) / (totals > 0).sum(axis=-1)


def accuracy_of_confusions(counts: np.ndarray) -> np.ndarray:
    """Share of correct predictions of confusion counts (..., 7, 7)."""
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


METRICS = {"uar": uar_of_confusions, "accuracy": accuracy_of_confusions}


def speaker_confusions(predictions: pd.DataFrame) -> np.ndarray:
    """Confusion counts of each speaker in alphabetical order, shape (speakers, 7, 7); several seeds add up."""
    known = pd.Index(np.unique(predictions["speaker"]))
    classes = pd.Index(EMOTIONS)
    counts = np.zeros((len(known), len(EMOTIONS), len(EMOTIONS)))
    places = (
        known.get_indexer(predictions["speaker"]),
        classes.get_indexer(predictions["true"]),
        classes.get_indexer(predictions["predicted"]),
    )
    np.add.at(counts, places, 1)
    return counts

"""The predictions table, and every figure that is computed from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from sersupport.corpora import EMOTIONS
from sersupport.dataset import Materials
from sersupport.models.fusion import FusionModel
from sersupport.noise import generator
from sersupport.training import predict

PROBABILITIES = [f"p_{emotion}" for emotion in EMOTIONS]
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


def predictions_table(
    materials: Materials, probabilities: np.ndarray, utterances: pd.DataFrame, **constants: str | int
) -> pd.DataFrame:
    """One row a prediction.

    Parameters
    ----------
    materials : Materials
        What was classified.
    probabilities : np.ndarray, shape (n, 7)
        One column a class, in the order of :data:`sersupport.corpora.EMOTIONS`.
    utterances : pandas.DataFrame
        The utterance table, for corpus, speaker and sex.
    **constants
        ``protocol``, ``fold``, ``seed``, ``system``.

    Returns
    -------
    pandas.DataFrame
        utterance, corpus, speaker, sex, the constants, condition, noise, level_kind, level, true, predicted and
        one probability a class.
    """
    recipe = materials.recipes[["utterance", "condition", "noise", "level_kind", "level"]]
    who = utterances.set_index("id")[["corpus", "speaker", "sex"]].loc[recipe["utterance"]].reset_index(drop=True)
    frame = pd.concat([recipe.reset_index(drop=True), who], axis=1).assign(**constants)
    frame["true"] = np.array(EMOTIONS)[materials.labels]
    frame["predicted"] = np.array(EMOTIONS)[probabilities.argmax(axis=1)]
    frame[PROBABILITIES] = probabilities
    return frame


def predictions_of(
    models: Mapping[str, FusionModel], materials: Materials, utterances: pd.DataFrame, **constants: str | int
) -> pd.DataFrame:
    """Predictions table of several systems on the same materials; see :func:`predictions_table`."""
    tables = [
        predictions_table(materials, predict(model, materials), utterances, system=system, **constants)
        for system, model in models.items()
    ]
    return pd.concat(tables, ignore_index=True)


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


def speaker_interval(
    predictions: pd.DataFrame,
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of UAR over *speakers*: whole speakers are drawn with replacement.

    Utterances of one speaker are not independent; resampling them would give intervals that are too narrow. With
    few speakers the interval is itself uncertain, so tables state how many there are.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of the predictions table.
    samples : int
        Bootstrap samples.
    level : float
        Coverage, in (0, 1).
    seed : int
        Of the resampling.

    Returns
    -------
    low, high : float

    References
    ----------
    Field, C. A. and Welsh, A. H. (2007), Bootstrapping clustered data, JRSS B 69(3).
    """
    by_speaker = np.stack([confusion(rows) for _, rows in predictions.groupby("speaker", sort=True)])
    draws = generator(seed, "speaker bootstrap").multinomial(
        len(by_speaker), np.full(len(by_speaker), 1 / len(by_speaker)), size=samples
    )
    values = uar_of_confusions(np.einsum("bs,sij->bij", draws, by_speaker))
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def summarise(predictions: pd.DataFrame, by: Sequence[str], samples: int = 1000) -> pd.DataFrame:
    """Metrics and a speaker interval of UAR for each group.

    Parameters
    ----------
    predictions : pandas.DataFrame
    by : sequence of str
        Columns that define the groups.
    samples : int
        Bootstrap samples.

    Returns
    -------
    pandas.DataFrame
        One row a group: ``by``, accuracy, precision, recall (= UAR), f1, uar_low, uar_high, speakers, utterances.
    """
    rows = []
    for group, part in predictions.groupby(list(by), sort=False, dropna=False):
        low, high = speaker_interval(part, samples=samples)
        counts = {"speakers": part["speaker"].nunique(), "utterances": part["utterance"].nunique()}
        rows.append({**dict(zip(by, group, strict=True)), **metrics(part), "uar_low": low, "uar_high": high, **counts})
    return pd.DataFrame(rows)


def presented(summary: pd.DataFrame, *leading: str) -> pd.DataFrame:
    """A summary with the titles that tables show.

    Parameters
    ----------
    summary : pandas.DataFrame
        From :func:`summarise`, the paper's ``accuracy_pct`` and ``f1_paper`` merged to it where there are any.
    *leading : str
        Columns to begin with; then come accuracy, F1 and UAR, each with the paper's, and the counts.
    """
    own = ["accuracy", "accuracy_pct", "f1", "f1_paper", "recall", "uar_low", "uar_high", "speakers", "utterances"]
    columns = [column for column in (*leading, *own) if column in summary]
    frame = summary.assign(accuracy=100 * summary["accuracy"])[columns].rename(columns=_TITLES)
    for column in frame.select_dtypes("object").columns.union(frame.select_dtypes("str").columns):
        frame[column] = frame[column].str.replace("_", " ")
    return frame


def throughput(classify: Callable[[], int], seconds: float = 2.0) -> float:
    """Clips a second, by repeating a call until enough time has passed (one call to warm up).

    Parameters
    ----------
    classify : callable
        Classifies a batch from the waveform on and returns its number of clips.
    seconds : float
        At least this long.
    """
    classify()
    start, clips = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        clips += classify()
    return clips / elapsed

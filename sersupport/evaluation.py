"""The predictions table, and every figure that is computed from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import special, stats
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support
from statsmodels.stats.multitest import multipletests

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


def _resampled(counts: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Sums over speakers drawn with replacement: counts (..., speakers, 7, 7) to (samples, ..., 7, 7)."""
    n = counts.shape[-3]
    draws = generator(seed, "speaker bootstrap").multinomial(n, np.full(n, 1 / n), size=samples)
    return np.einsum("bs,...sij->b...ij", draws, counts)


def _standard_error(values: np.ndarray, speakers: int) -> float:
    """Standard error from bootstrap values; over n clusters the bootstrap's own is too small by sqrt((n - 1) / n)."""
    return float(np.std(values)) * np.sqrt(speakers / (speakers - 1))


def speaker_interval(
    predictions: pd.DataFrame, samples: int = 1000, level: float = 0.95, seed: int = 0, metric: str = "uar"
) -> tuple[float, float]:
    """Interval of a score by bootstrap over *speakers*: whole speakers are drawn with replacement.

    Utterances of one speaker are not independent; resampling them would give intervals that are too narrow. The
    bootstrap gives the standard error of the score's logit, Student's t with as many degrees of freedom as there are
    speakers, less one, gives the width: percentiles of so few speakers cover far less than they promise (with four,
    87.5 % is the most that any of them can).

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of the predictions table; those of several seeds are pooled.
    samples : int
        Bootstrap samples.
    level : float
        Coverage, in (0, 1).
    seed : int
        Of the resampling.
    metric : {"uar", "accuracy"}
        What the interval is of.

    Returns
    -------
    low, high : float
        In [0, 1]; NaN with a single speaker, of whom nothing can be said beyond that voice.

    References
    ----------
    Field, C. A. and Welsh, A. H. (2007), Bootstrapping clustered data, JRSS B 69(3).
    Hesterberg, T. C. (2015), What teachers should know about the bootstrap, The American Statistician 69(4).
    """
    counts, score = speaker_confusions(predictions), METRICS[metric]
    if len(counts) < 2:
        return float("nan"), float("nan")
    least = 0.5 / len(predictions)  # half an utterance from all right or all wrong, where the logit ends
    values = special.logit(score(_resampled(counts, samples, seed)).clip(least, 1 - least))
    middle = special.logit(np.clip(score(counts.sum(axis=0)), least, 1 - least))
    half = stats.t.ppf((1 + level) / 2, len(counts) - 1) * _standard_error(values, len(counts))
    return float(special.expit(middle - half)), float(special.expit(middle + half))


def difference(
    first: pd.DataFrame,
    second: pd.DataFrame,
    metric: str = "uar",
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """How much higher the first predictions score than the second, with an interval over speakers.

    On the same speakers the difference is paired: each draw takes the same speakers for both. On different ones the
    two errors add up as those of independent samples.

    Parameters
    ----------
    first, second : pandas.DataFrame
        Rows of the predictions table.
    metric : {"uar", "accuracy"}
        Score to compare.
    samples, level, seed
        As for :func:`speaker_interval`.

    Returns
    -------
    dict
        ``difference``, ``low``, ``high`` (of the score), ``p`` (two-sided, Student's t over speakers), ``speakers``
        (the fewer of the two); NaN but for the difference with a single speaker.
    """
    if set(first["speaker"]) == set(second["speaker"]):
        return contrast([first, second], [1, -1], metric, samples, level, seed)
    score, counts = METRICS[metric], [speaker_confusions(part) for part in (first, second)]
    gap = float(np.subtract(*(score(part.sum(axis=0)) for part in counts)))
    error = np.nan
    if min(map(len, counts)) > 1:
        error = np.hypot(*(_standard_error(score(_resampled(part, samples, seed)), len(part)) for part in counts))
    return _tested(gap, float(error), min(map(len, counts)), level)


def contrast(
    parts: Sequence[pd.DataFrame],
    weights: Sequence[float],
    metric: str = "uar",
    samples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """Weighted sum of scores on the same speakers, such as a difference or a difference of differences.

    Parameters
    ----------
    parts : sequence of pandas.DataFrame
        Rows of the predictions table; all with the same speakers, who are drawn together.
    weights : sequence of float
        Of the parts' scores.
    metric, samples, level, seed
        As for :func:`difference`, whose result this has.
    """
    score = METRICS[metric]
    counts = np.stack([speaker_confusions(part) for part in parts])
    value = float(np.dot(weights, score(counts.sum(axis=1))))
    error = np.nan
    if counts.shape[1] > 1:
        error = _standard_error(score(_resampled(counts, samples, seed)) @ np.array(weights, float), counts.shape[1])
    return _tested(value, error, counts.shape[1], level)


def _tested(value: float, error: float, speakers: int, level: float) -> dict[str, float]:
    """A difference with Student's interval and p value over speakers; NaN with a single one."""
    half = float(stats.t.ppf((1 + level) / 2, speakers - 1)) * error if speakers > 1 else np.nan
    p = float(2 * stats.t.sf(abs(value) / max(error, 1e-12), speakers - 1)) if speakers > 1 else np.nan
    return {"difference": value, "low": value - half, "high": value + half, "p": p, "speakers": speakers}


def paired_difference(
    predictions: pd.DataFrame,
    first: str,
    second: str,
    metric: str = "uar",
    samples: int = 1000,
    by: str = "system",
) -> dict[str, float]:
    """How much better one system is than another on the same speakers; see :func:`difference`.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of the predictions table with both systems.
    first, second : str
        Values of ``by``; the difference is first minus second.
    metric, samples
        As for :func:`difference`.
    by : str
        Column that tells the systems apart.

    Raises
    ------
    ValueError
        If the two were tested on different speakers.
    """
    parts = [predictions[predictions[by] == name] for name in (first, second)]
    speakers = [set(part["speaker"]) for part in parts]
    if not speakers[0] or speakers[0] != speakers[1]:
        raise ValueError(f"{first} and {second} were not tested on the same speakers: no paired difference")
    return difference(*parts, metric=metric, samples=samples)


def compare(
    predictions: pd.DataFrame, baseline: str, by: str = "system", metric: str = "uar", samples: int = 1000
) -> pd.DataFrame:
    """Every other system against a baseline, with p values corrected by Holm's method.

    Parameters
    ----------
    predictions, by, metric, samples
        As for :func:`paired_difference`.
    baseline : str
        What the others are compared with.

    Returns
    -------
    pandas.DataFrame
        One row a system, in order of appearance: ``by``, difference (to the baseline), low, high, p, p_holm, speakers.
    """
    others = [name for name in predictions[by].unique() if name != baseline]
    rows = [{by: name, **paired_difference(predictions, name, baseline, metric, samples, by=by)} for name in others]
    frame = pd.DataFrame(rows, columns=[by, "difference", "low", "high", "p", "speakers"])
    frame.insert(5, "p_holm", multipletests(frame["p"], method="holm")[1] if len(frame) else [])
    return frame


def calibration(predictions: pd.DataFrame, bins: int = 15) -> pd.DataFrame:
    """Reliability: confidence of the predicted class against how often it is right, in bins of equal width.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of the predictions table.
    bins : int
        Bins over [0, 1]; empty ones are left out.

    Returns
    -------
    pandas.DataFrame
        confidence and accuracy (means of the bin), share of all predictions.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, ICML, section 2.
    """
    confidence = predictions[PROBABILITIES].max(axis=1)
    right = predictions["true"] == predictions["predicted"]
    place = np.ceil(confidence * bins).clip(lower=1)
    table = pd.DataFrame({"confidence": confidence, "accuracy": right}).groupby(place.to_numpy())
    return table.mean().assign(share=table.size() / len(predictions)).reset_index(drop=True)


def expected_calibration_error(predictions: pd.DataFrame, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over the bins of :func:`calibration`, weighted by their share."""
    table = calibration(predictions, bins)
    return float((table["share"] * (table["confidence"] - table["accuracy"]).abs()).sum())


def stability(predictions: pd.DataFrame) -> pd.Series:
    """Whether a prediction equals the one for the same utterance's clean speech, by row; NaN where there is none.

    Parameters
    ----------
    predictions : pandas.DataFrame
        With condition "clean" among its conditions.
    """
    key = ["system", "utterance"]
    clean = predictions.loc[predictions["condition"] == "clean"].drop_duplicates(key).set_index(key)["predicted"]
    before = clean.reindex(pd.MultiIndex.from_frame(predictions[key])).to_numpy()
    same = pd.Series(before == predictions["predicted"].to_numpy(), index=predictions.index, dtype=float)
    return same.where(pd.notna(before))


def robustness_area(levels_db: np.ndarray, scores: np.ndarray) -> float:
    """Area under a score over decibels by the trapezoidal rule, divided by the range: its mean over that range."""
    order = np.argsort(levels_db)
    level, score = np.asarray(levels_db, float)[order], np.asarray(scores, float)[order]
    return float(np.trapezoid(score, level) / (level[-1] - level[0]))


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


def throughput(classify: Callable[[], int], seconds: float) -> float:
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

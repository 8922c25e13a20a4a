"""The same model untrained, and by how much what a trained one shows differs from what that shows.

What random weights show as well is a property of the clip, the architecture or the method, not of anything learnt.
"""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import torch
from scipy import stats

from sersupport.systems.base import System

MODELS = TRAINED, UNTRAINED = "trained", "untrained"  # values of the column ``model``
TEXTURE, ENERGY = "MFCC", "RMS"  # descriptors


def untrained(model: System, seed: int) -> System:
    """A system of the same configuration with random weights, in evaluation mode.

    All that is learnt is drawn anew by the architecture's own initialisation, the running statistics of its
    normalisations included, and the encoder where it is part of the model. What the system measured on its training
    rows beforehand, such as means to subtract, is kept: standardising is not learning. Those are the buffers that are
    its own, not a layer's.

    Parameters
    ----------
    model : System
        Left as it is.
    seed : int
        Of the weights. The global generator is left as it was.

    References
    ----------
    Adebayo et al. (2018), Sanity checks for saliency maps, arXiv 1810.03292: the model parameter randomisation test.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = type(model)(copy.deepcopy(model.config))
    measured = dict(model.named_buffers(recurse=False))
    for name, buffer in found.named_buffers(recurse=False):
        buffer.copy_(measured[name])
    return found.eval()


def against_untrained(table: pd.DataFrame, quantity: str, by: str = "explanation", level: float = 0.95) -> pd.DataFrame:
    """A quantity of the trained model, of untrained ones, and by how much a trained one differs from an untrained one.

    A speaker counts once: each clip's untrained values are averaged over the draws, both sides over the speaker's
    clips that have them, and the two are paired. The interval is of the difference to one more draw of random weights:
    had training changed nothing, the trained model would be one. So the squared error of the mean over speakers and
    the variance of the draws' means add up, with as many degrees of freedom as by Welch and Satterthwaite.

    Parameters
    ----------
    table : pandas.DataFrame
        ``model`` (:data:`TRAINED` or :data:`UNTRAINED`), ``draw``, ``speaker``, ``by``, the quantity, and
        ``utterance`` where a row is of a clip. Rows without a value are left out, such as those of a flat map.
    quantity : str
        Column.
    by : str
        Column of what is judged apart, such as the explanation.
    level : float
        Coverage, in (0, 1).

    Returns
    -------
    pandas.DataFrame
        A row for each value of ``by``, in order of appearance: ``by``; ``trained``, ``trained_low``,
        ``trained_high`` (mean and Student's interval over speakers); ``untrained`` (mean); ``difference`` (trained less
        untrained), ``low``, ``high``, ``p`` (two-sided, not corrected); ``speakers``, ``draws``; ``told_apart``: "more
        than untrained", "less than untrained", "not told apart" where the interval holds zero. Intervals and p are NaN
        with a single speaker, those of the difference with a single draw, too; ``told_apart`` is then "no interval".

    References
    ----------
    Welch (1947), The generalization of Student's problem when several different population variances are involved,
    Biometrika 34.
    """
    unit = ["speaker", "utterance"] if "utterance" in table else ["speaker"]
    rows = []
    for name, own in table.groupby(by, sort=False):
        of_draws = {model: own[own["model"] == model].pivot_table(quantity, unit, "draw") for model in MODELS}
        clips = pd.DataFrame({model: of.mean(axis=1) for model, of in of_draws.items()}).dropna()
        values = clips.groupby("speaker").mean()
        gaps = values[TRAINED] - values[UNTRAINED]
        draws = of_draws[UNTRAINED].loc[clips.index].groupby("speaker").mean().mean()
        another = draws.var() * (1 + 1 / max(len(draws), 1)), len(draws) - 1
        _, trained_low, trained_high, _ = _student(values[TRAINED].mean(), [_error(values[TRAINED])], level)
        difference, low, high, p = _student(gaps.mean(), [_error(gaps), another], level)
        rows.append({
            by: name, "trained": values[TRAINED].mean(), "trained_low": trained_low, "trained_high": trained_high,
            "untrained": values[UNTRAINED].mean(), "difference": difference, "low": low, "high": high, "p": p,
            "speakers": len(values), "draws": len(draws), "told_apart": _told_apart(low, high),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _error(values: pd.Series) -> tuple[float, int]:
    """Squared standard error of a mean, and its degrees of freedom."""
    return values.sem() ** 2, len(values) - 1


def _student(mean: float, errors: list[tuple[float, int]], level: float) -> tuple[float, float, float, float]:
    """A mean with its interval and p value of zero, from squared errors that add up and their degrees of freedom."""
    if any(freedom < 1 for _, freedom in errors):
        return mean, np.nan, np.nan, np.nan
    squares = np.maximum([square for square, _ in errors], 1e-24)
    freedom = squares.sum() ** 2 / np.sum(squares**2 / [freedom for _, freedom in errors])
    error = np.sqrt(squares.sum())
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    return mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, freedom))


def _told_apart(low: float, high: float) -> str:
    if np.isnan(low):
        return "no interval"
    return "more than untrained" if low > 0 else "less than untrained" if high < 0 else "not told apart"


def texture_over_energy(importance: pd.DataFrame) -> pd.DataFrame:
    """How many times as much a cepstral feature weighs as one of energy, in powers of two.

    Parameters
    ----------
    importance : pandas.DataFrame
        ``model``, ``draw``, ``speaker``, ``descriptor`` and ``importance``, that of one feature of the descriptor.

    Returns
    -------
    pandas.DataFrame
        ``model``, ``draw``, ``speaker``, ``explanation`` ("SHAP"), ``log2_ratio``: of the importance of an MFCC over
        that of an RMS, so that 1 is twice as much and -1 half as much.
    """
    wide = importance.pivot_table("importance", ["model", "draw", "speaker"], "descriptor")
    ratio = np.log2(wide[TEXTURE] / wide[ENERGY])
    return ratio.rename("log2_ratio").reset_index().assign(explanation="SHAP")

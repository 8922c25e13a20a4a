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

TRAINED, UNTRAINED = "trained", "untrained"  # values of the column ``model``
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
    """A quantity of the trained model, of untrained ones, and their difference over speakers.

    A speaker counts once: each clip's untrained values are averaged over the draws, both sides over the speaker's
    clips that have them, and the two are paired. The interval is of the speakers; what another training would give is
    not in it.

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
        untrained), ``low``, ``high``, ``p`` (two-sided, Student's t over speakers, not corrected); ``speakers``;
        ``told_apart``: "more than untrained", "less than untrained", "not told apart" where the interval holds zero.
        Intervals and p are NaN with a single speaker, and ``told_apart`` is "no interval".
    """
    unit = ["speaker", "utterance"] if "utterance" in table else ["speaker"]
    rows = []
    for name, own in table.groupby(by, sort=False):
        values = own.pivot_table(quantity, unit, "model", aggfunc="mean").reindex(columns=[TRAINED, UNTRAINED])
        values = values.dropna().groupby("speaker").mean()
        _, trained_low, trained_high, _ = _student(values[TRAINED], level)
        difference, low, high, p = _student(values[TRAINED] - values[UNTRAINED], level)
        rows.append({
            by: name, "trained": values[TRAINED].mean(), "trained_low": trained_low, "trained_high": trained_high,
            "untrained": values[UNTRAINED].mean(), "difference": difference, "low": low, "high": high, "p": p,
            "speakers": len(values), "told_apart": _told_apart(low, high),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _student(values: pd.Series, level: float) -> tuple[float, float, float, float]:
    """Mean, interval, and p value of zero, by Student's t; NaN but for the mean with fewer than two values."""
    mean = float(values.mean())
    if len(values) < 2:
        return mean, np.nan, np.nan, np.nan
    error = max(float(values.sem()), 1e-12)
    half = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, len(values) - 1))


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

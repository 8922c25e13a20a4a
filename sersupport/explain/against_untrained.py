"""By how much what a trained model shows differs from what the same model shows untrained.

What random weights show as well is a property of the clip, the architecture or the method, not of anything learnt.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sersupport.evaluation.resampling import tested

MODELS = TRAINED, UNTRAINED = "trained", "untrained"  # values of the column ``model``
TEXTURE, ENERGY = "MFCC", "RMS"  # descriptors


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
        alone = _student(values[TRAINED], [_error(values[TRAINED])], level)
        gap = _student(gaps, [_error(gaps), another], level)
        rows.append({
            by: name, "trained": alone["difference"], "trained_low": alone["low"], "trained_high": alone["high"],
            "untrained": values[UNTRAINED].mean(), **gap, "draws": len(draws),
            "told_apart": _told_apart(gap["low"], gap["high"]),
        })  # fmt: skip
    return pd.DataFrame(rows)


def _error(values: pd.Series) -> tuple[float, int]:
    """Squared standard error of a mean, and its degrees of freedom."""
    return values.sem() ** 2, len(values) - 1


def _student(values: pd.Series, errors: list[tuple[float, int]], level: float) -> dict[str, float]:
    """The mean over speakers, tested against zero, from squared errors that add up and their degrees of freedom."""
    squares, freedoms = np.maximum(np.array(errors, float).T, [[1e-24], [0]])
    if min(freedoms) < 1:
        return tested(float(values.mean()), np.nan, np.nan, len(values), level)
    freedom = squares.sum() ** 2 / (squares**2 / freedoms).sum()
    return tested(float(values.mean()), float(np.sqrt(squares.sum())), float(freedom), len(values), level)


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

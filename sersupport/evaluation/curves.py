"""What noise does to predictions and scores."""

import numpy as np
import pandas as pd


def stability(predictions: pd.DataFrame) -> pd.Series:
    """Whether a prediction equals the same model's for the utterance's clean speech, by row; NaN where there is none.

    Parameters
    ----------
    predictions : pandas.DataFrame
        With condition "clean" among its conditions. A model is told by system, protocol, fold and seed, as far as
        there are such columns.
    """
    key = [name for name in ("system", "protocol", "fold", "seed", "utterance") if name in predictions]
    clean = predictions.loc[predictions["condition"] == "clean", [*key, "predicted"]].drop_duplicates(key)
    before = predictions[key].merge(clean, how="left", on=key)["predicted"].to_numpy()
    same = pd.Series(before == predictions["predicted"].to_numpy(), index=predictions.index, dtype=float)
    return same.where(pd.notna(before))


def robustness_area(levels_db: np.ndarray, scores: np.ndarray) -> float:
    """Area under a score over decibels by the trapezoidal rule, divided by the range: its mean over that range.

    At a single level, the score there.
    """
    order = np.argsort(levels_db)
    level, score = np.asarray(levels_db, float)[order], np.asarray(scores, float)[order]
    span = level[-1] - level[0]
    return float(np.trapezoid(score, level) / span if span else score.mean())

"""How far confidence can be trusted."""

import numpy as np
import pandas as pd

from sersupport.systems.predictions import probabilities


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
    confidence = probabilities(predictions).max(axis=1)
    right = predictions["true"] == predictions["predicted"]
    place = np.ceil(confidence * bins).clip(lower=1)
    table = pd.DataFrame({"confidence": confidence, "accuracy": right}).groupby(place.to_numpy())
    return table.mean().assign(share=table.size() / len(predictions)).reset_index(drop=True)


def expected_calibration_error(predictions: pd.DataFrame, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over the bins of :func:`calibration`, weighted by their share."""
    table = calibration(predictions, bins)
    return float((table["share"] * (table["confidence"] - table["accuracy"]).abs()).sum())

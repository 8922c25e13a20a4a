"""How far confidence can be trusted."""

import numpy as np
import pandas as pd

from sersupport.core.seeds import generator
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
    table = pd.DataFrame({"confidence": confidence, "accuracy": right}).groupby(_bin(confidence.to_numpy(), bins))
    return table.mean().assign(share=table.size() / len(predictions)).reset_index(drop=True)


def _bin(confidence: np.ndarray, bins: int) -> np.ndarray:
    return np.ceil(confidence * bins).clip(min=1).astype(int)


def expected_calibration_error(predictions: pd.DataFrame, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over the bins of :func:`calibration`, weighted by their share."""
    table = calibration(predictions, bins)
    return float((table["share"] * (table["confidence"] - table["accuracy"]).abs()).sum())


def if_calibrated(predictions: pd.DataFrame, bins: int = 15, samples: int = 1000, seed: int = 0) -> np.ndarray:
    """Expected calibration errors that speakers alone would make of a model that is calibrated on average.

    What a speaker's recordings are right beyond their confidence, in each bin, would be as likely to be that much below
    it: its sign is drawn for each speaker, whose predictions are not independent.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of the predictions table.
    bins : int
        As for :func:`calibration`.
    samples, seed : int
        How often signs are drawn, and their seed.

    Returns
    -------
    np.ndarray, shape (samples,)

    References
    ----------
    Canay, Romano and Shaikh (2017), Randomization tests under an approximate symmetry assumption, Econometrica 85(3).
    Vaicenavicius et al. (2019), Evaluating model calibration in classification, AISTATS: errors that only chance makes.
    """
    confidence = probabilities(predictions).max(axis=1).to_numpy(float)
    surplus = (predictions["true"] == predictions["predicted"]).to_numpy() - confidence
    speaker = pd.factorize(predictions["speaker"])[0]
    of_speaker = np.zeros((speaker.max() + 1, bins + 1))
    np.add.at(of_speaker, (speaker, _bin(confidence, bins)), surplus)
    signs = generator(seed, "calibrated").choice([-1, 1], (samples, len(of_speaker)))
    return np.abs(signs @ of_speaker).sum(axis=1) / len(predictions)


def calibration_test(predictions: pd.DataFrame, bins: int = 15, samples: int = 1000, seed: int = 0) -> dict[str, float]:
    """Whether an expected calibration error is more than speakers make by chance.

    Parameters
    ----------
    predictions, bins, samples, seed
        As for :func:`if_calibrated`.

    Returns
    -------
    dict
        ``error``; ``calibrated`` and ``calibrated_high``, the mean and the 95th percentile of what chance gives;
        ``p``, the share of that which is as large as the error.
    """
    error, chance = expected_calibration_error(predictions, bins), if_calibrated(predictions, bins, samples, seed)
    p = (1 + np.sum(chance >= error - 1e-12)) / (1 + samples)
    high = float(np.quantile(chance, 0.95))
    return {"error": error, "calibrated": float(chance.mean()), "calibrated_high": high, "p": float(p)}

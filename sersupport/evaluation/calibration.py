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
    """Expected calibration errors that a perfectly calibrated model of the same confidences would show by chance.

    Labels are drawn from the predictions' own probabilities; everything else stays. Rows of one utterance, which have
    one label in truth, share the number in [0, 1) that picks it: they are not as many independent trials.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Rows of the predictions table.
    bins : int
        As for :func:`calibration`.
    samples, seed : int
        How often labels are drawn, and their seed.

    Returns
    -------
    np.ndarray, shape (samples,)

    References
    ----------
    Bröcker and Smith (2007), Increasing the reliability of reliability diagrams, Weather and Forecasting 22(3).
    Vaicenavicius et al. (2019), Evaluating model calibration in classification, AISTATS: errors that only chance makes.
    """
    shares = probabilities(predictions).to_numpy(float)
    shares = shares / shares.sum(axis=1, keepdims=True)  # to the last digit
    said, rows = shares.argmax(axis=1), np.arange(len(shares))
    confidence, ends = shares[rows, said], shares.cumsum(axis=1)[rows, said]
    place = _bin(confidence, bins)
    utterance = pd.factorize(predictions["utterance"])[0]
    rng, errors = generator(seed, "calibrated"), np.empty(samples)
    for sample in range(samples):
        picked = rng.random(utterance.max() + 1)[utterance]
        right = (picked < ends) & (picked >= ends - confidence)
        errors[sample] = np.abs(np.bincount(place, right - confidence)).sum() / len(place)
    return errors


def calibration_test(predictions: pd.DataFrame, bins: int = 15, samples: int = 1000, seed: int = 0) -> dict[str, float]:
    """Whether an expected calibration error is more than chance gives a perfectly calibrated model of the same size.

    Parameters
    ----------
    predictions, bins, samples, seed
        As for :func:`if_calibrated`.

    Returns
    -------
    dict
        ``error``; ``calibrated`` and ``calibrated_high``, the mean and the 95th percentile of a calibrated model's;
        ``p``, the share of these that are as large as the error.
    """
    error, chance = expected_calibration_error(predictions, bins), if_calibrated(predictions, bins, samples, seed)
    p = (1 + np.sum(chance >= error)) / (1 + samples)
    high = float(np.quantile(chance, 0.95))
    return {"error": error, "calibrated": float(chance.mean()), "calibrated_high": high, "p": float(p)}

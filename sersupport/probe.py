"""Linear probe: what a frozen encoder's frames tell without any further network."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sersupport import UserError
from sersupport.corpora import EMOTIONS
from sersupport.dataset import Materials
from sersupport.evaluation import predictions_table

PENALTY = 0.01  # scikit-learn's C, on standardised dimensions


def pooled(rows: Materials) -> np.ndarray:
    """Mean and standard deviation over time of the frames before the padding, shape (n, 2 D), in float32."""
    frames, lengths = rows.arrays["frames"], np.maximum(rows.arrays["n_frames"], 1)
    clips = (own[:length].astype(np.float32) for own, length in zip(frames, lengths, strict=True))
    return np.stack([np.concatenate([clip.mean(axis=0), clip.std(axis=0)]) for clip in clips])


def classify(train: Materials, test: Materials) -> np.ndarray:
    """Probabilities (n, 7) of test rows by logistic regression on the pooled frames of the training rows.

    Dimensions are standardised, every class weighs the same; a class that is not in training gets 0.

    References
    ----------
    Alain and Bengio (2017), Understanding intermediate layers using linear classifier probes, arXiv 1610.01644.
    """
    classifier = LogisticRegression(C=PENALTY, class_weight="balanced", max_iter=2000)
    probe = make_pipeline(StandardScaler(), classifier).fit(pooled(train), train.labels)
    found = np.zeros((len(test), len(EMOTIONS)))
    found[:, probe.classes_] = probe.predict_proba(pooled(test))
    return found


def predictions(train: Materials, test: Materials, utterances: pd.DataFrame, **constants: str | int) -> pd.DataFrame:
    """Predictions table of a probe; see :func:`sersupport.evaluation.predictions_table`."""
    return predictions_table(test, classify(train, test), utterances, **constants)


def cross_validated(
    train: Materials, test: Materials, groups: pd.Series, utterances: pd.DataFrame, **constants: str | int
) -> pd.DataFrame:
    """Predictions for test rows of each group of utterances by a probe trained on the other groups.

    Parameters
    ----------
    train, test : Materials
        Rows of the same utterances: to train on, such as the clean ones, and to be classified.
    groups : pandas.Series
        Group by utterance ``id``, such as a fold of speakers.
    utterances, **constants
        As for :func:`predictions`.

    Raises
    ------
    UserError
        If there is one group only.
    """
    own, others = (rows.recipes["utterance"].map(groups).to_numpy() for rows in (test, train))
    if len(set(own)) < 2:
        raise UserError("a probe that is tested on some speakers and trained on others needs two folds of speakers")
    tables = [
        predictions(train.select(others != group), test.select(own == group), utterances, **constants)
        for group in sorted(set(own))
    ]
    return pd.concat(tables, ignore_index=True)

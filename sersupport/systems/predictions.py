"""The predictions table: one row a sample, with what was true, what was said, and how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from sersupport.inputs.store import Materials

_COLUMN = "p_"  # with the class: its probability


def probabilities(predictions: pd.DataFrame) -> pd.DataFrame:
    """The columns of a predictions table that hold a probability, one a class."""
    return predictions[[column for column in predictions if column.startswith(_COLUMN)]]


def predictions_table(
    materials: Materials, found: np.ndarray, utterances: pd.DataFrame, **constants: str | int
) -> pd.DataFrame:
    """One row a prediction.

    Parameters
    ----------
    materials : Materials
        What was classified.
    found : np.ndarray, shape (n, C)
        Probability of each class, in the order of the materials' classes.
    utterances : pandas.DataFrame
        The utterance table, for corpus, speaker and sex.
    **constants
        ``protocol``, ``fold``, ``seed``, ``system``.

    Returns
    -------
    pandas.DataFrame
        utterance, condition, noise, source (that its recording was cut from), level_kind, level, corpus, speaker,
        sex, the constants, true, predicted and one probability a class.
    """
    recipe = materials.recipes[["utterance", "condition", "noise", "source", "level_kind", "level"]]
    who = utterances.set_index("id")[["corpus", "speaker", "sex"]].loc[recipe["utterance"]].reset_index(drop=True)
    frame = pd.concat([recipe.reset_index(drop=True), who], axis=1).assign(**constants)
    classes = np.array(materials.classes)
    frame["true"] = classes[materials.labels]
    frame["predicted"] = classes[found.argmax(axis=1)]
    frame[[f"{_COLUMN}{name}" for name in classes]] = found
    return frame

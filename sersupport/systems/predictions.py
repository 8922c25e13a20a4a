"""The predictions table: one row a sample, with what was true, what was said, and how sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from sersupport.corpora.convention import EMOTIONS

if TYPE_CHECKING:
    from sersupport.inputs.store import Materials

PROBABILITIES = [f"p_{emotion}" for emotion in EMOTIONS]


def predictions_table(
    materials: Materials, probabilities: np.ndarray, utterances: pd.DataFrame, **constants: str | int
) -> pd.DataFrame:
    """One row a prediction.

    Parameters
    ----------
    materials : Materials
        What was classified.
    probabilities : np.ndarray, shape (n, 7)
        One column a class, in the order of :data:`sersupport.corpora.convention.EMOTIONS`.
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

"""Predictions of simulated speakers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from sersupport.corpora.convention import EMOTIONS

CLASSES = np.array(EMOTIONS)


def _simulated(rng, speakers: int, utterances: int, spread: float, mean: float = 0.4, systems=("one",), gain=0.0):
    rows = []
    for speaker in range(speakers):
        ability = mean + spread * rng.standard_normal()
        for place, system in enumerate(systems):
            right = rng.random((7, utterances)) < special.expit(ability + gain * place)
            true = np.repeat(np.arange(7), utterances)
            wrong = (true + rng.integers(1, 7, true.size)) % 7
            predicted = np.where(right.ravel(), true, wrong)
            rows.append(
                pd.DataFrame({
                    "speaker": f"s{speaker}",
                    "system": system,
                    "utterance": [f"{speaker}-{i}" for i in range(true.size)],
                    "true": CLASSES[true],
                    "predicted": CLASSES[predicted],
                })
            )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


@pytest.fixture(scope="session")
def simulated():
    """Makes predictions of speakers who differ: the logit of a speaker's recall is normal with deviation ``spread``."""
    return _simulated


@pytest.fixture(scope="session")
def skilled():
    """Makes predictions of speakers of given skill."""

    def make(per_speaker: int, skill: np.ndarray, seed: int = 0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        rows = []
        for speaker, share in enumerate(skill):
            for i in range(per_speaker):
                true = EMOTIONS[i % 7]
                predicted = true if rng.random() < share else EMOTIONS[(i + 1 + rng.integers(6)) % 7]
                rows.append(
                    {"utterance": f"{speaker}-{i}", "speaker": f"s{speaker}", "true": true, "predicted": predicted}
                )
        return pd.DataFrame(rows)

    return make

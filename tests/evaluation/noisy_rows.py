"""Predictions in noise whose recall is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sersupport.corpora.convention import EMOTIONS

SPEAKERS, EACH = 8, 3


def rows(system: str, recall: float, noise="", level=0.0, kind="snr", part="test", sources=3, seed=0) -> pd.DataFrame:
    """Predictions of every utterance in one condition, its source by turns, that are right by chance with a recall."""
    rng = np.random.default_rng([seed, *map(ord, f"{system}{noise}{level}{kind}{part}")])
    number = np.arange(SPEAKERS * 7 * EACH)
    true = number % 7
    right = rng.random(number.size) < recall + 0.1 * np.sin(number // (7 * EACH))
    recorded = [f"{part}/{noise}/{place}" if sources else "" for place in number % max(sources, 1)]
    frame = pd.DataFrame({
        "utterance": [f"u{place}" for place in number], "speaker": [f"s{place // (7 * EACH)}" for place in number],
        "system": system, "condition": f"{noise}@{level:g}" if noise else "clean", "noise": noise,
        "source": recorded if noise else "", "level_kind": kind if noise else "none", "level": level,
        "noise_part": part, "true": np.array(EMOTIONS)[true],
    })  # fmt: skip
    return frame.assign(predicted=np.array(EMOTIONS)[np.where(right, true, (true + rng.integers(1, 7, true.size)) % 7)])


def of(predictions: pd.DataFrame, **values: object) -> pd.DataFrame:
    chosen = np.logical_and.reduce([predictions[name] == value for name, value in values.items()])
    return predictions[chosen]

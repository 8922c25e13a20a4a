"""Materials that a small model learns within seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sersupport.core.cache import Cache
from sersupport.corpora.convention import EMOTIONS
from sersupport.inputs.store import Materials
from sersupport.systems.fusion import FusionConfig, row_config

LENGTH, FRAMES, DIM = 300, 6, 5
EATEN = {"A": ["spectral"], "B": ["frames"], "C": ["spectral", "frames"], "D": ["spectral", "frames"]}


def materials(n: int, seed: int, classes: int = 7) -> Materials:
    """Descriptors and frames whose centre is the class's; the last frame is padding."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = np.random.default_rng(99).normal(size=(7, LENGTH))
    spectral = 5 + 3 * (centres[labels] + 0.5 * rng.normal(size=(n, LENGTH)))
    frames = rng.normal(size=(n, FRAMES, DIM)) + labels[:, None, None]
    names = [f"toy/{seed}-{i:03d}" for i in range(n)]
    constants = {"condition": "clean", "noise": "", "source": "", "level_kind": "none", "level": 0.0}
    recipes = pd.DataFrame({"utterance": names, **constants})
    arrays = {"spectral": spectral.astype(np.float32), "frames": frames.astype(np.float16)}
    return Materials(recipes, labels, EMOTIONS, arrays, {"frames": np.full(n, FRAMES - 1)})


def on_disk(rows: Materials, folder: Path) -> Materials:
    """The same rows in memory-mapped files."""
    cache = Cache(folder)
    keys = [[role, utterance] for role in rows.arrays for utterance in rows.recipes["utterance"]]
    found = {}
    for number, (role, array) in enumerate(rows.arrays.items()):
        own = keys[number * len(rows) : (number + 1) * len(rows)]

        def compute(_, chosen, role=role, array=array):
            return {role: {"values": array[chosen]}}

        found[role] = cache.fetch({role: {"kind": role}}, own, compute)[role]["values"]
    return Materials(rows.recipes, rows.labels, rows.classes, found, rows.lengths)


def config(row: str = "D", **more) -> FusionConfig:
    """A narrow row of the ablation for these materials."""
    own = {"spectral_length": LENGTH, "frame_dim": DIM, "cnn_width": 0.03}
    return row_config(row, **own | {"inputs": {role: {"kind": role} for role in EATEN[row]}} | more)


@pytest.fixture(autouse=True)
def one_thread():
    """Networks this small are slower on more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

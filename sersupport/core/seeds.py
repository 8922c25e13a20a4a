"""Random generators of keys: what is drawn depends on a key alone, never on order, batch or process."""

from __future__ import annotations

import hashlib

import numpy as np


def key_seed(*key: object) -> int:
    """Seed in [0, 2^63), which fits a column of a table, that depends on every part of the key and on nothing else."""
    text = "\x1f".join(map(str, key))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) >> 1


def generator(*key: object, wide: bool = False) -> np.random.Generator:
    """Random generator of a key: the same key, the same draws, in any order and any process.

    Parameters
    ----------
    *key
        What the draws depend on, a run's seed first.
    wide : bool
        Seed with 256 bits instead of :func:`key_seed`'s 63. The embedded corpus is drawn so, and its bytes must
        never change.
    """
    if not wide:
        return np.random.default_rng(key_seed(*key))
    text = "/".join(map(str, key))
    return np.random.default_rng(np.frombuffer(hashlib.sha256(text.encode()).digest(), dtype="<u4"))

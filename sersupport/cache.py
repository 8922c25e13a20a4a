"""Row-wise cache of computed arrays, keyed by what they were computed from."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from sersupport import UserError

# what figures depend on
LIBRARIES = (
    "numpy", "scipy", "pandas", "soundfile", "soxr", "librosa", "praat-parselmouth", "torch", "transformers",
    "scikit-learn", "statsmodels", "shap", "captum",
)  # fmt: skip


def digest(value: Any) -> str:
    """Hex digest of a JSON-serialisable value; equal values, equal digests."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def code_version(modules: Iterable[ModuleType]) -> str:
    """Digest of the modules' source text and the libraries' versions: only with it may change what they compute."""
    return digest([[inspect.getsource(module) for module in modules], library_versions()])


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Version of each of :data:`LIBRARIES`."""
    return {name: metadata.version(name) for name in LIBRARIES}


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to that takes the place of ``path`` at the end: a file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Cache:
    """A folder of chunks of rows.

    Each chunk is one safetensors file named by the digest of its description and of its rows' keys: a run that is
    killed loses at most the chunk it was working on.

    Parameters
    ----------
    folder : Path
        Where the chunks lie; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rows(
        self,
        kind: str,
        keys: Sequence[Any],
        compute: Callable[[np.ndarray], dict[str, np.ndarray]],
        describe: Mapping[str, Any],
        chunk: int = 128,
        groups: Sequence[Any] | None = None,
    ) -> dict[str, np.ndarray]:
        """Arrays of one row a key, computed chunk by chunk where they are not cached.

        Parameters
        ----------
        kind : str
            Name of what is computed: the sub-folder and the label of the progress bar.
        keys : sequence of JSON-serialisable values, length n
            All that a row depends on besides ``describe``.
        compute : callable
            Takes the numbers of some rows, returns named arrays with that many rows.
        describe : mapping
            Parameters and code version that all rows share.
        chunk : int
            Rows a file, at most.
        groups : sequence, length n, optional
            Of hashable values. Rows of two groups share no file, so that keys which are some whole groups of others
            find what was computed for those.

        Returns
        -------
        dict of str to np.ndarray
            The arrays over all n rows.
        """
        if not len(keys):
            raise UserError(f"{kind}: no rows to compute; choose more corpora or another fold")
        members = {}
        for row, group in enumerate(groups if groups is not None else [0] * len(keys)):
            members.setdefault(group, []).append(row)
        chunks = [
            np.array(own[start : start + chunk]) for own in members.values() for start in range(0, len(own), chunk)
        ]
        found = {}
        for rows in tqdm(chunks, desc=kind, unit="chunk", leave=False):
            path = self.folder / kind / f"{digest([dict(describe), [keys[row] for row in rows]])}.safetensors"
            if not path.exists():
                arrays = {name: np.ascontiguousarray(array) for name, array in compute(rows).items()}
                with whole(path) as temporary:
                    save_file(arrays, temporary)
            for name, part in load_file(path).items():
                found.setdefault(name, np.empty((len(keys), *part.shape[1:]), part.dtype))[rows] = part
        return found

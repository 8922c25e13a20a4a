"""Content keys: digests of values, files, code and library versions."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

# what figures depend on
LIBRARIES = (
    "numpy", "scipy", "pandas", "soundfile", "soxr", "librosa", "praat-parselmouth", "torch", "transformers",
    "accelerate", "scikit-learn", "statsmodels", "shap", "captum", "numba",
)  # fmt: skip
PACKAGE = Path(__file__).parents[1]


def digest(value: Any) -> str:
    """Hex digest of a JSON-serialisable value; equal values, equal digests."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def file_digest(path: Path) -> str:
    """Hex digest of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def files_digest(folder: Path, paths: Iterable[Path]) -> str:
    """Digest of the names and contents of files, their paths relative to a folder."""
    return digest([[path.as_posix(), file_digest(folder / path)] for path in paths])


def _read() -> dict[Path, str]:
    return {path.relative_to(PACKAGE): file_digest(path) for path in sorted(PACKAGE.rglob("*.py"))}


_SOURCES = _read()  # at import: what is edited on disk later is not what this process computes with


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Version of Python and of each of :data:`LIBRARIES`."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in LIBRARIES}


@lru_cache
def code_version(*folders: str) -> str:
    """Digest of all that computes: every module below some folders of the package, and the libraries' versions.

    The modules are those that lay there when this process began.

    Parameters
    ----------
    folders : str
        Relative to the package, such as ``"sound"`` or ``"inputs/encoders"``; their order does not matter.

    Raises
    ------
    ValueError
        If one of them is no folder of the package: a renamed folder must not leave a key that never changes.
    """
    if absent := [folder for folder in folders if not (PACKAGE / folder).is_dir()]:
        raise ValueError(f"code_version: the package has no folder {', '.join(absent)}")
    modules = [path for path in _SOURCES if any(path.is_relative_to(folder) for folder in folders)]
    return digest([[[path.as_posix(), _SOURCES[path]] for path in modules], library_versions()])

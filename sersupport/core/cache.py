"""Rows of arrays on disk, each computed once, keyed by what it was computed from, and read through memory maps."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tqdm import tqdm

from sersupport.core.errors import UserError
from sersupport.core.files import remove
from sersupport.core.keys import digest, file_digest

PACK_ROWS = 512  # rows that share their files: a killed computation loses no more
OPEN_MAPS = 16  # maps a process holds open: each takes a file descriptor, and the pages it has shown count as memory

Place = tuple[Path, int]  # a pack and a row in it


@lru_cache(maxsize=OPEN_MAPS)
def _mapped(path: Path) -> np.ndarray:
    return np.load(path, mmap_mode="r", allow_pickle=False)


class Rows:
    """An array whose rows lie in memory-mapped files; only what is asked for is read.

    Integer indices give a row as an array of its own; slices, masks and index arrays give other :class:`Rows` over the
    same files. ``np.asarray(rows)`` and :meth:`array` read all of it. Can be pickled: it holds paths, not arrays.

    Parameters
    ----------
    files : sequence of Path
        The ``.npy`` files, equal in dtype and in shape but for their length.
    file, row : np.ndarray of int, shape (n,)
        Which file, and which row of it, each row is.
    """

    def __init__(self, files: Sequence[Path], file: np.ndarray, row: np.ndarray) -> None:
        self._files, self._file, self._row = files, file, row
        sample = _mapped(files[0])
        self.dtype, self.shape = sample.dtype, (len(row), *sample.shape[1:])

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, index: int | slice | np.ndarray | Sequence[int]) -> np.ndarray | Rows:
        if isinstance(index, int | np.integer):
            return np.array(_mapped(self._files[self._file[index]])[self._row[index]])
        index = index if isinstance(index, slice) else np.asarray(index, dtype=None if len(index) else np.intp)
        return Rows(self._files, self._file[index], self._row[index])

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.array().astype(dtype or self.dtype, copy=False)

    def array(self) -> np.ndarray:
        """All rows, read into memory."""
        read = np.empty(self.shape, self.dtype)
        for file in np.unique(self._file):
            own = np.flatnonzero(self._file == file)
            read[own] = _mapped(self._files[file])[self._row[own]]
        return read


class Cache:
    """A folder of packs of rows.

    ``<kind>/<digest of the description>/<pack>/`` holds up to :data:`PACK_ROWS` rows: an ``.npy`` file an array, and
    ``pack.json`` with the digests of the rows' keys and of the files; the pack's name is the digest of that. What does
    not fit its digest, when a process first uses it, is dropped and made again.

    Parameters
    ----------
    folder : Path
        Where the packs lie; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(
        self,
        requests: Mapping[str, Mapping[str, Any]],
        keys: Sequence[Any],
        compute: Callable[[tuple[str, ...], np.ndarray], Mapping[str, Mapping[str, np.ndarray]]],
        groups: Sequence[Any] | None = None,
        batch: int = 64,
        label: str = "",
    ) -> dict[str, dict[str, Rows]]:
        """Arrays of one row a key, computed batch by batch where they are not there yet.

        Parameters
        ----------
        requests : mapping of str to mapping
            Name of what is asked for to its description: all that its rows share, JSON-serialisable, among it
            ``kind``, which names the sub-folder.
        keys : sequence of JSON-serialisable values, length n
            All that a row depends on besides the descriptions. Equal keys are computed once.
        compute : callable
            Takes the names of the requests that lack some rows, and the numbers of these rows; returns for each name
            named arrays with that many rows.
        groups : sequence, length n, optional
            Of hashable values. No batch holds rows of two groups.
        batch : int
            Rows that are computed at once, at most.
        label : str
            Of the progress bar and of errors; by default the kinds.

        Returns
        -------
        dict of str to dict of str to Rows
            By request and array, over all n rows.

        Raises
        ------
        UserError
            Without keys.
        """
        label = label or ", ".join(dict.fromkeys(str(request["kind"]) for request in requests.values()))
        if not len(keys):
            raise UserError(f"{label}: no rows to compute; choose more corpora or another fold")
        named = [digest(key) for key in keys]
        folders = {name: self._folder(request) for name, request in requests.items()}
        found = {name: self._find(folder, set(named)) for name, folder in folders.items()}
        batches = _batches(named, found, groups, batch)
        made: dict[str, list[tuple[np.ndarray, Mapping[str, np.ndarray]]]] = {name: [] for name in requests}

        def keep(name: str) -> None:
            parts, made[name] = made[name], []
            if parts:
                rows = [named[row] for numbers, _ in parts for row in numbers]
                arrays = {key: np.concatenate([arrays[key] for _, arrays in parts]) for key in parts[0][1]}
                found[name] |= self._write(folders[name], rows, arrays)

        try:
            # given a value for disable, tqdm would not ask the environment
            for names, rows in tqdm(batches, desc=label, unit="batch", leave=False) if batches else ():
                arrays = compute(names, rows)
                for name in names:
                    if sum(len(numbers) for numbers, _ in made[name]) + len(rows) > PACK_ROWS:
                        keep(name)
                    made[name].append((rows, arrays[name]))
        finally:  # also of a computation that is stopped
            for name in requests:
                keep(name)
        return {name: _assembled([found[name][key] for key in named]) for name in requests}

    def lacking(self, requests: Mapping[str, Mapping[str, Any]], keys: Sequence[Any]) -> np.ndarray:
        """Which rows :meth:`fetch` would compute something for, bool (n,): those that no pack says it holds."""
        named = [digest(key) for key in keys]
        found = [self._find(self._folder(request), set(named), check=False) for request in requests.values()]
        return np.array([any(key not in places for places in found) for key in named], dtype=bool)

    def _folder(self, request: Mapping[str, Any]) -> Path:
        return self.folder / request["kind"] / digest(dict(request))

    def _find(self, folder: Path, wanted: set[str], check: bool = True) -> dict[str, Place]:
        """Where the wanted rows are that are there; damaged packs are removed."""
        found: dict[str, Place] = {}
        packs = [path for path in sorted(folder.glob("*")) if re.fullmatch("[0-9a-f]{32}", path.name)]
        for pack in tqdm(packs, desc="cache", unit="pack", leave=False, delay=2):
            try:
                index = json.loads((pack / "pack.json").read_text(encoding="utf-8"))
                if digest(index) != pack.name:
                    raise ValueError("changed")
                own = {key: (pack, row) for row, key in enumerate(index["rows"]) if key in wanted and key not in found}
                if (
                    own
                    and check
                    and not all(_agrees(pack / f"{name}.npy", own) for name, own in index["arrays"].items())
                ):
                    raise ValueError("changed")
            except (FileNotFoundError, NotADirectoryError, ValueError):  # other errors say nothing about the pack
                _remove(pack)
            else:
                found |= own
        return found

    def _write(self, folder: Path, rows: list[str], arrays: Mapping[str, np.ndarray]) -> dict[str, Place]:
        """Write a pack, whole or not at all; where its rows are."""
        if any(len(array) != len(rows) for array in arrays.values()):
            raise ValueError(f"{folder.parent.name}: {len(rows)} rows asked for, others computed")
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".making-") as making:
            new = Path(making, "pack")
            new.mkdir()
            for name, array in arrays.items():
                np.save(new / f"{name}.npy", array, allow_pickle=False)
            index = {"rows": rows, "arrays": {name: file_digest(new / f"{name}.npy") for name in arrays}}
            (new / "pack.json").write_text(json.dumps(index), encoding="utf-8")
            pack = folder / digest(index)
            try:
                os.rename(new, pack)
            except OSError:
                if not (pack / "pack.json").exists():  # else another process did the same work meanwhile
                    raise
        return {key: (pack, row) for row, key in enumerate(rows)}


def _remove(pack: Path) -> None:
    remove(pack)
    _mapped.cache_clear()  # the same rows made again have the same name


def _batches(
    named: Sequence[str], found: Mapping[str, Mapping[str, Place]], groups: Sequence[Any] | None, batch: int
) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Rows to compute, and for which requests: in their order, apart by group and by what they lack."""
    members: dict[Any, list[int]] = {}
    seen = set()
    for row, key in enumerate(named):
        names = tuple(name for name, places in found.items() if key not in places)
        if names and key not in seen:
            members.setdefault((groups[row] if groups is not None else None, names), []).append(row)
        seen.add(key)
    return [
        (names, np.array(own[start : start + batch]))
        for (_, names), own in members.items()
        for start in range(0, len(own), batch)
    ]


def _agrees(path: Path, known: str) -> bool:
    """Whether a file has this digest; read once a process, as long as its stamp stays."""
    stamp = path.stat()
    return _digested(path, stamp.st_mtime_ns, stamp.st_size) == known


@cache
def _digested(path: Path, modified_ns: int, size: int) -> str:
    return file_digest(path)


def _assembled(places: Sequence[Place]) -> dict[str, Rows]:
    numbers = {pack: number for number, pack in enumerate(dict.fromkeys(pack for pack, _ in places))}
    file, row = (np.array(column) for column in zip(*((numbers[pack], row) for pack, row in places), strict=True))
    names = sorted(path.stem for path in places[0][0].glob("*.npy"))
    return {name: Rows([pack / f"{name}.npy" for pack in numbers], file, row) for name in names}

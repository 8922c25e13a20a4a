"""Artefacts: tables, arrays and values that one notebook leaves for others, with the parameters that made them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from sersupport.core.errors import Missing, UserError
from sersupport.core.files import whole
from sersupport.core.keys import file_digest

MADE = ".made.json"  # what made an artefact, beside it
_ANYWHERE = {"run_dir", "profile"}  # where a run lies and what it is called change nothing that it finds


def _from_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


_READERS = {".parquet": pd.read_parquet, ".json": _from_json}


def files(folder: Path, artefact: str) -> list[Path]:
    """The files of an artefact that are there: its value, then what made it.

    Parameters
    ----------
    folder : Path
        Folder of the run's artefacts.
    artefact : str
        ``notebook/name``.
    """
    path = folder / artefact
    candidates = (path.with_name(path.name + suffix) for suffix in (*_READERS, MADE))
    return [candidate for candidate in candidates if candidate.is_file()]


def is_there(folder: Path, artefact: str) -> bool:
    """Whether an artefact's value is there; what made it alone is no artefact."""
    return any(not path.name.endswith(MADE) for path in files(folder, artefact))


class Artefacts:
    """Artefacts of a run in the hands of one reader, who may not mix what was made under different parameters.

    Parameters
    ----------
    folder : Path
        ``<folder>/<notebook>/<name>.<suffix>``; made when the first is saved.
    parameters : mapping
        The reader's own parameters.
    reader : str
        Who reads, for messages.
    """

    def __init__(self, folder: Path, parameters: Mapping[str, Any] | None = None, reader: str = "this reader") -> None:
        self.folder = folder
        self._reader = reader
        # name -> value, and the artefact it came from, None for the reader's own
        self._known: dict[str, tuple[Any, str | None]] = {
            name: (value, None) for name, value in (parameters or {}).items() if name not in _ANYWHERE
        }
        self._loaded: dict[str, str] = {}  # artefact -> its content
        self._sources: dict[str, str] = {}  # the same of those, and of what they were made from

    def save(self, artefact: str, value: pd.DataFrame | Mapping[str, Any]) -> None:
        """Write an artefact, whole or not at all, with its digest, all parameters that it depends on, and its sources.

        Those are the reader's own parameters and those of everything that was loaded before, and the digests of it.

        Parameters
        ----------
        artefact : str
            ``notebook/name``: a DataFrame becomes ``.parquet``, a mapping ``.json``.
        value : DataFrame or mapping
            What to keep.
        """
        if isinstance(value, pd.DataFrame):
            suffix, write = ".parquet", value.to_parquet
        else:
            suffix, write = ".json", lambda path: path.write_text(json.dumps(value, indent=1), encoding="utf-8")
        for path in files(self.folder, artefact):  # without its parameters an artefact counts as unreadable
            path.unlink()
        parameters = {name: value for name, (value, _) in sorted(self._known.items())}
        with whole(self.folder / f"{artefact}{suffix}") as temporary:
            write(temporary)
            content = file_digest(temporary)
            made = {"parameters": parameters, "content": content, "from": dict(sorted(self._loaded.items()))}
        with whole(self.folder / f"{artefact}{MADE}") as temporary:
            temporary.write_text(json.dumps(made, indent=1), encoding="utf-8")

    def load(self, artefact: str) -> Any:
        """Read an artefact.

        Parameters
        ----------
        artefact : str
            ``notebook/name``.

        Returns
        -------
        pandas.DataFrame, dict of arrays or dict
            As it was saved.

        Raises
        ------
        Missing
            If it is not there.
        UserError
            If it cannot be read, is not as it was made, was made under another value of a parameter that the reader
            or something that it has loaded has, too, or from another version of what was loaded.
        """
        notebook = artefact.partition("/")[0]
        if not is_there(self.folder, artefact):
            raise Missing(f"{artefact} is not in {self.folder.parent}: run notebook {notebook} first")
        path = files(self.folder, artefact)[0]
        try:
            sidecar = _from_json(self.folder / f"{artefact}{MADE}")
            if sidecar["content"] != file_digest(path):
                raise ValueError("changed")
            value, made = _READERS[path.suffix](path), dict(sidecar["parameters"])
            seen = {**sidecar.get("from", {}), artefact: sidecar["content"]}
        except (OSError, ValueError, LookupError, TypeError):
            raise UserError(
                f"{artefact} in {self.folder.parent} cannot be read or is not as it was made:"
                f" run notebook {notebook} again"
            ) from None
        self._agree(artefact, made)
        self._fit(artefact, seen)
        self._loaded[artefact] = seen[artefact]
        self._known |= {name: (value, artefact) for name, value in made.items() if name not in self._known}
        return value

    def _fit(self, artefact: str, seen: Mapping[str, str]) -> None:
        """Raise a UserError where an artefact was made from another version of one that was loaded."""
        notebook = artefact.partition("/")[0]
        for other, content in seen.items():
            if self._sources.get(other, content) != content:
                raise UserError(
                    f"{artefact} goes with another {other} than what {self._reader} has loaded: run notebook"
                    f" {notebook} again"
                )
        self._sources |= seen

    def _agree(self, artefact: str, made: Mapping[str, Any]) -> None:
        for name, value in made.items():
            known, origin = self._known.get(name, (value, None))
            if known == value:
                continue
            notebook, was = artefact.partition("/")[0], f"{artefact} was made with {name} = {value!r}"
            if origin is None:
                raise UserError(f"{was}, {self._reader} has {name} = {known!r}: run notebook {notebook} again with it")
            again = " and ".join(sorted({notebook, origin.partition("/")[0]}))
            raise UserError(f"{was}, {origin} with {name} = {known!r}: run {again} again with one value")

"""Folders of files that the package makes itself, once for all who share them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from sersupport.core.errors import UserError
from sersupport.core.files import remove, walk, whole
from sersupport.core.keys import files_digest


def made(
    folder: Path, names: Iterable[str], manifest: str, settings: Mapping[str, Any], write: Callable[[Path], None]
) -> Path:
    """Files and folders of some names in a folder: as they were made with these settings, or made now.

    Parameters
    ----------
    folder : Path
        May hold other files, which are left alone.
    names : iterable of str
        What ``write`` makes.
    manifest : str
        Name of the file in it that says what was made, with what settings, and the digest of it all.
    settings : mapping
        JSON-serialisable; all that the files depend on.
    write : callable
        Takes an empty folder and makes them there.

    Raises
    ------
    UserError
        If files of these names are there and no manifest: then they are not ours to replace.
    """
    record, names = folder / manifest, list(names)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):  # runs share the folder
        known, here = _read(record), [folder / name for name in names if os.path.lexists(folder / name)]
        if known == {"settings": settings, "content": _content(folder, names)}:
            return folder
        if known is None and here:
            raise UserError(f"{here[0]} exists and was not made here: choose another folder for what is made")
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".making-") as making:
            write(Path(making))
            _write(record, {"settings": settings})  # ours, but not complete
            for path in here:
                remove(path)
            for name in names:
                os.replace(Path(making) / name, folder / name)
        _write(record, {"settings": settings, "content": _content(folder, names)})
    return folder


def _content(folder: Path, names: list[str]) -> str:
    paths = [path for name in names for path in ([folder / name] if (folder / name).is_file() else walk(folder / name))]
    return files_digest(folder, [path.relative_to(folder) for path in paths])


def _read(record: Path) -> Any:
    """What a manifest says; nothing that fits where it is damaged, None where there is none."""
    try:
        return json.loads(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def _write(record: Path, values: Mapping[str, Any]) -> None:
    with whole(record) as temporary:
        temporary.write_text(json.dumps(values), encoding="utf-8")

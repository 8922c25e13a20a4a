"""Files: written whole or not at all, found at any depth, recognised by their stamps."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from sersupport.core.errors import UserError
from sersupport.core.keys import digest


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to that takes the place of ``path`` at the end: a file is there whole or not at all.

    No other process or thread is given the same path to write to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid4().hex}-{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def walk(folder: str | os.PathLike[str], suffixes: Collection[str] = ()) -> list[Path]:
    """Files at any depth below a folder, also below folders that are links.

    Each real folder is entered once, by its own name if it has one below ``folder``, else by the first link to it:
    links in a circle end, and nothing is listed twice for being linked to.

    Parameters
    ----------
    folder : path
        Nothing is found below a folder that is not there.
    suffixes : collection of str
        Lower-case suffixes to keep, such as ``".wav"``; by default all files.

    Returns
    -------
    list of Path
        Sorted; each starts with ``folder`` as given.

    Raises
    ------
    UserError
        If a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise UserError(f"{error.filename}: cannot be read: {error.strerror}; give it read permission or remove it")

    found, entered, tops = [], set(), [Path(folder)]
    for top in tops:  # grows by the links found on the way: real folders come first
        for here, folders, names in os.walk(top, onerror=refuse):
            status = os.stat(here)
            if (status.st_dev, status.st_ino) in entered:
                folders.clear()
                continue
            entered.add((status.st_dev, status.st_ino))
            folders.sort()
            tops += [link for name in folders if (link := Path(here, name)).is_symlink()]
            files = (Path(here, name) for name in names)
            found += [path for path in files if not suffixes or path.suffix.lower() in suffixes]
    return sorted(path for path in found if path.is_file() or path.is_symlink())  # a link to nothing is to be named


def remove(path: Path) -> None:
    """Remove a file, a folder with all that is in it, or a link but not what it points to, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def stamps(paths: Iterable[Path], base: Path) -> str:
    """Digest of files' names relative to a folder, their sizes and modification times."""
    stats = ((path, path.stat() if path.exists() else path.lstat()) for path in paths)
    return digest([[path.relative_to(base).as_posix(), stat.st_size, stat.st_mtime_ns] for path, stat in stats])

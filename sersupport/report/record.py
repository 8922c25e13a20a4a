"""A run's folder: its record, where its numbers come from, its lock, and digests of what lies in it."""

import json
import os
import platform
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from sersupport.core.errors import UserError
from sersupport.core.files import remove, whole
from sersupport.core.keys import files_digest, library_versions
from sersupport.report.papermill import RunFailed
from sersupport.run.parameters import project_root

RECORD = "run.json"
is_left = re.compile(r"\.|__pycache__$").match  # JupyterLab's checkpoints, bytecode


def package_root() -> Path:
    """The project that this package was installed from, editable."""
    return project_root(Path(__file__).parent)


def provenance() -> dict[str, str]:
    """Versions and machine that a run's figures depend on; no host name, user name or path."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    return {"machine": machine, **library_versions()}


def read_record(folder: Path) -> dict[str, Any]:
    """A run's ``run.json``, empty if there is none.

    It holds ``parameters``; ``provenance``; ``notebooks``, of each its ``key``, ``seconds``, ``peak_gib`` and the
    digests of its ``artefacts``, of the ``executed`` notebook and of its ``prose``; and of the site the ``state`` that
    it shows and the digest of its ``pages``.

    Raises
    ------
    UserError
        If there is one and it is no record of a run.
    """
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        record = None
    if not _is_record(record):
        raise UserError(f"{path} is no record of a run: restore it, or make the report in another folder")
    return record


def _is_record(record: Any) -> bool:
    """Whether all is there that is read of a record without a further look."""
    if not isinstance(record, dict) or not all(
        isinstance(record.get(part), dict) for part in ("parameters", "provenance", "notebooks")
    ):
        return False
    parameters, site = record["parameters"], record.get("site")
    entries = [entry for entry in record["notebooks"].values() if entry is not None]
    return (
        all(isinstance(parameters.get(name), str) for name in ("profile", "data_dir"))
        and isinstance(parameters.get("bootstrap_samples"), int)
        and all(isinstance(entry, dict) and {"seconds", "peak_gib"} <= entry.keys() for entry in entries)
        and (site is None or (isinstance(site, dict) and "pages" in site))
    )


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """Write ``run.json``, whole or not at all."""
    with whole(folder / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Work alone in a run's folder, which is made if it is not there.

    Raises
    ------
    RunFailed
        If another process works in it.
    UserError
        If it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout:
        raise RunFailed(f"another run is working in {folder}: wait for it, or name another folder with --out") from None
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; name another folder with --out") from None
    with lock:
        yield


def folder_digest(folder: Path) -> str:
    """Digest of the names and contents of all files at any depth, but for what other tools and Python leave there."""
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return files_digest(folder, [path for path in found if not any(map(is_left, path.parts))])


def replace_folder(built: Path, folder: Path) -> None:
    """Put a folder that is whole in the place of another, which is lost; both lie on one disk or are copied.

    Of a link, only the link is lost. Where it cannot be done, the former folder stays.
    """
    fresh, old = (folder.with_name(f".{uuid4().hex}-{folder.name}") for _ in range(2))
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.move(built, fresh)
        if os.path.lexists(folder):
            folder.rename(old)
        fresh.rename(folder)
    finally:
        if os.path.lexists(old) and not os.path.lexists(folder):
            old.rename(folder)
        remove(fresh)
        remove(old)

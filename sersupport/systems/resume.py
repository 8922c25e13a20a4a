"""Folders of trainings: whether one is finished, how one is made ready, and how it is marked as finished."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from sersupport.core.errors import UserError
from sersupport.core.files import walk, whole
from sersupport.core.keys import file_digest

KEY = "training.key"  # its presence says that a folder is ours
DONE = "done.json"
_DIGESTS = "digests.json"  # of one checkpoint
_CHECKPOINTS = "checkpoint-*"


def is_finished(folder: Path, key: str) -> bool:
    """Whether a folder holds the training of this key, finished, and every file is as it was written."""
    try:
        return (folder / KEY).read_text(encoding="utf-8") == key and _agrees(folder / DONE)
    except (OSError, ValueError):
        return False


def make_ready(folder: Path, key: str) -> None:
    """Make a folder ready for a training that is not finished.

    What belongs to another key is removed, and of this one's checkpoints those that are not as they were written; all
    of them where the best one is lost, for its weights are the training's outcome. Hidden locks stay.

    Parameters
    ----------
    folder : Path
        Of one training; made where there is none.
    key : str
        Digest of all that the training depends on.

    Raises
    ------
    UserError
        If the folder holds files and no key: then it is not ours to empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / KEY
    others = [child for child in folder.iterdir() if child.name != KEY and not _is_lock(child)]
    if others and not path.is_file():
        raise UserError(f"{folder}: holds files that no training made; move them away or choose another folder")
    same = path.is_file() and path.read_text(encoding="utf-8", errors="replace") == key
    usable = _usable(folder) if same else set()
    for child in others:
        if not same or (child.match(_CHECKPOINTS) and child.name not in usable):
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    if not same:  # only now: a removal that is cut off goes on the next time
        path.write_text(key, encoding="utf-8")


def finish(folder: Path) -> None:
    """Write down the digests of all that a training leaves, which says that it is finished; drop its checkpoints."""
    checkpoints = list(folder.glob(_CHECKPOINTS))
    files = [path for path in walk(folder) if path.name != KEY and not _is_lock(path)]
    _sign(folder / DONE, [path for path in files if not {*checkpoints} & {*path.parents}])
    for checkpoint in checkpoints:
        shutil.rmtree(checkpoint)


def seal(checkpoint: Path) -> None:
    """Write the digests of a checkpoint's files into it, which says that it is whole."""
    _sign(checkpoint / _DIGESTS, walk(checkpoint))


def _usable(folder: Path) -> set[str]:
    """Names of the checkpoints that a training can go on from: whole ones, none where the best is not among them."""
    sound = [checkpoint for checkpoint in folder.glob(_CHECKPOINTS) if _agrees(checkpoint / _DIGESTS)]
    states = {one.name: json.loads((one / "trainer_state.json").read_text(encoding="utf-8")) for one in sound}
    newest = max(states.values(), key=lambda state: state["global_step"], default={})
    best = newest.get("best_model_checkpoint")  # nothing where no step is chosen
    return set(states) if best is None or Path(best).name in states else set()


def _sign(record: Path, files: Iterable[Path]) -> None:
    """Write the digests of files below a record's folder, itself aside, into the record."""
    known = {path.relative_to(record.parent).as_posix(): file_digest(path) for path in files if path != record}
    with whole(record) as temporary:
        temporary.write_text(json.dumps(known, indent=1), encoding="utf-8")


def _agrees(record: Path) -> bool:
    """Whether every file that a record names is there as it was when the record was written."""
    try:
        known = json.loads(record.read_text(encoding="utf-8"))
        return bool(known) and all(file_digest(record.parent / name) == value for name, value in known.items())
    except (OSError, ValueError, AttributeError):
        return False


def _is_lock(path: Path) -> bool:
    """Whether a file is a hidden lock, which may be held."""
    return path.name.startswith(".") and path.name.endswith(".lock")

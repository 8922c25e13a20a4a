"""Folders of trainings: whether one is finished, how one is made ready, and how it is marked as finished."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from sersupport.core.errors import UserError
from sersupport.core.files import walk, whole
from sersupport.core.keys import file_digest

KEY = "training.key"  # its presence says that a folder is ours
DONE = "done.json"
_CHECKPOINTS = "checkpoint-*"


def is_finished(folder: Path, key: str) -> bool:
    """Whether a folder holds the training of this key, finished, and every file is as it was written."""
    try:
        if (folder / KEY).read_text(encoding="utf-8") != key:
            return False
        files = json.loads((folder / DONE).read_text(encoding="utf-8"))
        return bool(files) and all(file_digest(folder / name) == known for name, known in files.items())
    except (OSError, ValueError, AttributeError):
        return False


def make_ready(folder: Path, key: str) -> None:
    """Make a folder ready for a training that is not finished.

    What belongs to another key is removed, and of this one's checkpoints those that were not written to their end.

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
    others = [child for child in folder.iterdir() if child.name != KEY]
    if others and not path.is_file():
        raise UserError(f"{folder}: holds files that no training made; move them away or choose another folder")
    same = path.is_file() and path.read_text(encoding="utf-8", errors="replace") == key
    for child in others:
        if not same or (child.match(_CHECKPOINTS) and not _is_whole(child)):
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    if not same:  # only now: a removal that is cut off goes on the next time
        path.write_text(key, encoding="utf-8")


def finish(folder: Path) -> None:
    """Write down the digests of all that a training leaves, which says that it is finished; drop its checkpoints."""
    files = [path.relative_to(folder) for path in walk(folder)]
    kept = [path for path in files if path.name not in (KEY, DONE) and not Path(path.parts[0]).match(_CHECKPOINTS)]
    known = {path.as_posix(): file_digest(folder / path) for path in kept}
    with whole(folder / DONE) as temporary:
        temporary.write_text(json.dumps(known, indent=1), encoding="utf-8")
    for checkpoint in folder.glob(_CHECKPOINTS):
        shutil.rmtree(checkpoint)


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end: the Trainer writes its state last."""
    try:
        return bool(json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return False

"""Where an encoder lies on this machine, and whether it is whole: without loading it, nor torch."""

from __future__ import annotations

import json
from pathlib import Path

from sersupport.core.errors import UserError

KINDS = ("wav2vec2", "hubert", "wavlm", "whisper")  # model types that are supported


def find_encoder(name: str, root: Path, data_dir: str | None) -> Path | None:
    """A local folder that holds the named encoder, if there is one.

    Parameters
    ----------
    name : str
        A folder, absolute or relative to the project, or a hub name such as ``openai/whisper-base``.
    root : Path
        The project.
    data_dir : str or None
        Folder of the corpora, relative to the project: ``weights/<last part of the name>`` in it or beside it is
        looked at, with or without ``-encoder`` at its end. None where the corpus is the embedded one.
    """
    try:
        candidates = [root / Path(name).expanduser()]
    except RuntimeError:  # ~ of a user whom nobody knows
        candidates = []
    if data_dir is not None:
        stores = (root / data_dir / "weights", (root / data_dir).parent / "weights")
        last = name.rstrip("/").rpartition("/")[2]
        candidates += [store / f"{last}{suffix}" for store in stores for suffix in ("", "-encoder")]
    return next((folder for folder in candidates if (folder / "config.json").is_file()), None)


def inspect(folder: Path) -> None:
    """Check what can be known of an encoder's folder within milliseconds.

    Parameters
    ----------
    folder : Path
        With ``config.json`` and weights, from :func:`find_encoder`.

    Raises
    ------
    UserError
        If the configuration cannot be read or is of a kind that is not supported, or if there are no weights or they
        are not as long as they say.
    """
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        raise _broken(folder, "its config.json cannot be read") from None
    if kind not in KINDS:
        raise UserError(unsupported(kind))
    weights = sorted(folder.glob("model*.safetensors"))
    if not weights and not list(folder.glob("pytorch_model*.bin")):
        raise _broken(folder, "it has no weights")
    for path in weights:
        if path.stat().st_size != _length(path):
            raise _broken(folder, f"its {path.name} is truncated or damaged")


def unsupported(kind: object) -> str:
    """What is said of an encoder of another kind."""
    return f"encoder of type {kind!r} is not supported; supported: {', '.join(KINDS)}"


def _broken(folder: Path, why: str) -> UserError:
    return UserError(
        f"encoder {str(folder)!r} could not be loaded: {why}. Copy the folder again, or give another encoder."
    )


def _length(path: Path) -> int | None:
    """Bytes that a safetensors file should have by its header, None where that cannot be read."""
    with open(path, "rb") as file:
        start = file.read(8)
        size = int.from_bytes(start, "little")
        text = file.read(size) if size < path.stat().st_size else b""
    try:
        header = json.loads(text)
        return 8 + size + max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    except (ValueError, LookupError, TypeError, AttributeError):
        return None

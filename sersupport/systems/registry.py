"""The systems that there are, and how a saved one is loaded, whichever it is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from safetensors import SafetensorError
from transformers import AutoModelForAudioClassification

from sersupport.core.errors import UserError
from sersupport.systems.base import System

MODULES = ("fusion", "probe", "cnn_attention", "humpcat", "trnet")  # each registers its systems when imported


def load(folder: Path) -> System:
    """A saved system, in evaluation mode.

    Raises
    ------
    UserError
        If the folder does not hold one that can be read.
    """
    for module in MODULES:
        import_module(f"sersupport.systems.{module}")
    try:
        return AutoModelForAudioClassification.from_pretrained(folder, local_files_only=True).eval()
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        why = str(error).strip().splitlines()[0].rstrip(".")
        raise UserError(f"{folder}: no system can be loaded from it: {why}. Train it again.") from None

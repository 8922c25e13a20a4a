"""What a report shows holds no path of the machine that made it."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sersupport.run.parameters import EMBEDDED, Parameters, named_encoders

Change = Callable[[str], str]  # of a text


def path_hider(root: Path, parameters: Parameters) -> Change:
    """A function that takes this machine's paths out of a text.

    The project becomes ``.``, the home folder ``~``, a folder of corpora, of the run or of an encoder outside the
    project its bare name. A relative path of dots alone stays: it says nothing of the machine, and dots stand in
    sources and sentences, too.
    """
    names = {str(root): ".", str(Path.home()): "~"}
    for folder in (parameters.data_dir, parameters.run_dir, *named_encoders(parameters.model_dump())):
        if folder != EMBEDDED and (os.path.isabs(folder) or folder.startswith("..")):
            absolute = os.path.normpath(root / folder)
            names |= dict.fromkeys((folder, str(root / folder), absolute), Path(absolute).name)
    names = {path: name for path, name in names.items() if path.strip("./")}
    # whole paths only, not within a longer word: pictures are base64, in which a short path may occur by chance; a
    # traceback's colours end in a letter
    pattern = re.compile(
        r"(^|[^\w+/.]|\x1b\[[\d;]*m|file://)("
        + "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        + r")(?![\w+-]|\.\w)"
    )
    return lambda text: pattern.sub(lambda match: match[1] + names[match[2]], text)


def each_text(value: Any, change: Change) -> Any:
    """A JSON value with every string in it changed, keys too.

    Examples
    --------
    >>> each_text({"source": ["a", 1]}, str.upper)
    {'SOURCE': ['A', 1]}
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): each_text(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [each_text(item, change) for item in value]
    return value

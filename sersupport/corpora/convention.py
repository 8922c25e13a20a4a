"""What a corpus's file names say, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")  # the classes of arXiv 2512.18298
LABELS = (*EMOTIONS, "calm")  # what recordings of the known corpora are labelled with
# calm counts as neutral, which gives the 288 neutral utterances of RAVDESS in Table III of that paper
CLASSES: Mapping[str, str] = MappingProxyType({"calm": "neutral"})


class Label(NamedTuple):
    """What a file name says: speaker unique over corpora, sex "F" or "M", one of :data:`LABELS`."""

    id: str
    speaker: str
    sex: str
    emotion: str
    intensity: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """File-name convention of one corpus, as data.

    `pattern` names groups ``speaker``, ``emotion``, ``text`` and, where there is one, ``intensity``; it is
    matched at the end of the path without its suffix, since SAVEE keeps the speaker in the folder. A group ``sex``
    completes the code of the speaker; where ``text`` is empty, the stem stands for it. The tables
    translate the groups; a code outside `speakers` or `emotions` is off the convention. `excluded` maps
    (group, code) and `faulty` a file stem to the reason why the recording is left out. Where names have no emotion,
    `emotion_of` reads its code from a file beside the recording, or raises an AudioError.
    """

    title: str
    language: str
    example: str
    pattern: str
    folders: tuple[str, ...]
    speakers: Mapping[str, str]  # code -> sex
    emotions: Mapping[str, str]
    intensities: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)  # a code that is not here stands for itself
    carrier: str = "{}"
    excluded: Mapping[tuple[str, str], str] = field(default_factory=dict)
    faulty: Mapping[str, str] = field(default_factory=dict)
    misnamed: Mapping[str, str] = field(default_factory=dict)  # published stem -> the stem that was meant
    emotion_of: Callable[[Path], str] | None = None
    beside: tuple[str, ...] = ()  # suffixes of such files

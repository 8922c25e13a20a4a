"""The corpora that can be read, one module a corpus."""

import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType

from sersupport.core.errors import UserError
from sersupport.corpora.convention import Corpus, Label
from sersupport.corpora.conventions import cremad, emodb, emovo, iemocap, ravdess, savee, tess
from sersupport.sound.audio import AudioError

CORPORA: Mapping[str, Corpus] = MappingProxyType({
    "ravdess": ravdess.CORPUS,
    "cremad": cremad.CORPUS,
    "tess": tess.CORPUS,
    "savee": savee.CORPUS,
    "emodb": emodb.CORPUS,
    "emovo": emovo.CORPUS,
    "iemocap": iemocap.CORPUS,
})  # fmt: skip


def corpus(name: str) -> Corpus:
    """The convention of a corpus by its name, a key of :data:`CORPORA`; UserError for any other."""
    try:
        return CORPORA[name]
    except KeyError:
        raise UserError(f"no reader for corpus {name!r}; there are: {', '.join(CORPORA)}") from None


def title(name: str) -> str:
    """What a corpus is called in tables: its title where it is a key of :data:`CORPORA`, else its name."""
    return CORPORA[name].title if name in CORPORA else name


def parse(name: str, path: str | PathLike[str]) -> Label:
    """Read a file name.

    Parameters
    ----------
    name : str
        Corpus, a key of :data:`CORPORA`.
    path : str or PathLike
        The file, which need not exist. SAVEE's ``DC/a01.wav`` needs its folder, IEMOCAP's recordings need the labels
        beside them.

    Returns
    -------
    Label
        ``id`` is ``<corpus>/<file stem>``, with SAVEE's folder in the stem (``savee/DC_a01``).

    Raises
    ------
    AudioError
        Off the convention, known to be faulty, no speech, or without a label.

    Examples
    --------
    >>> parse("emodb", "wav/03a01Fa.wav").speaker
    'emodb-03'
    """
    convention = corpus(name)
    path = Path(path)
    if reason := convention.faulty.get(path.stem):
        raise AudioError(path, reason)
    meant = path.with_name(convention.misnamed.get(path.stem, path.stem)).as_posix()
    match = re.search(rf"(?:^|/)({convention.pattern})\Z", meant, re.ASCII)
    codes = match.groupdict() if match else {}
    if match and convention.emotion_of:
        codes["emotion"] = convention.emotion_of(path)
    for group, code in codes.items():
        if reason := convention.excluded.get((group, code)):
            raise AudioError(path, reason)
    speaker = codes.get("speaker", "") + codes.get("sex", "")
    if speaker not in convention.speakers or codes["emotion"] not in convention.emotions:
        raise AudioError(path, f"name off the convention {convention.example}")
    stem = match[1].replace("/", "_") if "/" in match[1] else path.stem
    text = convention.texts.get(codes["text"])
    return Label(
        id=f"{name}/{stem}",
        speaker=f"{name}-{speaker}",
        sex=convention.speakers[speaker],
        emotion=convention.emotions[codes["emotion"]],
        intensity=convention.intensities.get(codes.get("intensity"), "unspecified"),
        text=text or convention.carrier.format(codes["text"] or stem),
    )

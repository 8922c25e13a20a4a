"""IEMOCAP."""

import re
from pathlib import Path

from sersupport.corpora.convention import Corpus
from sersupport.sound.audio import AudioError

_EMOTIONS = {
    "ang": "angry", "dis": "disgust", "fea": "fear", "hap": "happy", "neu": "neutral", "sad": "sad", "sur": "surprise",
    "exc": "happy",  # excited counts as happy, as is usual
}  # fmt: skip
_LEFT_OUT = {
    "fru": "frustration: not one of the seven classes",
    "oth": "other: none of the emotions that listeners could name",
    "xxx": "no emotion that most listeners named",
}


def _code(path: Path) -> str:
    """What listeners agreed on, from ``Session<n>/dialog/EmoEvaluation/<dialogue>.txt``; an AudioError without."""
    # the recording is Session<n>/sentences/wav/<dialogue>/<turn>.wav
    said = Path(*path.parts[:-4], "dialog", "EmoEvaluation", f"{path.stem.rpartition('_')[0]}.txt")
    try:
        text = said.read_text("utf-8", errors="replace")
    except OSError as error:
        raise AudioError(path, f"its labels, dialog/EmoEvaluation/{said.name}, cannot be read") from error
    line = re.search(rf"^\[[^\]]*\]\t{re.escape(path.stem)}\t({'|'.join(_EMOTIONS | _LEFT_OUT)})\t", text, re.M)
    if line is None:
        raise AudioError(path, f"no emotion known here stands beside it in dialog/EmoEvaluation/{said.name}")
    return line[1]


CORPUS = Corpus(
    title="IEMOCAP", language="en", folders=("iemocap", "iemocapfullrelease"), example="Ses01F_impro01_F000.wav",
    # the sensors are on the speaker of the first letter, the turn is of the last one; what is improvised has no text
    pattern=r"(?P<speaker>Ses0[1-5])[FM]_(?:impro\d\d[a-z]?|(?P<text>script\d\d_\d)[a-z]?)_(?P<sex>[FM])(?:\d{3}|XX\d)",
    speakers={f"Ses0{session}{sex}": sex for session in range(1, 6) for sex in "FM"},
    emotions=_EMOTIONS,
    emotion_of=_code, beside=(".txt",),
    excluded={("emotion", code): reason for code, reason in _LEFT_OUT.items()},
)  # fmt: skip

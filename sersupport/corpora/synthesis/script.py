"""Who says what under which file name: the speakers, the corpora's published sentences, their naming conventions."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sersupport.corpora.conventions import CORPORA


class Speaker(NamedTuple):
    """A synthetic speaker under one of a corpus's speaker codes."""

    corpus: str
    code: str
    sex: str  # "F" or "M", as the corpus documents that code
    accent: str  # a key of voice.ACCENTS
    voice: str  # a voice variant of Praat's synthesiser
    f0_hz: float  # neutral level
    words_per_minute: int
    formant_ratio: float  # above 1: a shorter vocal tract than the voice's own


# RAVDESS: folds {1,11,20,21}, {4,10,12,14}, {8,9,19,23} of the published six. CREMA-D: 1083 and 1084 are published
# test speakers. No two speakers share voice, F0 and tract; none of CREMA-D's is among those with faulty files.
SPEAKERS = tuple(Speaker(*row) for row in (
    ("ravdess", "01", "M", "us", "Male1", 112, 165, 1.00),
    ("ravdess", "04", "F", "us", "Female1", 205, 172, 1.02),
    ("ravdess", "08", "F", "gb", "Female3", 190, 160, 0.97),
    ("ravdess", "09", "M", "gb", "Male3", 98, 158, 0.95),
    ("ravdess", "10", "F", "sc", "Female2", 222, 168, 1.05),
    ("ravdess", "11", "M", "us", "Male6", 128, 175, 1.03),
    ("ravdess", "20", "F", "us", "Female4", 198, 164, 1.00),
    ("ravdess", "21", "M", "wm", "Male7", 120, 170, 0.98),
    ("cremad", "1001", "M", "us", "Michael", 105, 170, 0.97),
    ("cremad", "1002", "F", "us", "Annie", 215, 175, 0.99),
    ("cremad", "1011", "M", "gb", "Male4", 118, 162, 1.02),
    ("cremad", "1012", "F", "us", "Female5", 188, 168, 0.96),
    ("cremad", "1083", "M", "us", "Max", 132, 178, 1.04),
    ("cremad", "1084", "F", "rp", "Female2", 208, 160, 0.98),
    ("tess", "OAF", "F", "us", "Female1", 182, 150, 0.95),
    ("tess", "YAF", "F", "us", "Female3", 218, 162, 1.05),
    ("savee", "DC", "M", "gb", "Male2", 110, 160, 1.00),
    ("savee", "JE", "M", "rp", "Male1", 125, 172, 1.04),
    ("savee", "JK", "M", "la", "Male3", 102, 166, 0.97),
    ("savee", "KL", "M", "gb", "Denis", 116, 155, 1.01),
))  # fmt: skip

_RAVDESS_TEXTS = tuple(CORPORA["ravdess"].texts.values())
_CREMAD_ORDER = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
_TESS_WORDS = (
    "back", "bar", "base", "bath", "bean", "beg", "bite", "boat", "bone", "book", "burn", "cab",
    "calm", "came", "cause", "chain", "chair", "chalk", "chat", "check", "cheek", "chief", "choice", "food",
)  # fmt: skip
_SAVEE_TEXTS = tuple(CORPORA["savee"].texts[code] for code in ("a01", "a02", "a03"))  # those that all classes share
_RAVDESS_CODES = {"neutral": 1, "calm": 2, "happy": 3, "sad": 4, "angry": 5, "fear": 6, "disgust": 7, "surprise": 8}
_CREMAD_CODES = {"neutral": "NEU", "happy": "HAP", "sad": "SAD", "angry": "ANG", "fear": "FEA", "disgust": "DIS"}
_SAVEE_CODES = {"neutral": "n", "happy": "h", "sad": "sa", "angry": "a", "fear": "f", "disgust": "d", "surprise": "su"}
_STRENGTH = {"01": 0.85, "02": 1.2, "LO": 0.7, "MD": 0.95, "HI": 1.2, "XX": 1.0}  # RAVDESS and CREMA-D intensity codes

_First = Callable[[int, Sequence], Sequence]  # the usual n of a list, times the scale


class Item(NamedTuple):
    """One utterance to be made."""

    speaker: Speaker
    stem: str  # of its file
    emotion: str  # a key of rules.RULES, or "calm"
    strength: float  # of the emotion, 1.0 is usual
    text: str


def items(speaker: Speaker, scale: float) -> Iterator[Item]:
    """Yield a speaker's utterances, named as the corpus names them.

    Parameters
    ----------
    speaker : Speaker
        One of `SPEAKERS`.
    scale : float
        Factor on the number of takes a speaker and emotion; at least one and at most what the convention names.
    """

    def first(n: int, listed: Sequence) -> Sequence:
        return listed[: max(1, round(n * scale))]

    yield from {"ravdess": _ravdess, "cremad": _cremad, "tess": _tess, "savee": _savee}[speaker.corpus](speaker, first)


def _ravdess(speaker: Speaker, first: _First) -> Iterator[Item]:
    for emotion in _RAVDESS_CODES:
        if emotion == "calm":
            continue  # half of the neutral class, because the paper counts calm as neutral
        if emotion == "neutral":
            takes = [(label, s, "01", r) for r in (1, 2) for s in (0, 1) for label in ("neutral", "calm")]
        else:
            takes = [(emotion, s, level, r) for r in (1, 2) for level in ("01", "02") for s in (0, 1)]
        for label, s, level, r in first(4, takes):
            stem = f"03-01-{_RAVDESS_CODES[label]:02d}-{level}-{s + 1:02d}-{r:02d}-{speaker.code}"
            yield Item(speaker, stem, label, _STRENGTH[level], _RAVDESS_TEXTS[s])


def _cremad(speaker: Speaker, first: _First) -> Iterator[Item]:
    turn = 2 * int(speaker.code) % len(_CREMAD_ORDER)  # speakers differ in sentences, emotions of one speaker do not
    sentences = _CREMAD_ORDER[turn:] + _CREMAD_ORDER[:turn]
    for k, (emotion, letters) in enumerate(_CREMAD_CODES.items()):
        for sentence in first(4, sentences):
            graded = sentence == "IEO" and emotion != "neutral"  # the one sentence with levels in CREMA-D
            level = ("LO", "MD", "HI")[(k + int(speaker.code)) % 3] if graded else "XX"
            stem = f"{speaker.code}_{sentence}_{letters}_{level}"
            yield Item(speaker, stem, emotion, _STRENGTH[level], CORPORA["cremad"].texts[sentence])


def _tess(speaker: Speaker, first: _First) -> Iterator[Item]:
    for emotion in _SAVEE_CODES:  # the same seven
        for word in first(6, _TESS_WORDS):
            label = "ps" if emotion == "surprise" else emotion
            yield Item(speaker, f"{speaker.code}_{word}_{label}", emotion, 1.0, f"Say the word {word}")


def _savee(speaker: Speaker, first: _First) -> Iterator[Item]:
    for emotion, letters in _SAVEE_CODES.items():
        for k, text in enumerate(first(2, _SAVEE_TEXTS), start=1):
            yield Item(speaker, f"{speaker.code}_{letters}{k:02d}", emotion, 1.0, text)

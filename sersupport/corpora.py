"""One reader a corpus, from published file names to the utterance table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pandas as pd
from tqdm import tqdm

from sersupport import UserError, audio
from sersupport.audio import AudioError

EMOTIONS = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SHORTEST_S = 0.15  # of an utterance: two frames of Praat's intensity; less is a file that was cut off
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".aiff", ".aif")  # what to look at; what it is, the content says
UTTERANCE_COLUMNS = (
    "id", "path", "corpus", "language", "speaker", "sex", "emotion", "intensity", "text", "duration_s",
    "sha256",
)  # fmt: skip
SKIPPED_COLUMNS = ("path", "corpus", "reason")


class Label(NamedTuple):
    """What a file name says: speaker unique over corpora, sex "F" or "M", one of :data:`EMOTIONS`."""

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
    matched at the end of the path without its suffix, since SAVEE keeps the speaker in the folder. The tables
    translate the groups; a code outside `speakers` or `emotions` is off the convention. `excluded` maps
    (group, code) and `faulty` a file stem to the reason why the recording is left out.
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


# VideoDemographics.csv of CREMA-D; the other 48 of the 91 actors are male
_CREMAD_FEMALE = frozenset({
    1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025, 1028,
    1029, 1030, 1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063,
    1072, 1073, 1074, 1075, 1076, 1078, 1079, 1082, 1084, 1089, 1091,
})  # fmt: skip

CORPORA: Mapping[str, Corpus] = MappingProxyType({
    "ravdess": Corpus(
        title="RAVDESS",
        language="en",
        example="03-01-05-02-01-01-12.wav",
        pattern=r"(?P<modality>0[123])-(?P<channel>0[12])-(?P<emotion>0\d)-(?P<intensity>0[12])-"
        r"(?P<text>0[12])-0[12]-(?P<speaker>\d\d)",
        folders=("ravdess",),
        speakers={f"{actor:02d}": "FM"[actor % 2] for actor in range(1, 25)},
        # calm counts as neutral, which gives the 288 neutral utterances of Table III of arXiv 2512.18298
        emotions={"01": "neutral", "02": "neutral", "03": "happy", "04": "sad", "05": "angry", "06": "fear",
                  "07": "disgust", "08": "surprise"},
        intensities={"01": "normal", "02": "strong"},
        texts={"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"},
        excluded={("modality", "01"): "audio-visual, not audio-only", ("modality", "02"): "video-only",
                  ("channel", "02"): "song, not speech"},
    ),
    "cremad": Corpus(
        title="CREMA-D",
        language="en",
        example="1001_DFA_ANG_XX.wav",
        pattern=r"(?P<speaker>\d{4})_(?P<text>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<intensity>LO|MD|HI|XX)",
        folders=("cremad", "audiowav"),
        speakers={str(actor): "F" if actor in _CREMAD_FEMALE else "M" for actor in range(1001, 1092)},
        emotions={"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral",
                  "SAD": "sad"},
        intensities={"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"},
        texts={
            "DFA": "Don't forget a jacket",
            "IEO": "It's eleven o'clock",
            "IOM": "I'm on my way to the meeting",
            "ITH": "I think I have a doctor's appointment",
            "ITS": "I think I've seen this before",
            "IWL": "I would like a new alarm clock",
            "IWW": "I wonder what this is about",
            "MTI": "Maybe tomorrow it will be cold",
            "TAI": "The airplane is almost full",
            "TIE": "That is exactly what happened",
            "TSI": "The surface is slick",
            "WSI": "We'll stop in a couple of minutes",
        },
        faulty={
            "1076_MTI_NEU_XX": "known faulty: next to nothing recorded",
            "1076_MTI_SAD_XX": "known faulty: next to nothing recorded",
            "1064_TIE_SAD_XX": "known faulty: cut off",
            "1064_IEO_DIS_MD": "known faulty: a minute with every emotion of the sentence",
        },
        misnamed={"1040_ITH_SAD_X": "1040_ITH_SAD_XX"},
    ),
    "tess": Corpus(
        title="TESS",
        language="en",
        example="OAF_back_angry.wav",
        pattern=r"(?P<speaker>[OY]AF)_(?P<text>[a-z]+)_(?P<emotion>[a-z]+)",
        folders=("tess",),
        speakers={"OAF": "F", "YAF": "F"},
        emotions={"angry": "angry", "disgust": "disgust", "fear": "fear", "happy": "happy",
                  "neutral": "neutral", "sad": "sad", "ps": "surprise"},  # "pleasant surprise"
        carrier="Say the word {}",
        misnamed={"OA_bite_neutral": "OAF_bite_neutral"},
    ),
    "savee": Corpus(
        title="SAVEE",
        language="en",
        example="DC_a01.wav or DC/a01.wav",
        pattern=r"(?P<speaker>[A-Z]{2})[_/](?P<text>(?P<emotion>a|d|f|h|n|sa|su)\d\d)",
        folders=("savee",),
        speakers={"DC": "M", "JE": "M", "JK": "M", "KL": "M"},
        emotions={"a": "angry", "d": "disgust", "f": "fear", "h": "happy", "n": "neutral", "sa": "sad",
                  "su": "surprise"},
        # Sentences 01-03 are common to all classes; from 04 on a number means another sentence in each. The
        # twelve emotion-specific ones recur as neutral, in an order that no document numbers: they keep their
        # codes, and a text-disjoint split of SAVEE is disjoint only up to them.
        texts={f"{emotion}{number}": sentence
               for emotion in ("a", "d", "f", "h", "n", "sa", "su")
               for number, sentence in (("01", "She had your dark suit in greasy wash water all year"),
                                        ("02", "Don't ask me to carry an oily rag like that"),
                                        ("03", "Will you tell me why"))},
    ),
    "emodb": Corpus(
        title="EMO-DB",
        language="de",
        example="03a01Fa.wav",
        pattern=r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[A-Z])[a-z]?",
        folders=("emodb",),
        speakers={code: "F" if code in {"08", "09", "13", "14", "16"} else "M"
                  for code in ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")},
        emotions={"W": "angry", "E": "disgust", "A": "fear", "F": "happy", "N": "neutral", "T": "sad"},
        texts={
            "a01": "Der Lappen liegt auf dem Eisschrank",
            "a02": "Das will sie am Mittwoch abgeben",
            "a04": "Heute abend könnte ich es ihm sagen",
            "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück",
            "a07": "In sieben Stunden wird es soweit sein",
            "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen",
            "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter",
            "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht",
            "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen",
            "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen",
        },
        excluded={("emotion", "L"): "boredom: not one of the seven classes"},
    ),
    "emovo": Corpus(
        title="EMOVO",
        language="it",
        example="dis-f1-b1.wav",
        pattern=r"(?P<emotion>[a-z]{3})-(?P<speaker>[fm]\d)-(?P<text>[bdln]\d)",
        folders=("emovo",),
        speakers={"f1": "F", "f2": "F", "f3": "F", "m1": "M", "m2": "M", "m3": "M"},
        emotions={"rab": "angry", "dis": "disgust", "pau": "fear", "gio": "happy", "neu": "neutral",
                  "tri": "sad", "sor": "surprise"},
        texts={
            "b1": "Gli operai si alzano presto",
            "b2": "I vigili sono muniti di pistola",
            "b3": "La cascata fa molto rumore",
            "d1": "Sabato sera cosa farà",
            "d2": "Porti con te quella cosa",
            "l1": "L'autunno prossimo Tony partirà per la Spagna nella prima metà di ottobre",
            "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata",
            "l3": "Un attimo dopo s'è incamminato ed è inciampato",
            "l4": "Vorrei il numero telefonico del Signor Piatti",
            "n1": "La casa forte vuole col pane",
            "n2": "La forza trova il passo e l'aglio rosso",
            "n3": "Il gatto sta scorrendo nella pera",
            "n4": "Insalata pastasciutta coscia d'agnello limoncello",
            "n5": "Uno quarantatré dieci mille cinquantasette venti",
        },
    ),
})  # fmt: skip


def corpus(name: str) -> Corpus:
    """The convention of a corpus by its name, a key of :data:`CORPORA`; UserError for any other."""
    try:
        return CORPORA[name]
    except KeyError:
        raise UserError(f"no reader for corpus {name!r}; there are: {', '.join(CORPORA)}") from None


def parse(name: str, path: str | PathLike[str]) -> Label:
    """Read a file name.

    Parameters
    ----------
    name : str
        Corpus, a key of :data:`CORPORA`.
    path : str or PathLike
        The file, which need not exist. SAVEE's ``DC/a01.wav`` needs its folder.

    Returns
    -------
    Label
        ``id`` is ``<corpus>/<file stem>``, with SAVEE's folder in the stem (``savee/DC_a01``).

    Raises
    ------
    AudioError
        Off the convention, known to be faulty, or outside this project's seven classes of speech.

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
    for group, code in codes.items():
        if reason := convention.excluded.get((group, code)):
            raise AudioError(path, reason)
    known = match and codes["speaker"] in convention.speakers and codes["emotion"] in convention.emotions
    if not known:
        raise AudioError(path, f"name off the convention {convention.example}")
    stem = match[1].replace("/", "_") if "/" in match[1] else path.stem
    text = convention.texts.get(codes["text"])
    return Label(
        id=f"{name}/{stem}",
        speaker=f"{name}-{codes['speaker']}",
        sex=convention.speakers[codes["speaker"]],
        emotion=convention.emotions[codes["emotion"]],
        intensity=convention.intensities.get(codes.get("intensity"), "unspecified"),
        text=text or convention.carrier.format(codes["text"]),
    )


def read(name: str, folder: str | PathLike[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read one corpus into the utterance table.

    Parameters
    ----------
    name : str
        Corpus, a key of :data:`CORPORA`.
    folder : str or PathLike
        Its folder; files are found at any depth, so packed and flat layouts both work.

    Returns
    -------
    utterances : pandas.DataFrame
        One row an utterance, columns :data:`UTTERANCE_COLUMNS`, sorted by ``id``; ``path`` starts with
        `folder` as given, ``duration_s`` and ``sha256`` come from the decoded samples.
    skipped : pandas.DataFrame
        One row a file that is left out, columns :data:`SKIPPED_COLUMNS`, sorted by ``path``.

    Raises
    ------
    UserError
        No such corpus or folder, or no usable file in it.
    """
    convention, folder = corpus(name), Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; {convention.title} is read from it")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    rows, skipped, seen = [], [], set()
    for path in tqdm(paths, desc=convention.title, unit="file", leave=False):
        try:
            label = parse(name, path)
            if label.id in seen:  # some published archives hold the whole corpus twice
                raise AudioError(path, f"second copy of {path.stem}")
            found = audio.probe(path)
            if found.duration_s < SHORTEST_S:
                raise AudioError(path, f"{found.duration_s:.2f} s is too short for an utterance: cut off?")
        except AudioError as error:
            skipped.append((str(path), name, error.reason))
            continue
        seen.add(label.id)
        rows.append({"path": str(path), "corpus": name, "language": convention.language}
                    | label._asdict() | {"duration_s": found.duration_s, "sha256": found.sha256})  # fmt: skip
    if not rows:
        reasons = Counter(reason for _, _, reason in skipped).most_common(4)
        why = "; ".join(f"{count} × {reason}" for reason, count in reasons) or "no audio file at all"
        raise UserError(
            f"{folder}: nothing to read as {convention.title}, whose files are named like "
            f"{convention.example}; {len(paths)} files looked at: {why}"
        )
    utterances = pd.DataFrame(rows, columns=UTTERANCE_COLUMNS).sort_values("id", ignore_index=True)
    return utterances, pd.DataFrame(skipped, columns=SKIPPED_COLUMNS)


def read_all(
    data_dir: str | PathLike[str], names: Sequence[str] = tuple(CORPORA)
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read every corpus that is there.

    Parameters
    ----------
    data_dir : str or PathLike
        Folder of corpus folders, named as in :attr:`Corpus.folders` whatever their case and punctuation
        (``CREMA-D``, ``cremad`` and ``AudioWAV`` are one).
    names : sequence of str
        Corpora to look for, keys of :data:`CORPORA`.

    Returns
    -------
    utterances, skipped : pandas.DataFrame
        As from :func:`read`, corpora in the order of `names`.
    presence : pandas.DataFrame
        One row a name: ``corpus``, ``title``, ``present``, ``folder`` ("" if absent), ``utterances``,
        ``speakers``, ``skipped``.

    Raises
    ------
    UserError
        No such folder, none of the corpora in it, or one of them present twice or unusable.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise UserError(f"{data_dir}: no such folder; give the folder that holds the corpora's folders")
    entries = sorted(entry for entry in data_dir.iterdir() if entry.is_dir())
    tables, presence = [], []
    for name in names:
        title = corpus(name).title
        own = [entry for entry in entries if re.sub(r"[^a-z0-9]", "", entry.name.lower()) in corpus(name).folders]
        if len(own) > 1:
            names = " and ".join(entry.name for entry in own)
            raise UserError(f"{data_dir}: {names} are both read as {title}; leave one of them there")
        folder = next(iter(own), None)
        row = {"corpus": name, "title": title, "present": folder is not None, "folder": str(folder or "")}
        if folder is None:
            presence.append(row | {"utterances": 0, "speakers": 0, "skipped": 0})
            continue
        utterances, skipped = read(name, folder)
        tables.append((utterances, skipped))
        counts = {"utterances": len(utterances), "speakers": utterances["speaker"].nunique()}
        presence.append(row | counts | {"skipped": len(skipped)})
    if not tables:
        wanted = ", ".join(corpus(name).folders[0] for name in names)
        raise UserError(f"{data_dir}: no corpus found; it should hold at least one of these folders: {wanted}")
    utterances, skipped = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    return utterances, skipped, pd.DataFrame(presence)


def duplicates(utterances: pd.DataFrame) -> pd.DataFrame:
    """List recordings that stand under more than one name.

    Returns
    -------
    pandas.DataFrame
        The rows of `utterances` that share a ``sha256`` with another one, grouped together, then by ``id``.
    """
    twice = utterances[utterances.duplicated("sha256", keep=False)]
    return twice.sort_values(["sha256", "id"], ignore_index=True)


def table2(utterances: pd.DataFrame) -> pd.DataFrame:
    """Corpora, speakers, gender and samples, in the layout of Table II of arXiv 2512.18298.

    Returns
    -------
    pandas.DataFrame
        One row a corpus present, the paper's four first and in its order; columns ``corpus`` (title),
        ``speakers``, ``gender`` ("M/F", "F" or "M"), ``samples``.
    """
    order = ("cremad", "ravdess", "tess", "savee", "emodb", "emovo")
    summary = utterances.groupby("corpus").agg(
        speakers=("speaker", "nunique"),
        gender=("sex", lambda sex: "/".join(sorted(set(sex), reverse=True))),
        samples=("id", "size"),
    )
    present = [name for name in order if name in summary.index]
    return summary.loc[present].rename(index=lambda name: CORPORA[name].title).reset_index()


def table3(utterances: pd.DataFrame) -> pd.DataFrame:
    """Utterances a class and corpus, in the layout of Table III of arXiv 2512.18298.

    Returns
    -------
    pandas.DataFrame
        One row a class of :data:`EMOTIONS`; columns ``emotion``, the titles of the corpora present (the
        paper's four first and in its order), ``total``.
    """
    counts = pd.crosstab(utterances["emotion"], utterances["corpus"]).reindex(EMOTIONS, fill_value=0)
    present = [name for name in CORPORA if name in counts.columns]
    table = counts[present].set_axis([CORPORA[name].title for name in present], axis="columns")
    return table.assign(total=table.sum(axis="columns")).reset_index()

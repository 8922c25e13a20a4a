"""From a folder of recordings to the utterance table."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from sersupport.core.errors import UserError
from sersupport.core.files import walk
from sersupport.corpora.convention import CLASSES, LABELS, Label
from sersupport.corpora.conventions import CORPORA, corpus, parse, title
from sersupport.corpora.listing import corpus_key, corpus_name, entries, is_listing, read_listing
from sersupport.sound import audio
from sersupport.sound.audio import SHORTEST_S, AudioError

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".aiff", ".aif")  # what to look at; what it is, the content says
UTTERANCE_COLUMNS = (
    "id", "path", "corpus", "language", "speaker", "sex", "emotion", "intensity", "text", "split", "duration_s",
    "sha256",
)  # fmt: skip
SKIPPED_COLUMNS = ("path", "corpus", "reason")


def read(
    name: str, source: str | PathLike[str], classes: Mapping[str, str] = CLASSES
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read one corpus into the utterance table.

    Parameters
    ----------
    name : str
        Corpus, a key of :data:`CORPORA`, or that of a table.
    source : str or PathLike
        Its folder; files are found at any depth, so packed and flat layouts both work. Or a table that lists it, see
        :mod:`sersupport.corpora.listing`.
    classes : mapping
        What an emotion counts as, where not as itself; "" leaves it out. Of a table, emotions that are neither known
        nor named here are left out, too.

    Returns
    -------
    utterances : pandas.DataFrame
        One row an utterance, columns :data:`UTTERANCE_COLUMNS`, sorted by ``id``; ``path`` starts with
        `source` as given, ``duration_s`` and ``sha256`` come from the decoded samples.
    skipped : pandas.DataFrame
        One row a file that is left out, columns :data:`SKIPPED_COLUMNS`, sorted by ``path``.

    Raises
    ------
    UserError
        No such corpus, folder or table, or no usable file in it.
    """
    source, names = Path(source), f"the table {source}"
    if source.is_file():
        found = entries(name, source)
        count = len(read_listing(source))
    else:
        convention = corpus(name)
        if not source.is_dir():
            raise UserError(f"{source}: no such folder; {convention.title} is read from it")
        names = f"{convention.title}, whose files are named like {convention.example}"
        paths = walk(source, SUFFIXES)
        found, count = ((path, None, convention.language, "") for path in paths), len(paths)
    rows, skipped, seen = [], [], set()
    for path, label, language, split in tqdm(found, desc=title(name), total=count, unit="file", leave=False):
        try:
            label = _classed(path, label or parse(name, path), classes)
            if label.id in seen:  # some published archives hold the whole corpus twice
                raise AudioError(path, f"second copy of {path.stem}")
            probe = audio.probe(path)
            if probe.duration_s < SHORTEST_S:
                raise AudioError(path, f"{probe.duration_s:.2f} s is too short for an utterance: cut off?")
        except AudioError as error:
            skipped.append((str(path), name, error.reason))
            continue
        seen.add(label.id)
        rows.append({"path": str(path), "corpus": name, "language": language, "split": split}
                    | label._asdict() | {"duration_s": probe.duration_s, "sha256": probe.sha256})  # fmt: skip
    if not rows:
        reasons = Counter(reason for _, _, reason in skipped).most_common(4)
        why = "; ".join(f"{count} × {reason}" for reason, count in reasons) or "no audio file at all"
        raise UserError(f"{source}: nothing to read as {names}; {count} files looked at: {why}")
    utterances = pd.DataFrame(rows, columns=UTTERANCE_COLUMNS).sort_values("id", ignore_index=True)
    return utterances, pd.DataFrame(skipped, columns=SKIPPED_COLUMNS)


def _classed(path: Path, label: Label, classes: Mapping[str, str]) -> Label:
    """The label with the class that its emotion counts as; an AudioError where it counts as none."""
    counted = classes.get(label.emotion, label.emotion)
    if not counted or (label.emotion not in LABELS and label.emotion not in {*classes, *classes.values()}):
        raise AudioError(path, f"emotion {label.emotion!r} is left out; the parameter classes can name it")
    if not label.speaker:
        raise AudioError(path, "its speaker is not known")
    return label._replace(emotion=counted)


def located(data_dir: str | PathLike[str], names: Sequence[str] = tuple(CORPORA)) -> dict[str, Path]:
    """Which folder, or table, holds which corpus.

    Parameters
    ----------
    data_dir : str or PathLike
        Folder of corpus folders, named as in :attr:`Corpus.folders` whatever their case and punctuation
        (``CREMA-D``, ``cremad`` and ``AudioWAV`` are one).
    names : sequence of str
        Corpora to look for, keys of :data:`CORPORA`; or tables, as paths from the folder.

    Returns
    -------
    dict of str to Path
        Of the corpora that are there, in the order of `names`.

    Raises
    ------
    UserError
        No such folder, none of the corpora in it, one of them present twice, or no such table.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise UserError(f"{data_dir}: no such folder; give the folder that holds the corpora's folders")
    entries = sorted(entry for entry in data_dir.iterdir() if entry.is_dir())
    folders = {}
    for name in names:
        if is_listing(name):
            if not (data_dir / name).is_file():
                raise UserError(
                    f"{data_dir / name}: no such table of a corpus; give its path from the corpora's folder"
                )
            folders[corpus_name(name)] = data_dir / name
            continue
        own = [entry for entry in entries if re.sub(r"[^a-z0-9]", "", entry.name.lower()) in corpus(name).folders]
        if len(own) > 1:
            both = " and ".join(entry.name for entry in own)
            raise UserError(f"{data_dir}: {both} are both read as {corpus(name).title}; leave one of them there")
        if own:
            folders[name] = own[0]
    if not folders:
        wanted = ", ".join(corpus(name).folders[0] for name in names)
        raise UserError(f"{data_dir}: no corpus found; it should hold at least one of these folders: {wanted}")
    return folders


def audio_files(data_dir: str | PathLike[str], names: Sequence[str] = tuple(CORPORA)) -> list[Path]:
    """Exactly the files that :func:`read_all` looks at, sorted; raises what :func:`located` raises."""
    found: set[Path] = set()
    for name, source in located(data_dir, names).items():
        if source.is_file():
            listed = [source, *read_listing(source)["file"]]
        else:
            listed = walk(source, (*SUFFIXES, *corpus(name).beside))
        found.update(path for path in listed if path.is_file())
    return sorted(found)


def read_all(
    data_dir: str | PathLike[str], names: Sequence[str] = tuple(CORPORA), classes: Mapping[str, str] = CLASSES
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read every corpus that is there.

    Parameters
    ----------
    data_dir : str or PathLike
        Folder of corpus folders, named as in :attr:`Corpus.folders` whatever their case and punctuation
        (``CREMA-D``, ``cremad`` and ``AudioWAV`` are one).
    names : sequence of str
        Corpora to look for, keys of :data:`CORPORA`; or tables, as paths from the folder.
    classes : mapping
        As for :func:`read`.

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
    folders = located(data_dir, names)
    tables = {name: read(name, folder, classes) for name, folder in folders.items()}
    utterances, skipped = (pd.concat(parts, ignore_index=True) for parts in zip(*tables.values(), strict=True))
    presence = []
    for name in map(corpus_key, names):
        own, left_out = tables.get(name, (utterances[:0], skipped[:0]))
        counts = {"utterances": len(own), "speakers": own["speaker"].nunique(), "skipped": len(left_out)}
        where = {"present": name in folders, "folder": str(folders.get(name, ""))}
        presence.append({"corpus": name, "title": title(name), **where, **counts})
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

"""What the parts of a split share, whoever made it: speakers, augmented siblings, texts, recordings, copies."""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
import scipy.signal
from sklearn.neighbors import NearestNeighbors
from tqdm import tqdm

from sersupport.core.errors import UserError
from sersupport.corpora.conventions import CORPORA, parse
from sersupport.corpora.listing import read_table
from sersupport.corpora.protocols import KEPT_APART, checked
from sersupport.sound import audio

EXAMPLES = 5
COMPARED_HZ = 4000
NEIGHBOURS = 5  # candidates a file whose waveforms are compared
# Correlation of waveforms from which on two files are one recording. Measured on RAVDESS: 850 pairs of different
# takes reach 0.47 at most (112 repetitions of one line by one actor among them); copies as MP3, OGG, at another rate
# or level, cut, or with white noise at 20 dB have 0.99 at least, at 10 dB 0.96.
SAME_RECORDING = 0.7
_WORDS = "aug(?:mented)?|clean|orig(?:inal)?|noise|noisy|pitch(?:ed)?|stretch(?:ed)?|shift(?:ed)?|speed|reverb|copy"
_AUGMENTED = re.compile(rf"(?:[_\-. ](?:{_WORDS})[_\-]?\d{{0,2}})+$|^(?:(?:{_WORDS})\d*[_\-])+", re.IGNORECASE)
_KINDS = {
    "speaker": "speakers heard in more than one part",
    "utterance": "utterances with rows in more than one part",
    "text": "texts spoken in more than one part",
    "duplicate": "recordings with identical samples in more than one part",
    "near-duplicate": "recordings in more than one part that are copies of each other (re-encoded, louder, cut, noisy)",
}


@dataclass(frozen=True)
class Overlap:
    """One kind of sharing.

    Attributes
    ----------
    kind : str
        speaker, utterance, text, duplicate or near-duplicate.
    checked : bool
        False where the file does not say and names do not tell, or the audio is not at hand.
    shared : int
        How many things (speakers, utterances, texts, pairs of files) stand in more than one part.
    test_share : float
        Share of the test's rows (of all rows, where no part is called test) that they concern.
    leak : bool
        Whether the protocol claims to keep them apart.
    examples : list of str
        Some of them by name.
    """

    kind: str
    checked: bool
    shared: int
    test_share: float
    leak: bool
    examples: list[str]


@dataclass(frozen=True)
class Report:
    """Overlaps of an audit.

    Attributes
    ----------
    protocol : str
        What the split was held to, a key of :data:`sersupport.corpora.protocols.KEPT_APART`.
    parts : dict
        Rows by part.
    named : dict
        Rows by how their utterance is known: "column", "convention" (a corpus's file name), "guess"; how many files
        have audio at hand ("audio"), and of how many it cannot be read ("unread").
    findings : list of Overlap
    """

    protocol: str
    parts: dict[str, int]
    named: dict[str, int]
    findings: list[Overlap]

    @property
    def leaks(self) -> bool:
        """Whether anything is shared that the protocol claims to keep apart."""
        return any(finding.leak for finding in self.findings)

    def to_json(self) -> str:
        """Everything, as a JSON object."""
        return json.dumps(asdict(self) | {"leaks": self.leaks}, indent=1, ensure_ascii=False)

    def in_words(self) -> str:
        """One line a finding, the verdict last."""
        parts = ", ".join(f"{name} {rows:,}" for name, rows in self.parts.items())
        rows = {how: count for how, count in self.named.items() if how not in ("audio", "unread")}
        named = ", ".join(f"{count:,} by {how}" for how, count in rows.items() if count)
        lines = [f"{sum(self.parts.values()):,} rows ({parts}); utterances known {named or 'of none'}"]
        if self.named["unread"]:
            lines.append(f"{self.named['unread']:,} files cannot be read as audio and were compared with none")
        for finding in self.findings:
            kind, mark = _KINDS[finding.kind], "LEAK" if finding.leak else "shared" if finding.shared else "ok"
            share = f", {100 * finding.test_share:.1f} % of the test rows; for example {'; '.join(finding.examples)}"
            found = f"{mark}: {finding.shared:,} {kind}{share if finding.shared else ''}"
            lines.append(found if finding.checked else f"not checked: {kind}")
        lines.append(f"{'LEAKS' if self.leaks else 'keeps'} what {self.protocol} keeps apart")
        return "\n".join(lines)


def read_split(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a split file.

    Parameters
    ----------
    path : path
        CSV, or TSV by its suffix, with columns ``file`` and ``split``; where known speaker, text, utterance, protocol.

    Returns
    -------
    pandas.DataFrame
        All columns as text.

    Raises
    ------
    UserError
        No such file, not a table, a column missing or twice there, no rows, or a single part.
    """
    path = Path(path)
    table = read_table(path, "give a CSV with the columns file and split").astype(str)
    if missing := [column for column in ("file", "split") if column not in table]:
        raise UserError(f"{path}: no column {missing[0]!r}; it has {', '.join(table.columns)}")
    if (table["split"].str.strip() == "").any():
        raise UserError(f"{path}: some rows have no split; name the part of each, or leave those rows out")
    if table["split"].nunique() < 2:
        raise UserError(f"{path}: {len(table)} rows in {table['split'].nunique()} part; an audit needs two or more")
    return table


def identify(table: pd.DataFrame) -> pd.DataFrame:
    """Add speaker, text and utterance where the columns are missing or empty, from file names that tell.

    Returns
    -------
    pandas.DataFrame
        With ``speaker``, ``text`` ("" where unknown), ``utterance`` and ``known``: "column", "convention" or "guess".
        The last two are "" where there is neither an utterance nor the name of a file, as in ``.``.
    """
    absent = [column for column in ("speaker", "text", "utterance") if column not in table]
    table = table.reindex(columns=[*table.columns, *absent]).fillna("")
    rows = []
    for row in table[["file", "speaker", "text", "utterance"]].itertuples(index=False):
        path, label = Path(row.file), _label(row.file)
        known = "column" if row.utterance else "convention" if label else "guess" if path.name else ""
        # without a convention the folders tell files apart that have one name
        guess = (path.parent / (_AUGMENTED.sub("", path.stem) or path.stem)).as_posix() if path.name else ""
        speaker, text, utterance = (label.speaker, label.text, label.id) if label else ("", "", guess)
        rows.append((row.speaker or speaker, row.text or text, row.utterance or utterance, known))
    return table.assign(**dict(zip(("speaker", "text", "utterance", "known"), zip(*rows, strict=True), strict=True)))


def _label(file: str):
    """The label of a name that holds a corpus's convention, whatever stands around it; else None."""
    place = "/".join([Path(file).parent.name, Path(file).stem])
    for name, corpus in CORPORA.items():
        if match := re.search(rf"(?<![A-Za-z0-9])({corpus.pattern})(?![A-Za-z0-9])", place, re.ASCII):
            try:
                return parse(name, f"{match[1]}.wav")
            except audio.AudioError:
                continue
    return None


def audit(table: pd.DataFrame, folder: str | os.PathLike[str] | None = None, protocol: str | None = None) -> Report:
    """Find what the parts of a split share.

    Parameters
    ----------
    table : pandas.DataFrame
        From :func:`read_split`.
    folder : path, optional
        What ``file`` is relative to; audio is compared where it is found.
    protocol : str, optional
        What the split claims, a key of :data:`sersupport.corpora.protocols.KEPT_APART`. By default what its
        ``protocol`` column says; without one, speaker-disjoint if every speaker is known, else utterance-grouped.

    Raises
    ------
    UserError
        For an unknown protocol.
    """
    table = identify(table)
    protocol = _claimed(table, protocol)
    in_test = table["split"].str.lower().isin(["test", "eval", "evaluation"]).to_numpy()
    in_test = in_test if in_test.any() else np.ones(len(table), dtype=bool)
    findings = [
        _shared_values(table, kind, in_test, kind in KEPT_APART[protocol]) for kind in ("speaker", "utterance", "text")
    ]
    present = _present(table["file"], Path(folder)) if folder is not None else {}
    strict = protocol != "row-random"
    same, alike, unread = _copies(table, present)
    for kind, pairs in (("duplicate", same), ("near-duplicate", alike)):
        concerned = table["file"].isin({file for pair in pairs for file in pair}).to_numpy()
        share = float(concerned[in_test].mean())
        names = [" = ".join(pair) for pair in pairs[:EXAMPLES]]
        findings.append(Overlap(kind, len(present) > unread, len(pairs), share, bool(pairs) and strict, names))
    known = table.loc[table["known"] != "", "known"].value_counts().to_dict()
    named = {**known, "audio": len(present) - unread, "unread": unread}
    return Report(protocol, table["split"].value_counts(sort=False).to_dict(), named, findings)


def _claimed(table: pd.DataFrame, protocol: str | None) -> str:
    if protocol is None and "protocol" in table and table["protocol"].nunique() == 1:
        protocol = table["protocol"].iloc[0]
    if protocol is None:
        protocol = "speaker-disjoint" if (table["speaker"] != "").all() else "utterance-grouped"
    return checked(protocol)


def _shared_values(table: pd.DataFrame, kind: str, in_test: np.ndarray, kept_apart: bool) -> Overlap:
    known = table[kind] != ""
    parts = table[known].groupby(kind)["split"].nunique()
    shared = sorted(parts.index[parts > 1])
    share = float(table[kind].isin(shared).to_numpy()[in_test].mean())
    # training and validation may share a voice or a text, never the rows of an utterance
    leak = kept_apart and (share > 0 or (kind == "utterance" and bool(shared)))
    return Overlap(kind, bool(known.any()), len(shared), share, leak, shared[:EXAMPLES])


def _present(files: Iterable[str], folder: Path) -> dict[str, Path]:
    """Where the files are that are there; a cell may name a folder, nothing, or what no file can be called."""
    present = {}
    for file in dict.fromkeys(files):
        with suppress(OSError):  # a name of a thousand letters
            if (folder / file).is_file():
                present[file] = folder / file
    return present


def _copies(
    table: pd.DataFrame, present: Mapping[str, Path]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], int]:
    """Pairs of files of different parts with identical samples, and copies otherwise; how many cannot be read."""
    parts_of = table.groupby("file")["split"].agg(set)
    waves, sums = {}, {}
    for file, path in tqdm(present.items(), desc="audio", unit="file", leave=False, disable=None):
        try:
            wave, found = audio.load_probed(path, COMPARED_HZ)
        except audio.AudioError:
            continue  # what cannot be read cannot be compared
        sums[file] = found.sha256
        if found.duration_s >= audio.SHORTEST_S:  # less has no shape of its own
            waves[file] = (wave / (np.abs(wave).max() or 1)).astype(np.float16)  # every file's is held at once

    def apart(pair: tuple[str, str]) -> bool:
        return len(parts_of[pair[0]] | parts_of[pair[1]]) > 1

    checksums = pd.Series(sums, dtype=object)
    by_sum = checksums.groupby(checksums, sort=False)
    same = [pair for _, files in by_sum for pair in _linked(sorted(files.index), apart)]
    candidates = [pair for pair in _neighbours(waves) if apart(pair) and sums[pair[0]] != sums[pair[1]]]
    bar = tqdm(candidates, desc="waveforms", unit="pair", leave=False, disable=None)
    alike = [pair for pair in bar if correlation(waves[pair[0]], waves[pair[1]]) >= SAME_RECORDING]
    return same, alike, len(present) - len(sums)


def _linked(files: list[str], apart: Callable[[tuple[str, str]], bool]) -> list[tuple[str, str]]:
    """A pair for each of some identical files but one, with one of another part; none where they share one part."""
    first = files[0]
    other = next((file for file in files if apart((first, file))), None)
    if other is None:
        return []
    return [tuple(sorted((file, first if apart((first, file)) else other))) for file in files[1:]]


def fingerprint(y: np.ndarray) -> np.ndarray:
    """Coarse description of a recording: the log-mel spectrum of its loud stretch in twelve parts, level taken out.

    What lies more than 20 dB below the peak is cut off, so that faint noise and the silence around change little.

    Parameters
    ----------
    y : np.ndarray, shape (n,)
        At :data:`COMPARED_HZ`.

    Returns
    -------
    np.ndarray, shape (12 * 20,)
    """
    loud, _ = librosa.effects.trim(y, top_db=20, frame_length=256, hop_length=64)
    mel = librosa.feature.melspectrogram(y=loud, sr=COMPARED_HZ, n_fft=256, hop_length=64, n_mels=20)
    level = librosa.power_to_db(mel, ref=np.max, top_db=20)
    stretches = np.array_split(level, 12, axis=1)
    pooled = np.stack([part.mean(axis=1) if part.size else level.mean(axis=1) for part in stretches])
    return ((pooled - pooled.mean()) / (pooled.std() + 1e-9)).ravel()


def _neighbours(waves: Mapping[str, np.ndarray]) -> list[tuple[str, str]]:
    files = sorted(waves)
    if len(files) < 2:
        return []
    prints = np.stack([fingerprint(waves[file].astype(np.float32)) for file in files])
    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS + 1, len(files))).fit(prints)
    near = search.kneighbors(prints, return_distance=False)
    pairs = {tuple(sorted((files[i], files[j]))) for i, row in enumerate(near) for j in row if i != j}
    return sorted(pairs)


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of two waveforms where they overlap, at the shift where it is largest, in [0, 1].

    Pre-emphasis keeps hum and rumble, which different recordings share, from counting. An overlap of less than half
    the shorter one counts as none.

    Parameters
    ----------
    first, second : np.ndarray, shapes (n,) and (m,)
        At one rate.
    """
    a, b = (librosa.effects.preemphasis(np.asarray(y, dtype=np.float64)) for y in (first, second))
    lags = scipy.signal.correlation_lags(len(a), len(b))
    lag = int(lags[np.argmax(np.abs(scipy.signal.correlate(a, b)))])
    a, b = a[max(lag, 0) :], b[max(-lag, 0) :]
    overlap = min(len(a), len(b))
    a, b = a[:overlap], b[:overlap]
    size = np.linalg.norm(a) * np.linalg.norm(b)
    if overlap < 0.5 * min(len(first), len(second)) or size == 0:
        return 0.0
    return float(abs(a @ b) / size)

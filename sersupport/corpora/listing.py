"""A corpus that a table lists: a CSV of one's own, or a table that another tool of the field wrote."""

import re
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import pandas as pd

from sersupport.core.errors import UserError
from sersupport.corpora.convention import Label
from sersupport.corpora.conventions import CORPORA

SUFFIXES = (".csv", ".tsv", ".parquet")
# names of a column elsewhere; the first is this project's
_COLUMNS = {
    "file": ("file", "path", "filename", "audio", "wav"),
    "emotion": ("emotion", "label", "class"),
    "speaker": ("speaker", "speaker_id", "spk"),
    "sex": ("sex", "gender"),
    "text": ("text", "transcription", "transcript", "sentence"),
    "language": ("language", "lang"),
    "split": ("split", "subset", "partition"),
}
_NEEDED = ("file", "emotion", "speaker")
_SEXES = {"f": "F", "female": "F", "woman": "F", "w": "F", "m": "M", "male": "M", "man": "M"}
_PARTS = {"training": "train", "dev": "validation", "devel": "validation", "val": "validation", "valid": "validation",
          "eval": "test", "evaluation": "test"}  # fmt: skip


def is_listing(name: str) -> bool:
    """Whether the name of a corpus is that of a table."""
    return name.lower().endswith(SUFFIXES)


def corpus_name(name: str) -> str:
    """What the corpus of a table is called: the table's stem, in small letters and digits.

    Raises
    ------
    UserError
        If nothing is left of it, or a known corpus is called so.
    """
    short = re.sub(r"[^a-z0-9]+", "_", Path(name).stem.lower()).strip("_")
    if not short or short in CORPORA:
        raise UserError(f"{name}: a corpus {short!r} is known already, or has no name; call the table something else")
    return short


def corpus_key(name: str) -> str:
    """By what a corpus goes in tables: its own name, or where it is a table :func:`corpus_name`."""
    return corpus_name(name) if is_listing(name) else name


def read_listing(path: str | PathLike[str]) -> pd.DataFrame:
    """Read a table of recordings.

    Parameters
    ----------
    path : path
        CSV, TSV or Parquet with columns ``file``, ``emotion``, ``speaker`` and, where known, ``sex``, ``text``,
        ``language``, ``split``; also under the names that other tools give them, and with the file in the index, as
        audformat has it. Files are relative to the table's folder.

    Returns
    -------
    pandas.DataFrame
        These columns as text, "" where nothing is known; ``file`` is a path, ``sex`` "F", "M" or "", ``split`` one of
        train, validation, test, or what stands there.

    Raises
    ------
    UserError
        No such file, not a table, a needed column missing, no rows, or rows that are pieces of files.
    """
    path = Path(path)
    table = read_table(path, f"give a table with the columns {', '.join(_NEEDED)}")
    found = {name: [other for other in others if other in table] for name, others in _COLUMNS.items()}
    if missing := [name for name in _NEEDED if not found[name]]:
        raise UserError(f"{path}: no column {missing[0]!r}; it has {', '.join(table.columns)}")
    if "start" in table and (_seconds(table["start"]) > 0).any():
        raise UserError(f"{path}: its rows are pieces of files; cut them into files of their own")
    columns = {name: table[own[0]] if own else "" for name, own in found.items()}
    listed = pd.DataFrame(columns, index=table.index).astype("object").where(lambda cells: cells.notna(), "")
    listed = listed.astype(str).apply(lambda column: column.str.strip())
    if listed.empty:
        raise UserError(f"{path}: no rows; list a file a row")
    listed["sex"] = listed["sex"].str.lower().map(_SEXES).fillna("")
    listed["split"] = listed["split"].str.lower().replace(_PARTS)
    listed["file"] = [path.parent / file for file in listed["file"]]
    return listed.reset_index(drop=True)


def read_table(path: Path, needed: str) -> pd.DataFrame:
    """Read a table whose names of columns do not depend on capitals.

    Parameters
    ----------
    path : Path
        CSV, TSV or Parquet, by its suffix; without a known one, CSV. What stands in a CSV is text.
    needed : str
        What to do where there is no such file, for the message.

    Raises
    ------
    UserError
        No such file, not a table, two columns of one name, or rows with more cells than the header.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; {needed}")
    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    options = {"sep": separator, "dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
            table = table if table.index.names == [None] else table.reset_index()
            header = table.columns
        else:
            table = pd.read_csv(path, **options)
            header = pd.read_csv(path, **options, header=None, nrows=1).iloc[0]  # pandas renames the second of a name
    except (OSError, ValueError) as error:  # pandas' and Arrow's own are kinds of them
        kind = path.suffix.lower().lstrip(".").upper() or "CSV"
        raise UserError(f"{path}: not a {kind}: {' '.join(str(error).split())}") from None
    table.columns = names = [str(name).strip().lower() for name in [*header][: len(table.columns)]]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{path}: two columns {twice[0]!r}; leave one of them there")
    if not isinstance(table.index, pd.RangeIndex):
        raise UserError(f"{path}: its rows have more cells than its header; quote cells that hold a comma")
    return table


def _seconds(times: pd.Series) -> pd.Series:
    """Times as seconds, whether they are numbers or durations; what is neither counts as the beginning."""
    numbers = pd.to_numeric(times, errors="coerce") if times.dtype.kind != "m" else times.dt.total_seconds()
    durations = pd.to_timedelta(times.where(numbers.isna()), errors="coerce").dt.total_seconds()
    return numbers.fillna(durations).fillna(0)


def entries(name: str, path: Path) -> Iterator[tuple[Path, Label, str, str]]:
    """The recordings of a table: file, label, language and split of each.

    Parameters
    ----------
    name : str
        Of the corpus, from :func:`corpus_name`.
    path : Path
        As for :func:`read_listing`.
    """
    for row in read_listing(path).itertuples(index=False):
        relative = row.file.relative_to(path.parent) if row.file.is_relative_to(path.parent) else row.file
        label = Label(
            id=f"{name}/{relative.with_suffix('').as_posix().strip('/')}",
            speaker=f"{name}-{row.speaker}" if row.speaker else "",
            sex=row.sex,
            emotion=row.emotion.lower(),
            intensity="unspecified",
            text=row.text,
        )
        yield row.file, label, row.language or "unknown", row.split

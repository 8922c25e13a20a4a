"""Figures printed in the reproduced papers, transcribed as facts, to stand beside our own."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import pandas as pd

from sersupport.core.errors import UserError

_TABLES = files(__package__) / "tables"


def names() -> list[str]:
    """Names of the transcribed tables, ``<arXiv id>-<table>``, sorted."""
    return sorted(entry.name.removesuffix(".csv") for entry in _TABLES.iterdir() if entry.name.endswith(".csv"))


@cache
def _read(name: str) -> pd.DataFrame:
    with (_TABLES / f"{name}.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream)


def table(name: str) -> pd.DataFrame:
    """One printed table, as transcribed.

    Parameters
    ----------
    name : str
        ``<arXiv id>-<table>``, one of :func:`names`.

    Returns
    -------
    pandas.DataFrame
        A fresh copy, columns as in the transcription; percentages carry ``_pct`` in their name.

    Raises
    ------
    UserError
        If no such table has been transcribed.

    Examples
    --------
    >>> int(table("2512.18298-table2-corpora")["samples"].sum())
    12162
    """
    if name not in names():
        raise UserError(f"no transcribed table named {name!r}; there are: {', '.join(names())}")
    return _read(name).copy()

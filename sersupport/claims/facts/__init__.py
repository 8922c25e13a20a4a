"""Figures printed in the reproduced papers, transcribed as facts, to stand beside our own."""

from pathlib import Path

import pandas as pd

from sersupport.core.errors import UserError

_TABLES = Path(__file__).parent / "tables"


def names() -> list[str]:
    """Names of the transcribed tables, ``<arXiv id>-<table>``, sorted."""
    return sorted(path.stem for path in _TABLES.glob("*.csv"))


def table(name: str) -> pd.DataFrame:
    """One printed table, as transcribed.

    Parameters
    ----------
    name : str
        ``<arXiv id>-<table>``, one of :func:`names`.

    Returns
    -------
    pandas.DataFrame
        Columns as in the transcription; percentages carry ``_pct`` in their name.

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
    return pd.read_csv(_TABLES / f"{name}.csv")

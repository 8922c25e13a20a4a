"""The ledger of a run, or of a published report, on the terminal."""

import difflib
import textwrap
from pathlib import Path

import pandas as pd

from sersupport.core.errors import UserError
from sersupport.report.publish import LEDGER, PUBLISHED
from sersupport.report.record import RECORD, read_record
from sersupport.run.artefacts import Artefacts, is_there
from sersupport.run.parameters import EMBEDDED

_COLUMNS = (
    "id", "paper", "place", "weight", "family", "claim", "test", "evidence", "low", "high", "p", "p_holm", "basis",
    "verdict", "command",
)  # fmt: skip
_LEDGER_FILE = Path("artefacts") / f"{LEDGER}.parquet"


def newest(root: Path) -> Path:
    """The run whose ledger is meant where none is named: the demo's, else the last, else the last published.

    Raises
    ------
    UserError
        If no run has a ledger.
    """
    reports = root / "reports"
    candidates = [[reports / "demo"], list(reports.glob("*")), list((root / PUBLISHED).glob("*"))]
    for folders in candidates:
        with_ledger = [one for one in folders if (one / RECORD).is_file() and (one / _LEDGER_FILE).is_file()]
        if with_ledger:
            return max(with_ledger, key=lambda folder: (folder / RECORD).stat().st_mtime_ns)
    raise UserError(f"no run with a ledger in {reports}: make one with sersupport report, or name one with --run")


def ledger_of(folder: Path, recompute: bool = False) -> pd.DataFrame:
    """A run's ledger.

    Parameters
    ----------
    folder : Path
        A run or a published report.
    recompute : bool
        Check every claim again on the folder's artefacts, instead of reading what was found when it was made.

    Raises
    ------
    UserError
        If the folder has no ledger or, to recompute it, none of the tables that claims are tested on; or if artefacts
        in it cannot be used.
    """
    parameters = read_record(folder)["parameters"]
    # the record's texts hold no path of a machine, those beside an unpublished run's artefacts do
    known = {name: value for name, value in parameters.items() if not isinstance(value, str | dict)}
    artefacts = Artefacts(folder / "artefacts", known, "the run")
    if not recompute:
        table = artefacts.load(LEDGER)
        if lacking := [name for name in _COLUMNS if name not in table] or ["claim"] * table.empty:
            raise UserError(
                f"{LEDGER} in {folder} has no {lacking[0]}, an earlier version may have made it: run notebook"
                f" {LEDGER.partition('/')[0]} again"
            )
        return table
    from sersupport.claims.evidence import ARTEFACTS, Evidence
    from sersupport.claims.ledger import ledger

    if not any(is_there(artefacts.folder, artefact) for artefact in ARTEFACTS):
        raise UserError(f"{folder} has no tables to recompute the claims from: name a complete run with --run")

    synthetic = parameters["data_dir"] == EMBEDDED
    return ledger(Evidence(artefacts.load, parameters["profile"], synthetic, parameters["bootstrap_samples"]))


def overview(table: pd.DataFrame) -> str:
    """A line a claim: id, verdict, claim."""
    widths = [table[name].str.len().max() for name in ("id", "verdict")]
    rows = table[["id", "verdict", "claim"]].itertuples(index=False)
    return "\n".join(f"{row.id:<{widths[0]}}  {row.verdict:<{widths[1]}}  {row.claim}" for row in rows)


def in_full(table: pd.DataFrame, id: str) -> str:
    """All that the ledger says of a claim.

    Raises
    ------
    UserError
        If no claim has this name, with those that come near.
    """
    rows = table[table["id"] == id]
    if rows.empty:
        near = difflib.get_close_matches(id, table["id"], 3, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "sersupport claims lists them"
        raise UserError(f"no claim {id!r} in this ledger; {hint}")
    row = rows.iloc[0]
    interval = "" if pd.isna(row["low"]) else f" (interval {row['low']:.3f} to {row['high']:.3f})"
    corrected = "" if pd.isna(row["p_holm"]) else f"; p {row['p_holm']:.3g} after Holm's correction"
    said = {
        "claim": f"{row['claim']} ({row['weight']})",
        "printed": f"arXiv {row['paper']}, {row['place']}",
        "test": row["test"],
        "evidence": f"{row['evidence']}{interval}{corrected}",
        "rests on": row["basis"],
        "verdict": row["verdict"],
        "command": row["command"],
    }
    return "\n".join(
        textwrap.fill(f"{name + ':':<10} {text}", 110, subsequent_indent=" " * 11, break_long_words=False)
        for name, text in said.items()
    )

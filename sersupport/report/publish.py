"""A run put where it can be committed: its site, its record, and what anyone needs to compute its ledger again."""

import json
import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow
from pyarrow import compute, parquet

from sersupport.claims.evidence import ARTEFACTS
from sersupport.core.errors import UserError
from sersupport.core.files import whole
from sersupport.core.keys import file_digest
from sersupport.report.front_page import OTHERS
from sersupport.report.record import (
    RECORD,
    folder_digest,
    locked,
    package_root,
    read_record,
    replace_folder,
    write_record,
)
from sersupport.report.schedule import is_whole
from sersupport.run.artefacts import MADE, files
from sersupport.systems.predictions import probabilities

TABLES_BYTES, REPORT_BYTES = 10_000_000, 20_000_000
HEADLINE, LEDGER, SAMPLES = "10_claims/headline", "10_claims/ledger", "09_related_systems/coefficients"
PUBLISHED = Path("reports") / "published"  # below the project


def publish(run: str, name: str | None = None, root: Path | None = None) -> Path:
    """Publish a run as ``reports/published/<name>``, replacing an earlier report of that name.

    Parameters
    ----------
    run : str
        Folder of the run, or its name in ``reports``.
    name : str, optional
        By default the run's profile.
    root : Path, optional
        The project; by default the one this package lies in.

    Returns
    -------
    Path
        The published folder: ``html``, ``run.json`` and ``artefacts``.

    Raises
    ------
    UserError
        If there is no such run; if it is not complete, or not as it was made; if the name cannot be used, or a folder
        of that name is no published report; or if the report is too large.
    RunFailed
        If another process works in the run's folder.
    """
    root = root or package_root()
    folder = found(run, root)
    if "published" in read_record(folder):
        raise UserError(f"{folder} is a published report already: name the run that it came from")
    name = name or read_record(folder)["parameters"]["profile"]
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"--as {name}: a report's name is made of letters, digits, dots, hyphens and underscores")
    target = root / PUBLISHED / name
    _check_target(target, read_record(folder)["parameters"]["profile"])
    with locked(folder), TemporaryDirectory(prefix="sersupport-publish-") as temporary:
        record = read_record(folder)
        _check(folder, record)
        built = Path(temporary, name)
        shutil.copytree(folder / "html", built / "html")
        write_record(built, record | {"published": name})
        for artefact in (*ARTEFACTS, SAMPLES, HEADLINE, LEDGER):
            _copy(folder / "artefacts", artefact, built / "artefacts", record["parameters"])
        _check_size("the tables", built / "artefacts", TABLES_BYTES)
        _check_size("the report", built, REPORT_BYTES)
        replace_folder(built, target)
    _link(target.parent)
    return target


def _link(published: Path) -> None:
    """Let the front page of every published report name the others."""
    pages = {path.parent.parent.name: path for path in sorted(published.glob("*/html/index.html"))}
    start, end = OTHERS
    for name, page in pages.items():
        links = [f'<a href="../../{other}/html/index.html">{other}</a>' for other in pages if other != name]
        said = f"{start}<p>Other reports: {', '.join(links)}</p>{end}" if links else start + end
        text = page.read_text(encoding="utf-8")
        linked = re.sub(f"{start}.*?{end}", said, text, flags=re.DOTALL)
        if linked != text:
            with whole(page) as temporary:
                temporary.write_text(linked, encoding="utf-8")


def found(run: str, root: Path) -> Path:
    """Folder of a run, by path or by its name in ``reports`` or ``reports/published``.

    Raises
    ------
    UserError
        If it is none.
    """
    for folder in (Path(run), root / "reports" / run, root / PUBLISHED / run):
        if read_record(folder):
            return folder
    raise UserError(f"{run} is no folder of a run: make one with sersupport report")


def _check_target(target: Path, profile: str) -> None:
    """Raise a UserError where something else would be lost than an earlier report of the same profile."""
    if not os.path.lexists(target):
        return
    try:
        record = read_record(target)
    except UserError:
        record = {}
    if "published" not in record or target.is_symlink():
        raise UserError(f"{target} is no published report: move it away, or choose another name with --as")
    if (other := record["parameters"]["profile"]) != profile:
        raise UserError(f"{target} is a report of profile {other}: remove it, or choose another name with --as")
    if foreign := sorted({path.name for path in target.iterdir()} - {RECORD, "html", "artefacts"}):
        raise UserError(f"{target} holds {foreign[0]!r}, which no report made: move it away")


def _check(folder: Path, record: dict[str, Any]) -> None:
    again = "run sersupport report again"
    for name, entry in record["notebooks"].items():
        if entry is None:
            raise UserError(f"{folder} is not complete, {name} has not run to its end: {again}")
        if not is_whole(entry, folder, name):
            raise UserError(f"{folder}: {name} or its artefacts are no longer as they were made: {again}")
    site = record.get("site")
    if not site or site["pages"] != folder_digest(folder / "html"):
        raise UserError(f"{folder}: the pages are no longer as they were made: {again}")


def _check_size(what: str, folder: Path, most: int) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > most:
        raise UserError(f"{what} take {size / 1e6:.1f} MB, more than the {most / 1e6:.0f} MB that may be published")


def _copy(source: Path, artefact: str, target: Path, parameters: dict[str, Any]) -> None:
    """Copy an artefact, if the run has it, tables packed and without a path of this machine; see :func:`_pack`."""
    for path in files(source, artefact):
        kept = target / path.relative_to(source)
        kept.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            _pack(path, kept)
        elif path.name.endswith(MADE):
            made = json.loads(path.read_text(encoding="utf-8"))["parameters"]
            # the record's texts hold no path of this machine
            made |= {name: value for name, value in parameters.items() if name in made}
            value = files(target, artefact)[0]  # packed, it is another file
            content = file_digest(value)
            kept.write_text(json.dumps({"parameters": made, "content": content}, indent=1) + "\n", encoding="utf-8")
        else:
            shutil.copyfile(path, kept)


def _pack(path: Path, kept: Path) -> None:
    """Write a table as small as it can be: probabilities to three decimals, of which no verdict needs more."""
    table = parquet.read_table(path)
    likely = list(probabilities(table.schema.empty_table().to_pandas())) if "predicted" in table.column_names else []
    for name in likely:
        table = table.set_column(table.column_names.index(name), name, compute.round(table[name], 3))
    if "path" in table.column_names:
        names = pyarrow.array([os.path.basename(str(value)) for value in table["path"].to_pylist()])
        table = table.set_column(table.column_names.index("path"), "path", names)
    numbers = [field.name for field in table.schema if pyarrow.types.is_floating(field.type)]
    split = [name for name in numbers if name not in likely]
    others = [name for name in table.column_names if name not in split]
    options = {"compression": "zstd", "compression_level": 15, "use_dictionary": others}
    parquet.write_table(table, kept, use_byte_stream_split=split, **options)

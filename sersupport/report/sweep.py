"""A grid over parameters: a run for each combination, and one page that compares them."""

import html
import itertools
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pandas as pd

from sersupport.core.errors import UserError
from sersupport.core.files import whole
from sersupport.report.record import package_root
from sersupport.report.series import effective_parameters, run_series
from sersupport.run.artefacts import Artefacts
from sersupport.run.chapters import CHAPTERS, Chapter
from sersupport.run.parameters import Parameters, parse_yaml
from sersupport.studies import cluster

_KEYS = {"profile", "data", "parameters", "grid", "chapters"}
SCORES, PREDICTIONS = "07_ablation/table6", "06_robustness/predictions"


@dataclass(frozen=True)
class Sweep:
    """What a grid file asks for.

    Attributes
    ----------
    name : str
        The file's stem; the runs lie in ``reports/<name>/<number>``.
    points : list of dict
        Value of each varied parameter, a point a run; the last parameter varies fastest.
    runs : list of Parameters
        Of each point.
    chapters : mapping
        Those that are run.
    """

    name: str
    points: list[dict[str, Any]]
    runs: list[Parameters]
    chapters: Mapping[str, Chapter]


def read_sweep(path: Path, root: Path | None = None) -> Sweep:
    """Read a grid file.

    Parameters
    ----------
    path : Path
        YAML with ``grid`` (parameter to list of values) and, if wanted, ``profile``, ``data`` (folder of corpora),
        ``parameters`` (values that all runs share) and ``chapters`` (names; by default all).
    root : Path, optional
        The project.

    Raises
    ------
    UserError
        If there is no such file, it is no grid, or a parameter, value or chapter of it cannot be used.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such grid; give a YAML file with a mapping grid: parameter to list of values")
    given = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    grid = given.get("grid") if isinstance(given, dict) else None
    if not isinstance(grid, dict) or not grid or not all(isinstance(own, list) and own for own in grid.values()):
        raise UserError(f"{path}: needs grid, a mapping of parameters to lists of values")
    if unknown := sorted(set(given) - _KEYS):
        raise UserError(f"{path}: unknown key {unknown[0]!r}; there are: {', '.join(sorted(_KEYS))}")
    chapters = {name: CHAPTERS[name] for name in CHAPTERS if name in given.get("chapters", CHAPTERS)}
    needed = {read.partition("/")[0] for chapter in chapters.values() for read in chapter.reads}
    if lacking := [*(set(given.get("chapters", ())) - set(CHAPTERS)), *sorted(needed - set(chapters))]:
        raise UserError(f"{path}: chapters need {lacking[0]!r}; there are: {', '.join(CHAPTERS)}")
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    runs = []
    for number, point in enumerate(points):
        values = given.get("parameters", {}) | point
        overrides = [(name, json.dumps(value)) for name, value in values.items()]
        out = str((root or package_root()) / "reports" / path.stem / f"{number:02d}")
        runs.append(effective_parameters(given.get("profile", "demo"), given.get("data"), out, overrides, root))
    return Sweep(path.stem, points, runs, chapters)


def run_sweep(
    sweep: Sweep, root: Path | None = None, echo: Callable[[str], None] = click.echo, scheduler: str | None = None,
    workers: int = 0,
) -> Path:  # fmt: skip
    """Run every point that is not up to date, through the same jobs, and compare them.

    Parameters
    ----------
    sweep : Sweep
    root, echo, scheduler, workers
        As for :func:`sersupport.report.series.run_series`.

    Returns
    -------
    Path
        The page that compares them.
    """
    root = root or package_root()
    with ExitStack() as stack:
        if scheduler is None and workers:
            scheduler = stack.enter_context(cluster.workers(workers))
        for point, parameters in zip(sweep.points, sweep.runs, strict=True):
            echo(_named(point))
            run_series(parameters, root, chapters=sweep.chapters, echo=echo, scheduler=scheduler)
    page = _page(sweep, root)
    echo(str(page))
    return page


def _named(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in point.items())


def _page(sweep: Sweep, root: Path) -> Path:
    from sersupport.evaluation import SIGNIFICANT
    from sersupport.report.site import ASSETS
    from sersupport.run import charts, figures

    names = [_named(point) for point in sweep.points]
    scores, differences = _scores(sweep, root, names)
    figures.set_style()
    columns = {"run": "run", "system": "system", "speech": "speech", "recall": "UAR", "uar_low": "UAR low"}
    columns |= {"uar_high": "UAR high", "accuracy": "accuracy", "speakers": "speakers"}
    shown = scores[list(columns)].rename(columns=columns)
    figure = charts.interval_plot(scores, "run", panel="system", sideways=True)
    apart = differences[differences["p_holm"] < SIGNIFICANT]
    above = (apart["difference"] > 0).sum()
    of = f"{above} of {len(differences)} differences to {names[0]}"
    finding = f"{of} are told from zero as higher, {len(apart) - above} as lower."
    first = f"UAR less that of {names[0]}, where both test the same speakers; p after Holm's correction."
    links = "".join(
        f'<li><a href="{number:02d}/html/index.html">{html.escape(name)}</a></li>' for number, name in enumerate(names)
    )
    title = html.escape(sweep.name)
    parts = [
        f"<h1>{title}</h1>",
        figures.figure_html(figure, "1.1", finding, "Points with intervals: UAR of every run, a panel a system."),
        figures.table_html(shown, "1.1", "UAR and its interval (95 %) over speakers.", {}, {*shown.columns[3:7]}),
        figures.table_html(differences, "1.2", first, {}, {*differences.columns[3:]}),
        f"<h2>Runs</h2><ul>{links}</ul>",
    ]
    folder = root / "reports" / sweep.name
    shutil.copyfile(ASSETS / "site.css", folder / "site.css")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    head += '<link rel="stylesheet" href="site.css">'
    style = "font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem"
    body = f'<body style="{style}">{"".join(parts)}</body>'
    with whole(folder / "index.html") as temporary:
        temporary.write_text(f'<!doctype html><html lang="en"><head>{head}</head>{body}</html>', encoding="utf-8")
    return folder / "index.html"


def _scores(sweep: Sweep, root: Path, names: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of every run, and their differences to the first one's."""
    from sersupport.evaluation.paired import compare
    from sersupport.recipes.drawing import environmental
    from sersupport.studies.ablation import by_speech

    scores, tables = [], []
    for name, parameters in zip(names, sweep.runs, strict=True):
        artefacts = Artefacts(root / parameters.run_dir / "artefacts", reader="the comparison")
        scores.append(artefacts.load(SCORES).assign(run=name))
        found = artefacts.load(PREDICTIONS)
        kept = found[environmental(found) & (found["level_kind"] != "snr") & (found["noise_part"] == "test")]
        tables.append(by_speech(kept).assign(run=name))
    columns, rows = ["system", "speech", "run", "difference", "low", "high", "p_holm"], []
    for (system, speech), part in pd.concat(tables).groupby(["system", "speech"], sort=False):
        speakers = part.groupby("run")["speaker"].agg(set)
        same = part[part["run"].map(speakers == speakers[names[0]])] if names[0] in speakers else part[:0]
        if same["run"].nunique() > 1:
            rows.append(compare(same, names[0], by="run").assign(system=system, speech=speech))
    return pd.concat(scores, ignore_index=True), pd.concat([pd.DataFrame(columns=columns), *rows])[columns]

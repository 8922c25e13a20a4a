"""The series, run end to end: what is up to date is skipped, what is killed resumes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from sersupport.core.errors import UserError
from sersupport.core.files import remove
from sersupport.core.keys import digest, file_digest
from sersupport.report import preflight
from sersupport.report.papermill import RunFailed, execute, renew_prose
from sersupport.report.paths import each_text, path_hider
from sersupport.report.record import folder_digest, locked, package_root, provenance, read_record, write_record
from sersupport.report.schedule import Keys, Step, is_fresh, schedule
from sersupport.run.artefacts import is_there
from sersupport.run.chapters import CHAPTERS, Chapter
from sersupport.run.parameters import EMBEDDED, Parameters, parse_yaml, read_profile, validated

_MADE = ("notebooks", "artefacts", "logs", "html")  # what a run writes in its folder, beside its record


def effective_parameters(
    profile: str,
    data: str | None = None,
    out: str | None = None,
    overrides: Iterable[tuple[str, str]] = (),
    root: Path | None = None,
) -> Parameters:
    """Parameters of a run: the demo's defaults < profile < ``--data``, ``--out`` < ``-p``.

    Parameters
    ----------
    profile : str
        Name in ``notebooks/profiles`` or path of a YAML file.
    data, out : str, optional
        Folder of the corpora (or ``embedded``) and of the run, relative to the working directory; the parameters
        hold them relative to the project.
    overrides : iterable of (name, value)
        Values as YAML, for example ``("rows", "[A, D]")``.
    root : Path, optional
        The project; by default the one this package lies in.

    Raises
    ------
    UserError
        For an unknown profile, an unknown or invalid parameter, or a missing folder of corpora.
    """
    root = root or package_root()
    name = Path(profile).stem if profile.endswith((".yaml", ".yml")) else profile
    values = {"profile": name, "run_dir": f"reports/{name}"} | read_profile(profile, root / "notebooks" / "profiles")
    validated(values, f"profile {profile}")
    if data is not None:
        values["data_dir"] = EMBEDDED if data == EMBEDDED else os.path.relpath(os.path.abspath(data), root)
    if out is not None:
        values["run_dir"] = os.path.relpath(os.path.abspath(out), root)
    for key, text in overrides:
        values[key] = parse_yaml(text, f"-p {key} {text}")
    parameters = validated(values, "-p" if overrides else f"profile {profile}")
    if parameters.data_dir != EMBEDDED and not (root / parameters.data_dir).is_dir():
        raise UserError(f"no folder of corpora at {data or parameters.data_dir}: name it with --data, or leave it out")
    return parameters


def run_series(
    parameters: Parameters,
    root: Path | None = None,
    notebooks: Path | None = None,
    chapters: Mapping[str, Chapter] = CHAPTERS,
    echo: Callable[[str], None] = click.echo,
) -> Path:
    """Run what is not up to date, then build the site if anything changed.

    Parameters
    ----------
    parameters : Parameters
        From :func:`effective_parameters`.
    root : Path, optional
        The project: what ``run_dir`` and ``data_dir`` are relative to, and where the kernels start.
    notebooks : Path, optional
        Folder of the notebooks and ``references.bib``.
    chapters : mapping
        The series.
    echo : callable
        Prints a line.

    Returns
    -------
    Path
        The site's front page.

    Raises
    ------
    UserError
        If the run folder cannot be used, or an encoder, a corpus, the noises or the fold cannot; nothing is written.
    RunFailed
        If a notebook fails, or another process works in the folder.
    """
    root = root or package_root()
    notebooks = notebooks or root / "notebooks"
    folder = Path(os.path.normpath(root / parameters.run_dir))
    if (folder / "notebooks").resolve() == notebooks.resolve():
        raise UserError(f"{folder} holds the notebooks themselves: name another folder with --out")
    steps, keys = schedule(parameters, notebooks, chapters), Keys(parameters, root)
    record = read_record(folder)
    if "published" in record:
        raise UserError(f"{folder} is a published report, made by sersupport publish: name another folder with --out")
    if not record and (others := [name for name in _MADE if os.path.lexists(folder / name)]):
        raise UserError(f"{folder} holds {others[0]!r}, which no report made: name another folder with --out")
    done = record.get("notebooks", {})
    fresh = (is_fresh(done.get(step.name), keys.key(step, folder / "artefacts"), folder, step.name) for step in steps)
    if not all(fresh):
        preflight.check(parameters, root, {source for step in steps for source in step.chapter.sources}, echo)
    with locked(folder):
        return _Work(parameters, root, notebooks, folder, echo).through(steps, keys)


class _Work:
    """A run in its locked folder."""

    def __init__(
        self, parameters: Parameters, root: Path, notebooks: Path, folder: Path, echo: Callable[[str], None]
    ) -> None:
        self.root, self.notebooks, self.folder, self.echo = root, notebooks, folder, echo
        self.hide = path_hider(root, parameters)
        self.record = read_record(folder)
        self.record["parameters"] = each_text(parameters.model_dump(), self.hide)
        self.record.setdefault("provenance", provenance())
        self.ran: set[str] = set()

    def through(self, steps: list[Step], keys: Keys) -> Path:
        done = self.record.get("notebooks", {})
        self.record["notebooks"] = done = {step.name: done.get(step.name) for step in steps}
        for step in steps:
            key = keys.key(step, self.folder / "artefacts")
            if not is_fresh(done[step.name], key, self.folder, step.name):
                self._run(step, key)
            elif done[step.name].get("prose") != step.prose:
                executed = self._executed(step)
                renew_prose(step.source, executed, self.hide)
                done[step.name] |= {"prose": step.prose, "executed": file_digest(executed)}
                write_record(self.folder, self.record)
        started = time.perf_counter()
        page = self._site()
        for line in _summary(done, self.ran, time.perf_counter() - started):
            self.echo(line)
        self.echo(str(page))
        return page

    def _executed(self, step: Step) -> Path:
        return self.folder / "notebooks" / f"{step.name}.ipynb"

    def _run(self, step: Step, key: str) -> None:
        # from here on its old artefacts are gone: a run that ends now must not find them fresh
        self.record["notebooks"][step.name] = None
        write_record(self.folder, self.record)
        artefacts = self.folder / "artefacts"
        for path in (artefacts / step.name).glob("*"):
            if not path.is_dir() or path.name == "protocols":  # other folders hold work that is resumed
                remove(path)
        log, executed = self.folder / "logs" / f"{step.name}.log", self._executed(step)
        for needed in (log.parent, executed.parent):
            needed.mkdir(exist_ok=True)
        cost = execute(step.source, executed, step.values, self.root, log, self.hide, sys.stderr.isatty())
        if lacking := [name for name in step.chapter.writes if not is_there(artefacts, f"{step.name}/{name}")]:
            raise RunFailed(f"{step.name}: has run without writing {lacking[0]!r}, which its chapter is said to write")
        self.record["provenance"] = provenance()
        self.record["notebooks"][step.name] = {
            "key": key,
            **cost,
            "artefacts": folder_digest(artefacts / step.name),
            "executed": file_digest(executed),
            "prose": step.prose,
        }
        write_record(self.folder, self.record)
        self.ran.add(step.name)
        self.echo(f"{step.name}: {cost['seconds']:.1f} s")

    def _site(self) -> Path:
        """Front page of the site, built if anything that it shows changed, or any of its pages."""
        references, html = self.notebooks / "references.bib", self.folder / "html"
        cited = file_digest(references) if references.exists() else ""
        shown = {name: self.record[name] for name in ("parameters", "provenance", "notebooks")}
        state = digest([shown, folder_digest(Path(__file__).parent), cited])
        if self.record.get("site") != {"state": state, "pages": folder_digest(html)}:
            from sersupport.report.site import build_site

            self.record["site"] = None
            write_record(self.folder, self.record)
            build_site(self.folder, references)
            self.record["site"] = {"state": state, "pages": folder_digest(html)}
        write_record(self.folder, self.record)
        return html / "index.html"


def _summary(done: Mapping[str, Any], ran: set[str], site_s: float) -> list[str]:
    rows = [("notebook", "seconds", "peak GiB")]
    for name, cost in done.items():
        rows.append((name, f"{cost['seconds']:.1f}" if name in ran else "unchanged", f"{cost['peak_gib']:.2f}"))
    total_s = site_s + sum(done[name]["seconds"] for name in ran)
    peak = max((cost["peak_gib"] for cost in done.values()), default=0.0)
    rows += [("site", f"{site_s:.1f}", ""), ("all", f"{total_s:.1f}", f"{peak:.2f}")]
    return [f"{name:<16}{seconds:>10}{gib:>10}".rstrip() for name, seconds, gib in rows]

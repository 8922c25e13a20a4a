"""The series, run end to end: what is up to date is skipped, what is killed resumes."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from threading import Lock
from typing import Any

import click

from sersupport.core.errors import UserError
from sersupport.core.files import remove
from sersupport.core.keys import digest, file_digest
from sersupport.report import preflight
from sersupport.report.kernels import stop_kernels
from sersupport.report.papermill import RunFailed, execute, renew_prose
from sersupport.report.paths import each_text, path_hider
from sersupport.report.record import folder_digest, locked, package_root, provenance, read_record, write_record
from sersupport.report.schedule import Keys, Step, is_fresh, schedule
from sersupport.run.artefacts import is_there
from sersupport.run.chapters import CHAPTERS, Chapter
from sersupport.run.parameters import EMBEDDED, Parameters, parse_yaml, read_profile, validated
from sersupport.studies import cluster

SIDE_BY_SIDE = 2  # notebooks that are run at once: while one waits for its jobs, another starts or draws
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
    scheduler: str | None = None,
    workers: int = 0,
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
    scheduler : str, optional
        Address of a dask scheduler that runs the jobs.
    workers : int
        Without one, worker processes that are started for them; with 0 the notebooks' own processes run them.

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
    fresh = all(
        is_fresh(done.get(step.name), keys.key(step, folder / "artefacts"), folder, step.name) for step in steps
    )
    if not fresh:
        preflight.check(parameters, root, {source for step in steps for source in step.chapter.sources}, echo)
    with locked(folder), ExitStack() as stack:
        if not fresh and scheduler is None and workers:
            scheduler = stack.enter_context(cluster.workers(workers))
        environment = {} if scheduler is None else {cluster.SCHEDULER: scheduler}
        return _Work(parameters, root, notebooks, folder, echo, environment).through(steps, keys)


class _Work:
    """A run in its locked folder."""

    def __init__(
        self,
        parameters: Parameters,
        root: Path,
        notebooks: Path,
        folder: Path,
        echo: Callable[[str], None],
        environment: Mapping[str, str],
    ) -> None:
        self.root, self.notebooks, self.folder, self.echo, self.environment = root, notebooks, folder, echo, environment
        self.hide = path_hider(root, parameters)
        self.record = read_record(folder)
        self.record["parameters"] = each_text(parameters.model_dump(), self.hide)
        self.record.setdefault("provenance", provenance())
        self.ran: set[str] = set()
        self.writing, self.stopped = Lock(), False

    def through(self, steps: list[Step], keys: Keys) -> Path:
        """Run what is not up to date, each notebook as soon as what it reads is there."""
        done = self.record.get("notebooks", {})
        self.record["notebooks"] = done = {name: done.get(name) for name in sorted(step.name for step in steps)}
        before = {step.name: {read.partition("/")[0] for read in step.chapter.reads} for step in steps}
        waiting, running, finished, started = list(steps), {}, set(), time.perf_counter()
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            try:
                while waiting or running:
                    for step in [one for one in waiting if before[one.name] <= finished][: SIDE_BY_SIDE - len(running)]:
                        waiting.remove(step)
                        running[pool.submit(self._bring_up_to_date, step, keys)] = step
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        finished.add(running.pop(future).name)
                        future.result()
            except BaseException:  # Ctrl-C, too: the others are stopped, not waited for
                self.stopped = True
                while wait(running, timeout=0.3).not_done:
                    stop_kernels()
                raise
        made = time.perf_counter()
        if len(self.ran) == len(steps):  # else it is not what a run takes from nothing
            self.record["seconds"] = round(made - started, 1)
        page = self._site()
        for line in _summary(done, self.ran, time.perf_counter() - made, time.perf_counter() - started):
            self.echo(line)
        self.echo(str(page))
        return page

    def _bring_up_to_date(self, step: Step, keys: Keys) -> None:
        entry, key = self.record["notebooks"][step.name], keys.key(step, self.folder / "artefacts")
        if self.stopped:
            return
        if not is_fresh(entry, key, self.folder, step.name):
            self._run(step, key)
        elif entry.get("prose") != step.prose:
            executed = self._executed(step)
            renew_prose(step.source, executed, self.hide)
            self._write(step, entry | {"prose": step.prose, "executed": file_digest(executed)})

    def _write(self, step: Step, entry: dict[str, Any] | None) -> None:
        with self.writing:
            self.record["notebooks"][step.name] = entry
            write_record(self.folder, self.record)

    def _executed(self, step: Step) -> Path:
        return self.folder / "notebooks" / f"{step.name}.ipynb"

    def _run(self, step: Step, key: str) -> None:
        # from here on its old artefacts are gone: a run that ends now must not find them fresh
        self._write(step, None)
        artefacts = self.folder / "artefacts"
        for path in (artefacts / step.name).glob("*"):
            if not path.is_dir() or path.name == "protocols":  # other folders hold work that is resumed
                remove(path)
        log, executed = self.folder / "logs" / f"{step.name}.log", self._executed(step)
        for needed in (log.parent, executed.parent):
            needed.mkdir(exist_ok=True)
        bar = sys.stderr.isatty()
        cost = execute(step.source, executed, step.values, self.root, log, self.hide, bar, self.environment)
        if lacking := [name for name in step.chapter.writes if not is_there(artefacts, f"{step.name}/{name}")]:
            raise RunFailed(f"{step.name}: has run without writing {lacking[0]!r}, which its chapter is said to write")
        self.record["provenance"] = provenance()
        left = {"artefacts": folder_digest(artefacts / step.name), "executed": file_digest(executed)}
        self._write(step, {"key": key, **cost, **left, "prose": step.prose})
        self.ran.add(step.name)
        self.echo(f"{step.name}: {cost['seconds']:.1f} s")

    def _site(self) -> Path:
        """Front page of the site, built if anything that it shows changed, or any of its pages."""
        references, html = self.notebooks / "references.bib", self.folder / "html"
        cited = file_digest(references) if references.exists() else ""
        parts = ("parameters", "provenance", "notebooks", "seconds", "bench")
        shown = {name: self.record[name] for name in parts if name in self.record}
        state = digest([shown, folder_digest(Path(__file__).parent), cited])
        if self.record.get("site") != {"state": state, "pages": folder_digest(html)}:
            from sersupport.report.site import build_site

            self.record["site"] = None
            write_record(self.folder, self.record)
            build_site(self.folder, references)
            self.record["site"] = {"state": state, "pages": folder_digest(html)}
        write_record(self.folder, self.record)
        return html / "index.html"


def _summary(done: Mapping[str, Any], ran: set[str], site_s: float, all_s: float) -> list[str]:
    rows = [("notebook", "seconds", "peak GiB")]
    for name, cost in done.items():
        rows.append((name, f"{cost['seconds']:.1f}" if name in ran else "unchanged", f"{cost['peak_gib']:.2f}"))
    peak = max((cost["peak_gib"] for cost in done.values()), default=0.0)
    rows += [("site", f"{site_s:.1f}", ""), ("all", f"{all_s:.1f}", f"{peak:.2f}")]
    return [f"{name:<16}{seconds:>10}{gib:>10}".rstrip() for name, seconds, gib in rows]

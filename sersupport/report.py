"""The series, run end to end by papermill: what is unchanged is skipped, what is killed resumes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from filelock import AcquireReturnProxy, FileLock, Timeout

from sersupport import UserError
from sersupport.cache import digest, whole
from sersupport.corpora import SUFFIXES
from sersupport.execution import RunFailed, declared_parameters, each_text, execute
from sersupport.parameters import Parameters, parse_yaml, read_profile, validated
from sersupport.run import EMBEDDED, NOTEBOOKS, find_encoder, project_root, provenance

# what runs or shows notebooks and is never imported by them: a change here makes no result stale
DRIVER_MODULES = frozenset({"cli.py", "execution.py", "report.py", "site.py"})


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


def package_root() -> Path:
    """The project that this package was installed from, editable."""
    return project_root(Path(__file__).parent)


@dataclass(frozen=True)
class Step:
    """One notebook of a run.

    Attributes
    ----------
    name : str
        Without suffix.
    source : Path
        The notebook.
    values : dict
        The parameters that it declares.
    key : str
        Digest of all that its result depends on.
    """

    name: str
    source: Path
    values: dict[str, Any]
    key: str


def plan(parameters: Parameters, root: Path, notebooks: Path, names: Sequence[str] = NOTEBOOKS) -> list[Step]:
    """What to run, each notebook with the key of its result.

    A key covers the notebook's cells and parameters, the package, the versions of the libraries, the keys of all
    earlier notebooks, and the names, sizes and times of the audio files and of a local encoder's.

    Raises
    ------
    UserError
        If a notebook is missing or declares a name that is no parameter.
    """
    known = parameters.model_dump()
    versions = {name: version for name, version in provenance().items() if name != "machine"}
    named = sorted(parameters.named_encoders)
    encoders = [stamps(find_encoder(name, root, parameters.data_dir)) for name in named]
    before = [package_digest(), versions, audio_fingerprint(root, parameters.data_dir), encoders]
    steps = []
    for name in names:
        source = notebooks / f"{name}.ipynb"
        if not source.is_file():
            raise UserError(f"no notebook {source}: run from a complete checkout, installed with pip install -e")
        declared = declared_parameters(source)
        if "run_dir" not in declared:
            raise UserError(f"{source.name} has no cell tagged 'parameters' that declares run_dir")
        unknown = [name for name in declared if name not in known]
        if unknown:
            raise UserError(f"{source.name} declares {unknown[0]!r}, which is no parameter of the series")
        values = {name: known[name] for name in declared}
        cells = [
            [cell["cell_type"], cell["source"], cell["metadata"].get("tags", [])]
            for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]
        ]
        key = digest([before, cells, values])
        steps.append(Step(name, source, values, key))
        before = [key]
    return steps


def package_digest() -> str:
    """Digest of every file of the package that a notebook's result may depend on."""
    package = Path(__file__).parent
    files = (path.relative_to(package) for path in sorted(package.rglob("*")) if path.is_file())
    return files_digest(
        package,
        (
            path
            for path in files
            if path.parts[0] not in DRIVER_MODULES | {"site_assets"} and "__pycache__" not in path.parts
        ),
    )


def files_digest(folder: Path, paths: Iterable[Path]) -> str:
    """Digest of the names and contents of files below a folder."""
    return digest([[path.as_posix(), hashlib.blake2b((folder / path).read_bytes()).hexdigest()] for path in paths])


def audio_fingerprint(root: Path, data_dir: str) -> str:
    """Digest of the names, sizes and modification times of the audio files below a folder."""
    return EMBEDDED if data_dir == EMBEDDED else stamps(root / data_dir, SUFFIXES)


def stamps(folder: Path | None, suffixes: Collection[str] = ()) -> str:
    """Digest of the names, sizes and modification times of the files below a folder; empty without one."""
    if folder is None:
        return ""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    stats = ((path, path.stat()) for path in files if not suffixes or path.suffix.lower() in suffixes)
    return digest([[path.relative_to(folder).as_posix(), stat.st_size, stat.st_mtime_ns] for path, stat in stats])


def run_series(
    parameters: Parameters,
    root: Path | None = None,
    notebooks: Path | None = None,
    names: Sequence[str] = NOTEBOOKS,
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
    names : sequence of str
        Notebooks without suffix, in order.
    echo : callable
        Prints a line.

    Returns
    -------
    Path
        The site's front page.

    Raises
    ------
    UserError
        If the run folder cannot be used.
    RunFailed
        If a notebook fails, or another process works in the folder.
    """
    root = root or package_root()
    notebooks = notebooks or root / "notebooks"
    folder = Path(os.path.normpath(root / parameters.run_dir))
    if (folder / "notebooks").resolve() == notebooks.resolve():
        raise UserError(f"{folder} holds the notebooks themselves: name another folder with --out")
    steps = plan(parameters, root, notebooks, names)
    with _locked(folder):
        return _run_locked(parameters, root, notebooks, folder, steps, echo)


def _locked(folder: Path) -> AcquireReturnProxy:
    """The lock, held, on a run's folder, which is made if it is not there."""
    try:
        for needed in (folder / "notebooks", folder / "logs"):
            needed.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout:
        raise RunFailed(f"another run is working in {folder}: wait for it, or name another folder with --out") from None
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise UserError(f"cannot write to {folder}: {error.strerror}; name another folder with --out") from None


def _run_locked(
    parameters: Parameters,
    root: Path,
    notebooks: Path,
    folder: Path,
    steps: list[Step],
    echo: Callable[[str], None],
) -> Path:
    hide = path_hider(root, parameters)
    record = read_record(folder)
    done = record.get("notebooks", {})
    record = {
        "parameters": each_text(parameters.model_dump(), hide),
        "provenance": provenance(),
        "notebooks": {step.name: done.get(step.name) for step in steps},
        "site": record.get("site"),
    }
    ran = set()
    for step in steps:
        output = folder / "notebooks" / f"{step.name}.ipynb"
        if _is_fresh(record["notebooks"].get(step.name), step, output, folder):
            continue
        # from here on its old artefacts may be overwritten: a run that ends now must not find them fresh
        record["notebooks"][step.name] = None
        _write_record(folder, record)
        cost = execute(
            step.source, output, step.values, root, folder / "logs" / f"{step.name}.log", hide, sys.stderr.isatty()
        )
        record["notebooks"][step.name] = {"key": step.key, **asdict(cost), "artefacts": _artefacts(folder, step.name)}
        record["site"] = None  # also where the key is the same, a lost artefact made again: the costs it shows are not
        _write_record(folder, record)
        ran.add(step.name)
        echo(f"{step.name}: {cost.seconds:.1f} s")
    started = time.perf_counter()
    page = _site(folder, record, steps, notebooks)
    for line in _summary(record["notebooks"], steps, ran, time.perf_counter() - started):
        echo(line)
    echo(str(page))
    return page


def path_hider(root: Path, parameters: Parameters) -> Callable[[str], str]:
    """A function that takes this machine's paths out of a text.

    The project becomes ``.``, the home folder ``~``, a folder of corpora or of the run outside the project its bare
    name.
    """
    names = {str(root): ".", str(Path.home()): "~"}
    for folder in (parameters.data_dir, parameters.run_dir, *parameters.named_encoders):
        if folder != EMBEDDED and (os.path.isabs(folder) or folder.startswith("..")):
            absolute = os.path.normpath(root / folder)
            names |= dict.fromkeys((folder, str(root / folder), absolute), Path(absolute).name)
    names = {path: name for path, name in names.items() if len(path) > 1}
    # not within a longer word: pictures are base64, in which a short path may occur by chance; a traceback's colours
    # end in a letter
    pattern = re.compile(
        r"(^|[^\w+/.]|\x1b\[[\d;]*m|file://)("
        + "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        + r")(?![\w-])"
    )
    return lambda text: pattern.sub(lambda match: match[1] + names[match[2]], text)


def _artefacts(folder: Path, name: str) -> dict[str, str]:
    """Digest by artefact of a notebook: other tools, such as JupyterLab, write to the same folder."""
    own = folder / "artefacts" / name
    paths = sorted(path for path in own.rglob("*") if path.is_file())
    return {path.relative_to(own).as_posix(): files_digest(own, [path.relative_to(own)]) for path in paths}


def _is_fresh(entry: dict[str, Any] | None, step: Step, output: Path, folder: Path) -> bool:
    if entry is None or entry["key"] != step.key or not output.exists():
        return False
    return entry["artefacts"] == _artefacts(folder, step.name)


def read_record(folder: Path) -> dict[str, Any]:
    """A run's ``run.json``: parameters, provenance, and each notebook's key, cost and artefacts; empty if none yet."""
    path = folder / "run.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _write_record(folder: Path, record: dict[str, Any]) -> None:
    with whole(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _site(folder: Path, record: dict[str, Any], steps: list[Step], notebooks: Path) -> Path:
    """Front page of the site, rebuilt if a notebook, the builder or the bibliography changed."""
    package = Path(__file__).parent
    assets = [path.relative_to(package) for path in sorted((package / "site_assets").iterdir())]
    references = notebooks / "references.bib"
    cited = references.read_text(encoding="utf-8") if references.exists() else ""
    state = digest([[step.key for step in steps], files_digest(package, [Path("site.py"), *assets]), cited])
    page = folder / "html" / "index.html"
    if record["site"] != state or not page.exists():
        from sersupport.site import build_site

        record["site"] = None
        _write_record(folder, record)
        build_site(folder, references)
        record["site"] = state
    _write_record(folder, record)
    return page


def _summary(done: dict[str, Any], steps: list[Step], ran: set[str], site_s: float) -> list[str]:
    rows = [
        (name, f"{done[name]['seconds']:.1f}" if name in ran else "unchanged", f"{done[name]['peak_gib']:.2f}")
        for name in (step.name for step in steps)
    ]
    total_s = site_s + sum(done[name]["seconds"] for name in ran)
    peak = max((done[step.name]["peak_gib"] for step in steps), default=0.0)
    rows = [
        ("notebook", "seconds", "peak GiB"),
        *rows,
        ("site", f"{site_s:.1f}", ""),
        ("all", f"{total_s:.1f}", f"{peak:.2f}"),
    ]
    return [f"{name:<16}{seconds:>10}{gib:>10}".rstrip() for name, seconds, gib in rows]

"""One notebook through papermill: a kernel of this environment, quiet, timed, measured, never left behind."""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import nbformat
import papermill
import psutil
from nbformat.reader import NotJSONError
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import write_ipynb

from sersupport.core.errors import UserError
from sersupport.core.files import whole
from sersupport.report.kernels import manager_class
from sersupport.report.paths import Change, each_text

SAMPLING_HZ = 2.0

# papermill and nbclient repeat on the terminal what RunFailed says in one line
logging.getLogger("papermill").setLevel(logging.CRITICAL + 1)


class RunFailed(click.ClickException):
    """A run that cannot go on: a notebook failed, or the folder is in use; the message is one line."""


@contextmanager
def _metered() -> Iterator[list[int]]:
    """Sample the memory of this process and all that it has started: a list of sums over processes, bytes."""
    sums, done, driver = [0], threading.Event(), psutil.Process()

    def sample() -> None:
        most = 0
        while not done.wait(1 / SAMPLING_HZ):
            started = [driver, *driver.children(recursive=True)]
            resident = sum(map(_resident_bytes, started))
            if resident > most * 1.02:  # to tell shared pages apart takes long
                most = resident
                sums.append(sum(map(_own_bytes, started)))

    meter = threading.Thread(target=sample, daemon=True)
    meter.start()
    try:
        yield sums
    finally:
        done.set()
        meter.join()


def _resident_bytes(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:  # ended since it was listed
        return 0


def _own_bytes(process: psutil.Process) -> int:
    """Resident memory, of pages that several processes share this one's part, where the system tells."""
    try:
        return process.memory_full_info().pss if psutil.LINUX else _resident_bytes(process)
    except psutil.Error:
        return 0


def declared_parameters(notebook: Path) -> list[str]:
    """Names that a notebook's ``parameters`` cell declares, in order.

    Raises
    ------
    UserError
        If it is no notebook, or its metadata names no kernel, without which papermill cannot tell the cell's language.
    """
    try:
        return list(papermill.inspect_notebook(str(notebook)))
    except NotJSONError:
        raise UserError(f"{notebook} is no notebook: restore it, for example from the repository") from None
    except ValueError as error:
        raise UserError(f"{notebook.name}: {error} Open it in JupyterLab, choose Python 3, and save it.") from None


def execute(
    notebook: Path,
    output: Path,
    parameters: dict[str, Any],
    root: Path,
    log: Path,
    hide: Change,
    progress: bool,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, float]:
    """Run a notebook from its first cell to its last.

    The output appears under its name only once it is whole; one that failed is kept as ``<name>.failed.ipynb``.

    Parameters
    ----------
    notebook, output : Path
        The source, and where the executed notebook goes.
    parameters : dict
        Values for names that the notebook declares.
    root : Path
        The kernel's working directory.
    log : Path
        Where the kernel's own standard output and error go.
    hide : callable
        Takes a text, returns it without this machine's paths; applied to every string of the kept notebook.
    progress : bool
        Show a bar over the cells.
    environment : mapping
        Variables that the kernel has besides this process's own.

    Returns
    -------
    dict
        What it took: ``seconds``, wall time, the kernel's start included; ``peak_gib``, the most memory
        that this process, its kernels, its workers and all their children held together, sampled at 2 Hz.

    Raises
    ------
    RunFailed
        If a cell raises or the kernel dies.
    """
    name = output.stem
    partial, failed = (output.with_name(f"{name}.{state}.ipynb") for state in ("partial", "failed"))
    started = time.perf_counter()
    bar = {"desc": name, "leave": False, "bar_format": "{desc} {bar:24} {n_fmt}/{total_fmt} cells, {elapsed}"}
    try:
        with _metered() as sums_bytes:
            papermill.execute_notebook(
                str(notebook),
                str(partial),
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=bar if progress else False,
                cwd=str(root),
                kernel_manager_class=manager_class(log, environment),
                shutdown_kernel="immediate",
            )
    except PapermillExecutionError as error:
        why = f"{_cause(error, injected=bool(parameters))} (see {failed})"
    except RuntimeError as error:  # nbclient's DeadKernelError, jupyter_client's when it does not start
        why = f"{error}, out of memory perhaps; see {failed} and {log}"
    else:
        seconds = time.perf_counter() - started
        failed.unlink(missing_ok=True)
        _keep(partial, output, hide)
        return {"seconds": round(seconds, 1), "peak_gib": round(max(sums_bytes) / 2**30, 2)}
    _keep(partial, failed, hide)
    raise RunFailed(f"{name}: {why}")


def _cause(error: PapermillExecutionError, injected: bool) -> str:
    message = " ".join(str(error.evalue).split())
    if error.ename in _user_errors(UserError):
        return message
    # counted in the source notebook, which lacks the cell of parameters that papermill injects
    return f"cell {error.cell_index + 1 - injected}: {error.ename}: {message}"


def _user_errors(kind: type) -> set[str]:
    return {kind.__name__}.union(*(_user_errors(child) for child in kind.__subclasses__()))


def _keep(partial: Path, kept: Path, hide: Change) -> None:
    """Give an executed notebook its name, without this machine's paths."""
    node = nbformat.read(partial, as_version=4)
    for key in ("input_path", "output_path"):
        node.metadata.papermill.pop(key, None)
    write_ipynb(nbformat.from_dict(each_text(node, hide)), str(partial))
    partial.replace(kept)


def renew_prose(source: Path, executed: Path, hide: Change) -> None:
    """Give an executed notebook the prose that its source has now.

    Parameters
    ----------
    source : Path
        The notebook, whose code cells are those that were executed.
    executed : Path
        Rewritten; its code cells, their outputs and the cell of parameters that papermill injected stay.
    hide : callable
        As for :func:`execute`.
    """
    node = nbformat.read(executed, as_version=4)
    ran = [cell for cell in node.cells if cell.cell_type == "code"]
    cells = []
    for cell in nbformat.read(source, as_version=4).cells:
        if cell.cell_type != "code":
            cells.append(nbformat.from_dict(each_text(cell, hide)))
            continue
        cells.append(ran.pop(0))
        if ran and "injected-parameters" in ran[0].metadata.get("tags", []):
            cells.append(ran.pop(0))
    node.cells = cells
    with whole(executed) as temporary:
        write_ipynb(node, str(temporary))

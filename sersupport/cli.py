"""Command line."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sersupport import __version__
from sersupport.core.errors import UserError

_PROFILE, _PARAMETER = "Profile, or a YAML file.", "A parameter, its value as YAML."


class Terminated(KeyboardInterrupt):
    """SIGTERM, unwound like Ctrl-C so that kernels are shut down on the way."""


def _terminate(number: int, frame: object) -> None:
    raise Terminated


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=False, invoke_without_command=True
)
@click.version_option(__version__)
@click.pass_context
def commands(context: click.Context) -> None:
    """Noise-robust, explainable speech emotion recognition: a reproducible report."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def _with_workers(command: Callable[..., None]) -> Callable[..., None]:
    """The options of commands that run jobs."""
    command = click.option(
        "--workers",
        type=click.IntRange(0),
        default=os.cpu_count() or 1,
        metavar="N",
        help="Processes that run the jobs; by default one a core, 0: the notebooks' own.",
    )(command)
    other = "A dask scheduler that runs the jobs instead, such as tcp://host:8786."
    return click.option("--scheduler", metavar="ADDRESS", help=other)(command)


def _of_a_run(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say what a run is made of."""
    for names, how in (
        (("-p", "overrides"), {"nargs": 2, "multiple": True, "metavar": "NAME VALUE", "help": _PARAMETER}),
        (("--out",), {"metavar": "DIR", "help": "Folder of the run; by default reports/PROFILE of the project."}),
        (("--data",), {"metavar": "DIR", "help": "Folder of the corpora, or 'embedded'."}),
        (("--profile",), {"default": "demo", "show_default": True, "metavar": "NAME|FILE", "help": _PROFILE}),
    ):
        command = click.option(*names, **how)(command)
    return command


@commands.command()
@_of_a_run
@_with_workers
def report(workers: int, scheduler: str | None, **given: Any) -> None:
    """Run the notebooks that are not up to date and build the site."""
    from sersupport.report.series import effective_parameters, run_series

    run_series(effective_parameters(**given), scheduler=scheduler, workers=workers)


@commands.command()
@_of_a_run
@_with_workers
def bench(workers: int, scheduler: str | None, **given: Any) -> None:
    """Time the hot paths beside what one would write without this package, on a run's own speech and encoder.

    The run is brought up to date first; its front page shows the table.
    """
    from sersupport.report.bench import run_bench
    from sersupport.report.series import effective_parameters

    click.echo(run_bench(effective_parameters(**given), scheduler=scheduler, workers=workers))


@commands.command()
@click.argument("grid", metavar="GRID.yaml")
@_with_workers
def sweep(grid: str, workers: int, scheduler: str | None) -> None:
    """Make a report for each combination of parameters, and a page that compares them.

    GRID.yaml has grid, a mapping of parameters to lists of values, and, if wanted, profile, data, parameters and
    chapters.
    """
    from sersupport.report.sweep import read_sweep, run_sweep

    run_sweep(read_sweep(Path(grid)), scheduler=scheduler, workers=workers)


@commands.command()
@click.argument("run", metavar="RUN")
@click.option("--as", "name", metavar="NAME", help="What to call the report; by default the run's profile.")
def publish(run: str, name: str | None) -> None:
    """Put a run's site and tables into reports/published/NAME, to be committed.

    RUN is the folder of a run, or its name in reports.
    """
    from sersupport.report.publish import publish

    click.echo(publish(run, name))


@commands.command()
@click.argument("claim", metavar="[ID]", required=False)
@click.option("--run", metavar="RUN", help="A run or published report; by default reports/demo, else the last.")
@click.option("--recompute", is_flag=True, help="Check every claim again on the tables of the run.")
def claims(claim: str | None, run: str | None, recompute: bool) -> None:
    """Say what came of the papers' claims in a run: of all in a line each, or of one in full."""
    from sersupport.report import claims_table
    from sersupport.report.publish import found
    from sersupport.report.record import package_root

    folder = found(run, package_root()) if run is not None else claims_table.newest(package_root())
    table = claims_table.ledger_of(folder, recompute)
    click.echo(claims_table.in_full(table, claim) if claim else claims_table.overview(table))


@commands.command()
@click.argument("split", metavar="SPLIT.csv")
@click.option("--data", metavar="DIR", help="What the column file is relative to; by default the CSV's folder.")
@click.option("--protocol", metavar="NAME", help="What the split claims to keep apart; by default what it says itself.")
@click.option("--json", "target", metavar="FILE", help="Write the findings as JSON, '-' for standard output.")
@click.pass_context
def audit(context: click.Context, split: str, data: str | None, protocol: str | None, target: str | None) -> None:
    """Say what the parts of a split share; exit status 1 if it leaks what it claims to keep apart.

    SPLIT.csv has the columns file and split and, where known, speaker, text, utterance and protocol.
    """
    from sersupport.corpora import audit as auditor

    if target not in (None, "-") and Path(target).exists() and os.path.samefile(target, split):
        raise UserError(f"--json {target}: is the split itself; name another file")
    if data is not None and not Path(data).is_dir():
        raise UserError(f"no folder {data}: --data names what the files of {split} are relative to")
    table = auditor.read_split(split)
    report = auditor.audit(table, data or Path(split).parent, protocol)
    click.echo(report.to_json() if target == "-" else report.in_words())
    if target not in (None, "-"):
        Path(target).write_text(report.to_json() + "\n", encoding="utf-8")
    context.exit(int(report.leaks))


def main() -> int:
    """Run a command; every failure that a user can meet is one line on standard error.

    Returns
    -------
    int
        Exit status: 0, 1 (a notebook failed, a split leaks, the run is in use, the disk is full), 2 (bad
        input), 130 (Ctrl-C) or 143 (SIGTERM).
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        return commands.main(standalone_mode=False) or 0
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except click.Abort as error:
        if isinstance(error.__cause__, EOFError):  # of a worker; click takes it for the end of somebody's input
            return _fail("a process of the run ended, of memory perhaps; the same command resumes where it was", 1)
        terminated = isinstance(error.__cause__, Terminated)
        return _fail("stopped; the same command resumes where it was", 143 if terminated else 130)
    except UserError as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)


def _fail(message: str, status: int) -> int:
    click.echo(f"sersupport: {' '.join(message.split())}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(main())

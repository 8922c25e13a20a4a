"""Command line."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from sersupport import UserError, __version__


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


@commands.command()
@click.option("--profile", default="demo", show_default=True, metavar="NAME|FILE", help="Profile, or a YAML file.")
@click.option("--data", metavar="DIR", help="Folder of the corpora, or 'embedded'.")
@click.option("--out", metavar="DIR", help="Folder of the run; by default reports/PROFILE of the project.")
@click.option("-p", "overrides", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter, its value as YAML.")
def report(profile: str, data: str | None, out: str | None, overrides: tuple[tuple[str, str], ...]) -> None:
    """Run the notebooks that are not up to date and build the site."""
    from sersupport.execution import RunFailed
    from sersupport.report import effective_parameters, run_series

    try:
        run_series(effective_parameters(profile, data, out, overrides))
    except RunFailed as error:
        raise click.ClickException(str(error)) from None


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
    from sersupport import audit as auditor

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
        terminated = isinstance(error.__cause__, Terminated)
        return _fail("stopped; the same command resumes where it was", 143 if terminated else 130)
    except UserError as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error), 1)


def _fail(message: str, status: int) -> int:
    click.echo(f"sersupport: {message}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(main())

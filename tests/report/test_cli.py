"""The command: one line and a status for every slip, and nothing left behind when it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import psutil
import pytest

from sersupport import cli

ROOT = Path(__file__).parents[2]


def command(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "sersupport.cli", *arguments], capture_output=True, text=True, **options
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "-p", "sede", "1"),
        ("report", "-p", "backbone", "x"),
        ("report", "--data", "nowhere"),
        ("report", "--profile", "nosuch"),
        ("publish", "nosuch"),
        ("publish", "nosuch", "--as", "../x"),
        ("publish",),
        ("claims", "--run", "nosuch"),
        ("claims", "--run", "/dev/null"),
        ("audit", "nosuch.csv"),
        ("rprt",),
    ],
)
def test_bad_input_ends_in_one_line_and_a_status(arguments):
    result = command(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("overrides", [("fold", "99"), ("teacher", "/nowhere/at/all")])
def test_what_a_run_will_need_is_missed_before_it_starts(tmp_path, overrides):
    """An encoder that cannot be loaded was noticed in notebook 04, after minutes."""
    out = tmp_path / "run"
    result = command("report", "--out", str(out), "-p", *overrides, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    assert result.returncode == 2 and len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert not out.exists()


def test_the_command_explains_itself():
    text = command().stdout
    assert all(name in text for name in ("report", "audit", "publish", "claims"))
    assert "--profile" in command("report", "--help").stdout


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    result = command("report", "--out", str(tmp_path / "file"))
    assert result.returncode in (1, 2) and len(result.stderr.strip().splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_a_process_that_ends_in_the_middle_was_not_stopped_by_anybody(monkeypatch, capsys):
    def ended(*_, **__):
        raise click.Abort from EOFError()

    monkeypatch.setattr(cli.commands, "main", ended)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert cli.main() == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "a process of the run ended" in line and "stopped" not in line


def test_a_run_changes_nothing_that_is_committed():
    """The first command of the README once left nine committed files changed."""

    def ignored(path: str) -> bool:
        return subprocess.run(["git", "check-ignore", "-q", "--no-index", path], cwd=ROOT).returncode == 0

    if not (ROOT / ".git").exists():
        pytest.skip("no git repository")
    assert ignored("reports/demo/run.json") and ignored("reports/demo/html/index.html") and ignored("build/x")
    assert not ignored("reports/published/demo/run.json") and not ignored("reports/published/demo/html/index.html")
    assert ignored("reports/published/.0123-demo/run.json")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_stopped_run_leaves_no_process_and_no_half_result(tmp_path, number, status):
    process = subprocess.Popen(
        [sys.executable, "-m", "sersupport.cli", "report", "--out", str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        # a shell's background job, as these tests may be, ignores Ctrl-C, and so would what it starts
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "run/logs/01_data.log").exists():
        assert time.monotonic() < deadline, "no kernel started"
        time.sleep(0.1)
    time.sleep(1.0)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    assert process.returncode == status
    if status > 0:
        assert message.strip().splitlines()[-1].startswith("sersupport: stopped") and "Traceback" not in message
    psutil.wait_procs(started, timeout=60)
    assert not [one for one in started if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
    assert not (tmp_path / "run/notebooks/01_data.ipynb").exists()

"""The driver: parameters, skipping, resuming, failing in one line, and the site it builds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sersupport import UserError
from sersupport.execution import RunFailed, each_text
from sersupport.parameters import Parameters
from sersupport.report import effective_parameters, path_hider, plan, read_record, run_series

PARAMETERS = 'run_dir = "reports/demo"\nseed = 0'
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
WRITE = "from sersupport.run import Run\nrun = Run.open({name!r}, globals())\nrun.save('seed', {{'seed': seed}})"


def write_notebook(folder: Path, name: str, *code: str) -> None:
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    title = new_markdown_cell(f"# {int(name[:2])} · Title\n\n> **Question.** What of <b>{name}</b>?")
    notebook = new_notebook(cells=[title, parameters, *map(new_code_cell, code)], metadata=KERNEL)
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture
def series(tmp_path):
    """A project of two small notebooks, and a function that runs it and returns what was printed."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for name in ("01_data", "02_noise"):
        write_notebook(notebooks, name, WRITE.format(name=name))
    values = effective_parameters("demo")

    def run(**changes):
        lines = []
        parameters = values.model_copy(update=changes)
        page = run_series(parameters, tmp_path, notebooks, ("01_data", "02_noise"), echo=lines.append)
        return page, lines

    run.root, run.notebooks, run.folder = tmp_path, notebooks, tmp_path / "reports" / "demo"
    run.parameters = values
    return run


def ran(lines):
    return [line.split(":")[0] for line in lines if ": " in line]


def test_effective_parameters_take_the_last_word():
    assert effective_parameters("demo").seed == 0
    changed = effective_parameters("demo", overrides=[("seed", "3"), ("rows", "[A, D]"), ("learning_rate", "1e-4")])
    assert (changed.seed, changed.rows, changed.learning_rate) == (3, ["A", "D"], 1e-4)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("sede", "1", "did you mean 'seed'"),
        ("seed", "one", "seed"),
        ("fold", "-1", "fold"),
        ("rows", "[E]", "rows"),
        ("epochs", "2.5", "epochs"),
        ("seed", "[1", "not valid YAML"),
    ],
)
def test_a_wrong_parameter_is_one_clear_line(name, value, words):
    with pytest.raises(UserError, match=words.replace("[", r"\[")) as caught:
        effective_parameters("demo", overrides=[(name, value)])
    assert "\n" not in str(caught.value)


def test_a_missing_folder_or_profile_is_named():
    with pytest.raises(UserError, match="nowhere"):
        effective_parameters("demo", data="nowhere")
    with pytest.raises(UserError, match=r"there are: .*demo"):
        effective_parameters("nosuch")


def test_runs_skips_and_reruns_what_depends_on_a_change(series):
    page, lines = series()
    assert ran(lines) == ["01_data", "02_noise"] and page.is_file()
    assert json.loads((series.folder / "artefacts/02_noise/seed.json").read_text()) == {"seed": 0}
    record = read_record(series.folder)
    assert all(0 < entry["peak_gib"] < 8 and entry["seconds"] > 0 for entry in record["notebooks"].values())
    assert any(line.startswith("02_noise") and "GiB" not in line for line in lines)

    assert ran(series()[1]) == []  # nothing changed
    write_notebook(series.notebooks, "02_noise", WRITE.format(name="02_noise"), "1 + 1")
    assert ran(series()[1]) == ["02_noise"]
    assert ran(series(seed=5)[1]) == ["01_data", "02_noise"]
    assert json.loads((series.folder / "artefacts/01_data/seed.json").read_text()) == {"seed": 5}
    (series.folder / "artefacts/01_data/seed.json").unlink()  # a lost artefact is made again
    assert ran(series(seed=5)[1]) == ["01_data"]
    (series.folder / "artefacts/01_data/seed.json").write_text('{"seed": 6}')  # so is one that others overwrote
    page.write_text("old")
    assert ran(series(seed=5)[1]) == ["01_data"]
    assert page.read_text() != "old"  # and the front page, which shows its costs


def test_a_run_that_failed_under_other_parameters_leaves_nothing_fresh(series):
    """Its artefacts were overwritten: the former parameters must run again."""
    series()
    failing = "assert run.p.seed == 0"
    write_notebook(series.notebooks, "01_data", WRITE.format(name="01_data"), failing)
    series()
    with pytest.raises(RunFailed):
        series(seed=7)
    assert json.loads((series.folder / "artefacts/01_data/seed.json").read_text()) == {"seed": 7}
    assert "01_data" in ran(series()[1])
    assert json.loads((series.folder / "artefacts/01_data/seed.json").read_text()) == {"seed": 0}


def test_changed_audio_makes_everything_stale(series):
    data = series.root / "corpora"
    data.mkdir()
    (data / "a.wav").write_bytes(b"1")
    keys = [
        step.key
        for step in plan(
            series.parameters.model_copy(update={"data_dir": "corpora"}),
            series.root,
            series.notebooks,
            ("01_data", "02_noise"),
        )
    ]
    (data / "a.wav").write_bytes(b"22")
    again = [
        step.key
        for step in plan(
            series.parameters.model_copy(update={"data_dir": "corpora"}),
            series.root,
            series.notebooks,
            ("01_data", "02_noise"),
        )
    ]
    assert not set(keys) & set(again)


def test_a_failure_says_where_and_keeps_what_was_finished(series):
    write_notebook(series.notebooks, "02_noise", "1 / 0")
    with pytest.raises(RunFailed, match=r"02_noise: cell 3: ZeroDivisionError: division by zero .*failed\.ipynb"):
        series()
    assert [name for name, cost in read_record(series.folder)["notebooks"].items() if cost] == ["01_data"]
    assert (series.folder / "notebooks/02_noise.failed.ipynb").is_file()
    write_notebook(series.notebooks, "02_noise", WRITE.format(name="02_noise"))
    assert ran(series()[1]) == ["02_noise"]
    assert not (series.folder / "notebooks/02_noise.failed.ipynb").exists()


def test_a_user_error_in_a_notebook_is_its_message_alone(series):
    write_notebook(series.notebooks, "02_noise", "from sersupport import UserError\nraise UserError('no corpus at X')")
    with pytest.raises(RunFailed, match=r"^02_noise: no corpus at X"):
        series()


def test_an_undeclared_name_or_a_missing_cell_is_refused_before_anything_runs(series):
    nbformat.write(new_notebook(cells=[new_code_cell("1")], metadata=KERNEL), series.notebooks / "02_noise.ipynb")
    with pytest.raises(UserError, match="no cell tagged"):
        series()
    assert not (series.folder / "run.json").exists()


def test_a_notebook_without_a_kernel_is_named(series):
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[parameters]), series.notebooks / "02_noise.ipynb")
    with pytest.raises(UserError, match=r"02_noise\.ipynb: No kernel name"):
        series()


def test_a_second_run_in_the_same_folder_is_told(series):
    series.folder.mkdir(parents=True)
    with FileLock(series.folder / ".lock"), pytest.raises(RunFailed, match="another run is working"):
        series()


def test_no_path_of_the_machine_is_kept(series):
    write_notebook(series.notebooks, "02_noise", "import os\nos.getcwd()", WRITE.format(name="02_noise"))
    series()
    kept = (series.folder / "notebooks/02_noise.ipynb").read_text() + (series.folder / "run.json").read_text()
    assert str(series.root) not in kept


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("open('/srv/app/x.py')", "open('./x.py')"),
        ("File \x1b[32m/srv/app/x.py\x1b[0m", "File \x1b[32m./x.py\x1b[0m"),
        ("file:///srv/app/x.py /srv/app", "file://./x.py ."),
        ("/srv/apple QUJD/srv/app/QUJD", "/srv/apple QUJD/srv/app/QUJD"),  # another folder; base64
        ("../speech/a.wav /srv/speech/a.wav", "speech/a.wav speech/a.wav"),
        ("\n/srv/app:/srv/app", "\n.:."),
    ],
)
def test_paths_are_hidden_but_not_within_words(text, hidden):
    assert path_hider(Path("/srv/app"), Parameters(data_dir="../speech"))(text) == hidden


def test_paths_of_every_named_encoder_are_hidden():
    parameters = Parameters(encoders={"/opt/one": [-1]}, teacher="/opt/two", student_start="/opt/three")
    hide = path_hider(Path("/srv/app"), parameters)
    assert each_text({"/opt/one": ["/opt/two", "/opt/three"]}, hide) == {"one": ["two", "three"]}


def command(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "sersupport.cli", *arguments], capture_output=True, text=True, **options
    )


@pytest.mark.parametrize(
    "arguments",
    [("report", "-p", "sede", "1"), ("report", "--data", "nowhere"), ("report", "--profile", "nosuch"), ("rprt",)],
)
def test_bad_input_ends_in_one_line_and_a_status(arguments):
    result = command(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_the_command_explains_itself():
    assert "report" in command().stdout
    assert "--profile" in command("report", "--help").stdout


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("mine")
    result = command("report", "--out", str(tmp_path / "file"))
    assert result.returncode in (1, 2) and len(result.stderr.strip().splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_leaves_no_kernel_and_no_half_result(tmp_path, number, status):
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
    while not (kernels := psutil.Process(process.pid).children(recursive=True)):
        assert time.monotonic() < deadline, "no kernel started"
        time.sleep(0.1)
    time.sleep(1.0)
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    assert process.returncode == status
    assert message.strip().splitlines()[-1].startswith("sersupport: stopped") and "Traceback" not in message
    psutil.wait_procs(kernels, timeout=10)
    assert not [kernel for kernel in kernels if kernel.is_running() and kernel.status() != psutil.STATUS_ZOMBIE]
    assert not (tmp_path / "run/notebooks/01_data.ipynb").exists()

"""The series: what is up to date is skipped, what is not is made again, failures are one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nbformat
import papermill
import pytest
from filelock import FileLock
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sersupport.core.errors import UserError
from sersupport.report import preflight
from sersupport.report.papermill import RunFailed
from sersupport.report.record import read_record, replace_folder, write_record
from sersupport.report.series import effective_parameters, run_series
from sersupport.run.chapters import Chapter

CHAPTERS = {"01_data": Chapter((), ("seed",)), "02_noise": Chapter(("01_data/seed",), ("level",))}
PARAMETERS = 'run_dir = "reports/demo"\nseed = 0'
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
OPEN = "from pathlib import Path\nfrom sersupport.run.artefacts import Artefacts\n"
OPEN += "artefacts = Artefacts(Path(run_dir) / 'artefacts', {'seed': seed})\n"
WRITE = {
    "01_data": OPEN + "artefacts.save('01_data/seed', {'parity': seed % 2})",
    "02_noise": OPEN + "artefacts.save('02_noise/level', artefacts.load('01_data/seed'))",
}


def write_notebook(folder: Path, name: str, *code: str, prose: str = "") -> None:
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    title = new_markdown_cell(f"# {int(name[:2])} · Title\n\n> **Question.** What of <b>{name}</b>?")
    cells = [title, parameters, *map(new_code_cell, code), new_markdown_cell(prose)]
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), folder / f"{name}.ipynb")


@pytest.fixture
def series(tmp_path):
    """A project of two small notebooks, and a function that runs it and returns what was printed."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for name, code in WRITE.items():
        write_notebook(notebooks, name, code)
    values = effective_parameters("demo")

    def run(**changes):
        lines = []
        parameters = values.model_copy(update=changes)
        return run_series(parameters, tmp_path, notebooks, CHAPTERS, echo=lines.append), lines

    run.root, run.notebooks, run.folder = tmp_path, notebooks, tmp_path / "reports" / "demo"
    return run


def ran(lines):
    return [line.split(":")[0] for line in lines if ": " in line]


def value(series, artefact):
    return json.loads((series.folder / "artefacts" / f"{artefact}.json").read_text())


def test_effective_parameters_take_the_last_word():
    assert effective_parameters("demo").seed == 0
    changed = effective_parameters("demo", overrides=[("seed", "3"), ("rows", "[A, D]"), ("learning_rate", "1e-4")])
    assert (changed.seed, changed.rows, changed.learning_rate) == (3, ["A", "D"], 1e-4)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("sede", "1", "did you mean 'seed'"),
        ("backbone", "x", "did you mean 'encoder'"),
        ("seed", "one", "seed"),
        ("fold", "-1", "fold"),
        ("rows", "[E]", "rows"),
        ("epochs", "2.5", "epochs"),
        ("seed", "[1", "not valid YAML"),
        ("seed", "[" * 3000, "not valid YAML"),
        ("run_dir", '"a\\0b"', "NUL"),
        ("encoder", '""', "encoder"),
        ("noise_test_collections", "[]", "noise_test_collections"),
        ("student_hidden", "208", "heads of 64"),
    ],
)
def test_a_wrong_parameter_is_one_clear_line(name, given, words):
    with pytest.raises(UserError, match=words.replace("[", r"\[")) as caught:
        effective_parameters("demo", overrides=[(name, given)])
    assert "\n" not in str(caught.value)


def test_a_missing_folder_or_profile_is_named():
    with pytest.raises(UserError, match="nowhere"):
        effective_parameters("demo", data="nowhere")
    for profile in ("nosuch", "../profiles/demo"):
        with pytest.raises(UserError, match=r"there are: .*demo"):
            effective_parameters(profile)


def test_runs_skips_and_reruns_what_depends_on_a_change(series):
    page, lines = series()
    assert ran(lines) == ["01_data", "02_noise"] and page.is_file()
    assert value(series, "02_noise/level") == {"parity": 0}
    record = read_record(series.folder)
    assert all(0 < entry["peak_gib"] < 8 and entry["seconds"] > 0 for entry in record["notebooks"].values())
    assert any(line.startswith("02_noise") and "GiB" not in line for line in lines)

    assert ran(series()[1]) == []  # nothing changed
    write_notebook(series.notebooks, "02_noise", WRITE["02_noise"], "1 + 1")
    assert ran(series()[1]) == ["02_noise"]
    assert ran(series(seed=5)[1]) == ["01_data", "02_noise"]
    assert value(series, "02_noise/level") == {"parity": 1}
    (series.folder / "artefacts/01_data/seed.json").unlink()  # a lost artefact is made again
    assert ran(series(seed=5)[1]) == ["01_data"]
    (series.folder / "artefacts/01_data/seed.json").write_text('{"seed": 6}')  # so is one that others overwrote
    page.write_text("old")
    assert ran(series(seed=5)[1]) == ["01_data"]
    assert page.read_text() != "old"  # and the front page, which shows its costs


def test_a_chapter_whose_reads_stayed_the_same_is_up_to_date(series):
    """Once, a change in notebook 01 made all later notebooks stale."""
    series()
    write_notebook(series.notebooks, "01_data", WRITE["01_data"], "1 + 1")
    assert ran(series()[1]) == ["01_data"]
    other = WRITE["01_data"].replace("seed % 2", "7")
    write_notebook(series.notebooks, "01_data", other)
    assert ran(series()[1]) == ["01_data", "02_noise"]
    assert value(series, "02_noise/level") == {"parity": 7}


def test_no_cell_runs_out_of_time(series, monkeypatch):
    """The ladder of a whole composite takes two cores more than two hours, after which it was once cut off."""
    asked, execute = [], papermill.execute_notebook
    monkeypatch.setattr(papermill, "execute_notebook", lambda *a, **k: asked.append(k) or execute(*a, **k))
    series()
    assert len(asked) == 2 and not any(one.get("execution_timeout") for one in asked)


def test_changed_prose_is_shown_without_running_again(series):
    write_notebook(series.notebooks, "02_noise", WRITE["02_noise"], "print('once')", prose="Old words.")
    series()
    before = nbformat.read(series.folder / "notebooks/02_noise.ipynb", as_version=4)
    write_notebook(series.notebooks, "02_noise", WRITE["02_noise"], "print('once')", prose=f"New: {series.root}/x.")
    page, lines = series()
    assert ran(lines) == []
    after = nbformat.read(series.folder / "notebooks/02_noise.ipynb", as_version=4)
    code = [[cell for cell in node.cells if cell.cell_type == "code"] for node in (before, after)]
    assert code[0] == code[1] and any("injected-parameters" in cell.metadata.tags for cell in code[0])
    assert after.cells[-1].source == "New: ./x." and "once" in after.cells[-2].outputs[0].text
    text = (page.parent / "02_noise.html").read_text(encoding="utf-8")
    assert "New: ./x." in text and "Old words." not in text
    assert ran(series()[1]) == []


def test_an_edited_result_is_made_again_and_not_published(series):
    series()
    executed = series.folder / "notebooks/02_noise.ipynb"
    executed.write_text(executed.read_text().replace("Title", "A better result"))
    page, lines = series()
    assert ran(lines) == ["02_noise"]
    assert not [path for path in (executed, page.parent / "02_noise.html") if "A better result" in path.read_text()]


@pytest.mark.parametrize("harm", [lambda page: page.unlink(), lambda page: page.write_text("UAR 1.00")])
def test_a_lost_or_edited_page_is_made_again(series, harm):
    page, _ = series()
    chapter = page.parent / "02_noise.html"
    kept = chapter.read_text()
    harm(chapter)
    assert ran(series()[1]) == [] and chapter.read_text() == kept


def test_what_a_chapter_does_not_write_is_named(series):
    """Also where an earlier run has left it there."""
    series()
    write_notebook(series.notebooks, "02_noise", "1 + 1")
    for _ in range(2):
        with pytest.raises(RunFailed, match="02_noise: has run without writing 'level'"):
            series()
    assert read_record(series.folder)["notebooks"]["02_noise"] is None


def test_a_run_that_failed_under_other_parameters_leaves_nothing_fresh(series):
    """Its artefacts were overwritten: the former parameters must run again."""
    write_notebook(series.notebooks, "01_data", WRITE["01_data"], "assert seed == 0")
    series()
    with pytest.raises(RunFailed):
        series(seed=7)
    assert value(series, "01_data/seed") == {"parity": 1}
    assert "01_data" in ran(series()[1])
    assert value(series, "01_data/seed") == {"parity": 0}


def test_a_failure_says_where_and_keeps_what_was_finished(series):
    write_notebook(series.notebooks, "02_noise", "1 / 0")
    with pytest.raises(RunFailed, match=r"02_noise: cell 3: ZeroDivisionError: division by zero .*failed\.ipynb"):
        series()
    assert [name for name, cost in read_record(series.folder)["notebooks"].items() if cost] == ["01_data"]
    assert (series.folder / "notebooks/02_noise.failed.ipynb").is_file()
    write_notebook(series.notebooks, "02_noise", WRITE["02_noise"])
    assert ran(series()[1]) == ["02_noise"]
    assert not (series.folder / "notebooks/02_noise.failed.ipynb").exists()


def test_a_user_error_in_a_notebook_is_its_message_alone(series):
    raising = "from sersupport.core.errors import UserError\nraise UserError('no corpus at X')"
    write_notebook(series.notebooks, "02_noise", raising)
    with pytest.raises(RunFailed, match=r"^02_noise: no corpus at X"):
        series()


def test_an_undeclared_name_or_a_missing_cell_is_refused_before_anything_runs(series):
    nbformat.write(new_notebook(cells=[new_code_cell("1")], metadata=KERNEL), series.notebooks / "02_noise.ipynb")
    with pytest.raises(UserError, match="no cell tagged"):
        series()
    assert not series.folder.exists()


def test_a_notebook_without_a_kernel_is_named(series):
    parameters = new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[parameters]), series.notebooks / "02_noise.ipynb")
    with pytest.raises(UserError, match=r"02_noise\.ipynb: No kernel name"):
        series()


def test_the_outside_is_checked_before_anything_is_written_and_only_where_something_runs(series, monkeypatch):
    calls = []

    def refuse(parameters, root, sources, echo):
        calls.append(sources)
        raise UserError("no such encoder")

    monkeypatch.setattr(preflight, "check", refuse)
    with pytest.raises(UserError, match="no such encoder"):
        series()
    assert calls == [set()] and not series.folder.exists()
    monkeypatch.undo()
    series()
    monkeypatch.setattr(preflight, "check", refuse)
    series()
    assert len(calls) == 1


def test_a_second_run_in_the_same_folder_is_told(series):
    series.folder.mkdir(parents=True)
    with FileLock(series.folder / ".lock"), pytest.raises(RunFailed, match="another run is working"):
        series()


def test_a_folder_of_somebody_else_is_left_alone(series):
    (series.folder / "html").mkdir(parents=True)
    (series.folder / "html" / "index.html").write_text("mine")
    with pytest.raises(UserError, match="no report made"):
        series()
    (series.folder / "run.json").write_text("mine")
    with pytest.raises(UserError, match="no record of a run"):
        series()
    assert (series.folder / "html" / "index.html").read_text() == "mine"


@pytest.mark.parametrize("name", ["notebooks", "artefacts", "logs", "html"])
def test_what_a_user_has_under_a_name_of_ours_is_not_overwritten(series, name):
    """Only html was looked at: --out replaced a user's own notebooks."""
    (series.folder / name).mkdir(parents=True)
    (series.folder / name / "01_data.ipynb").write_text("mine")
    with pytest.raises(UserError, match=f"holds '{name}', which no report made") as caught:
        series()
    assert "\n" not in str(caught.value) and (series.folder / name / "01_data.ipynb").read_text() == "mine"
    assert [path.name for path in series.folder.iterdir()] == [name]


def test_other_files_in_the_folder_do_no_harm(series):
    series.folder.mkdir(parents=True)
    (series.folder / "notes.txt").write_text("mine")
    assert ran(series()[1]) == ["01_data", "02_noise"] and (series.folder / "notes.txt").read_text() == "mine"


def test_a_published_report_is_not_run_over(series):
    parameters = {"profile": "demo", "data_dir": "embedded", "bootstrap_samples": 100}
    record = {"parameters": parameters, "provenance": {}, "notebooks": {}, "published": "demo"}
    write_record(series.folder, record)
    with pytest.raises(UserError, match="is a published report"):
        series()
    assert read_record(series.folder) == record and len(list(series.folder.iterdir())) == 1


def test_no_side_file_of_an_earlier_run_stays(series):
    """Figures and tables that a chapter writes no more were counted as its own, and shown."""
    series()
    own = series.folder / "artefacts" / "02_noise"
    for name in ("figure-old.html", "old.csv", "protocols/old.csv", "models/kept.txt"):
        (own / name).parent.mkdir(exist_ok=True)
        (own / name).write_text("old")
    (own / "link.csv").symlink_to(series.notebooks / "01_data.ipynb")
    assert ran(series()[1]) == ["02_noise"]
    names = {path.relative_to(own).as_posix() for path in own.rglob("*") if path.is_file()}
    assert names == {"level.json", "level.made.json", "models/kept.txt"} and not (own / "protocols").exists()
    assert (series.notebooks / "01_data.ipynb").is_file()


def test_pages_behind_a_link_are_replaced_and_what_it_points_to_stays(series):
    """The first such run left a link behind, over which the second stumbled."""
    page, _ = series()
    theirs = series.root / "theirs"
    for _ in range(2):
        page.parent.rename(theirs)
        page.parent.symlink_to(theirs)
        page.write_text("changed")
        series()
        assert not page.parent.is_symlink() and page.read_text() != "changed"
        assert (theirs / "index.html").read_text() == "changed"
        assert [path.name for path in series.folder.iterdir() if "html" in path.name] == ["html"]
        shutil.rmtree(theirs)


def test_a_folder_is_replaced_whole_or_stays(tmp_path):
    for name in ("built", "demo", ".demo.old", ".demo.new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    replace_folder(tmp_path / "built", tmp_path / "demo")
    assert {path.name: (path / "file").read_text() for path in tmp_path.iterdir()} == {
        "demo": "built",
        ".demo.old": ".demo.old",  # somebody's own
        ".demo.new": ".demo.new",
    }
    with pytest.raises(FileNotFoundError):
        replace_folder(tmp_path / "nothing", tmp_path / "demo")
    assert (tmp_path / "demo" / "file").read_text() == "built" and len(list(tmp_path.iterdir())) == 3


def test_no_path_of_the_machine_is_kept(series):
    write_notebook(series.notebooks, "02_noise", "import os\nos.getcwd()", WRITE["02_noise"])
    series()
    kept = (series.folder / "notebooks/02_noise.ipynb").read_text() + (series.folder / "run.json").read_text()
    assert str(series.root) not in kept

"""Keys: what a notebook's result depends on, and what it does not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sersupport.core.errors import UserError
from sersupport.report import schedule as module
from sersupport.report.schedule import Keys, schedule
from sersupport.run.artefacts import Artefacts
from sersupport.run.chapters import CORPORA, ENCODERS, NOISE, Chapter
from sersupport.run.parameters import Parameters

KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
CHAPTERS = {
    "01_data": Chapter(writes=("split",), sources=(CORPORA,)),
    "02_noise": Chapter(reads=("01_data/split",), writes=("levels",), sources=(NOISE,)),
    "04_model": Chapter(writes=("encoder",), sources=(ENCODERS,)),
    "10_claims": Chapter(reads=("01_data/split", "02_noise/levels")),
}
DECLARED = {name: 'run_dir = "reports/demo"\nseed = 0' for name in CHAPTERS}
DECLARED["04_model"] += '\nencoder = "w2v2-mini"'


def write_notebook(folder: Path, name: str, code: str = "1", tags: tuple[str, ...] = (), prose: str = "") -> None:
    parameters = new_code_cell(DECLARED[name], metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell(prose), parameters, new_code_cell(code, metadata={"tags": list(tags)})]
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), folder / f"{name}.ipynb")


@pytest.fixture
def project(tmp_path):
    """A project with recordings, noises and an encoder, and a function that gives the key of each notebook."""
    for path in ("data/savee/DC_a01.wav", "data/noise/one/fish/a.wav", "encoder/config.json", "notebooks/-"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"1")
    for name in CHAPTERS:
        write_notebook(tmp_path / "notebooks", name)
    artefacts = tmp_path / "artefacts"
    Artefacts(artefacts, {"seed": 0}).save("01_data/split", {"a": 1})

    def keys(**changes):
        values = {
            "data_dir": "data",
            "encoder": "encoder",
            "corpora": ["savee"],
            "unheard_noises": ["telephone"],
            **changes,
        }
        parameters = Parameters(**values)
        steps = schedule(parameters, tmp_path / "notebooks", CHAPTERS)
        return {step.name: Keys(parameters, tmp_path).key(step, artefacts) for step in steps}

    keys.root, keys.notebooks, keys.artefacts = tmp_path, tmp_path / "notebooks", artefacts
    return keys


def changed(before, after):
    return [name for name in before if before[name] != after[name]]


def test_a_key_covers_code_tags_and_declared_parameters_and_no_prose(project):
    before = project()
    assert not changed(before, project())
    write_notebook(project.notebooks, "02_noise", prose="Other words.")
    assert not changed(before, project())
    write_notebook(project.notebooks, "02_noise", code="2")
    assert changed(before, project()) == ["02_noise"]
    write_notebook(project.notebooks, "02_noise", tags=("hide-input",))
    assert changed(before, project()) == ["02_noise"]
    assert changed(project(), project(seed=1)) == list(CHAPTERS)
    assert not changed(project(), project(epochs=3))  # declared nowhere


def test_prose_has_a_digest_of_its_own(project):
    def prose():
        steps = schedule(Parameters(), project.notebooks, CHAPTERS)
        return {step.name: step.prose for step in steps}

    before = prose()
    write_notebook(project.notebooks, "02_noise", code="2")
    assert prose() == before
    write_notebook(project.notebooks, "02_noise", prose="Other words.")
    assert changed(before, prose()) == ["02_noise"]


def test_a_key_follows_what_is_read_not_the_chain_before(project):
    before = project()
    Artefacts(project.artefacts, {"seed": 0}).save("01_data/split", {"a": 1})  # made again, the same
    Artefacts(project.artefacts, {"seed": 0}).save("01_data/others", {"a": 1})
    assert not changed(before, project())
    Artefacts(project.artefacts, {"seed": 0}).save("01_data/split", {"a": 2})
    assert changed(before, project()) == ["02_noise", "10_claims"]
    Artefacts(project.artefacts, {"seed": 0}).save("01_data/split", {"a": 1})
    made = project.artefacts / "01_data/split.made.json"
    made.write_text(json.dumps({"parameters": {"seed": 3}}))
    assert changed(before, project()) == ["02_noise", "10_claims"]
    made.unlink()
    assert changed(before, project()) == ["02_noise", "10_claims"]


def test_each_source_makes_those_stale_that_read_it(project):
    before = project()
    for path, name in (
        ("data/savee/DC_a01.wav", "01_data"),
        ("data/noise/one/fish/a.wav", "02_noise"),
        ("encoder/config.json", "04_model"),
    ):
        (project.root / path).write_bytes(b"22")
        assert changed(before, project()) == [name]
        before = project()
    (project.root / "data/savee/notes.txt").write_text("no recording")
    (project.root / "data/ravdess").mkdir()  # not one of the run's corpora
    (project.root / "data/ravdess/03-01-01-01-01-01-01.wav").write_text("1")
    assert not changed(before, project())


def test_recordings_behind_links_are_watched(project):
    """They were read and not watched: twelve deleted files once passed as unchanged."""
    elsewhere = project.root / "elsewhere"
    for where in ("KL", "noise/fish"):
        (elsewhere / where).mkdir(parents=True)
    (elsewhere / "KL" / "a01.wav").write_bytes(b"1")
    (elsewhere / "noise/fish/b.wav").write_bytes(b"1")
    os.symlink(elsewhere / "KL", project.root / "data/savee/KL")
    os.symlink(elsewhere / "noise", project.root / "data/noise/two")
    before = project()
    (elsewhere / "KL" / "a01.wav").unlink()
    assert changed(before, project()) == ["01_data"]
    before = project()
    (elsewhere / "noise/fish/b.wav").write_bytes(b"22")
    assert changed(before, project()) == ["02_noise"]


def test_a_linked_corpus_is_watched(project):
    os.rename(project.root / "data/savee", project.root / "speech")
    os.symlink(project.root / "speech", project.root / "data/savee")
    before = project()
    (project.root / "speech/DC_a01.wav").write_bytes(b"22")
    assert changed(before, project()) == ["01_data"]


def test_results_depend_on_the_package_but_not_on_what_shows_them(project, monkeypatch):
    package = project.root / "package"
    for path in ("core/files.py", "systems/fusion.py", "report/site.py", "cli.py"):
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_text("1")
    monkeypatch.setattr(module, "PACKAGE", package)
    before = project()
    for path in ("report/site.py", "cli.py", "report/new.py"):
        (package / path).write_text("2")
    (package / "core" / "__pycache__").mkdir()
    (package / "core" / "__pycache__" / "files.pyc").write_text("2")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "__init__.pyc").write_text("2")  # beside the folders of the package
    assert not changed(before, project())
    (package / "new_folder").mkdir()
    (package / "new_folder" / "module.py").write_text("2")  # no list of files to be added to
    assert changed(before, project()) == list(CHAPTERS)


def test_what_does_not_exist_in_the_package_is_shown_by_nothing():
    assert all((module.PACKAGE / name).exists() for name in module.SHOWS)


def test_a_missing_corpus_is_said_before_anything_runs(project):
    with pytest.raises(UserError, match="no corpus found"):
        project(corpora=["tess"])


def test_a_corpus_that_is_only_crossed_to_counts_where_it_is_named(tmp_path):
    """Chapter 12 reads corpora that no other does; they were not looked at once."""
    for name in ("ravdess/Actor_01", "tess"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data/ravdess/Actor_01/03-01-01-01-01-01-01.wav").write_bytes(b"one")
    parameters = Parameters(data_dir="data", corpora=["ravdess"], transfer_corpora=["ravdess", "tess"])
    across, alone = SimpleNamespace(values={"transfer_corpora": ["ravdess", "tess"]}), SimpleNamespace(values={})
    before = [Keys(parameters, tmp_path)._corpora(step) for step in (across, alone)]
    (tmp_path / "data/tess/OAF_back_angry.wav").write_bytes(b"two")
    after = [Keys(parameters, tmp_path)._corpora(step) for step in (across, alone)]
    assert before[0] != after[0] and before[1] == after[1]
    (tmp_path / "data/emovo").mkdir()
    target = SimpleNamespace(values={"curve_target": "emovo"})
    before = Keys(parameters, tmp_path)._corpora(target)
    (tmp_path / "data/emovo/dis-f1-b1.wav").write_bytes(b"three")
    assert Keys(parameters, tmp_path)._corpora(target) != before


def test_an_enhancer_in_a_file_counts_where_it_is_named(tmp_path):
    (tmp_path / "mine.pt").write_bytes(b"one")
    for values in ({"enhancer": "mine.pt"}, {"enhancers": ["none", "mine.pt"]}):
        step = SimpleNamespace(values=values)
        before = Keys(Parameters(), tmp_path)._encoders(step)
        (tmp_path / "mine.pt").write_bytes((tmp_path / "mine.pt").read_bytes() + b"more")
        assert Keys(Parameters(), tmp_path)._encoders(step) != before

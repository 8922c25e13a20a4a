"""The notebooks keep their contract, and their committed outputs come out again."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from sersupport.claims.evidence import ARTEFACTS
from sersupport.report.papermill import declared_parameters
from sersupport.run import from_parameters
from sersupport.run.chapters import CHAPTERS, NOTEBOOKS
from sersupport.run.parameters import Parameters, read_profile, validated
from sersupport.studies import cluster

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
COMPARED_AT_LEAST = 5
SANITIZE = Path(__file__).with_name("nbval_sanitize.cfg")


@pytest.fixture(params=NOTEBOOKS)
def name(request):
    return request.param


@pytest.fixture
def notebook(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def test_the_series_is_complete():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NOTEBOOKS)


def test_one_parameters_cell_of_literals_equal_to_the_demo_profile(name, notebook):
    cells = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    assert len(cells) == 1
    namespace: dict = {}
    exec(cells[0].source, {"__builtins__": {}}, namespace)  # literals need no builtins
    demo = validated(read_profile("demo", FOLDER / "profiles"), "demo")
    assert list(namespace) == declared_parameters(FOLDER / f"{name}.ipynb")
    assert namespace == {key: getattr(demo, key) for key in namespace}
    assert demo == Parameters()


def _parameters_used():
    """Parameters that each function of from_parameters uses, in whatever branch, with those of what it calls."""
    tree = ast.parse(Path(from_parameters.__file__).read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}

    def used(name):
        found = set()
        for node in ast.walk(functions[name]):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "p":
                found.add(node.attr)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
                found |= used(node.func.id)
        return found

    return {name: used(name) for name in functions}


def test_every_parameter_that_a_notebook_comes_to_use_is_declared(name):
    """On recorded speech alone one was missing, an hour into a run."""
    code = "\n".join(cell.source for cell in code_cells(nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)))
    needed = set()
    for function, own in _parameters_used().items():
        if re.search(rf"from_parameters\.{function}\(", code):
            needed |= own
    assert needed <= set(declared_parameters(FOLDER / f"{name}.ipynb")) and (needed or name == "10_claims")


@pytest.mark.parametrize("profile", sorted(path.stem for path in (FOLDER / "profiles").glob("*.yaml")))
def test_every_profile_is_valid_and_names_its_own_folder(profile):
    values = validated(read_profile(profile, FOLDER / "profiles"), profile)
    assert values.profile == profile
    assert values.run_dir == f"reports/{profile}"
    written = yaml.safe_load((FOLDER / "profiles" / f"{profile}.yaml").read_text())
    assert written.keys() <= Parameters.model_fields.keys()


def test_cells_are_short(notebook):
    lengths = [len(cell.source.splitlines()) for cell in code_cells(notebook) if "parameters" not in tags(cell)]
    assert statistics.median(lengths) <= 5
    assert max(lengths) <= 30
    assert max(len(line) for cell in code_cells(notebook) for line in cell.source.splitlines()) <= 120


def test_the_preface_states_what_is_read_and_written(name, notebook):
    """What a notebook says, what it does, and what the schedule believes are one: notebook 07 once saved too little."""
    preface = notebook.cells[0].source
    assert preface.startswith(f"# {int(name[:2])} · ")
    for part in ("> **Question.**", "**Claims it bears on.**", "**Reads.**", "**Writes.**", "**Before running:**"):
        assert part in preface, part
    reads, writes = re.search(r"\*\*Reads\.\*\*(.*?)\*\*Writes\.\*\*(.*?)$", preface, re.M | re.S).groups()
    stated = set(re.findall(r"`([^`]+/[^`]*)`", reads))
    assert stated == set(CHAPTERS[name].reads)
    assert re.findall(r"`([^`]+)`", writes) == list(CHAPTERS[name].writes)
    source = "\n".join(cell.source for cell in code_cells(notebook))
    saved = set(re.findall(r'run\.save\(\s*f?"([^"]+)"', source))
    patterns = [re.escape(item).replace(r"\{name\}", "[a-z]+") for item in saved]
    folders = {item for item in CHAPTERS[name].writes if item.endswith("/")}
    written = set(CHAPTERS[name].writes) - folders
    assert all(any(re.fullmatch(pattern, item) for pattern in patterns) for item in written)
    assert all(f'"{item[:-1]}' in source for item in folders)


def test_every_artefact_of_the_ledger_is_written_by_some_notebook():
    written = {f"{name}/{item}" for name, chapter in CHAPTERS.items() for item in chapter.writes}
    assert set(ARTEFACTS) <= written
    assert set(ARTEFACTS) <= set(CHAPTERS["10_claims"].reads)


def test_no_notebook_asserts_what_depends_on_the_data(notebook):
    """Six actors and one epoch once ended in an assertion on a score, without a message."""
    for cell in code_cells(notebook):
        for line in re.findall(r"^assert .*", cell.source, re.M):
            bounds = re.findall(r"between\(([^)]*)\)", line)
            assert all(bound in {"0, 1", "-1, 1", "0, 100"} for bound in bounds), line


def test_it_ends_with_checks_takeaways_limitations_and_questions(notebook):
    text = prose(notebook)
    assert "## Takeaways" in text and "**Limitations.**" in text and "**Questions for a class**" in text
    assert text.count("<details><summary>Answer</summary>") >= 2
    assert any("assert " in cell.source for cell in code_cells(notebook))


def test_no_number_is_typed_into_prose(name, notebook):
    text = prose(notebook).removeprefix(f"# {int(name[:2])} ")
    for allowed in (
        r"\$\$.*?\$\$",  # equations
        r"\$[^$]+\$",
        r"`[^`]*`",
        r"\{cite:[pt]\}",
        r"<[^>]+>",
        r"^\d\. ",  # numbered questions
        r"[Ee]q(?:uation|s?\.)s? \d+(?:[–-]\d+)?(?:(?:,| and| or) \d+(?:[–-]\d+)?)*",
        r"[Nn]otebook \d",
        r"Feature \d+",  # a name in the paper's figures
        r"Wav2Vec 2\.0",
        r"\bF1\b",
    ):
        text = re.sub(allowed, " ", text, flags=re.M | re.S)
    assert not re.findall(r".{0,30}\d.{0,10}", text)


def test_enough_outputs_are_compared(notebook):
    compared = 0
    for cell in code_cells(notebook):
        kept = [output for output in cell.outputs if output.output_type != "stream" or output.name != "stderr"]
        assert not cell.outputs or cell.execution_count is not None, "nbval does not compare such a cell"
        assert not [output for output in cell.outputs if output.output_type == "error"]
        compared += bool(kept) and "nbval-ignore-output" not in tags(cell)
    assert compared >= COMPARED_AT_LEAST


def test_only_pictures_and_audio_go_uncompared(notebook):
    for cell in code_cells(notebook):
        if "nbval-ignore-output" in tags(cell):
            assert any(call in cell.source for call in ("run.figure(", "run.listen("))


def test_tables_of_measured_numbers_are_followed_by_bounds(notebook):
    cells = code_cells(notebook)
    for number, cell in enumerate(cells):
        if "measured=" in cell.source and "nbval-ignore-output" not in tags(cell):
            assert any("assert " in later.source for later in cells[number : number + 4]), cell.source


def test_no_path_of_a_machine(notebook):
    text = nbformat.writes(notebook)
    assert str(ROOT) not in text and str(Path.home()) + "/" not in text


def test_sanitizer_marks_every_measured_number_and_nothing_else():
    regex, replacement = re.search(r"^regex: (.*)\nreplace: (.*)$", SANITIZE.read_text(), re.M).groups()
    text = 'UAR <span class="measured">0.52</span> of <b>7</b>, <span class="measured">–</span>'
    marked = '<span class="measured">measured</span>'
    assert re.sub(regex, replacement.strip(), text) == f"UAR {marked} of <b>7</b>, {marked}"


def test_committed_outputs_come_out_again(tmp_path):
    """nbval runs the whole series afresh: artefacts go to an empty folder, so every model is trained again."""
    environment = os.environ | {"SERSUPPORT_RUN_DIR": str(tmp_path), "TQDM_DISABLE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval",
        "--nbval-cell-timeout=900",
        f"--nbval-sanitize-with={SANITIZE}",
    ]
    command += ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly", "--durations=0", "--rootdir", str(FOLDER)]
    notebooks = [str(FOLDER / f"{name}.ipynb") for name in NOTEBOOKS]
    with cluster.workers(2) as address:  # where its jobs run beside each other, as a report's do
        environment[cluster.SCHEDULER] = address
        result = subprocess.run(
            [*command, "-c", os.devnull, *notebooks], env=environment, capture_output=True, text=True
        )
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    cells = sum(len(code_cells(nbformat.read(path, as_version=4))) for path in notebooks)
    assert f"{cells} passed" in result.stdout

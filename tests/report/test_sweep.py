"""A grid over parameters: read and refused line by line, and compared on one page."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from sersupport.core.errors import UserError
from sersupport.report import sweep
from sersupport.report.record import package_root
from sersupport.run.artefacts import Artefacts
from sersupport.run.chapters import CHAPTERS


@pytest.fixture
def write(tmp_path):
    def grid(**given):
        path = tmp_path / "widths.yaml"
        path.write_text(yaml.safe_dump(given))
        return path

    return grid


def test_the_last_parameter_varies_fastest_and_every_run_has_its_folder(write):
    path = write(grid={"cnn_width": [0.5, 1.0], "folds": [[0], [1, 2]]}, parameters={"epochs": 1})
    found = sweep.read_sweep(path)
    assert [list(point.values()) for point in found.points] == [[0.5, [0]], [0.5, [1, 2]], [1.0, [0]], [1.0, [1, 2]]]
    assert [run.run_dir for run in found.runs] == [f"reports/widths/0{number}" for number in range(4)]
    assert found.runs[3].folds == [1, 2] and {run.epochs for run in found.runs} == {1}
    assert list(found.chapters) == list(CHAPTERS)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs grid"),
        ({"grid": {"epochs": 3}}, "needs grid"),
        ({"grid": {"epochs": []}}, "needs grid"),
        ({"grid": {"epochs": [1]}, "chapter": []}, "unknown key 'chapter'"),
        ({"grid": {"epoch": [1]}}, "did you mean 'epochs'"),
        ({"grid": {"epochs": [0]}}, "epochs"),
        ({"grid": {"epochs": [1]}, "chapters": ["05_training"]}, "chapters need '01_data'"),
        ({"grid": {"epochs": [1]}, "chapters": ["5"]}, "chapters need '5'"),
    ],
)
def test_what_is_no_grid_is_one_line(write, given, message):
    with pytest.raises(UserError, match=re.escape(message)) as error:
        sweep.read_sweep(write(**given))
    assert "\n" not in str(error.value)


def test_a_missing_grid_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such grid"):
        sweep.read_sweep(tmp_path / "absent.yaml")


def test_one_page_compares_the_runs(write, tmp_path, monkeypatch):
    """Two runs of one system on the same four speakers: the second is right where the first is wrong."""
    path = write(grid={"epochs": [1, 2]}, chapters=[name for name in CHAPTERS if name <= "07_ablation"])
    monkeypatch.setattr(sweep, "run_series", lambda parameters, root, **_: None)
    found = sweep.read_sweep(path)
    rows = [(speaker, label) for speaker in "abcd" for label in ("angry", "sad") for _ in range(4)]
    for number, parameters in enumerate(found.runs):
        score = {
            "system": "D",
            "recall": 0.5 + number / 2,
            "uar_low": 0.4,
            "uar_high": 1.0,
            "accuracy": 0.5 + number / 2,
        }
        scores = pd.DataFrame([score | {"speech": speech, "speakers": 4} for speech in ("clean", "noisy")])
        table = pd.DataFrame(rows, columns=["speaker", "true"]).assign(
            system="D", level_kind="none", noise="", level=0.0
        )
        table["predicted"] = table["true"] if number else np.where(np.arange(len(table)) % 2, "sad", "angry")
        table = table.assign(utterance=np.arange(len(table)).astype(str), corpus="toy", fold=0, seed=0, variant="clean")
        table = table.assign(condition="clean", noise_part="test", p_angry=0.5, p_sad=0.5, protocol="speaker-disjoint")
        artefacts = Artefacts(tmp_path / parameters.run_dir / "artefacts", parameters.model_dump(), "a test")
        artefacts.save(sweep.SCORES, scores)
        artefacts.save(sweep.PREDICTIONS, table)
    page = sweep.run_sweep(found, tmp_path, echo=lambda line: None).read_text()
    assert page.count("epochs = 2") >= 3 and 'href="01/html/index.html"' in page
    assert "1 of 1 differences to epochs = 1 are told from zero as higher, 0 as lower." in page
    assert re.search(r"<td>D</td>\s*<td>clean</td>\s*<td>epochs = 2</td>.*?0\.500", page, re.S), page[-3000:]
    assert "http" not in re.sub(r"http://www\.w3\.org\S*", "", page) and json.dumps(str(package_root())) not in page

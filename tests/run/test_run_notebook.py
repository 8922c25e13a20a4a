"""What a notebook's run lets it read, write and show."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from sersupport.core.errors import Missing, UserError
from sersupport.run import notebook
from sersupport.run.chapters import Chapter
from sersupport.run.notebook import Run
from sersupport.run.parameters import Parameters

CHAPTERS = {
    "01_data": Chapter(writes=("split",)),
    "02_noise": Chapter(reads=("01_data/split",), writes=("levels",)),
}


def run_of(name="02_noise", **values):
    return Run(name, Parameters(**{"run_dir": "out", "profile": "demo", "data_dir": "embedded", **values}), CHAPTERS)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERSUPPORT_RUN_DIR", raising=False)
    return run_of(seed=1)


@pytest.fixture
def shown(monkeypatch):
    items = []
    monkeypatch.setattr(notebook, "display", lambda item: items.append(item.data))
    return items


def test_it_reads_and_writes_what_its_chapter_declares(here):
    run_of("01_data", seed=1).save("split", {"a": 1})
    assert here.load("01_data/split") == {"a": 1}
    here.save("levels", {"b": 2})
    assert here.load("02_noise/levels") == {"b": 2}  # what it has saved itself
    with pytest.raises(UserError, match="saves 'others': add it to what it writes"):
        here.save("others", {})
    with pytest.raises(UserError, match="loads '01_data/others': add it to what it reads"):
        here.load("01_data/others")


def test_a_small_p_is_not_zero(here, shown):
    frame = pd.DataFrame({"p, Holm": [1e-9, 0.01, np.nan], "change": [1e-9, 0.2, -0.3]})
    here.table(frame, "p", "p.", {"change": "+.3f"}, measured=("p, Holm", "change"))
    cells = re.findall(r'class="measured">([^<]*)<', shown[0])
    assert cells == ["&lt;0.001", "+0.000", "0.010", "+0.200", "–", "-0.300"]


def test_that_recordings_are_not_played_is_said_once(here, shown):
    elsewhere = run_of(data_dir="data")
    for label in ("one", "another"):
        elsewhere.listen(np.zeros(100), 16_000, label)
    assert len(shown) == 1 and "not played" in shown[0]


def test_what_it_has_not_saved_yet_may_be_of_a_former_run(here):
    run_of().save("levels", {"b": 2})
    with pytest.raises(UserError, match="add it to what it reads"):
        here.load("02_noise/levels")


def test_only_declared_parameters_take_part_in_what_made_an_artefact(here):
    run_of("01_data", seed=2).save("split", {"a": 1})
    with pytest.raises(UserError, match=r"seed = 2, notebook 02_noise has seed = 1"):
        here.load("01_data/split")
    assert run_of().load("01_data/split") == {"a": 1}  # it declares no seed, so any will do


def test_paths_of_artefacts(here):
    base = here.folder / "artefacts"
    assert here.path("01_data/protocols/a.csv") == base / "01_data/protocols/a.csv"
    assert here.path("models/A") == base / "02_noise/models/A"


def test_tests_train_afresh(here, tmp_path, monkeypatch):
    assert here.jobs_folder == here.root / "build/jobs" and here.folder == here.root / "out"
    monkeypatch.setenv("SERSUPPORT_RUN_DIR", str(tmp_path / "elsewhere"))
    elsewhere = run_of()
    assert elsewhere.jobs_folder == elsewhere.folder / "jobs" == tmp_path / "elsewhere/jobs"


def test_only_declared_parameters_can_be_read(here):
    assert here.p.seed == 1
    with pytest.raises(UserError, match="declare it in its parameters cell"):
        _ = here.p.epochs
    with pytest.raises(AttributeError):
        _ = here.p.nonsense


def test_figures_and_tables_are_numbered_by_chapter(here, shown):
    for name in ("one", "two", "one"):
        here.figure(plt.figure(), name, f"finding <{name}>", 'what is "seen"')
    frame = pd.DataFrame({"UAR": [0.51239], "n": [3], "who": ["<b>"], "noise": [""]})
    here.table(frame, "t", "A caption", measured=("UAR",))
    assert [re.search(r"Figure (2\.\d)", text)[1] for text in shown[:3]] == ["2.1", "2.2", "2.1"]
    assert "finding &lt;one&gt;" in shown[0] and 'alt="what is &quot;seen&quot;"' in shown[0]
    assert "Table 2.1" in shown[3] and '<span class="measured">0.512</span>' in shown[3]
    assert "<td>3</td>" in shown[3] and "&lt;b&gt;" in shown[3] and "<td>–</td>" in shown[3]
    assert (here.path("figure-one.html")).read_text() == shown[0]
    here.table(pd.DataFrame({"<a>": ["word"], "b": ["many words " * 6]}), "u", "Sentences")
    assert 'class="ser-table ser-sentences"' in shown[4] and '<td data-column="&lt;a&gt;">word</td>' in shown[4]
    assert "ser-sentences" not in shown[3] and "data-column" not in shown[3]


def test_licensed_speech_is_never_played(here, shown):
    run_of(data_dir="corpora").listen(np.zeros(100), 22_050, "someone")
    here.listen(0.1 * np.ones(4000), 22_050, "<a> voice")
    assert "<audio" not in shown[0] and "<audio" in shown[1] and "&lt;a&gt; voice" in shown[1]


def test_a_printed_claim_is_shown_with_its_verdict(here, shown):
    here.claim("noisy-97")
    (text,) = shown
    for part in ("Claim", "Test", "Evidence", "Verdict", "not testable", 'id="claim-noisy-97"'):
        assert part in text, part
    assert "measured" not in text
    with pytest.raises(UserError, match="noisy-97"):
        here.claim("noisy-98")


def test_evidence_is_what_the_chapter_reads(tmp_path, monkeypatch):
    """What is not there makes a claim not testable; what the notebook does not declare, or cannot read, is an error."""
    monkeypatch.chdir(tmp_path)
    from sersupport.claims.evidence import ABLATION, CLEAN, GRID, Absent

    chapters = {
        "05_training": Chapter(writes=("predictions",)),
        "06_robustness": Chapter(writes=("predictions",)),
        "07_ablation": Chapter(reads=(GRID,), writes=("speed",)),
    }
    parameters = Parameters(run_dir="out", profile="demo", data_dir="embedded", bootstrap_samples=100)
    run = Run("07_ablation", parameters, chapters)
    with pytest.raises(Absent):
        run.evidence().artefact(GRID)  # not there
    with pytest.raises(Absent):
        run.evidence().artefact(ABLATION)  # written by none
    with pytest.raises(UserError, match="add it to what it reads"):
        run.evidence().artefact(CLEAN)
    Run("06_robustness", parameters, chapters).save("predictions", pd.DataFrame({"a": [1]}))
    assert run.evidence().artefact(GRID)["a"].tolist() == [1]
    path = run.path(f"{GRID}.parquet")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match="run notebook 06_robustness again") as caught:
        run.evidence().artefact(GRID)
    assert not isinstance(caught.value, Missing)

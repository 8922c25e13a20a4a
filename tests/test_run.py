"""Parameters, caches, artefacts, and what a notebook shows."""

from __future__ import annotations

import re
import types

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

from sersupport import UserError, facts, plots, run
from sersupport.cache import Cache, code_version, digest
from sersupport.parameters import Parameters, from_namespace, read_profile, validated
from sersupport.run import Run

# parameters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sede": 1}, "unknown parameter 'sede'; did you mean 'seed'"),
        ({"seed": 1.0}, "seed"),
        ({"seed": True}, "seed"),
        ({"epochs": "12"}, "epochs"),
        ({"lambda_levels": [0.5, 2.0]}, "lambda_levels.1"),
        ({"corpora": []}, "corpora"),
        ({"cnn_width": 0.0}, "cnn_width"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"rows": ["D", "A"]}, "rows = ['D', 'A']: values must rise"),
        ({"rows": ["B"]}, "add A, C or D"),
        ({"lambda_levels": [0.5, 0.5]}, "lambda_levels"),
        ({"variants": ["K = 40", "K = 40"]}, "variants"),
        ({"bootstrap_samples": 10}, "bootstrap_samples"),
    ],
)
def test_unknown_ill_typed_and_out_of_range_parameters_are_named(values, words):
    with pytest.raises(UserError, match=re.escape(words)) as caught:
        validated(values, "here")
    assert str(caught.value).startswith("here: ") and "\n" not in str(caught.value)


def test_a_namespace_is_read_and_its_slips_are_found():
    names = {"seed": 3, "np": np, "_hidden": 1, "In": [""], "CONSTANT": {}, "function": print}
    assert from_namespace(names, "nb").seed == 3
    with pytest.raises(UserError, match="sead"):
        from_namespace({**names, "sead": 3}, "nb")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31 - 1), st.floats(0.001, 1), st.sets(st.sampled_from("ABCD"), min_size=1))
def test_valid_values_come_back_unchanged(seed, width, rows):
    rows = sorted(rows if rows != {"B"} else {"A", "B"})
    values = validated({"seed": seed, "cnn_width": width, "rows": rows}, "here")
    assert (values.seed, values.cnn_width, values.rows) == (seed, width, rows)


@pytest.mark.parametrize("text", ["- a list", "a: [1", "just words", "1: 2", "seed: 2020-99-99", "seed: 0\xe9"])
def test_a_profile_that_is_no_mapping_is_refused(tmp_path, text):
    (tmp_path / "p.yaml").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"p\.yaml"):
        read_profile(str(tmp_path / "p.yaml"), tmp_path)


def test_a_profile_may_write_a_number_with_an_exponent(tmp_path):
    """YAML 1.1, which PyYAML follows, takes 1e-3 for a text."""
    (tmp_path / "p.yaml").write_text("learning_rate: 1e-3")
    values = read_profile(str(tmp_path / "p.yaml"), tmp_path)
    assert validated(values, "p").learning_rate == 0.001


# cache ---------------------------------------------------------------------------------------------------------------


def test_rows_are_computed_once_and_in_order(tmp_path):
    calls = []

    def compute(rows):
        calls.append(rows.tolist())
        return {"x": rows[:, None] * np.ones(3), "n": rows}

    cache, keys = Cache(tmp_path), [["a", i] for i in range(10)]
    first = cache.rows("kind", keys, compute, {"v": 1}, chunk=4)
    assert calls == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    second = cache.rows("kind", keys, compute, {"v": 1}, chunk=4)
    assert len(calls) == 3 and np.array_equal(first["x"], second["x"]) and first["n"].tolist() == list(range(10))
    cache.rows("kind", keys, compute, {"v": 2}, chunk=4)  # another version of the code
    cache.rows("kind", [*keys[:9], ["b", 9]], compute, {"v": 1}, chunk=4)  # another last row
    assert calls[6:] == [[8, 9]]


def test_whole_groups_are_found_wherever_they_stand(tmp_path):
    calls = []

    def compute(keys):
        return lambda rows: calls.append([keys[row] for row in rows]) or {
            "x": np.array([float(keys[row]) for row in rows])
        }

    def rows(keys):
        return Cache(tmp_path).rows("kind", keys, compute(keys), {}, chunk=2, groups=[key % 3 for key in keys])["x"]

    assert rows(list(range(8))).tolist() == list(range(8))
    assert calls == [[0, 3], [6], [1, 4], [7], [2, 5]]
    assert rows([2, 1, 4, 5, 7]).tolist() == [2, 1, 4, 5, 7] and len(calls) == 5
    assert rows([4, 2, 5]).tolist() == [4, 2, 5] and calls[5:] == [[4]]  # half a group is another


def test_a_killed_computation_keeps_its_finished_chunks(tmp_path):
    def compute(rows):
        if rows[0] >= 4:
            raise KeyboardInterrupt
        return {"x": np.zeros(len(rows))}

    with pytest.raises(KeyboardInterrupt):
        Cache(tmp_path).rows("kind", list(range(8)), compute, {}, chunk=4)
    assert [path.suffix for path in (tmp_path / "kind").iterdir()] == [".safetensors"]
    again = Cache(tmp_path).rows("kind", list(range(8)), lambda rows: {"x": np.ones(len(rows))}, {}, chunk=4)
    assert again["x"].tolist() == [0] * 4 + [1] * 4


def test_digests_follow_content_alone():
    assert digest({"a": 1, "b": [2.5]}) == digest({"b": [2.5], "a": 1}) != digest({"a": 1, "b": [2.6]})
    assert code_version([facts]) == code_version([facts]) != code_version([run])
    assert isinstance(facts, types.ModuleType)


# runs ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERSUPPORT_RUN_DIR", raising=False)
    return Run("02_noise", Parameters(run_dir="out", seed=1))


@pytest.mark.parametrize(
    "value",
    [pd.DataFrame({"a": [1, 2], "b": ["x", None]}), {"x": np.arange(3), "y": np.eye(2)}, {"text": "é", "n": [1, None]}],
)
def test_an_artefact_comes_back_as_it_was(here, value):
    here.save("thing", value)
    back = here.load("02_noise/thing")
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(back, value)
    else:
        assert back.keys() == value.keys()
        for key in value:
            np.testing.assert_array_equal(back[key], value[key])
    assert [path.name.startswith(".") for path in here.path("x").parent.iterdir()] == [False]


def test_a_missing_artefact_names_the_notebook_to_run(here):
    with pytest.raises(UserError, match="run notebook 01_data first"):
        here.load("01_data/utterances")


def test_paths_of_artefacts(here):
    base = here.folder / "artefacts"
    assert here.path("05_training/models/A/model") == base / "05_training/models/A/model"
    assert here.path("models/A") == base / "02_noise/models/A"


def test_only_declared_parameters_can_be_read(here):
    assert here.p.seed == 1
    with pytest.raises(UserError, match="declare it in its parameters cell"):
        _ = here.p.epochs
    with pytest.raises(AttributeError):
        _ = here.p.nonsense


def test_the_root_is_found_from_below(tmp_path):
    (tmp_path / "notebooks/profiles").mkdir(parents=True)
    (tmp_path / "sersupport").mkdir()
    assert run.project_root(tmp_path / "notebooks") == tmp_path == run.project_root(tmp_path)
    assert run.project_root(tmp_path.parent) == tmp_path.parent


def test_figures_and_tables_are_numbered_by_chapter(here, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(run, "display", lambda item: shown.append(item.data))
    for name in ("one", "two", "one"):
        here.figure(plt.figure(), name, f"finding <{name}>", 'what is "seen"')
    here.table(pd.DataFrame({"UAR": [0.51239], "n": [3], "who": ["<b>"]}), "t", "A caption", measured=("UAR",))
    assert [re.search(r"Figure (2\.\d)", text)[1] for text in shown[:3]] == ["2.1", "2.2", "2.1"]
    assert "finding &lt;one&gt;" in shown[0] and 'alt="what is &quot;seen&quot;"' in shown[0]
    assert "Table 2.1" in shown[3] and '<span class="measured">0.512</span>' in shown[3]
    assert "<td>3</td>" in shown[3] and "&lt;b&gt;" in shown[3]
    assert (here.path("figure-one.html")).read_text() == shown[0]


def test_licensed_speech_is_never_played(here, monkeypatch):
    shown = []
    monkeypatch.setattr(run, "display", lambda item: shown.append(item.data))
    licensed = Run("02_noise", Parameters(run_dir="out", data_dir="corpora"))
    licensed.listen(np.zeros(100), 22_050, "someone")
    own = Run("02_noise", Parameters(run_dir="out", data_dir="embedded"))
    own.listen(0.1 * np.ones(4000), 22_050, "<a> voice")
    assert "<audio" not in shown[0] and "<audio" in shown[1] and "&lt;a&gt; voice" in shown[1]


def test_numbers_are_written_as_asked():
    assert plots.measured(float("nan")) == '<span class="measured">–</span>'
    assert plots.measured(3.14159, ".1f", " dB") == '<span class="measured">3.1 dB</span>'


def test_the_printed_tables_are_those_of_the_paper():
    assert facts.table("2512.18298-table2-corpora")["samples"].sum() == 12_162
    assert len(facts.table("2512.18298-table5-robustness")) == 18
    changed = facts.table("2512.18298-table2-corpora")
    changed["samples"] = 0
    assert facts.table("2512.18298-table2-corpora")["samples"].sum() == 12_162
    with pytest.raises(UserError, match="there are: "):
        facts.table("nothing")

"""Artefacts: whole, with what made them, never mixed, and what is absent told apart from what is broken."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from sersupport.core.errors import Missing, UserError
from sersupport.run.artefacts import Artefacts, files

VALUES = [
    pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    {"text": "é", "n": [1, None]},
]


@pytest.mark.parametrize("value", VALUES)
def test_an_artefact_comes_back_as_it_was(tmp_path, value):
    Artefacts(tmp_path).save("01_data/thing", value)
    back = Artefacts(tmp_path).load("01_data/thing")
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(back, value)
    else:
        assert back == value
    assert not [path for path in (tmp_path / "01_data").iterdir() if path.name.startswith(".")]


def test_what_is_not_there_names_the_notebook_to_run(tmp_path):
    with pytest.raises(Missing, match="run notebook 01_data first"):
        Artefacts(tmp_path / "artefacts").load("01_data/utterances")
    (tmp_path / "01_data").mkdir()
    (tmp_path / "01_data/thing.made.json").write_text('{"parameters": {}}')  # alone it is no artefact
    with pytest.raises(Missing):
        Artefacts(tmp_path).load("01_data/thing")


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("harm", ["truncated", "not said what made it", "nonsense of what made it"])
def test_what_is_broken_is_not_what_is_absent(tmp_path, value, harm):
    """A half-written table once read as 'this run does not have it'."""
    Artefacts(tmp_path).save("01_data/thing", value)
    path, made = files(tmp_path, "01_data/thing")
    if harm == "truncated":
        path.write_bytes(path.read_bytes()[:-5])
    elif harm == "not said what made it":
        made.unlink()
    else:
        made.write_text("[1]")
    with pytest.raises(UserError, match="run notebook 01_data again") as caught:
        Artefacts(tmp_path).load("01_data/thing")
    assert not isinstance(caught.value, Missing) and "\n" not in str(caught.value)


def test_what_was_made_from_another_version_does_not_go_with_this_one(tmp_path):
    """Labels corrected by hand in notebook 01, and a model of the old ones loaded beside them."""
    Artefacts(tmp_path).save("01_data/utterances", {"label": "sad"})
    later = Artefacts(tmp_path)
    later.load("01_data/utterances")
    later.save("05_training/jobs", {"key": "k"})
    Artefacts(tmp_path).save("02_noise/recipes", {"n": 1})
    for order in (["01_data/utterances", "05_training/jobs"], ["05_training/jobs", "01_data/utterances"]):
        Artefacts(tmp_path).save("01_data/utterances", {"label": "sad"})
        whole = Artefacts(tmp_path)
        assert [whole.load(name) for name in (*order, "02_noise/recipes")]
        Artefacts(tmp_path).save("01_data/utterances", {"label": "angry"})
        mixed = Artefacts(tmp_path)
        mixed.load(order[0])
        with pytest.raises(UserError, match="goes with another 01_data/utterances") as caught:
            mixed.load(order[1])
        assert "\n" not in str(caught.value)


def test_another_kind_of_value_leaves_nothing_of_the_former(tmp_path):
    artefacts = Artefacts(tmp_path)
    for value in VALUES:
        artefacts.save("01_data/thing", value)
        assert len(files(tmp_path, "01_data/thing")) == 2
    assert artefacts.load("01_data/thing") == VALUES[-1]


def test_an_artefact_tells_all_parameters_that_made_it(tmp_path):
    Artefacts(tmp_path, {"fold": 1, "seed": 0, "run_dir": "r", "profile": "p"}).save("01_data/split", {"a": 1})
    reader = Artefacts(tmp_path, {"seed": 0, "epochs": 2})
    reader.load("01_data/split")
    reader.save("05_training/history", {"b": 1})
    made = json.loads((tmp_path / "05_training/history.made.json").read_text())
    assert made["parameters"] == {"epochs": 2, "fold": 1, "seed": 0} and list(made["from"]) == ["01_data/split"]
    assert set(made) == {"parameters", "content", "from"}


def test_a_notebook_under_another_value_is_told_both(tmp_path):
    """`-p fold 3` by hand once labelled the data of fold 1 as fold 3."""
    Artefacts(tmp_path, {"fold": 1}).save("01_data/split", {"a": 1})
    with pytest.raises(UserError, match=r"01_data/split was made with fold = 1, notebook 05_training has fold = 3"):
        Artefacts(tmp_path, {"fold": 3}, "notebook 05_training").load("01_data/split")


def test_two_artefacts_that_contradict_each_other_are_told(tmp_path):
    """The reader itself has no such parameter: another encoder on notebook 05 would explain a head over 04's frames."""
    Artefacts(tmp_path, {"encoder": "a"}).save("04_model/encoder", {"a": 1})
    Artefacts(tmp_path, {"encoder": "b"}).save("05_training/jobs", {"a": 1})
    reader = Artefacts(tmp_path, {"seed": 0}, "notebook 08_xai")
    reader.load("04_model/encoder")
    with pytest.raises(UserError, match=r"05_training/jobs .*'b', 04_model/encoder .*'a'.*04_model and 05_training"):
        reader.load("05_training/jobs")


def test_where_a_run_lies_is_no_contradiction(tmp_path):
    Artefacts(tmp_path, {"run_dir": "here", "profile": "a"}).save("01_data/split", {"a": 1})
    assert Artefacts(tmp_path, {"run_dir": "there", "profile": "b"}).load("01_data/split") == {"a": 1}


@pytest.mark.parametrize("value", [pd.DataFrame({"a": np.arange(500)}), {"b": "text " * 100}])
def test_a_changed_byte_is_not_believed(tmp_path, value):
    """Any of them once gave other values without a word."""
    Artefacts(tmp_path).save("01_data/thing", value)
    path = files(tmp_path, "01_data/thing")[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"not as it was made: run notebook 01_data again"):
        Artefacts(tmp_path).load("01_data/thing")

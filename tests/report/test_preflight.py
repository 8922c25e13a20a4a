"""What is checked before the first notebook: in a line, and at no cost where the package makes everything itself."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from sersupport.core.errors import UserError
from sersupport.report import preflight
from sersupport.run.chapters import CORPORA, ENCODERS, NOISE
from sersupport.run.parameters import Parameters

EVERYTHING = {CORPORA, NOISE, ENCODERS}


def check(root, sources=EVERYTHING, **values):
    lines = []
    preflight.check(Parameters(**values), root, sources, lines.append)
    return lines


@pytest.fixture
def data(tmp_path):
    """SAVEE by name, and noises."""
    for speaker in ("DC", "JE", "JK", "KL"):
        for code in ("a01", "n01", "sa02"):
            (tmp_path / "data/savee" / speaker).mkdir(parents=True, exist_ok=True)
            (tmp_path / "data/savee" / speaker / f"{code}.wav").touch()
    for collection in ("one", "two"):
        for kind in ("fish", "children", "railway"):
            (tmp_path / "data/noise" / collection / kind).mkdir(parents=True)
            (tmp_path / "data/noise" / collection / kind / f"{collection}.wav").touch()
    return {
        "data_dir": "data",
        "corpora": ["savee"],
        "noise_test_collections": ["two"],
        "folds": [0],
        "unheard_noises": ["telephone"],
    }


@pytest.fixture
def encoder(tmp_path):
    """A folder of a small encoder, whole."""
    from transformers import Wav2Vec2Model

    from sersupport.inputs.encoders.encoder import tiny_config

    Wav2Vec2Model(tiny_config()).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_the_demo_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(preflight, "_check_folds", None)
    monkeypatch.setattr(subprocess, "run", None)
    assert check(tmp_path) == []


def test_a_misspelt_corpus_is_refused_where_nothing_else_is_looked_at(tmp_path):
    """The demo's run of a folder was once lost to it."""
    with pytest.raises(UserError, match="no reader for corpus 'ravdes'"):
        check(tmp_path, corpora=["ravdes"])


def test_a_fold_that_no_corpus_has_is_refused(tmp_path, data):
    with pytest.raises(UserError, match="fold 99"):
        check(tmp_path, folds=[99])
    with pytest.raises(UserError, match="fold 4"):
        check(tmp_path, **data | {"folds": [4]})
    assert check(tmp_path, **data | {"folds": [3]}) == []
    assert check(tmp_path, folds=[3]) == []


def test_missing_corpora_and_noises_are_named(tmp_path, data):
    with pytest.raises(UserError, match="no corpus found"):
        check(tmp_path, **data | {"corpora": ["tess"]})
    with pytest.raises(UserError, match="no noise found in three"):
        check(tmp_path, **data | {"noise_test_collections": ["three"]})
    for path in (tmp_path / "data/savee").rglob("*.wav"):
        path.unlink()
    with pytest.raises(UserError, match="no audio file to read as SAVEE"):
        check(tmp_path, **data)
    assert check(tmp_path, {ENCODERS}, **data) == []  # what no chapter reads is not asked for


def test_an_encoder_that_is_whole_passes(tmp_path, encoder):
    assert check(tmp_path, encoder="tiny", encoder_layers=[1, 2]) == ["checking tiny"]


def broken_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda weights: weights.pop(max(weights)), "could not be loaded"),
        (lambda weights: weights[max(weights)].fill(np.nan), "finite"),
    ],
)
def test_weights_that_lack_a_layer_or_hold_nan_are_one_line(tmp_path, encoder, harm, words):
    broken_weights(encoder, harm)
    with pytest.raises(UserError, match=words) as caught:
        check(tmp_path, encoder="tiny")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("role", ["encoder", "teacher", "student_start", "encoders"])
def test_a_broken_folder_is_one_line_whatever_it_is_for(tmp_path, encoder, role):
    (encoder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(UserError, match="bert"):
        check(tmp_path, **{role: {"tiny": [-1]} if role == "encoders" else "tiny"})


def test_truncated_weights_are_found_without_loading(tmp_path, encoder, monkeypatch):
    path = encoder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    monkeypatch.setattr(subprocess, "run", None)
    with pytest.raises(UserError, match="truncated"):
        check(tmp_path, encoder="tiny")


def test_a_layer_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match="hidden states are 0 to"):
        check(tmp_path, encoder="w2v2-mini", encoder_layers=[99])


def test_an_encoder_that_must_load_is_named_where_it_cannot_be_had(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(UserError, match="nobody/nothing"):
        check(tmp_path, encoder="nobody/nothing")
    assert check(tmp_path, encoders={"w2v2-mini": [-1], "nobody/nothing": [-1]}) == []  # only compared: absent


def test_a_name_left_empty_is_no_folder(tmp_path, monkeypatch):
    """It was taken for the project's own folder, whose config.json may be anything's."""
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(subprocess, "run", None)
    assert check(tmp_path, student_start="") == []


def test_one_of_the_encoders_to_compare_must_be_here(tmp_path, encoder, monkeypatch):
    """Notebook 11 found out late that it had nothing to compare; one in the hub's cache is enough."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    absent = {"nobody/nothing": [-1], "nobody/else": [-1]}
    with pytest.raises(UserError, match="none of the encoders 'nobody/nothing', 'nobody/else'") as caught:
        check(tmp_path, encoders=absent)
    assert "\n" not in str(caught.value)
    assert check(tmp_path, encoders=absent | {"tiny": [-1]}) == ["checking tiny"]
    cached = tmp_path / "hub/hub/models--nobody--else"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs/main").write_text("0" * 40)
    (cached / "snapshots").mkdir()
    encoder.rename(cached / "snapshots" / ("0" * 40))
    assert check(tmp_path, encoders=absent) == ["checking nothing, else"]


def test_a_process_that_dies_is_one_line(tmp_path, encoder, monkeypatch):
    died = subprocess.CompletedProcess([], -9, "", "")
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: died)
    with pytest.raises(UserError, match="out of memory perhaps"):
        check(tmp_path, encoder="tiny")


def test_built_in_names_are_those_of_the_encoders():
    from sersupport.inputs.encoders.encoder import MINI, TINY, UNTRAINED
    from sersupport.sound.enhancers import ENHANCERS

    assert set(preflight.BUILT_IN) == {MINI, UNTRAINED, TINY}
    assert tuple(ENHANCERS) == preflight.ENHANCERS_WITHIN


def test_an_enhancer_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"enhancer 'wiener': choose one of none, spectral gating, rnnoise"):
        check(tmp_path, enhancer="wiener")
    with pytest.raises(UserError, match=r"cmgan\.pt: there is no such file"):
        check(tmp_path, enhancers=["none", "cmgan.pt"])


def test_a_target_of_no_known_corpus_is_refused(tmp_path):
    with pytest.raises(UserError, match="no reader for corpus 'aibo'"):
        check(tmp_path, curve_target="aibo")

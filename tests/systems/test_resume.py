"""Folders of trainings: what is finished, what is removed, and what is not ours to touch."""

from __future__ import annotations

import json

import pytest

from sersupport.core.errors import UserError
from sersupport.systems.resume import DONE, KEY, finish, is_finished, make_ready, seal


@pytest.fixture
def folder(tmp_path):
    """A training as it is left: a model, its history, a checkpoint, its key; finished."""
    folder = tmp_path / "models/D"
    make_ready(folder, "key")
    (folder / "model").mkdir()
    (folder / "model/model.safetensors").write_bytes(bytes(range(200)))
    (folder / "model/config.json").write_text("{}")
    (folder / "history.parquet").write_bytes(b"history")
    checkpoint(folder, 7)
    finish(folder)
    return folder


def checkpoint(folder, step, best=None, sealed=True):
    own = folder / f"checkpoint-{step}"
    own.mkdir()
    (own / "optimizer.pt").write_bytes(b"weights")
    state = {"global_step": step, "best_model_checkpoint": best and f"/elsewhere/checkpoint-{best}"}
    (own / "trainer_state.json").write_text(json.dumps(state))
    if sealed:
        seal(own)


def checkpoints(folder):
    return sorted(path.name for path in folder.glob("checkpoint-*"))


def listing(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_finished_training_is_said_to_be_finished_and_asking_changes_nothing(folder):
    before = {name: (folder / name).stat().st_mtime_ns for name in listing(folder)}
    assert is_finished(folder, "key") and not is_finished(folder, "other")
    assert {name: (folder / name).stat().st_mtime_ns for name in listing(folder)} == before
    assert listing(folder) == [DONE, "history.parquet", "model/config.json", "model/model.safetensors", KEY]
    assert not is_finished(folder.parent / "none", "key") and not (folder.parent / "none").exists()


@pytest.mark.parametrize("name", ["model/model.safetensors", "model/config.json", "history.parquet"])
@pytest.mark.parametrize("spoil", [lambda b: bytes([b[0] ^ 1]) + b[1:], lambda b: b[:-1], lambda b: b""])
def test_a_changed_or_truncated_file_is_not_finished(name, spoil, folder):
    """A changed byte in a finished model was once believed."""
    (folder / name).write_bytes(spoil((folder / name).read_bytes()))
    assert not is_finished(folder, "key")


@pytest.mark.parametrize("text", [None, "", "{", "{}", "[]", '{"model/gone": "0"}'])
def test_without_its_digests_it_is_not_finished(text, folder):
    (folder / DONE).unlink()
    if text is not None:
        (folder / DONE).write_text(text)
    assert not is_finished(folder, "key")


def test_what_belongs_to_another_key_is_removed(folder):
    checkpoint(folder, 9)
    make_ready(folder, "other")
    assert listing(folder) == [KEY] and (folder / KEY).read_text() == "other"


def test_of_the_same_key_only_half_written_checkpoints_are_removed(folder):
    checkpoint(folder, 7)
    checkpoint(folder, 14, sealed=False)
    make_ready(folder, "key")
    assert checkpoints(folder) == ["checkpoint-7"]
    assert (folder / "model/model.safetensors").exists()


@pytest.mark.parametrize("name", ["optimizer.pt", "trainer_state.json", "digests.json"])
@pytest.mark.parametrize("spoil", [lambda b: bytes([b[0] ^ 1]) + b[1:], lambda b: b[:-1], None])
def test_a_changed_truncated_or_incomplete_checkpoint_is_removed(name, spoil, folder):
    """Only the Trainer's state was once looked at."""
    checkpoint(folder, 7)
    checkpoint(folder, 14, best=7)
    path = folder / "checkpoint-14" / name
    path.write_bytes(spoil(path.read_bytes())) if spoil else path.unlink()
    make_ready(folder, "key")
    assert checkpoints(folder) == ["checkpoint-7"]


@pytest.mark.parametrize(
    ("best", "spoilt", "left"),
    [
        (7, None, ["checkpoint-14", "checkpoint-7"]),
        (7, 7, []),
        (14, 7, ["checkpoint-14"]),
        (None, 7, ["checkpoint-14"]),
    ],
)
def test_without_the_best_checkpoint_none_is_gone_on_from(best, spoilt, left, folder):
    checkpoint(folder, 7)
    checkpoint(folder, 14, best)
    if spoilt:
        (folder / f"checkpoint-{spoilt}/optimizer.pt").unlink()
    make_ready(folder, "key")
    assert checkpoints(folder) == left


def test_a_checkpoint_may_be_sealed_twice(folder):
    checkpoint(folder, 7)
    seal(folder / "checkpoint-7")
    make_ready(folder, "key")
    assert checkpoints(folder) == ["checkpoint-7"]


def test_a_key_that_was_cut_off_is_another_key(folder):
    (folder / KEY).write_text("")
    make_ready(folder, "key")
    assert listing(folder) == [KEY]


def test_a_folder_that_no_training_made_is_left_alone(tmp_path):
    """Any folder without a key was once emptied."""
    (tmp_path / "thesis.tex").write_text("five years")
    with pytest.raises(UserError, match="holds files that no training made") as caught:
        make_ready(tmp_path, "key")
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)
    assert listing(tmp_path) == ["thesis.tex"] and (tmp_path / "thesis.tex").read_text() == "five years"


def test_hidden_locks_are_nobody_s_files(tmp_path):
    """A lock in an otherwise empty folder was once taken for somebody's work."""
    (tmp_path / ".lock").touch()
    (tmp_path / ".student.lock").touch()
    make_ready(tmp_path, "key")
    (tmp_path / "history.parquet").write_bytes(b"history")
    finish(tmp_path)
    assert list(json.loads((tmp_path / DONE).read_text())) == ["history.parquet"]
    make_ready(tmp_path, "other")
    assert listing(tmp_path) == [".lock", ".student.lock", KEY]


@pytest.mark.parametrize("name", [".hidden", "poetry.lock"])
def test_other_files_without_a_key_are_somebody_s(name, tmp_path):
    (tmp_path / name).touch()
    with pytest.raises(UserError, match="holds files that no training made"):
        make_ready(tmp_path, "key")


def test_a_removal_that_was_cut_off_goes_on(folder, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            make_ready(folder, "other")
    assert not is_finished(folder, "other")
    make_ready(folder, "other")
    assert listing(folder) == [KEY]


def test_digests_name_every_file_once(folder):
    assert list(json.loads((folder / DONE).read_text())) == [
        "history.parquet",
        "model/config.json",
        "model/model.safetensors",
    ]

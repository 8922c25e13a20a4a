"""sersupport.core.made: made once, believed as long as nothing changed, never in the place of somebody's files."""

from __future__ import annotations

import pytest

from sersupport.core.errors import UserError
from sersupport.core.made import made


@pytest.fixture
def make(tmp_path):
    calls = []

    def make(settings=None, names=("tree", "table.csv")):
        def write(empty):
            calls.append(1)
            (empty / "tree").mkdir()
            (empty / "tree" / "a.txt").write_text("a")
            (empty / "table.csv").write_text("x")

        made(tmp_path / "folder", names, "made.json", settings or {"seed": 0}, write)
        return len(calls)

    make.folder = tmp_path / "folder"
    return make


def test_it_is_made_once(make):
    assert make() == 1 and make() == 1 and make({"seed": 1}) == 2


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "tree/a.txt").write_text("b"),
        lambda folder: (folder / "tree/a.txt").unlink(),
        lambda folder: (folder / "tree/b.txt").write_text("more"),
        lambda folder: (folder / "table.csv").unlink(),
        lambda folder: (folder / "made.json").write_text("{"),
        lambda folder: (folder / "made.json").write_text("[]"),
    ],
)
def test_what_is_not_as_it_was_made_is_made_again(make, harm):
    """An exchanged utterance once counted as the embedded corpus, by the number of its files."""
    make()
    harm(make.folder)
    assert make() == 2 and (make.folder / "tree/a.txt").read_text() == "a" and make() == 2
    assert not (make.folder / "tree/b.txt").exists()


def test_files_of_somebody_else_stay(make):
    make.folder.mkdir()
    (make.folder / "notes.txt").write_text("mine")
    (make.folder / "tree").mkdir()
    with pytest.raises(UserError, match="was not made here"):
        make()
    (make.folder / "tree").rmdir()
    make()
    assert (make.folder / "notes.txt").read_text() == "mine"

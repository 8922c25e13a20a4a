"""sersupport.core.files: whole or not at all, links followed once, stamps."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sersupport.core import files
from sersupport.core.errors import UserError
from sersupport.core.files import stamps, walk, whole


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def names(folder: Path, *suffixes: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in walk(folder, suffixes)]


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with pytest.raises(KeyboardInterrupt), whole(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert list(path.parent.iterdir()) == []
    with whole(path) as temporary:
        temporary.write_text("all")
        assert not path.exists()
    assert [path.read_text() for path in path.parent.iterdir()] == ["all"]


def test_threads_that_write_one_file_do_not_share_a_temporary(tmp_path):
    """Each waits with its file half written until all have begun."""
    path, barrier, failed = tmp_path / "a.txt", threading.Barrier(4), []

    def write(number: int) -> None:
        try:
            with whole(path) as temporary, open(temporary, "w") as file:
                file.write(f"{number}" * 5)
                file.flush()
                barrier.wait(timeout=10)
                file.write(f"{number}" * 5)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed and path.read_text() in {f"{number}" * 10 for number in range(4)}
    assert os.listdir(tmp_path) == ["a.txt"]


def test_files_are_found_at_any_depth_as_rglob_finds_them(tmp_path):
    touch(tmp_path, "b/z.wav", "b/a.WAV", "a/deep/er/x.wav", ".hidden/y.wav", ".h.wav", "notes.txt", "no suffix")
    assert walk(tmp_path) == sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert names(tmp_path, ".wav") == [".h.wav", ".hidden/y.wav", "a/deep/er/x.wav", "b/a.WAV", "b/z.wav"]
    assert walk(tmp_path / "absent") == walk(tmp_path / "notes.txt") == []


def test_folders_that_are_links_are_entered_once(tmp_path):
    corpus, elsewhere = tmp_path / "corpus", tmp_path / "elsewhere"
    touch(corpus, "own/a.wav")
    touch(elsewhere, "speaker/b.wav", "c.wav")
    (corpus / "linked").symlink_to(elsewhere)
    (corpus / "again").symlink_to(elsewhere / "speaker")  # reached first: links are sorted
    (corpus / "twin").symlink_to(corpus / "own")  # a real folder of its own goes first
    (corpus / "own" / "up").symlink_to("..")
    (elsewhere / "round").symlink_to(corpus)
    (corpus / "file.wav").symlink_to(elsewhere / "c.wav")
    (corpus / "broken.wav").symlink_to("nowhere")
    assert names(corpus) == ["again/b.wav", "broken.wav", "file.wav", "linked/c.wav", "own/a.wav"]
    (tmp_path / "root").symlink_to(corpus)
    assert names(tmp_path / "root") == names(corpus)


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "locked/a.wav")
    scan = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(files.os, "scandir", refuse)
    with pytest.raises(UserError, match="locked: cannot be read: Permission denied"):
        walk(tmp_path)


def test_stamps_follow_names_sizes_and_times(tmp_path):
    touch(tmp_path / "x", "a", "deep/b")
    touch(tmp_path / "y", "a", "deep/b")

    def stamp(folder: Path) -> str:
        for path in walk(folder):
            os.utime(path, ns=(1, path.stat().st_size))
        return stamps(walk(folder), folder)

    before = stamp(tmp_path / "x")
    assert before == stamp(tmp_path / "y")  # wherever the folder lies
    (tmp_path / "y" / "a").write_text("longer")
    assert stamp(tmp_path / "y") != before
    os.utime(tmp_path / "x" / "a", ns=(1, 99))
    assert stamps(walk(tmp_path / "x"), tmp_path / "x") != before

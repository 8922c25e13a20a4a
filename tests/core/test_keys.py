"""sersupport.core.keys: digests follow content, and code versions every module below a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sersupport.core import keys
from sersupport.core.keys import code_version, digest, file_digest, files_digest


def test_digests_follow_content_alone(tmp_path):
    assert digest({"a": 1, "b": [2.5]}) == digest({"b": [2.5], "a": 1}) != digest({"a": 1, "b": [2.6]})
    for name, content in (("a", b"x"), ("b", b"x"), ("c", b"y")):
        (tmp_path / name).write_bytes(content)
    same, other, changed = (file_digest(tmp_path / name) for name in "abc")
    assert same == other != changed
    assert files_digest(tmp_path, [Path("a")]) != files_digest(tmp_path, [Path("b")])  # names count


@pytest.fixture
def package(tmp_path, monkeypatch):
    for name in ("core/a.py", "core/deep/b.py", "sound/c.py", "sound/weights.bin"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr(keys, "PACKAGE", tmp_path)

    def start():
        """What a process that begins now would see."""
        monkeypatch.setattr(keys, "_SOURCES", keys._read())
        code_version.cache_clear()

    start()
    yield tmp_path, start
    code_version.cache_clear()


@pytest.mark.parametrize(
    ("name", "changes"),
    [("core/a.py", True), ("core/deep/b.py", True), ("core/new.py", True), ("sound/c.py", False), ("core/x", False)],
)
def test_a_code_version_follows_every_module_below_its_folders(package, name, changes):
    folder, start = package
    before = code_version("core")
    (folder / name).write_text("x = 2\n")
    code_version.cache_clear()
    assert code_version("core") == before  # this process has imported what lay there before
    start()
    assert (code_version("core") != before) is changes
    assert code_version("core", "sound") == code_version("sound", "core") != code_version("core")


def test_a_code_version_of_no_folder_is_a_mistake(package):
    with pytest.raises(ValueError, match="the package has no folder noise"):
        code_version("core", "noise")


def test_a_code_version_follows_the_libraries(package, monkeypatch):
    before = code_version("core")
    monkeypatch.setattr(keys, "library_versions", lambda: {"numpy": "0"})
    code_version.cache_clear()
    assert code_version("core") != before

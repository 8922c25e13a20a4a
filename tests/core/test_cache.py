"""sersupport.core.cache: rows computed once, whatever is asked for in which order, and never believed when damaged."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sersupport.core import cache as module
from sersupport.core.cache import Cache
from sersupport.core.errors import UserError

REQUESTS = {"x": {"kind": "frames", "v": 1}, "y": {"kind": "spectra", "v": 1}}


def value(name: str, key: int) -> np.ndarray:
    return np.arange(3, dtype=np.float32) + 10 * key + (0.5 if name == "y" else 0)


class Counted:
    """A computation that remembers what it was asked for."""

    def __init__(self, keys) -> None:
        self.keys, self.calls = list(keys), []

    def __call__(self, names, rows):
        own = [self.keys[row] for row in rows]
        self.calls.append((names, own))
        return {
            name: {"values": np.stack([value(name, key) for key in own]), "lengths": np.array(own)} for name in names
        }


def fetch(folder: Path, keys, names: str = "x", cache: Cache | None = None, **options):
    compute = Counted(keys)
    found = (cache or Cache(folder)).fetch({name: REQUESTS[name] for name in names}, compute.keys, compute, **options)
    for name, arrays in found.items():
        np.testing.assert_array_equal(arrays["values"], [value(name, key) for key in keys])
        assert arrays["lengths"].array().tolist() == list(keys)
    return found, compute.calls


def packs(folder: Path, kind: str = "frames") -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"{kind}/*/*/pack.json"))


def test_rows_are_computed_once_and_in_order(tmp_path):
    assert fetch(tmp_path, range(10), batch=4)[1] == [(("x",), [0, 1, 2, 3]), (("x",), [4, 5, 6, 7]), (("x",), [8, 9])]
    assert fetch(tmp_path, range(10), batch=4)[1] == []
    assert fetch(tmp_path, [9, 3, 20, 3])[1] == [(("x",), [20])]  # any subset, order or union
    assert fetch(tmp_path, [5, 5, 30, 30, 5])[1] == [(("x",), [30])]  # equal keys are one row


def test_only_what_lacks_a_row_computes_it(tmp_path):
    fetch(tmp_path, range(4), "x")
    assert fetch(tmp_path, range(6), "xy")[1] == [(("y",), [0, 1, 2, 3]), (("x", "y"), [4, 5])]
    assert fetch(tmp_path, range(6), "xy")[1] == []


def test_groups_share_no_batch_and_rows_are_found_all_the_same(tmp_path):
    keys = list(range(8))
    calls = fetch(tmp_path, keys, batch=2, groups=[key % 3 for key in keys])[1]
    assert [rows for _, rows in calls] == [[0, 3], [6], [1, 4], [7], [2, 5]]
    assert fetch(tmp_path, [4, 2, 5], batch=2, groups=[1, 2, 2])[1] == []


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_sequence_of_requests_equals_direct_computation(data, tmp_path_factory):
    """And no row of no request is computed twice."""
    folder, cache, done = tmp_path_factory.mktemp("cache"), None, []
    for _ in range(data.draw(st.integers(1, 5))):
        keys = data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=40))
        cache = cache if data.draw(st.booleans()) else Cache(folder)  # as another process finds it
        groups = [key % 4 for key in keys] if data.draw(st.booleans()) else None
        names = data.draw(st.sampled_from(["x", "y", "xy"]))
        _, calls = fetch(folder, keys, names, cache, batch=data.draw(st.integers(1, 9)), groups=groups)
        done += [(name, key) for called, own in calls for name in called for key in own]
    assert len(done) == len(set(done))


@pytest.fixture
def small_packs(monkeypatch):
    monkeypatch.setattr(module, "PACK_ROWS", 4)


def test_packs_are_small_and_few(tmp_path, small_packs):
    found, _ = fetch(tmp_path, range(10), batch=3)
    assert len(packs(tmp_path)) == 3
    files = {path.name for path in packs(tmp_path)[0].iterdir()}
    assert files == {"values.npy", "lengths.npy", "pack.json"}
    assert {len(json.loads((pack / "pack.json").read_text())["rows"]) for pack in packs(tmp_path)} == {3, 4}
    assert not [path for path in tmp_path.rglob(".*")]
    assert found["x"]["values"].shape == (10, 3)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_computation_that_is_stopped_keeps_what_it_has(tmp_path, small_packs, error):
    def stopped(names, rows):
        if rows[0] >= 6:
            raise error
        return Counted(range(10))(names, rows)

    with pytest.raises(error):
        Cache(tmp_path).fetch({"x": REQUESTS["x"]}, list(range(10)), stopped, batch=2)
    assert fetch(tmp_path, range(10), batch=2)[1] == [(("x",), [6, 7]), (("x",), [8, 9])]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x80  # the sign of a float32
    path.write_bytes(content)


DAMAGES = {
    "a changed value": lambda pack: flip(pack / "values.npy", -1),
    "a changed header": lambda pack: flip(pack / "values.npy", 20),
    "a truncated array": lambda pack: os.truncate(pack / "values.npy", 140),
    "an empty array": lambda pack: os.truncate(pack / "values.npy", 0),
    "a lost array": lambda pack: (pack / "lengths.npy").unlink(),
    "a truncated index": lambda pack: os.truncate(pack / "pack.json", 30),
    "an index of something else": lambda pack: (pack / "pack.json").write_text("[1]"),
    "an index in no encoding": lambda pack: (pack / "pack.json").write_bytes(b"\xff\xfe"),
    "rows in another order": lambda pack: (pack / "pack.json").write_text(
        json.dumps({**(index := json.loads((pack / "pack.json").read_text())), "rows": index["rows"][::-1]})
    ),
    "a lost index": lambda pack: (pack / "pack.json").unlink(),
    "a file instead": lambda pack: (pack.rename(pack.with_name("old")), pack.write_text("x")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_was_damaged_is_made_again(tmp_path, small_packs, damage):
    fetch(tmp_path, range(8), "xy", batch=4)
    DAMAGES[damage](packs(tmp_path)[0])
    _, calls = fetch(tmp_path, range(8), "xy", batch=4)
    assert len(calls) == 1 and calls[0][0] == ("x",) and len(calls[0][1]) == 4
    assert fetch(tmp_path, range(8), "xy", batch=4)[1] == []


def test_what_is_no_pack_is_left_alone(tmp_path):
    fetch(tmp_path, range(4))
    mine = packs(tmp_path)[0].with_name("mine")
    mine.mkdir()
    (mine / "notes.txt").write_text("x")
    assert fetch(tmp_path, range(4))[1] == [] and (mine / "notes.txt").exists()


def test_rows_are_read_like_an_array(tmp_path, small_packs):
    keys = [3, 1, 7, 0, 5, 1, 9]
    rows = fetch(tmp_path, keys, batch=2)[0]["x"]["values"]
    direct = np.stack([value("x", key) for key in keys])
    assert (len(rows), rows.shape, rows.dtype) == (7, (7, 3), np.float32)
    for index in (2, -1, np.int64(4)):
        assert isinstance(rows[index], np.ndarray)
        np.testing.assert_array_equal(rows[index], direct[index])
    mask = direct[:, 0] > 20
    for index in (slice(1, None, 2), mask, ~mask & mask, np.array([5, 0, 5]), [2, -1], [], slice(0, 0)):
        part = rows[index]
        expected = direct[np.array(index, dtype=int) if isinstance(index, list) else index]
        assert isinstance(part, type(rows)) and part.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(part), expected)
    np.testing.assert_array_equal(rows[mask][1:].array(), direct[mask][1:])
    np.testing.assert_array_equal(np.stack(list(rows)), direct)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rows)), direct)
    assert np.asarray(rows, dtype=np.float64).dtype == np.float64
    with pytest.raises(IndexError):
        rows[7]
    rows[0][:] = 0  # a row is a copy: writing to it changes no file
    np.testing.assert_array_equal(rows[0], direct[0])


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no list of open descriptors")
def test_many_packs_take_few_descriptors(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PACK_ROWS", 1)
    before = len(os.listdir("/proc/self/fd"))
    rows = fetch(tmp_path, range(60), batch=1)[0]["x"]["values"]
    assert len(packs(tmp_path)) == 60 and rows.array().shape == (60, 3)
    assert len(os.listdir("/proc/self/fd")) - before <= module.OPEN_MAPS


def test_other_descriptions_and_versions_are_other_rows(tmp_path):
    fetch(tmp_path, range(3))
    compute = Counted(range(3))
    Cache(tmp_path).fetch({"x": {"kind": "frames", "v": 2}}, range(3), compute)
    assert len(compute.calls) == 1 and len(list((tmp_path / "frames").iterdir())) == 2


def test_no_rows_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"frames, spectra: no rows to compute; choose more corpora or another fold"):
        Cache(tmp_path).fetch(REQUESTS, [], Counted([]))


def test_rows_of_another_number_than_asked_for_are_refused(tmp_path):
    with pytest.raises(ValueError, match="3 rows asked for, others computed"):
        Cache(tmp_path).fetch({"x": REQUESTS["x"]}, range(3), lambda names, rows: {"x": {"a": np.zeros(2)}})
    assert not list(tmp_path.rglob("*.npy"))


def test_processes_at_the_same_work_do_not_disturb_each_other(tmp_path):
    """Each is given the same rows at the same moment, and reads them while others write."""
    script = """
import sys, numpy as np
from pathlib import Path
from sersupport.core.cache import Cache
for first in range(0, 200, 20):
    keys = list(range(first, first + 200))
    def compute(names, rows):
        return {"x": {"v": np.array([[keys[row]] * 50 for row in rows])}}
    found = Cache(Path(sys.argv[1])).fetch({"x": {"kind": "k"}}, keys, compute, batch=16)["x"]["v"]
    assert (found.array() == np.array(keys)[:, None]).all()
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    for process in running:
        errors = process.communicate()[1]
        assert process.returncode == 0, errors.decode()[-500:]
    assert not list(tmp_path.rglob(".making-*"))


def test_a_cold_cache_is_quiet_where_bars_are_switched_off(tmp_path):
    """Its bar stood in a notebook's output although the environment said none."""
    code = (
        "import sys; from pathlib import Path; import numpy as np; from sersupport.core.cache import Cache;"
        "Cache(Path(sys.argv[1])).fetch({'a': {'kind': 'k'}}, [1, 2], lambda names, rows: {'a': {'x': rows}})"
    )
    command, quiet = [sys.executable, "-c", code, str(tmp_path)], os.environ | {"TQDM_DISABLE": "1"}
    result = subprocess.run(command, env=quiet, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")

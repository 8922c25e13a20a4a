"""What hot paths cost: measured per unit, and shown on the front page."""

from __future__ import annotations

import json
import time

import pytest

from sersupport.report import bench
from sersupport.report.front_page import front_page


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_is_the_power_of_the_growth(power):
    assert bench.exponent([0.3 * factor**power for factor in bench.GROWTH]) == pytest.approx(power)


def test_time_is_the_shortest_of_three_calls_by_unit(monkeypatch):
    calls, clock = [], iter([0.0, 4.0, 10.0, 12.0, 20.0, 23.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    assert bench.best_ms(lambda: calls.append(1), 10) == pytest.approx(1e3 * 2 / 10)
    assert len(calls) == 1 + bench.REPEATS


def test_the_front_page_shows_them_and_what_the_whole_run_took(small_run):
    record = json.loads((small_run / "run.json").read_text())
    path = {"path": "noise", "unit": "clip", "ms": 2.0, "without": "by hand", "without_ms": 5.0, "ratio": 2.5}
    growth = {"part": "inputs", "seconds": [1.0, 2.0, 4.0], "exponent": 1.0}
    chapters = [{"name": name, "title": name, "question": "?"} for name in record["notebooks"]]
    plain = front_page(small_run, record, chapters, False)
    assert "<summary>Speed" not in plain and "<td>3</td>" in plain  # 1.5 s each
    found = {"paths": [path], "growth": [growth]}
    shown = front_page(small_run, record | {"bench": found, "seconds": 2.2}, chapters, False)
    assert "<summary>Speed" in shown and "<td>2</td>" in shown
    for cell in ("noise", "by hand", "2.50", "4.00", "inputs"):
        assert f"<td>{cell}</td>" in shown
    assert "2.50" in bench.in_words(found) and "4.00" in bench.in_words(found)

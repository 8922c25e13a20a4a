"""Jobs on worker processes: the same numbers as in this process, also where a worker is killed in the middle."""

from __future__ import annotations

import operator
import os
import signal
import threading
import time
import warnings
from dataclasses import replace

import pandas as pd
import pytest
from distributed import Client, LocalCluster

from sersupport.core.errors import UserError
from sersupport.inputs.descriptors import Descriptors
from sersupport.studies import cluster
from sersupport.studies.jobs import Bench


@pytest.fixture
def scheduler(monkeypatch):
    """Two worker processes, which every bench of the test takes."""
    with cluster.workers(2) as address:
        monkeypatch.setenv(cluster.SCHEDULER, address)
        cluster.client.cache_clear()
        yield address
        cluster.client().close()
    cluster.client.cache_clear()


@pytest.fixture
def jobs(small, setup):
    """Four trainings of a third of a minute each: long enough to be killed in."""
    setup = replace(setup, descriptors=Descriptors(), clip_samples=55_125, epochs=12, seeds=(0, 1, 2, 3))
    return setup.jobs("C", small.recipes, setup.budget(len(small.recipes["train"])), "speaker-disjoint", 0)


def bench_in(small, folder) -> Bench:
    return Bench(small.bench.store, folder, small.bench.load_encoder)


def test_a_killed_worker_changes_no_number(small, jobs, tmp_path, request):
    expected = bench_in(small, tmp_path / "here").run(jobs)
    address = request.getfixturevalue("scheduler")
    found = []
    runner = threading.Thread(target=lambda: found.append(bench_in(small, tmp_path / "there").run(jobs)))
    runner.start()
    while not list((tmp_path / "there").glob("*/checkpoint-*")):
        assert runner.is_alive(), "all was done before anybody could be killed"
        time.sleep(0.05)
    with Client(address, set_as_default=False) as client:
        pids = client.run(os.getpid)
    os.kill(next(iter(pids.values())), signal.SIGKILL)
    runner.join(timeout=300)
    pd.testing.assert_frame_equal(found[0], expected, check_exact=True)
    with Client(address, set_as_default=False) as client:
        again = client.run(os.getpid)
    assert len(again) == 2 and set(again.values()) != set(pids.values())  # the nanny has started another


def test_results_keep_the_order_of_the_items_and_a_failure_is_the_task_s_own(scheduler):
    assert cluster.each(operator.sub, 10, [3, 1, 2], "differences") == [7, 9, 8]
    with pytest.raises(ZeroDivisionError):
        cluster.each(operator.truediv, 1.0, [4.0, 0.0], "quotients")
    assert cluster.each(operator.truediv, None, [], "nothing") == []


def test_no_scheduler_is_one_line(monkeypatch):
    monkeypatch.setenv(cluster.SCHEDULER, "tcp://127.0.0.1:9")
    monkeypatch.setattr(cluster, "CONNECTING_S", 1)
    cluster.client.cache_clear()
    with pytest.raises(UserError, match=r"no scheduler at tcp://127\.0\.0\.1:9") as caught:
        cluster.client()
    assert "\n" not in str(caught.value)
    cluster.client.cache_clear()


def test_two_runs_on_one_machine_warn_of_nothing():
    """The second once found dask's usual port taken, and said so in a notebook's outputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        with LocalCluster(processes=False, **cluster.SMALL), LocalCluster(processes=False, **cluster.SMALL) as second:
            assert second.scheduler_address


def test_a_large_task_warns_of_nothing():
    """Every notebook on recorded speech once showed dask's advice to send less."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert cluster.each(operator.add, b"x" * 11_000_000, [b"y"], "large")[0][-1:] == b"y"

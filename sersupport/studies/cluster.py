"""Where work is done: on the workers of a dask scheduler, by default on one in this process."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from sersupport.core.errors import UserError

if TYPE_CHECKING:
    from distributed import Client

tqdm.set_lock(RLock())  # its own is shared by processes and left behind, with a warning, by one that is killed

# imported where they are used: who only looks whether anything is to be done waits neither for dask nor for torch

SCHEDULER = "SERSUPPORT_SCHEDULER"  # environment variable: address of one that is there
CONNECTING_S = 60
SMALL = {
    "n_workers": 1,
    "threads_per_worker": 1,  # torch draws from one generator a process
    "dashboard_address": None,
    "scheduler_kwargs": {"dashboard_address": ":0"},  # else it warns where another run has dask's usual port
    "memory_limit": 0,
    "silence_logs": logging.CRITICAL,
}
# glibc gives large tensors back to the system after use; fetching them again, page by page, costs a third of a step
MALLOC = dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(2**28))
# two threads of a notebook beside two workers wait for each other in loops that take the cores from all of them
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PRELOADED = (
    "ipykernel.kernelapp", "librosa.effects", "librosa.feature", "matplotlib.pyplot", "seaborn",
    "sersupport.studies.explanations", "sersupport.run.from_parameters", "sersupport.studies.frozen",
)  # fmt: skip

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(task: Callable[[Any, Item], Result], shared: Any, items: Iterable[Item], label: str) -> list[Result]:
    """What a task gives for each of some items, in their order, with a progress bar.

    A task takes one thread, wherever it runs, so that it gives the same numbers. One whose worker dies is done again
    on another.

    Parameters
    ----------
    task : callable
        A function of a module: takes ``shared`` and an item.
    shared : object
        Sent to each worker once.
    items : iterable
    label : str
        Of the bar.

    Raises
    ------
    Exception
        The first that a task raises; what has not begun is dropped.
    """
    import dask
    from distributed import as_completed
    from distributed.protocol import pickle

    items = list(items)
    if not items:
        return []
    _give_back()
    own = client()
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):  # large for a reason:
        packed = own.submit(_given, pickle.dumps(shared), pure=False)  # not scattered, what is lost is given again
        futures = [own.submit(_alone, packed, pickle.dumps((task, item)), pure=False) for item in items]
    number = {future.key: position for position, future in enumerate(futures)}
    results: list[Any] = [None] * len(items)
    try:
        # given a value for disable, tqdm would not ask the environment
        with tqdm(total=len(items), desc=label, leave=False) as bar:
            for future, result in as_completed(futures, with_results=True):
                results[number[future.key]] = result
                future.release()
                bar.update()
    finally:
        own.cancel([future for future in futures if not future.done()])
    return results


def _given(shared: bytes) -> bytes:
    return shared


@lru_cache(maxsize=1)
def _unpacked(shared: bytes) -> Any:
    from distributed.protocol import pickle

    return pickle.loads(shared)


def _alone(shared: bytes, work: bytes) -> Any:
    """Unpacked here: not by the worker, which would do so in a thread beside a training that draws its numbers, nor by
    the scheduler, which would import all that a task needs."""
    import torch
    from distributed.protocol import pickle

    torch.set_num_threads(1)
    task, item = pickle.loads(work)
    try:
        return task(_unpacked(shared), item)
    finally:
        _give_back()


def _give_back() -> None:
    """Let the system have the memory that glibc keeps for later: others work now."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


@cache
def client() -> Client:
    from distributed import Client, LocalCluster

    address = os.environ.get(SCHEDULER)
    if not address:
        return Client(LocalCluster(processes=False, **SMALL))
    try:
        return Client(address, timeout=CONNECTING_S)
    except (OSError, ValueError, TimeoutError) as error:
        why = str(error).splitlines()[0]
        raise UserError(f"no scheduler at {address}: {why}; start one, or leave --scheduler out") from None


@cache
def forking() -> multiprocessing.context.ForkServerContext:
    """Where processes are forked from one that has imported all that jobs and notebooks need, and shares it."""
    from multiprocessing import forkserver

    from distributed import utils

    context, utils._forkserver_preload_set = multiprocessing.get_context("forkserver"), True  # its own list is shorter
    context.set_forkserver_preload(["distributed", *PRELOADED])
    before = dict(os.environ)
    os.environ |= MALLOC | before | ONE_THREAD | {"TQDM_DISABLE": "1"}
    try:
        forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context


@contextmanager
def workers(count: int) -> Iterator[str]:
    """A scheduler with worker processes of one thread each, while it is needed: its address."""
    import dask
    from distributed import LocalCluster

    forking()
    with (
        dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}),
        LocalCluster(**SMALL | {"n_workers": 0}) as own,
    ):
        own.scale(count)  # they come while the first notebook starts
        yield own.scheduler_address

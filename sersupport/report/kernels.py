"""Kernels of this very environment, forked from one process that has imported what every notebook imports."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner

from sersupport.studies.cluster import forking

_running: set[_Forked] = set()


class _Forked:
    """A kernel's process, with what a provisioner asks of one."""

    stdin = stdout = stderr = None

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: str, log: Path) -> None:
        arguments = command[command.index("ipykernel_launcher") + 1 :]
        own = forking().Process(target=_serve, args=(arguments, dict(environment), folder, log), daemon=True)
        own.start()
        self._process, self.pid = own, own.pid
        _running.add(self)

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self) -> int | None:
        self._process.join()
        _running.discard(self)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.is_alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _serve(arguments: list[str], environment: dict[str, str], folder: str, log: Path) -> None:
    """What a forked process does: be a kernel."""
    os.setsid()  # Ctrl-C is for the one who started the run
    with log.open("wb") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv[1:] = arguments
    from ipykernel.kernelapp import launch_new_instance

    # ipykernel serves in the main thread only and takes what it finds here for a thread pool's
    multiprocessing.current_process()._config["daemon"] = False
    threading.Thread(target=_end_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    launch_new_instance(argv=arguments)


def _end_with(starter: BaseProcess) -> None:
    """By its own parent, the process it was forked from, a kernel sees nothing: that one lives as long as it does."""
    starter.join()
    os._exit(1)


class _Forking(LocalProvisioner):
    """Starts a kernel by forking instead of running a command."""

    log_path: Path

    async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
        self.process = _Forked(cmd, options["env"], str(options.get("cwd") or os.getcwd()), self.log_path)
        self.pid, self.pgid = self.process.pid, None
        return self.connection_info


def manager_class(log: Path, more: Mapping[str, str]) -> type[AsyncKernelManager]:
    """Managers of such kernels, whatever kernelspecs the user has; they write to ``log``, not the terminal."""
    # the bar over cells is enough; bars within cells would end up in the outputs
    environment = os.environ | more | {"TQDM_DISABLE": "1"}
    environment.pop("SERSUPPORT_RUN_DIR", None)

    class QuietKernelManager(AsyncKernelManager):
        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(**get_kernel_dict())

        async def start_kernel(self, **options: Any) -> None:
            self.provisioner = _Forking(kernel_id=log.stem, kernel_spec=self.kernel_spec, parent=self)
            self.provisioner.log_path = log
            await super().start_kernel(**options, env=environment)

    return QuietKernelManager


def stop_kernels() -> None:
    """Kill every kernel that this process has started, so that those who wait for one do not."""
    for one in list(_running):
        one.kill()

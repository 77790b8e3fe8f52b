"""A crew on a Ray cluster. Its machines write to the data set themselves: all of them have to see its folder."""

import dataclasses
import os
import platform
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from syncam import __version__
from syncam.errors import InputError
from syncam.optional import require
from syncam.render.config import RenderConfig, settings_path
from syncam.render.workers import Crew, Outcome, Task, Worker, plain

__all__ = ["RayCrew"]

BLENDER_CPUS = 4
"""CPUs of a Blender without a GPU."""
LOCAL_STORE_BYTES = 100 * 2**20
"""Of a Ray that is started here: only small messages go through it."""
PATIENCE_S = 15.0
"""A file that has just been written is not at once on every machine of a network's file system."""


class RayCrew(Crew):
    """Tasks of a Ray cluster, each on one CPU; of Blender on one GPU, or on several CPUs where there are no GPUs.

    `address` is one of `ray.init`, or local for a cluster that is started here and ends with the crew. Within a program
    that is connected to a cluster already, that one is used.
    """

    def __init__(self, config: RenderConfig, address: str) -> None:
        self._ray: Any = require("ray", extra="ray")
        self._config = dataclasses.replace(config, out=Path(config.out).absolute())
        self._settings = settings_path(config).read_text(encoding="utf-8")
        self._started = not self._ray.is_initialized()
        if self._started:
            _connect(self._ray, address, config.num_workers)
        gpus = config.engine == "blender" and self._ray.cluster_resources().get("GPU", 0) >= 1
        self._cpus = BLENDER_CPUS if config.engine == "blender" and not gpus else 1
        if address == "local" and self._started:
            self._cpus = min(self._cpus, int(self._ray.cluster_resources()["CPU"]))
        self._unit = "GPU" if gpus else "CPU"
        self._remote = self._ray.remote(_render).options(num_cpus=self._cpus, num_gpus=int(gpus), max_retries=0)
        self._busy: dict[Any, Task] = {}

    @property
    def size(self) -> int:
        """The given number of workers, or as many as the cluster has room for at the moment."""
        if self._config.num_workers is not None:
            return self._config.num_workers
        units = self._ray.cluster_resources().get(self._unit, 0)
        return max(1, int(units / (self._cpus if self._unit == "CPU" else 1)))

    def give(self, task: Task) -> None:
        """Queues the task in the cluster."""
        threads = self._cpus if self._unit == "CPU" else None
        self._busy[self._remote.remote(self._config, self._settings, __version__, threads, task)] = task

    def take(self) -> list[Outcome]:
        """The outcome of a task that ended."""
        errors = self._ray.exceptions
        (reference,), _ = self._ray.wait(list(self._busy), num_returns=1)
        task = self._busy.pop(reference)
        try:
            outcome = self._ray.get(reference)
        except errors.RayTaskError as err:  # not of the scene: those are outcomes
            raise InputError(
                f"the Ray cluster cannot render: {_last_line(err)}; every machine of it needs syncam {__version__}"
            ) from err
        except errors.RayError as err:  # a process or a machine is gone, or its memory was full
            return [Outcome(task, "unlucky", f"Ray lost it ({type(err).__name__}: {_first_line(err)})")]
        if isinstance(outcome, Exception):
            raise outcome
        return [outcome]

    def end(self) -> None:
        """Takes the tasks back, and leaves the cluster, or ends it, if the crew has joined or started it."""
        for reference in self._busy:
            self._ray.cancel(reference, force=True)
        if self._started:
            self._ray.shutdown()


def _connect(ray: Any, address: str, num_workers: int | None) -> None:
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere unless the user wants it
        options |= {"num_cpus": max(num_workers or 1, os.cpu_count() or 1), "include_dashboard": False}
        options["object_store_memory"] = LOCAL_STORE_BYTES
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
    except Exception as err:  # Ray raises all sorts of them, Exception itself too
        raise InputError(
            f"no Ray cluster at {address} ({_first_line(err)}); expected auto, local, or an address such as "
            "10.0.0.1:6379 of a cluster that `ray start` has begun"
        ) from err
    with suppress(ValueError):  # not in the main thread: then Ray could not replace it either
        signal.signal(signal.SIGTERM, before)


_STATE: dict[str, Any] = {}


def _render(
    config: RenderConfig, settings: str, version: str, threads: int | None, task: Task
) -> Outcome | InputError | OSError:
    """What a process of the cluster does; it keeps its renderer for the next task."""
    try:
        if _STATE.get("config") != config:
            _check_place(config, settings, version)
            _STATE.update(config=config, worker=Worker(config, threads))
        return _STATE["worker"].render(task)
    except InputError as err:
        return InputError(f"{platform.node()}: {err}")
    except OSError as err:
        return plain(err)


def _check_place(config: RenderConfig, settings: str, version: str) -> None:
    """InputError unless this machine has the same syncam and sees the same data set."""
    if version != __version__:
        raise InputError(f"has syncam {__version__}, the run was started by {version}; install the same everywhere")
    path = settings_path(config)
    deadline = time.monotonic() + PATIENCE_S
    while not (path.is_file() and path.read_text(encoding="utf-8") == settings):
        if time.monotonic() > deadline:
            raise InputError(
                f"does not see the data set at {config.out}; --out must be a folder that all machines of the Ray "
                "cluster share under this name"
            )
        time.sleep(0.5)


def _first_line(err: Exception) -> str:
    return next(iter(str(err).strip().splitlines()), type(err).__name__)


def _last_line(err: Exception) -> str:
    return next(reversed(str(err).strip().splitlines()), type(err).__name__)

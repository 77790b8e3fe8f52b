"""What renders scenes: a worker keeps its renderer from scene to scene; a crew is one or many of them."""

import errno
import os
import traceback
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from syncam.errors import InputError
from syncam.render.clip import compose, filmed
from syncam.render.config import RenderConfig
from syncam.render.scene_files import write_scene

__all__ = ["Crew", "LoneWorker", "Outcome", "Task", "Worker", "plain", "work_folder"]

FATAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
"""What no other scene would fare better with: a full disk, a folder that may not be written."""


@dataclass(frozen=True)
class Task:
    """A try at a scene: its number, and how many of its seeds are ruled out."""

    index: int
    attempt: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a try ended."""

    task: Task
    how: Literal["done", "failed", "unlucky"]
    """failed: the scene cannot be drawn from this seed; unlucky: that need not be the seed's fault."""
    reason: str = ""
    """In one line; "" where the scene is done."""
    trace: str = ""
    refused: bool = False
    """Whether it was an InputError, which may be about the settings."""


class Crew(ABC):
    """Workers that render at the same time; leaving the crew's context ends them at once."""

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *raised: object) -> None:
        self.end()

    @property
    @abstractmethod
    def size(self) -> int:
        """How many tasks it can have at a time."""

    @abstractmethod
    def give(self, task: Task) -> None:
        """Lets a worker begin a task; no more than `size` may be unfinished."""

    @abstractmethod
    def take(self) -> list[Outcome]:
        """Waits for news and returns the tasks that ended, maybe none.

        InputError or OSError for what concerns the whole run: no engine, a full disk.
        """

    @abstractmethod
    def end(self) -> None:
        """Ends the workers, whatever they are doing."""


class Worker:
    """One renderer of one process. `threads` bounds Blender's threads; None: all."""

    def __init__(self, config: RenderConfig, threads: int | None = None) -> None:
        torch.set_num_threads(1)
        self.config, self.threads = config, threads
        self.renderer = _renderer(config, threads)

    def render(self, task: Task) -> Outcome:
        """Draws and writes a scene. OSError for a disk that cannot be written; other failures are an outcome."""
        try:
            take = compose(self.config, task.index, task.attempt)
            pictures = filmed(self.config, take, self.renderer)
            write_scene(self.config, task.index, take, pictures, attempt=task.attempt)
            return Outcome(task, "done")
        except Exception as err:  # whatever is wrong with one scene, the others have to go on
            if isinstance(err, OSError) and err.errno in FATAL:
                raise
            blender = isinstance(err, InputError) and self.config.engine == "blender"  # a process that may have died
            how = "unlucky" if blender or isinstance(err, OSError | MemoryError) else "failed"
            refused = isinstance(err, InputError)
            reason = " ".join(f"{'' if refused else f'{type(err).__name__}: '}{err}".split())
            failed = Outcome(task, how, reason, traceback.format_exc(), refused)
        self.renderer = _renderer(self.config, self.threads)  # the old one may have stopped halfway
        return failed


class LoneWorker(Crew):
    """A crew of one, in this process."""

    def __init__(self, config: RenderConfig) -> None:
        self._worker = Worker(config)
        self._task: Task | None = None

    @property
    def size(self) -> int:
        """1."""
        return 1

    def give(self, task: Task) -> None:
        """Notes the task."""
        self._task = task

    def take(self) -> list[Outcome]:
        """Renders it."""
        assert self._task is not None
        return [self._worker.render(self._task)]

    def end(self) -> None:
        """Nothing: it is not at work now."""


def plain(err: InputError | OSError) -> InputError | OSError:
    """The same as an error that any process can take, without what hangs on it."""
    if isinstance(err, OSError) and err.errno is not None:
        return OSError(err.errno, err.strerror, err.filename)
    return InputError(str(err))


def work_folder(config: RenderConfig) -> Path:
    """Where scenes of the split lie that Blender has begun."""
    return Path(config.out) / ".blender" / config.split


def _renderer(config: RenderConfig, threads: int | None) -> Any:
    if config.engine == "fast":
        from syncam.render.rasterizer import Renderer

        return Renderer(config.hw)
    from syncam.render.blender.engine import BlenderRenderer
    from syncam.render.blender.job import Settings

    if threads is None and config.num_workers is not None and config.num_workers > 1:
        threads = max(1, (os.cpu_count() or 1) // config.num_workers)
    settings = (
        Settings(threads=threads) if config.samples is None else Settings(threads=threads, samples=config.samples)
    )
    return BlenderRenderer(config.hw, settings, work=work_folder(config))

"""A crew of processes of this machine. One that dies takes nothing with it: it is known which scene it had."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from syncam.errors import InputError
from syncam.render.config import RenderConfig
from syncam.render.workers import Crew, Outcome, Task, Worker, plain

__all__ = ["ProcessCrew"]

STILLBORN = 3
"""Processes that end before they are ready, one after the other: then none will be."""
READY = "ready"


@dataclass
class _Member:
    """A process, our end of the pipe to it, and what it is doing."""

    process: BaseProcess
    pipe: Connection
    ready: bool = False
    task: Task | None = None


class ProcessCrew(Crew):
    """Up to `size` processes, started when there is work for them and killed at the end.

    They do not outlive the process that started them, however that ends, and leave ctrl-C to it.
    """

    def __init__(self, config: RenderConfig, size: int) -> None:
        self._size = size
        self._config = config
        self._members: dict[Connection, _Member] = {}
        self._stillborn = 0

    @property
    def size(self) -> int:
        """The most processes there may be."""
        return self._size

    def give(self, task: Task) -> None:
        """Sends the task to a process that is free, or to a new one."""
        while True:
            member = next((member for member in self._members.values() if member.task is None), None) or self._start()
            try:
                member.pipe.send(task)
            except OSError:  # it has died since its last scene, or at once
                self._note_death(member)
                continue
            member.task = task
            return

    def take(self) -> list[Outcome]:
        """What the processes that have news say; of those that died, what became of them."""
        busy = [pipe for pipe, member in self._members.items() if member.task is not None]
        outcomes = []
        for pipe in wait(busy):
            assert isinstance(pipe, Connection)
            member = self._members[pipe]
            try:
                news = pipe.recv()
            except (EOFError, OSError):
                outcomes += self._died(member)
                continue
            if isinstance(news, Exception):
                raise news
            if news == READY:
                member.ready, self._stillborn = True, 0
            else:
                member.task = None
                outcomes.append(news)
        return outcomes

    def end(self) -> None:
        """Kills the processes: what they write appears whole or not at all."""
        for member in self._members.values():
            member.process.kill()
        for member in list(self._members.values()):
            self._bury(member)

    def _died(self, member: _Member) -> list[Outcome]:
        """The outcome of its task; nobody is to blame for one that was not ready, and another process gets the task."""
        how = self._note_death(member)
        assert member.task is not None
        if member.ready:
            return [Outcome(member.task, "unlucky", f"the process that rendered it died ({how})")]
        self.give(member.task)
        return []

    def _note_death(self, member: _Member) -> str:
        """How it ended; InputError if that happens to each that is started."""
        self._bury(member)
        how = _ending(member.process.exitcode or 0)
        self._stillborn += not member.ready
        if self._stillborn == STILLBORN:
            raise InputError(
                f"{STILLBORN} processes one after the other died as they started ({how}); "
                "render with fewer workers, or with one, which is this process"
            )
        return how

    def _start(self) -> _Member:
        context = multiprocessing.get_context("spawn")  # an OpenGL context does not survive a fork
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(self._config, theirs), daemon=True)
        resource_tracker.ensure_running()  # else the first process would start it, which unblocks the signals
        with _blocked_signals():
            process.start()
        theirs.close()  # the other end is the process's alone, so that its death closes the pipe
        self._members[ours] = member = _Member(process, ours)
        return member

    def _bury(self, member: _Member) -> None:
        del self._members[member.pipe]
        member.process.join()
        member.pipe.close()


def _work(config: RenderConfig, pipe: Connection) -> None:
    """The life of a process of the crew."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    with suppress(EOFError, BrokenPipeError):  # the run is over
        try:
            worker = Worker(config)
            pipe.send(READY)
            while True:
                pipe.send(worker.render(pipe.recv()))
        except EOFError:
            raise
        except (InputError, OSError) as err:
            pipe.send(plain(err))


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _blocked_signals() -> Iterator[None]:
    """What starts inside never hears of ctrl-C: we do, and end it. Signals that come meanwhile are not lost."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code}, {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"

"""The scenes of a run, tried again where they fail: never skipped without a word, and never for ever."""

import logging
from collections import Counter, deque
from collections.abc import Generator, Sequence
from typing import Literal

from syncam.errors import InputError
from syncam.render.config import ATTEMPTS, RenderConfig, scene_seed
from syncam.render.failures import Failure, read_failures, scene_name, write_failures
from syncam.render.workers import Crew, LoneWorker, Outcome, Task

__all__ = ["render_scenes"]

logger = logging.getLogger(__name__)

BAD_LUCK = 2
"""Times that a process may die, or a disk may fail, with the same seed of a scene, before that seed is to blame."""
STREAK = 10
"""Tries, and two more for each worker, that may fail one after the other before the machine is to blame."""
News = Literal["done", "failed try", "failed"]


def render_scenes(config: RenderConfig, indices: Sequence[int]) -> Generator[tuple[int, News], None, None]:
    """Renders and writes the scenes, and yields the number of each when it is there, or when a try at it has failed.

    "failed" ends a scene of which every seed has failed; the others go on. Seeds that are ruled out are noted, and
    are not tried by later runs either, unless there is no other left. InputError or OSError for what no scene would
    fare better with.
    """
    if not indices:
        return
    record = _Record(config, indices)
    waiting = deque(Task(index, record.next_attempts[index]) for index in indices)
    unfinished = 0
    with _crew(config, len(indices)) as crew:
        while waiting or unfinished:
            while waiting and unfinished < crew.size:
                crew.give(waiting.popleft())
                unfinished += 1
            for outcome in crew.take():
                unfinished -= 1
                if outcome.how == "done":
                    record.note_success()
                    yield outcome.task.index, "done"
                    continue
                again = record.next_task(outcome)
                record.check_blame(STREAK + 2 * crew.size)
                if again is not None:
                    waiting.appendleft(again)
                yield outcome.task.index, "failed" if again is None else "failed try"


def _crew(config: RenderConfig, num_scenes: int) -> Crew:
    if config.ray is not None:
        from syncam.render.ray_cluster import RayCrew

        return RayCrew(config, config.ray)
    if config.num_workers is None or config.num_workers == 1:
        return LoneWorker(config)
    from syncam.render.processes import ProcessCrew

    return ProcessCrew(config, min(config.num_workers, num_scenes))


class _Record:
    """What has failed, in earlier runs and in this one."""

    def __init__(self, config: RenderConfig, indices: Sequence[int]) -> None:
        self.config = config
        noted = read_failures(config)
        counts, wanted = Counter(failure.index for failure in noted), set(indices)
        self.failures = {f for f in noted if counts[f.index] < ATTEMPTS or f.index not in wanted}
        write_failures(config, self.failures)
        self.next_attempts = Counter(failure.index for failure in self.failures)
        self.bad_luck: Counter[Task] = Counter()
        self.streak: list[tuple[Outcome, Failure | None]] = []
        """The tries that failed since a scene was last done."""
        self.any_done = False

    def note_success(self) -> None:
        """A scene is done: what failed before was not the fault of all of them."""
        self.any_done = True
        self.streak.clear()

    def next_task(self, outcome: Outcome) -> Task | None:
        """What to try next of a scene, after a try that failed; None where nothing is left. It is noted and told."""
        task, name = outcome.task, scene_name(self.config, outcome.task.index)
        seed = scene_seed(self.config, task.index, task.attempt)
        failure, again = None, task
        self.bad_luck[task] += outcome.how == "unlucky"
        if outcome.how == "failed" or self.bad_luck[task] >= BAD_LUCK:
            failure = Failure(task.index, task.attempt, seed, name, outcome.reason)
            self.failures.add(failure)
            write_failures(self.config, self.failures)
            again = Task(task.index, task.attempt + 1) if task.attempt + 1 < ATTEMPTS else None
        self.streak.append((outcome, failure))
        then = "no seed is left to try" if again is None else "trying again" if again == task else "trying another seed"
        logger.warning("%s failed with seed %d: %s; %s", name, seed, outcome.reason, then)
        if outcome.trace:
            logger.debug("%s", outcome.trace)
        return again

    def check_blame(self, longest: int) -> None:
        """InputError where no seed is to blame for what failed; then none is ruled out.

        Before any scene is done, two that are refused in the same words are refused for their settings. Later, a long
        streak of failures says that something is wrong with the machine.
        """
        last = self.streak[-1][0]
        alike = [outcome for outcome, _ in self.streak if outcome.refused and outcome.reason == last.reason]
        refused = not self.any_done and len({outcome.task.index for outcome in alike}) > 1
        if not refused and len(self.streak) < longest:
            return
        self.failures -= {failure for _, failure in self.streak}
        write_failures(self.config, self.failures)
        if refused:
            raise InputError(last.reason)
        raise InputError(
            f"{len(self.streak)} tries one after the other failed, the last of them with: {last.reason}; "
            "something is wrong that concerns every scene; see to it, and the same command goes on"
        )

"""Scenes that fail are tried with other seeds, in the same way however often the run is interrupted."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from syncam.errors import InputError
from syncam.render import retries
from syncam.render.config import ATTEMPTS, RenderConfig, scene_seed
from syncam.render.failures import failures_path, read_failures
from syncam.render.retries import render_scenes
from syncam.render.workers import Crew, Outcome, Task


class FakeCrew(Crew):
    """Workers whose tries end as they are told to, `size` at a time, the last given first."""

    def __init__(self, ending: Callable[[Task, int], str], size: int = 1) -> None:
        self.ending, self.most = ending, size
        self.tried: list[Task] = []
        self.busy: list[Task] = []

    @property
    def size(self) -> int:
        return self.most

    def end(self) -> None:
        self.busy.clear()

    def give(self, task: Task) -> None:
        assert len(self.busy) < self.size
        self.busy.append(task)

    def take(self) -> list[Outcome]:
        task = self.busy.pop()
        self.tried.append(task)
        how = self.ending(task, self.tried.count(task))
        if how.startswith("refused"):
            return [Outcome(task, "failed", how, refused=True)]
        return [Outcome(task, how, "" if how == "done" else "it broke")]  # pyright: ignore[reportArgumentType]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs scenes with fake workers; returns the news and what was tried."""

    def render(ending: Callable[[Task, int], str], indices: range = range(3), size: int = 1):
        crew = FakeCrew(ending, size)
        monkeypatch.setattr(retries, "_crew", lambda config, number: crew)
        return list(render_scenes(config(tmp_path), list(indices))), crew.tried

    return render


def config(out: Path) -> RenderConfig:
    return RenderConfig(out=out, num_scenes=3)


def test_attempts_have_seeds_of_their_own(tmp_path: Path) -> None:
    settings = config(tmp_path)
    seeds = [scene_seed(settings, index, attempt) for index in range(200) for attempt in range(ATTEMPTS)]
    assert len(set(seeds)) == len(seeds)
    assert scene_seed(settings, 5, 0) == scene_seed(settings, 5) == 4167532537530091649


def test_another_seed_is_tried_and_the_first_one_noted(
    run, tmp_path: Path, caplog: pytest.LogCaptureFixture, size: int = 2
) -> None:
    with caplog.at_level(logging.WARNING):
        news, tried = run(lambda task, number: "failed" if task == Task(1) else "done", size=size)
    assert sorted(news) == [(0, "done"), (1, "done"), (1, "failed try"), (2, "done")]
    assert sorted(tried, key=lambda task: (task.index, task.attempt)) == [Task(0), Task(1), Task(1, 1), Task(2)]
    (line,) = failures_path(config(tmp_path)).read_text().splitlines()
    assert json.loads(line) == {
        "index": 1,
        "attempt": 0,
        "seed": scene_seed(config(tmp_path), 1),
        "scene": "train/f24_aperture5/scene2",
        "reason": "it broke",
    }
    (message,) = [record.getMessage() for record in caplog.records]
    assert message == (
        f"train/f24_aperture5/scene2 failed with seed {scene_seed(config(tmp_path), 1)}: it broke; trying another seed"
    )


def test_a_later_run_goes_on_with_the_seed_that_this_one_would_have_tried(run) -> None:
    def broken_off(task: Task, number: int) -> str:
        if task == Task(1, 1):
            raise KeyboardInterrupt
        return "failed" if task.index == 1 else "done"

    with pytest.raises(KeyboardInterrupt):
        run(broken_off)
    _, tried = run(lambda task, number: "done", range(1, 3))
    assert tried == [Task(1, 1), Task(2)]


def test_a_scene_that_always_fails_is_given_up_and_tried_again_by_the_next_run(run, tmp_path: Path) -> None:
    news, tried = run(lambda task, number: "failed" if task.index == 1 else "done")
    assert news.count((1, "failed try")) == ATTEMPTS - 1 and news.count((1, "failed")) == 1
    assert {index for index, how in news if how == "done"} == {0, 2}
    assert sum(task.index == 1 for task in tried) == ATTEMPTS
    assert len(read_failures(config(tmp_path))) == ATTEMPTS
    news, tried = run(lambda task, number: "done", range(1, 2))
    assert tried == [Task(1)] and news == [(1, "done")]
    assert not failures_path(config(tmp_path)).exists()


def test_a_process_that_dies_once_changes_no_seed(run, tmp_path: Path) -> None:
    news, tried = run(lambda task, number: "unlucky" if task == Task(1) and number == 1 else "done")
    assert tried.count(Task(1)) == 2 and Task(1, 1) not in tried
    assert (1, "failed try") in news and not failures_path(config(tmp_path)).exists()


def test_a_seed_that_ends_its_process_twice_is_to_blame(run, tmp_path: Path) -> None:
    _, tried = run(lambda task, number: "unlucky" if task == Task(1) else "done")
    assert tried.count(Task(1)) == 2 and tried.count(Task(1, 1)) == 1
    assert [(failure.index, failure.attempt) for failure in read_failures(config(tmp_path))] == [(1, 0)]


def test_a_machine_that_does_nothing_right_stops_the_run_and_blames_no_seed(run, tmp_path: Path) -> None:
    tries = retries.STREAK + 2 * 4
    with pytest.raises(
        InputError, match=rf"^{tries} tries one after the other failed.*it broke.* same command goes on"
    ):
        run(lambda task, number: "done" if task.index < 2 else "failed", range(40), size=4)
    assert not failures_path(config(tmp_path)).exists()


def test_settings_that_no_scene_can_have_are_one_line_at_once(run, tmp_path: Path) -> None:
    tried: list[Task] = []
    with pytest.raises(InputError, match=r"^refused: too narrow$"):
        run(lambda task, number: tried.append(task) or "refused: too narrow", range(9))
    assert len(tried) == ATTEMPTS + 1 and not failures_path(config(tmp_path)).exists()
    news, _ = run(lambda task, number: f"refused: scene {task.index}" if task.index < 2 else "done")
    assert [index for index, how in news if how == "failed"] == [0, 1], "in words of their own"
    news, _ = run(lambda task, number: "refused: alike" if task.index else "done")
    assert [index for index, how in news if how == "failed"] == [1, 2], "after a scene is done"


def test_failures_that_are_far_between_stop_nothing(run) -> None:
    news, _ = run(lambda task, number: "failed" if task.index % 2 and not task.attempt else "done", range(60))
    assert sum(how == "done" for _, how in news) == 60


def test_the_record_has_one_order_whichever_scene_fails_first(run, tmp_path: Path) -> None:
    run(lambda task, number: "failed" if task.attempt < 2 else "done", size=3)
    together = failures_path(config(tmp_path)).read_bytes()
    failures_path(config(tmp_path)).unlink()
    run(lambda task, number: "failed" if task.attempt < 2 else "done", size=1)
    assert failures_path(config(tmp_path)).read_bytes() == together


@pytest.mark.parametrize(
    "text", ["{", "7", '{"index": 1}', '{"index": "1", "attempt": 0, "seed": 1, "scene": "", "reason": ""}']
)
def test_a_damaged_record_is_named(run, tmp_path: Path, text: str) -> None:
    failures_path(config(tmp_path)).write_text(text + "\n")
    with pytest.raises(InputError, match=r"failures-train\.jsonl, line 1: is damaged"):
        run(lambda task, number: "done")


def test_without_scenes_no_worker_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_crew", lambda config, number: pytest.fail("a worker was made"))
    assert list(render_scenes(config(tmp_path), [])) == []

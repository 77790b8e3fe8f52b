"""Processes that render, die, and are replaced."""

import os
import signal
from pathlib import Path

import pytest

from syncam.errors import InputError
from syncam.render.config import RenderConfig
from syncam.render.processes import STILLBORN, ProcessCrew
from syncam.render.workers import Outcome, Task


def config(out: Path, **change: object) -> RenderConfig:
    values = {"out": out, "num_scenes": 2, "num_views": 1, "num_frames": 1, "hw": (16, 16), "num_workers": 2}
    return RenderConfig(**(values | change))  # pyright: ignore[reportArgumentType]


def taken(crew: ProcessCrew) -> Outcome:
    """The next outcome; being ready is none."""
    while not (outcomes := crew.take()):
        pass
    return outcomes[0]


def test_a_dead_process_is_replaced_and_the_scene_it_had_is_known(tmp_path: Path) -> None:
    with ProcessCrew(config(tmp_path), 1) as crew:
        crew.give(Task(0))
        assert taken(crew) == Outcome(Task(0), "done")
        (member,) = crew._members.values()
        os.kill(member.process.pid or 0, signal.SIGSTOP)  # so that it is at work when it is killed
        crew.give(Task(1))
        os.kill(member.process.pid or 0, signal.SIGKILL)
        assert taken(crew) == Outcome(Task(1), "unlucky", "the process that rendered it died (signal 9, SIGKILL)")
        crew.give(Task(1))
        assert taken(crew) == Outcome(Task(1), "done")
        (member,) = crew._members.values()
    assert not member.process.is_alive()
    assert sorted(path.name for path in (tmp_path / "train" / "f24_aperture5").iterdir()) == ["scene1", "scene2"]


def test_processes_that_cannot_start_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))  # there is no Python there
    with (
        pytest.raises(
            InputError, match=rf"^{STILLBORN} processes one after the other died as they started \(exit code"
        ),
        ProcessCrew(config(tmp_path), 2) as crew,
    ):
        crew.give(Task(0))
        taken(crew)


def test_a_missing_engine_is_reported_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNCAM_BLENDER", str(tmp_path / "nowhere"))
    with (
        pytest.raises(InputError, match="SYNCAM_BLENDER is .*nowhere"),
        ProcessCrew(config(tmp_path, engine="blender"), 1) as crew,
    ):
        crew.give(Task(0))
        taken(crew)

"""The verb, stopped and killed as it happens: it goes on, and nobody can tell afterwards."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from syncam.render.config import RenderConfig
from syncam.render.dataset import render_dataset

pytestmark = pytest.mark.slow
SCENES = 40
SMALL: dict = {"num_views": 2, "num_frames": 2, "hw": (32, 32), "content": "basic"}
PATIENCE_S = 500


def start(out: Path, scenes: int, workers: int) -> subprocess.Popen[str]:
    """The verb in a process group of its own, like a shell's."""
    options = f"--scenes {scenes} --views 2 --frames 2 --size 32x32 --content basic --workers {workers}"
    return subprocess.Popen(
        [sys.executable, "-m", "syncam", "render", "--out", str(out), *options.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every scene that is there: other ones after it was rendered again."""
    scenes = (out / "train" / "f24_aperture5").glob("scene*")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in scenes}


def wait_until(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def hidden(out: Path) -> list[str]:
    return [path.name for path in out.rglob(".*")]


def test_killed_at_random_moments_and_finished(tmp_path: Path) -> None:
    """Four runs; the killed ones leave processes behind that nobody waits for."""
    moments, out = random.Random(0), tmp_path / "killed"
    before: dict[str, tuple[int, int]] = {}
    for number in range(3):
        process = start(out, SCENES, workers=2)
        enough = len(before) + moments.randint(1, 2)
        wait_until(lambda enough=enough: len(finished(out)) >= enough, process)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.communicate(timeout=PATIENCE_S)  # its workers hold the pipes: they are gone, too
        after = finished(out)
        assert number < len(after) < SCENES and before.items() <= after.items(), "no scene is rendered twice"
        before = after
    process = start(out, SCENES, workers=2)
    shown = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, shown
    assert before.items() <= finished(out).items()
    assert f"rendered scenes  {SCENES - len(before)}" in shown[0]
    assert hidden(out) == []
    render_dataset(RenderConfig(out=tmp_path / "whole", num_scenes=SCENES, **SMALL))
    assert files(out) == files(tmp_path / "whole")


@pytest.mark.parametrize(("number", "workers", "code"), [(signal.SIGINT, 2, 130), (signal.SIGTERM, 1, 143)])
def test_stopped_with_one_line_that_says_how_to_go_on(tmp_path: Path, number: int, workers: int, code: int) -> None:
    process = start(tmp_path, 100_000, workers)
    wait_until(lambda: len(finished(tmp_path)) > 0, process)
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)  # ctrl-C goes to the whole group
    shown = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == code
    advice = "the scenes that are done are kept, and the same command goes on from there"
    assert shown == ("", f"syncam: stopped; {advice}\n")
    assert finished(tmp_path) and hidden(tmp_path) == []

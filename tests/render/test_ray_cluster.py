"""Scenes rendered on a Ray cluster: the same bytes, and the same answer to failures."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncam import __version__
from syncam.errors import InputError
from syncam.render import ray_cluster
from syncam.render.config import RenderConfig, settings_path
from syncam.render.dataset import render_dataset
from syncam.render.failures import failures_path
from syncam.render.ray_cluster import RayCrew
from syncam.render.workers import Task

SMALL: dict[str, Any] = {"num_scenes": 3, "num_views": 2, "num_frames": 2, "hw": (32, 32), "content": "basic"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray: that of RAY_ADDRESS, or one that is started here for all tests."""
    ray: Any = pytest.importorskip("ray", reason="needs the extra ray")
    address = os.environ.get("RAY_ADDRESS", "local")
    try:
        ray_cluster._connect(ray, address, 2)
    except InputError as err:
        pytest.skip(f"Ray does not start here: {err}")
    yield address
    ray.shutdown()


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_same_bytes_and_a_scene_that_fails(cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the cluster's processes are elsewhere
    render_dataset(RenderConfig(out=tmp_path / "here", **SMALL))
    settings = RenderConfig(out=Path("there"), ray=cluster, **SMALL)
    settings.folder.mkdir(parents=True)
    (tmp_path / "there" / "render-train.json").write_bytes((tmp_path / "here" / "render-train.json").read_bytes())
    (settings.folder / "scene2").write_text("a file where a scene should be")
    result = render_dataset(settings)
    assert (result["scenes"], result["failed_scenes"]) == (2, ["train/f24_aperture5/scene2"])
    reasons = {json.loads(line)["reason"] for line in failures_path(settings).read_text().splitlines()}
    assert reasons == {
        f"{tmp_path / settings.folder / 'scene2'} exists; choose another scene folder or remove it first"
    }
    (settings.folder / "scene2").unlink()
    assert render_dataset(settings)["rendered_scenes"] == 1
    assert files(tmp_path / "there") == files(tmp_path / "here")


@pytest.mark.slow
def test_a_lost_process_is_bad_luck(cluster: str, tmp_path: Path) -> None:
    settings = RenderConfig(out=tmp_path, ray=cluster, **SMALL)
    settings_path(settings).write_text("{}")
    with RayCrew(settings, cluster) as crew:
        assert crew.size == crew._ray.cluster_resources()["CPU"]
        crew.give(Task(0))
        (reference,) = crew._busy
        crew._ray.cancel(reference, force=True)
        (outcome,) = crew.take()
        assert (outcome.task, outcome.how) == (Task(0), "unlucky") and outcome.reason.startswith("Ray lost it (")
        crew.give(Task(0))
        assert [outcome.how for outcome in crew.take()] == ["done"]
    assert crew._ray.is_initialized(), "a cluster that was joined before goes on"


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match=r"ray is not installed; run: pip install 'syncam\[ray\]'"):
        render_dataset(RenderConfig(out=tmp_path, ray="local", **SMALL))


def test_a_machine_that_does_not_see_the_data_set_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_cluster, "PATIENCE_S", 0.0)
    settings = RenderConfig(out=tmp_path, ray="auto", **SMALL)
    for text in (None, "other settings"):
        if text is not None:
            settings_path(settings).write_text(text)
        answer = ray_cluster._render(settings, "{}", __version__, 1, Task(0))
        assert isinstance(answer, InputError)
        assert f"does not see the data set at {tmp_path}; --out must be a folder that all machines" in str(answer)
    answer = ray_cluster._render(settings, "other settings", "0.0.1", 1, Task(0))
    assert isinstance(answer, InputError) and "the run was started by 0.0.1; install the same everywhere" in str(answer)

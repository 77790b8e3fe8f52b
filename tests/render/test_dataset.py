"""Rendered data sets: deterministic, resumable, whole or not at all."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from syncam.data.dataset import ClipStore
from syncam.errors import InputError
from syncam.render.dataset import RenderConfig, render_dataset, scene_seed


def config(out: Path, **change: object) -> RenderConfig:
    return RenderConfig(**({"out": out, "num_scenes": 2, "num_views": 2, "num_frames": 3, "hw": (32, 48)} | change))


def videos(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.mp4"))}


def test_clips_hold_what_the_config_says(tmp_path: Path) -> None:
    summary = render_dataset(config(tmp_path))
    assert (summary["scenes"], summary["rendered_frames"]) == (2, 2 * 2 * 3)
    for scene in ClipStore(tmp_path, "train").scenes:
        clip = scene.read()
        assert clip.video.shape == (2, 3, 3, 32, 48)
        assert clip.masks is not None and clip.masks.any()
        made_by = json.loads((scene.path / "scene.json").read_text())["scene"]
        for animal in made_by["animals"]:
            assert animal["colour"] in clip.caption and animal["species"] in clip.caption
        assert torch.linalg.det(clip.cameras.c2w[..., :3, :3]).min() > 0.999


def test_the_same_config_gives_the_same_bytes_with_any_number_of_processes(tmp_path: Path) -> None:
    render_dataset(config(tmp_path / "one"))
    render_dataset(config(tmp_path / "two", num_workers=2))
    assert videos(tmp_path / "one") == videos(tmp_path / "two") != {}


def test_goes_on_where_it_stopped(tmp_path: Path) -> None:
    render_dataset(config(tmp_path, num_scenes=1))
    before = videos(tmp_path)
    seen: list[tuple[int, int]] = []
    summary = render_dataset(config(tmp_path, num_scenes=2), progress=lambda done, total: seen.append((done, total)))
    assert summary["rendered_scenes"] == 1 and seen == [(1, 2), (2, 2)]
    assert before.items() <= videos(tmp_path).items()


def test_a_killed_run_leaves_no_half_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("syncam.data.dataset.save_rig", killed)
    with pytest.raises(KeyboardInterrupt):
        render_dataset(config(tmp_path))
    assert list(config(tmp_path).folder.iterdir()) == []


def test_other_settings_need_another_folder(tmp_path: Path) -> None:
    render_dataset(config(tmp_path, num_scenes=1))
    with pytest.raises(InputError, match="num_views was 2, is 3"):
        render_dataset(config(tmp_path, num_scenes=1, num_views=3))


def test_splits_and_scenes_have_seeds_of_their_own(tmp_path: Path) -> None:
    train = config(tmp_path)
    held_out = dataclasses.replace(train, split="val")
    seeds = [scene_seed(c, index) for c in (train, held_out) for index in range(500)]
    assert len(set(seeds)) == 1000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_scenes": 0}, "num_scenes must be at least 1"),
        ({"num_views": 0}, "num_views must be at least 1"),
        ({"hw": (31, 32)}, "must be even"),
        ({"split": "test"}, "split must be one of train, val"),
        ({"radius": (5.0, 3.0)}, "radius must be a rising range"),
        ({"elevation_deg": (0.0, 90.0)}, "elevation_deg must be a rising range"),
        ({"moving": 1.5}, "moving must be a fraction"),
        ({"fps": 0.0}, "fps and focal_mm must be positive"),
    ],
)
def test_bad_settings(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        config(tmp_path, **change)

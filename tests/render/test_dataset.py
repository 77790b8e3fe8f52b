"""Rendered data sets: deterministic, resumable, whole or not at all."""

import dataclasses
import errno
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from render.examples import arrays
from syncam import cli
from syncam.cameras import hemisphere, save_rig
from syncam.cameras.formats import read_extrinsics_json
from syncam.data.check import check_dataset
from syncam.data.dataset import ClipStore
from syncam.data.sources import open_dataset
from syncam.errors import InputError
from syncam.render.blender.environment import find_blender
from syncam.render.clip import compose, render_clip
from syncam.render.config import ATTEMPTS, RenderConfig, scene_folder, scene_seed
from syncam.render.dataset import missing_scenes, render_dataset
from syncam.render.rasterizer import Renderer
from syncam.render.scene import Scene


def config(out: Path, **change: Any) -> RenderConfig:
    values: dict[str, Any] = {"out": out, "num_scenes": 2, "num_views": 2, "num_frames": 3, "hw": (32, 48)}
    return RenderConfig(**(values | change))


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


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
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one == two
    assert {Path(name).suffix for name in one} >= {".mp4", ".npz", ".json", ".txt"}


def test_scenes_do_not_depend_on_which_others_there_are(tmp_path: Path, renderer: Renderer) -> None:
    small = config(tmp_path, hw=(64, 64), two_animals=0.5)
    forwards = [render_clip(small, index, renderer) for index in range(3)]
    backwards = [render_clip(small, index, renderer) for index in (2, 1, 0)][::-1]
    for (clip, made_by), (again, same) in zip(forwards, backwards, strict=True):
        assert torch.equal(clip.video, again.video) and json.dumps(made_by) == json.dumps(same)
    other = render_clip(dataclasses.replace(small, seed=1), 0, renderer)
    assert not torch.equal(other[0].video, forwards[0][0].video)
    assert other[1]["scene"] != forwards[0][1]["scene"]


def test_the_files_say_how_the_pictures_were_made(tmp_path: Path, renderer: Renderer) -> None:
    """The stored scene and cameras give the stored video and masks again."""
    moving = config(tmp_path, hw=(64, 64), moving=1.0, num_scenes=1)
    render_dataset(moving)
    (stored,) = ClipStore(tmp_path, "train").scenes
    clip = stored.read()
    made = Scene.from_json(json.loads((stored.path / "scene.json").read_text())["scene"])
    assert made.caption == clip.caption
    assert made.middle_s == pytest.approx(0.5 * (clip.num_frames - 1) / clip.fps), (
        "the animal is in its place at mid-clip"
    )
    times = [frame / clip.fps for frame in range(clip.num_frames)]
    rendering = renderer.render(made, *arrays(clip.cameras), times)
    video = torch.from_numpy(rendering.rgb).permute(0, 1, 4, 2, 3) / 255
    assert -10 * ((video - clip.video) ** 2).mean().log10() > 30
    assert clip.masks is not None
    assert (torch.from_numpy(rendering.mask) != clip.masks).double().mean() < 1e-3


def test_without_masks(tmp_path: Path) -> None:
    render_dataset(config(tmp_path, num_scenes=1, masks=False))
    (stored,) = ClipStore(tmp_path, "train").scenes
    assert stored.read().masks is None and not list(tmp_path.rglob("*.npz"))


def test_goes_on_where_it_stopped(tmp_path: Path) -> None:
    render_dataset(config(tmp_path, num_scenes=1))
    before = videos(tmp_path)
    seen: list[tuple[int, int, float]] = []
    summary = render_dataset(
        config(tmp_path, num_scenes=2), lambda done, total, numbers: seen.append((done, total, numbers["frames"]))
    )
    assert summary["rendered_scenes"] == 1 and seen == [(1, 2, 0), (2, 2, 2 * 3)]
    assert before.items() <= videos(tmp_path).items()


def test_a_killed_run_leaves_no_half_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("syncam.data.dataset.save_rig", killed)
    with pytest.raises(KeyboardInterrupt):
        render_dataset(config(tmp_path))
    assert list(config(tmp_path).folder.iterdir()) == []


def test_a_scene_that_cannot_be_rendered_keeps_no_other_from_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--scenes", "3", "--views", "1", "--frames", "1", "--size", "16x16"]
    in_the_way = tmp_path / "data" / "train" / "f24_aperture5" / "scene2"
    render_dataset(config(tmp_path / "data", num_scenes=1, num_views=1, num_frames=1, hw=(16, 16)))
    in_the_way.write_text("a file where a scene should be")
    with pytest.raises(SystemExit, match="1"):
        cli.main(["render", "--out", str(tmp_path / "data"), *small, "--json"])
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert (result["scenes"], result["rendered_scenes"]) == (2, 1)
    assert result["failed_scenes"] == ["train/f24_aperture5/scene2"]
    last = shown.err.splitlines()[-1]
    assert last.startswith("syncam: 1 of 3 scenes could not be rendered: train/f24_aperture5/scene2; ")
    assert "failures-train.jsonl says why" in last
    lines = (tmp_path / "data" / "failures-train.jsonl").read_text().splitlines()
    assert [json.loads(line)["attempt"] for line in lines] == list(range(ATTEMPTS))
    in_the_way.unlink()
    cli.main(["render", "--out", str(tmp_path / "data"), *small])
    render_dataset(config(tmp_path / "whole", num_scenes=3, num_views=1, num_frames=1, hw=(16, 16)))
    assert files(tmp_path / "data") == files(tmp_path / "whole")


def test_another_seed_gives_a_complete_scene_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(tmp_path, num_scenes=1)

    def broken(config: RenderConfig, index: int, attempt: int = 0):
        if attempt == 0:
            raise ZeroDivisionError("two\nlines")
        return compose(config, index, attempt)

    monkeypatch.setattr("syncam.render.workers.compose", broken)
    assert render_dataset(settings)["failed_scenes"] == []
    made_by = json.loads((settings.folder / "scene1" / "scene.json").read_text())["scene"]
    assert made_by["seed"] == scene_seed(settings, 0, 1) != scene_seed(settings, 0)
    assert "ZeroDivisionError: two lines; trying another seed" in caplog.text


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_takes_nothing_ends_the_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    tries = []

    def full(config: RenderConfig, index: int, *made: object, attempt: int) -> None:
        tries.append(index)
        raise OSError(number, os.strerror(number), str(config.out))

    monkeypatch.setattr("syncam.render.workers.write_scene", full)
    with pytest.raises(OSError, match=os.strerror(number)):
        render_dataset(config(tmp_path, num_frames=1))
    assert len(tries) == 1 and not (tmp_path / "failures-train.jsonl").exists()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    first = config(tmp_path, num_scenes=1)

    def second(done: int, total: int, numbers: object) -> None:
        with pytest.raises(InputError, match=r"another run renders the split train of .*; wait for it"):
            render_dataset(config(tmp_path, num_scenes=3))

    render_dataset(first, second)
    assert render_dataset(first)["rendered_scenes"] == 0


def test_what_killed_runs_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    settings = config(tmp_path, num_scenes=1)
    render_dataset(settings)
    whole = files(tmp_path)
    dead, alive = subprocess.Popen(["true"]), os.getppid()
    dead.wait()
    for name in (
        f".scene2.{dead.pid}.0123abcd",
        f".scene2.{alive}.0123abcd",
        ".scene2.mine",
        f".other.{dead.pid}.0123abcd",
    ):
        (settings.folder / name / "videos").mkdir(parents=True)
    (tmp_path / f".failures-train.{dead.pid}.0123abcd.jsonl").write_text("half")
    render_dataset(settings)
    left = {path.name for path in settings.folder.glob(".*")}
    assert left == {f".scene2.{alive}.0123abcd", ".scene2.mine", f".other.{dead.pid}.0123abcd"}
    assert files(tmp_path) == whole


def test_missing_scenes_are_found_by_one_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(tmp_path, num_scenes=13_600)
    for index in (0, 7, 13_599):
        (settings.folder / f"scene{index + 1}").mkdir(parents=True)
    (settings.folder / "scene3").write_text("no folder")
    looks: list[object] = []
    for name in ("scandir", "stat", "lstat", "listdir"):
        look = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *path, look=look, **options: looks.append(path) or look(*path, **options))
    missing = missing_scenes(settings)
    monkeypatch.undo()
    assert len(missing) == 13_600 - 3 and {0, 7, 13_599}.isdisjoint(missing)
    assert len(looks) <= 3


def test_other_settings_need_another_folder(tmp_path: Path) -> None:
    render_dataset(config(tmp_path, num_scenes=1))
    with pytest.raises(InputError, match="num_views was 2, is 3"):
        render_dataset(config(tmp_path, num_scenes=1, num_views=3))


def test_a_data_set_has_one_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both splits; settings from before there was a choice are those of the fast engine."""
    render_dataset(config(tmp_path, num_scenes=1))
    render_dataset(config(tmp_path, num_scenes=1, split="val"))
    path = tmp_path / "render-train.json"
    old = {key: value for key, value in json.loads(path.read_text()).items() if not key.startswith(("engine", "samp"))}
    path.write_text(json.dumps(old))
    render_dataset(config(tmp_path, num_scenes=1))
    monkeypatch.setattr("syncam.render.dataset._engine_version", lambda config: "4.5.15")
    for split in ("train", "val"):
        with pytest.raises(InputError, match=r"engine was fast, is blender; engine_version was None, is 4\.5\.15"):
            render_dataset(config(tmp_path, num_scenes=1, split=split, engine="blender"))


def test_clips_through_blender(tmp_path: Path) -> None:
    """The same scenes, cameras and captions as through the fast engine."""
    try:
        find_blender()
    except InputError as err:
        pytest.skip(f"needs Blender: {err}")
    cli.main(
        f"render --out {tmp_path} --scenes 1 --views 2 --frames 2 --size 32x48 --engine blender --samples 1".split()
    )
    (stored,) = ClipStore(tmp_path, "train").scenes
    render_dataset(config(tmp_path / "fast", num_scenes=1, num_frames=2))
    (fast,) = ClipStore(tmp_path / "fast", "train").scenes
    clip, other = stored.read(), fast.read()
    assert clip.video.shape == (2, 2, 3, 32, 48) and clip.caption == other.caption
    assert torch.equal(clip.cameras.c2w, other.cameras.c2w)
    assert clip.masks is not None and clip.masks.any()
    assert (clip.video - other.video).abs().mean() < 0.06
    settings = json.loads((tmp_path / "render-train.json").read_text())
    assert (settings["engine"], settings["samples"]) == ("blender", 1) and settings["engine_version"]
    assert not (tmp_path / ".blender").exists()


def test_scenes_lie_in_the_folders_of_their_lenses(tmp_path: Path) -> None:
    """With any number of processes, resumed, and read by all that reads data sets."""
    multi = {"cameras": "multicamvideo", "num_views": 2, "num_frames": 2, "hw": (16, 24)}
    summary = render_dataset(config(tmp_path / "one", num_scenes=1, **multi))
    assert summary["folder"] == str(tmp_path / "one" / "train")
    assert render_dataset(config(tmp_path / "one", num_scenes=3, **multi))["rendered_scenes"] == 2
    render_dataset(config(tmp_path / "two", num_scenes=3, num_workers=2, **multi))
    assert files(tmp_path / "one") == files(tmp_path / "two")
    one = config(tmp_path / "one", num_scenes=3, **multi)
    folders = {scene_folder(one, index) for index in range(3)}
    assert {scene.path for scene in ClipStore(tmp_path / "one").scenes} == folders
    assert len({folder.parent for folder in folders}) > 1
    dataset = open_dataset(tmp_path / "one")
    assert (dataset.kind, len(dataset)) == ("syncamvideo", 3)
    assert len(open_dataset(tmp_path / "one", split="train", kind="syncamvideo")) == 3
    assert check_dataset(dataset, workers=1)["problems"] == []
    for index in range(3):
        folder = scene_folder(one, index)
        told = json.loads((folder / "scene.json").read_text())["cameras"]
        assert folder.parent.name == f"f{told['focal_mm']:g}_aperture{told['aperture']:g}"


def test_camera_extrinsics_of_cameras_that_move(tmp_path: Path) -> None:
    """Every camera in every frame, and the lens in the name of the folder, as MultiCamVideo has them."""
    basic = config(tmp_path, cameras="multicamvideo", num_views=None, num_frames=3, num_scenes=1, hw=(16, 16))
    render_dataset(basic)
    (stored,) = ClipStore(tmp_path, "train").scenes
    published = stored.path / "cameras" / "camera_extrinsics.json"
    content = json.loads(published.read_text())
    assert list(content) == ["frame0", "frame1", "frame2"]
    assert all(list(frame) == [f"cam{view + 1:02d}" for view in range(10)] for frame in content.values())
    read = read_extrinsics_json(published, hw=(16, 16))
    torch.testing.assert_close(read.c2w, stored.cameras.c2w, atol=2e-5, rtol=0)
    torch.testing.assert_close(read.K, stored.cameras.K)
    assert not stored.cameras.is_static


def test_hemi36_and_own_rigs(tmp_path: Path) -> None:
    small = {"num_views": None, "num_frames": 2, "num_scenes": 1, "hw": (16, 16)}
    render_dataset(config(tmp_path, cameras="hemi36", split="val", **small))
    (stored,) = ClipStore(tmp_path, "val").scenes
    assert stored.num_views == 36 and stored.path.parent.name.startswith("Hemi36_")
    rig = tmp_path / "rig.json"
    save_rig(rig, hemisphere(views=3, radius=4.0, hw=(16, 16)))
    own = config(tmp_path, cameras=str(rig), **small)
    render_dataset(own)
    (stored,) = ClipStore(tmp_path, "train").scenes
    torch.testing.assert_close(stored.cameras.c2w, hemisphere(views=3, radius=4.0, num_frames=2).c2w)
    save_rig(rig, hemisphere(views=3, radius=4.5, hw=(16, 16)))
    os.utime(rig, (1, 1))
    with pytest.raises(InputError, match=r"own_rig was [0-9a-f]{16}, is [0-9a-f]{16}; use the same or choose another"):
        render_dataset(config(tmp_path, cameras=str(rig), **small))


def test_other_cameras_need_another_folder(tmp_path: Path) -> None:
    """Settings from before there was a choice are those of cameras on a hemisphere."""
    render_dataset(config(tmp_path, num_scenes=1, num_views=None))
    path = tmp_path / "render-train.json"
    saved = json.loads(path.read_text())
    assert (saved["num_views"], saved["radius"], saved["focal_mm"], saved["moving"]) == (4, [3.5, 9.0], 24.0, 0.0)
    path.write_text(json.dumps({key: value for key, value in saved.items() if key not in ("cameras", "own_rig")}))
    render_dataset(config(tmp_path, num_scenes=1, num_views=None))
    with pytest.raises(InputError, match="cameras was hemisphere, is syncamvideo"):
        render_dataset(config(tmp_path, num_scenes=1, cameras="syncamvideo"))


def test_a_scene_without_cameras_says_which(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = f"render --out {tmp_path} --scenes 1 --frames 2 --size 16x16 --cameras linear:views=2,spacing=60"
    with pytest.raises(SystemExit, match="1"):
        cli.main(command.split())
    assert capsys.readouterr().err.startswith("syncam: 1 of 1 scenes could not be rendered: train/")
    (told,) = {json.loads(line)["reason"][:48] for line in (tmp_path / "failures-train.jsonl").read_text().splitlines()}
    assert told == "scene1 of train: 30 attempts found no cameras tha"[:48]


def test_scenes_of_unknown_settings_in_any_folder(tmp_path: Path) -> None:
    (tmp_path / "train" / "f18_aperture10" / "scene7").mkdir(parents=True)
    with pytest.raises(InputError, match="holds scenes that were not rendered with a known configuration"):
        render_dataset(config(tmp_path, cameras="multicamvideo"))


def test_scenes_of_unknown_settings_are_not_mixed_with_new_ones(tmp_path: Path) -> None:
    settings = config(tmp_path)
    (settings.folder / "scene1").mkdir(parents=True)
    with pytest.raises(InputError, match="holds scenes that were not rendered with a known configuration"):
        render_dataset(settings)


@pytest.mark.parametrize("text", ["", "{", "7", "[1]"])
def test_damaged_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "render-train.json").write_text(text)
    with pytest.raises(InputError, match=r"^.*render-train\.json is damaged \(.*\); choose another --out$"):
        render_dataset(config(tmp_path))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="2"):
        cli.main(["render", "--out", str(tmp_path / "file" / "data"), "--scenes", "1"])
    error = capsys.readouterr().err.strip()
    assert error.startswith("syncam: error: ") and "file" in error and "\n" not in error


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
        ({"num_frames": 0}, "num_frames must be at least 1"),
        ({"num_workers": 0}, "num_workers must be at least 1"),
        ({"hw": (31, 32)}, "must be even"),
        ({"hw": (32, 47)}, "must be even"),
        ({"hw": (8, 32)}, "at least 16 pixels"),
        ({"seed": -1}, "seed not negative, got fps 8, focal_mm 24, seed -1$"),
        ({"focal_mm": float("nan")}, "fps and focal_mm must be positive"),
        ({"fps": float("inf")}, "fps and focal_mm must be positive"),
        ({"radius": (0.5, 3.0)}, "radius must be a rising range within 1..100, got 0.5..3"),
        ({"radius": (float("nan"), 3.0)}, "radius must be a rising range"),
        ({"elevation_deg": (-5.0, 20.0)}, "elevation_deg must be a rising range within 0..85"),
        ({"two_animals": -0.1}, "two_animals must be a fraction from 0 to 1, got -0.1"),
        ({"split": "test"}, "split must be one of train, val"),
        ({"radius": (5.0, 3.0)}, "radius must be a rising range"),
        ({"elevation_deg": (0.0, 90.0)}, "elevation_deg must be a rising range"),
        ({"moving": 1.5}, "moving must be a fraction"),
        ({"engine": "eevee"}, "engine must be one of fast, blender, got 'eevee'"),
        ({"samples": 4}, "samples must be at least 1 and belongs to engine blender, got 4"),
        ({"engine": "blender", "samples": 0}, "samples must be at least 1"),
        ({"fps": 0.0}, "fps and focal_mm must be positive"),
    ],
)
def test_bad_settings(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        config(tmp_path, **change)
    assert "\n" not in str(caught.value)

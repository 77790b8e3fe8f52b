"""Every sort of damage is found and named, and nothing else is; memory and processes stay bounded."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from data_package.layouts import MAKERS, make_dl3dv, make_syncamvideo, make_videos, ramp
from syncam import cli
from syncam.data import check as checking
from syncam.data.check import check_dataset
from syncam.data.sources import open_dataset
from syncam.data.video import write_video
from syncam.errors import InputError

SCENE = "train/f24_aperture5/scene1"


def found(root: Path, **options: object) -> list[tuple[str, str]]:
    report = check_dataset(open_dataset(root), captions=False, workers=1, **options)  # pyright: ignore
    return [(problem["sort"], Path(problem["file"]).name) for problem in report["problems"]]


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_nothing_is_wrong_with_whole_sets(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    dataset = open_dataset(make(tmp_path))
    report = check_dataset(dataset, captions=False, workers=1)
    assert [p for p in report["problems"] if p["sort"] != "duplicate"] == []
    assert report["scenes"] == len(dataset) and report["views"] == sum(scene.num_views for scene in dataset)
    assert report["frames"] == sum(scene.num_views * scene.num_frames for scene in dataset)


def break_header(folder: Path) -> None:
    path = folder / "videos/cam01.mp4"
    path.write_bytes(path.read_bytes()[:700])


DAMAGE = {
    "empty": (lambda s: (s / "videos/cam02.mp4").write_bytes(b""), ("broken", "cam02.mp4")),
    "cut": (break_header, ("broken", "cam01.mp4")),
    "short": (
        lambda s: write_video(s / "videos/cam02.mp4", ramp(frames=4)[0], 15),
        ("frames and cameras", "cam02.mp4"),
    ),
    "small": (lambda s: write_video(s / "videos/cam02.mp4", ramp(hw=(16, 16))[0], 15), ("wrong size", "cam02.mp4")),
    "no videos": (lambda s: [p.unlink() for p in (s / "videos").iterdir()], ("no pictures", "scene1")),
    "no cameras": (lambda s: shutil.rmtree(s / "cameras"), ("cameras", "scene1")),
    "bad cameras": (lambda s: (s / "cameras/camera_extrinsics.json").write_text("{}"), ("cameras", "scene1")),
    "bad caption": (lambda s: (s / "caption.txt").write_bytes(b"\xff"), ("caption", "scene1")),
    "no masks": (lambda s: (s / "masks").mkdir(), ("masks", "cam01.mp4")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_named(tmp_path: Path, damage: str) -> None:
    make_syncamvideo(tmp_path)
    change, expected = DAMAGE[damage]
    change(tmp_path / SCENE)
    quick = [problem for problem in found(tmp_path, quick=True) if problem[0] != "duplicate"]
    full = [problem for problem in found(tmp_path) if problem[0] != "duplicate"]
    assert expected in full
    assert {file for _, file in full} <= {expected[1], "cam02.mp4"}
    assert quick == ([] if damage == "no masks" else full)


def test_equal_files_and_scenes_unlike_the_rest(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path, scenes=3, views=1)
    videos = tmp_path / SCENE / "videos"
    shutil.copy(videos / "cam01.mp4", tmp_path / "train/f24_aperture5/scene2/videos/cam01.mp4")
    cameras = tmp_path / "train/f24_aperture5/scene3/cameras/camera_extrinsics.json"
    content = json.loads(cameras.read_text())
    cameras.write_text(json.dumps({key: content[key] for key in list(content)[:3]}))
    write_video(tmp_path / "train/f24_aperture5/scene3/videos/cam01.mp4", ramp(frames=3)[0], 15)
    assert found(tmp_path) == [("duplicate", "cam01.mp4"), ("short", "scene3")]


def test_missing_captions_and_pictures(tmp_path: Path) -> None:
    make_videos(tmp_path / "videos", captions=False)
    report = check_dataset(open_dataset(tmp_path / "videos"), workers=1)
    assert report["found"] == {"missing caption": 2} and report["captions"] == 0
    (make_dl3dv(tmp_path / "dl3dv") / "1K/0a1b/images_4/frame_00004.png").write_bytes(b"x")
    assert found(tmp_path / "dl3dv") == [("broken", "images_4")]
    assert found(tmp_path / "dl3dv", quick=True) == []


def test_what_was_read_is_not_kept(tmp_path: Path) -> None:
    dataset = open_dataset(make_syncamvideo(tmp_path))
    check_dataset(dataset, workers=1)
    assert all(set(scene.__dict__) == {"path", "text"} for scene in dataset)
    with pytest.raises(InputError, match="workers"):
        check_dataset(dataset, workers=0)


@pytest.mark.slow
def test_processes_find_the_same(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path)
    (tmp_path / SCENE / "videos/cam02.mp4").write_bytes(b"")
    seen: list[tuple[int, int]] = []
    dataset = open_dataset(tmp_path)
    one = check_dataset(dataset, workers=1)
    assert check_dataset(dataset, workers=2, progress=lambda *numbers: seen.append(numbers)) == one
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "SHOWN", 1)
    make_videos(tmp_path / "data")
    cli.main(["data", "check", str(tmp_path / "data"), "--workers", "1"])
    assert "nothing wrong" in capsys.readouterr().out
    for name in ("a.mp4", "more/b.mp4"):
        (tmp_path / "data" / name).write_bytes(b"")
    file = tmp_path / "report.json"
    with pytest.raises(SystemExit, match="1"):
        cli.main(["data", "check", str(tmp_path / "data"), "--workers", "1", "--report", str(file)])
    shown = capsys.readouterr().out
    assert "a.mp4 is empty (0 bytes)" in shown and "and 1 more" in shown
    with pytest.raises(SystemExit, match="1"):
        cli.main(["data", "check", str(tmp_path / "data"), "--workers", "1", "--json"])
    assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())
    with pytest.raises(SystemExit, match="2"):
        cli.main(["data", "check", str(tmp_path / "none")])

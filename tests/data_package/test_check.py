"""Every sort of damage is found and named, and nothing else is; memory and processes stay bounded."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from data_package.layouts import HW, MAKERS, make_dl3dv, make_syncamvideo, make_videos, ramp
from syncam import cli
from syncam.data import check as checking
from syncam.data import decoding
from syncam.data.check import check_dataset
from syncam.data.dataset import ClipStore, write_mask
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


def become_folder(folder: Path) -> None:
    (folder / "videos/cam02.mp4").unlink()
    (folder / "videos/cam02.mp4").mkdir()


def become_link(place: Path) -> None:
    """A link to itself."""
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    place.symlink_to(place.name)


def break_masks(folder: Path) -> None:
    (folder / "masks").mkdir()
    for name in ("cam01", "cam02"):
        write_mask(folder / f"masks/{name}.npz", torch.zeros(5, *HW, dtype=torch.bool))
    content = (folder / "masks/cam02.npz").read_bytes()
    (folder / "masks/cam02.npz").write_bytes(content[:-40])


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
    "folder": (become_folder, ("broken", "cam02.mp4")),
    "link": (lambda s: become_link(s / "videos/cam02.mp4"), ("broken", "cam02.mp4")),
    "linked folder": (lambda s: become_link(s / "videos"), ("no pictures", "scene1")),
    "broken masks": (break_masks, ("masks", "cam02.mp4")),
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
    assert quick == ([] if "masks" in damage else full)


def test_what_lies_among_scenes_and_is_none(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path)
    folder = tmp_path / "train/f24_aperture5"
    (folder / "scene3/cameras").mkdir(parents=True)
    (folder / "back").symlink_to(tmp_path)
    (folder / "self").symlink_to("self")
    (folder / "linked").symlink_to(folder / "scene1")
    (folder / ".scene9.1.00000000/videos").mkdir(parents=True)
    (folder / "notes.txt").write_text("")
    dataset = open_dataset(tmp_path)
    assert [dataset.name(scene) for scene in dataset] == [
        "train/f24_aperture5/linked",
        "train/f24_aperture5/scene1",
        "train/f24_aperture5/scene2",
        "val/basic",
    ]
    assert [scene.path.name for scene in ClipStore(tmp_path).scenes] == ["linked", "scene1", "scene2"]
    report = check_dataset(dataset, captions=False, quick=True, workers=1)
    strays = {Path(p["file"]).name: p["message"] for p in report["problems"] if p["sort"] == "no scene"}
    assert strays.keys() == {"scene3", "back", "self"}
    assert "lies among scenes and is none; expected <split>/<lens>/<scene>/videos" in strays["scene3"]
    assert strays["back"].endswith("is a link to a folder that it lies in")
    assert strays["self"].endswith("is a link that leads nowhere")
    assert report["found"]["duplicate"] == 3 + 2  # within scenes, and the linked scene


def test_names_that_are_no_utf8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_videos(tmp_path, captions=False)
    (tmp_path / "a.mp4").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    file = tmp_path / "report.json"
    with pytest.raises(SystemExit, match="1"):
        cli.main(["data", "check", str(tmp_path), "--workers", "1", "--report", str(file)])
    assert r"caf\udce9.mp4 has no caption" in capsys.readouterr().out
    assert json.loads(file.read_text())["found"] == {"missing caption": 2}


def test_videos_are_opened_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(make_syncamvideo(tmp_path))
    opened: list[str] = []
    plain = decoding.av.open
    monkeypatch.setattr(
        decoding.av, "open", lambda file, *how, **more: opened.append(file) or plain(file, *how, **more)
    )
    check_dataset(dataset, quick=True, captions=False, workers=1)
    assert len(opened) == len(set(opened)) == 6


def test_equal_lengths_are_not_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = checking._digest
    monkeypatch.setattr(checking, "ENDS", 8)
    monkeypatch.setattr(checking, "_digest", lambda file: read.append(file.name) or plain(file))
    make_videos(tmp_path)
    content = (tmp_path / "a.mp4").read_bytes() + b"-" * 8
    for name, changed in (("g.mp4", content[:-1] + b"x"), ("c.mp4", content), ("d.mp4", b"y" + content[1:])):
        (tmp_path / name).write_bytes(changed)
    (tmp_path / "e.mp4").write_bytes(content[: len(content) // 2] + b"zz" + content[len(content) // 2 + 2 :])
    (tmp_path / "f.mp4").write_bytes(content)
    report = check_dataset(open_dataset(tmp_path), quick=True, captions=False, workers=1)
    assert [p["file"] for p in report["problems"] if p["sort"] == "duplicate"] == [str(tmp_path / "f.mp4")]
    assert {"c.mp4", "e.mp4", "f.mp4"} <= set(read) and not {"d.mp4", "g.mp4"} & set(read)


@pytest.mark.parametrize("number", [2000, pytest.param(30_000, marks=pytest.mark.slow)])
def test_many_scenes_are_found_in_one_look_at_every_folder(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = tmp_path / "scene"
    (scene / "videos").mkdir(parents=True)
    (scene / "videos/cam01.mp4").write_bytes(b"")
    folder = tmp_path / "set/train/f24_aperture5"
    folder.mkdir(parents=True)
    for index in range(number):
        os.symlink(scene, folder / f"scene{index}")
    calls: Counter[str] = Counter()
    for name in ("scandir", "stat", "lstat", "listdir", "open"):
        plain = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, plain=plain, name=name, **k: calls.update([name]) or plain(*a, **k))
    names = [found.path.name for found in open_dataset(tmp_path / "set")]
    assert names == [f"scene{index}" for index in range(number)]
    assert calls["scandir"] <= number + 50 and calls.total() <= number + 250
    calls.clear()
    assert len(ClipStore(tmp_path / "set")) == number and calls.total() <= number + 250


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

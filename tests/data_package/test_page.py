"""docs/data.md: its code runs, its camera file loads, and its layout is the one that is written."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from data_package.layouts import make_realestate, make_videos
from syncam.cameras import hemisphere, load_rig
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import ClipStore, write_clip
from syncam.data.labels import write_labels
from syncam.data.shard_writer import write_shards
from syncam.data.sources import open_dataset

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def clip(views: int, frames: int, hw: tuple[int, int]) -> MultiViewClip:
    cameras = hemisphere(views=views, radius=4, num_frames=frames, hw=hw, focal_mm=18)
    masks = torch.zeros(views, frames, *hw, dtype=torch.bool)
    return MultiViewClip(torch.rand(views, frames, 3, *hw), cameras, "a red horse", 15, masks)


def test_the_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip("data/train/f24_aperture5/scene1", clip(3, 5, (64, 96)), scene={})
    published = Path("SynCamVideo/train/f18_aperture10/scene1")
    write_clip(published, clip(2, 5, (128, 128)))
    (published / "cameras" / "rig.json").unlink()
    (published / "caption.txt").unlink()
    make_realestate(Path("RealEstate10K"))
    make_videos(Path("clips"))
    anything, mixed, read, labels, own, resized, shards, captioned = blocks("python")

    exec(compile(anything, "anything", "exec"), {})
    assert "syncamvideo 1" in capsys.readouterr().out
    exec(compile(mixed, "mixed", "exec"), {})
    assert "Draw(part=" in capsys.readouterr().out
    exec(compile(captioned, "captioned", "exec"), {})
    assert capsys.readouterr().out == "1 []\n"
    assert Path("captions.csv").read_text().startswith("path,text\ntrain/f18_aperture10/scene1,a ")
    exec(compile(read, "read", "exec"), {})
    assert Path("sheet.png").is_file()
    arrays = {"depth": np.ones((3, 5, 64, 96)), "flow_forward": np.zeros((3, 5, 64, 96, 2))}
    arrays |= {"joints": np.zeros((3, 5, 1, 24, 3)), "visibility": np.ones((5, 1, 3, 3))}
    write_labels("data/train/f24_aperture5/scene1", ["cam01", "cam02", "cam03"], arrays, 15)
    names: dict = {}
    exec(compile(labels, "labels", "exec"), names)
    assert names["depth"].shape == (2, 64, 96) and names["visibility"].shape == (5, 1, 3)
    exec(compile(own, "own", "exec"), {})
    assert ClipStore("own", "train")[0].read().caption == "a white noise in a room"
    write_shards(open_dataset("data"), "shards")
    exec(compile(shards, "shards", "exec"), {})
    assert "shards 1 train/f24_aperture5/scene1" in capsys.readouterr().out
    again = Path("again/train/f24_aperture5/scene1/cameras/rig.json")
    assert again.read_bytes() == Path("data", *again.parts[1:]).read_bytes()

    exec(compile(resized, "resized", "exec"), {})
    before, after = (ClipStore(root, "train")[0] for root in ("SynCamVideo", "small"))
    assert after.path.name == "scene1" and after.read().video.shape == (2, 5, 3, 48, 80)
    assert torch.equal(before.cameras.c2w.round(decimals=6), after.cameras.c2w.round(decimals=6))
    points = torch.tensor([[0.3, -0.2, 1.0], [-0.4, 0.3, 0.6]], dtype=torch.float64)
    pixels, _ = before.cameras.project(points)
    moved = (pixels - torch.tensor([0, (128 - 77) // 2])) * torch.tensor([80 / 128, 48 / 77])
    torch.testing.assert_close(after.cameras.project(points)[0], moved)


def test_the_camera_file_loads(tmp_path: Path) -> None:
    (example,) = blocks("json")
    (tmp_path / "rig.json").write_text(example)
    cameras = load_rig(tmp_path / "rig.json")
    assert cameras.positions.tolist() == [[[4, 0, 0.8]]]
    content = json.loads(example)
    for key in content.keys() - {"schema"}:
        (tmp_path / "rig.json").write_text(json.dumps({k: value for k, value in content.items() if k != key}))
        with pytest.raises(ValueError, match=r"rig\.json"):
            load_rig(tmp_path / "rig.json")


def test_the_layout_is_the_one_that_is_written(tmp_path: Path) -> None:
    write_clip(tmp_path / "scene1", clip(1, 2, (16, 32)), scene={})
    written = {path.relative_to(tmp_path / "scene1").as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    layout = re.search(r"^## Layout\n\n```\n(.*?)```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert layout
    assert written == set(re.findall(r"^    (\S+?),?(?: .*)?$", layout.group(1), re.MULTILINE))

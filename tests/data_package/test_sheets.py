"""Contact sheets of scenes and data sets: which pictures are on them, and that nothing else is read."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data_package.layouts import MAKERS, make_syncamvideo, ramp
from data_package.viewer.sets import TRAIN, make_set, numbers
from syncam import cli
from syncam.data import sheets
from syncam.data.footage import VideoFile
from syncam.data.sheets import make_sheet, spread, write_sheet
from syncam.data.sources import open_dataset
from syncam.data.video import LABEL_HEIGHT, contact_sheet, write_video
from syncam.errors import InputError


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("set"), scenes=3, views=2, frames=9)


def cells(sheet: Image.Image, rows: int, columns: int, heading: int) -> list[list[list[int]]]:
    """Scene, view and frame of every picture of a sheet."""
    pixels = np.asarray(sheet)
    height, width = pixels.shape[0] // rows, pixels.shape[1] // columns
    return [
        [numbers(pixels[r * height + heading : (r + 1) * height, c * width : (c + 1) * width]) for c in range(columns)]
        for r in range(rows)
    ]


def test_a_scene_has_a_row_for_every_view(root: Path) -> None:
    sheet, rows = make_sheet(open_dataset(root), [1], views="all", num_columns=3)
    assert rows == 2
    assert cells(sheet, 2, 3, 2 * LABEL_HEIGHT) == [[[2, view, frame] for frame in (0, 4, 8)] for view in range(2)]


def test_a_data_set_has_a_row_for_every_scene(root: Path) -> None:
    sheet, rows = make_sheet(open_dataset(root), [0, 2], views="first", num_columns=2)
    assert rows == 2
    assert cells(sheet, 2, 2, 2 * LABEL_HEIGHT) == [[[scene, 0, frame] for frame in (0, 8)] for scene in (1, 3)]


def test_one_column_becomes_a_block(root: Path) -> None:
    sheet, rows = make_sheet(open_dataset(root), [0, 1, 2], views="first", num_columns=1)
    assert rows == 3
    (first, second), (third, empty) = cells(sheet, 2, 2, LABEL_HEIGHT)
    assert [first, second, third] == [[1, 0, 0], [2, 0, 0], [3, 0, 0]] and empty == [255] * 3, "white is left"


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_every_kind_of_data_set(tmp_path: Path, make: object) -> None:
    make(tmp_path)  # pyright: ignore[reportCallIssue]
    result = write_sheet(tmp_path / "sheet.png", open_dataset(tmp_path), num_columns=2)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height % result["rows"] == 0 and result["scenes"] == result["rows"] > 0


def test_scenes_are_spread_evenly() -> None:
    assert spread(100, 5) == [0, 25, 50, 74, 99] == spread(100, 5)
    assert spread(3, 12) == [0, 1, 2] and spread(13_600, 36)[-1] == 13_599 and spread(7, 1) == [0]
    with pytest.raises(InputError, match="at least 1, got 0"):
        spread(5, 0)


def test_only_what_is_shown_is_read(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 scenes, two are opened, and of them the frames that are on the sheet."""
    for index in range(200):
        (tmp_path / "train" / f"scene{index}").mkdir(parents=True)
        (tmp_path / "train" / f"scene{index}" / "videos").symlink_to(root / TRAIN / "scene1" / "videos")
    seen = []
    read = VideoFile.read
    monkeypatch.setattr(
        VideoFile, "read", lambda self, frames, hw: seen.append((self.path, frames)) or read(self, frames, hw)
    )
    dataset = open_dataset(tmp_path, kind="syncamvideo")
    assert write_sheet(tmp_path / "sheet.png", dataset, num_scenes=2, num_columns=3)["rows"] == 2
    videos = [tmp_path / "train" / f"scene{index}" / "videos" / "cam01.mp4" for index in (0, 199)]
    assert seen == [(video, [0, 4, 8]) for video in videos]
    assert all(set(scene.__dict__) <= {"path", "text"} for scene in dataset)


def test_damage_is_grey_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_set(tmp_path, scenes=2, views=2, frames=3)
    (tmp_path / TRAIN / "scene1/videos/cam01.mp4").write_bytes(b"")
    for video in (tmp_path / TRAIN / "scene2/videos").iterdir():
        video.unlink()
    sheet, rows = make_sheet(open_dataset(tmp_path), [0, 1], views="all", num_columns=2)
    assert rows == 3 and "cam01.mp4 is empty" in caplog.text and "holds no mp4 files" in caplog.text
    damaged, whole, missing = cells(sheet, 3, 2, 2 * LABEL_HEIGHT)
    assert whole == [[1, 1, 0], [1, 1, 2]] and damaged == missing == [[0, 0, 0]] * 2
    (tmp_path / TRAIN / "scene1/videos/cam02.mp4").write_bytes(b"")
    with pytest.raises(InputError, match="no picture of these scenes can be read"):
        make_sheet(open_dataset(tmp_path), [0, 1], views="all", num_columns=2)


def test_other_sizes_and_lengths_keep_their_proportions(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", ramp(hw=(480, 960))[0], 8)
    write_video(tmp_path / "b.mp4", torch.full((2, 3, 64, 32), 0.5), 8)
    sheet, _ = make_sheet(open_dataset(tmp_path), [0, 1], views="first", num_columns=5)
    assert sheet.width == 5 * 240 and sheet.height == 2 * (120 + 2 * LABEL_HEIGHT)
    second = np.asarray(sheet)[-120:, :, 0]
    assert (second[:, :80] < 10).all() and (abs(second[10:-10, 95:145].astype(int) - 127) < 8).all()
    assert (second[:, 480:] == 255).all(), "there are two frames"


def test_titles_that_are_too_long_keep_their_end() -> None:
    video = ramp(2, 2)
    plain = contact_sheet(video, 2, titles=["end", "end"], times=[["0", "1"]] * 2)
    long = contact_sheet(video, 2, titles=["x" * 500 + "end", "end"], times=[["0", "1"]] * 2)
    assert plain.size == long.size and np.asarray(plain)[:LABEL_HEIGHT].mean() > np.asarray(long)[:LABEL_HEIGHT].mean()


def test_nothing_is_half_written(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"out must end in .png, .jpg"):
        write_sheet(tmp_path / "sheet.txt", open_dataset(root))
    monkeypatch.setattr(Image.Image, "save", lambda self, path: Path(path).write_bytes(b"x") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_sheet(tmp_path / "sheet.png", open_dataset(root))
    assert list(tmp_path.iterdir()) == []


def test_sheets_are_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MOST_PICTURES", 5)
    with pytest.raises(InputError, match="3 rows of 2 pictures, above 5; take fewer"):
        make_sheet(open_dataset(root), [0, 1, 2], views="first", num_columns=2)
    with pytest.raises(InputError, match="columns must be at least 1, got 0"):
        make_sheet(open_dataset(root), [0], views="first", num_columns=0)


def test_the_verb(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "sheet.png"
    cli.main(["data", "sheet", str(root), "--out", str(out), "--scenes", "2", "--columns", "2", "--json"])
    assert json.loads(capsys.readouterr().out) == {"file": str(out), "scenes": 2, "rows": 2, "columns": 2}
    first = out.read_bytes()
    cli.main(["data", "sheet", str(root), "--out", str(out), "--scenes", "2", "--columns", "2"])
    assert out.read_bytes() == first, "the same choice"
    cli.main(["data", "sheet", str(root), "--out", str(out), "--scene", "scene3", "--columns", "2"])
    with Image.open(out) as sheet:
        assert cells(sheet, 2, 2, 2 * LABEL_HEIGHT)[1] == [[3, 1, 0], [3, 1, 8]]
    capsys.readouterr()
    for arguments, complaint in (
        (["--scene", "1", "--scenes", "3"], "give one of the two"),
        (["--scene", "9"], "no scene is called '9'"),
        (["--scenes", "0"], "at least 1, got 0"),
    ):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["data", "sheet", str(root), "--out", str(out), *arguments])
        assert complaint in capsys.readouterr().err


def test_splits_are_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_syncamvideo(tmp_path)
    arguments = ["data", "sheet", str(tmp_path), "--out", str(tmp_path / "sheet.png"), "--json"]
    cli.main([*arguments, "--split", "val"])
    assert json.loads(capsys.readouterr().out)["scenes"] == 1
    cli.main(arguments)
    assert json.loads(capsys.readouterr().out)["scenes"] == 3

"""Captions from tables and models, wherever a data set keeps them, and lenses from folder names."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from data_package.captioners import save_blip
from data_package.layouts import HW, MAKERS, make_dl3dv, make_realestate, make_syncamvideo, make_videos
from data_package.test_unpack import archive
from syncam import cli
from syncam.data import caption_tables
from syncam.data.caption_tables import CaptionTable, fit_names, read_captions
from syncam.data.captions import caption_from_table, caption_scenes, describe_captions, write_lenses
from syncam.data.sources import open_dataset
from syncam.errors import InputError

SCENES = "train/f24_aperture5"


def captions_of(root: Path, **options: object) -> dict[str, str]:
    dataset = open_dataset(root, **options)  # pyright: ignore[reportArgumentType]
    return {dataset.name(scene): scene.caption for scene in dataset}


def bright(frames: torch.Tensor) -> str:
    return f"{len(frames)} frames,  {'bright' if frames.mean() > 0.4 else 'dark'}\n"


def test_texts_of_scenes_and_of_their_videos(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path / "Set")
    table = tmp_path / "captions.csv.txt"
    table.write_text(
        "path,text\nf24_aperture5/scene1/videos/cam02.mp4,a dance\n"
        "f24_aperture5/scene1/videos/cam01.mp4,another\nval/basic,a walk\nval/lost,x\nscene2,\n"
    )
    report = caption_from_table(open_dataset(tmp_path), table)
    assert (report.captioned, report.kept, report.unknown) == (2, 0, ["val/lost"])
    assert report.without == ["Set/train/f24_aperture5/scene2"]
    assert list(captions_of(tmp_path / "Set").values()) == ["a dance", "", "a walk"]
    table.write_text("path,text\nval/basic,new\n")
    assert caption_from_table(open_dataset(tmp_path), table).kept == 2
    assert caption_from_table(open_dataset(tmp_path), table, overwrite=True).captioned == 1
    assert (tmp_path / "Set/val/basic/caption.txt").read_text() == "new\n"
    shown = describe_captions(report)
    assert shown["in the table, not there"] == ["1", "val/lost"] and shown["failed"] is None


def test_entries_mean_scenes_by_any_part_of_their_path() -> None:
    names = ["train/f18/scene1", "train/f24/scene1", "train/f24/scene2", "val/basic", "x/clip.v2"]
    fitting, unknown = fit_names(
        names,
        [
            "Set/train/f18/scene1",
            "f24/scene1/videos/cam01.mp4",
            "./scene2",
            "other/basic",
            "basic",
            "f35/scene2",
            "basic/x",
        ],
    )
    assert {entry: names[number] for entry, number in fitting.items()} == {
        "Set/train/f18/scene1": "train/f18/scene1",
        "f24/scene1/videos/cam01.mp4": "train/f24/scene1",
        "./scene2": "train/f24/scene2",
        "basic": "val/basic",
    }
    assert unknown == ["other/basic", "f35/scene2", "basic/x"]
    with pytest.raises(InputError, match=r"scene1 could be train/f18/scene1 or train/f24/scene1; write more"):
        fit_names(names, ["scene1"])
    files = ["train/a.txt", "more.mp4", "more/b.mp4"]
    assert fit_names(files, ["a", "train/a.mp4", "b", "more/b", "more/c.mp4", "more"]) == (
        {"a": 0, "train/a.mp4": 0, "b": 2, "more/b": 2, "more": 1},
        ["more/c.mp4"],
    )


def test_tables_in_lines_of_json(tmp_path: Path) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text('{"file_name": "a.mp4", "caption": " é "}\n\n{"scene": "b", "prompt": "two\\nlines", "n": 1}\n')
    assert read_captions(table) == {"a.mp4": "é", "b": "two\nlines"}
    bad = [
        (b"[1]", "line 1: expected an object"),
        (b'{"path": "a"}', "line 1: expected the words path or"),
        (b'{"path": 1, "text": "a"}', "line 1: expected the words path or"),
        (b'\n{"path"', "line 2: no JSON"),
        (b'{"path": "a", "text": "\xff"}', "line 1: no JSON"),
        (b'{"path": "../a", "text": "x"}', "leads out"),
        (b'{"path": "a", "text": "x"}\n{"path": "a", "text": "y"}', "line 2: a stands there twice"),
    ]
    for content, message in bad:
        table.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_captions(table)
    with pytest.raises(InputError, match="does not exist"):
        read_captions(tmp_path / "none.jsonl")


@pytest.mark.parametrize(("kind", "make"), MAKERS.items(), ids=MAKERS)
def test_every_layout_keeps_what_is_said(tmp_path: Path, kind: str, make: Callable[..., Path]) -> None:
    root = make(tmp_path / "set", **({"captions": False} if kind == "videos" else {}))
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    seen: list[tuple[int, int]] = []
    dataset = open_dataset(root)
    report = caption_scenes(dataset, bright, num_frames=2, progress=lambda *numbers: seen.append(numbers))
    assert (report.captioned, report.failed, seen[-1]) == (len(dataset), [], (len(dataset), len(dataset)))
    captions = captions_of(root)
    assert len(captions) == len(dataset) and {text.split(",")[0] for text in captions.values()} == {"2 frames"}
    assert all(text == " ".join(text.split()) for text in captions.values())
    assert all(path.read_bytes() == content for path, content in before.items())
    new = {path.name for path in root.rglob("*") if path.is_file() and path not in before}
    assert new == ({"captions.csv"} if kind in ("realestate10k", "videos") else {"caption.txt"})
    again = caption_scenes(open_dataset(root), lambda frames: "other")
    assert (again.captioned, again.kept) == (0, len(dataset)) and captions_of(root) == captions
    for split in ("train", "1K"):
        if (root / split).is_dir():
            assert set(captions_of(root, split=split).items()) <= set(captions.items())


def test_frames_are_spread_over_one_view(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path)
    levels: list[list[float]] = []

    def look(frames: torch.Tensor) -> str:
        levels.append(frames.mean((1, 2, 3)).tolist())
        return "x"

    whole = open_dataset(tmp_path)[2].read(views=[1]).video[0].mean((1, 2, 3)).tolist()
    for count, expected in ((1, [2]), (2, [1, 3]), (9, [0, 1, 2, 3, 4])):
        caption_scenes(open_dataset(tmp_path, "val"), look, num_frames=count, view="cam02", overwrite=True)
        assert levels[-1] == pytest.approx([whole[frame] for frame in expected], abs=1e-4)
    report = caption_scenes(open_dataset(tmp_path, "val"), look, view="cam09", overwrite=True)
    assert "has no view cam09; expected one of cam01, cam02" in report.failed[0]
    for wrong in ({"num_frames": 0}, {"batch_size": 2}):
        with pytest.raises(InputError, match="batch"):
            caption_scenes(open_dataset(tmp_path), look, **wrong)


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path)
    (tmp_path / SCENES / "scene1/videos/cam01.mp4").write_bytes(b"")
    (tmp_path / "val/basic/caption.txt").write_bytes(b"\xff")
    report = caption_scenes(open_dataset(tmp_path), bright)
    assert report.captioned == 1 and report.kept == 0
    assert ["cam01.mp4 is empty" in line or "caption.txt is not UTF-8" in line for line in report.failed] == [True] * 2
    report = caption_scenes(open_dataset(tmp_path), lambda frames: " \n", overwrite=True)
    assert report.captioned == 0 and "nothing to say" in report.failed[-1]


def test_a_table_instead(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path / "set")
    (tmp_path / "set/val/basic/caption.txt").write_text("a walk\n")
    out = tmp_path / "own.csv"
    report = caption_scenes(open_dataset(tmp_path / "set"), bright, out=out, overwrite=True)
    assert report.captioned == 3 and report.written_to == str(out)
    assert captions_of(tmp_path / "set")["val/basic"] == "a walk"
    assert captions_of(tmp_path / "set", captions=out)["val/basic"].startswith("1 frames")
    out.write_text("path,text\nlost,x\n")
    with pytest.raises(InputError, match=r"written to a \.csv, got t\.jsonl"):
        caption_scenes(open_dataset(tmp_path / "set"), bright, out="t.jsonl")
    with pytest.raises(InputError, match=r"own\.csv names none of the scenes of .*/set, such as train/f24_aperture5"):
        open_dataset(tmp_path / "set", captions=out)


def test_stopped_runs_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caption_tables, "SAVE_SECONDS", -1)
    root = make_realestate(tmp_path)
    told: list[str] = []

    def stopping(frames: torch.Tensor) -> str:
        if len(told) == 1:
            raise KeyboardInterrupt
        told.append("a house")
        return told[-1]

    with pytest.raises(KeyboardInterrupt):
        caption_scenes(open_dataset(root), stopping)
    assert (root / "captions.csv").read_text() == "path,text\ntrain/aaa.txt,a house\n"
    report = caption_scenes(open_dataset(root), bright)
    assert (report.captioned, report.kept) == (1, 1)
    assert captions_of(root)["train/aaa.txt"] == "a house"


def test_tables_are_written_in_order_and_read_back(tmp_path: Path) -> None:
    table = CaptionTable(tmp_path / "t.csv")
    for name, text in (("clip10", 'says "hi", and\ngoes'), ("clip2", "é")):
        table.add(name, text)
    table.save()
    assert list(read_captions(tmp_path / "t.csv").items()) == [("clip2", "é"), ("clip10", 'says "hi", and\ngoes')]
    stamp = (tmp_path / "t.csv").stat().st_mtime_ns
    CaptionTable(tmp_path / "t.csv").save()
    assert (tmp_path / "t.csv").stat().st_mtime_ns == stamp


def test_lenses_stay_with_moved_scenes(tmp_path: Path) -> None:
    make_syncamvideo(tmp_path)
    (tmp_path / SCENES).rename(tmp_path / "train/f35_aperture2.4")
    assert write_lenses(tmp_path) == 2
    file = tmp_path / "train/f35_aperture2.4/scene1/cameras/lens.json"
    assert json.loads(file.read_text()) == {"focal_mm": 35, "aperture": 2.4, "sensor_mm": 23.76}
    shutil.move(tmp_path / "train/f35_aperture2.4/scene1", tmp_path / "val/moved")
    cameras = open_dataset(tmp_path, "val")[1].cameras
    assert cameras is not None
    torch.testing.assert_close(cameras.K[0, 0, 0, 0].item(), 35 / 23.76 * HW[1])
    (tmp_path / "val/moved/cameras/lens.json").write_text("[]")
    with pytest.raises(InputError, match=r"lens\.json"):
        _ = open_dataset(tmp_path, "val")[1].cameras


@pytest.mark.parametrize(
    ("folder", "focal_mm", "aperture"),
    [("f18_aperture10", 18, 10), ("f24_aperture5", 24, 5), ("f35_aperture2.4", 35, 2.4), ("f50_aperture2.4", 50, 2.4)],
)
def test_every_published_lens(tmp_path: Path, folder: str, focal_mm: float, aperture: float) -> None:
    make_syncamvideo(tmp_path, scenes=1)
    (tmp_path / SCENES).rename(tmp_path / "train" / folder)
    assert write_lenses(tmp_path) == 1
    kept = json.loads((tmp_path / "train" / folder / "scene1/cameras/lens.json").read_text())
    assert kept == {"focal_mm": focal_mm, "aperture": aperture, "sensor_mm": 23.76}
    for _ in range(2):
        cameras = open_dataset(tmp_path, "train")[0].cameras
        assert cameras is not None
        torch.testing.assert_close(cameras.K[0, 0, 0, 0].item(), focal_mm / 23.76 * HW[1])
        (tmp_path / "train" / folder / "scene1/cameras/lens.json").unlink(missing_ok=True)  # the folder says it as well


def test_a_model_captions_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_blip(tmp_path / "model")
    make_dl3dv(tmp_path / "data")
    arguments = ["data", "caption", str(tmp_path / "data"), "--model", str(tmp_path / "model"), "--max-tokens", "4"]
    cli.main([*arguments, "--batch", "2", "--device", "cpu", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["captioned"] == 1 and report["failed"] == []
    [caption] = captions_of(tmp_path / "data").values()
    assert set(caption.split()) == {"cat"}
    cli.main(arguments)
    assert "kept" in capsys.readouterr().out


def test_the_verb_reads_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, table = make_videos(tmp_path / "clips"), tmp_path / "t.csv"
    table.write_text("file_name,text\nb,a bird\nlost.mp4,x\n")
    with pytest.raises(SystemExit, match="1"):
        cli.main(["data", "caption", str(root), "--table", str(table), "--overwrite"])
    assert "lost.mp4" in capsys.readouterr().out
    assert captions_of(root) == {"a.mp4": "a cat, asleep", "more/b.mp4": "a bird"}
    wrong = (["--model", "m", "--table", str(table)], [], ["--table", str(table), "--frames", "2"])
    messages = ("one of the two", "one of the two", "--frames is for --model")
    for arguments, message in zip(wrong, messages, strict=True):
        with pytest.raises(SystemExit, match="2"):
            cli.main(["data", "caption", str(root), *arguments])
        assert message in capsys.readouterr().err


def test_unpacking_captions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "captions.csv").write_text("path,text\nSet/train/f24_aperture5/scene0,a dance\n")
    source, out = archive(tmp_path / "Set.tar.gz"), tmp_path / "out"
    cli.main(["data", "unpack", str(source), "--out", str(out), "--captions", str(tmp_path / "captions.csv"), "--json"])
    result = json.loads(capsys.readouterr().out)
    assert result["files written"] == 4 and result["captions"] == 1
    assert (out / "Set/train/f24_aperture5/scene0/caption.txt").read_text() == "a dance\n"
    (tmp_path / "captions.csv").write_text("path,text\nscene9,a dance\n")
    with pytest.raises(SystemExit, match="1"):
        cli.main(["data", "unpack", str(source), "--out", str(out), "--captions", str(tmp_path / "captions.csv")])
    assert "scene9" in capsys.readouterr().out

"""The reshoot verb: what it writes, skips and refuses, from every kind of source."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from pipelines.conftest import trained_like_reshoot_adapter
from syncam import cli
from syncam.cameras import load_rig, parse_rig, save_rig
from syncam.cameras.trained_range import TrainedRange, save_trained_range
from syncam.data.frame_stream import FrameStream
from syncam.data.video import read_video, write_video
from syncam.errors import InputError
from syncam.pipelines import reshoot_run as verb
from syncam.pipelines import results
from syncam.pipelines.reshoot_run import ReshootConfig, run


def write(path: Path, frames: int = 5, hw: tuple[int, int] = (32, 64), fps: float = 12.0) -> Path:
    generator = torch.Generator().manual_seed(frames)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, torch.rand(frames, 3, *hw, generator=generator), fps)
    return path


@pytest.fixture
def settings(wan_folder: Path, reshoot_folder: Path, tmp_path: Path) -> dict:
    return {
        "source": write(tmp_path / "clip.mp4"),
        "move": ("arc 30",),
        "prompt": "a red horse",
        "model": str(wan_folder),
        "adapter": str(reshoot_folder),
        "out": tmp_path / "out",
        "hw": (16, 32),
        "num_frames": 5,
        "steps": 1,
        "guidance": 1.0,
        "dtype": "float32",
        "device": "cpu",
    }


def test_writes_everything_a_user_needs(settings: dict) -> None:
    config = ReshootConfig(**settings | {"move": ("arc 30", "3"), "source": write(settings["source"], 8)})
    summary, out = run(config), settings["out"]
    assert summary == {"videos": [str(out)], "skipped": None}
    names = {"take01.mp4", "take02.mp4", "grid.mp4", "comparison.mp4", "contact_sheet.png", "cameras.json", "run.json"}
    assert {path.name for path in out.iterdir()} == names
    assert read_video(out / "take02.mp4").shape == (8, 3, 16, 32)
    assert read_video(out / "grid.mp4").shape == (8, 3, 16, 64)
    assert read_video(out / "comparison.mp4").shape == (8, 3, 16, 96)
    rig = load_rig(out / "cameras.json")
    assert rig.hw == (16, 32) and torch.allclose(rig.c2w[0], parse_rig("arc 30", num_frames=8, hw=(16, 32)).c2w[0])
    record = json.loads((out / "run.json").read_text())
    assert record["source"]["fps"] == 12.0 and record["windows"] == 2 and record["takes"] == ["arc 30", "3"]
    assert record["source"]["size"] == "32x64 as 16x32"
    assert run(config)["skipped"] == [str(out)]
    with pytest.raises(InputError, match=r"holds the result of other settings \(seed differ\)"):
        run(ReshootConfig(**settings | {"move": ("arc 30", "3"), "seed": 1}))


def test_a_converted_adapter_of_low_rank_on_the_command_line(
    settings: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_like_reshoot_adapter(rank=2).save_pretrained(tmp_path / "low")
    arguments = ["reshoot", str(settings["source"]), "--move", "pan 10", "--move", "zoom-in 1", "--prompt", "a horse"]
    arguments += ["--model", settings["model"], "--adapter", str(tmp_path / "low"), "--out", str(settings["out"])]
    arguments += ["--size", "16x32", "--frames", "5", "--steps", "1", "--device", "cpu", "--scheduler", "reference"]
    cli.main([*arguments, "--json"])
    assert json.loads(capsys.readouterr().out)["videos"] == [str(settings["out"])]
    assert read_video(settings["out"] / "take02.mp4").shape == (5, 3, 16, 32)
    cli.main([*arguments[:-1], "euler", "--dry-run", "--overwrite"])
    shown = capsys.readouterr().out
    assert "2 takes: 2 windows of 5 frames of 16x32, one after the other" in shown
    assert "16 tokens (2 x 2 x 4) of the take beside as many of the source" in shown


def test_a_folder_in_the_published_layout_goes_on_after_a_kill(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    root = settings["source"].parent / "data"
    write(root / "videos" / "a.mp4"), write(root / "b.mp4", 6)
    (root / "b.txt").write_text("a blue horse\n")
    (root / "metadata.csv").write_text("file_name,text\nvideos/a.mp4,a red horse\n")
    batch = settings | {"source": root, "prompt": None, "out": root / "out"}
    writes = results.write_json

    def killed(path: Path, value: object) -> None:
        if "videos_a" in str(path):
            raise KeyboardInterrupt
        writes(path, value)

    monkeypatch.setattr(results, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        run(ReshootConfig(**batch))
    assert [path.name for path in (root / "out").iterdir()] == ["b"]
    monkeypatch.undo()
    summary = run(ReshootConfig(**batch))
    assert summary["skipped"] == [str(root / "out" / "b")] and len(summary["videos"]) == 2
    texts = [json.loads((Path(out) / "run.json").read_text())["settings"]["prompt"] for out in summary["videos"]]
    assert texts == ["a blue horse", "a red horse"]
    monkeypatch.setattr(verb, "_reshoot", lambda *_: pytest.fail("made again"))
    assert len(run(ReshootConfig(**batch))["skipped"]) == 2


def test_a_padded_source_loses_its_border_again(settings: dict) -> None:
    source = write(settings["source"], hw=(32, 32))
    run(ReshootConfig(**settings | {"source": source, "fit": "pad", "hw": (16, 48)}))
    assert read_video(settings["out"] / "take01.mp4").shape == (5, 3, 16, 16)
    assert load_rig(settings["out"] / "cameras.json").hw == (16, 16)


def test_without_a_size_the_source_keeps_its_proportions(settings: dict) -> None:
    model = Path(shutil.copytree(settings["model"], settings["out"].parent / "model"))
    (model / "syncam.json").write_text(json.dumps({"height": 32, "width": 32, "num_frames": 5, "steps": 1}))
    run(
        ReshootConfig(**settings | {"model": str(model), "hw": None, "source": write(settings["source"], hw=(66, 130))})
    )
    assert read_video(settings["out"] / "take01.mp4").shape == (5, 3, 16, 32)


def test_re_shooting_has_a_guidance_of_its_own(settings: dict) -> None:
    model = Path(shutil.copytree(settings["model"], settings["out"].parent / "model"))
    told = settings | {"model": str(model), "guidance": None, "dry_run": True}
    flops = []
    for content in ({"guidance": 3.0}, {"guidance": 3.0, "reshoot_guidance": 1.0}):
        (model / "syncam.json").write_text(json.dumps({"height": 32, "width": 48, "num_frames": 5} | content))
        flops.append(run(ReshootConfig(**told))["step_flops"])
    assert flops[0] == 2 * flops[1], "without guidance, the model is called once per step"


def test_a_picture_is_held(settings: dict) -> None:
    from PIL import Image

    picture = settings["source"].with_name("photo.jpg")
    Image.new("RGB", (64, 32), "red").save(picture)
    picture.with_suffix(".txt").write_text("a red field")
    run(ReshootConfig(**settings | {"source": picture, "prompt": None}))
    record = json.loads((settings["out"] / "run.json").read_text())
    assert record["source"]["frames"] == 1 and record["settings"]["prompt"] == "a red field"
    assert len(read_video(settings["out"] / "take01.mp4")) == 5


@pytest.mark.parametrize("short", ["loop", "hold"])
def test_a_short_video_needs_to_be_told_how_it_goes_on(settings: dict, short: str) -> None:
    source = write(settings["source"], 3)
    with pytest.raises(InputError, match=r"3 frames, but 5 are made at a time; give --short hold .* or --frames 1"):
        run(ReshootConfig(**settings | {"source": source}))
    run(ReshootConfig(**settings | {"source": source, "short": short}))
    assert len(read_video(settings["out"] / "comparison.mp4")) == 5


def test_a_rig_gives_a_take_per_camera(settings: dict, tmp_path: Path) -> None:
    save_rig(tmp_path / "rig.json", parse_rig("arc:views=3,radius=4", num_frames=5, hw=(64, 128)))
    run(ReshootConfig(**settings | {"move": (), "rig": f"{tmp_path / 'rig.json'}#cam01,cam03"}))
    assert load_rig(settings["out"] / "cameras.json").num_views == 2
    with pytest.raises(InputError, match="has 5 frames but the video has 6"):
        run(
            ReshootConfig(
                **settings
                | {
                    "move": (),
                    "rig": str(tmp_path / "rig.json"),
                    "source": write(tmp_path / "b.mp4", 6),
                    "out": tmp_path / "b",
                }
            )
        )


def test_distance_and_lens_are_those_of_the_training(
    settings: dict, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    adapter = shutil.copytree(settings["adapter"], tmp_path / "trained")
    save_trained_range(adapter, TrainedRange(distance_m=(2.0, 4.0), focal_mm=(35.0, 35.0), travel_m=1.0))
    run(ReshootConfig(**settings | {"adapter": str(adapter), "move": ("arc 150", "pan 120")}))
    rig = load_rig(settings["out"] / "cameras.json")
    assert float((rig.positions[0, 0] - torch.tensor([0, 0, 0.8]).double()).norm()) == pytest.approx(3.0)
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "trained with at most 1 m" in said and "pan 120: the subject, 3 m ahead" in said
    assert "5 frames, 32x64 as 16x32; 5 at a time" in said


def test_stabilise_looks_for_the_path_once(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    from syncam.pipelines import own_path

    asked = []
    path = torch.eye(4).double().repeat(5, 1, 1)
    path[:, 0, 3] = torch.tensor([0, 0.3, 0.1, 0.4, 0.2])
    monkeypatch.setattr(own_path, "estimate_path", lambda source, distance: asked.append(distance) or path)
    run(ReshootConfig(**settings | {"move": ("stabilise 0.1", "stabilise 0.2", "pan 5"), "distance": 3.0}))
    assert asked == [3.0]
    moved = load_rig(settings["out"] / "cameras.json").positions
    assert 0 < float(moved[1].diff(dim=0).norm()) < float(moved[0].diff(dim=0).norm())


def test_a_source_whose_path_is_not_found_does_not_keep_the_others_from_theirs(
    settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syncam.pipelines import own_path

    def estimate(source: FrameStream, distance: float) -> torch.Tensor:
        if source.path.name == "a.mp4":
            raise InputError("a.mp4: the path of its camera cannot be found")
        return torch.eye(4).double().repeat(5, 1, 1)

    monkeypatch.setattr(own_path, "estimate_path", estimate)
    for name in "ab":
        write(tmp_path / "all" / f"{name}.mp4")
    with pytest.raises(InputError, match="1 of 2 sources cannot be re-shot; the first: a.mp4: the path"):
        run(ReshootConfig(**settings | {"source": tmp_path / "all", "move": ("stabilise",)}))
    assert [path.name for path in settings["out"].iterdir()] == ["b"]


def test_without_pycolmap_nothing_is_stabilised(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycolmap", None)
    with pytest.raises(InputError, match=r"pycolmap is not installed; run: pip install 'syncam\[stabilise\]'"):
        run(ReshootConfig(**settings | {"move": ("stabilise",)}))


def test_without_an_adapter(settings: dict) -> None:
    with pytest.raises(InputError, match=f"model {settings['model']} has no re-shoot adapter of its own .*--adapter"):
        run(ReshootConfig(**settings | {"adapter": None}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"move": ()}, "give one or more moves"),
        ({"rig": "hemisphere"}, "give one or more moves"),
        ({"move": ("archh 3",)}, "is not a move"),
        ({"prompt": None}, "nothing says what .*clip.mp4 shows, and models go by it; give a sentence by --prompt"),
        ({"prompt": " "}, "the prompt is empty"),
        ({"hw": (15, 32)}, "height must be a multiple of 16"),
        ({"num_frames": 6}, "1 more than a multiple of 4"),
        ({"distance": 0.0}, "distance must be positive"),
        ({"seed": -1}, "seed must not be negative"),
        ({"source": Path("nowhere.mp4")}, "nowhere.mp4 does not exist; expected a video, a picture, or a folder"),
    ],
)
def test_bad_settings(settings: dict, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(ReshootConfig(**settings | change))
    assert not settings["out"].exists()


def test_bad_sources_of_a_folder_are_counted_before_any_work(settings: dict, tmp_path: Path) -> None:
    write(tmp_path / "all" / "a.mp4")
    (tmp_path / "all" / "b.mp4").write_text("no video")
    with pytest.raises(InputError, match="1 of 2 sources cannot be re-shot; the first: .*b.mp4 cannot be opened"):
        run(ReshootConfig(**settings | {"source": tmp_path / "all"}))
    assert not settings["out"].exists()
    with pytest.raises(InputError, match="none holds no mp4 files"):
        (tmp_path / "none").mkdir()
        run(ReshootConfig(**settings | {"source": tmp_path / "none"}))

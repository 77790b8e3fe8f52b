"""The generate verb: what it writes, what it skips, what it refuses, and that nothing is ever half-written."""

import contextlib
import errno
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from syncam.cameras import load_rig, parse_rig, read_cameras
from syncam.cameras.conventions import focal_mm_of
from syncam.cameras.trained_range import TrainedRange, save_trained_range
from syncam.data.video import read_video, write_video
from syncam.errors import InputError
from syncam.pipelines import generate as verb
from syncam.pipelines import results
from syncam.pipelines.generate import GenerateConfig, run
from syncam.pipelines.multiview import MultiViewPipeline
from syncam.pipelines.recurrent import num_calls
from syncam.pipelines.results import denoising_bar


@pytest.fixture
def settings(wan_folder: Path, adapter_folder: Path, tmp_path: Path) -> dict:
    return {
        "prompt": "a red horse",
        "rig": "hemisphere:views=2,radius=4",
        "model": str(wan_folder),
        "adapter": str(adapter_folder),
        "out": tmp_path / "out",
        "hw": (16, 32),
        "num_frames": 5,
        "steps": 2,
        "dtype": "float32",
        "device": "cpu",
    }


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.name.startswith("."))


def test_writes_everything_a_user_needs(settings: dict) -> None:
    summary = run(GenerateConfig(**settings))
    out = settings["out"]
    names = {path.name for path in out.iterdir()}
    assert names == {"view01.mp4", "view02.mp4", "grid.mp4", "contact_sheet.png", "cameras.json", "run.json"}
    assert summary["videos"] == [str(out)]
    assert read_video(out / "view02.mp4").shape == (5, 3, 16, 32)
    assert read_video(out / "grid.mp4").shape == (5, 3, 16, 64)
    rig = load_rig(out / "cameras.json")
    assert torch.equal(rig.c2w, parse_rig(settings["rig"], num_frames=5, hw=(16, 32)).c2w)
    record = json.loads((out / "run.json").read_text())
    assert record["settings"]["prompt"] == "a red horse" and record["settings"]["steps"] == 2
    assert record["versions"]["torch"] == torch.__version__
    assert record["peak_memory_bytes"]["ram"] > 1e6 and record["seconds"]["denoising"] > 0


@pytest.mark.parametrize(
    ("trained", "rig", "focal_mm"),
    [
        (None, "hemisphere:views=2,radius=4", 24.0),
        ((35.0, 35.0), "hemisphere:views=2,radius=4", 35.0),
        ((35.0, 35.0), "hemisphere:views=2,radius=4 then zoom 2x", 35.0),
        ((35.0, 35.0), "hemisphere:views=2,radius=4,focal=50", 50.0),
        ((24.0, 50.0), "hemisphere:views=2,radius=4", 24.0),
    ],
)
def test_words_without_a_lens_get_the_one_the_adapter_was_trained_with(
    settings: dict, trained: tuple[float, float] | None, rig: str, focal_mm: float, tmp_path: Path
) -> None:
    adapter = shutil.copytree(settings["adapter"], tmp_path / "adapter")
    if trained is not None:
        save_trained_range(adapter, TrainedRange(focal_mm=trained))
    run(GenerateConfig(**settings | {"rig": rig, "adapter": str(adapter)}))
    cameras = load_rig(settings["out"] / "cameras.json")
    first = focal_mm_of(cameras.K[:, 0], width=32)
    assert torch.allclose(first, torch.full_like(first, focal_mm), atol=1e-9)


def test_rig_file_written_by_one_run_drives_the_next(settings: dict, tmp_path: Path) -> None:
    run(GenerateConfig(**settings))
    again = settings | {"rig": str(settings["out"] / "cameras.json"), "out": tmp_path / "again"}
    run(GenerateConfig(**again))
    ours, theirs = (read_video(folder / "view02.mp4") for folder in (settings["out"], tmp_path / "again"))
    assert torch.equal(ours, theirs)


def test_nerfstudio_gets_a_picture_and_a_camera_for_every_frame(settings: dict) -> None:
    config = GenerateConfig(**settings, nerfstudio=True)
    run(config)
    folder = settings["out"] / "nerfstudio"
    transforms = json.loads((folder / "transforms.json").read_text())
    assert (transforms["h"], transforms["w"]) == (16, 32) and len(transforms["frames"]) == 2 * 5
    pictures = [Image.open(folder / frame["file_path"]) for frame in transforms["frames"]]
    assert all(picture.size == (32, 16) for picture in pictures)
    shown = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2) / 255
    video = torch.cat([read_video(settings["out"] / f"view{view:02d}.mp4") for view in (1, 2)])
    assert (shown - video).abs().mean() < 0.05  # but for the loss of video files
    rig = read_cameras(folder / "transforms.json")
    expected = parse_rig(settings["rig"], num_frames=5, hw=(16, 32))
    torch.testing.assert_close(rig.c2w[0], expected.c2w.flatten(0, 1).double(), atol=1e-6, rtol=0)
    assert run(config)["skipped"]
    with pytest.raises(InputError, match=r"other settings \(nerfstudio differ\)"):
        run(GenerateConfig(**settings))


def test_same_settings_are_skipped_and_others_refused(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    run(GenerateConfig(**settings))
    monkeypatch.setattr(verb, "_generate", lambda *_: pytest.fail("generated again"))
    assert run(GenerateConfig(**settings))["skipped"] == [str(settings["out"])]
    with pytest.raises(InputError, match=r"holds the result of other settings \(seed differ\)"):
        run(GenerateConfig(**settings, seed=1))
    monkeypatch.undo()
    assert run(GenerateConfig(**settings, seed=1, overwrite=True))["skipped"] is None
    assert json.loads((settings["out"] / "run.json").read_text())["settings"]["seed"] == 1


def test_a_strangers_folder_is_left_alone(settings: dict) -> None:
    settings["out"].mkdir()
    (settings["out"] / "thesis.txt").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="holds files that syncam did not make"):
            run(GenerateConfig(**settings, overwrite=overwrite))
    assert (settings["out"] / "thesis.txt").read_text() == "precious"


def test_batch_goes_on_after_a_kill(settings: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red horse\n\na blue horse\n")
    batch = {key: value for key, value in settings.items() if key != "prompt"} | {"prompts": prompts}
    writes = results.write_json

    def killed(path: Path, value: object) -> None:
        if "blue" in str(path):
            raise KeyboardInterrupt
        writes(path, value)

    monkeypatch.setattr(results, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        run(GenerateConfig(**batch))
    assert [path.name for path in settings["out"].iterdir()] == ["0001-a-red-horse"]
    monkeypatch.undo()
    summary = run(GenerateConfig(**batch))
    assert summary["skipped"] == [str(settings["out"] / "0001-a-red-horse")]
    assert (settings["out"] / "0002-a-blue-horse" / "run.json").is_file()
    assert leftovers(settings["out"]) == []


def test_jsonl_prompts_name_their_own_seed_rig_and_folder(settings: dict, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    entry = {"prompt": "a horse", "seed": 9, "rig": "hemisphere:views=1,radius=4", "name": "first"}
    prompts.write_text(json.dumps(entry) + "\n")
    batch = {key: value for key, value in settings.items() if key != "prompt"} | {"prompts": prompts}
    run(GenerateConfig(**batch))
    record = json.loads((settings["out"] / "first" / "run.json").read_text())
    assert record["settings"]["seed"] == 9
    assert not (settings["out"] / "first" / "view02.mp4").exists()


def test_disk_full_leaves_nothing(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(verb, "save_rig", full)
    with pytest.raises(OSError, match="No space left"):
        run(GenerateConfig(**settings))
    assert list(settings["out"].parent.iterdir()) == []


def test_unwritable_place_is_found_before_the_model_is_loaded(settings: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings["out"].parent / "file").write_text("")
    monkeypatch.setattr(verb, "_generate", lambda *_: pytest.fail("worked first"))
    with pytest.raises(InputError, match="cannot write to .*; choose another --out"):
        run(GenerateConfig(**(settings | {"out": settings["out"].parent / "file" / "out"})))


def test_a_given_video_is_the_first_view(settings: dict, tmp_path: Path) -> None:
    video, path = torch.rand(5, 3, 16, 32, generator=torch.Generator().manual_seed(0)), tmp_path / "given.mp4"
    write_video(path, video, 8.0)
    config = GenerateConfig(**settings, video=path)
    run(config)
    assert run(config)["skipped"] == [str(config.out)]
    write_video(path, 1 - video, 8.0)
    with pytest.raises(InputError, match="video_sha256"):
        run(config)
    with pytest.raises(InputError, match="has 5 frames of 16x32, but the views to make have 9 of 16x32; cut"):
        run(GenerateConfig(**settings | {"num_frames": 9, "out": tmp_path / "other"}, video=path))


def test_a_rig_that_the_adapter_has_not_learnt_is_warned_about_once(
    settings: dict, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red horse\na blue horse\n")
    adapter = tmp_path / "adapter"
    shutil.copytree(settings["adapter"], adapter)
    (adapter / "trained_range.json").write_text('{"distance_m": [1.0, 2.0]}')
    run(GenerateConfig(**settings | {"prompt": None, "prompts": prompts, "adapter": str(adapter)}))
    said = [record.getMessage() for record in caplog.records if "trained with" in record.getMessage()]
    assert said and len(said) == len(set(said))


def test_dry_run_says_tokens_and_makes_nothing(settings: dict) -> None:
    plan = run(GenerateConfig(**settings, dry_run=True))
    assert plan["grid"] == (2, 2, 4) and plan["tokens_per_view"] == 16
    assert plan["peak_bytes"] > plan["transformer_bytes"] > 0
    assert not settings["out"].exists()


PAIRS = {"rig": "hemisphere:views=5,radius=4", "partners": 1, "repeats": 2, "lead_view": True, "guidance": 3.0}


def test_views_in_pairs_take_the_forward_passes_that_the_plan_says(
    settings: dict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "pairs"
    for change in ({}, {"pairs_at_once": 1}, {"guide_adapter": True, "pairs_at_once": 2}, {"guidance": 1.0}):
        told = settings | PAIRS | change | {"out": out}
        calls, moved, totals = count_work(monkeypatch)
        plan = run(GenerateConfig(**told, dry_run=True))
        assert not calls and not moved
        run(GenerateConfig(**told, overwrite=True))
        assert plan["forward_passes"] == len(calls)
        assert totals == [len(moved)] and len(moved) == 2 * num_calls(told["steps"], 2)
        assert f"{len(calls)} forward passes of up to" in plan["plan"]
    record = json.loads((out / "run.json").read_text())["settings"]
    assert record["partners"] == 1 and record["repeats"] == 2 and "pairs_at_once" not in record
    more = run(GenerateConfig(**settings | PAIRS, pairs_at_once=2, dry_run=True))
    less = run(GenerateConfig(**settings | PAIRS, pairs_at_once=1, dry_run=True))
    assert more["denoise_bytes"] == 2 * less["denoise_bytes"] and more["seconds"] > 0


def count_work(monkeypatch: pytest.MonkeyPatch) -> tuple[list, list, list]:
    """Lists that grow with every call of the transformer and every move of the bar; and the totals of bars."""
    calls, moved, totals = [], [], []
    load, bar = MultiViewPipeline.from_pretrained, denoising_bar

    def watched(*arguments: Any, **more: Any) -> MultiViewPipeline:
        pipeline = load(*arguments, **more)
        pipeline.base.transformer.register_forward_pre_hook(lambda *_: calls.append(1))
        return pipeline

    @contextlib.contextmanager
    def counted(total: int) -> Iterator[Callable[[str], None]]:
        totals.append(total)
        with bar(total):
            yield lambda _: moved.append(1)

    monkeypatch.setattr(MultiViewPipeline, "from_pretrained", watched)
    monkeypatch.setattr(verb, "denoising_bar", counted)
    return calls, moved, totals


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt": " "}, "the prompt is empty"),
        ({"prompt": None}, "give one prompt, or a file"),
        ({"rig": "hemisfere:views=2"}, "unknown rig 'hemisfere' .did you mean 'hemisphere'"),
        ({"rig": "hemisphere:views=0"}, "at least one view"),
        ({"num_frames": 0}, "num_frames must be positive"),
        ({"num_frames": 6}, "1 more than a multiple of 4"),
        ({"hw": (15, 32)}, "height must be a multiple of 16"),
        ({"seed": -1}, "seed must not be negative"),
        ({"scheduler": "ddim"}, "unknown scheduler"),
        ({"partners": 2}, "partners must be 1 for 2 views, got 2"),
        ({"partners": 0}, "partners must be positive, got 0"),
        ({"rig": "still", "partners": 1}, "the rig has a single one"),
        ({"repeats": 2}, "repeats is for views that are made in pairs; give partners, too"),
        ({"pairs_at_once": 2}, "pairs_at_once is for views that are made in pairs"),
        ({"partners": 1, "repeats": 2, "scheduler": "unipc"}, "UniPCMultistepScheduler build on the ones before"),
    ],
)
def test_bad_settings(settings: dict, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(GenerateConfig(**(settings | change)))
    assert not settings["out"].exists()

"""All stages one after the other on tiny data, interrupted and resumed, and what a call with wrong arguments says."""

import csv
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLWan, WanPipeline

from syncam.adapters import FrameConcatAdapter, ViewSyncAdapter
from syncam.cameras.trained_range import load_trained_range
from syncam.cameras.trajectories import hemisphere
from syncam.errors import InputError
from syncam.pipelines.multiview import MultiViewPipeline
from syncam.training.config import TrainConfig
from syncam.training.recipes import RECIPES, describe_recipes, train
from training.examples import (
    NUM_FRAMES,
    SIZE,
    autoencoder_stage,
    cvd_stage,
    reshoot_stage,
    text_to_video_stage,
    view_sync_stage,
    write_animatediff,
    write_store,
)

STAGES: dict[str, Callable[..., TrainConfig]] = {
    "autoencoder": autoencoder_stage,
    "text_to_video": text_to_video_stage,
    "view_sync": view_sync_stage,
    "reshoot": reshoot_stage,
    "cvd": cvd_stage,
}


class Interrupted(Exception):
    """Stands for whatever ends a process without warning."""


def columns(path: Path) -> list[dict[str, str]]:
    """The rows of a record but for the times they took."""
    with path.open(newline="") as file:
        return [{name: value for name, value in row.items() if "seconds" not in name} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def runs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run per stage, each built on the one before."""
    folder = tmp_path_factory.mktemp("runs")
    write_animatediff(folder / "animatediff")
    for name, config in STAGES.items():
        made = train(config(), data=data, out=folder / name, **built_on(folder, name))
        assert made == folder / name / "export"
    return folder


def built_on(runs: Path, name: str) -> dict[str, Path | None]:
    """The arguments of `train` that say what a stage builds on."""
    if name == "cvd":
        return {"base": runs / "animatediff" / "model", "adapter": runs / "animatediff" / "cvd"}
    return {"base": base_of(runs, name)}


def base_of(runs: Path, name: str) -> Path | None:
    before = {"text_to_video": "autoencoder", "view_sync": "text_to_video", "reshoot": "text_to_video"}.get(name)
    return before and runs / before / "export"


def test_every_stage_leaves_its_part(runs: Path) -> None:
    AutoencoderKLWan.from_pretrained(runs / "autoencoder" / "export" / "vae")
    WanPipeline.from_pretrained(runs / "text_to_video" / "export")
    for name, kind in (("view_sync", ViewSyncAdapter), ("reshoot", FrameConcatAdapter)):
        kind.from_pretrained(runs / name / "export" / name)
        trained = load_trained_range(runs / name / "export" / name)
        assert trained is not None and trained.distance_m == pytest.approx((4.0, 6.0))  # of arcs with these radii
        assert trained.travel_m is not None and trained.travel_m > 1
        assert (trained.views is None) == (name == "reshoot")
    for name in STAGES:
        assert [row["step"] for row in columns(runs / name / "train.csv")] == [str(step) for step in range(1, 7)]
        assert [row["step"] for row in columns(runs / name / "validation.csv")] == ["4", "6"]
        assert (runs / name / "curves.png").stat().st_size > 1000
        assert [path.name for path in sorted((runs / name / "samples").iterdir())] == [
            "step00000004.png",
            "step00000006.png",
        ]


def test_the_stages_together_make_a_multi_view_model(runs: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(runs / "text_to_video" / "export", model)
    shutil.copytree(runs / "view_sync" / "export" / "view_sync", model / "view_sync")
    pipeline = MultiViewPipeline.from_pretrained(model)
    cameras = hemisphere(views=2, radius=5.0, num_frames=NUM_FRAMES, hw=(SIZE, SIZE))
    made = pipeline(
        "a red horse walks",
        cameras,
        height=SIZE,
        width=SIZE,
        num_frames=NUM_FRAMES,
        num_inference_steps=2,
        seed=0,
    )
    assert made.videos.shape == (2, NUM_FRAMES, 3, SIZE, SIZE)


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_every_stage_resumes_to_the_same_numbers(runs: Path, data: Path, tmp_path: Path, name: str) -> None:
    def interrupt(done: int, steps: int, row: dict[str, float]) -> None:
        if done == 5:  # behind a checkpoint at 3 and a validation at 4
            raise Interrupted

    arguments: dict[str, Any] = {"data": data, "out": tmp_path / "run", **built_on(runs, name)}
    with pytest.raises(Interrupted):
        train(STAGES[name](), **arguments, progress=interrupt)
    train(STAGES[name](), **arguments, resume=True)
    for record in ("train.csv", "validation.csv"):
        assert columns(tmp_path / "run" / record) == columns(runs / name / record)
    theirs = {path.relative_to(runs / name): path for path in (runs / name / "export").rglob("*.safetensors")}
    for path, file in theirs.items():
        assert (tmp_path / "run" / path).read_bytes() == file.read_bytes()


def test_a_run_refuses_another_configuration(runs: Path, data: Path) -> None:
    arguments: dict[str, Any] = {"data": data, "out": runs / "autoencoder"}
    with pytest.raises(InputError, match="holds a run already; go on with it"):
        train(autoencoder_stage(), **arguments)
    with pytest.raises(InputError, match="another configuration: seed was 0, is 3; choose another --out"):
        train(autoencoder_stage(), **arguments, resume=True, seed=3)
    with pytest.raises(InputError, match=r"phases\[0\].steps was 3, is 5; phases\[1\].steps was 3, is 5"):
        train(autoencoder_stage(), **arguments, resume=True, steps=10)
    with pytest.raises(InputError, match=r"made from something else: data was /.*, is elsewhere; name the same again"):
        train(autoencoder_stage(), **arguments | {"data": "elsewhere"}, resume=True)


def test_what_is_missing_is_said_and_nothing_is_written(runs: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    vae = runs / "autoencoder" / "export"
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("autoencoder", {"base": vae}, "an autoencoder builds on nothing: leave base away"),
        ("text_to_video", {}, r"text_to_video needs base: a folder with vae/"),
        ("view_sync", {}, "view_sync needs base: a text-to-video model"),
        ("reshoot", {}, "reshoot needs base: a text-to-video model"),
        ("cvd", {}, "cvd needs base: Stable Diffusion 1.5"),
        ("cvd", {"base": vae}, "cvd needs adapter: a folder with motion and maybe control, as syncam convert"),
        ("cvd", {"base": vae, "adapter": vae}, "has no folder motion; expected motion, sync and maybe control"),
        (
            "reshoot",
            {"base": runs / "text_to_video" / "export", "adapter": runs / "view_sync" / "export" / "view_sync"},
            "view_sync holds a ViewSyncAdapter, expected a FrameConcatAdapter",
        ),
        ("text_to_video", {"base": vae, "adapter": vae}, "text_to_video trains no adapter: leave adapter away"),
        (
            "view_sync",
            {"base": runs / "text_to_video" / "export", "adapter": vae},
            "holds no weights; expected a .safetensors file",
        ),
        ("text_to_video", {"base": tmp_path}, "does not load as the base of text_to_video"),
        ("view_sync", {"base": vae}, "has no model_index.json; expected the folder of a text-to-video model of Wan"),
        ("text_to_video", {"base": vae, "data": tmp_path}, "train is not a folder; expected a data set with"),
        ("autoencoder", {"data": tmp_path}, "train is not a folder; expected a data set with"),
        ("autoencoder", {"data": [data, data]}, "autoencoder takes one data set, got 2"),
        ("view_sync", {"data": []}, "view_sync needs data: the folder of a data set"),
        ("autoencoder", {"resume": True}, "holds no run to resume"),
        ("autoencoder", {"steps": 1}, "steps must be at least 2, one per phase, got 1"),
    ]
    for name, arguments, message in cases:
        with pytest.raises(InputError, match=message):
            train(STAGES[name](), **{"data": data, "out": out} | arguments)
        assert not out.exists(), (name, arguments)
    with pytest.raises(InputError, match="unknown recipe 'tiny'; the recipes are small-autoencoder, small-text"):
        train("tiny", data=data, out=out)


def test_errors_in_the_data_are_not_blamed_on_the_base(runs: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data / "train", tmp_path / "train")
    with pytest.raises(InputError, match="val is not a folder") as caught:
        train(text_to_video_stage(), data=tmp_path, out=tmp_path / "out", base=runs / "autoencoder" / "export")
    assert "base" not in str(caught.value).replace(str(tmp_path), "")


def test_recipes_are_sound_and_described() -> None:
    rows = describe_recipes()
    assert [row["recipe"] for row in rows] == list(RECIPES)
    for row in rows:
        config = RECIPES[row["recipe"]]()
        assert row["task"] == config.task and row["steps"] == config.steps
        assert row["about"].endswith(".")
        assert config.scaled(len(config.phases)).steps == len(config.phases)
        assert config.warmup_steps < config.steps


def test_recipes_name_options_that_their_tasks_have() -> None:
    from syncam.training.autoencoder import AutoencoderOptions
    from syncam.training.cvd import CVDOptions
    from syncam.training.probes import ProbesOptions
    from syncam.training.reshoot import ReshootOptions
    from syncam.training.task import read_options
    from syncam.training.text_to_video import TextToVideoOptions
    from syncam.training.view_sync import ViewSyncOptions

    known = {"autoencoder": AutoencoderOptions, "text_to_video": TextToVideoOptions, "view_sync": ViewSyncOptions}
    known |= {"reshoot": ReshootOptions, "probes": ProbesOptions, "cvd": CVDOptions}
    for recipe in RECIPES.values():
        read_options(known[recipe().task], recipe().options)


def test_several_data_sets_are_trained_on_as_one(runs: Path, data: Path, tmp_path: Path) -> None:
    other = write_store(tmp_path / "other", train=2, held_out=1)
    config, base = view_sync_stage(), runs / "text_to_video" / "export"
    arguments: dict[str, Any] = {"base": base, "out": tmp_path / "run"}
    export = train(config, data=[data, other], **arguments)
    assert (export / "view_sync" / "config.json").is_file()
    assert all((folder / "cache").is_dir() for folder in (data, other))
    assert json.loads((tmp_path / "run" / "sources.json").read_text())["data"] == f"{data} + {other}"
    with pytest.raises(InputError, match="data"):
        train(config, data=data, **arguments, resume=True)
    small = write_store(tmp_path / "small", size=16)
    with pytest.raises(
        InputError, match=r"the data sets have latents of shapes \(4, 4, 2, 2, 2\) and \(4, 4, 2, 4, 4\)"
    ):
        train(config, data=[data, small], base=base, out=tmp_path / "no")


@pytest.mark.parametrize(("name", "kind"), [("view_sync", ViewSyncAdapter), ("reshoot", FrameConcatAdapter)])
def test_a_trained_adapter_can_be_trained_further(runs: Path, data: Path, tmp_path: Path, name: str, kind: Any) -> None:
    trained = runs / name / "export" / name
    config = STAGES[name](learning_rate=1e-12)
    export = train(config, data=data, out=tmp_path, base=base_of(runs, name), adapter=trained)
    assert '"adapter": "' in (tmp_path / "sources.json").read_text()
    before, after = (kind.from_pretrained(folder).state_dict() for folder in (trained, export / name))
    for key in before:
        torch.testing.assert_close(after[key], before[key], rtol=0, atol=1e-6)
    assert any(before[key].abs().max() > 1e-4 for key in before if "cam_encoder" in key)


def test_a_text_to_video_model_can_be_trained_further(runs: Path, data: Path, tmp_path: Path) -> None:
    trained = runs / "text_to_video" / "export"
    config = text_to_video_stage(learning_rate=1e-12)
    export = train(config, data=data, out=tmp_path / "run", base=trained)
    before, after = (WanPipeline.from_pretrained(folder) for folder in (trained, export))
    for part in ("transformer", "text_encoder"):
        old, new = getattr(before, part).state_dict(), getattr(after, part).state_dict()
        for name in old:
            torch.testing.assert_close(new[name], old[name], rtol=0, atol=1e-6)
    assert before.tokenizer.get_vocab() == after.tokenizer.get_vocab()


def test_a_model_of_another_shape_is_not_trained_further(runs: Path, data: Path, tmp_path: Path) -> None:
    config = text_to_video_stage()
    deeper = {"model": config.options["model"] | {"num_layers": 3}}
    with pytest.raises(InputError, match="num_layers 2, the recipe's 3; to train a new one"):
        train(
            dataclasses.replace(config, options=config.options | deeper),
            data=data,
            out=tmp_path / "run",
            base=runs / "text_to_video" / "export",
        )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", STAGES)
def test_every_stage_trains_in_bfloat16(runs: Path, data: Path, tmp_path: Path, name: str) -> None:
    config = STAGES[name](mixed_precision="bf16")
    train(config, data=data, out=tmp_path / "run", **built_on(runs, name))
    for rough, exact in zip(columns(tmp_path / "run" / "train.csv"), columns(runs / name / "train.csv"), strict=True):
        assert rough["loss"] != exact["loss"]
        assert float(rough["loss"]) == pytest.approx(float(exact["loss"]), rel=0.1)


def test_the_seed_and_the_steps_of_a_recipe_can_be_changed(data: Path, tmp_path: Path) -> None:
    out = train(autoencoder_stage(), data=data, out=tmp_path, steps=2, seed=5).parent
    assert len(columns(out / "train.csv")) == 2
    assert '"seed": 5' in (out / "config.json").read_text()
    assert torch.initial_seed() == 0  # the caller's random numbers are the caller's

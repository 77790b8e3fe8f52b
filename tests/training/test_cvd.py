"""The CVD task: what it trains and on what, its loss by an independent sum, that it learns, and what it exports."""

import csv
import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from data_package.layouts import make_realestate, make_videos
from syncam.cameras import parse_rig
from syncam.errors import InputError
from syncam.pipelines.cvd import CVDPipeline
from syncam.training.config import Phase
from syncam.training.cvd import CVDTask, load_cvd_task
from syncam.training.objective import NoisePrediction
from syncam.training.recipes import RECIPES, train
from training.examples import SIZE, cvd_stage, render_store, write_animatediff, write_store

FRAMES = 3
ONE = Phase(steps=1, batch_size=2, num_frames=FRAMES)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_animatediff(tmp_path_factory.mktemp("animatediff"))


def make(data: Path, stack: tuple[Path, Path], **options: Any) -> CVDTask:
    return load_cvd_task(cvd_stage(options=options), data, *stack, torch.device("cpu"))


def only(kind: str) -> dict[str, float]:
    return {"folded": 0.0, "synchronised": 0.0, "warped": 0.0} | {kind: 1.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def shake(task: CVDTask) -> None:
    for block in task.adapter.blocks:
        torch.nn.init.normal_(block.proj_out.weight, std=0.3, generator=generator())


def test_only_the_synchronisation_is_trained(data: Path, stack: tuple[Path, Path]) -> None:
    task = make(data, stack, gradient_checkpointing=True, **only("folded"))
    trained = {name for name, parameter in task.named_parameters() if parameter.requires_grad}
    assert trained == {f"adapter.{name}" for name, _ in task.adapter.named_parameters()}
    control = task.pipeline.control
    assert control is not None and not any(parameter.requires_grad for parameter in control.parameters())
    shake(task)
    task.train()
    assert not task.transformer.training and task.adapter.training
    task(task.batch(ONE, generator()), generator())[0].backward()
    for name, parameter in task.named_parameters():
        assert (parameter.grad is not None) == name.startswith("adapter."), name


@pytest.mark.parametrize("kind", ["folded", "synchronised", "warped"])
@pytest.mark.parametrize("per_view", [True, False])
def test_losses_by_an_independent_sum(data: Path, stack: tuple[Path, Path], kind: str, per_view: bool) -> None:
    task = make(data, stack, timestep_per_view=per_view, spread={"translation": 0.8}, **only(kind))
    shake(task)
    assert isinstance(task.objective, NoisePrediction)
    batch, told = task.batch(ONE, generator()), {}
    assert batch["latents"].shape == (2, 2, 4, FRAMES, 4, 4)
    assert (batch["cameras"] is None) == (kind == "warped") == (not batch["valid"].all())
    plain = task.losses

    def overheard(batch: dict[str, Any], levels: torch.Tensor, noise: torch.Tensor) -> Any:
        told.update(levels=levels, noise=noise)
        return plain(batch, levels, noise)

    task.losses = overheard  # pyright: ignore
    loss, scalars = task(batch, generator(1))
    steps = (1000 * told["levels"]).long()
    assert bool((steps[:, 0] == steps[:, 1]).all()) != per_view
    betas = torch.linspace(0.00085, 0.012, 1000, dtype=torch.float64)
    kept = (1 - betas).cumprod(0)[steps].float()[..., None, None, None, None]
    noisy = kept.sqrt() * batch["latents"] + (1 - kept).sqrt() * told["noise"]
    text = task.embed(batch["captions"]).repeat_interleave(2 * FRAMES, 0)
    control, slopes, cameras = task.pipeline.control, generator(batch["slopes"]), batch["cameras"]
    assert control is not None
    if cameras is None:
        with task.adapter.warped(batch["warps"], (SIZE, SIZE), generator=slopes), control.disabled(), torch.no_grad():
            predicted = task.transformer(noisy.flatten(0, 1), steps.flatten(), text).sample
    else:
        with task.adapter.cameras(cameras, generator=slopes), control.cameras(cameras), torch.no_grad():
            predicted = task.transformer(noisy.flatten(0, 1), steps.flatten(), text).sample
    mask = batch["valid"][:, :, None].expand_as(noisy)
    error = (predicted.unflatten(0, (2, 2)) - told["noise"]) ** 2 * mask**2
    torch.testing.assert_close(loss, error.mean())
    shares = [error[s, v].sum() / mask[s, v].sum() for s in range(2) for v in range(2)]
    torch.testing.assert_close(scalars["mse"], torch.stack(shares).mean())


def test_cells_count_that_show_nothing_but_the_video(data: Path, stack: tuple[Path, Path]) -> None:
    task = make(data, stack, spread={"translation": 0.8}, **only("warped"))
    scene = task.stores["train"]["warped"][0]
    pair = task._pair(scene, "warped", FRAMES, generator(3))
    batch = task._collate([scene], "warped", FRAMES, generator(3))
    expected = pair.valid.unflatten(-1, (4, 8)).unflatten(-3, (4, 8)).all(-1).all(-2)
    assert torch.equal(batch["valid"][0].bool(), expected) and 0 < expected[1].float().mean() < 1


def test_kinds_are_drawn_by_their_weights(data: Path, stack: tuple[Path, Path]) -> None:
    task = make(data, stack, folded=0.5, synchronised=0.0, warped=0.5)
    batches = [task.batch(ONE, generator(seed)) for seed in range(20)]
    assert 4 < sum(batch["cameras"] is None for batch in batches) < 16


def test_what_corresponds_is_used(data: Path, stack: tuple[Path, Path]) -> None:
    for kind in ("synchronised", "warped"):
        task = make(data, stack, spread={"translation": 0.8}, **only(kind))
        batch, levels, noise = next(task.validation_batches(1))
        right, permuted, off = (task.losses(batch, levels, noise, name)[1] for name in ("right", "permuted", "off"))
        assert torch.equal(right, permuted) and torch.equal(right, off), "fresh modules change nothing"
        shake(task)
        again, permuted, changed = (task.losses(batch, levels, noise, name)[1] for name in ("right", "permuted", "off"))
        assert torch.equal(changed, off) and not torch.equal(again, off) and not torch.equal(again, permuted)
        with torch.no_grad():
            assert task.validate() == task.validate()


def test_realestate10k_and_general_videos_train_together(stack: tuple[Path, Path], tmp_path: Path) -> None:
    estates = make_realestate(tmp_path / "estates")
    for name in ("aaa", "bbb"):
        (estates / "train" / f"{name}.caption.txt").write_text(f"a house {name}")
    for folder in (estates, estates / "frames"):
        shutil.copytree(folder / "train", folder / "val")
    for split in ("train", "val"):
        make_videos(tmp_path / "videos" / split)
    task = make(estates, stack, videos=str(tmp_path / "videos"), synchronised=0.0, caption_dropout=0.0)
    captions: dict[bool, set[str]] = {False: set(), True: set()}
    for seed in range(20):
        one = dataclasses.replace(ONE, batch_size=1)
        batch = task.batch(one, generator(seed))
        assert torch.isfinite(task(batch, generator())[0])
        captions[batch["cameras"] is None].add(batch["captions"][0])
    assert captions[False] == {"a house aaa", "a house bbb"}
    assert captions[True] == {"a cat, asleep", "a dog"}


def test_training_lowers_the_loss_on_held_out_clips_and_the_pipeline_takes_it(
    stack: tuple[Path, Path], tmp_path: Path
) -> None:
    data = render_store(tmp_path / "data", cameras="takes", num_views=2, num_frames=2 * FRAMES - 1, hw=(SIZE, SIZE))
    config = cvd_stage(options=only("folded") | {"validation_scenes": 4}, learning_rate=3e-2, ema_decay=0.5)
    config = dataclasses.replace(config, validate_every=200, checkpoint_every=200).scaled(200)
    model, folder = stack
    export = train(config, data=data, base=model, adapter=folder, out=tmp_path / "run")
    with (tmp_path / "run" / "validation.csv").open() as file:
        figures = {name: float(value) for name, value in list(csv.DictReader(file))[-1].items()}
    assert figures["loss_right"] < 0.93 * figures["loss_off"]
    cameras = parse_rig("circle:views=2,radius=1", num_frames=FRAMES, hw=(SIZE, SIZE))
    told: dict[str, Any] = {"num_inference_steps": 2, "output_type": "latent", "seed": 0}
    made = CVDPipeline.from_pretrained(model, adapter=export, dtype=torch.float32, device="cpu")
    assert made.control is not None
    both = made("a dog", cameras, **told).latents
    for name, parameter in made.sync.named_parameters():
        if "proj_out" in name:
            torch.nn.init.zeros_(parameter)
    assert not torch.allclose(made("a dog", cameras, **told).latents, both, atol=1e-3)
    further = train(cvd_stage(learning_rate=1e-12), data=data, base=model, adapter=export, out=tmp_path / "on", steps=1)
    before, after = (CVDPipeline.from_pretrained(model, adapter=x, dtype=torch.float32).sync for x in (export, further))
    for name, value in before.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], value, atol=1e-6, rtol=0)


def test_the_recipe_is_the_papers() -> None:
    config = RECIPES["cvd"]()
    assert config.steps == 100_000 and config.learning_rate == 1e-4 and config.betas == (0.9, 0.999)
    assert config.final_learning_rate == 1.0 and config.weight_decay == 0.01 and config.max_grad_norm == 1.0
    assert [(phase.batch_size, phase.num_frames) for phase in config.phases] == [(1, 16)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (only("folded") | {"folded": 0.0}, "are weights, at least one above 0"),
        ({"max_stride": 0}, "max_stride must be at least 1, got 0"),
        ({"hw": (30, 32)}, "hw must be a height and width in multiples of 8, got (30, 32)"),
        (only("folded") | {"videos": "videos"}, "videos has no effect without warped pairs"),
        ({"spread": {"zoom": 1}}, "Spread has no option zoom; its options: translation, rotation_deg"),
        ({"lead_view": 1}, "CVDOptions has no option lead_view"),
        ({"videos": "nowhere"}, "nowhere/train is not a folder"),
    ],
)
def test_what_does_not_fit_is_refused(
    data: Path, stack: tuple[Path, Path], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make(data, stack, **options)


def test_clips_that_are_too_short_are_refused_before_training(stack: tuple[Path, Path], tmp_path: Path) -> None:
    short = write_store(tmp_path, train=1, held_out=1, num_frames=4)
    with pytest.raises(InputError, match="has 4 frames, but folded pairs of 3 frames need 5"):
        make(short, stack)

"""Named training recipes, and the entry that runs one."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan

from syncam.cameras.trained_range import TrainedRange, measure_trained_range
from syncam.data.dataset import ClipStore
from syncam.errors import InputError
from syncam.pipelines.loading import load_adapter, load_base
from syncam.training.autoencoder import AutoencoderTask
from syncam.training.cached_views import ViewsTask
from syncam.training.config import Phase, TrainConfig
from syncam.training.cvd import load_cvd_task
from syncam.training.precompute import LatentStore, encode_store, in_turns
from syncam.training.probes import ProbesTask
from syncam.training.reshoot import ReshootTask
from syncam.training.small_model import channels_last
from syncam.training.task import Task
from syncam.training.text_to_video import TextToVideoTask
from syncam.training.trainer import Progress, check_folder, fit, process_state
from syncam.training.view_sync import ViewSyncTask

__all__ = ["RECIPES", "describe_recipes", "train"]

logger = logging.getLogger(__name__)

ADAPTER_TASKS: dict[str, type[ViewsTask]] = {"view_sync": ViewSyncTask, "reshoot": ReshootTask}
"""The tasks that train an adapter of a text-to-video model."""


def small_autoencoder() -> TrainConfig:
    """The built-in model's autoencoder: 8x in space, 4x in time, 32 channels."""
    return TrainConfig(
        task="autoencoder",
        phases=(
            # Short clips first: the loop over latent frames is learnt once single pictures look right.
            Phase(steps=600, batch_size=4, num_frames=5, crop=64),
            Phase(steps=1500, batch_size=3, num_frames=17, crop=64),
        ),
        learning_rate=1.5e-3,
        final_learning_rate=0.05,
        warmup_steps=50,
        weight_decay=1e-3,
        ema_decay=0.995,
        compile=True,
        options={
            "model": {
                "base_dim": 32,
                "z_dim": 32,
                "dim_mult": [1, 2, 2],
                "num_res_blocks": 1,
                "temperal_downsample": [True, True],
                "patch_size": 2,
                "in_channels": 12,
                "out_channels": 12,
                "is_residual": True,
                "scale_factor_temporal": 4,
                "scale_factor_spatial": 8,
                "latents_mean": [0.0] * 32,
                "latents_std": [1.0] * 32,
            }
        },
    )


def small_text_to_video() -> TrainConfig:
    """The built-in model's text encoder and transformer, on single views: stills first, then videos."""
    return TrainConfig(
        task="text_to_video",
        phases=(
            Phase(steps=1500, batch_size=64, num_frames=1),
            Phase(steps=8000, batch_size=16, num_frames=17, stills=0.25, stills_batch_size=64),
        ),
        optimizer="muon",
        learning_rate=1e-3,
        final_learning_rate=0.05,
        warmup_steps=100,
        ema_decay=0.998,
        compile=True,
        validate_every=1000,
        options={
            "model": {
                "patch_size": (1, 2, 2),
                "num_attention_heads": 4,
                "attention_head_dim": 64,
                "num_layers": 8,
                "ffn_dim": 1024,
                "freq_dim": 128,
                "cross_attn_norm": True,
                "rope_max_seq_len": 64,
            }
        },
    )


def small_view_sync() -> TrainConfig:
    """The built-in model's view adapter: how the views of a still look first, then videos, in pairs and in fours."""
    return TrainConfig(
        task="view_sync",
        phases=(
            # A still is a fifth of a video's tokens: it shows four times the scenes in the same time.
            Phase(steps=4000, batch_size=16, num_frames=1, views=(4,)),
            Phase(steps=4000, batch_size=4, num_frames=17, views=(2, 4), stills=0.5, stills_batch_size=16),
        ),
        optimizer="muon",
        learning_rate=2e-3,
        final_learning_rate=0.05,
        warmup_steps=100,
        ema_decay=0.998,
        compile=True,
        validate_every=1000,
        options={
            # What the views agree on is settled while there is much noise. Where a view with less of it leads, it tells
            # the others what they cannot know otherwise; without a caption, it is the only one to tell.
            "shift": 8.0,
            "distribution": "logit_normal",
            "weighting": "none",
            "lead_view": 0.8,
            "caption_dropout": 0.3,
            "subject_weight": 6.0,
        },
    )


def wan_view_sync() -> TrainConfig:
    """SynCamMaster on Wan2.1: pairs of near views first, then wider ones; for a data set at the base model's size."""
    return TrainConfig(
        task="view_sync",
        phases=(
            Phase(steps=10_000, batch_size=1, num_frames=81, views=(2,), max_azimuth_deg=30, max_elevation_deg=15),
            Phase(steps=5_000, batch_size=1, num_frames=81, views=(2,), max_azimuth_deg=60, max_elevation_deg=30),
            Phase(steps=5_000, batch_size=1, num_frames=81, views=(2, 3, 4)),
        ),
        learning_rate=1e-4,
        final_learning_rate=1.0,
        betas=(0.9, 0.999),
        ema_decay=0.9995,
        options={"caption_dropout": 0.0, "gradient_checkpointing": True, "sample_guidance": 5.0},
    )


def cogvideox_view_sync() -> TrainConfig:
    """SynCamMaster on CogVideoX: as on Wan2.1, with clips of 49 frames."""
    config = wan_view_sync()
    phases = tuple(dataclasses.replace(phase, num_frames=49) for phase in config.phases)
    return dataclasses.replace(config, phases=phases, options=config.options | {"sample_guidance": 6.0})


def small_reshoot() -> TrainConfig:
    """The built-in model's re-shoot adapter: how a still looks from elsewhere first, then videos along paths."""
    return TrainConfig(
        task="reshoot",
        phases=(
            # As with the view adapter: a pair of stills is 128 tokens, a pair of videos 640.
            Phase(steps=1800, batch_size=24, num_frames=1),
            Phase(steps=3600, batch_size=6, num_frames=17, stills=0.3, stills_batch_size=24),
        ),
        optimizer="muon",
        learning_rate=1.5e-3,
        final_learning_rate=0.05,
        warmup_steps=100,
        ema_decay=0.998,
        compile=True,
        validate_every=1000,
        options={
            "shift": 5.0,
            "distribution": "logit_normal",
            "weighting": "none",
            "translation_scale": 2.0,
            "caption_dropout": 0.3,  # without a caption, the source is the only one to tell
            "subject_weight": 6.0,
            # Sources in use are clean, or made by the model itself: most are clean here, the rest a little noisy.
            "source_noise": (0.0, 0.3),
            "source_noise_share": 0.3,
            "text_to_video": 0.1,
            "image_to_video": 0.1,
        },
    )


def recammaster() -> TrainConfig:
    """ReCamMaster as in its paper: pairs of views; a fifth without a source, a fifth with its first frame alone."""
    return TrainConfig(
        task="reshoot",
        phases=(Phase(steps=10_000, batch_size=1, num_frames=81),),
        learning_rate=1e-4,
        final_learning_rate=1.0,
        betas=(0.9, 0.999),
        gradient_accumulation=5,  # on 8 GPUs, the paper's batch of 40
        ema_decay=0.9995,
        options={
            "source_noise": (0.2, 0.5),
            "source_noise_share": 1.0,
            "text_to_video": 0.2,
            "image_to_video": 0.2,
            "caption_dropout": 0.0,
            "gradient_checkpointing": True,
            "sample_guidance": 5.0,
        },
    )


def cvd() -> TrainConfig:
    """CVD as in its paper: modules that synchronise pairs of views, beside a frozen AnimateDiff with CameraCtrl."""
    return TrainConfig(
        task="cvd",
        phases=(Phase(steps=100_000, batch_size=1, num_frames=16),),  # on 8 GPUs, the paper's batch of 8
        learning_rate=1e-4,
        final_learning_rate=1.0,
        warmup_steps=0,
        betas=(0.9, 0.999),
        ema_decay=0.0,  # the paper exports the weights themselves
        validate_every=2000,
        checkpoint_every=1000,
        options={"gradient_checkpointing": True},
    )


def small_probes() -> TrainConfig:
    """What measures models of the small world: labels of pictures, cameras and moments of pairs, on renders."""
    return TrainConfig(
        task="probes",
        phases=(Phase(steps=4000, batch_size=16, num_frames=5),),
        learning_rate=1e-3,
        final_learning_rate=0.02,
        warmup_steps=200,
        weight_decay=0.05,
        ema_decay=0.998,
        validate_every=1000,
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "small-autoencoder": small_autoencoder,
    "small-text-to-video": small_text_to_video,
    "small-view-sync": small_view_sync,
    "wan-view-sync": wan_view_sync,
    "cogvideox-view-sync": cogvideox_view_sync,
    "small-reshoot": small_reshoot,
    "recammaster": recammaster,
    "cvd": cvd,
    "small-probes": small_probes,
}


def describe_recipes() -> list[dict[str, Any]]:
    """One row per recipe: its name, task, steps and what it trains."""
    rows = []
    for name, recipe in RECIPES.items():
        config = recipe()
        about = (recipe.__doc__ or "").strip()
        rows.append({"recipe": name, "task": config.task, "steps": config.steps, "about": about})
    return rows


def train(
    recipe: str | TrainConfig,
    *,
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    base: str | Path | None = None,
    adapter: str | Path | None = None,
    resume: bool = False,
    steps: int | None = None,
    seed: int | None = None,
    progress: Progress | None = None,
    encoding_progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Runs a recipe on a data set and returns the folder of the exported weights, out/export.

    The recipes whose latents are encoded once, into a folder beside the data, take several data sets as one, whose
    scenes have the same number of views and frames and the same size.
    `base` is what the stage builds on: a folder with vae/ for a new text-to-video model, or such a model's folder, to
    train it further; for adapters a text-to-video model's folder or hub id. Those also take the `adapter` whose
    training to take further; without one they start afresh. CVD's `base` is Stable Diffusion 1.5, and its `adapter` a
    folder with motion, and maybe control, lora, and the sync to take further.
    `steps` runs the same recipe in fewer or more steps; `resume` goes on with the run in `out` at its newest
    checkpoint, with the losses of an uninterrupted run.
    """
    config = _configure(recipe, steps, seed)
    out, folders = Path(out), [Path(data)] if isinstance(data, str | Path) else [Path(folder) for folder in data]
    given = {"base": base, "adapter": adapter}
    sources = {"data": " + ".join(map(_place, folders))}
    sources |= {name: _place(source) for name, source in given.items() if source is not None}
    check_folder(out, config, resume=resume, sources=sources)
    task = _build(config, folders, base, adapter, encoding_progress)
    fit(task, out, progress=progress, sources=sources)
    return out / "export"


def _configure(recipe: str | TrainConfig, steps: int | None, seed: int | None) -> TrainConfig:
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise InputError(f"unknown recipe {recipe!r}; the recipes are {', '.join(RECIPES)}")
        recipe = RECIPES[recipe]()
    if steps is not None:
        recipe = recipe.scaled(steps)
    return recipe if seed is None else dataclasses.replace(recipe, seed=seed)


def _place(source: str | Path) -> str:
    """A folder's whole path; a hub id as it is."""
    return str(Path(source).resolve()) if Path(source).exists() else str(source)


def _build(
    config: TrainConfig,
    folders: list[Path],
    base: str | Path | None,
    adapter: str | Path | None,
    progress: Callable[[int, int], None] | None,
) -> Task:
    if not folders:
        raise InputError(f"{config.task} needs data: the folder of a data set")
    data = folders[0]
    if len(folders) > 1 and config.task in ("autoencoder", "probes", "cvd"):
        raise InputError(f"{config.task} takes one data set, got {len(folders)}")
    if adapter is not None and config.task not in {*ADAPTER_TASKS, "cvd"}:
        raise InputError(f"{config.task} trains no adapter: leave adapter away")
    if config.task == "autoencoder":
        if base is not None:
            raise InputError("an autoencoder builds on nothing: leave base away")
        return AutoencoderTask(config, data)
    if config.task == "probes":
        if base is not None:
            raise InputError("probes build on nothing: leave base away")
        return ProbesTask(config, data, progress)
    if base is None:
        needed = {"text_to_video": "a folder with vae/", "cvd": "Stable Diffusion 1.5"}
        raise InputError(f"{config.task} needs base: {needed.get(config.task, 'a text-to-video model')}")
    stores = [ClipStore(folder, "train") for folder in folders]
    fps = stores[0][0].fps  # before anything heavy: is there data at all?
    device = process_state().device
    if config.task == "cvd":
        return load_cvd_task(config, data, base, adapter, device or torch.device("cpu"))
    if config.task in ADAPTER_TASKS:
        for scene in (store.scenes[0] for store in stores):
            if scene.cameras is None:
                raise InputError(f"{scene.path} has no cameras, by which adapters learn; choose data that has")
        # What is not trained is needed in the precision of the products only.
        dtype = torch.bfloat16 if config.mixed_precision == "bf16" else torch.float32
        pipeline = load_base(base, dtype).to(device)
        task = ADAPTER_TASKS[config.task]
        start = None if adapter is None else load_adapter(base, adapter, torch.float32, kind=task.adapter_class)
        latents = _latents(folders, pipeline.vae, config, progress)
        return task(config, *latents, pipeline, start, trained=_trained_range(config, stores))
    if (Path(base) / "model_index.json").is_file():
        start = load_base(base, torch.float32)
        if not isinstance(start.vae, AutoencoderKLWan):
            raise InputError(f"text_to_video trains Wan's transformers, but {base} is a {type(start).__name__}")
        vae = start.vae.to(device)
        return TextToVideoTask(config, *_latents(folders, vae, config, progress), vae, start=start, fps=fps)
    try:
        vae = AutoencoderKLWan.from_pretrained(base, subfolder="vae", torch_dtype=torch.float32).to(device)
    except (OSError, ValueError) as err:
        reason = " ".join(str(err).split())[:300]
        raise InputError(f"{base} does not load as the base of text_to_video, a folder with vae/: {reason}") from err
    return TextToVideoTask(config, *_latents(folders, vae, config, progress), vae, fps=fps)


def _trained_range(config: TrainConfig, stores: list[ClipStore]) -> TrainedRange:
    """The cameras that the phases draw from the data."""
    rigs = (scene.cameras for store in stores for scene in store.scenes if scene.cameras is not None)
    if config.task == "reshoot":
        return measure_trained_range(rigs)  # of single paths; what else it says is about views side by side
    counts = [views for phase in config.phases for views in phase.views]
    apart = [phase.max_azimuth_deg for phase in config.phases]
    return measure_trained_range(
        rigs,
        views=(min(counts), max(counts)),
        azimuth_from_first_deg=None if None in apart else max(x for x in apart if x is not None),
    )


def _latents(
    folders: list[Path], vae: Any, config: TrainConfig, progress: Callable[[int, int], None] | None
) -> tuple[LatentStore, LatentStore]:
    channels_last(vae.eval().requires_grad_(False))
    bf16, state = config.mixed_precision == "bf16", process_state()
    with state.main_process_first():  # the others find everything encoded
        shown = progress if state.is_main_process else None
        train_set, held_out = (
            in_turns([encode_store(data, split, vae, data / "cache", bf16=bf16, progress=shown) for data in folders])
            for split in ("train", "val")
        )
    return train_set, held_out

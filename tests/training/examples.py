"""Clips and models small enough that all stages of training run in seconds."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan

from syncam.adapters import PlueckerAdapter
from syncam.cameras.trajectories import arc
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import write_clip
from syncam.render.config import RenderConfig
from syncam.render.dataset import render_dataset
from syncam.training.config import Phase, TrainConfig
from syncam.training.small_model import build_autoencoder
from tiny import seeded, tiny_animatediff

NUM_VIEWS, NUM_FRAMES, SIZE = 4, 5, 32
CAPTIONS = (
    "a red horse walks on green grass",
    "a blue dog, standing, on yellow sand",
    "a white cat runs under a grey sky",
    "a black cow walks on snow",
)
CHANNELS = 4
VAE = {
    "base_dim": 8,
    "z_dim": CHANNELS,
    "dim_mult": [1, 1, 1],
    "num_res_blocks": 1,
    "temperal_downsample": [True, True],
    "patch_size": 2,
    "in_channels": 12,
    "out_channels": 12,
    "is_residual": True,
    "scale_factor_temporal": 4,
    "scale_factor_spatial": 8,
    "latents_mean": [0.1, -0.2, 0.0, 0.3],
    "latents_std": [1.0, 0.5, 2.0, 0.8],
}
TRANSFORMER = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "num_layers": 2,
    "ffn_dim": 32,
    "freq_dim": 16,
    "cross_attn_norm": True,
    "rope_max_seq_len": 32,
}


def tiny_clip(seed: int, num_views: int = NUM_VIEWS, num_frames: int = NUM_FRAMES, size: int = SIZE) -> MultiViewClip:
    """Smooth random pictures that move, with a square for a subject."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(num_views, 3, 3, 4, 4, generator=generator)
    video = F.interpolate(coarse, (num_frames, size, size), mode="trilinear", align_corners=True).transpose(1, 2)
    masks = torch.zeros(num_views, num_frames, size, size, dtype=torch.bool)
    masks[..., size // 4 : size // 2, size // 2 : size * 3 // 4] = True
    cameras = arc(views=num_views, radius=4.0 + seed, move_deg=20.0, num_frames=num_frames, hw=(size, size))
    return MultiViewClip(video.contiguous(), cameras, CAPTIONS[seed % len(CAPTIONS)], 8.0, masks)


def write_store(root: Path, train: int = 3, held_out: int = 2, **shape: int) -> Path:
    """A data set folder of tiny clips."""
    for index in range(train):
        write_clip(root / "train" / "f24_aperture5" / f"scene{index + 1}", tiny_clip(index, **shape))
    for index in range(held_out):
        write_clip(root / "val" / "f24_aperture5" / f"scene{index + 1}", tiny_clip(index + 1, **shape))
    return root


def render_store(root: Path, train: int = 3, held_out: int = 2, **settings: Any) -> Path:
    """A data set folder as `syncam render` makes it, of the settings of a RenderConfig."""
    for split, scenes in (("train", train), ("val", held_out)):
        render_dataset(RenderConfig(out=root, split=split, num_scenes=scenes, num_workers=1, **settings))
    return root


def tiny_autoencoder(seed: int = 0) -> AutoencoderKLWan:
    return build_autoencoder(VAE, seed=seed).eval().requires_grad_(False)


def stage(task: str, *phases: Phase, options: dict[str, Any] | None = None, **changes: Any) -> TrainConfig:
    """A recipe of a few steps, in full precision."""
    numbers = {"warmup_steps": 2, "log_every": 1, "validate_every": 4, "checkpoint_every": 3, "mixed_precision": "no"}
    return TrainConfig(
        **{"task": task, "phases": phases, "learning_rate": 1e-3, "options": options or {}} | numbers | changes
    )


def autoencoder_stage(**changes: Any) -> TrainConfig:
    phases = Phase(steps=3, batch_size=2, num_frames=1, crop=16), Phase(steps=3, batch_size=2, num_frames=NUM_FRAMES)
    return stage("autoencoder", *phases, options={"model": VAE}, **changes)


def text_to_video_stage(**changes: Any) -> TrainConfig:
    phases = (
        Phase(steps=3, batch_size=4, num_frames=1),
        Phase(steps=3, batch_size=2, num_frames=NUM_FRAMES, stills=0.5, stills_batch_size=4),
    )
    return stage("text_to_video", *phases, options={"model": TRANSFORMER, "sample_steps": 2}, **changes)


def view_sync_stage(**changes: Any) -> TrainConfig:
    phases = (
        Phase(steps=3, batch_size=2, num_frames=1, views=(2,), max_azimuth_deg=60),
        Phase(steps=3, batch_size=1, num_frames=NUM_FRAMES, views=(2, 3, 4), stills=0.5, stills_batch_size=2),
    )
    return stage("view_sync", *phases, options={"shift": 3.0}, **changes)


def cvd_stage(**changes: Any) -> TrainConfig:
    options = {
        "hw": (SIZE, SIZE),
        "synchronised": 0.3,
        "validation_scenes": 3,
        "sample_steps": 1,
        "adapter": {"num_heads": 2, "norm_groups": 4},
    }
    more = changes.pop("options", {})
    phase = Phase(steps=6, batch_size=2, num_frames=(NUM_FRAMES + 1) // 2)
    return stage("cvd", phase, options=options | more, **changes)


def write_animatediff(folder: Path) -> tuple[Path, Path]:
    """A tiny Stable Diffusion, and the folder of what CVD's modules stand beside: `motion` and `control`."""
    base = tiny_animatediff()
    base.save_pretrained(folder / "model")
    base.motion_adapter.save_pretrained(folder / "cvd" / "motion")
    control = seeded(
        lambda: PlueckerAdapter.from_transformer(base.unet, num_heads=2, max_frames=8, trained_frames=3), 0
    )
    merges: Any = control.blocks
    for block in merges:
        torch.nn.init.normal_(block.linear.weight, std=0.2, generator=torch.Generator().manual_seed(0))
    control.save_pretrained(folder / "cvd" / "control")
    return folder / "model", folder / "cvd"


def reshoot_stage(**changes: Any) -> TrainConfig:
    phases = (
        Phase(steps=3, batch_size=2, num_frames=1, max_azimuth_deg=60),
        Phase(steps=3, batch_size=2, num_frames=NUM_FRAMES, stills=0.5, stills_batch_size=2),
    )
    return stage("reshoot", *phases, options={"shift": 3.0, "sample_steps": 2}, **changes)

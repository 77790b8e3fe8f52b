"""What a generation will take, from the configs of a model alone."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from syncam.adapters.estimate import plan
from syncam.cameras.cameras import Cameras
from syncam.errors import InputError
from syncam.pipelines.adapted import choose_device, default_dtype

__all__ = ["plan_generation"]


def plan_generation(
    model: str | Path,
    cameras: Cameras,
    *,
    num_inference_steps: int,
    guidance: bool,
    lead_view: bool,
    device: str | None = None,
    dtype: str | None = None,
) -> dict[str, Any]:
    """Tokens, operations, bytes and seconds of videos of `cameras`, by name, and as text under `plan`.

    No weights are read: of a hub id, config files alone are fetched. None takes the device and precision that
    generating would take.
    """
    chosen = choose_device(device)
    height, width = cameras.hw
    costs = plan(
        _config(model, "transformer", WanTransformer3DModel),
        _config(model, "vae", AutoencoderKLWan),
        num_views=cameras.num_views,
        num_frames=cameras.num_frames,
        height=height,
        width=width,
        num_inference_steps=num_inference_steps,
        guidance=guidance,
        lead_view=lead_view,
        dtype=default_dtype(chosen) if dtype is None else getattr(torch, dtype),
        device=chosen,
        vae_dtype=torch.float32,
        text_encoder_bytes=sum(path.stat().st_size for path in Path(model, "text_encoder").glob("*.safetensors")),
    )
    figures = dataclasses.asdict(costs) | {"tokens_per_view": costs.tokens_per_view, "peak_bytes": costs.peak_bytes}
    return {"plan": str(costs), **figures}


def _config(model: str | Path, part: str, cls: Any) -> dict[str, Any]:
    path = Path(model, part, "config.json")
    try:
        return (
            json.loads(path.read_text(encoding="utf-8"))
            if path.is_file()
            else dict(cls.load_config(model, subfolder=part))
        )
    except (OSError, ValueError) as err:
        reason = " ".join(str(err).split())[:200]
        raise InputError(f"model {model} has no readable {part}/config.json: {reason}") from err

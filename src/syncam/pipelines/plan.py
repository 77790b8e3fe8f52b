"""What a generation will take, from the configs of a model alone."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import torch

from syncam.adapters.estimate import Plan, duration, plan, suggest
from syncam.cameras.cameras import Cameras
from syncam.errors import InputError
from syncam.pipelines.adapted import choose_device, default_dtype
from syncam.pipelines.collaborative import Collaboration
from syncam.pipelines.loading import read_base
from syncam.pipelines.matchings import disjoint, num_pairs
from syncam.pipelines.recurrent import num_calls

__all__ = ["model_config", "plan_calls", "plan_generation", "plan_pairs", "plan_takes"]


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
    costs = _plan(
        model,
        num_views=cameras.num_views,
        num_frames=cameras.num_frames,
        hw=cameras.hw,
        num_inference_steps=num_inference_steps,
        guidance=guidance,
        lead_view=lead_view,
        device=device,
        dtype=dtype,
    )
    return _report(str(costs), costs)


def plan_takes(
    model: str | Path,
    *,
    num_takes: int,
    num_windows: int,
    num_frames: int,
    hw: tuple[int, int],
    rank: int | None,
    num_inference_steps: int,
    guidance: bool,
    device: str | None = None,
    dtype: str | None = None,
) -> dict[str, Any]:
    """The same of videos that are shown from other paths: of one window of one take, and the seconds of all.

    `num_takes` and `num_windows` are how many are made, of all sources together. `rank` is that of the adapter. That
    the sources are encoded, once each, is left out: it takes less than their decoding.
    """
    costs = _plan(
        model,
        num_views=1,
        num_frames=num_frames,
        hw=hw,
        num_inference_steps=num_inference_steps,
        guidance=guidance,
        source=True,
        rank=rank,
        device=device,
        dtype=dtype,
    )
    seconds = costs.seconds * num_windows
    takes = "1 take" if num_takes == 1 else f"{num_takes} takes"
    windows = "1 window" if num_windows == 1 else f"{num_windows} windows"
    text = f"{takes}: {windows} of {num_frames} frames of {hw[0]}x{hw[1]}, one after the other; about "
    text += f"{duration(seconds)} in all\nEvery window:\n{costs}"
    return _report(text, costs, takes=num_takes, windows=num_windows, seconds=seconds)


def plan_pairs(
    model: str | Path,
    cameras: Cameras,
    collaboration: Collaboration,
    *,
    passes: list[bool],
    num_inference_steps: int,
    guidance: bool,
    guide_adapter: bool,
    device: str | None = None,
    dtype: str | None = None,
) -> dict[str, Any]:
    """The same of videos whose views are denoised in pairs: of a pair, and the forward passes and seconds of all.

    `passes` says for every time that the views are denoised whether a known view leads.
    """
    views = cameras.num_views
    at_once = collaboration.at_once(views)
    costs = _plan(
        model,
        num_views=2,
        num_frames=cameras.num_frames,
        hw=cameras.hw,
        num_inference_steps=num_inference_steps,
        guidance=guidance,
        device=device,
        dtype=dtype,
    )
    second_per_flop = costs.seconds / (num_inference_steps * costs.step_flops + costs.decode_flops)
    steps = num_calls(num_inference_steps, collaboration.repeats)
    flops, calls, said = views * costs.decode_flops // 2, 0, []
    for led in passes:
        pairs = num_pairs(views, collaboration.partners, led=led)
        shares = [pairs] if not guidance else [pairs, views / 2 if guide_adapter else pairs]  # in pairs of views
        flops += steps * sum(shares) * costs.step_flops / (2 if guidance else 1)
        calls += steps * sum(math.ceil(share / at_once) for share in shares)
        said.append(f"{pairs} pairs at each of {steps} steps" + (", to match the first view" if led else ""))
    seconds = flops * second_per_flop
    costs = dataclasses.replace(costs, denoise_bytes=costs.denoise_bytes * at_once, suggestions=())
    chosen = default_dtype(choose_device(device)) if dtype is None else getattr(torch, dtype)
    if ways := suggest(dataclasses.replace(costs, num_views=1), chosen):
        fewer = ("fewer pairs at once, such as 1",) if at_once > 1 else ()
        costs = dataclasses.replace(costs, suggestions=(*fewer, *ways))
    text = f"{views} views in pairs: {'; then '.join(said)}\n{calls} forward passes of up to {at_once} pairs; about "
    text += f"{duration(seconds)} in all\nA pair, with memory for {at_once}:\n{costs}"
    return _report(text, costs, num_views=views, num_steps=steps, forward_passes=calls, seconds=seconds)


def plan_calls(num_views: int, collaboration: Collaboration, seed: int, num_inference_steps: int) -> dict[str, Any]:
    """The forward passes of a CVDPipeline; what they cost is not known without its weights."""
    steps, at_once = num_calls(num_inference_steps, collaboration.repeats), collaboration.at_once(num_views)
    calls = sum(
        math.ceil(len(pairs) / at_once)
        for step in range(steps)
        for pairs in disjoint(collaboration.draw(num_views, [seed], step)[0])
    )
    text = f"{num_views} views in pairs, {steps} steps: {calls} forward passes of up to {at_once} pairs"
    return {"plan": text, "num_views": num_views, "num_steps": steps, "forward_passes": calls}


def _plan(model: str | Path, *, hw: tuple[int, int], device: str | None, dtype: str | None, **settings: Any) -> Plan:
    chosen, base = choose_device(device), read_base(model)
    transformer = model_config(model, "transformer", base.transformer)
    return plan(
        transformer,
        model_config(model, "vae", base.autoencoder),
        height=hw[0],
        width=hw[1],
        dtype=default_dtype(chosen) if dtype is None else getattr(torch, dtype),
        device=chosen,
        vae_dtype=torch.float32,
        text_tokens=base.text_length(transformer),
        guidance_calls=base.guidance_calls,
        text_encoder_bytes=sum(path.stat().st_size for path in Path(model, "text_encoder").glob("*.safetensors")),
        **settings,
    )


def _report(text: str, costs: Plan, **others: Any) -> dict[str, Any]:
    own = {"tokens_per_view": costs.tokens_per_view, "peak_bytes": costs.peak_bytes}
    return {"plan": text} | dataclasses.asdict(costs) | own | others


def model_config(model: str | Path, part: str, cls: Any) -> dict[str, Any]:
    """The config of a part of a model, of its class; InputError if it cannot be read."""
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

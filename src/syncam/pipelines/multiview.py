"""MultiViewPipeline: a stock WanPipeline with a view-sync adapter turns text and cameras into synchronised videos."""

import contextlib
import hashlib
import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler, WanPipeline
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.attention import check_attention_backend
from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.cameras.cameras import Cameras
from syncam.cameras.encodings import latent_frame_indices
from syncam.errors import InputError
from syncam.files import write_json
from syncam.pipelines.defaults import Defaults, load_defaults
from syncam.pipelines.guidance import guided_by_views
from syncam.pipelines.latents import denormalised, normalised
from syncam.pipelines.lead import leading
from syncam.pipelines.loading import BUILT_IN, load_adapter, load_base

__all__ = ["SCHEDULERS", "MultiViewOutput", "MultiViewPipeline", "ReferenceScheduler"]

logger = logging.getLogger(__name__)

SCHEDULERS = ("model", "euler", "unipc", "reference")
"""The model folder's own sampler; Euler steps; UniPC; and SynCamMaster's Euler steps with its spacing and shift 5."""


PIPELINE_MULTIPLE = 16
"""WanPipeline takes no other sizes, whatever its models could do."""


class ReferenceScheduler(FlowMatchEulerDiscreteScheduler):
    """Euler steps over the reference's noise levels: linspace(1, 0, N + 1) without its end, shifted."""

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None, **settings: Any) -> None:
        """Sets the N noise levels; diffusers' own spacing for the same N ends lower."""
        if num_inference_steps is None:
            raise InputError("the reference scheduler needs a number of steps")
        sigmas = torch.linspace(1, 0, num_inference_steps + 1, dtype=torch.float64)[:-1].tolist()
        super().set_timesteps(device=device, sigmas=sigmas, **settings)


@dataclass(frozen=True)
class MultiViewOutput:
    """Videos in [0, 1], [V, F, C, H, W] for a prompt, [B, V, F, C, H, W] for a list; latents likewise, normalised."""

    videos: Tensor | None
    latents: Tensor


class MultiViewPipeline:
    """Text and V cameras to V videos of one scene.

    Holds a stock WanPipeline (`base`) and a ViewSyncAdapter (`adapter`), which is attached to the transformer for as
    long as this pipeline lives; `base` itself works as before inside `with pipeline.adapter.disabled()`.

    Example:
        >>> pipeline = MultiViewPipeline.from_pretrained()  # the built-in model
        >>> cameras = parse_rig("hemisphere:views=4,radius=5,elevation=15,span=90", num_frames=17, hw=(128, 128))
        >>> videos = pipeline("a red horse walks on green grass", cameras, seed=0).videos
    """

    def __init__(self, base: WanPipeline, adapter: ViewSyncAdapter, defaults: Defaults | None = None) -> None:
        self.base = base
        self.adapter = adapter
        self.defaults = defaults or Defaults()
        self.attachment = adapter.attach(base.transformer)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        adapter: str | Path | None = None,
        dtype: torch.dtype | None = None,
        device: str | torch.device | None = None,
        offload: str = "none",
    ) -> "MultiViewPipeline":
        """Loads a model folder of our own layout, or any Wan text-to-video model (folder or hub id) with an adapter.

        `model` None takes the built-in model; `adapter` None the folder view_sync inside the model's. `dtype` is that
        of transformer and text encoder (default: bfloat16 where the device multiplies it fast, else float32); the
        autoencoder keeps float32 weights. `offload`: none, model (only the model at work is on the device) or group
        (only the layers at work). InputError names what is missing or damaged.
        """
        source = BUILT_IN if model is None else model
        device = choose_device(device)
        dtype = dtype or default_dtype(device)
        base = load_base(source, dtype)
        pipeline = cls(base, load_adapter(source, adapter, dtype), load_defaults(source))
        pipeline._place(device, offload)
        return pipeline

    def _place(self, device: torch.device, offload: str) -> None:
        if offload not in ("none", "model", "group"):
            raise InputError(f"offload must be none, model or group, got {offload!r}")
        if offload != "none" and device.type == "cpu":
            raise InputError(
                f"offload={offload} moves parts between the CPU and another device; leave it away on the CPU"
            )
        if offload == "model":
            self.base.enable_model_cpu_offload(device=device)
        elif offload == "group":
            self.base.enable_group_offload(onload_device=device, offload_type="leaf_level", use_stream=True)
            self.adapter.enable_group_offload(onload_device=device, offload_type="leaf_level")
        else:
            for part in (self.base, self.adapter):
                part.to(device)  # pyright: ignore[reportCallIssue, reportArgumentType]

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a WanPipeline folder with the adapter in view_sync/ and the defaults in syncam.json."""
        self.base.save_pretrained(folder, safe_serialization=True)
        self.adapter.save_pretrained(Path(folder) / "view_sync")
        write_json(Path(folder) / "syncam.json", self.defaults.as_json())

    def check(self, cameras: Cameras, num_frames: int, height: int, width: int) -> Cameras:
        """The cameras at latent frames; InputError where cameras, frames, size and model do not go together."""
        config = self.base.vae.config
        patch = self.base.transformer.config.patch_size
        for name, size, step in (("height", height, patch[1]), ("width", width, patch[2])):
            multiple = math.lcm(config.scale_factor_spatial * step, PIPELINE_MULTIPLE)
            if size < 1 or size % multiple:
                nearest = max(1, round(size / multiple)) * multiple
                raise InputError(
                    f"{name} must be a multiple of {multiple} for this model, got {size}; {nearest} is the nearest"
                )
        frames = latent_frame_indices(num_frames, config.scale_factor_temporal)
        if cameras.batch_shape:
            raise InputError(f"cameras of one rig must have no batch dims, got {cameras.batch_shape}")
        return cameras.repeat_frames(num_frames).frames(frames)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        cameras: Cameras,
        *,
        negative_prompt: str | None = None,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int | Sequence[int] = 0,
        scheduler: str = "model",
        synchronise: bool = True,
        lead_view: bool | None = None,
        guide_views: bool | None = None,
        video: Float[Tensor, "F C H W"] | Float[Tensor, "B F C H W"] | None = None,
        output_type: str = "pt",
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
    ) -> MultiViewOutput:
        """Makes one video per camera; with a list of prompts, one scene per prompt, all seen by the same rig.

        `cameras` have F frames (the video's) or one (held still). Sizes and steps default to the model's. View k of
        seed s starts from the same noise whatever the number of views and prompts. `synchronise=False` leaves the
        adapter out: independent videos, for comparison. `lead_view` makes all views together first, keeps view 0, and
        makes the others again to match it; else they are made together once. `guide_views` makes the prediction that
        guidance moves away from without the adapter, so that it strengthens the views' agreement, too. A `video` in
        [0, 1], one per scene, is what view 0 shows: the others are made to match it. `output_type` is "pt" or "latent"
        (videos are None then).
        """
        defaults = self.defaults
        num_frames = num_frames or defaults.num_frames
        height, width = height or defaults.height, width or defaults.width
        steps = num_inference_steps or defaults.steps
        guidance = defaults.guidance if guidance_scale is None else guidance_scale
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        seeds = [seed] * len(prompts) if isinstance(seed, int) else list(seed)
        if not prompts or len(seeds) != len(prompts):
            raise InputError(f"expected one seed, or one per prompt, got {len(seeds)} seeds for {len(prompts)} prompts")
        if steps < 1:
            raise InputError(f"num_inference_steps must be at least 1, got {steps}")
        if output_type not in ("pt", "latent"):
            raise InputError(f"output_type must be pt or latent, got {output_type!r}")
        latent_cameras = self.check(cameras, num_frames, height, width)
        given = (num_frames, 3, height, width)
        if video is not None:
            if tuple(video.shape) not in (given, (len(prompts), *given)):
                raise InputError(f"video must be {given} (frames, colours, height, width), got {tuple(video.shape)}")
            if cameras.num_views == 1 or not synchronise:
                raise InputError("video is what view 0 shows: it needs other views to make, and synchronise=True")
        noise = self.noise(seeds, cameras.num_views, num_frames, height, width)
        transformer, device = self.base.transformer, self.base._execution_device
        check_attention_backend(
            transformer, tuple(noise.shape), cameras.num_views, dtype=transformer.dtype, device=device
        )
        denoise = partial(
            self.base,
            prompt=prompts,
            negative_prompt=[defaults.negative_prompt if negative_prompt is None else negative_prompt] * len(prompts),
            height=height,
            width=width,
            num_frames=num_frames,
            num_inference_steps=steps,
            guidance_scale=guidance,
            num_videos_per_prompt=cameras.num_views,
            latents=noise.to(device),
            output_type="latent",
            max_sequence_length=min(512, self.base.tokenizer.model_max_length),
            callback_on_step_end=callback_on_step_end,
        )
        scenes, lead = (len(prompts), cameras.num_views), None
        told = self.adapter.cameras(latent_cameras) if synchronise else self.adapter.disabled()
        apart = defaults.guide_views if guide_views is None else guide_views
        guided = guided_by_views(transformer, self.adapter) if apart and synchronise else contextlib.nullcontext()
        with told, guided, self._scheduler(scheduler):
            if video is not None:
                lead = self.encode(video.expand(len(prompts), *given)).to(device)
            elif synchronise and cameras.num_views > 1 and (defaults.lead_view if lead_view is None else lead_view):
                lead = denoise().frames.unflatten(0, scenes)[:, 0]
            led = contextlib.nullcontext() if lead is None else leading(transformer, lead, cameras.num_views)
            with led:
                latents = denoise().frames
        if lead is not None:
            latents.unflatten(0, scenes)[:, 0] = lead
        videos = None if output_type == "latent" else self.decode(latents)
        shape = (len(prompts), cameras.num_views) if not isinstance(prompt, str) else (cameras.num_views,)
        return MultiViewOutput(
            None if videos is None else videos.unflatten(0, shape), latents.float().cpu().unflatten(0, shape)
        )

    def noise(
        self, seeds: Sequence[int], num_views: int, num_frames: int, height: int, width: int
    ) -> Float[Tensor, "bv z f h w"]:
        """The starting noise, drawn on the CPU for every seed and view by itself."""
        config = self.base.vae.config
        frames = (num_frames - 1) // config.scale_factor_temporal + 1
        stride = config.scale_factor_spatial
        shape = (self.base.transformer.config.in_channels, frames, height // stride, width // stride)
        return torch.stack(
            [torch.randn(shape, generator=_view_generator(seed, view)) for seed in seeds for view in range(num_views)]
        )

    def encode(self, videos: Float[Tensor, "b F 3 H W"]) -> Float[Tensor, "b z f h w"]:
        """The latents of videos in [0, 1], as the transformer sees them, on the CPU; one video at a time."""
        vae = self.base.vae
        device = self.base._execution_device
        latents = []
        with self._autocast():
            for one in videos.split(1):
                pixels = (one * 2 - 1).transpose(1, 2).to(device=device, dtype=vae.dtype)
                latents.append(normalised(vae, vae.encode(pixels).latent_dist.mode().cpu()))
        self.base.maybe_free_model_hooks()
        return torch.cat(latents)

    def decode(self, latents: Float[Tensor, "bv z f h w"]) -> Float[Tensor, "bv F 3 H W"]:
        """Videos in [0, 1] on the CPU, decoded one view at a time to bound the memory."""
        vae = self.base.vae
        device = self.base._execution_device
        videos = []
        with self._autocast():
            for one in latents.split(1):
                raw = denormalised(vae, one.cpu()).to(device=device, dtype=vae.dtype)
                video = vae.decode(raw, return_dict=False)[0]
                videos.append((video[0].float().cpu() / 2 + 0.5).clamp(0, 1).transpose(0, 1))
        self.base.maybe_free_model_hooks()
        return torch.stack(videos)

    def _autocast(self) -> torch.autocast:
        dtype = self.base.transformer.dtype
        return torch.autocast(self.base._execution_device.type, dtype, enabled=dtype != torch.float32)

    @contextlib.contextmanager
    def _scheduler(self, name: str):
        before = self.base.scheduler
        self.base.scheduler = make_scheduler(name, before)
        try:
            yield
        finally:
            self.base.scheduler = before


def make_scheduler(name: str, own: Any) -> Any:
    """The named sampler, with the noise shift of the model's own where the name does not set one."""
    shift = own.config.get("shift") or own.config.get("flow_shift") or 1.0
    if name == "model":
        return own
    if name == "euler":
        return FlowMatchEulerDiscreteScheduler(shift=shift)
    if name == "unipc":
        return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    if name == "reference":
        return ReferenceScheduler(shift=5.0)
    raise InputError(f"unknown scheduler {name!r}; expected one of {', '.join(SCHEDULERS)}")


def choose_device(name: str | torch.device | None = None) -> torch.device:
    """The device of that name; None takes the GPU where there is one. InputError unless tensors can be put there."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as err:
        reason = str(err).partition("\n")[0][:100]
        raise InputError(
            f"device {str(name)!r} cannot be used here, expected cpu, cuda, cuda:1, ...: {reason}"
        ) from err


def default_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device has fast products of it, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return torch.float32


def _view_generator(seed: int, view: int) -> torch.Generator:
    digest = hashlib.sha256(json.dumps([seed, view]).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))

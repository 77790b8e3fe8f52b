"""What all pipelines have in common: a stock pipeline of diffusers with an adapter attached, on some device."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.adapter import Adapter
from syncam.adapters.autoencoders import strides
from syncam.cameras.encodings import latent_frame_indices
from syncam.errors import InputError
from syncam.files import write_json
from syncam.pipelines.bases import find_base
from syncam.pipelines.defaults import Defaults, load_defaults
from syncam.pipelines.guidance import guided_by_adapter
from syncam.pipelines.latents import denormalised, normalised
from syncam.pipelines.loading import ADAPTER_FOLDERS, BUILT_IN, load_adapter, load_base
from syncam.pipelines.schedulers import make_scheduler

__all__ = ["AdaptedPipeline", "check_size", "choose_device", "default_dtype", "noise_per_view", "seeded_generator"]

A = TypeVar("A", bound=Adapter)
P = TypeVar("P", bound="AdaptedPipeline")


class AdaptedPipeline(Generic[A]):
    """Holds a stock pipeline (`base`) and an `adapter`, attached to the transformer as long as this pipeline lives.

    `base` itself works as before inside `with pipeline.adapter.disabled()`.
    """

    adapter_class: type[A]
    """What is loaded; set by every pipeline."""

    def __init__(self, base: Any, adapter: A, defaults: Defaults | None = None) -> None:
        self.kind = find_base(base)
        self.base = base
        self.adapter = adapter
        self.defaults = defaults or self.kind.defaults
        if self.defaults.dynamic_guidance and self.kind.dynamic_guidance is None:
            raise InputError(f"dynamic_guidance has no effect on {self.kind.title} models: take it out of syncam.json")
        self.attachment = adapter.attach(base.transformer)

    @classmethod
    def from_pretrained(
        cls: type[P],
        model: str | Path | None = None,
        *,
        adapter: str | Path | None = None,
        dtype: torch.dtype | None = None,
        device: str | torch.device | None = None,
        offload: str = "none",
    ) -> P:
        """Loads a model folder of our own layout, or any text-to-video model of BASES (folder, hub id) with an adapter.

        `model` None takes the built-in model; `adapter` None the folder inside the model's that `ADAPTER_FOLDERS` says.
        `dtype` is that of transformer and text encoder (default: bfloat16 where the device multiplies it fast, else
        float32); the autoencoder keeps float32 weights. `offload`: none, model (only the model at work is on the
        device) or group (only the layers at work). InputError names what is missing or damaged.
        """
        source = BUILT_IN if model is None else model
        device = choose_device(device)
        dtype = dtype or default_dtype(device)
        base = load_base(source, dtype)
        defaults = load_defaults(source, find_base(base).defaults)
        pipeline = cls(base, load_adapter(source, adapter, dtype, cls.adapter_class), defaults)
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
        """Writes the base's folder with the adapter in view_sync/ or reshoot/ and the defaults in syncam.json."""
        self.base.save_pretrained(folder, safe_serialization=True)
        self.adapter.save_pretrained(Path(folder) / ADAPTER_FOLDERS[self.adapter_class])
        write_json(Path(folder) / "syncam.json", self.defaults.as_json())

    def check_size(self, height: int, width: int) -> None:
        """InputError, with the nearest size that does, unless the model makes pictures of this one."""
        check_size((height, width), self.multiples)

    @property
    def multiples(self) -> tuple[int, int]:
        """What height and width have to be multiples of."""
        return self.kind.multiples(self.base.vae.config, self.base.transformer.config)

    def latent_frames(self, num_frames: int) -> list[int]:
        """The video frames that latent frames stand for; InputError if the model makes no videos of that length."""
        found = strides(self.base.vae.config)
        latent_frame_indices(num_frames, found.clip)
        return latent_frame_indices(num_frames, found.frames)

    def words(
        self, prompts: Sequence[str], negative_prompts: Sequence[str], *, guidance: bool, num_views: int = 1
    ) -> dict[str, Any]:
        """What the text encoder makes of the prompts, `num_views` times each, as arguments of `denoise`."""
        return self.kind.words(self.base, prompts, negative_prompts, guidance=guidance, num_views=num_views)

    def denoise(self, noise: Float[Tensor, "bv z f h w"], **settings: Any) -> Float[Tensor, "bv z f h w"]:
        """What the base makes of `noise`; `settings` are its arguments, among them the `words`."""
        return self.kind.denoise(self.base, noise, dynamic_guidance=self.defaults.dynamic_guidance, **settings)

    @torch.no_grad()
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

    @torch.no_grad()
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

    def _guided(self, by_adapter: bool | None) -> contextlib.AbstractContextManager[None]:
        """Guidance with or without what the adapter says; None: as the model's defaults have it."""
        by_adapter = self.defaults.guide_adapter if by_adapter is None else by_adapter
        if by_adapter and self.kind.guidance_calls == 1:
            raise InputError(
                f"guide_adapter needs predictions with and without the prompt as calls of their own, but "
                f"{self.kind.title} makes both in one: leave it away"
            )
        return guided_by_adapter(self.base.transformer, self.adapter) if by_adapter else contextlib.nullcontext()

    @contextlib.contextmanager
    def _scheduler(self, name: str) -> Iterator[None]:
        before = self.base.scheduler
        rotary = self.base.transformer.config.get("use_rotary_positional_embeddings", False)
        self.base.scheduler = make_scheduler(name, before, rotary=rotary)
        try:
            yield
        finally:
            self.base.scheduler = before


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


def seeded_generator(*numbers: int) -> torch.Generator:
    """A generator on the CPU for these numbers, such as a seed and a view, and no others."""
    digest = hashlib.sha256(json.dumps(numbers).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))


def noise_per_view(
    shape: tuple[int, ...], seeds: Sequence[int], num_views: int, step: int | None = None
) -> Float[Tensor, "bv *shape"]:
    """Starting noise, or that of a repeated step, drawn on the CPU for every seed and view by itself."""
    own = () if step is None else (step,)
    return torch.stack(
        [
            torch.randn(shape, generator=seeded_generator(seed, view, *own))
            for seed in seeds
            for view in range(num_views)
        ]
    )


def check_size(hw: tuple[int, int], multiples: tuple[int, int]) -> None:
    """InputError, with the nearest size that is one, unless height and width are such multiples."""
    for name, size, multiple in zip(("height", "width"), hw, multiples, strict=True):
        if size < 1 or size % multiple:
            nearest = max(1, round(size / multiple)) * multiple
            raise InputError(
                f"{name} must be a multiple of {multiple} for this model, got {size}; {nearest} is the nearest"
            )

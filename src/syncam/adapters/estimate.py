"""What a generation will cost, before it is started: tokens, operations, memory and time.

The real modules run once on torch's meta device, where tensors have shapes but no contents, while every allocation and
every multiplication is counted. So the numbers follow the code, not a formula beside it.
"""

import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import diffusers
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from syncam.adapters.adapter import CAMERA_FEATURES, Adapter
from syncam.adapters.attention import (
    GIB,
    active_backend,
    attending_text,
    attention_calls,
    free_memory,
    holds_scores,
)
from syncam.adapters.autoencoders import strides
from syncam.adapters.backbones import Transformer, find_backbone, patch_size, swap_layout, token_grid
from syncam.adapters.calls import call_arguments
from syncam.adapters.frame_concat import FrameConcatAdapter
from syncam.adapters.view_sync import ViewSyncAdapter, rotary_table
from syncam.errors import InputError

# Share of the speed of a bare matrix product that a denoising step reaches; benchmarks/adapter_overhead.py measures it.
EFFICIENCY = 0.6


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The cost of one generation. Bytes are those of tensors; kernels' own workspace comes on top."""

    grid: tuple[int, int, int]
    """Tokens (f, h, w) of one view."""
    num_views: int
    view_attention_tokens: int
    """Tokens that look at each other across views: those of one latent frame, and of text that attends with them."""
    source: bool
    """Whether as many tokens of a source video stand beside those of every view, for a FrameConcatAdapter."""
    step_flops: int
    """Of one denoising step, both calls of guidance together."""
    num_steps: int
    lead_view: bool
    """Whether all views are denoised a second time, to match the first."""
    decode_flops: int
    transformer_bytes: int
    """Weights of the transformer and the adapter."""
    autoencoder_bytes: int
    text_encoder_bytes: int
    denoise_bytes: int
    """Activations of a denoising step at their largest."""
    decode_bytes: int
    """Activations of the decoder at their largest, with the decoded video."""
    free_bytes: int | None
    """What the device has left; None if it does not tell."""
    seconds: float
    """From the measured speed of the device: right within a factor of two, say."""
    suggestions: tuple[str, ...]
    """What would make it fit, most effective first; empty if it fits."""

    @property
    def tokens_per_view(self) -> int:
        f, h, w = self.grid
        return f * h * w

    @property
    def peak_bytes(self) -> int:
        """With all models on the device."""
        weights = self.transformer_bytes + self.autoencoder_bytes + self.text_encoder_bytes
        return weights + max(self.denoise_bytes, self.decode_bytes)

    @property
    def offloaded_peak_bytes(self) -> int:
        """With only the model in use on the device."""
        denoising, decoding = self.transformer_bytes + self.denoise_bytes, self.autoencoder_bytes + self.decode_bytes
        return max(denoising, decoding, self.text_encoder_bytes)

    def __str__(self) -> str:
        f, h, w = self.grid
        tokens = f"{self.tokens_per_view:,} tokens ({f} x {h} x {w})"
        lines = [
            f"{tokens} of the take beside as many of the source"
            if self.source
            else f"{self.num_views} views of {tokens}; "
            f"view attention over {self.view_attention_tokens:,} tokens per latent frame",
            f"{self.step_flops / 1e12:.3g} TFLOP per step, {self.num_steps} steps"
            f"{' twice, to match the first view' if self.lead_view else ''}; "
            f"{self.decode_flops / 1e12:.3g} TFLOP to decode; about {duration(self.seconds)}",
            f"{self.peak_bytes / GIB:.2f} GiB of memory: transformer and adapter {self.transformer_bytes / GIB:.2f}, "
            f"autoencoder {self.autoencoder_bytes / GIB:.2f}, text encoder {self.text_encoder_bytes / GIB:.2f}, "
            f"denoising {self.denoise_bytes / GIB:.2f}, decoding one view {self.decode_bytes / GIB:.2f}",
        ]
        if self.free_bytes is not None:
            lines.append(f"{self.free_bytes / GIB:.2f} GiB are free")
        return "\n".join(lines + [f"to make it fit: {way}" for way in self.suggestions])


def duration(seconds: float) -> str:
    """A length of time as a person would say it."""
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def plan(
    transformer_config: Mapping[str, Any],
    vae_config: Mapping[str, Any],
    *,
    num_views: int,
    num_frames: int,
    height: int,
    width: int,
    num_inference_steps: int,
    guidance: bool,
    lead_view: bool = False,
    source: bool = False,
    rank: int | None = None,
    dtype: torch.dtype,
    device: torch.device,
    vae_dtype: torch.dtype | None = None,
    text_encoder_bytes: int = 0,
    text_tokens: int = 512,
    guidance_calls: int = 2,
    flops_per_second: float | None = None,
    free_bytes: int | None = None,
) -> Plan:
    """The cost of denoising `num_views` views together and decoding them one after the other.

    With `source`, each view is made beside a source video by a FrameConcatAdapter, whose self-attention is of that
    `rank`. The configs are those of diffusers' model folders. `vae_dtype` defaults to `dtype`; `flops_per_second` and
    `free_bytes` are measured on `device` if they are None. Guidance takes two calls of the transformer, or one
    (`guidance_calls`) with a batch of twice the size.
    """
    speed = measure_flops_per_second(dtype, device) if flops_per_second is None else flops_per_second
    free = free_memory(device) if free_bytes is None else free_bytes
    num_layers = transformer_config["num_layers"]
    vae = build(vae_config, vae_dtype or dtype)
    transformer, *small = (build({**transformer_config, "num_layers": n}, dtype) for n in (num_layers, 1, 2))
    batch = num_views * (2 if guidance and guidance_calls == 1 else 1)
    shape = latents_shape(vae, transformer, num_frames, height, width)
    latents = torch.empty(batch, *shape, device="meta", dtype=dtype)
    grid = token_grid(transformer, tuple(swap_layout(transformer, latents).shape))
    attending = attending_text(transformer, text_tokens)

    (denoise_bytes, flops), (_, flops_of_two) = (
        meter(lambda m=m: denoise(m, latents, text_tokens, num_views, source=source, rank=rank)) for m in small
    )
    flops += (num_layers - 1) * (flops_of_two - flops)  # blocks are alike, and run one after the other
    decode_bytes, decode_flops = meter(lambda: vae.decode(latents[:1].to(vae.dtype)))
    step_flops = flops * (guidance_calls if guidance else 1)
    lead_view = lead_view and num_views > 1
    denoise_flops = num_inference_steps * step_flops * (2 if lead_view else 1)
    costs = {
        "grid": grid,
        "num_views": num_views,
        "view_attention_tokens": 0 if source else num_views * (grid[1] * grid[2] + attending),
        "source": source,
        "step_flops": step_flops,
        "num_steps": num_inference_steps,
        "lead_view": lead_view,
        "decode_flops": num_views * decode_flops,
        "transformer_bytes": weight_bytes(transformer, fresh_adapter(transformer, source=source, rank=rank)),
        "autoencoder_bytes": weight_bytes(vae),
        "text_encoder_bytes": text_encoder_bytes,
        "denoise_bytes": denoise_bytes
        + held_scores(transformer, batch, num_views, (grid[0] * (1 + source), *grid[1:]), attending, dtype, device),
        "decode_bytes": decode_bytes,
        "free_bytes": free,
        "seconds": (denoise_flops + num_views * decode_flops) / (EFFICIENCY * speed),
    }
    return Plan(**costs, suggestions=suggest(Plan(**costs, suggestions=()), dtype))


def suggest(costs: Plan, dtype: torch.dtype) -> tuple[str, ...]:
    """What would make a generation fit into the free memory, most effective first."""
    free = costs.free_bytes
    if free is None or costs.peak_bytes <= free:
        return ()
    ways = []
    if costs.offloaded_peak_bytes <= free:
        ways.append(f"keep only the model in use on the device: {costs.offloaded_peak_bytes / GIB:.1f} GiB")
    if dtype == torch.float32:
        ways.append("use bfloat16: about half of it")
    views = int((free - costs.transformer_bytes) * costs.num_views / costs.denoise_bytes)
    if 1 <= views < costs.num_views:
        ways.append(f"at most {views} views at a time, with only the model in use on the device")
    return (*ways, "a smaller size or fewer frames")


def latents_shape(
    vae: Any, transformer: Transformer, num_frames: int, height: int, width: int
) -> tuple[int, int, int, int]:
    """The latents (C, f, h, w) of one view; InputError if a size does not divide evenly."""
    found = strides(vae.config)
    stride, scale = found.frames, found.pixels
    if num_frames < 1 or (num_frames - 1) % found.clip:
        raise InputError(f"num_frames is {num_frames}, expected a multiple of {found.clip} plus one")
    for name, size, patch in zip(("height", "width"), (height, width), patch_size(transformer)[1:], strict=True):
        if size < 1 or size % (scale * patch):
            raise InputError(f"{name} is {size}, expected a multiple of {scale * patch}")
    return transformer.config.in_channels, (num_frames - 1) // stride + 1, height // scale, width // scale


def build(config: Mapping[str, Any], dtype: torch.dtype) -> Any:
    """The diffusers model of a config, without weights, in the dtypes that from_pretrained would give it."""
    with torch.device("meta"):
        model = getattr(diffusers, config["_class_name"]).from_config(dict(config)).requires_grad_(False)
    exact = set(model._keep_in_fp32_modules or ())
    for name, parameter in model.named_parameters():
        if exact.isdisjoint(name.split(".")):
            parameter.data = parameter.data.to(dtype)
    return model


def fresh_adapter(transformer: Transformer, *, source: bool = False, rank: int | None = None) -> Adapter:
    """An adapter for `transformer`, without weights: for views, or for a source video beside one."""
    with torch.device("meta"):
        if source:
            return FrameConcatAdapter.from_transformer(transformer, rank=rank)
        return ViewSyncAdapter.from_transformer(transformer)


def denoise(
    transformer: Transformer,
    latents: Float[Tensor, "bv C f h w"],
    text_tokens: int,
    num_views: int,
    *,
    source: bool = False,
    rank: int | None = None,
) -> None:
    """One call of the transformer with an attached adapter."""
    rotary_table.cache_clear()  # so that the tables count
    adapter, batch = fresh_adapter(transformer, source=source, rank=rank), latents.shape[0]
    width = transformer.config[find_backbone(transformer)[1].text_dim]
    text = torch.empty(batch, text_tokens, width, device="meta", dtype=latents.dtype)
    encodings = torch.zeros(num_views, latents.shape[2] // patch_size(transformer)[0], CAMERA_FEATURES)
    # What is on the meta device cannot be checked for numbers that are not finite, as camera_encodings would.
    with adapter.attach(transformer), adapter._encoded(encodings, latents[:1] if source else None):
        transformer(**call_arguments(transformer, latents, torch.empty(batch, device="meta"), text))


def held_scores(
    transformer: Transformer,
    batch: int,
    num_views: int,
    grid: tuple[int, int, int],
    text_tokens: int,
    dtype: torch.dtype,
    device: torch.device,
) -> int:
    """Bytes of the score matrices that attention without a fused kernel holds at a time."""
    size = find_backbone(transformer)[1].dimensions(transformer)
    head_dim = size.dim // size.num_heads
    if not holds_scores(active_backend(transformer), head_dim, dtype, device):
        return 0
    calls = attention_calls(
        num_views=num_views,
        num_scenes=batch // num_views,
        grid=grid,
        heads=size.num_heads,
        head_dim=head_dim,
        text_tokens=text_tokens,
    )
    return 2 * max(call.score_bytes for call in calls)  # scores and their softmax


def weight_bytes(*models: nn.Module) -> int:
    """The bytes of all parameters."""
    return sum(p.numel() * p.element_size() for model in models for p in model.parameters())


def measure_flops_per_second(dtype: torch.dtype, device: torch.device) -> float:
    """The speed of a matrix product on `device`, the best of a few; takes a fraction of a second."""
    size = 1024 if device.type == "cpu" else 8192
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        (a @ b)[0, 0].item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds)


@torch.no_grad()
def meter(call: Callable[[], object]) -> tuple[int, int]:
    """The peak bytes of the tensors that `call` makes on the meta device, and its floating-point operations."""
    allocations, attention, flops = _Allocations(), _FusedAttention(), FlopCounterMode(display=False)
    with allocations, flops, attention:
        call()
    return allocations.peak, flops.get_total_flops() + attention.flops


class _Allocations(TorchDispatchMode):
    """Keeps track of the tensors alive on the meta device."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, weakref.ref] = {}
        self.bytes = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {id(tensor.untyped_storage()) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)}
        for tensor in tree_leaves(result):
            # A view of an input is no new memory, and the input may be a weight, which is counted elsewhere.
            if (
                isinstance(tensor, Tensor)
                and tensor.device.type == "meta"
                and id(tensor.untyped_storage()) not in given
            ):
                self.add(tensor.untyped_storage())
        return result

    def add(self, storage: torch.UntypedStorage) -> None:
        size = storage.nbytes()

        def forget(_: object, key: int = id(storage)) -> None:
            self.alive.pop(key, None)
            self.bytes -= size

        self.alive[id(storage)] = weakref.ref(storage, forget)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)


class _FusedAttention(TorchFunctionMode):
    """Counts attention as a fused kernel would do it: on the meta device torch would write out the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is not nn.functional.scaled_dot_product_attention:
            return func(*args, **(kwargs or {}))
        inputs = dict(zip(("query", "key", "value"), args, strict=False)) | (kwargs or {})
        query, key = inputs["query"], inputs["key"]
        self.flops += 4 * query.numel() * key.shape[-2]  # queries by keys, weights by values
        return torch.empty_like(query)

"""Whether attention of a given length fits into memory: a fused kernel does, a full score matrix may not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.attention_dispatch import AttentionBackendName, _AttentionBackendRegistry
from torch.nn.attention import SDPBackend

from syncam.adapters.backbones import Transformer, find_backbone, token_grid
from syncam.errors import InputError

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class AttentionCall:
    """One kind of attention inside a block."""

    name: str
    batch: int
    heads: int
    tokens: int
    head_dim: int

    @property
    def score_bytes(self) -> int:
        """Size of the score matrix; without a fused kernel, torch keeps it in float32 whatever the inputs are."""
        return 4 * self.batch * self.heads * self.tokens**2


def attention_calls(
    *, num_views: int, num_scenes: int, grid: tuple[int, int, int], heads: int, head_dim: int, text_tokens: int = 0
) -> list[AttentionCall]:
    """The self-attention over each view's tokens (f h w), and the view attention over (v h w) of each latent frame.

    `text_tokens` of each view take part in both, in blocks where text and video attend together.
    """
    f, h, w = grid
    size = {"heads": heads, "head_dim": head_dim}
    view, frame = f * h * w + text_tokens, num_views * (h * w + text_tokens)
    return [
        AttentionCall(name="self-attention", batch=num_scenes * num_views, tokens=view, **size),
        AttentionCall(name="view attention", batch=num_scenes * f, tokens=frame, **size),
    ]


def attending_text(transformer: Transformer, text_tokens: int) -> int:
    """How many of a prompt's tokens attend together with the video's: all or none."""
    return text_tokens if find_backbone(transformer)[1].form == "joint" else 0


def active_backend(transformer: Transformer) -> AttentionBackendName:
    """The attention backend that the blocks of `transformer` use: its own choice, or diffusers' active one."""
    backbone = find_backbone(transformer)[1]
    # Processors without a choice of their own call torch, or what diffusers has set for all.
    chosen = getattr(backbone.sites(transformer)[0].self_attention.processor, "_attention_backend", None)
    return AttentionBackendName(_AttentionBackendRegistry.get_active_backend()[0] if chosen is None else chosen)


def holds_scores(backend: AttentionBackendName, head_dim: int, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether attention of this kind computes the full score matrix in memory instead of running a fused kernel."""
    if backend in (AttentionBackendName._NATIVE_MATH, AttentionBackendName.FLEX):
        return True  # flex is fused only if it is compiled
    if backend != AttentionBackendName.NATIVE:
        return False  # one fused kernel or an error
    if device.type not in ("cpu", "cuda"):
        return True  # torch has its plain implementation there, as far as is known
    probe = torch.empty(1, 1, 16, head_dim, dtype=dtype, device=device)
    # What scaled_dot_product_attention itself asks to choose a kernel: it knows the device and what is switched off.
    return torch._fused_sdp_choice(probe, probe, probe) == SDPBackend.MATH.value  # pyright: ignore[reportPrivateImportUsage]


def check_attention_backend(
    transformer: Transformer,
    latents_shape: Sequence[int],
    num_views: int,
    *,
    dtype: torch.dtype,
    device: torch.device,
    text_tokens: int = 0,
    free_bytes: int | None = None,
) -> None:
    """InputError if latents [(b v), C, F, H, W] need a score matrix that does not fit into the memory left on `device`.

    `text_tokens` are those of a prompt; `free_bytes` says how much memory is left, None asks the device.
    """
    size = find_backbone(transformer)[1].dimensions(transformer)
    head_dim = size.dim // size.num_heads
    backend = active_backend(transformer)
    if not holds_scores(backend, head_dim, dtype, device):
        return
    free = free_memory(device) if free_bytes is None else free_bytes
    calls = attention_calls(
        num_views=num_views,
        num_scenes=latents_shape[0] // num_views,
        grid=token_grid(transformer, tuple(latents_shape)),
        heads=size.num_heads,
        head_dim=head_dim,
        text_tokens=attending_text(transformer, text_tokens),
    )
    call = max(calls, key=lambda call: call.score_bytes)
    if free is not None and 2 * call.score_bytes > free:  # scores and their softmax
        raise InputError(describe(call, backend, dtype, device, free))


def describe(
    call: AttentionCall, backend: AttentionBackendName, dtype: torch.dtype, device: torch.device, free: int
) -> str:
    """One line about a score matrix that does not fit."""
    return (
        f"{call.name} with backend {backend.value!r} has no fused kernel for {dtype} and head size {call.head_dim} on "
        f"{device}, and its score matrix of {call.batch} x {call.heads} heads x {call.tokens:,}^2 x 4 B = "
        f"{call.score_bytes / GIB:.1f} GiB is needed twice where {free / GIB:.1f} GiB are free: use another dtype or "
        "backend (transformer.set_attention_backend), fewer views, fewer frames or a smaller size"
    )


def free_memory(device: torch.device) -> int | None:
    """Bytes that a new allocation on `device` can use; None where that cannot be known."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    meminfo = Path("/proc/meminfo")
    if device.type != "cpu" or not meminfo.exists():
        return None
    available = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(available.split()[1]) * 1024

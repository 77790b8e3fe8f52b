"""Self-attention in the form of Wan's: what adapters attend with, started as a copy of a block's own."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from jaxtyping import Float
from torch import Tensor, nn

from syncam.adapters.backbones import BlockSite
from syncam.adapters.layers import zero_linear
from syncam.errors import InputError

RotaryTable = tuple[Float[Tensor, "tokens 1 half"], Float[Tensor, "tokens 1 half"]]
"""Cosine and sine of every token's angles."""


class SelfAttention(nn.Module):
    """Full self-attention with normalised queries and keys, in the form of Wan's."""

    def __init__(self, dim: int, num_heads: int, eps: float):
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.o = nn.Linear(dim, dim)
        self.norm_q = nn.RMSNorm(dim, eps=eps)
        self.norm_k = nn.RMSNorm(dim, eps=eps)

    def forward(
        self, x: Float[Tensor, "b N D"], rotary: RotaryTable, backend: AttentionBackendName | None
    ) -> Float[Tensor, "b N D"]:
        """The attended tokens. `backend` is diffusers' name of an attention backend; None takes the active one."""
        q, k = self.norm_q(self.q(x)), self.norm_k(self.k(x))
        return self.o(attend(q, k, self.v(x), self.num_heads, rotary, backend).to(x.dtype))


class LowRankAttention(nn.Module):
    """The same, held as a change of a transformer's own self-attention: low-rank matrices, whole biases and norms."""

    def __init__(self, dim: int, num_heads: int, rank: int):
        super().__init__()
        self.num_heads = num_heads
        self.q = LowRankChange(dim, rank)
        self.k = LowRankChange(dim, rank)
        self.v = LowRankChange(dim, rank)
        self.o = LowRankChange(dim, rank)
        self.norm_q = nn.Parameter(torch.zeros(dim))
        self.norm_k = nn.Parameter(torch.zeros(dim))

    def forward(
        self,
        x: Float[Tensor, "b N D"],
        rotary: RotaryTable,
        backend: AttentionBackendName | None,
        site: BlockSite,
        own_dtype: torch.dtype,
    ) -> Float[Tensor, "b N D"]:
        """The attended tokens; the transformer's own layers, of `site`, compute in `own_dtype`.

        They come inside `site`, because accelerate moves modules that it finds among the arguments.
        """
        own, own_x = site.projections, x.to(own_dtype)
        q = changed_norm(own["q"](own_x) + self.q(x), own["norm_q"], self.norm_q, own_dtype)
        k = changed_norm(own["k"](own_x) + self.k(x), own["norm_k"], self.norm_k, own_dtype)
        y = attend(q, k, own["v"](own_x) + self.v(x), self.num_heads, rotary, backend).to(x.dtype)
        return own["o"](y.to(own_dtype)) + self.o(y)


class LowRankChange(nn.Module):
    """up(down(x)) and a bias; zero until trained."""

    def __init__(self, dim: int, rank: int):
        super().__init__()
        self.down = nn.Linear(dim, rank, bias=False)
        self.up = zero_linear(rank, dim)

    def forward(self, x: Float[Tensor, "b N D"]) -> Float[Tensor, "b N D"]:
        """The change of a projection's output."""
        return self.up(self.down(x))


def changed_norm(x: Tensor, norm: Any, change: Tensor, dtype: torch.dtype) -> Tensor:
    """Root-mean-square norm with `change` added to the scale of `norm`, which may be offloaded until it is called.

    `norm` computes in `dtype`.
    """
    return norm(x.to(dtype)) + F.rms_norm(x, x.shape[-1:], change.to(x.dtype), norm.eps)


def attend(
    q: Float[Tensor, "b N D"],
    k: Float[Tensor, "b N D"],
    v: Float[Tensor, "b N D"],
    num_heads: int,
    rotary: RotaryTable,
    backend: AttentionBackendName | None,
) -> Float[Tensor, "b N D"]:
    """Attention over all tokens, with queries and keys turned by their tokens' angles."""
    heads = (num_heads, -1)
    v = v.unflatten(-1, heads)
    q = rotate(q.unflatten(-1, heads), rotary).to(v.dtype)
    k = rotate(k.unflatten(-1, heads), rotary).to(v.dtype)
    return dispatch_attention_fn(q, k, v, backend=backend).flatten(-2)


def rotate(x: Float[Tensor, "b N heads d"], table: RotaryTable) -> Float[Tensor, "b N heads d"]:
    """`x` with each pair of neighbouring features turned by its token's angle."""
    cos, sin = table
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


def copy_self_attention(ours: Mapping[str, Any], site: BlockSite) -> None:
    """Gives `ours`, layers by their names in `site.projections`, the weights of a block's own self-attention.

    InputError where LoRA or quantisation has replaced them.
    """
    for name, source in site.projections.items():
        target = ours[name]
        if type(source) is not type(target) or not source.weight.is_floating_point():
            raise InputError(
                f"self-attention's {name} is a {type(source).__name__}, expected a floating-point "
                f"{type(target).__name__}: make the adapter before adding LoRA or quantisation"
            )
        target.load_state_dict(source.state_dict(), strict=True)

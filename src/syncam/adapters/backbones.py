"""The diffusers transformers an adapter can attach to, and where their blocks open up.

The names inside a transformer block (``attn1``, ``norm2``, ...) occur in this file and in published.py only. Supporting
another transformer class means one more entry in BACKBONES; docs/adapters.md says what each field has to be.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import nn

from syncam.errors import InputError

Transformer: TypeAlias = Any
"""A diffusers model of a class in BACKBONES. Its attributes are out of a type checker's sight."""


@dataclass(frozen=True, kw_only=True)
class BlockSite:
    """The modules of one transformer block that an adapter hooks."""

    block: nn.Module
    """Called with the hidden states and the time modulation."""
    self_attention: Any
    """Its processor carries the choice of attention backend."""
    projections: Mapping[str, Any]
    """Of self-attention, by our names: q, k, v and o, norm_q and norm_k."""
    residual_norm: nn.Module
    """Its input is the residual stream right after self-attention."""
    cross_attention: nn.Module
    """Its output enters the residual stream without a gate."""
    time_index: int
    """Position of the time modulation [b, 6, D] or [b, N, 6, D] among the positional arguments of the block."""


@dataclass(frozen=True, kw_only=True)
class Dimensions:
    """The sizes an adapter's weights depend on."""

    num_layers: int
    dim: int
    num_heads: int
    eps: float


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """The seams of one transformer class: attribute names and conventions."""

    blocks: str
    self_attention: str
    residual_norm: str
    cross_attention: str
    time_argument: str
    """Name of the time modulation in the signature of a block's forward."""
    block_modulation: str
    """Learned modulation [1, 6, D]; its first three rows are (shift, scale, gate) of self-attention."""
    projections: tuple[tuple[str, str], ...]
    """Pairs (our name, name inside self-attention) of what an adapter copies, or uses in the transformer's place."""

    def dimensions(self, transformer: Transformer) -> Dimensions:
        """The sizes of `transformer`, read from its config."""
        config = transformer.config
        return Dimensions(
            num_layers=config.num_layers,
            dim=config.num_attention_heads * config.attention_head_dim,
            num_heads=config.num_attention_heads,
            eps=config.eps,
        )

    def sites(self, transformer: Transformer) -> list[BlockSite]:
        """The hook points of every block, in the order in which the blocks run."""
        return [
            BlockSite(
                block=block,
                self_attention=block.get_submodule(self.self_attention),
                projections={
                    ours: block.get_submodule(f"{self.self_attention}.{name}") for ours, name in self.projections
                },
                residual_norm=block.get_submodule(self.residual_norm),
                cross_attention=block.get_submodule(self.cross_attention),
                time_index=list(inspect.signature(type(block).forward).parameters).index(self.time_argument) - 1,
            )
            for block in transformer.get_submodule(self.blocks)
        ]


BACKBONES = {
    "WanTransformer3DModel": Backbone(
        blocks="blocks",
        self_attention="attn1",
        residual_norm="norm2",
        cross_attention="attn2",
        time_argument="temb",
        block_modulation="scale_shift_table",
        projections=(
            ("q", "to_q"),
            ("k", "to_k"),
            ("v", "to_v"),
            ("o", "to_out.0"),
            ("norm_q", "norm_q"),
            ("norm_k", "norm_k"),
        ),
    ),
}


def find_backbone(transformer: Transformer) -> tuple[str, Backbone]:
    """The name and the seams of the class of `transformer`; InputError if no adapter can attach to it."""
    for cls in type(transformer).__mro__:
        if cls.__name__ in BACKBONES:
            return cls.__name__, BACKBONES[cls.__name__]
    raise InputError(
        f"transformer is a {type(transformer).__name__}, but adapters attach to {', '.join(BACKBONES)}: "
        "pass the diffusers model itself, not a wrapper around it"
    )


def token_grid(transformer: Transformer, hidden_states_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The number of tokens (f, h, w) into which the transformer cuts latents of shape [b, C, F, H, W]."""
    (f, h, w), (patch_f, patch_h, patch_w) = hidden_states_shape[2:], transformer.config.patch_size
    return f // patch_f, h // patch_h, w // patch_w

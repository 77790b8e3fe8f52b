"""The diffusers transformers an adapter can attach to, and where their blocks open up.

The names inside a transformer block (``attn1``, ``norm2``, ...) occur in this file and in published.py only. Supporting
another transformer class means one more entry in BACKBONES; docs/adding-a-backbone.md says what each field has to be.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from jaxtyping import Float
from torch import Tensor, nn

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
    residual_norm: Any
    """Its input is the residual stream where an adapter changes it: after self-attention, or before it ("joint")."""
    cross_attention: Any
    """Its output enters the residual stream without a gate; None in a "joint" block, which has none."""
    time_argument: str
    """Name of the time modulation among the arguments of the block."""
    time_index: int
    """Its position where it comes without a name."""


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

    form: Literal["cross", "joint"]
    """How a block takes in text: by cross-attention, or as tokens that attend together with the video's."""
    blocks: str
    self_attention: str
    residual_norm: str
    cross_attention: str | None = None
    """None in a "joint" block."""
    time_argument: str
    """Name of the time modulation, or of what a "joint" block's norms make it from, in a block's forward."""
    block_modulation: str | None = None
    """Learned modulation [1, 6, D]; its first three rows are (shift, scale, gate) of self-attention. None in a "joint"
    block, whose norms compute it."""
    projections: tuple[tuple[str, str], ...] = (
        ("q", "to_q"),
        ("k", "to_k"),
        ("v", "to_v"),
        ("o", "to_out.0"),
        ("norm_q", "norm_q"),
        ("norm_k", "norm_k"),
    )
    """Pairs (our name, name inside self-attention) of what an adapter copies, or uses in the transformer's place."""
    eps: str = "eps"
    """Name in the config of what is added to variances."""
    more_sizes: tuple[tuple[str, str], ...] = ()
    """Pairs (our name, name in the config) of what the weights of an adapter of this form depend on besides."""
    frame_axis: Literal[1, 2] = 2
    """Where the latents have their frames: [b, C, F, H, W] or [b, F, C, H, W]."""
    text_dim: str = "text_dim"
    """Name in the config of the width of the text's tokens."""

    def dimensions(self, transformer: Transformer) -> Dimensions:
        """The sizes of `transformer`, read from its config."""
        config = transformer.config
        if (frames := patch_size(transformer)[0]) != 1:
            raise InputError(
                f"the transformer makes one token of {frames} latent frames (as CogVideoX 1.5 does), expected one of "
                "each: adapters have a camera for every latent frame"
            )
        return Dimensions(
            num_layers=config.num_layers,
            dim=config.num_attention_heads * config.attention_head_dim,
            num_heads=config.num_attention_heads,
            eps=config[self.eps],
        )

    def settings(self, transformer: Transformer) -> dict[str, Any]:
        """What an adapter of this form has in its config of the sizes of `transformer`."""
        more = {ours: transformer.config[theirs] for ours, theirs in self.more_sizes}
        return vars(self.dimensions(transformer)) | more

    def projections_of(self, attention: Any) -> dict[str, Any]:
        """The layers of an attention of this class, by our names."""
        return {ours: attention.get_submodule(name) for ours, name in self.projections}

    def sites(self, transformer: Transformer) -> list[BlockSite]:
        """The hook points of every block, in the order in which the blocks run."""
        return [
            BlockSite(
                block=block,
                self_attention=block.get_submodule(self.self_attention),
                projections=self.projections_of(block.get_submodule(self.self_attention)),
                residual_norm=block.get_submodule(self.residual_norm),
                cross_attention=None if self.cross_attention is None else block.get_submodule(self.cross_attention),
                time_argument=self.time_argument,
                time_index=list(inspect.signature(type(block).forward).parameters).index(self.time_argument) - 1,
            )
            for block in transformer.get_submodule(self.blocks)
        ]


BACKBONES = {
    "WanTransformer3DModel": Backbone(
        form="cross",
        blocks="blocks",
        self_attention="attn1",
        residual_norm="norm2",
        cross_attention="attn2",
        time_argument="temb",
        block_modulation="scale_shift_table",
    ),
    "CogVideoXTransformer3DModel": Backbone(
        form="joint",
        blocks="transformer_blocks",
        self_attention="attn1",
        residual_norm="norm1",
        time_argument="temb",
        eps="norm_eps",
        more_sizes=(("time_dim", "time_embed_dim"), ("attention_bias", "attention_bias")),
        frame_axis=1,
        text_dim="text_embed_dim",
    ),
}
BACKBONES["SkyReelsV2Transformer3DModel"] = BACKBONES["WanTransformer3DModel"]  # the same blocks


def find_backbone(transformer: Transformer) -> tuple[str, Backbone]:
    """The name and the seams of the class of `transformer`; InputError if no adapter can attach to it."""
    for cls in type(transformer).__mro__:
        if cls.__name__ in BACKBONES:
            return cls.__name__, BACKBONES[cls.__name__]
    raise InputError(
        f"transformer is a {type(transformer).__name__}, but adapters attach to {', '.join(BACKBONES)}: "
        "pass the diffusers model itself, not a wrapper around it"
    )


def swap_layout(transformer: Transformer, latents: Float[Tensor, "b ... H W"]) -> Float[Tensor, "b ... H W"]:
    """Latents [b, C, F, H, W] in the layout of the transformer's class, or from that layout into this one."""
    return latents.transpose(1, 2) if find_backbone(transformer)[1].frame_axis == 1 else latents


def token_grid(transformer: Transformer, hidden_states_shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The number of tokens (f, h, w) into which the transformer cuts latents of that shape, [b, C, F, H, W] say.

    InputError if it does not cut them evenly.
    """
    frames = hidden_states_shape[find_backbone(transformer)[1].frame_axis]
    size, patch = (frames, *hidden_states_shape[3:]), patch_size(transformer)
    if any(length % part for length, part in zip(size, patch, strict=True)):
        raise InputError(
            f"latents of {' x '.join(map(str, size))} (frames, height, width) are no multiple of the transformer's "
            f"patches of {' x '.join(map(str, patch))}: give another size"
        )
    f, h, w = (length // part for length, part in zip(size, patch, strict=True))
    return f, h, w


def trained_grid(transformer: Transformer) -> tuple[int, int]:
    """The height and width, in tokens, that a "joint" transformer was made for and scales its positions to."""
    _, patch_h, patch_w = patch_size(transformer)
    return transformer.config.sample_height // patch_h, transformer.config.sample_width // patch_w


def patch_size(transformer: Transformer) -> tuple[int, int, int]:
    """Frames, height and width of the latents that make one token."""
    patch = transformer.config.patch_size
    if isinstance(patch, int):  # of height and width; that of frames is a setting of its own
        return transformer.config.get("patch_size_t") or 1, patch, patch
    frames, height, width = patch
    return frames, height, width

"""Where an adapter reaches into a transformer block, and what it does there.

Seams hold nothing that differs from block to block except modules and tensors, so that compile_repeated_blocks
compiles them once for all blocks instead of running into torch's recompilation limit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from syncam.adapters.backbones import BlockSite
from syncam.errors import InputError


@dataclass(frozen=True, eq=False)
class Step:
    """What the blocks need to know about one call of the transformer."""

    encodings: Float[Tensor, "bv f 12"]
    rotary: tuple[Tensor, Tensor] | None
    """Of an adapter's attention over tokens of its own; None where it attends in place of the block's."""
    num_views: int
    dtype: torch.dtype
    """What the adapter's layers compute in."""


@runtime_checkable
class Handle(Protocol):
    """Something that can be undone."""

    def remove(self) -> None:
        """Undoes it."""
        ...


class BlockSeam:
    """One block joined to its part of the adapter: keeps the call that the block belongs to."""

    def __init__(self, step_of: Callable[[Tensor], Step | None], site: BlockSite, adapter_block: nn.Module):
        self.step_of = step_of
        self.site = site
        self.adapter_block = adapter_block
        self.camera_tokens: Tensor | None = None
        """The encoded cameras, where they are known before the block runs."""
        self.step: Step | None = None
        self.time: Tensor | None = None

    def register(self) -> list[Handle]:
        """Joins the two; the handles part them again."""
        return [self.site.block.register_forward_pre_hook(self.before_block, with_kwargs=True)]

    def before_block(self, block: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        name = self.site.time_argument
        time = kwargs[name] if name in kwargs else args[self.site.time_index]
        self.time, self.step = time, self.step_of(time)

    def check(self, step: Step, hidden_states: Tensor) -> None:
        """InputError where the transformer's inputs lie elsewhere than its blocks."""
        if hidden_states.shape[0] != step.encodings.shape[0] or hidden_states.device != step.encodings.device:
            raise InputError(
                f"the blocks run with batch {hidden_states.shape[0]} on {hidden_states.device}, but the transformer "
                f"was called with batch {step.encodings.shape[0]} on {step.encodings.device}: pass it inputs on the "
                "device that it runs on"
            )


class ResidualSeam(BlockSeam):
    """Adds to the residual stream between self- and cross-attention.

    The change reaches the norm in front of cross-attention directly, and the stream itself by way of cross-attention's
    output, which enters it without a gate.
    """

    change: Tensor | None = None

    def register(self) -> list[Handle]:
        return [
            *super().register(),
            self.site.residual_norm.register_forward_pre_hook(self.before_norm),
            self.site.cross_attention.register_forward_hook(self.after_cross_attention),
        ]

    def before_block(self, block: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        super().before_block(block, args, kwargs)
        self.change = None

    def before_norm(self, norm: nn.Module, args: tuple) -> tuple[Tensor] | None:
        step, hidden_states = self.step, args[0]
        if step is None:
            return None
        self.check(step, hidden_states)
        assert self.time is not None
        if self.time.shape[-2] != 6:  # the rows before the tokens, as diffusion forcing has them
            raise InputError(
                "the transformer is called with a noise level of its own for every frame, in a form that no adapter "
                "knows (diffusion forcing): give one level per video"
            )
        self.change = self.adapter_block(
            hidden_states,
            self.time,
            step.encodings,
            None if torch.is_grad_enabled() else self.camera_tokens,
            step.rotary,
            step.num_views,
            step.dtype,
            self.site.self_attention.processor._attention_backend,
        )
        self.time = None
        return (hidden_states + self.change,)

    def after_cross_attention(self, attention: nn.Module, args: tuple, output: Tensor) -> Tensor | None:
        change, self.change = self.change, None
        return None if change is None else output + change.to(output.dtype)


class JointSeam(BlockSeam):
    """Adds to the residual stream before a self-attention that video and text share, and whose output is gated.

    The change reaches the norm in front of self-attention directly. To reach the stream itself, it goes by way of
    self-attention's output: the gate, which the norm hands to the block, is applied to that output here, and the block
    is given ones in its place.
    """

    change: Tensor | None = None
    gate: Tensor | None = None

    def register(self) -> list[Handle]:
        norm = self.site.residual_norm
        return [
            *super().register(),
            norm.register_forward_pre_hook(self.before_norm),
            norm.register_forward_hook(self.after_norm),
            self.site.self_attention.register_forward_hook(self.after_self_attention),
        ]

    def before_block(self, block: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        super().before_block(block, args, kwargs)
        self.change = self.gate = None

    def before_norm(self, norm: nn.Module, args: tuple) -> tuple | None:
        step, (hidden_states, text, time) = self.step, args
        if step is None:
            return None
        self.check(step, hidden_states)
        change = self.adapter_block(
            hidden_states,
            text,
            time,
            step.encodings,
            None if torch.is_grad_enabled() else self.camera_tokens,
            step.rotary,
            step.num_views,
            step.dtype,
        )
        self.change, self.time = change.to(hidden_states.dtype), None
        return hidden_states + self.change, text, time

    def after_norm(self, norm: nn.Module, args: tuple, output: tuple) -> tuple | None:
        if self.change is None:
            return None
        hidden_states, text, gate, text_gate = output
        self.gate = gate
        return hidden_states, text, torch.ones_like(gate), text_gate

    def after_self_attention(self, attention: nn.Module, args: tuple, output: tuple) -> tuple | None:
        change, gate, self.change, self.gate = self.change, self.gate, None, None
        if change is None:
            return None
        video, text = output
        return gate * video + change, text


class AttentionSeam(BlockSeam):
    """Computes a block's self-attention in the adapter, as the processor that diffusers lets one set."""

    def register(self) -> list[Handle]:
        return [*super().register(), AdapterProcessor(self)]


class AdapterProcessor:
    """The attention processor of a block whose self-attention is the adapter's."""

    def __init__(self, seam: AttentionSeam):
        self.seam = seam
        self.stock = seam.site.self_attention.processor
        seam.site.self_attention.processor = self

    def remove(self) -> None:
        """Puts the stock processor back."""
        self.seam.site.self_attention.processor = self.stock

    @property
    def _attention_backend(self) -> Any:
        """diffusers' choice of a backend, kept where it stays when the adapter goes."""
        return self.stock._attention_backend

    @_attention_backend.setter
    def _attention_backend(self, backend: Any) -> None:
        self.stock._attention_backend = backend

    @property
    def _parallel_config(self) -> Any:
        return self.stock._parallel_config

    def __call__(
        self,
        attention: nn.Module,
        hidden_states: Float[Tensor, "b N D"],
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Float[Tensor, "b N D"]:
        step = self.seam.step
        if step is None:
            return self.stock(attention, hidden_states, encoder_hidden_states, attention_mask, rotary_emb)
        self.seam.check(step, hidden_states)
        return self.seam.adapter_block(
            hidden_states,
            self.seam.site,
            step.encodings,
            None if torch.is_grad_enabled() else self.seam.camera_tokens,
            rotary_emb,
            step.dtype,
            self.stock._attention_backend,
        )

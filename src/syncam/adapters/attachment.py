"""The hooks that join an adapter to a transformer.

Nothing of the transformer is replaced or subclassed: three plain torch hooks per block, and one on the transformer
itself. The change to the residual stream between self- and cross-attention reaches the norm in front of
cross-attention directly, and the stream itself by way of cross-attention's output, which enters it without a gate.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakTensorKeyDictionary

from syncam.adapters.backbones import BlockSite, Transformer
from syncam.adapters.compatibility import reset_caches
from syncam.errors import InputError


@dataclass(frozen=True, eq=False)
class Step:
    """What the blocks need to know about one call of the transformer."""

    encodings: Float[Tensor, "bv f 12"]
    rotary: tuple[Tensor, Tensor]
    num_views: int
    dtype: torch.dtype
    """What the adapter's layers compute in."""


class Attachment:
    """The hooks that join an adapter to a transformer; remove(), or the end of its `with` block, takes them out."""

    def __init__(self, adapter: Any, transformer: Transformer, sites: list[BlockSite]):
        self.adapter = adapter
        self.transformer = transformer
        self.step: Step | None = None
        # Gradient checkpointing runs blocks again during the backward pass, maybe after a later call with other
        # cameras. A call is recognised by its time modulation, one tensor object for all its blocks that
        # checkpointing keeps alive.
        self._steps_by_time = WeakTensorKeyDictionary()
        self._handles = [transformer.register_forward_pre_hook(_Begin(self), with_kwargs=True)]
        self.blocks = [_BlockHooks(self, *pair) for pair in zip(sites, adapter.blocks, strict=True)]
        for block in self.blocks:
            self._handles += block.register()
        adapter._attachment = self
        reset_caches(transformer)

    def step_of(self, time_modulation: Tensor) -> Step | None:
        """The step that this call or recomputation of a block belongs to."""
        if torch.compiler.is_compiling() or not torch.is_grad_enabled():
            return self.step
        return self._steps_by_time.setdefault(time_modulation, self.step)

    def remove(self) -> None:
        """Gives the transformer back as it was. A second call does nothing."""
        for handle in self._handles:
            handle.remove()
        if self._handles:
            self._handles = []
            self.adapter._attachment = None
            reset_caches(self.transformer)

    def __enter__(self) -> "Attachment":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class _Begin:
    """Hook before the transformer: checks the input against the cameras and prepares what all blocks share."""

    def __init__(self, attachment: Attachment):
        self.attachment = attachment

    @torch.compiler.disable  # checks and caches are not for tracing; the blocks behind it are compiled
    def __call__(self, transformer: Transformer, args: tuple, kwargs: dict[str, Any]) -> None:
        latents = args[0] if args else kwargs["hidden_states"]
        self.attachment.step, tokens = self.attachment.adapter.prepare(transformer, latents)
        for block, block_tokens in zip(self.attachment.blocks, tokens, strict=True):
            block.camera_tokens = block_tokens


class _BlockHooks:
    """The three hooks of one block: keep the time modulation, change the residual stream, carry the change further.

    They hold nothing that differs from block to block except modules and tensors, so that compile_repeated_blocks
    compiles them once for all blocks instead of running into torch's recompilation limit.
    """

    def __init__(self, attachment: Attachment, site: BlockSite, adapter_block: nn.Module):
        self.attachment = attachment
        self.site = site
        self.adapter_block = adapter_block
        self.camera_tokens: Tensor | None = None
        self.step: Step | None = None
        self.time: Tensor | None = None
        self.change: Tensor | None = None

    def register(self) -> list[RemovableHandle]:
        return [
            self.site.block.register_forward_pre_hook(self.before_block),
            self.site.residual_norm.register_forward_pre_hook(self.before_norm),
            self.site.cross_attention.register_forward_hook(self.after_cross_attention),
        ]

    def before_block(self, block: nn.Module, args: tuple) -> None:
        time = args[self.site.time_index]
        self.time = time
        self.step = self.attachment.step_of(time)
        self.change = None

    def before_norm(self, norm: nn.Module, args: tuple) -> tuple[Tensor] | None:
        step, hidden_states = self.step, args[0]
        if step is None:
            return None
        if hidden_states.shape[0] != step.encodings.shape[0] or hidden_states.device != step.encodings.device:
            raise InputError(
                f"the blocks run with batch {hidden_states.shape[0]} on {hidden_states.device}, but the transformer "
                f"was called with batch {step.encodings.shape[0]} on {step.encodings.device}: pass it inputs on the "
                "device that it runs on"
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


def is_attached(transformer: Transformer) -> bool:
    """Whether some adapter is attached to `transformer`."""
    return any(isinstance(hook, _Begin) for hook in transformer._forward_pre_hooks.values())

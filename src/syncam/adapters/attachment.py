"""What joins an adapter to a transformer: hooks on the transformer's call, and a seam in every block."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from syncam.adapters.backbones import Transformer
from syncam.adapters.compatibility import reset_caches
from syncam.adapters.seams import Handle


class Attachment:
    """The hooks that join an adapter to a transformer; remove(), or the end of its `with` block, takes them out."""

    def __init__(self, adapter: Any, transformer: Transformer, sites: Sequence[Any]):
        self.adapter = adapter
        self.transformer = transformer
        self.step: Any = None
        """What all blocks need to know about the present call; None if the adapter is disabled."""
        # Gradient checkpointing runs blocks again during the backward pass, maybe after a later call with other
        # cameras. A call is recognised by its time modulation, one tensor object for all its blocks that
        # checkpointing keeps alive.
        self._steps_by_time = WeakTensorKeyDictionary()
        self._handles: list[Handle] = [
            transformer.register_forward_pre_hook(_Begin(self), with_kwargs=True),
            transformer.register_forward_hook(_End(self)),
        ]
        self.blocks = [adapter.seam(self.step_of, *pair) for pair in zip(sites, adapter.blocks, strict=True)]
        for block in self.blocks:
            self._handles += block.register()
        adapter._attachment = self
        reset_caches(transformer)

    def step_of(self, time_modulation: Tensor) -> Any:
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
    def __call__(self, transformer: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict] | None:
        adapter = self.attachment.adapter
        latents = args[0] if args else kwargs[adapter.latents_argument]
        self.attachment.step, tokens = adapter.prepare(transformer, latents)
        for block, block_tokens in zip(self.attachment.blocks, tokens, strict=True):
            block.camera_tokens = block_tokens
        if self.attachment.step is None:
            return None
        changed = adapter.to_input(latents)
        return ((changed, *args[1:]), kwargs) if args else (args, kwargs | {adapter.latents_argument: changed})


class _End:
    """Hook behind the transformer: takes away from its output what the adapter has added to its input."""

    def __init__(self, attachment: Attachment):
        self.attachment = attachment

    @torch.compiler.disable
    def __call__(self, transformer: nn.Module, args: tuple, output: Any) -> Any:
        if self.attachment.step is None:
            return None
        adapter = self.attachment.adapter
        if isinstance(output, tuple):
            return (adapter.to_output(output[0]), *output[1:])
        output.sample = adapter.to_output(output.sample)
        return output


def attached_adapters(transformer: Transformer) -> list[Any]:
    """The adapters that are attached to `transformer`."""
    return [hook.attachment.adapter for hook in transformer._forward_pre_hooks.values() if isinstance(hook, _Begin)]

"""What else may be switched on in a transformer while an adapter is attached to it.

diffusers changes a module through registries of hooks that wrap its forward; the adapter's own hooks fire around those.
Whether the two together mean what the user asked for is decided here by name: hooks that are known to work are
listed, and any other is refused. tests/adapters/test_compatibility.py holds the proof for each line of the list.
"""

from diffusers.hooks.hooks import StateManager
from torch import nn

from syncam.adapters.backbones import Transformer
from syncam.errors import InputError

# Hooks that move or convert weights, and leave what is computed alone.
STORAGE_HOOKS = {
    "group_offloading",
    "layer_execution_tracker",
    "lazy_prefetch_group_offloading",
    "layerwise_casting",
    "peft_autocast_disable",
}

# Caches that skip whole blocks and add the residual of an earlier step, to which the adapter has contributed; or that
# skip single attention layers, around which the adapter still runs. All views of a scene are skipped together.
CACHE_HOOKS = {
    "fbc_leader_block_hook",
    "fbc_block_hook",
    "mag_cache_leader_block_hook",
    "mag_cache_block_hook",
    "sea_cache_root",
    "sea_cache_leader_block",
    "sea_cache_block",
    "pyramid_attention_broadcast",
    "taylorseer_cache",
}


def check_transformer_state(transformer: Transformer) -> None:
    """InputError if the transformer uses a feature that would drop or distort the adapter's work."""
    if transformer._parallel_config is not None:
        raise InputError(
            "the transformer runs in parallel mode, which splits tokens or weights over devices: adapters need it "
            "whole, on one device per process"
        )
    for name, module in transformer.named_modules():
        registry = getattr(module, "_diffusers_hook", None)
        for hook in registry.hooks if registry is not None else ():
            if hook not in STORAGE_HOOKS and hook not in CACHE_HOOKS:
                raise InputError(
                    f"the transformer has the diffusers hook {hook!r} on {name or 'itself'}, not known to work with an "
                    "adapter (FirstBlockCache, MagCache, SeaCache, PAB and TaylorSeer are): disable it"
                )


def reset_caches(transformer: nn.Module) -> None:
    """Forgets what diffusers' caches have kept of earlier calls; the context (cond, uncond) they are in stays."""
    for module in transformer.modules():
        registry = getattr(module, "_diffusers_hook", None)
        for hook in registry.hooks.values() if registry is not None else ():
            if not hook._is_stateful:
                continue
            managers = [value for value in vars(hook).values() if isinstance(value, StateManager)]
            contexts = [manager._context for manager in managers]
            hook.reset_state(module)
            for manager, context in zip(managers, contexts, strict=True):
                manager.set_context(context)


def is_offloaded(module: nn.Module) -> bool:
    """Whether hooks of accelerate or diffusers decide where the weights of `module` are."""
    for child in module.modules():
        registry = getattr(child, "_diffusers_hook", None)
        if hasattr(child, "_hf_hook") or (registry is not None and "group_offloading" in registry.hooks):
            return True
    return False

"""The leading view: one view of every scene is known, and the others are denoised to match it.

This is the video-conditioned mode of SynCamMaster (section 3.5): the known view enters the transformer without noise
and with timestep 0, and its prediction is not used.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["leading", "with_lead"]


@contextlib.contextmanager
def leading(transformer: nn.Module, latents: Float[Tensor, "b ..."], num_views: int) -> Iterator[None]:
    """For the length of the `with` block, view 0 of every scene shows `latents`, whatever the transformer is given.

    The transformer's batch holds the views of each of the b scenes side by side, order (b v), once or twice (for
    guidance), and its inputs come by name, as pipelines pass them. `latents` are in its own layout.
    """

    def before(_: nn.Module, args: tuple, inputs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        return args, with_lead(inputs, latents, num_views)

    hook = transformer.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield
    finally:
        hook.remove()


def with_lead(inputs: dict[str, Any], latents: Float[Tensor, "b ..."], num_views: int) -> dict[str, Any]:
    """What a transformer is given, by name, with view 0 of every scene as `latents` show it."""
    noisy, timesteps = (inputs[name].unflatten(0, (-1, num_views)).clone() for name in ("hidden_states", "timestep"))
    noisy[:, 0], timesteps[:, 0] = latents.to(noisy).repeat(len(noisy) // len(latents), 1, 1, 1, 1), 0
    return inputs | {"hidden_states": noisy.flatten(0, 1), "timestep": timesteps.flatten(0, 1)}

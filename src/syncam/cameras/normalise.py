"""Rigs brought to a common scale, for poses whose unit is arbitrary or a network that expects another one."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.rigid import upcast
from syncam.cameras.spherical import common_target
from syncam.errors import InputError

__all__ = ["ScaleRule", "normalise_scale"]

ScaleRule = Literal["frame gap", "view gap", "largest distance", "scene radius"]


def normalise_scale(
    cameras: Cameras, rule: ScaleRule, *, view: int = 0, frame: int = 0
) -> tuple[Cameras, Float[Tensor, "*batch"]]:
    """The rig with its positions and focus distances divided by a length of its own, and that length per scene.

    The length that becomes 1:
    "frame gap": how far the camera of `view` moves from `frame` to the next one;
    "view gap": how far the view after `view` stands from it at `frame`;
    "largest distance": the largest distance of any camera from that of `view` at `frame` (CamI2V's evaluation);
    "scene radius": the largest distance of any camera from the point that all look at, or from their mean position
    where they look at none.
    Scaled about the world's origin; rotations, pixels and the shape of the rig stay. InputError where the length is 0.
    """
    positions = upcast(cameras.positions)
    own = cameras.view(view).frames(frame)
    start = upcast(own.positions)[..., 0, 0, :]
    if rule == "frame gap":
        length = (positions[..., view, _next("frame", frame, cameras.num_frames), :] - start).norm(dim=-1)
    elif rule == "view gap":
        length = (positions[..., _next("view", view, cameras.num_views), frame, :] - start).norm(dim=-1)
    elif rule == "largest distance":
        length = (positions - start[..., None, None, :]).norm(dim=-1).amax((-2, -1))
    else:
        target, found = common_target(cameras.c2w.flatten(-4, -3))
        centre = torch.where(found[..., None], target, positions.mean((-3, -2)))
        length = (positions - centre[..., None, None, :]).norm(dim=-1).amax((-2, -1))
    size = positions.norm(dim=-1).amax((-2, -1))
    if bool((length <= 4 * torch.finfo(cameras.c2w.dtype).eps * size).any()):
        raise InputError(f"the {rule} of the rig is 0, which cannot become 1: got {length.tolist()}")
    world = torch.eye(4, dtype=positions.dtype, device=positions.device)
    return cameras.transformed(world, 1 / length), length


def _next(kind: str, index: int, size: int) -> int:
    if not 0 <= index < size - 1:
        raise InputError(f"the {kind} gap needs a {kind} after number {index}, but the rig has {size}")
    return index + 1

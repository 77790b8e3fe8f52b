"""Azimuth, elevation and distance of cameras about the point that they look at."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from syncam.cameras.rigid import rigid, upcast

__all__ = ["common_target", "from_spherical", "to_spherical"]

PARALLEL = 1e-6
"""Axes are parallel where the direction that they leave most open weighs less than this share of the least open one."""


def common_target(c2w: Float[Tensor, "*batch N 4 4"]) -> tuple[Float[Tensor, "*batch 3"], Bool[Tensor, "*batch"]]:
    """The point nearest to the optical axes of N cameras in least squares, and whether they do look at it.

    They do not where the axes are parallel or the point lies behind a camera. Along the direction that parallel axes
    leave open, the point is the one nearest to the origin.
    """
    exact = c2w.double()
    position, forward = exact[..., :3, 3], exact[..., :3, 2]
    eye = torch.eye(3, dtype=exact.dtype, device=exact.device)
    across = eye - forward[..., :, None] * forward[..., None, :]  # [*batch, N, 3, 3]
    total = across.sum(-3)
    point = (torch.linalg.pinv(total, rtol=PARALLEL) @ (across @ position[..., None]).sum(-3))[..., 0]
    spread = torch.linalg.eigvalsh(total)
    crossing = spread[..., 0] > PARALLEL * spread[..., 2]
    in_front = (((point[..., None, :] - position) * forward).sum(-1) > 0).all(-1)
    return point.to(upcast(c2w)), crossing & in_front


def to_spherical(
    c2w: Float[Tensor, "*batch 4 4"], target: Float[Tensor, "*#batch 3"]
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Azimuth in -180..180 and elevation in -90..90 degrees, and distance in metres, of cameras as seen from `target`.

    Both angles are 0 for a camera on its target, and the azimuth is for one straight above or below.
    """
    c2w = upcast(c2w)
    x, y, z = (c2w[..., :3, 3] - target.to(c2w)).unbind(-1)
    level = torch.hypot(x, y)
    azimuth, elevation = torch.atan2(y, x), torch.atan2(z, level)
    return torch.rad2deg(azimuth), torch.rad2deg(elevation), torch.hypot(level, z)


def from_spherical(
    azimuth_deg: Float[Tensor, "*batch"],
    elevation_deg: Float[Tensor, "*batch"],
    distance: Float[Tensor, "*batch"],
    target: Float[Tensor, "*#batch 3"],
) -> Float[Tensor, "*batch 4 4"]:
    """c2w of level cameras that look at `target` from there.

    Also from straight above and below, where the azimuth says how the picture is turned.
    """
    azimuth, elevation = torch.deg2rad(upcast(azimuth_deg)), torch.deg2rad(upcast(elevation_deg))
    side, front, level, height = azimuth.sin(), azimuth.cos(), elevation.cos(), elevation.sin()
    right = torch.stack([-side, front, torch.zeros_like(side)], dim=-1)
    outward = torch.stack([level * front, level * side, height], dim=-1)
    down = torch.stack([height * front, height * side, -level], dim=-1)
    rotation = torch.stack([right, down, -outward], dim=-1)
    return rigid(rotation, target.to(outward) + outward * distance.to(outward)[..., None])

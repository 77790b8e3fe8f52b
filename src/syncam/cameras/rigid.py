"""Rigid motions: rotations about axes, and cameras with other poses or lenses."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.errors import InputError

__all__ = ["posed", "refuse_infinite", "rotation_about", "rotation_vector"]


def rotation_about(axis: Float[Tensor, "*#batch 3"], angle: Float[Tensor, "*#batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotations by `angle` radians about unit `axis`, counter-clockwise seen from the axis' tip; float64."""
    x, y, z = axis.double().unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    angle = angle.double()[..., None, None]
    return (
        torch.eye(3, dtype=torch.float64, device=axis.device) + angle.sin() * cross + (1 - angle.cos()) * cross @ cross
    )


def rotation_vector(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Axis times angle, in radians, of rotations by less than half a turn: `rotation_about` undone; float64."""
    rotation = rotation.double()
    skew = rotation - rotation.mT
    sine = 0.5 * torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], -1)  # axis times sin(angle)
    length = sine.norm(dim=-1)
    angle = torch.atan2(length, 0.5 * (rotation.diagonal(dim1=-2, dim2=-1).sum(-1) - 1))
    return sine * torch.where(length < 1e-12, 1.0, angle / length.clamp(min=1e-12))[..., None]


def posed(
    cameras: Cameras,
    *,
    rotation: Float[Tensor, "*batch V F 3 3"] | None = None,
    position: Float[Tensor, "*batch V F 3"] | None = None,
    K: Float[Tensor, "*batch V F 3 3"] | None = None,
) -> Cameras:
    """The cameras with other rotations (the columns right, down, forward), positions or lenses where given."""
    c2w = cameras.c2w.clone()
    if rotation is not None:
        c2w[..., :3, :3] = rotation.to(c2w)
    if position is not None:
        c2w[..., :3, 3] = position.to(c2w)
    return Cameras(c2w, cameras.K if K is None else K.to(cameras.K), cameras.hw)


def refuse_infinite(what: str, **numbers: float) -> None:
    """InputError if one of the named numbers is NaN or infinite."""
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise InputError(f"{what}: {name} must be a finite number, got {number}")

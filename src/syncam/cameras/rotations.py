"""Rotations as matrices and as rotation vectors: the axis times the angle in radians."""

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.quaternions import quaternion_from_rotation

__all__ = ["angle_deg", "rotation_about", "rotation_exp", "rotation_log", "skew"]

HALF_TURN_TOLERANCE = 5e-5
"""Rotations whose half angle has a smaller cosine count as half turns: within 0.006 degrees, as files are rounded."""


def skew(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The matrix [v]x with [v]x w = v x w."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))


def rotation_exp(vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation about each vector by its length in radians (Rodrigues' formula)."""
    angle = vectors.norm(dim=-1)[..., None, None]
    cross = skew(vectors)
    first = torch.sinc(angle / torch.pi)  # sin(a) / a
    second = torch.sinc(angle / (2 * torch.pi)).square() / 2  # (1 - cos(a)) / a^2
    return torch.eye(3, dtype=vectors.dtype, device=vectors.device) + first * cross + second * (cross @ cross)


def rotation_about(axis: Float[Tensor, "*#batch 3"], angle: Float[Tensor, "*#batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotations by `angle` radians about unit `axis`, counter-clockwise seen from the axis' tip; float64."""
    return rotation_exp(axis.double() * angle.double()[..., None])


def rotation_log(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """The shortest rotation vector of each rotation, at most half a turn long.

    A half turn has two, v and -v; the one with a positive y is taken (x or z where those before are zero). For the
    rotation from one OpenCV camera to another this is a turn to the right.
    """
    quaternion = quaternion_from_rotation(rotation)
    imaginary, real = quaternion[..., :3], quaternion[..., 3]
    flip = torch.where(real < 0, -1.0, 1.0).to(real)
    half_turn = real.abs() < HALF_TURN_TOLERANCE
    x, y, z = imaginary.unbind(-1)
    leading = torch.where(y.abs() > HALF_TURN_TOLERANCE, y, torch.where(x.abs() > HALF_TURN_TOLERANCE, x, z))
    flip = torch.where(half_turn, torch.where(leading < 0, -1.0, 1.0).to(real), flip)
    real, imaginary = real * flip, imaginary * flip[..., None]
    sine = imaginary.norm(dim=-1)  # of half the angle
    angle = 2 * torch.atan2(sine, real)
    tiny = sine < 1e-12
    length = torch.where(tiny, 2.0, angle / torch.where(tiny, 1.0, sine))
    return imaginary * length[..., None]


def angle_deg(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """The angle of each rotation, 0 to 180 degrees."""
    quaternion = quaternion_from_rotation(rotation)
    return torch.rad2deg(2 * torch.atan2(quaternion[..., :3].norm(dim=-1), quaternion[..., 3]))

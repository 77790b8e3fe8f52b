"""Rigid transforms: 4x4 matrices of a rotation and a translation, such as c2w."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from syncam.cameras.rotations import rotation_exp, rotation_log, skew
from syncam.errors import InputError

__all__ = ["compose_rigid", "invert_rigid", "relative_c2w", "rigid", "rigid_exp", "rigid_log", "upcast"]

ROTATION_TOLERANCE = 1e-3


def upcast(tensor: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Half precision as float32, which geometry needs at least; other precisions as they are."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def rigid(rotation: Float[Tensor, "*batch 3 3"], translation: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4 4"]:
    """The transforms that turn by `rotation` and then move by `translation`."""
    top = torch.cat([rotation, translation[..., None]], dim=-1)
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=top.dtype, device=top.device)
    return torch.cat([top, bottom.expand(*top.shape[:-2], 1, 4)], dim=-2)


def invert_rigid(transform: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """The inverse of rigid transforms, without a general matrix inversion and its rounding."""
    transform = upcast(transform)
    rotation = transform[..., :3, :3].mT
    return rigid(rotation, -(rotation @ transform[..., :3, 3:])[..., 0])


def compose_rigid(outer: Float[Tensor, "*#batch 4 4"], inner: Float[Tensor, "*#batch 4 4"]) -> Float[Tensor, "... 4 4"]:
    """First `inner`, then `outer`; the leading dims broadcast."""
    outer, inner = upcast(outer), upcast(inner)
    rotation = outer[..., :3, :3] @ inner[..., :3, :3]
    return rigid(rotation, (outer[..., :3, :3] @ inner[..., :3, 3:] + outer[..., :3, 3:])[..., 0])


def relative_c2w(
    c2w: Float[Tensor, "*batch V F 4 4"], view: int | None = 0, frame: int | None = None
) -> Float[Tensor, "*batch V F 4 4"]:
    """c2w in the camera coordinates of `view` (None: of each view itself), at the same frame or at a given `frame`."""
    for kind, index, size in (("view", view, c2w.shape[-4]), ("frame", frame, c2w.shape[-3])):
        if index is not None and not -size <= index < size:
            raise InputError(f"{kind} index must lie in 0..{size - 1}, got {index}")
    reference = c2w if view is None else c2w[..., view, :, :, :].unsqueeze(-4)
    if frame is not None:
        reference = reference[..., frame, :, :].unsqueeze(-3)
    return compose_rigid(invert_rigid(reference), c2w)


def rigid_log(transform: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 6"]:
    """The screw (rotation vector, then velocity) that reaches each transform in one unit of time.

    The turn is the shortest one; `rotation_log` says which of two half turns is taken.
    """
    turn = rotation_log(transform[..., :3, :3])
    square = turn.square().sum(-1)[..., None, None]
    small = square < 1e-2
    angle = torch.where(small, 1.0, square).sqrt()
    series = 1 / 12 + square * (1 / 720 + square * (1 / 30240 + square / 1209600))
    share = torch.where(small, series, (1 - angle / 2 / torch.tan(angle / 2)) / angle.square())
    cross = skew(turn)
    eye = torch.eye(3, dtype=turn.dtype, device=turn.device)
    velocity = (eye - cross / 2 + share * (cross @ cross)) @ transform[..., :3, 3:]
    return torch.cat([turn, velocity[..., 0]], dim=-1)


def rigid_exp(screw: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 4 4"]:
    """Where each screw (rotation vector, then velocity) leads in one unit of time: the inverse of `rigid_log`."""
    turn, velocity = screw[..., :3], screw[..., 3:]
    square = turn.square().sum(-1)[..., None, None]
    small = square < 1e-2
    angle = torch.where(small, 1.0, square).sqrt()
    series = 1 / 6 - square * (1 / 120 - square * (1 / 5040 - square / 362880))
    third = torch.where(small, series, (angle - torch.sin(angle)) / angle**3)
    second = torch.sinc(turn.norm(dim=-1) / (2 * torch.pi)).square()[..., None, None] / 2
    cross = skew(turn)
    eye = torch.eye(3, dtype=turn.dtype, device=turn.device)
    travel = (eye + second * cross + third * (cross @ cross)) @ velocity[..., None]
    return rigid(rotation_exp(turn), travel[..., 0])


def rigid_faults(transform: Float[Tensor, "*batch 4 4"], name: str) -> Iterator[tuple[Bool[Tensor, "*batch"], str]]:
    """Which transforms break which rule of rigid ones, and the complaint about `name`, one rule after the other."""
    exact = transform.detach().double()
    rotation = exact[..., :3, :3]
    tolerance = max(ROTATION_TOLERANCE, 16 * torch.finfo(transform.dtype).eps)
    yield ~torch.isfinite(exact).all(-1).all(-1), f"{name} has NaN or infinite numbers"
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64, device=exact.device)
    yield ((exact[..., 3, :] - bottom).abs() > tolerance).any(-1), f"the last row of {name} is not 0 0 0 1"
    gram = rotation.mT @ rotation - torch.eye(3, dtype=torch.float64, device=exact.device)
    yield gram.abs().amax((-2, -1)) > tolerance, f"the rotation of {name} is not orthonormal"
    yield (
        torch.linalg.det(rotation) < 0,
        f"{name} is left-handed (its rotation has determinant -1; expected +1: mirror one axis of its convention)",
    )

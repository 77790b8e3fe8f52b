"""Cameras with other poses or lenses, and the numbers that ask for them."""

import dataclasses
import math

from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.errors import InputError

__all__ = ["posed", "refuse_infinite"]


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
    return dataclasses.replace(cameras, c2w=c2w, K=cameras.K if K is None else K.to(cameras.K))


def refuse_infinite(what: str, **numbers: float) -> None:
    """InputError if one of the named numbers is NaN or infinite."""
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise InputError(f"{what}: {name} must be a finite number, got {number}")

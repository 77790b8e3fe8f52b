"""Unit quaternions and rotation matrices. The order is x, y, z, w: the real part comes last."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

__all__ = ["quaternion_from_rotation", "rotation_from_quaternion", "unit_quaternions"]

LENGTH_TOLERANCE = 1e-3
"""Files with four digits have quaternions that are this far from length 1."""


def rotation_from_quaternion(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation matrices of unit quaternions."""
    x, y, z, w = quaternion.unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def quaternion_from_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """The unit quaternions of rotation matrices; of the two signs, the one with w >= 0.

    Column i of the matrix below is the quaternion times four times its component i. The column of the largest component
    is taken, so that nothing is divided by a small number.
    """
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in rotation.unbind(-2))
    rows = [
        [1 + a - e - i, b + d, c + g, h - f],
        [b + d, 1 - a + e - i, f + h, c - g],
        [c + g, f + h, 1 - a - e + i, d - b],
        [h - f, c - g, d - b, 1 + a + e + i],
    ]
    products = torch.stack([torch.stack(row, -1) for row in rows], -2)  # [*batch, 4, 4]
    largest = products.diagonal(dim1=-2, dim2=-1).argmax(-1)
    quaternion = torch.take_along_dim(products, largest[..., None, None], dim=-1)[..., 0]
    quaternion = quaternion / quaternion.norm(dim=-1, keepdim=True)
    return torch.where(quaternion[..., 3:] < 0, -quaternion, quaternion)


def unit_quaternions(quaternions: Float[Tensor, "N 4"], place: Callable[[int], str]) -> Float[Tensor, "N 4"]:
    """Quaternions of exactly length 1; InputError with `place(index)` where one of a file is not nearly that."""
    length = quaternions.norm(dim=-1)
    for index in (~((length - 1).abs() <= LENGTH_TOLERANCE)).nonzero()[:1, 0].tolist():
        raise InputError(
            f"{place(index)}: the rotation is not a unit quaternion; its length is {float(length[index]):.6g}"
        )
    return quaternions / length[:, None]

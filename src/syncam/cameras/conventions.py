"""Foreign camera conventions to ours and back; docs/conventions.md draws them.

Ours: OpenCV camera axes (x right, y down, z forward), right-handed world with z up, metres.
"""

import math
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "focal_from_fov",
    "focal_mm_of",
    "focal_px",
    "fov_deg",
    "intrinsics",
    "opencv_to_opengl",
    "opencv_to_pytorch3d",
    "opencv_to_unreal",
    "opengl_to_opencv",
    "pytorch3d_to_opencv",
    "unreal_to_opencv",
]

Number = TypeVar("Number", float, Tensor)

CENTIMETRES = 100.0
SENSOR_MM = 23.76
"""Width of the square sensor of SynCamVideo and MultiCamVideo."""

# Columns are OpenCV's camera axes written in the foreign camera axes.
_UNREAL_AXES = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, -1, 0]], dtype=torch.float64)  # x forward, y right, z up
_OPENGL_AXES = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]], dtype=torch.float64)  # x right, y up, z backward
_PYTORCH3D_AXES = torch.tensor([[-1.0, 0, 0], [0, -1, 0], [0, 0, 1]], dtype=torch.float64)  # x left, y up, z forward
_MIRROR_Y = torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)


def unreal_to_opencv(rows: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """c2w of Unreal's row-vector matrices (left-handed world, centimetres), as SynCamVideo's files hold them.

    Unreal's world is left-handed: its y axis is mirrored, so that the result is a proper rotation (det = +1).
    Relative poses do not depend on that choice, because the mirror cancels in the inverse of one times another.
    """
    matrix = rows.double().mT
    c2w = matrix.clone()
    mirror = _MIRROR_Y.to(rows.device)
    c2w[..., :3, :3] = mirror[:, None] * (matrix[..., :3, :3] @ _UNREAL_AXES.to(rows.device))
    c2w[..., :3, 3] = mirror * matrix[..., :3, 3] / CENTIMETRES
    return c2w


def opencv_to_unreal(c2w: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """Unreal's row-vector matrices in centimetres: the inverse of `unreal_to_opencv`."""
    c2w = c2w.double()
    mirror = _MIRROR_Y.to(c2w.device)
    matrix = c2w.clone()
    matrix[..., :3, :3] = (mirror[:, None] * c2w[..., :3, :3]) @ _UNREAL_AXES.mT.to(c2w.device)
    matrix[..., :3, 3] = mirror * c2w[..., :3, 3] * CENTIMETRES
    return matrix.mT.contiguous()


def opengl_to_opencv(c2w: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """c2w with OpenCV camera axes from OpenGL's or Blender's (x right, y up, z backward); the world stays."""
    return _turn(c2w, _OPENGL_AXES)


def opencv_to_opengl(c2w: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """c2w with OpenGL's or Blender's camera axes; the world stays."""
    return _turn(c2w, _OPENGL_AXES.mT)


def pytorch3d_to_opencv(c2w: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """c2w with OpenCV camera axes from PyTorch3D's (x left, y up, z forward), column-vector form; the world stays."""
    return _turn(c2w, _PYTORCH3D_AXES)


def opencv_to_pytorch3d(c2w: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """c2w with PyTorch3D's camera axes, column-vector form; the world stays."""
    return _turn(c2w, _PYTORCH3D_AXES.mT)


def _turn(c2w: Tensor, axes: Tensor) -> Tensor:
    rotation = c2w[..., :3, :3] @ axes.to(c2w)
    return torch.cat([torch.cat([rotation, c2w[..., :3, 3:]], dim=-1), c2w[..., 3:, :]], dim=-2)


def focal_px(focal_mm: Number, width: int, sensor_mm: float = SENSOR_MM) -> Number:
    """Focal length in pixels of a picture whose width spans a sensor of that width."""
    return focal_mm / sensor_mm * width


def focal_mm_of(K: Float[Tensor, "*batch 3 3"], width: int, sensor_mm: float = SENSOR_MM) -> Float[Tensor, "*batch"]:
    """Focal length in millimetres of lenses K, in pixels of a picture whose width spans the sensor."""
    return K[..., 0, 0] / width * sensor_mm


def fov_deg(focal: Number, size: float) -> Number:
    """Field of view in degrees across `size` for a focal length in the same unit, of a centred lens."""
    if isinstance(focal, Tensor):
        return torch.rad2deg(2 * torch.atan(0.5 * size / focal))
    return math.degrees(2 * math.atan(0.5 * size / focal))


def focal_from_fov(fov_deg: Number, size: float) -> Number:
    """Focal length, in the unit of `size`, of a centred lens that sees so many degrees across: undoes `fov_deg`."""
    if isinstance(fov_deg, Tensor):
        return 0.5 * size / torch.tan(torch.deg2rad(fov_deg) / 2)
    return 0.5 * size / math.tan(math.radians(fov_deg) / 2)


def intrinsics(
    focal_mm: float | Float[Tensor, "*batch"], hw: tuple[int, int], sensor_mm: float = SENSOR_MM
) -> Float[Tensor, "*batch 3 3"]:
    """K in float64 of centred lenses with square pixels; the picture's width spans the sensor."""
    height, width = hw
    lens = focal_mm.double() if isinstance(focal_mm, Tensor) else torch.tensor(focal_mm, dtype=torch.float64)
    focal = focal_px(lens, width, sensor_mm)
    zero, one = torch.zeros_like(focal), torch.ones_like(focal)
    rows = [focal, zero, one * (width / 2), zero, focal, one * (height / 2), zero, zero, one]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))

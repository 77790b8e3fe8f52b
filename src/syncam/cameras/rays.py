"""Rays of pixels and tokens, and Pluecker maps of them."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.rigid import upcast

__all__ = ["camera_rays", "pixel_centres", "pluecker"]


def pixel_centres(hw: tuple[int, int], like: Float[Tensor, "..."]) -> Float[Tensor, "H W 2"]:
    """The (x, y) of every pixel's centre, (0.5, 0.5) first, with the dtype and device of `like`."""
    y, x = (torch.arange(size, dtype=like.dtype, device=like.device) + 0.5 for size in hw)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)


def camera_rays(
    cameras: Cameras, hw: tuple[int, int] | None = None
) -> tuple[Float[Tensor, "*batch V F H W 3"], Float[Tensor, "*batch V F H W 3"]]:
    """Origins in metres and unit directions in the world of the rays through every pixel's centre.

    `hw` divides the picture into another number of cells, such as the (h, w) grid of latents or tokens; the rays go
    through the centres of the cells.
    """
    return _rays(cameras, upcast(cameras.c2w), hw or cameras.hw)


def pluecker(
    cameras: Cameras,
    hw: tuple[int, int] | None = None,
    *,
    view: int | None = 0,
    frame: int | None = 0,
    order: Literal["moment, direction", "direction, moment"] = "moment, direction",
) -> Float[Tensor, "*batch V F 6 H W"]:
    """Six numbers per pixel, or per cell of a grid `hw`, that say which line it sees: o x d and d, with a unit d.

    In the coordinates of the camera of `view` at `frame`, as in `Cameras.relative_to`; CameraCtrl and CVD start every
    view at the identity, which is `view=None, frame=0`. Moments are in metres. "moment, direction" is the order of
    CameraCtrl, CVD, VideoX-Fun and LGM; "direction, moment" that of light field networks and of SEVA.
    """
    origins, directions = _rays(cameras, cameras.relative_to(view, frame), hw or cameras.hw)
    moments = torch.linalg.cross(origins, directions, dim=-1)  # the default dim of torch.cross is a trap for 3 views
    both = (moments, directions) if order == "moment, direction" else (directions, moments)
    return torch.cat(both, dim=-1).movedim(-1, -3)


def _rays(cameras: Cameras, c2w: Tensor, hw: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Origins and unit directions in the world of `c2w` of the rays through the cells of the grid `hw`."""
    cell = torch.tensor([cameras.hw[1] / hw[1], cameras.hw[0] / hw[0]], dtype=c2w.dtype, device=c2w.device)
    uv = F.pad(pixel_centres(hw, like=c2w) * cell, (0, 1), value=1.0).flatten(0, 1)  # [H W, 3]
    local = uv @ torch.linalg.inv(cameras.K.to(c2w)).mT  # [*batch, V, F, H W, 3]
    directions = F.normalize(local @ c2w[..., :3, :3].mT, dim=-1).unflatten(-2, hw)
    return c2w[..., None, None, :3, 3].expand_as(directions), directions

"""The stand-in for what a rig films: an ellipsoid that stands on the ground, about the size of an animal."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.trajectories import TARGET
from syncam.errors import InputError

__all__ = ["Subject", "seen", "shared_surface"]

SURFACE_POINTS = 512
EXACT: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An ellipsoid with its axes along the world's."""

    centre: tuple[float, float, float] = TARGET
    """Metres."""
    half_axes: tuple[float, float, float] = (0.5, 0.5, 0.8)
    """Half of its length along x, y and z, metres."""

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.centre)):
            raise InputError(f"the centre of a subject must be finite, got {self.centre}")
        if not all(0 < size < math.inf for size in self.half_axes):
            raise InputError(f"half_axes must be positive metres, got {self.half_axes}")

    def surface(
        self, count: int = SURFACE_POINTS
    ) -> tuple[Float[Tensor, "N 3"], Float[Tensor, "N 3"], Float[Tensor, " N"]]:
        """Points spread over the surface, the outward normals there, and the share of the surface each stands for.

        On the CPU, like all that a subject says of itself.
        """
        index = torch.arange(count, **EXACT) + 0.5
        height = 1 - 2 * index / count
        angle = math.pi * (1 + math.sqrt(5)) * index  # a golden spiral
        ring = (1 - height**2).sqrt()
        sphere = torch.stack([angle.cos() * ring, angle.sin() * ring, height], -1)
        axes = torch.tensor(self.half_axes, **EXACT)
        normals = sphere / axes
        length = normals.norm(dim=-1, keepdim=True)  # stretching a sphere's patch multiplies its area by this
        points = sphere * axes + torch.tensor(self.centre, **EXACT)
        return points, normals / length, length[:, 0] / length.sum()

    def depth_inside(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
        """Above 0 inside, 0 on the surface, below 0 outside; 1 in the centre."""
        points = points.double()
        centre, axes = (
            torch.tensor(v, dtype=torch.float64, device=points.device) for v in (self.centre, self.half_axes)
        )
        return 1 - ((points - centre) / axes).norm(dim=-1)

    def silhouette(self, right: int, up: int) -> Float[Tensor, "N 2"]:
        """Its outline seen along the axis that is neither `right` nor `up`."""
        angle = torch.linspace(0, 2 * math.pi, 65, **EXACT)
        return torch.stack(
            [
                self.centre[right] + self.half_axes[right] * angle.cos(),
                self.centre[up] + self.half_axes[up] * angle.sin(),
            ],
            -1,
        )

    def outline(self) -> Float[Tensor, "N 3"]:
        """Its three ellipses in the planes of the axes, one after the other."""
        curves = []
        for right, up in ((0, 1), (0, 2), (1, 2)):
            curve = torch.tensor(self.centre, **EXACT).repeat(65, 1)
            curve[:, [right, up]] = self.silhouette(right, up)
            curves.append(curve)
        return torch.cat(curves)


def seen(cameras: Cameras, subject: Subject) -> Bool[Tensor, "*batch V F N"]:
    """Which points of the subject's surface every camera sees: in its picture, on the side that faces it."""
    points, normals, _ = (tensor.to(cameras.c2w.device) for tensor in subject.surface())
    exact = cameras.to(torch.float64)
    pixels, depth = exact.project(points)
    height, width = cameras.hw
    inside = (pixels >= 0).all(-1) & (pixels[..., 0] <= width) & (pixels[..., 1] <= height) & (depth > 0)
    towards = exact.positions[..., None, :] - points
    return inside & ((towards * normals).sum(-1) > 0)


def shared_surface(cameras: Cameras, subject: Subject) -> Float[Tensor, "*batch V V"]:
    """The share (0 to 1) of the subject's surface that each pair of views sees at the same frame, mean over frames.

    On the diagonal, what each view sees by itself: at most half of it, from far away.
    """
    visible = seen(cameras, subject).double()  # [*batch, V, F, N]
    areas = subject.surface()[2].to(visible.device)
    return torch.einsum("...vfn,...wfn,n->...vw", visible, visible, areas) / visible.shape[-2]

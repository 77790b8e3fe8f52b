"""Epipolar geometry: where what one camera sees at a pixel can lie in the picture of another."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.rigid import compose_rigid, invert_rigid
from syncam.cameras.rotations import skew

__all__ = [
    "EpipolarGeometry",
    "epipolar_geometry",
    "epipolar_lines",
    "homography_geometry",
    "line_distance",
    "pairwise_epipolar_geometry",
    "sampson_distance",
    "symmetric_epipolar_distance",
]

SAME_CENTRE_M = 1e-6


@dataclass(frozen=True, eq=False)  # tensors have no single truth value to compare by
class EpipolarGeometry:
    """How pixels of a first camera constrain pixels of a second one, for any leading dims.

    x2^T `fundamental` x1 = 0 for homogeneous pixels of one world point, and y2^T `essential` y1 = 0 for y = K^-1 x.
    `infinite_homography` takes pixels of the first to those of the second that look in the same direction, which is
    where points very far away lie. Where both cameras have the `same_centre`, depth moves nothing: the two other
    matrices are exactly zero there, and the homography is valid for points at every distance.
    """

    fundamental: Float[Tensor, "*pairs 3 3"]
    essential: Float[Tensor, "*pairs 3 3"]
    infinite_homography: Float[Tensor, "*pairs 3 3"]
    same_centre: Bool[Tensor, "*pairs"]


def epipolar_geometry(
    first_c2w: Float[Tensor, "*#pairs 4 4"],
    first_K: Float[Tensor, "*#pairs 3 3"],
    second_c2w: Float[Tensor, "*#pairs 4 4"],
    second_K: Float[Tensor, "*#pairs 3 3"],
) -> EpipolarGeometry:
    """The geometry from first to second cameras; the leading dims broadcast.

    E = [t]x R and F = K2^-T E K1^-1 with [R | t] = w2c of the second times c2w of the first, in metres and unscaled.
    Centres count as the same when they are nearer than 1e-6 m plus what the precision of c2w can tell apart at their
    distance from the origin; rounding would otherwise decide the direction of the lines. Computed in float64.
    """
    dtype = torch.promote_types(first_c2w.dtype, torch.float32)
    relative = compose_rigid(invert_rigid(second_c2w.double()), first_c2w.double())
    centres = [c2w[..., :3, 3].double().norm(dim=-1) for c2w in (first_c2w, second_c2w)]
    noise = 4 * torch.finfo(first_c2w.dtype).eps * torch.maximum(*centres)
    rotation, translation = relative[..., :3, :3], relative[..., :3, 3]
    same_centre = translation.norm(dim=-1) <= SAME_CENTRE_M + noise
    baseline = torch.where(same_centre[..., None], torch.zeros_like(translation), translation)
    essential = skew(baseline) @ rotation
    to_ray, to_pixel = torch.linalg.inv(first_K.double()), second_K.double()
    fundamental = torch.linalg.inv(to_pixel).mT @ essential @ to_ray
    homography = to_pixel @ rotation @ to_ray
    return EpipolarGeometry(fundamental.to(dtype), essential.to(dtype), homography.to(dtype), same_centre)


def homography_geometry(homographies: Float[Tensor, "*pairs 3 3"]) -> EpipolarGeometry:
    """The geometry of pictures whose pixels correspond by a homography, first to second: as of one camera centre."""
    none = torch.zeros_like(homographies)
    here = torch.ones(homographies.shape[:-2], dtype=torch.bool, device=homographies.device)
    return EpipolarGeometry(none, none, homographies, here)


def pairwise_epipolar_geometry(cameras: Cameras) -> EpipolarGeometry:
    """The geometry of all pairs of views at the same frame, [*batch, V, V, F, ...]: [i, j] is from view i to view j."""
    c2w, K = cameras.c2w, cameras.K
    return epipolar_geometry(c2w.unsqueeze(-4), K.unsqueeze(-4), c2w.unsqueeze(-5), K.unsqueeze(-5))


def epipolar_lines(
    fundamental: Float[Tensor, "*#pairs 3 3"], uv: Float[Tensor, "*#pairs N 2"]
) -> Float[Tensor, "*pairs N 3"]:
    """Lines (a, b, c) of the second picture, a x + b y + c = 0 with a^2 + b^2 = 1, for pixels of the first.

    For lines of the first picture give the transposed matrix. NaN where there is no line: for cameras with the same
    centre, and for the pixel in which the first camera sees the second.
    """
    lines = F.pad(uv, (0, 1), value=1.0).to(fundamental) @ fundamental.mT
    return lines / lines[..., :2].norm(dim=-1, keepdim=True)


def line_distance(lines: Float[Tensor, "*#batch 3"], uv: Float[Tensor, "*#batch 2"]) -> Float[Tensor, "*batch"]:
    """How far pixels lie from lines (a, b, c) of any scale, in pixels."""
    signed = (lines[..., :2] * uv).sum(-1) + lines[..., 2]
    return signed.abs() / lines[..., :2].norm(dim=-1)


def symmetric_epipolar_distance(
    fundamental: Float[Tensor, "*#pairs 3 3"], first: Float[Tensor, "*#pairs N 2"], second: Float[Tensor, "*#pairs N 2"]
) -> Float[Tensor, "*pairs N"]:
    """sqrt(d1^2 + d2^2) in pixels, of each pixel's distance to the line that the other one draws in its picture.

    The square is equation 11.10 of Hartley and Zisserman's Multiple View Geometry. NaN where there is no line.
    """
    forward = line_distance(epipolar_lines(fundamental, first), second.to(fundamental))
    backward = line_distance(epipolar_lines(fundamental.mT, second), first.to(fundamental))
    return torch.hypot(forward, backward)


def sampson_distance(
    fundamental: Float[Tensor, "*#pairs 3 3"], first: Float[Tensor, "*#pairs N 2"], second: Float[Tensor, "*#pairs N 2"]
) -> Float[Tensor, "*pairs N"]:
    """To first order, how far both pixels together must move to agree, in pixels.

    |x2^T F x1| / |((F x1)_1, (F x1)_2, (F^T x2)_1, (F^T x2)_2)|; the square is equation 11.9 of Hartley and Zisserman.
    NaN where there is no line.
    """
    x1, x2 = (F.pad(uv, (0, 1), value=1.0).to(fundamental) for uv in (first, second))
    forward, backward = x1 @ fundamental.mT, x2 @ fundamental  # F x1 and F^T x2, as rows
    return (x2 * forward).sum(-1).abs() / torch.cat([forward[..., :2], backward[..., :2]], dim=-1).norm(dim=-1)

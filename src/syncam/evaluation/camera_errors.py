"""How far estimated cameras are from requested ones, by every convention that papers use, each by its name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.rigid import compose_rigid, invert_rigid
from syncam.cameras.rotations import angle_deg

__all__ = [
    "TRAJECTORY_CONVENTIONS",
    "TrajectoryConvention",
    "direction_error_deg",
    "pose_auc",
    "rotation_error_deg",
    "similarity_aligned",
    "unit_translation_error",
]

STILL = 1e-9
"""Translations shorter than this have no direction and no scale."""


def rotation_error_deg(
    estimated: Float[Tensor, "*#batch 3 3"], requested: Float[Tensor, "*#batch 3 3"]
) -> Float[Tensor, "*batch"]:
    """The angle between two rotations, 0 to 180 degrees: arccos((tr(R1^T R2) - 1) / 2), computed without the arccos."""
    return angle_deg(estimated.double().mT @ requested.double())


def direction_error_deg(
    estimated: Float[Tensor, "*#batch 3"], requested: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*batch"]:
    """The angle between two translations, 0 to 180 degrees; NaN where one of them is zero."""
    one, other = torch.broadcast_tensors(estimated.double(), requested.double())
    angle = torch.rad2deg(torch.atan2(torch.linalg.cross(one, other, dim=-1).norm(dim=-1), (one * other).sum(-1)))
    return torch.where((one.norm(dim=-1) > STILL) & (other.norm(dim=-1) > STILL), angle, torch.nan)


def unit_translation_error(
    estimated: Float[Tensor, "*#batch 3"], requested: Float[Tensor, "*#batch 3"]
) -> Float[Tensor, "*batch"]:
    """The distance of the two translations after each is scaled to length 1, 0 to 2; NaN where one is zero."""
    return 2 * torch.sin(torch.deg2rad(direction_error_deg(estimated, requested)) / 2)


def pose_auc(errors_deg: Sequence[float], limits_deg: Sequence[float] = (5.0, 10.0, 20.0)) -> list[float]:
    """The area under the curve of recall over error up to each limit, as a share of the limit: 1 is perfect.

    As SuperGlue's protocol has it, which CVD uses: recall rises to k / N at the k-th smallest error, straight lines lie
    between, and from the last error below the limit on it stays. A pose that could not be estimated counts as an
    infinite error. NaN without any errors.
    """
    if not errors_deg:
        return [math.nan] * len(limits_deg)
    errors = torch.tensor(sorted(errors_deg), dtype=torch.float64)
    errors = torch.cat([errors.new_zeros(1), errors])
    recall = torch.arange(len(errors), dtype=torch.float64) / (len(errors) - 1)
    areas = []
    for limit in limits_deg:
        below = int(torch.searchsorted(errors[1:], torch.tensor(limit, dtype=torch.float64))) + 1
        x = torch.cat([errors[:below], errors.new_tensor([limit])])
        y = torch.cat([recall[:below], recall[below - 1 : below]])
        areas.append(float(torch.trapezoid(y, x)) / limit)
    return areas


def similarity_aligned(
    points: Float[Tensor, "N 3"], targets: Float[Tensor, "N 3"], *, with_scale: bool = True
) -> Float[Tensor, "N 3"]:
    """`points` after the similarity s R p + t that brings them nearest to `targets` (Umeyama 1991, equations 40 to 43).

    Points on a line leave a turn about it open, which changes no distance. Where all points coincide the scale is 1.
    """
    points, targets = points.double(), targets.double()
    centre, goal = points.mean(0), targets.mean(0)
    p, q = points - centre, targets - goal
    U, sizes, Vh = torch.linalg.svd(q.mT @ p)
    signs = torch.ones(3, dtype=torch.float64)
    signs[2] = torch.linalg.det(U) * torch.linalg.det(Vh)
    rotation = U @ torch.diag(signs) @ Vh
    spread = p.square().sum()
    scale = (sizes * signs).sum() / spread if with_scale and spread > STILL**2 else 1.0
    return scale * (p @ rotation.mT) + goal


Poses = Float[Tensor, "F 4 4"]


@dataclass(frozen=True, kw_only=True)
class TrajectoryConvention:
    """One way to say how far an estimated trajectory is from the requested one.

    `measure` takes both as c2w [F, 4, 4] of the same frames and returns rotation and translation error; NaN where the
    convention leaves it open, as the translation of a camera that stands still. Units of translations: `longest` is the
    trajectory's own longest distance from its start, `extent` the largest distance between two requested cameras.
    """

    rotation_unit: str
    translation_unit: str
    about: str
    measure: Callable[[Poses, Poses], tuple[float, float]]


def _both(estimated: Poses, requested: Poses) -> tuple[Poses, Poses]:
    """Both in the coordinates of their own first camera, float64."""
    one, other = estimated.double(), requested.double()
    return compose_rigid(invert_rigid(one[:1]), one), compose_rigid(invert_rigid(other[:1]), other)


def _radians(estimated: Poses, requested: Poses) -> Float[Tensor, "F"]:
    return torch.deg2rad(rotation_error_deg(estimated[:, :3, :3], requested[:, :3, :3]))


def _distances(estimated: Float[Tensor, "F 3"], requested: Float[Tensor, "F 3"]) -> Float[Tensor, "F"]:
    return (estimated - requested).norm(dim=-1)


def _cameractrl(estimated: Poses, requested: Poses) -> tuple[float, float]:
    one, other = _both(estimated, requested)
    gaps = one[1, :3, 3].norm(), other[1, :3, 3].norm()
    rotation = float(_radians(one, other).sum())
    if min(gaps) < STILL:
        return rotation, math.nan
    return rotation, float(_distances(one[:, :3, 3] * (gaps[1] / gaps[0]), other[:, :3, 3]).sum())


def _largest_normalised(one: Poses, other: Poses) -> Float[Tensor, "F"]:
    """Distances after each trajectory is divided by its longest distance from its start; NaN if one stands still."""
    lengths = one[:, :3, 3].norm(dim=-1).max(), other[:, :3, 3].norm(dim=-1).max()
    if min(lengths) < STILL:
        return torch.full((len(one),), math.nan, dtype=torch.float64)
    return _distances(one[:, :3, 3] / lengths[0], other[:, :3, 3] / lengths[1])


def _cami2v(estimated: Poses, requested: Poses) -> tuple[float, float]:
    one, other = _both(estimated, requested)
    return float(_radians(one, other).sum()), float(_largest_normalised(one, other).sum())


def _mean(estimated: Poses, requested: Poses) -> tuple[float, float]:
    one, other = _both(estimated, requested)
    degrees = torch.rad2deg(_radians(one, other))
    return float(degrees[1:].mean()), float(_largest_normalised(one, other)[1:].mean())


def _redirector(estimated: Poses, requested: Poses) -> tuple[float, float]:
    one, other = estimated.double(), requested.double()
    frames = torch.arange(len(one))
    i, j = (index[frames[:, None] != frames[None, :]] for index in torch.meshgrid(frames, frames, indexing="ij"))
    turns = [poses[i, :3, :3].mT @ poses[j, :3, :3] for poses in (one, other)]
    extent = float(torch.cdist(other[:, :3, 3], other[:, :3, 3]).max())
    rotation = float(rotation_error_deg(*turns).mean())
    if extent < STILL:
        return rotation, math.nan
    aligned = similarity_aligned(one[:, :3, 3], other[:, :3, 3])
    return rotation, float(_distances(aligned, other[:, :3, 3]).mean()) / extent


def _plenoptic(estimated: Poses, requested: Poses) -> tuple[float, float]:
    one, other = _both(estimated, requested)
    p, q = one[:, :3, 3], other[:, :3, 3]
    rotation = float(_radians(one, other).sum())
    if p.norm() < STILL or q.norm() < STILL:
        return rotation, math.nan
    scale = (p * q).sum() / p.square().sum()
    return rotation, float((scale * p - q).square().sum())


def _das(estimated: Poses, requested: Poses) -> tuple[float, float]:
    one, other = _both(estimated, requested)
    angles = direction_error_deg(one[1:, :3, 3], other[1:, :3, 3])
    return float(torch.rad2deg(_radians(one, other))[1:].mean()), float(angles.nanmean())


TRAJECTORY_CONVENTIONS: dict[str, TrajectoryConvention] = {
    "mean": TrajectoryConvention(
        rotation_unit="deg",
        translation_unit="longest",
        about="relative to frame 1; mean over the other frames; each trajectory divided by its longest distance",
        measure=_mean,
    ),
    "cameractrl": TrajectoryConvention(
        rotation_unit="rad, sum",
        translation_unit="m, sum",
        about="CameraCtrl: relative to frame 1; sums over frames; scaled by the gap between the first two frames",
        measure=_cameractrl,
    ),
    "cami2v": TrajectoryConvention(
        rotation_unit="rad, sum",
        translation_unit="longest, sum",
        about="CamI2V, relative: to frame 1; sums over frames; each trajectory divided by its longest distance",
        measure=_cami2v,
    ),
    "redirector": TrajectoryConvention(
        rotation_unit="deg",
        translation_unit="extent",
        about="ReDirector: turns between all ordered pairs of frames; positions after a similarity (Umeyama); means",
        measure=_redirector,
    ),
    "plenoptic": TrajectoryConvention(
        rotation_unit="rad, sum",
        translation_unit="m^2, sum",
        about="PlenopticDreamer, as printed: relative to frame 1; sums, of squares; scale by least squares",
        measure=_plenoptic,
    ),
    "das": TrajectoryConvention(
        rotation_unit="deg",
        translation_unit="deg",
        about="Diffusion as Shader: relative to frame 1; angles of rotations and between translations; means",
        measure=_das,
    ),
}
"""By name; `mean` is the default. Papers print these under the same two names."""

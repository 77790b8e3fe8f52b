"""Whether two views show the same moments: the shift in frames at which their motion fits together best.

Two cameras and a point in space span a plane, and both see the point on the line in which that plane cuts their
picture. So what moves in one view at a moment moves in the other view at that moment on the matching line. How much
moves on each line over time, a motion barcode, is alike in both views whatever their distance, and needs no points
that both see (Ben-Artzi, Werman and Peleg, Event Retrieval Using Motion Barcodes, 2015).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.epipolar import SAME_CENTRE_M
from syncam.cameras.rays import camera_rays
from syncam.evaluation.outcome import EstimateFailed, NotMeasurable

__all__ = ["BARCODES", "best_shift", "likeness_by_shift", "motion_barcode", "plane_angles"]

LEAST_CHANGE = 0.06
"""Pixels that change less from frame to frame, of 1, count as still: noise and coding."""
LEAST_MOVING = 0.0005
"""Share of the pixels, over the whole video, that have to move."""
LEAST_LIKENESS = 0.4
"""Of 60 pairs of views of rendered scenes the 58 above it were all right; a wrong shift reached 0.3."""
MOST_SHIFT = 8
BARCODES = f"motion barcodes along the planes of the requested cameras, shifts up to {MOST_SHIFT} frames"


def plane_angles(cameras: Cameras) -> Float[Tensor, "2 H W"]:
    """The angle in radians about the line through both camera centres of the plane that every pixel lies in.

    Of the first frame of a pair of cameras. Equal angles in both views belong to matching epipolar lines; zero is the
    middle of what the two look at. NotMeasurable for cameras with the same centre, which have no such planes.
    """
    c2w = cameras.c2w[:, 0].double()
    baseline = c2w[1, :3, 3] - c2w[0, :3, 3]
    if baseline.norm() < SAME_CENTRE_M:
        raise NotMeasurable("the cameras have one centre")
    axis = baseline / baseline.norm()
    forward = c2w[:, :3, 2].sum(0)
    forward = forward - (forward @ axis) * axis
    if forward.norm() < 1e-6:  # both look along the line between them
        forward = c2w[0, :3, 1] - (c2w[0, :3, 1] @ axis) * axis
    forward = forward / forward.norm()
    aside = torch.linalg.cross(axis, forward, dim=-1)
    _, rays = camera_rays(cameras.frames(0).to(torch.float64))
    rays = rays[:, 0]  # [2, H, W, 3]
    return torch.atan2(rays @ aside, rays @ forward)


def motion_barcode(
    video: Float[Tensor, "F C H W"], angles: Float[Tensor, "H W"], edges: Float[Tensor, "E"]
) -> Float[Tensor, "F-1 E-1"]:
    """How much moves from each frame to the next in every bundle of epipolar lines: ln(1 + number of moving pixels).

    `angles` are those of `plane_angles`, `edges` the limits of the bundles. The video is of a camera that stands still.
    """
    moving = video.diff(dim=0).abs().amax(1) > LEAST_CHANGE  # [F-1, H, W]
    if float(moving.double().mean()) < LEAST_MOVING:
        raise NotMeasurable("nothing moves")
    bundle = torch.bucketize(angles, edges) - 1
    inside = (bundle >= 0) & (bundle < len(edges) - 1)
    counts = torch.zeros(len(moving), len(edges) - 1, dtype=torch.float64)
    counts.index_add_(1, bundle[inside], moving[:, inside].double())
    return counts.log1p()


def likeness_by_shift(video: Float[Tensor, "2 F C H W"], cameras: Cameras, most: int = MOST_SHIFT) -> dict[int, float]:
    """How alike the motion of two views is, at most 1, if the second is taken to be late by so many frames.

    `cameras` are those of the two views, which have to stand still: what moves in the pictures is then the scene. Both
    ways, `most` shifts are tried, and at most half of the video. NotMeasurable where cameras move, have one centre or
    look at different places, and where nothing moves.
    """
    if not cameras.is_static:
        raise NotMeasurable("the cameras move")
    angles = plane_angles(cameras)
    low = max(float(view.min()) for view in angles)
    high = min(float(view.max()) for view in angles)
    if high - low < math.radians(1):
        raise NotMeasurable("the cameras share no epipolar lines")
    edges = torch.linspace(low, high, max(8, min(cameras.hw) // 3) + 1, dtype=torch.float64)
    first, second = (motion_barcode(one, view, edges) for one, view in zip(video, angles, strict=True))
    most = min(most, len(first) // 2)
    return {shift: _likeness(first, second, shift) for shift in range(-most, most + 1)}


def best_shift(likeness: dict[int, float]) -> int:
    """The shift in frames with the greatest likeness; EstimateFailed where that is below 0.4: nothing fits."""
    best = max(likeness, key=lambda shift: (likeness[shift], -abs(shift)))
    if not likeness[best] >= LEAST_LIKENESS:
        raise EstimateFailed("no shift fits")
    return best


def _likeness(first: Float[Tensor, "F B"], second: Float[Tensor, "F B"], shift: int) -> float:
    """The correlation of both barcodes after the second is brought forward by `shift`; 0 where one is constant.

    Each is taken without its mean over time and without its mean over the lines: neither what always moves at a place
    counts, nor that everything moves more at some moments, as in the pulse that video autoencoders leave.
    """
    length = len(first) - abs(shift)
    start = max(0, -shift), max(0, shift)
    a, b = (code[begin : begin + length] for code, begin in zip((first, second), start, strict=True))
    a, b = (code - code.mean(0) - code.mean(1, keepdim=True) + code.mean() for code in (a, b))
    scale = a.norm() * b.norm()
    return float((a * b).sum() / scale) if scale > 0 else 0.0

"""Whether two views show the same moments: the shift in frames at which their motion fits together best.

Two cameras and a point in space span a plane, and both see the point on the line in which that plane cuts their
picture. So what moves in one view at a moment moves in the other view at that moment on the matching line. How much
moves on each line over time, a motion barcode, is alike in both views whatever their distance, and needs no points
that both see (Ben-Artzi, Werman and Peleg, Event Retrieval Using Motion Barcodes, 2015).
"""

import math
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.epipolar import SAME_CENTRE_M
from syncam.cameras.rays import camera_rays
from syncam.evaluation.outcome import EstimateFailed, NotMeasurable

__all__ = ["BARCODES", "best_shift", "likeness_by_shift", "moving_pixels", "plane_angles"]

LEAST_CHANGE = 0.06
"""Pixels that change less from frame to frame, of 1, count as still: noise and coding."""
LEAST_MOVING = 0.0005
"""Share of the pixels, over the whole video, that have to move."""
LEAST_LIKENESS = 0.4
"""Of 110 pairs of views of rendered scenes the 99 above it were right but for two, which reached 0.78."""
MOST_SHIFT = 8
MOST_OFF_DEG = 5.0
"""By so much a camera may be turned away from the requested one, across the epipolar lines."""
STEPS = 4
"""Turns that are tried for each width of a bundle of epipolar lines."""
TURN_COST, SHIFT_COST = 0.04, 0.004
"""What a degree and a frame have to add to the likeness: motion up and down fits another turn at another moment."""
BARCODES = (
    "motion barcodes along the planes of the requested cameras, "
    f"shifts up to {MOST_SHIFT} frames, turns up to {MOST_OFF_DEG:g} degrees"
)


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


def moving_pixels(
    video: Float[Tensor, "F C H W"], angles: Float[Tensor, "H W"], edges: Float[Tensor, "E"]
) -> Float[Tensor, "F-1 E-1"]:
    """How many pixels change from each frame to the next between every two neighbouring epipolar lines.

    `angles` are those of `plane_angles`, `edges` the lines. The video is of a camera that stands still.
    """
    moving = video.diff(dim=0).abs().amax(1) > LEAST_CHANGE  # [F-1, H, W]
    if float(moving.double().mean()) < LEAST_MOVING:
        raise NotMeasurable("nothing moves")
    line = torch.bucketize(angles, edges) - 1
    inside = (line >= 0) & (line < len(edges) - 1)
    counts = torch.zeros(len(moving), len(edges) - 1, dtype=torch.float64)
    return counts.index_add_(1, line[inside], moving[:, inside].double())


def likeness_by_shift(video: Float[Tensor, "2 F C H W"], cameras: Cameras, most: int = MOST_SHIFT) -> dict[int, float]:
    """How alike the motion of two views is, at most 1, if the second is taken to be late by so many frames.

    `cameras` are those of the two views, which have to stand still: what moves in the pictures is then the scene. Both
    ways, `most` shifts are tried, and at most half of the video. A camera that is turned away from the requested one,
    across the epipolar lines, moves its lines: they are taken to be off by the angle, 5 degrees at most, at which some
    shift fits best. NotMeasurable where cameras move, have one centre or look at different places, and where nothing
    moves.
    """
    if not cameras.is_static:
        raise NotMeasurable("the cameras move")
    angles = plane_angles(cameras)
    low = max(float(view.min()) for view in angles)
    high = min(float(view.max()) for view in angles)
    if high - low < math.radians(1):
        raise NotMeasurable("the cameras share no epipolar lines")
    count = max(8, min(cameras.hw) // 3)
    width = (high - low) / count
    off = min(round(math.radians(MOST_OFF_DEG) / width * STEPS), count * STEPS // 2)
    edges = low + width / STEPS * torch.arange(-off, count * STEPS + off + 1, dtype=torch.float64)
    counts = [moving_pixels(one, view, edges) for one, view in zip(video, angles, strict=True)]
    seen = [torch.histogram(view.flatten(), edges).hist for view in angles]
    most = min(most, (video.shape[1] - 1) // 2)
    best, most_worth = {}, -math.inf
    for turn in sorted(range(-off, off + 1), key=abs):
        places = [slice(start, start + count * STEPS) for start in (off - turn // 2, off + turn - turn // 2)]
        both = torch.stack([_bundles(one[None, place])[0] > 0 for one, place in zip(seen, places, strict=True)]).all(0)
        if turn and int(both.sum()) < count // 2:
            continue
        codes = [_bundles(one[:, place]).log1p()[:, both] for one, place in zip(counts, places, strict=True)]
        found = {shift: _likeness(codes[0], codes[1], shift) for shift in range(-most, most + 1)}
        worth = max(_worth(found, shift) for shift in found) - TURN_COST * math.degrees(abs(turn) * width / STEPS)
        best, most_worth = (found, worth) if worth > most_worth else (best, most_worth)
    return best


def _bundles(lines: Float[Tensor, "F L"]) -> Float[Tensor, "F B"]:
    """The sums of neighbouring lines."""
    return lines.unflatten(1, (-1, STEPS)).sum(-1)


def best_shift(likeness: dict[int, float]) -> int:
    """The shift in frames that fits best; EstimateFailed where its likeness is below 0.4: nothing fits."""
    best = max(likeness, key=partial(_worth, likeness))
    if not likeness[best] >= LEAST_LIKENESS:
        raise EstimateFailed("no shift fits")
    return best


def _worth(likeness: dict[int, float], shift: int) -> float:
    """The likeness at a shift less what it costs: of fewer frames that are left, chance makes more."""
    return likeness[shift] - SHIFT_COST * abs(shift)


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

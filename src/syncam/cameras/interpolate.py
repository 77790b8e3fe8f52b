"""Cameras between cameras: poses between two poses, and a rig at other times."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.curve import curve_through
from syncam.cameras.rigid import compose_rigid, invert_rigid, rigid, rigid_exp, rigid_log, upcast
from syncam.cameras.rotations import rotation_exp, rotation_log
from syncam.errors import InputError

__all__ = ["MotionPath", "PosePath", "at_times", "interpolate_c2w", "resample"]

PosePath = Literal["slerp", "geodesic"]
MotionPath = Literal["slerp", "geodesic", "curve"]
"""A PosePath from frame to frame, or "curve": slerp, with positions on the smooth curve through all frames."""


def interpolate_c2w(
    first: Float[Tensor, "*batch 4 4"],
    second: Float[Tensor, "*batch 4 4"],
    share: Float[Tensor, "*#batch"],
    path: PosePath = "slerp",
) -> Float[Tensor, "*batch 4 4"]:
    """The pose at `share` of the way from `first` (0) to `second` (1), by the shortest turn at constant speed.

    "slerp" moves the position along a straight line and turns as the slerp of the two unit quaternions does;
    "geodesic" is one screw motion, the geodesic of SE(3), whose position runs on an arc about the screw's axis. The
    turn is the same. Exactly `first` at 0 and `second` at 1. Between poses half a turn apart, the camera turns to the
    right (see `rotation_log`), there as well as back; this is the one case in which the way back is another one.
    """
    begin, end, at = first.double(), second.double(), share.double()
    if path == "geodesic":
        screw = rigid_log(compose_rigid(invert_rigid(begin), end))
        between = compose_rigid(begin, rigid_exp(at[..., None] * screw))
    else:
        turn = rotation_log(begin[..., :3, :3].mT @ end[..., :3, :3])
        rotation = begin[..., :3, :3] @ rotation_exp(at[..., None] * turn)
        between = rigid(rotation, torch.lerp(begin[..., :3, 3], end[..., :3, 3], at[..., None]))
    still = (first == second).all(-1).all(-1)[..., None, None]
    return _exact_at_ends(upcast(first), upcast(second), share[..., None, None], between, still)


def resample(cameras: Cameras, num_frames: int, path: MotionPath = "slerp") -> Cameras:
    """The same motion over `num_frames` frames, evenly spaced from the first frame to the last.

    Of one frame in all, the first. A rig of one frame is held still.
    """
    if num_frames < 1:
        raise InputError(f"num_frames must be at least 1, got {num_frames}")
    step = torch.arange(num_frames, dtype=torch.float64, device=cameras.c2w.device)
    return at_times(cameras, step * (cameras.num_frames - 1) / max(num_frames - 1, 1), path)


def at_times(cameras: Cameras, times: Sequence[float] | Float[Tensor, " N"], path: MotionPath = "slerp") -> Cameras:
    """The cameras at N times, counted in frames of `cameras`: 0 is the first, 1.5 the middle of the second and third.

    Poses as in `interpolate_c2w`; with "curve", positions are on the smooth curve through all frames (`curve_through`).
    Focal lengths, apertures and focus distances change by a constant factor per frame (linearly in their logarithm: an
    even zoom), principal points linearly. Whole times give the frames themselves, and what stands still stays equal bit
    for bit. InputError for times outside 0..F-1: nothing is extrapolated.
    """
    when = torch.as_tensor(times, dtype=torch.float64, device=cameras.c2w.device)
    last = cameras.num_frames - 1
    if when.ndim != 1 or when.numel() == 0 or not bool(((when >= 0) & (when <= last)).all()):
        raise InputError(f"times must be a list of frame numbers in 0..{last}, got {when.tolist()}")
    before = when.floor().clamp(max=max(last - 1, 0)).long()
    share = when - before  # [N]
    first, second = (cameras.frames(chosen.tolist()) for chosen in (before, (before + 1).clamp(max=last)))
    begin, end = (x.K.diagonal(dim1=-2, dim2=-1) for x in (first, second))
    focal = torch.diag_embed(_by_factor(begin, end, share[:, None]))
    rest = torch.lerp(first.K.double(), second.K.double(), share[:, None, None])
    K = torch.where(torch.eye(3, dtype=torch.bool, device=when.device), focal, rest)
    turns = "slerp" if path == "curve" else path
    c2w = interpolate_c2w(first.c2w, second.c2w, share.expand(first.c2w.shape[:-2]), turns)
    if path == "curve":
        knots = torch.arange(cameras.num_frames, dtype=torch.float64, device=when.device)
        c2w = rigid(c2w[..., :3, :3].double(), curve_through(cameras.positions, knots, when))
    return replace(
        first,
        c2w=c2w.to(first.c2w.dtype),
        K=_exact_at_ends(first.K, second.K, share[:, None, None], K, first.K == second.K),
        **{
            name: _exact_at_ends(one, other, share, _by_factor(one, other, share), one == other)
            for name in ("aperture", "focus_distance")
            if (one := getattr(first, name)) is not None and (other := getattr(second, name)) is not None
        },
    )


def _by_factor(first: Tensor, second: Tensor, share: Tensor) -> Tensor:
    return first.double() * (second.double() / first.double()) ** share


def _exact_at_ends(first: Tensor, second: Tensor, share: Tensor, between: Tensor, still: Tensor) -> Tensor:
    """`between` in the dtype of the two, with their own numbers at the ends and where nothing moves."""
    between = torch.where((share == 0) | still, first, between.to(first))
    return torch.where(share == 1, second, between)

"""Smooth curves through points: where a camera is between keys that it does not pass in straight lines."""

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

__all__ = ["curve_through"]


def curve_through(
    points: Float[Tensor, "*batch N D"], knots: Float[Tensor, " N"], times: Float[Tensor, " T"]
) -> Float[Tensor, "*batch T D"]:
    """Where a curve that is at `points` at the times `knots` is at `times`: a Catmull-Rom spline with uneven knots.

    Between two points it is the cubic whose speed at each is that of the parabola through it and its two neighbours; at
    the ends of the curve the last parabola goes on. It repeats parabolas exactly, and two points alone are joined by a
    straight line. Where two points that follow one another are equal, it stands still, and the curves before and after
    end there. float64. InputError for knots that do not grow and for times outside them.
    """
    points, knots, times = points.double(), knots.double(), times.double()
    if len(knots) == 0 or not bool((knots.diff() > 0).all()):
        raise InputError(f"knots must grow, got {knots.tolist()}")
    if not bool(((times >= knots[0]) & (times <= knots[-1])).all()):
        raise InputError(f"times must lie in {float(knots[0]):g}..{float(knots[-1]):g}, got {times.tolist()}")
    if len(knots) == 1:
        return points.expand(*points.shape[:-2], len(times), -1).clone()
    step = knots.diff()[:, None]  # [S 1]
    way = points.diff(dim=-2)  # [*batch S D]
    speed = way / step
    stands = (way == 0).all(-1, keepdim=True)  # [*batch S 1]
    first, last = speed[..., :-1, :], speed[..., 1:, :]
    inner = (first * step[1:] + last * step[:-1]) / (step[1:] + step[:-1])  # [*batch S-1 D]
    edge = torch.ones_like(stands[..., :1, :])
    alone_before = torch.cat([edge, stands[..., :-1, :]], -2)  # nothing moves before this segment
    alone_after = torch.cat([stands[..., 1:, :], edge], -2)
    before = torch.cat([speed[..., :1, :], inner], -2)
    after = torch.cat([inner, speed[..., -1:, :]], -2)
    begin = torch.where(alone_before, torch.where(alone_after, speed, 2 * speed - after), before)
    end = torch.where(alone_after, torch.where(alone_before, speed, 2 * speed - before), after)
    at = (torch.searchsorted(knots, times, right=True) - 1).clamp(0, len(step) - 1)  # [T]
    s = ((times - knots[at]) / step[at, 0])[:, None]
    begin, end, way = (part[..., at, :] for part in (begin * step, end * step, way))
    cubic = s * (begin + s * ((3 * way - 2 * begin - end) + s * (begin + end - 2 * way)))
    start, goal = points[..., at, :], points[..., at + 1, :]
    curve = torch.where((s == 1) & ~stands[..., at, :], goal, start + cubic)
    return torch.where(stands[..., at, :], start, curve)

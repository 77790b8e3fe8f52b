"""Moves drawn from a seed: a hand's shake and a random path. Every camera draws its own."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.moves.timing import CONSTANT, Timing
from syncam.cameras.posed import posed, refuse_infinite
from syncam.cameras.rotations import rotation_about
from syncam.errors import InputError

__all__ = ["handheld", "wander"]

HARMONICS = 4
CORNER_CUTS = 5
MOST_POINTS = 10
EXACT: dict[str, Any] = {"dtype": torch.float64, "device": "cpu"}
"""Numbers are drawn there for cameras of every device: the same seed gives the same moves."""


def handheld(
    cameras: Cameras,
    amount_deg: float,
    *,
    seed: int,
    shift: float = 0.0,
    sways: float = 3.0,
    timing: Timing = CONSTANT,
) -> Cameras:
    """Cameras that shake as in a hand, at most `amount_deg` off their direction and `shift` metres off their place.

    Both bounds are reached at some frame. sways: about how often the hand goes back and forth during the clip; faster
    and weaker sways lie on top.
    """
    refuse_infinite("handheld", amount_deg=amount_deg, shift=shift, sways=sways)
    if amount_deg < 0 or shift < 0 or sways <= 0:
        raise InputError(
            "handheld: amount_deg and shift must not be negative and sways must be positive, "
            f"got amount_deg={amount_deg:g}, shift={shift:g}, sways={sways:g}"
        )
    drawn: dict[str, Any] = {"generator": torch.Generator().manual_seed(seed), **EXACT}
    shape = (*cameras.c2w.shape[:-3], 1, 2, 3, HARMONICS)  # [*batch, V, 1, turn and shift, axis, harmonic]
    order = torch.arange(1, HARMONICS + 1, **EXACT)
    jitter = 1 + 0.3 * (torch.rand(shape, **drawn) - 0.5)
    phase = 2 * math.pi * torch.rand(shape, **drawn)
    weight = torch.randn(shape, **drawn) / order
    time = timing.progress(cameras).cpu()[:, None, None, None]
    wave = (2 * math.pi * sways * order * jitter * time + phase).sin() - phase.sin()
    sway = (weight * wave).sum(-1)  # [*batch, V, F, 2, 3]
    largest = sway.norm(dim=-1, keepdim=True).amax(-3, keepdim=True)
    turn, way = (sway / largest.clamp(min=1e-12)).to(cameras.c2w.device).unbind(-2)
    angle = turn.norm(dim=-1)
    rotation = cameras.c2w[..., :3, :3].double()
    shaken = rotation_about(turn / angle.clamp(min=1e-12)[..., None], math.radians(amount_deg) * angle)
    return posed(
        cameras,
        rotation=rotation @ shaken,
        position=cameras.positions.double() + shift * (rotation @ way[..., None])[..., 0],
    )


def wander(cameras: Cameras, amount_m: float, *, seed: int, points: int = 2, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that travel `amount_m` along a smooth random path through space and keep their direction.

    The path is a line through `points` random points that turns by at most right angles, with its corners rounded off;
    progress is measured along it.
    """
    refuse_infinite("wander", amount_m=amount_m)
    if amount_m < 0 or not 1 <= points <= MOST_POINTS:
        raise InputError(
            f"wander: amount_m must not be negative and points must lie in 1..{MOST_POINTS}, "
            f"got amount_m={amount_m:g} and points={points}"
        )
    drawn: dict[str, Any] = {"generator": torch.Generator().manual_seed(seed), **EXACT}
    shape = (*cameras.c2w.shape[:-3], points, 3)
    steps = torch.nn.functional.normalize(torch.randn(shape, **drawn), dim=-1)
    steps = steps * (0.5 + torch.rand((*shape[:-1], 1), **drawn))
    for point in range(1, points):  # at most a right angle at every corner
        back = (steps[..., point, :] * steps[..., point - 1, :]).sum(-1, keepdim=True) < 0
        steps[..., point, :] = torch.where(back, -steps[..., point, :], steps[..., point, :])
    corners = torch.cat([torch.zeros_like(steps[..., :1, :]), steps.cumsum(-2)], -2)
    way = _along(_rounded(corners), timing.progress(cameras).cpu(), amount_m).to(cameras.c2w.device)
    way = (cameras.c2w[..., :3, :3].double() @ way[..., None])[..., 0]
    return posed(cameras, position=cameras.positions.double() + way)


def _rounded(corners: Float[Tensor, "*batch N 3"]) -> Float[Tensor, "*batch M 3"]:
    """The line through `corners` with every corner cut off several times; its ends stay."""
    for _ in range(CORNER_CUTS):
        one, other = corners[..., :-1, :], corners[..., 1:, :]
        cut = torch.stack([0.75 * one + 0.25 * other, 0.25 * one + 0.75 * other], -2).flatten(-3, -2)
        corners = torch.cat([corners[..., :1, :], cut, corners[..., -1:, :]], -2)
    return corners


def _along(
    line: Float[Tensor, "*batch M 3"], progress: Float[Tensor, " F"], length: float
) -> Float[Tensor, "*batch F 3"]:
    """Points at those shares of a line, scaled to that length."""
    pieces = line.diff(dim=-2).norm(dim=-1)
    reached = torch.cat([torch.zeros_like(pieces[..., :1]), pieces.cumsum(-1)], -1)  # [*batch, M]
    total = reached[..., -1:]
    at = (progress * total).contiguous()  # [*batch, F]
    index = torch.searchsorted(reached.contiguous(), at, right=True).clamp(1, line.shape[-2] - 1)
    low, high = reached.gather(-1, index - 1), reached.gather(-1, index)
    share = ((at - low) / (high - low))[..., None]
    first, last = (line.gather(-2, i[..., None].expand(*i.shape, 3)) for i in (index - 1, index))
    return (first + share * (last - first)) * (length / total[..., None])

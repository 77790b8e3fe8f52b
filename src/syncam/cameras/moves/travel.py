"""Moves of a camera on rails: its direction and lens stay, its place changes."""

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.moves.timing import CONSTANT, Timing
from syncam.cameras.posed import posed, refuse_infinite

__all__ = ["dolly", "pedestal", "truck"]

_RIGHT, _FORWARD = 0, 2


def dolly(cameras: Cameras, amount_m: float, *, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that travel along their optical axis, forwards where positive; ReCamMaster calls this zoom."""
    return _travel("dolly", cameras, cameras.c2w[..., :3, _FORWARD], amount_m, timing)


def truck(cameras: Cameras, amount_m: float, *, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that travel along their right axis, to the right where positive."""
    return _travel("truck", cameras, cameras.c2w[..., :3, _RIGHT], amount_m, timing)


def pedestal(cameras: Cameras, amount_m: float, *, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that travel vertically, upwards where positive, wherever they look."""
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64, device=cameras.c2w.device)
    return _travel("pedestal", cameras, up.expand_as(cameras.positions), amount_m, timing)


def _travel(
    what: str, cameras: Cameras, direction: Float[Tensor, "*batch V F 3"], amount_m: float, timing: Timing
) -> Cameras:
    refuse_infinite(what, amount_m=amount_m)
    way = amount_m * timing.progress(cameras)[:, None] * direction.double()
    return posed(cameras, position=cameras.positions.double() + way)

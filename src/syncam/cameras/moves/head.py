"""Moves of a camera on its tripod: its place stays, its direction or lens changes."""

import math

import torch
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.moves.timing import CONSTANT, Timing
from syncam.cameras.posed import posed, refuse_infinite
from syncam.cameras.rotations import rotation_about
from syncam.errors import InputError

__all__ = ["pan", "roll", "tilt", "zoom"]


def pan(cameras: Cameras, amount_deg: float, *, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that turn about the vertical, to the right where positive; a level horizon stays level."""
    turn = _turn("pan", (0.0, 0.0, -1.0), cameras, amount_deg, timing)
    return posed(cameras, rotation=turn @ cameras.c2w[..., :3, :3].double())


def tilt(cameras: Cameras, amount_deg: float, *, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that turn about their own right axis, upwards where positive."""
    turn = _turn("tilt", (1.0, 0.0, 0.0), cameras, amount_deg, timing)
    return posed(cameras, rotation=cameras.c2w[..., :3, :3].double() @ turn)


def roll(cameras: Cameras, amount_deg: float, *, timing: Timing = CONSTANT) -> Cameras:
    """Cameras that turn about their optical axis, clockwise where positive: the picture turns the other way."""
    turn = _turn("roll", (0.0, 0.0, 1.0), cameras, amount_deg, timing)
    return posed(cameras, rotation=cameras.c2w[..., :3, :3].double() @ turn)


def zoom(cameras: Cameras, factor: float, *, timing: Timing = CONSTANT) -> Cameras:
    """Cameras whose focal length is multiplied by `factor` in the end, by equal factors in equal times."""
    refuse_infinite("zoom", factor=factor)
    if factor <= 0:
        raise InputError(f"zoom: factor must be positive (2 doubles the focal length), got {factor:g}")
    K = cameras.K.clone()
    K[..., :2, :2] *= (factor ** timing.progress(cameras)).to(K)[:, None, None]
    return posed(cameras, K=K)


def _turn(what: str, axis: tuple[float, float, float], cameras: Cameras, amount_deg: float, timing: Timing) -> Tensor:
    refuse_infinite(what, amount_deg=amount_deg)
    direction = torch.tensor(axis, dtype=torch.float64, device=cameras.c2w.device)
    return rotation_about(direction, math.radians(amount_deg) * timing.progress(cameras))  # [F, 3, 3]

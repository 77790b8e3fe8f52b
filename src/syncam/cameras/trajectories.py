"""Builders of camera rigs around a target; angles in degrees where the name says so, lengths in metres.

Azimuth 0 looks from +x towards the target and grows counter-clockwise seen from above; elevation 0 is level.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import SENSOR_MM, intrinsics
from syncam.errors import InputError

__all__ = ["arc", "hemisphere", "look_at", "orbit"]

TARGET = (0.0, 0.0, 0.8)
"""The point that rigs look at: the middle of an animal that stands at the origin."""
LOWEST_EYE = 0.05
POSITIVE = ("radius", "focal", "sensor", "spacing", "baseline", "apart")


def look_at(
    eye: Float[Tensor, "*batch 3"], target: Float[Tensor, "... 3"], up: tuple[float, float, float] = (0.0, 0.0, 1.0)
) -> Float[Tensor, "*batch 4 4"]:
    """c2w of cameras at `eye` that look at `target` with `up` upwards in the picture.

    Raises InputError where eye and target coincide or the view direction is parallel to `up`.
    """
    eye, target = torch.broadcast_tensors(eye.double(), target.double())
    forward = target - eye
    length = forward.norm(dim=-1, keepdim=True)
    if (length < 1e-9).any():
        raise InputError("look_at: a camera stands on its target; move one of them")
    forward = forward / length
    right = torch.linalg.cross(
        forward, torch.tensor(up, dtype=torch.float64, device=eye.device).expand_as(forward), dim=-1
    )
    sideways = right.norm(dim=-1, keepdim=True)
    if (sideways < 1e-6).any():
        raise InputError("look_at: a camera looks straight up or down; keep its elevation below 90 degrees")
    right = right / sideways
    down = torch.linalg.cross(forward, right, dim=-1)
    top = torch.stack([right, down, forward, eye], dim=-1)  # [*batch, 3, 4]
    bottom = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64, device=eye.device).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)


def hemisphere(
    *,
    views: int,
    radius: float,
    elevation_deg: float = 15.0,
    span_deg: float = 90.0,
    azimuth_deg: float = 0.0,
    num_frames: int = 1,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 24.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """Still cameras at one distance and elevation, spread evenly over `span_deg` of azimuth about `azimuth_deg`.

    A span of 360 starts at `azimuth_deg` and closes the circle without doubling its first camera.
    """
    return arc(
        views=views,
        radius=radius,
        elevation_deg=elevation_deg,
        span_deg=span_deg,
        azimuth_deg=azimuth_deg,
        move_deg=0.0,
        num_frames=num_frames,
        hw=hw,
        focal_mm=focal_mm,
        sensor_mm=sensor_mm,
        target=target,
    )


def orbit(
    *,
    views: int,
    radius: float,
    elevation_deg: float = 15.0,
    move_deg: float = 360.0,
    azimuth_deg: float = 0.0,
    num_frames: int,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 24.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """Cameras spread over the full circle, the first at `azimuth_deg`, that all travel `move_deg` along it.

    A move of 360 ends where it started: the last frame has the poses of the first.
    """
    return arc(
        views=views,
        radius=radius,
        elevation_deg=elevation_deg,
        span_deg=360.0,
        azimuth_deg=azimuth_deg,
        move_deg=move_deg,
        num_frames=num_frames,
        hw=hw,
        focal_mm=focal_mm,
        sensor_mm=sensor_mm,
        target=target,
    )


def arc(
    *,
    views: int,
    radius: float,
    elevation_deg: float = 15.0,
    span_deg: float = 90.0,
    move_deg: float = 30.0,
    azimuth_deg: float = 0.0,
    num_frames: int,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 24.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """Cameras that start as `hemisphere` places them and travel `move_deg` of azimuth at constant speed."""
    check_numbers(
        views=views,
        num_frames=num_frames,
        radius=radius,
        elevation=elevation_deg,
        span=span_deg,
        move=move_deg,
        azimuth=azimuth_deg,
        focal=focal_mm,
        sensor=sensor_mm,
    )
    if not 0 <= span_deg <= 360:
        raise InputError(f"rig: span must lie in 0..360 degrees, got {span_deg:g}")
    check_height(radius, elevation_deg, target)
    step = torch.arange(views, dtype=torch.float64)
    share = step / views if span_deg == 360 else step / (views - 1) - 0.5 if views > 1 else torch.zeros_like(step)
    start = azimuth_deg + span_deg * share
    travel = move_deg * torch.arange(num_frames, dtype=torch.float64) / max(num_frames - 1, 1)
    c2w = around(start[:, None] + travel, radius, elevation_deg, target)
    K = intrinsics(focal_mm, hw, sensor_mm).expand(views, num_frames, 3, 3).contiguous()
    return Cameras(c2w, K, hw)


def around(
    azimuth_deg: Float[Tensor, "*batch"], radius: float, elevation_deg: float, target: tuple[float, float, float]
) -> Float[Tensor, "*batch 4 4"]:
    """c2w of cameras at those azimuths about the target, at one distance and elevation, that look at it."""
    azimuth, elevation = torch.deg2rad(azimuth_deg.double()), math.radians(elevation_deg)
    level = math.cos(elevation)
    height = torch.full_like(azimuth, math.sin(elevation))
    offset = torch.stack([azimuth.cos() * level, azimuth.sin() * level, height], -1)
    centre = torch.tensor(target, dtype=torch.float64)
    return look_at(centre + radius * offset, centre)


def check_numbers(*, views: int, num_frames: int, **numbers: float) -> None:
    """InputError for numbers, named as the keys of rigs, that no rig can have."""
    if views < 1 or num_frames < 1:
        raise InputError(f"a rig needs at least one view and one frame, got views={views} and {num_frames} frames")
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise InputError(f"rig: {name} must be a finite number, got {number}")
        if name in POSITIVE and number <= 0:
            raise InputError(f"rig: {name} must be positive, got {number:g}")
        if name == "elevation" and not -89 <= number <= 89:
            raise InputError(f"rig: elevation must lie in -89..89 degrees, got {number:g}")


def check_height(radius: float, elevation_deg: float, target: tuple[float, float, float]) -> None:
    """InputError where cameras at that distance and elevation would be under the ground."""
    if target[2] + radius * math.sin(math.radians(elevation_deg)) < LOWEST_EYE:
        raise InputError(
            f"rig: elevation {elevation_deg:g} at radius {radius:g} m puts the cameras under the ground; raise it"
        )

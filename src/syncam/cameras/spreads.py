"""The rigs of CVD (Collaborative Video Diffusion): cameras that start at one place and leave it in all directions."""

import math
from typing import Literal

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import SENSOR_MM
from syncam.cameras.layouts import still
from syncam.cameras.posed import posed, refuse_infinite
from syncam.cameras.rotations import rotation_about, rotation_log
from syncam.cameras.trajectories import TARGET, check_numbers
from syncam.errors import InputError

__all__ = ["SPREADS", "spread_out"]

SPREADS = ("circle", "upper_hemi", "interpolate")


def spread_out(
    *,
    pattern: Literal["circle", "upper_hemi", "interpolate"],
    views: int,
    spread: float = 0.5,
    radius: float = 4.0,
    elevation_deg: float = 0.0,
    azimuth_deg: float = 0.0,
    num_frames: int,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 24.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """Cameras that all start as `layouts.still` and travel straight apart, turning towards the target at even speed.

    pattern: where they end, as seen at the start. circle: evenly around a circle, the first one on the right, the next
    ones clockwise. upper_hemi: on its upper half, from left over the top to right. interpolate: on a bow from right and
    low to left and high, whose middle lies back.
    spread: the radius of that circle in distances to the target, below 1. radius=1 gives the lengths of CVD's code.
    """
    check_numbers(views=views, num_frames=num_frames)
    refuse_infinite("rig", spread=spread)
    if pattern not in SPREADS:
        raise InputError(f"rig: pattern must be one of {', '.join(SPREADS)}, got {pattern!r}")
    if not 0 <= spread < 1:
        raise InputError(f"rig: spread must lie in 0..1 and below 1, got {spread:g}")
    start = still(
        radius=radius,
        elevation_deg=elevation_deg,
        azimuth_deg=azimuth_deg,
        num_frames=num_frames,
        hw=hw,
        focal_mm=focal_mm,
        sensor_mm=sensor_mm,
        target=target,
    )
    step = torch.arange(views, dtype=torch.float64)
    if pattern == "circle":
        angle = 2 * math.pi * step / views
    else:
        angle = math.pi * step / max(views - 1, 1) + (math.pi if pattern == "upper_hemi" else 0.0)
    flat = pattern != "interpolate"
    down, forward = (angle.sin(), 0 * angle) if flat else (0.3 * (angle + 0.5).cos(), -0.2 * angle.sin())
    ends = spread * torch.stack([angle.cos(), down, forward], -1)  # [V, 3] in units of radius, first camera's axes
    ahead = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64) - ends
    ahead = ahead / ahead.norm(dim=-1, keepdim=True)
    right = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).expand_as(ahead)
    below = torch.nn.functional.normalize(torch.linalg.cross(ahead, right, dim=-1), dim=-1)
    right = torch.linalg.cross(below, ahead, dim=-1)
    turn = rotation_log(torch.stack([right, below, ahead], -1))  # [V, 3]
    share = torch.arange(num_frames, dtype=torch.float64) / max(num_frames - 1, 1)
    size = turn.norm(dim=-1)
    axis = turn / size.clamp(min=1e-12)[:, None]
    together = start.view([0] * views)
    rotation = together.c2w[..., :3, :3]
    return posed(
        together,
        rotation=rotation @ rotation_about(axis[:, None].expand(-1, num_frames, 3), size[:, None] * share),
        position=together.positions + (rotation @ (radius * share[:, None] * ends[:, None])[..., None])[..., 0],
    )

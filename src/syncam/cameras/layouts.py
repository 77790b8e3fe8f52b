"""Rigs of still cameras with a purpose: one camera, rows, a stereo pair, a film set, SynCamVideo's and SynCamMaster's.

Angles in degrees, lengths in metres; cameras stand about the target as those of `trajectories` do.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import SENSOR_MM, intrinsics
from syncam.cameras.trajectories import TARGET, around, check_height, check_numbers, hemisphere, look_at
from syncam.errors import InputError

__all__ = ["film", "hemi36", "linear", "published", "stereo", "still"]

SHOULDER_BACK, SHOULDER_SIDE, SHOULDER_UP = 1.0, 0.45, 0.25
"""Metres from a subject to the camera that looks over its shoulder."""
CLOSE_UP, CLOSE_UP_DEG = 1.2, 30.0
"""Metres from the subject in close-up, and degrees off the master camera's direction."""


def still(
    *,
    radius: float = 4.0,
    elevation_deg: float = 0.0,
    azimuth_deg: float = 0.0,
    num_frames: int = 1,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 24.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """One camera that looks at the target and stands still: what moves start from where no rig is named."""
    return hemisphere(
        views=1,
        radius=radius,
        elevation_deg=elevation_deg,
        azimuth_deg=azimuth_deg,
        num_frames=num_frames,
        hw=hw,
        focal_mm=focal_mm,
        sensor_mm=sensor_mm,
        target=target,
    )


def linear(
    *,
    views: int,
    spacing: float = 0.5,
    converge: float = 0.0,
    radius: float = 5.0,
    elevation_deg: float = 15.0,
    azimuth_deg: float = 0.0,
    num_frames: int = 1,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 24.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """Cameras in a level row, from left to right, whose middle looks at the target.

    spacing: between neighbours. converge: distance from the row's middle to the point, straight ahead, that all look
    at; 0 for parallel cameras.
    """
    check_numbers(
        views=views,
        num_frames=num_frames,
        spacing=spacing,
        converge=converge,
        radius=radius,
        elevation=elevation_deg,
        azimuth=azimuth_deg,
        focal=focal_mm,
        sensor=sensor_mm,
    )
    if converge < 0:
        raise InputError(f"rig: converge must not be negative (0: parallel), got {converge:g}")
    check_height(radius, elevation_deg, target)
    middle = around(torch.tensor(azimuth_deg), radius, elevation_deg, target)
    aside = spacing * (torch.arange(views, dtype=torch.float64) - (views - 1) / 2)
    eyes = middle[:3, 3] + aside[:, None] * middle[:3, 0]
    c2w = middle.repeat(views, 1, 1)
    c2w[:, :3, 3] = eyes
    if converge:
        c2w = look_at(eyes, middle[:3, 3] + converge * middle[:3, 2])
    return _still(c2w, num_frames, hw, focal_mm, sensor_mm)


def stereo(
    *,
    baseline: float = 0.065,
    converge: float = 0.0,
    radius: float = 4.0,
    elevation_deg: float = 0.0,
    azimuth_deg: float = 0.0,
    num_frames: int = 1,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 24.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """A left and a right camera, `baseline` apart: parallel, or aimed at the point `converge` metres ahead of them."""
    check_numbers(views=2, num_frames=num_frames, baseline=baseline)
    return linear(
        views=2,
        spacing=baseline,
        converge=converge,
        radius=radius,
        elevation_deg=elevation_deg,
        azimuth_deg=azimuth_deg,
        num_frames=num_frames,
        hw=hw,
        focal_mm=focal_mm,
        sensor_mm=sensor_mm,
        target=target,
    )


def film(
    *,
    subjects: int = 2,
    apart: float = 1.5,
    radius: float = 5.0,
    elevation_deg: float = 10.0,
    azimuth_deg: float = 0.0,
    num_frames: int = 1,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 24.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """The four cameras of a dialogue: master, over the left shoulder, over the right shoulder, close-up.

    Two subjects stand `apart` metres apart, side by side as the master sees them, with the target between them; the
    close-up is of the left one. One subject stands at the target: the shoulder cameras see it from 45 degrees left and
    right at half the master's distance. All cameras are on the master's side of the subjects, so that cuts keep left
    and right. radius, elevation_deg and azimuth_deg place the master.
    """
    check_numbers(
        views=4,
        num_frames=num_frames,
        apart=apart,
        radius=radius,
        elevation=elevation_deg,
        azimuth=azimuth_deg,
        focal=focal_mm,
        sensor=sensor_mm,
    )
    if subjects not in (1, 2):
        raise InputError(f"rig: subjects must be 1 or 2, got {subjects}")
    check_height(radius, elevation_deg, target)
    azimuth, centre = math.radians(azimuth_deg), torch.tensor(target, dtype=torch.float64)
    near = torch.tensor([math.cos(azimuth), math.sin(azimuth), 0.0], dtype=torch.float64)  # towards the master
    right = torch.tensor([-math.sin(azimuth), math.cos(azimuth), 0.0], dtype=torch.float64)
    up = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    left_one, right_one = centre - apart / 2 * right, centre + apart / 2 * right
    if subjects == 1:
        left_one = right_one = centre
        aside = math.sqrt(0.5) * 0.5 * radius
        over_left, over_right = centre + aside * (near - right), centre + aside * (near + right)
    else:
        over_left = left_one - SHOULDER_BACK * right + SHOULDER_SIDE * near + SHOULDER_UP * up
        over_right = right_one + SHOULDER_BACK * right + SHOULDER_SIDE * near + SHOULDER_UP * up
    angle = math.radians(CLOSE_UP_DEG)
    close_up = left_one + CLOSE_UP * (math.cos(angle) * near + math.sin(angle) * right)
    c2w = torch.stack(
        [
            around(torch.tensor(azimuth_deg), radius, elevation_deg, target),
            look_at(over_left, right_one),
            look_at(over_right, left_one),
            look_at(close_up, left_one),
        ]
    )
    return _still(c2w, num_frames, hw, focal_mm, sensor_mm)


def hemi36(
    *,
    radius: float = 4.0,
    elevation_deg: float = 15.0,
    azimuth_deg: float = 0.0,
    num_frames: int = 1,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 18.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """The 36 cameras of SynCamVideo's Hemi36 rigs: every 10 degrees, clockwise, the last one at `azimuth_deg`.

    The published files have radii of 4 to 7 m, elevations of 0, 15, 30 and 45 degrees, an 18 mm lens in the cameras'
    names, and the origin as target.
    """
    check_numbers(
        views=36,
        num_frames=num_frames,
        radius=radius,
        elevation=elevation_deg,
        azimuth=azimuth_deg,
        focal=focal_mm,
        sensor=sensor_mm,
    )
    if elevation_deg < 0:
        raise InputError(f"rig: elevation of hemi36 must lie in 0..89 degrees, got {elevation_deg:g}")
    azimuths = azimuth_deg - 10.0 * torch.arange(1, 37, dtype=torch.float64)
    return _still(around(azimuths, radius, elevation_deg, target), num_frames, hw, focal_mm, sensor_mm)


def published(
    *,
    pattern: Literal["az", "el", "dis"],
    views: int,
    radius: float,
    elevation_deg: float,
    azimuth_deg: float = 0.0,
    num_frames: int = 1,
    hw: tuple[int, int] = (128, 128),
    focal_mm: float = 18.0,
    sensor_mm: float = SENSOR_MM,
    target: tuple[float, float, float] = TARGET,
) -> Cameras:
    """The rigs that SynCamMaster's port on CogVideoX was shown with, of cameras of Hemi36.

    From the first camera, at `azimuth_deg`, `elevation_deg` and `radius`, the others go on in equal steps. az: 20
    degrees counter-clockwise, as every second camera of one Hemi36 ring in reverse; el: 15 degrees upwards; dis: a
    metre away from the target.
    """
    check_numbers(
        views=views,
        num_frames=num_frames,
        radius=radius,
        elevation=elevation_deg,
        azimuth=azimuth_deg,
        focal=focal_mm,
        sensor=sensor_mm,
    )
    check_height(radius, elevation_deg, target)
    azimuth, elevation, away = {"az": (20.0, 0.0, 0.0), "el": (0.0, 15.0, 0.0), "dis": (0.0, 0.0, 1.0)}[pattern]
    if elevation_deg + elevation * (views - 1) > 89:
        most = int((89 - elevation_deg) // elevation) + 1
        raise InputError(f"rig: el goes up by 15 degrees a view, over the top with {views} views; give {most} at most")
    steps = [
        around(
            torch.tensor([azimuth_deg + azimuth * view], dtype=torch.float64),
            radius + away * view,
            elevation_deg + elevation * view,
            target,
        )
        for view in range(views)
    ]
    return _still(torch.cat(steps), num_frames, hw, focal_mm, sensor_mm)


def _still(
    c2w: Float[Tensor, "V 4 4"], num_frames: int, hw: tuple[int, int], focal_mm: float, sensor_mm: float
) -> Cameras:
    K = intrinsics(focal_mm, hw, sensor_mm).expand(len(c2w), num_frames, 3, 3).contiguous()
    return Cameras(c2w[:, None].expand(-1, num_frames, 4, 4).contiguous(), K, hw)

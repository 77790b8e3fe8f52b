"""Seeded random scenes and rigs: the same seed always gives the same scene, whatever else is generated."""

from typing import Any

import numpy as np

from syncam.errors import InputError
from syncam.render.basic import basic_scene
from syncam.render.full import full_scene
from syncam.render.scene import Scene

CONTENTS = ("full", "basic")


def generate_scene(
    seed: int,
    *,
    content: str = "full",
    duration_s: float = 2.0,
    two_animals: float | None = None,
    props: float | None = None,
    camera_positions: np.ndarray | None = None,
) -> Scene:
    """A random scene.

    content: full, or basic, which the built-in model was trained on: fewer species, colours, places and actions.
    duration_s: length of the clip, whose middle finds the characters at the middle of their paths.
    two_animals, props: probabilities of more than one character, and of props; by default 0.5 and 0.85 in the full
    content, 0.2 and 0.6 in the basic one.
    camera_positions: [..., 3]; props keep out of these and of their lines of sight to the target.
    """
    if content not in CONTENTS:
        raise InputError(f"content is {content!r}; expected one of {', '.join(CONTENTS)}")
    make, usual = (full_scene, (0.5, 0.85)) if content == "full" else (basic_scene, (0.2, 0.6))
    return make(
        seed,
        duration_s=duration_s,
        two_animals=usual[0] if two_animals is None else two_animals,
        props=usual[1] if props is None else props,
        camera_positions=camera_positions,
    )


def sample_cameras(
    seed: int,
    num_views: int,
    num_frames: int,
    hw: tuple[int, int],
    *,
    radius_m: tuple[float, float] = (3.5, 9.0),
    elevation_deg: tuple[float, float] = (0.0, 45.0),
    independent: bool = True,
    moving: float = 0.0,
    focal_mm: float = 24.0,
    sensor_mm: float = 23.76,
    target: tuple[float, float, float] = (0.0, 0.0, 0.8),
) -> Any:
    """Synchronised cameras (`syncam.cameras.Cameras`) on a hemisphere about the target, looking at it.

    independent: every view draws its own radius and elevation; otherwise they share one of each.
    moving: probability that the cameras of this rig move (each turns about the target, approaches or slides).
    """
    import torch

    from syncam.cameras.cameras import Cameras

    if num_views < 1 or num_frames < 1:
        raise InputError(f"a rig needs at least one view and one frame, got {num_views} views and {num_frames} frames")
    c2w, K = sample_rig(
        seed,
        num_views,
        num_frames,
        hw,
        radius_m=radius_m,
        elevation_deg=elevation_deg,
        independent=independent,
        moving=moving,
        focal_mm=focal_mm,
        sensor_mm=sensor_mm,
        target=target,
    )
    return Cameras(c2w=torch.from_numpy(c2w), K=torch.from_numpy(K), hw=hw)


def sample_rig(
    seed: int,
    num_views: int,
    num_frames: int,
    hw: tuple[int, int],
    *,
    radius_m: tuple[float, float],
    elevation_deg: tuple[float, float],
    independent: bool,
    moving: float,
    focal_mm: float,
    sensor_mm: float,
    target: tuple[float, float, float],
) -> tuple[np.ndarray, np.ndarray]:
    """The same rig as arrays: c2w [V, F, 4, 4] and K [V, F, 3, 3]."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    centre = np.array(target)
    azimuth = rng.uniform(0, 360, num_views)
    radius = rng.uniform(*radius_m, num_views if independent else 1) * np.ones(num_views)
    elevation = rng.uniform(*elevation_deg, num_views if independent else 1) * np.ones(num_views)
    moves = rng.random() < moving
    progress = np.linspace(-0.5, 0.5, num_frames) if num_frames > 1 else np.zeros(1)
    c2w = np.zeros((num_views, num_frames, 4, 4))
    for view in range(num_views):
        kind = str(rng.choice(["arc", "dolly", "slide"]))
        amount = rng.uniform(0.4, 1.0) * rng.choice([-1.0, 1.0])
        travel = progress * amount if moves else np.zeros(num_frames)
        azimuths = azimuth[view] + (30.0 * travel if kind == "arc" else 0.0 * travel)
        radii = radius[view] * (1 + (0.3 * travel if kind == "dolly" else 0.0 * travel))
        radii = np.clip(radii, *radius_m)
        eye = centre + _on_sphere(azimuths, np.full(num_frames, elevation[view]), radii)
        if kind == "slide":
            across = _on_sphere(np.array([azimuth[view] + 90]), np.zeros(1), np.ones(1))
            eye = eye + 1.2 * travel[:, None] * across
        eye[:, 2] = np.maximum(eye[:, 2], 0.25)
        # a sliding camera keeps its direction; the others keep looking at the target
        looks_from = np.repeat(eye[num_frames // 2][None], num_frames, axis=0) if kind == "slide" else eye
        c2w[view, :, :3, :3] = _looking(looks_from, centre)
        c2w[view, :, :3, 3] = eye
        c2w[view, :, 3, 3] = 1.0
    height, width = hw
    focal = focal_mm / sensor_mm * width
    K = np.zeros((num_views, num_frames, 3, 3))
    K[..., 0, 0] = K[..., 1, 1] = focal
    K[..., 0, 2], K[..., 1, 2], K[..., 2, 2] = 0.5 * width, 0.5 * height, 1.0
    return c2w, K


def _on_sphere(azimuth_deg: np.ndarray, elevation_deg: np.ndarray, radius: np.ndarray) -> np.ndarray:
    azimuth, elevation = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)
    across = np.cos(elevation)
    unit = np.stack([np.cos(azimuth) * across, np.sin(azimuth) * across, np.sin(elevation)], axis=-1)
    return unit * radius[:, None]


def _looking(eye: np.ndarray, target: np.ndarray) -> np.ndarray:
    """[F, 3, 3] OpenCV camera axes (columns right, down, forward) at eye [F, 3], looking at the target."""
    forward = target - eye
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return np.stack([right, np.cross(forward, right), forward], axis=-1)

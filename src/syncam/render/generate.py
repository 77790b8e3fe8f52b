"""Seeded random scenes and rigs: the same seed always gives the same scene, whatever else is generated."""

from typing import Any

import numpy as np

from syncam.errors import InputError
from syncam.render.props import RADII
from syncam.render.scene import COLOURS, GAITS, GROUNDS, PROPS, SKIES, Animal, Prop, Scene, Sun
from syncam.render.species import SPECIES, species

_SPEED = {"walk": 0.5, "trot": 0.85, "turn": 0.45}
_TURN_DEG_PER_S = (34.0, 46.0)
_KEEP_OUT = 1.2
"""Metres that props stay away from cameras and from the lines between cameras and the target."""
_PROP_RING = (3.6, 14.0)


def generate_scene(
    seed: int,
    *,
    duration_s: float = 2.0,
    two_animals: float = 0.2,
    props: float = 0.6,
    camera_positions: np.ndarray | None = None,
) -> Scene:
    """A random scene.

    duration_s: length of the clip, whose middle finds the animals at the middle of their paths.
    two_animals, props: probabilities of a second animal and of props.
    camera_positions: [..., 3]; props keep out of these and of their lines of sight to the target.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    ground = str(rng.choice(list(GROUNDS)))
    sky = str(rng.choice(list(SKIES)))
    sun = Sun(float(rng.uniform(0, 360)), float(rng.uniform(*SKIES[sky].sun_elevation_deg)))
    animals = _animals(rng, two_animals)
    shift = (float(rng.uniform(0, 24)), float(rng.uniform(0, 24)))
    scattered = _props(rng, camera_positions) if rng.random() < props else ()
    return Scene(
        seed=seed,
        ground=ground,
        sky=sky,
        sun=sun,
        animals=animals,
        props=scattered,
        caption=caption(animals, ground, sky, scattered),
        middle_s=0.5 * duration_s,
        ground_shift=shift,
    )


def caption(animals: tuple[Animal, ...], ground: str, sky: str, props: tuple[Prop, ...]) -> str:
    """What is there, in words: "a red horse walks on green grass under a blue sky, with trees"."""
    names = " and ".join(f"a {animal.colour} {animal.species}" for animal in animals)
    verb = GAITS[animals[0].gait][0 if len(animals) == 1 else 1]
    text = f"{names} {verb} on {GROUNDS[ground].words} under {SKIES[sky].words}"
    return text + (f", with {PROPS[props[0].kind]}" if props else "")


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


def _animals(rng: np.random.Generator, two_animals: float) -> tuple[Animal, ...]:
    count = 2 if rng.random() < two_animals else 1
    names = [str(name) for name in rng.choice(list(SPECIES), count, replace=count == 1)]
    colours = [str(name) for name in rng.choice(list(COLOURS), count, replace=count == 1)]
    gait = str(rng.choice(list(GAITS) if count == 1 else ["walk", "trot"]))
    heading = float(rng.uniform(0, 360))
    phases = [float(phase) for phase in rng.uniform(0, 1, count)]
    speed = _SPEED[gait] * float(rng.uniform(0.9, 1.1))
    rate = float(rng.uniform(*_TURN_DEG_PER_S) * rng.choice([-1.0, 1.0])) if gait == "turn" else 0.0
    if count == 1:
        return (Animal(names[0], colours[0], gait, speed, heading, turn_deg_per_s=rate, phase=phases[0]),)
    # side by side: half of each animal's width and a gap between them
    scale = 0.85
    widths = [scale * species(name).size[1] for name in names]
    apart = 0.5 * sum(widths) + float(rng.uniform(0.25, 0.45))
    opposite = bool(rng.random() < 0.5)
    left = np.array([-np.sin(np.deg2rad(heading)), np.cos(np.deg2rad(heading))])
    animals = []
    for index, side in enumerate((0.5, -0.5)):
        turn = 180.0 if opposite and index == 1 else 0.0
        x, y = (side * apart * left).tolist()
        animals.append(
            Animal(names[index], colours[index], gait, speed, (heading + turn) % 360, x, y, 0.0, scale, phases[index])
        )
    return tuple(animals)


def _props(rng: np.random.Generator, camera_positions: np.ndarray | None) -> tuple[Prop, ...]:
    """A few props of one kind around the target, or none where the cameras leave no room."""
    kind = str(rng.choice(list(PROPS), p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.1]))
    wanted = int(rng.integers(5, 9))
    eyes = np.zeros((0, 2)) if camera_positions is None else np.asarray(camera_positions).reshape(-1, 3)[:, :2]
    placed: list[Prop] = []
    for _ in range(80):
        azimuth = rng.uniform(0, 2 * np.pi)
        distance = rng.uniform(*_PROP_RING)
        scale, yaw = float(rng.uniform(0.8, 1.25)), float(rng.uniform(0, 360))
        place = distance * np.array([np.cos(azimuth), np.sin(azimuth)])
        radius = RADII[kind] * scale
        clear = distance - radius > _PROP_RING[0] - 0.8
        clear = clear and all(np.hypot(p.x - place[0], p.y - place[1]) > radius + RADII[kind] * p.scale for p in placed)
        if clear and (len(eyes) == 0 or _distance_to_segments(place, eyes).min() > _KEEP_OUT + radius):
            placed.append(Prop(kind, float(place[0]), float(place[1]), yaw, scale))
        if len(placed) == wanted:
            break
    return tuple(placed) if len(placed) >= 3 else ()


def _distance_to_segments(point: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distances [N] of a point on the ground from the segments between the origin and each end [N, 2]."""
    along = np.clip((ends @ point) / np.maximum((ends**2).sum(-1), 1e-9), 0.0, 1.0)
    return np.hypot(*(point - along[:, None] * ends).T)

"""The basic content: one or two animals on plain ground. The built-in model was trained on it: it must not change."""

import numpy as np

from syncam.render.props import RADII
from syncam.render.scene import (
    BASIC_COLOURS,
    BASIC_GROUNDS,
    BASIC_PROPS,
    BASIC_SKIES,
    GAITS,
    GROUNDS,
    PROPS,
    SKIES,
    Animal,
    Prop,
    Scene,
    Sun,
)
from syncam.render.species import BASIC_SPECIES, species
from syncam.render.stage import KEEP_OUT, distance_to_segments

_GAITS = ("walk", "trot", "turn")
_SPEED = {"walk": 0.5, "trot": 0.85, "turn": 0.45}
_TURN_DEG_PER_S = (34.0, 46.0)
_PROP_RING = (3.6, 14.0)


def basic_scene(
    seed: int, *, duration_s: float, two_animals: float, props: float, camera_positions: np.ndarray | None
) -> Scene:
    """A random scene; the arguments are those of `generate_scene`."""
    rng = np.random.Generator(np.random.PCG64(seed))
    ground = str(rng.choice(list(BASIC_GROUNDS)))
    sky = str(rng.choice(list(BASIC_SKIES)))
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
        caption=basic_caption(animals, ground, sky, scattered),
        middle_s=0.5 * duration_s,
        ground_shift=shift,
    )


def basic_caption(animals: tuple[Animal, ...], ground: str, sky: str, props: tuple[Prop, ...]) -> str:
    """What is there, in words: "a red horse walks on green grass under a blue sky, with trees"."""
    names = " and ".join(f"a {animal.colour} {animal.species}" for animal in animals)
    verb = GAITS[animals[0].gait][0 if len(animals) == 1 else 1]
    text = f"{names} {verb} on {GROUNDS[ground].words} under {SKIES[sky].words}"
    return text + (f", with {PROPS[props[0].kind]}" if props else "")


def _animals(rng: np.random.Generator, two_animals: float) -> tuple[Animal, ...]:
    count = 2 if rng.random() < two_animals else 1
    names = [str(name) for name in rng.choice(list(BASIC_SPECIES), count, replace=count == 1)]
    colours = [str(name) for name in rng.choice(list(BASIC_COLOURS), count, replace=count == 1)]
    gait = str(rng.choice(list(_GAITS) if count == 1 else ["walk", "trot"]))
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
    kind = str(rng.choice(list(BASIC_PROPS), p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.1]))
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
        if clear and (len(eyes) == 0 or distance_to_segments(place, eyes).min() > KEEP_OUT + radius):
            placed.append(Prop(kind, float(place[0]), float(place[1]), yaw, scale))
        if len(placed) == wanted:
            break
    return tuple(placed) if len(placed) >= 3 else ()

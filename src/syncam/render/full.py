"""The full content: one to three characters of many kinds, in places, at times of day, in all weathers."""

from dataclasses import replace

import numpy as np

from syncam.render.actions import actions
from syncam.render.captions import caption
from syncam.render.coats import TONES
from syncam.render.environments import ENVIRONMENTS
from syncam.render.gait import seat_place
from syncam.render.interactions import arranged, reach
from syncam.render.scene import COLOURS, PATTERNS, SKIES, Animal, Prop, Scene, Sun
from syncam.render.species import SPECIES, species
from syncam.render.stage import scattered, scenery

SPEED = {"walk": 0.5, "trot": 0.85, "run": 1.15, "turn": 0.45}
"""Metres per second of the gaits that lead somewhere."""
_FAMILIES = {"quadruped": 0.48, "bird": 0.17, "person": 0.35}
_SCALES = {"quadruped": (1.0, 0.85, 0.72), "bird": (1.0, 0.95, 0.85), "person": (1.0, 0.95, 0.85)}
"""How large one, each of two and each of three characters are."""
_COATS = {
    "quadruped": ("spots", "stripes", "patches", "socks", "belly", "saddle"),
    "bird": ("spots", "stripes", "patches", "belly"),
    "person": (),
}
_UNFIT = {("penguin", pattern) for pattern in PATTERNS} | {("sheep", "socks")}
"""Coats that would hardly show."""


def full_scene(
    seed: int, *, duration_s: float, two_animals: float, props: float, camera_positions: np.ndarray | None
) -> Scene:
    """A random scene; the arguments are those of `generate_scene`."""
    place_rng, cast_rng, stage_rng = (np.random.Generator(np.random.PCG64([seed, 2, part])) for part in range(3))
    environment = str(place_rng.choice(list(ENVIRONMENTS)))
    place = ENVIRONMENTS[environment]
    ground, sky, weather = (str(place_rng.choice(names)) for names in (place.grounds, place.skies, place.weathers))
    sun = Sun(float(place_rng.uniform(0, 360)), float(place_rng.uniform(*SKIES[sky].sun_elevation_deg)))
    shift = (float(place_rng.uniform(0, 24)), 0.0 if ground == "road" else float(place_rng.uniform(0, 24)))
    animals, interaction = _cast(cast_rng, two_animals, duration_s)
    things = scenery(stage_rng, place, weather, camera_positions)
    seats = tuple(_seat(animal) for animal in animals if animal.gait == "sit")
    around = ()
    if stage_rng.random() < props:
        around = scattered(stage_rng, place, max(2.6, reach(animals, duration_s)), camera_positions)
    scene = Scene(
        seed=seed,
        ground=ground,
        sky=sky,
        sun=sun,
        animals=animals,
        props=(*seats, *around, *things),
        caption="",
        middle_s=0.5 * duration_s,
        ground_shift=shift,
        environment=environment,
        weather=weather,
        interaction=interaction,
    )
    return replace(scene, caption=caption(scene))


def _cast(rng: np.random.Generator, more: float, duration_s: float) -> tuple[tuple[Animal, ...], str]:
    """The characters, and what they do together."""
    count = 1 if rng.random() >= more else int(rng.choice([2, 2, 3]))
    names = _names(rng, count)
    colours = [str(colour) for colour in rng.choice(list(COLOURS), count, replace=False)]
    phases = [float(phase) for phase in rng.uniform(0, 1, count)]
    dressed = [_dressed(rng, name, colour, colours) for name, colour in zip(names, colours, strict=True)]
    if count == 1:
        gait = _gait(rng, names[0], still=None)
        scale = float(rng.uniform(0.94, 1.08))
        rate = float(rng.uniform(30, 44) * rng.choice([-1.0, 1.0])) if gait == "turn" else 0.0
        heading = float(rng.uniform(0, 360))
        one = Animal(
            names[0], colours[0], gait, _speed(rng, gait), heading, 0.0, 0.0, rate, scale, phases[0], *dressed[0]
        )
        return (one,), ""
    kinds = ["side", "follow", "circle", "apart", "apart", *(["meet", "meet", "past"] if count == 2 else [])]
    kind = str(rng.choice(kinds))
    families = {species(name).family for name in names}
    gaits = ["walk"] * count
    if kind == "apart":
        gaits = [_gait(rng, name, still=True) for name in names]
    elif kind == "circle":
        gaits = ["turn"] * count
    elif kind in ("side", "follow", "past") and len(families) == 1 and rng.random() < 0.4:
        gaits = [{"quadruped": "trot", "person": "run", "bird": "walk"}[families.pop()]] * count
    speed = _speed(rng, gaits[0])
    cast = tuple(
        Animal(
            names[k],
            colours[k],
            gaits[k],
            speed if gaits[k] in SPEED else 0.0,
            0.0,
            scale=_SCALES[species(names[k]).family][count - 1] * float(rng.uniform(0.95, 1.05)),
            phase=phases[k],
            pattern=dressed[k][0],
            second=dressed[k][1],
            tone=dressed[k][2],
        )
        for k in range(count)
    )
    return arranged(rng, kind, cast, duration_s), kind


def _names(rng: np.random.Generator, count: int) -> list[str]:
    """Different species; families first, so that people are not drowned by animals."""
    names: list[str] = []
    while len(names) < count:
        family = str(rng.choice(list(_FAMILIES), p=list(_FAMILIES.values())))
        name = str(rng.choice([name for name in SPECIES if species(name).family == family]))
        if name not in names:
            names.append(name)
    return names


def _dressed(rng: np.random.Generator, name: str, colour: str, taken: list[str]) -> tuple[str, str, int]:
    """Pattern, second colour and tone."""
    family = species(name).family
    tone = int(rng.integers(len(TONES))) if family == "person" and name != "robot" else 0
    pattern = "plain"
    fit = patterns(name)
    if fit and rng.random() < 0.6:
        pattern = str(rng.choice(fit))
    others = [other for other in COLOURS if _apart(other, colour) > 0.5]
    second = str(rng.choice(others))
    if pattern == "plain" and name not in ("man", "child"):
        second = ""
    return pattern, second, tone


def patterns(name: str) -> list[str]:
    """The coat patterns of a species besides plain."""
    return [pattern for pattern in _COATS[species(name).family] if (name, pattern) not in _UNFIT]


def _apart(first: str, second: str) -> float:
    return float(np.linalg.norm(np.subtract(COLOURS[first], COLOURS[second])))


def _gait(rng: np.random.Generator, name: str, *, still: bool | None) -> str:
    """Something that the species can do; still: on the spot."""
    known = [gait for gait in actions(species(name)) if still is None or (gait not in SPEED) == still]
    weights = np.array([1.0 if gait == "stand" else 2.0 for gait in known])
    return str(rng.choice(known, p=weights / weights.sum()))


def _speed(rng: np.random.Generator, gait: str) -> float:
    return SPEED[gait] * float(rng.uniform(0.9, 1.1)) if gait in SPEED else 0.0


def _seat(animal: Animal) -> Prop:
    """The stool that a character sits on."""
    x, y, height = seat_place(animal)
    return Prop("stool", x, y, animal.heading_deg, (height - 0.09 * animal.scale) / 0.45)

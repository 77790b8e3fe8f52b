"""Where several characters are and go, so that they never touch."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, singledispatch
from typing import Any, TypeVar

import numpy as np

from syncam.errors import InputError
from syncam.render.gait import root_path
from syncam.render.species import species

A = TypeVar("A")

INTERACTIONS = ("side", "past", "meet", "circle", "follow", "apart")
"""Side by side; past each other; towards each other until they stop; in a circle; one after the other; each alone."""

_MARGIN = 0.12
"""Metres around a character's rest pose that its limbs need as it moves."""
_STOPPING_DISTANCE = (0.30, 0.60)


@singledispatch
def bounding_discs(animal: Any) -> tuple[tuple[float, float], ...]:
    """Discs on the ground that hold a character: (metres ahead of its place, radius in metres) of each.

    Characters of other kinds than Animal register what theirs are, here and at `way_of`; then all below holds for them.
    """
    return _discs(animal.species, animal.scale, animal.gait)


@singledispatch
def way_of(animal: Any, times_s: np.ndarray, middle_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Where a character is, [F, 2] metres, and where it heads, [F] radians."""
    return root_path(animal, times_s, middle_s)


@lru_cache(maxsize=512)
def _discs(name: str, scale: float, gait: str) -> tuple[tuple[float, float], ...]:
    mesh = species(name).mesh
    low, high = mesh.position.min(axis=0), mesh.position.max(axis=0)
    wide = float(np.abs(mesh.position[:, 1]).max())
    back, front = float(low[0]), float(high[0])
    if species(name).family == "person":
        tall = float(high[2])
        wide = {"dance": 0.46 * tall, "wave": 0.40 * tall}.get(gait, wide)
        back, front = min(back, -0.2 * tall), max(front, 0.2 * tall)
        if gait == "run":
            back, front = -0.30 * tall, 0.30 * tall
        if gait == "sit":
            back, front = -0.45 * tall, 0.2 * tall
    elif gait == "eat":
        front += 0.2 * float(high[2])  # the head goes forward as it goes down
    return discs_along(back, front, wide, scale)


def discs_along(back: float, front: float, wide: float, scale: float = 1.0) -> tuple[tuple[float, float], ...]:
    """Discs that hold what reaches from back to front along its heading and is `wide` to either side of it; all is
    scaled, and then given a margin for limbs that move."""
    count = max(1, round((front - back) / (2 * wide)))
    step = (front - back) / count
    radius = float(np.hypot(wide, 0.5 * step)) if count > 1 else max(wide, 0.5 * step)
    return tuple((scale * (back + (k + 0.5) * step), scale * radius + _MARGIN) for k in range(count))


def disc_places(animal: Any, times_s: np.ndarray, middle_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Centres [F, discs, 2] of a character's bounding discs at each time, and their radii [discs], in metres."""
    place, heading = way_of(animal, times_s, middle_s)
    discs = np.array(bounding_discs(animal))
    ahead = np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    return place[:, None] + discs[None, :, :1] * ahead[:, None], discs[:, 1]


def clearance(animals: Sequence[Any], duration_s: float) -> float:
    """Least distance in metres between the discs of any two characters at any time; negative where they overlap."""
    times = np.linspace(-0.05, duration_s + 0.05, 2 + int(20 * duration_s))
    found = [disc_places(animal, times, 0.5 * duration_s) for animal in animals]
    least = np.inf
    for index, (a, ra) in enumerate(found):
        for b, rb in found[:index]:
            apart = np.linalg.norm(a[:, :, None] - b[:, None], axis=-1) - ra[:, None] - rb
            least = min(least, float(apart.min()))
    return least


def reach(animals: Sequence[Any], duration_s: float) -> float:
    """How far from the origin, metres, the characters ever are."""
    times = np.linspace(-0.05, duration_s + 0.05, 2 + int(20 * duration_s))
    found = [disc_places(animal, times, 0.5 * duration_s) for animal in animals]
    return max(float((np.linalg.norm(places, axis=-1) + radii).max()) for places, radii in found)


def arranged(rng: np.random.Generator, kind: str, animals: tuple[A, ...], duration_s: float) -> tuple[A, ...]:
    """The characters at places and headings that make them do `kind` together, as close as they can.

    InputError if they are so large that they touch even six metres farther apart than that.
    """
    heading, gap = float(rng.uniform(0, 360)), float(rng.uniform(0.1, 0.4))
    draw = rng.random(4 + len(animals))
    for wider in np.arange(0.0, 6.0, 0.1):
        made = _ARRANGEMENTS[kind](animals, heading, gap + float(wider), draw, duration_s)
        if clearance(made, duration_s) > 0.05:
            return made
    raise InputError(f"characters find no room to be {kind}; make them smaller")  # all species do


def _at(animal: Any, place: np.ndarray, heading_deg: float, **change) -> Any:
    return replace(animal, x=float(place[0]), y=float(place[1]), heading_deg=float(heading_deg % 360), **change)


def _axes(heading_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors ahead and to the left."""
    angle = np.deg2rad(heading_deg)
    return np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])


def _side(animals, heading, gap, draw, duration_s):
    _, left = _axes(heading)
    half = [max(radius for _, radius in bounding_discs(animal)) for animal in animals]
    offsets = np.cumsum([0.0] + [a + b + gap for a, b in zip(half[:-1], half[1:], strict=True)])
    offsets -= offsets.mean()
    return tuple(_at(animal, offset * left, heading) for animal, offset in zip(animals, offsets, strict=True))


def _past(animals, heading, gap, draw, duration_s):
    made = _side(animals, heading, gap, draw, duration_s)
    return (made[0], *(_at(one, np.array([one.x, one.y]), heading + 180) for one in made[1:]))


def _meet(animals, heading, gap, draw, duration_s):
    stop_s = float((draw[0] * 0.5 - 0.1) * duration_s)
    low, high = _STOPPING_DISTANCE
    made = []
    for index, animal in enumerate(animals):
        towards = heading + 360.0 / len(animals) * index
        ahead, _ = _axes(towards)
        front = max(offset + radius for offset, radius in bounding_discs(animal))
        stopped = replace(animal, x=0.0, y=0.0, heading_deg=towards % 360, stop_s=stop_s)
        travel = float(root_path(stopped, np.array([1e3]), 0.0)[0][0] @ ahead)
        final = -(front + gap - 0.1 + 0.5 * (low + (high - low) * draw[1])) * ahead
        made.append(_at(stopped, final - travel * ahead, towards))
    return tuple(made)


def _circle(animals, heading, gap, draw, duration_s):
    radius = 0.7 + gap
    sign = 1.0 if draw[0] < 0.5 else -1.0
    rate = 25.0 + 9.0 * draw[1]
    made = []
    for index, animal in enumerate(animals):
        angle = heading + 360.0 / len(animals) * index
        out, _ = _axes(angle)
        speed = radius * np.deg2rad(rate)
        made.append(_at(animal, radius * out, angle + 90 * sign, speed=float(speed), turn_deg_per_s=sign * rate))
    return tuple(made)


def _follow(animals, heading, gap, draw, duration_s):
    ahead, _ = _axes(heading)
    ends = [(min(o - r for o, r in bounding_discs(a)), max(o + r for o, r in bounding_discs(a))) for a in animals]
    behind = np.cumsum([0.0] + [gap - back + front for (back, _), (_, front) in zip(ends[:-1], ends[1:], strict=True)])
    places = behind.mean() - behind
    return tuple(_at(animal, place * ahead, heading) for animal, place in zip(animals, places, strict=True))


def _apart(animals, heading, gap, draw, duration_s):
    made = []
    for index, animal in enumerate(animals):
        angle = heading + 360.0 / len(animals) * index
        out, _ = _axes(angle)
        facing = angle + 180 + 150 * (draw[4 + index] - 0.5)
        made.append(_at(animal, (0.35 + gap) * out, facing))
    return tuple(made)


_ARRANGEMENTS = {
    "side": _side,
    "past": _past,
    "meet": _meet,
    "circle": _circle,
    "follow": _follow,
    "apart": _apart,
}

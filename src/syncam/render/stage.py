"""What stands around the characters of the full content: scenery, weather, and props clear of cameras and paths."""

import numpy as np

from syncam.render.environments import Environment
from syncam.render.prop_motion import BALL_METRES_PER_S
from syncam.render.props import RADII
from syncam.render.scene import Prop

KEEP_OUT = 1.2
"""Metres that props stay away from cameras and from the lines between cameras and the target."""
_FARTHEST = 14.0
_USUAL_CAMERAS = np.array([[9.5, 0.0, 7.3]])
"""Where cameras may be when nobody says."""
_ONE_ONLY = frozenset({"ball", "windmill", "barn", "fountain", "sign", "flag"})
_FACING = frozenset({"bookshelf", "bench", "chair", "windmill", "barn"})
"""Kinds that turn their front, more or less, to the middle."""
_HOUSE_METRES = 6.3


def scenery(rng: np.random.Generator, place: Environment, weather: str, cameras: np.ndarray | None) -> tuple[Prop, ...]:
    """What is always there: hills or walls around, houses, clouds, rain and snow; all cameras are inside of it."""
    eyes = (_USUAL_CAMERAS if cameras is None else np.asarray(cameras)).reshape(-1, 3)
    away, high = float(np.hypot(eyes[:, 0], eyes[:, 1]).max()), float(eyes[:, 2].max())
    found: list[Prop] = []
    yaw = float(rng.uniform(0, 360))
    houses = [kind for kind in place.far if kind.endswith("house")]
    if houses and place.grounds == ("road",):
        apart = max(8.5, away + 0.8)
        for side in (1, -1):
            for k in range(-3, 4):
                found.append(Prop(str(rng.choice(houses)), k * _HOUSE_METRES, side * apart, -90.0 * side, 1.0))
    elif houses:
        around = max(9.5, away + 1.0)
        count = int(np.ceil(2 * np.pi * (around + 1.0) / _HOUSE_METRES))
        for k in range(count):
            angle = yaw + 360.0 * k / count
            x, y = around * np.cos(np.deg2rad(angle)), around * np.sin(np.deg2rad(angle))
            found.append(Prop(str(rng.choice(houses)), float(x), float(y), (angle + 180.0) % 360, 1.0))
    for kind in place.far:
        if kind == "room":
            found.append(Prop(kind, 0.0, 0.0, 90.0 * int(yaw // 90), room_scale(cameras)))
        elif kind == "sea":
            found.append(Prop(kind, 0.0, 0.0, yaw, max(1.0, (away + 0.5) / 9.5)))
        elif kind not in houses:
            found.append(Prop(kind, 0.0, 0.0, yaw, max(1.0, 1.2 * max(away, high) / 18.0)))
    if not place.indoors and weather == "clear" and rng.random() < 0.6:
        for _ in range(int(rng.integers(2, 5))):
            angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(28, 60)
            x, y = float(distance * np.cos(angle)), float(distance * np.sin(angle))
            found.append(Prop("cloud", x, y, float(rng.uniform(0, 360)), float(rng.uniform(0.7, 1.2))))
    falling = {"rain": "rain", "snowfall": "snowflakes"}
    if weather in falling:
        found.append(Prop(falling[weather], 0.0, 0.0, 0.0, max(1.0, away / 7.0, high / 7.0)))
    return tuple(found)


def room_scale(cameras: np.ndarray | None) -> float:
    """Half the side of a room, metres, that all cameras are in."""
    eyes = (_USUAL_CAMERAS if cameras is None else np.asarray(cameras)).reshape(-1, 3)
    away, high = float(np.abs(eyes[:, :2]).max()), float(eyes[:, 2].max())
    return max(5.0, away + 0.9, (away + 0.3) / 0.98, (high + 0.4) / 0.62)  # windows come 0.02 of it out of the walls


def scattered(
    rng: np.random.Generator, place: Environment, reach_m: float, cameras: np.ndarray | None
) -> tuple[Prop, ...]:
    """Some of the place's props around the characters, who stay within reach_m of the target."""
    eyes = np.zeros((0, 2)) if cameras is None else np.asarray(cameras).reshape(-1, 3)[:, :2]
    names = list(dict.fromkeys(place.props))
    share = np.array([place.props.count(name) for name in names], dtype=float)
    count = min(len(names), int(rng.integers(2, 4)))
    kinds = [str(kind) for kind in rng.choice(names, count, replace=False, p=share / share.sum())]
    wanted = int(rng.integers(place.many[0], place.many[1] + 1))
    farthest = room_scale(cameras) - 1.4 if place.indoors else _FARTHEST
    placed: list[Prop] = []
    for attempt in range(24 * wanted):
        kind = kinds[attempt % count]
        scale = float(rng.uniform(0.85, 1.2))
        radius = RADII[kind] * scale
        angle, distance = rng.uniform(0, 2 * np.pi), reach_m + 0.25 + radius + rng.random() ** 1.5 * farthest
        yaw = float(np.rad2deg(angle) + 180 + rng.uniform(-25, 25)) if kind in _FACING else float(rng.uniform(0, 360))
        if kind == "car":
            yaw = float(rng.choice([0.0, 180.0]) + rng.uniform(-4, 4))
        prop = Prop(kind, float(distance * np.cos(angle)), float(distance * np.sin(angle)), yaw % 360, scale)
        if distance + radius > farthest or kind in _ONE_ONLY and any(p.kind == kind for p in placed):
            continue
        clear = all(np.hypot(p.x - prop.x, p.y - prop.y) > radius + RADII[p.kind] * p.scale for p in placed)
        spots = _spots(prop)
        clear = clear and min(np.hypot(*spot) for spot in spots) > reach_m + radius
        if kind == "ball":
            others = [p for p in placed if p.kind != "ball"]
            clear = clear and all(
                np.hypot(p.x - x, p.y - y) > radius + RADII[p.kind] * p.scale for p in others for x, y in spots
            )
        elif any(p.kind == "ball" for p in placed):
            rolling = [spot for p in placed if p.kind == "ball" for spot in _spots(p)]
            clear = clear and all(np.hypot(prop.x - x, prop.y - y) > radius + 0.5 for x, y in rolling)
        if clear and len(eyes):
            clear = min(distance_to_segments(spot, eyes).min() for spot in spots) > KEEP_OUT + radius
        if clear:
            placed.append(prop)
        if len(placed) == wanted:
            break
    return tuple(placed)


def _spots(prop: Prop) -> list[np.ndarray]:
    """Where a prop is in the course of a clip of some seconds."""
    place = np.array([prop.x, prop.y])
    if prop.kind != "ball":
        return [place]
    ahead = np.array([np.cos(np.deg2rad(prop.yaw_deg)), np.sin(np.deg2rad(prop.yaw_deg))])
    return [place + BALL_METRES_PER_S * seconds * ahead for seconds in np.linspace(-2.5, 2.5, 11)]


def distance_to_segments(point: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Distances [N] of a point on the ground from the segments between the origin and each end [N, 2]."""
    along = np.clip((ends @ point) / np.maximum((ends**2).sum(-1), 1e-9), 0.0, 1.0)
    return np.hypot(*(point - along[:, None] * ends).T)

"""Scenery of a user's own around the characters: clear of cameras, of what they look at, and of each other."""

from collections.abc import Sequence

import numpy as np

from syncam.render.assets import Placed, Scenery
from syncam.render.environments import ENVIRONMENTS
from syncam.render.measures import Measure
from syncam.render.scene import Scene
from syncam.render.stage import KEEP_OUT, distance_to_segments, room_scale

__all__ = ["free_metres", "standing"]

_SPREAD_METRES = 10.0
_MOST_OF_ONE = 4
_HOUSE_METRES = 3.5
"""Half the depth of a house, and more."""


def standing(
    rng: np.random.Generator,
    known: Sequence[tuple[Scenery, Measure]],
    scene: Scene,
    reach_m: float,
    eyes: np.ndarray,
) -> tuple[Placed, ...]:
    """Some pieces of scenery about the characters, who stay within reach_m of the middle; eyes [V, F, 3] are cameras.

    A piece without a word for several of it stands there at most once; what does not fit is left out.
    """
    ends = eyes.reshape(-1, 3)[:, :2]
    most = [_MOST_OF_ONE if asset.plural else 1 for asset, _ in known]
    wanted = int(rng.integers(1, min(sum(most), 5) + 1))
    farthest = _farthest(scene, eyes)
    found: list[tuple[Placed, np.ndarray, float]] = []
    for _ in range(40 * wanted):
        index = int(rng.integers(len(known)))
        asset, measure = known[index]
        angle, yaw, share = rng.uniform(0, 2 * np.pi), float(rng.uniform(0, 360)), rng.random()
        distance = reach_m + 0.25 + measure.radius + share**1.5 * _SPREAD_METRES
        spot = distance * np.array([np.cos(angle), np.sin(angle)])
        if sum(one.asset is asset for one, _, _ in found) == most[index] or distance + measure.radius > farthest:
            continue
        if any(np.linalg.norm(spot - other) <= measure.radius + radius for _, other, radius in found):
            continue
        if distance_to_segments(spot, ends).min() <= KEEP_OUT + measure.radius:
            continue
        found.append((_at(asset, measure, spot, yaw), spot, measure.radius))
        if len(found) == wanted:
            break
    return tuple(one for one, _, _ in found)


def free_metres(measure: Measure, eyes: np.ndarray | None = None) -> float:
    """How far from the middle of a stage one can be in some direction or, with cameras at eyes [V, F, 3], in every
    direction at the height of characters; 0 if one of them does not see the middle."""
    metres = np.array(measure.sight["metres"])
    if eyes is None:
        return float(metres.max())
    low = metres[np.array(measure.sight["elevations_deg"]) < 15.0]
    return float(low.min()) if measure.clear_of(eyes.reshape(-1, 3)).all() else 0.0


def _farthest(scene: Scene, eyes: np.ndarray) -> float:
    """Metres from the middle up to which there is room: walls and houses stand beyond."""
    if scene.environment and ENVIRONMENTS[scene.environment].indoors and any(p.kind == "room" for p in scene.props):
        return room_scale(eyes) - 0.3
    houses = [float(np.hypot(prop.x, prop.y)) for prop in scene.props if prop.kind.endswith("house")]
    return min(houses) - _HOUSE_METRES if houses else np.inf


def _at(asset: Scenery, measure: Measure, spot: np.ndarray, yaw_deg: float) -> Placed:
    """The middle of its base at the spot."""
    middle = 0.5 * np.add(measure.low, measure.high)[:2]
    cos, sin = np.cos(np.deg2rad(yaw_deg)), np.sin(np.deg2rad(yaw_deg))
    x, y = spot - np.array([cos * middle[0] - sin * middle[1], sin * middle[0] + cos * middle[1]])
    return Placed(asset=asset, x=float(x), y=float(y), z=asset.above - measure.low[2], heading_deg=yaw_deg)

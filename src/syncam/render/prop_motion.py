"""How the props that move do so, as functions of time."""

from collections.abc import Callable

import numpy as np

from syncam.render.landscape import FALL_METRES
from syncam.render.scene import Prop

BALL_RADIUS = 0.34
BALL_METRES_PER_S = 0.55


def prop_bones(prop: Prop, times_s: np.ndarray, middle_s: float) -> np.ndarray:
    """[F, 2, 4, 4]: rest pose -> world of a moving prop's fixed part (bone 0) and of its moving one (bone 1).

    At mid-clip a ball or a cloud is where the prop says.
    """
    seconds = np.asarray(times_s, dtype=np.float64) - middle_s
    place = placed(prop)
    moved = place @ MOVING[prop.kind](seconds, prop.scale)
    return np.stack([np.broadcast_to(place, moved.shape), moved], axis=1)


def placed(prop: Prop) -> np.ndarray:
    """[4, 4]: rest pose -> world of a prop that stands still."""
    yaw = np.deg2rad(prop.yaw_deg)
    place = np.eye(4)
    place[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    place[:3, :3] *= prop.scale
    place[:2, 3] = prop.x, prop.y
    return place


def _turn(axis: str, angle: np.ndarray, pivot: tuple[float, float, float]) -> np.ndarray:
    """[F, 4, 4] turns about an axis through a point."""
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.tile(np.eye(4), (len(angle), 1, 1))
    matrix[:, i, i] = matrix[:, j, j] = np.cos(angle)
    matrix[:, j, i], matrix[:, i, j] = np.sin(angle), -np.sin(angle)
    centre = np.array(pivot)
    matrix[:, :3, 3] = centre - matrix[:, :3, :3] @ centre
    return matrix


def _shift(x: np.ndarray | float, z: np.ndarray | float, count: int) -> np.ndarray:
    matrix = np.tile(np.eye(4), (count, 1, 1))
    matrix[:, 0, 3], matrix[:, 2, 3] = x, z
    return matrix


def _ball(seconds: np.ndarray, scale: float) -> np.ndarray:
    """Rolls along its +x without sliding."""
    travel = BALL_METRES_PER_S * seconds / scale
    return _shift(travel, 0.0, len(seconds)) @ _turn("y", travel / BALL_RADIUS, (0.0, 0.0, BALL_RADIUS))


def _windmill(seconds: np.ndarray, scale: float) -> np.ndarray:
    return _turn("x", np.deg2rad(55.0) * seconds, (0.0, 0.0, 4.3))


def _sign(seconds: np.ndarray, scale: float) -> np.ndarray:
    return _turn("x", np.deg2rad(22.0) * np.sin(2 * np.pi * 0.6 * seconds), (0.0, 0.0, 2.25))


def _flag(seconds: np.ndarray, scale: float) -> np.ndarray:
    return _turn("z", np.deg2rad(24.0) * np.sin(2 * np.pi * 0.75 * seconds), (0.0, 0.0, 0.0))


def _cloud(seconds: np.ndarray, scale: float) -> np.ndarray:
    return _shift(0.8 * seconds / scale, 0.0, len(seconds))


def _falling(metres_per_s: float, drift: float) -> Callable[[np.ndarray, float], np.ndarray]:
    """Falls and starts again at the top: the mesh repeats every FALL_METRES."""

    def motion(seconds: np.ndarray, scale: float) -> np.ndarray:
        sway = drift * np.sin(2 * np.pi * 0.2 * seconds)
        return _shift(sway, -((metres_per_s * seconds) % FALL_METRES), len(seconds))

    return motion


MOVING: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "ball": _ball,
    "windmill": _windmill,
    "sign": _sign,
    "flag": _flag,
    "cloud": _cloud,
    "rain": _falling(7.0, 0.0),
    "snowflakes": _falling(0.9, 0.5),
}
"""Kind -> motion of bone 1 at seconds from mid-clip, [F, 4, 4] in the prop's own axes and units."""

"""How characters move: planted feet, swinging legs, nodding heads -> bone matrices at any time."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from syncam.errors import InputError
from syncam.render.actions import BIPED_OFFSETS, Action, Swing, actions
from syncam.render.path import on_path
from syncam.render.scene import Animal
from syncam.render.skeleton import BODY, NUM_BONES, Leg, Species, leg_bone
from syncam.render.species import species

_STOPPING_S = 0.7
"""Seconds that a character takes to come to a stop."""
_IDLE_CYCLES_PER_S, _IDLE_SHARE = 0.45, 0.4
"""How often, and how far relative to walking, heads and tails of those who stand swing."""
_MAX_REACH = 0.995


def stride_period(animal: Animal) -> float:
    """Seconds per stride: longer legs swing more slowly."""
    leg = _legs(species(animal.species))[0]
    length = animal.scale * _leg_lengths(leg).sum()
    return _action(animal).stride.period_s * float(np.sqrt(length))


def bone_matrices(animal: Animal, times_s: np.ndarray, middle_s: float) -> np.ndarray:
    """[F, bones, 4, 4]: rest pose -> world at each time.

    Feet are planted: during its stance a foot's matrix does not change at all.
    """
    kind = species(animal.species)
    seconds = np.asarray(times_s, dtype=np.float64) - middle_s
    bones, _ = _pose(kind, animal, seconds, _body_drop(animal))
    bones[..., :3, :] *= animal.scale  # everything above happens at the size of the rest pose
    return bones


def foot_positions(animal: Animal, times_s: np.ndarray, middle_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Ankles in the world, [F, legs, 3] metres, and whether each foot is planted, [F, legs]."""
    kind = species(animal.species)
    bones = bone_matrices(animal, times_s, middle_s)
    legs = _legs(kind)
    ankles = [bones[:, leg_bone(i, 2)] @ np.array([*leg.ankle, 1.0]) for i, leg in legs.items()]
    seconds = np.asarray(times_s, dtype=np.float64) - middle_s
    own, rate = own_time(animal, seconds)
    duty = _action(animal).stride.duty
    planted = [(_cycle(animal, i, own)[1] < duty) | (rate == 0) for i in legs]
    return np.stack(ankles, axis=1)[..., :3], np.stack(planted, axis=1)


def own_time(animal: Animal, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the character is in its own motion, and how fast that goes, 1 or less, at seconds from mid-clip.

    Who stands is always at 0; who stops slows down evenly and has stopped at stop_s.
    """
    if _action(animal).still:
        return np.zeros_like(seconds), np.zeros_like(seconds)
    if animal.stop_s is None:
        return seconds, np.ones_like(seconds)
    slowing = animal.stop_s - _STOPPING_S
    late = np.clip(seconds - slowing, 0.0, _STOPPING_S)
    return np.minimum(seconds, slowing) + late - late**2 / (2 * _STOPPING_S), 1 - late / _STOPPING_S


def root_path(animal: Animal, times_s: np.ndarray, middle_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the character is, [F, 2] metres, and where it heads, [F] radians."""
    own, _ = own_time(animal, np.asarray(times_s, dtype=np.float64) - middle_s)
    place, heading = _path(animal, own)
    return animal.scale * place, np.broadcast_to(heading, own.shape)


def _action(animal: Animal) -> Action:
    known = actions(species(animal.species))
    if animal.gait not in known:
        raise InputError(f"a {animal.species} cannot {animal.gait}; it can {', '.join(known)}")
    return known[animal.gait]


def _legs(kind: Species) -> dict[int, Leg]:
    """Every leg by its number (0 front left, 1 front right, 2 hind left, 3 hind right)."""
    legs: dict[int, Leg] = {}
    for leg in kind.legs:
        first = 0 if leg.front else 2
        legs[first] = leg
        legs[first + 1] = Leg(_mirror(leg.hip), _mirror(leg.knee), _mirror(leg.ankle), leg.front)
    return legs


def _mirror(point):
    return (point[0], -point[1], point[2])


def _leg_lengths(leg: Leg) -> np.ndarray:
    hip, knee, ankle = (np.array(p) for p in (leg.hip, leg.knee, leg.ankle))
    return np.array([np.linalg.norm(knee - hip), np.linalg.norm(ankle - knee)])


def _cycle(animal: Animal, leg: int, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the stride a leg is in, and how far through it it is, in [0, 1)."""
    biped = len(species(animal.species).legs) == 1
    offset = (BIPED_OFFSETS if biped else _action(animal).stride.offsets)[leg]
    cycles = seconds / stride_period(animal) + animal.phase + offset
    return np.floor(cycles), cycles - np.floor(cycles)


def _path(animal: Animal, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position [..., 2] in units of the rest pose and heading [...] of the animal's root."""
    x, y, speed = animal.x / animal.scale, animal.y / animal.scale, animal.speed / animal.scale
    return on_path(x, y, animal.heading_deg, speed, animal.turn_deg_per_s, seconds)


def _footprint(animal: Animal, leg: int, home: np.ndarray, stride: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a foot stands during a stride, [..., 2], and its heading: below its hip at mid-stance."""
    biped = len(species(animal.species).legs) == 1
    how = _action(animal).stride
    offset = (BIPED_OFFSETS if biped else how.offsets)[leg]
    middle = (stride + 0.5 * how.duty - offset - animal.phase) * stride_period(animal)
    root, heading = _path(animal, middle)
    cos, sin = np.cos(heading), np.sin(heading)
    return root + np.stack([cos * home[0] - sin * home[1], sin * home[0] + cos * home[1]], axis=-1), heading


@lru_cache(maxsize=256)
def _body_drop(animal: Animal) -> float:
    """How far the body must sink, metres at rest-pose size, so that no leg is ever overstretched."""
    kind = species(animal.species)
    seconds = np.linspace(0, stride_period(animal), 65)
    walking = replace(animal, stop_s=None)
    _, reach = _pose(kind, walking, seconds, 0.0)
    drop = 0.0
    for index, leg in _legs(kind).items():
        across, height = reach[index]
        allowed = np.sqrt(np.maximum((_MAX_REACH * _leg_lengths(leg).sum()) ** 2 - across**2, 0.0))
        drop = max(drop, float((height - allowed).max()))
    return drop


def _pose(kind: Species, animal: Animal, seconds: np.ndarray, drop: float):
    """Bone matrices at rest-pose size, and per leg the horizontal and vertical distance from hip to ankle."""
    action = _action(animal)
    own, rate = own_time(animal, seconds)
    root_xy, heading = _path(animal, own)
    stride = own / stride_period(animal) + animal.phase
    count = len(seconds)
    bob = action.stride.bob * np.cos(4 * np.pi * stride)
    beat, share = stride, 1.0  # of heads and tails
    if action.still or animal.stop_s is not None:
        beat, share = stride + _IDLE_CYCLES_PER_S * (seconds - own), _IDLE_SHARE + (1 - _IDLE_SHARE) * rate
    root = np.zeros((count, 4, 4))
    root[:, 3, 3] = root[:, 2, 2] = 1.0
    root[:, 0, 0] = root[:, 1, 1] = np.cos(heading)
    root[:, 1, 0], root[:, 0, 1] = np.sin(heading), -np.sin(heading)
    root[:, :2, 3] = root_xy
    body = root.copy()
    body[:, 2, 3] = bob - drop
    if action.sits:
        back, down = _seat(kind)
        body[:, :3, 3] -= body[:, :3, :3] @ np.array([back, 0.0, down])
    body = body @ _about(np.array([0.0, 0.0, 0.8]), "x", np.deg2rad(1.2) * np.sin(2 * np.pi * stride))
    bones = np.tile(np.eye(4), (count, NUM_BONES, 1, 1))
    bones[:] = body[:, None]
    bones[:, BODY] = body
    for joint in kind.joints:
        angle = np.deg2rad(joint.swing_deg) * np.sin(2 * np.pi * (joint.cycles * beat - joint.phase)) * share
        bones[:, joint.bone] = bones[:, joint.parent] @ _about(np.array(joint.pivot), joint.axis, angle)
        for swing in action.swings:
            if swing.bone == joint.bone:
                angle = _swing_angle(swing, stride, seconds)
                bones[:, joint.bone] = bones[:, joint.bone] @ _about(np.array(joint.pivot), swing.axis, angle)
    left = np.stack([-np.sin(heading), np.cos(heading), np.zeros(count)], axis=-1)
    reach = {}
    for index, leg in _legs(kind).items():
        upper, lower, foot, reach[index] = _leg_pose(kind, animal, index, leg, own, rate, body, left)
        for segment, matrix in enumerate((upper, lower, foot)):
            bones[:, leg_bone(index, segment)] = matrix
    return bones, reach


def _swing_angle(swing: Swing, stride: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    turns = swing.cycles * (seconds if swing.by_time else stride) - swing.phase
    return np.deg2rad(swing.rest_deg + swing.swing_deg * np.sin(2 * np.pi * turns))


def _seat(kind: Species) -> tuple[float, float]:
    """How far back and down, metres of the rest pose, the body goes to sit with its thighs level."""
    leg = kind.legs[0]
    thigh, shank = _leg_lengths(leg)
    return 0.95 * float(thigh), leg.hip[2] - leg.ankle[2] - 0.98 * float(shank)


def seat_place(animal: Animal) -> tuple[float, float, float]:
    """x, y and height in metres of the middle of the hips of a character who sits."""
    back, down = _seat(species(animal.species))
    heading = np.deg2rad(animal.heading_deg)
    x, y = animal.x - animal.scale * back * np.cos(heading), animal.y - animal.scale * back * np.sin(heading)
    return float(x), float(y), animal.scale * (species(animal.species).legs[0].hip[2] - down)


def _leg_pose(kind: Species, animal: Animal, index: int, leg: Leg, seconds, rate, body, left):
    """Matrices of upper leg, lower leg and foot, from two-bone inverse kinematics on the foot's target.

    seconds and rate are the character's own time: feet of those who stop come down as they slow.
    """
    hip_rest, knee_rest, ankle_rest = (np.array(p) for p in (leg.hip, leg.knee, leg.ankle))
    how = _action(animal).stride
    stride, progress = _cycle(animal, index, seconds)
    here, heading_here = _footprint(animal, index, ankle_rest[:2], stride)
    there, heading_there = _footprint(animal, index, ankle_rest[:2], stride + 1)
    swing = np.clip((progress - how.duty) / (1 - how.duty), 0.0, 1.0)
    ease = swing * swing * (3 - 2 * swing)
    arc = np.sin(np.pi * swing)
    if animal.stop_s is not None or not rate.any():
        arc = arc * np.minimum(1.0, 2.5 * rate)
    ankle = np.zeros((len(seconds), 3))
    ankle[:, :2] = here + (there - here) * ease[:, None]
    ankle[:, 2] = ankle_rest[2] + kind.lift * how.lift * arc
    heading = heading_here + (heading_there - heading_here) * ease

    foot = _yaw(heading)
    foot = foot @ _rotation("y", np.deg2rad(kind.foot_pitch_deg) * arc)
    foot[:, :3, 3] = ankle - np.einsum("fij,j->fi", foot[:, :3, :3], ankle_rest)

    hip = body[:, :3, :3] @ hip_rest + body[:, :3, 3]
    line = ankle - hip
    distance = np.linalg.norm(line, axis=-1)
    first, second = _leg_lengths(leg)
    reachable = np.clip(distance, abs(first - second) + 1e-6, first + second - 1e-6)
    along = (first**2 - second**2 + reachable**2) / (2 * reachable)
    out = np.sqrt(np.maximum(first**2 - along**2, 0.0))
    direction = line / distance[:, None]
    side = left - direction * np.einsum("fi,fi->f", left, direction)[:, None]
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    forward = np.cross(direction, side)
    knee = hip + direction * along[:, None] + forward * (out * _bend(leg))[:, None]

    upper = _segment(hip_rest, knee_rest, hip, knee, left)
    lower = _segment(knee_rest, ankle_rest, knee, ankle, left)
    return upper, lower, foot, (np.linalg.norm(line[:, :2], axis=-1), -line[:, 2])


def _bend(leg: Leg) -> float:
    """+1 for a knee that points forward, -1 for one that points backward."""
    hip, knee, ankle = (np.array(p) for p in (leg.hip, leg.knee, leg.ankle))
    straight = hip[0] + (ankle[0] - hip[0]) * (knee[2] - hip[2]) / (ankle[2] - hip[2])
    return 1.0 if knee[0] >= straight else -1.0


def _segment(start_rest, end_rest, start, end, left) -> np.ndarray:
    """[F, 4, 4] rigid motion that carries the rest segment onto start -> end with its side kept to the left."""
    rest = _axes((end_rest - start_rest)[None], np.array([[0.0, 1.0, 0.0]]))
    rotation = _axes(end - start, left) @ rest.transpose(0, 2, 1)
    matrix = np.tile(np.eye(4), (len(start), 1, 1))
    matrix[:, :3, :3] = rotation
    matrix[:, :3, 3] = start - rotation @ start_rest
    return matrix


def _axes(direction: np.ndarray, side: np.ndarray) -> np.ndarray:
    """[F, 3, 3] columns: unit direction, unit side at right angles to it, their cross product."""
    direction = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    side = side - direction * np.einsum("fi,fi->f", np.broadcast_to(side, direction.shape), direction)[:, None]
    side = side / np.linalg.norm(side, axis=-1, keepdims=True)
    return np.stack([direction, side, np.cross(direction, side)], axis=-1)


def _rotation(axis: str, angle: np.ndarray) -> np.ndarray:
    """[F, 4, 4] rotation by angle [F] about the x, y or z axis."""
    cos, sin = np.cos(angle), np.sin(angle)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.tile(np.eye(4), (len(angle), 1, 1))
    matrix[:, i, i] = matrix[:, j, j] = cos
    matrix[:, j, i], matrix[:, i, j] = sin, -sin
    return matrix


def _yaw(heading: np.ndarray) -> np.ndarray:
    return _rotation("z", heading)


def _about(pivot: np.ndarray, axis: str, angle: np.ndarray) -> np.ndarray:
    """[F, 4, 4] rotation about a point."""
    matrix = _rotation(axis, angle)
    matrix[:, :3, 3] = pivot - matrix[:, :3, :3] @ pivot
    return matrix

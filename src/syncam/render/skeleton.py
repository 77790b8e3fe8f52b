"""The skeleton all characters share, and the parts that are built the same way in each of them."""

from dataclasses import dataclass, field

import numpy as np

from syncam.render.meshes import Mesh, ellipsoid, loft, merge

# Bones. A leg has three: upper, lower and foot; legs are ordered front left, front right, hind left, hind right.
# People have their arms where animals have their hind legs, and their chest where animals have their neck.
BODY, NECK, HEAD, TAIL, TAIL_TIP = range(5)
CHEST = NECK
LEG = 5
TRUNK = 17  # four links
EAR_LEFT, EAR_RIGHT = 21, 22
NUM_BONES = 24

# Materials: rows of a character's palette.
COAT, DARK, PALE, EYE, SHADE, ACCENT, SKIN, HAIR, CLOTH, TROUSERS, SHOES, WHITE, MOUTH, BEAK = range(14)
NUM_MATERIALS = 14

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Joint:
    """A bone that turns rhythmically about a pivot fixed in its parent."""

    bone: int
    parent: int
    pivot: Point
    axis: str = "y"
    """Axis of the rhythm: y nods, z wags, x rolls."""
    swing_deg: float = 0.0
    cycles: float = 2.0
    """Swings per stride."""
    phase: float = 0.0
    """Lag in cycles."""


@dataclass(frozen=True)
class Leg:
    """Rest positions of a left leg's joints, metres; the right leg is its mirror image."""

    hip: Point
    knee: Point
    ankle: Point
    front: bool


@dataclass(frozen=True)
class Species:
    """A character's shape in its rest pose: facing +x, y to its left, feet on z = 0."""

    name: str
    mesh: Mesh
    joints: tuple[Joint, ...]
    legs: tuple[Leg, ...]
    """Left legs: (front, hind), or one for a biped."""
    lift: float = 0.1
    """Height in metres to which a foot rises in mid-swing of a walk."""
    size: tuple[float, float, float] = field(default=(0.0, 0.0, 0.0))
    """Extent in metres along x, y, z of the rest pose."""
    family: str = "quadruped"
    """quadruped, bird or person: what it can do."""
    foot_pitch_deg: float = 35.0
    """How far a foot's toes point down in mid-swing."""


def leg_bone(leg: int, segment: int) -> int:
    """Index of segment 0 upper, 1 lower, 2 foot of leg 0 front left, 1 front right, 2 hind left, 3 hind right."""
    return LEG + 3 * leg + segment


def arm_bone(arm: int, segment: int) -> int:
    """Index of segment 0 upper, 1 lower, 2 hand of a person's arm 0 left, 1 right."""
    return leg_bone(2 + arm, segment)


def leg_mesh(
    leg: Leg,
    widths: tuple[float, ...],
    *,
    material: int = COAT,
    hoof: int = DARK,
    hoof_flare: float = 1.25,
    toe: float = 0.02,
) -> Mesh:
    """A left leg: widths are (thigh sideways, thigh fore-aft, mid-thigh, knee, shank, ankle) in metres, half."""
    thigh_side, thigh_long, middle, knee_radius, shank, ankle_radius = widths
    upper, lower, foot = (leg_bone(0 if leg.front else 2, k) for k in range(3))
    hip, knee, ankle = (np.array(p) for p in (leg.hip, leg.knee, leg.ankle))
    rings = [
        (*hip, thigh_side, thigh_long, upper),
        (*(hip + 0.5 * (knee - hip)), middle, middle * 1.25, upper),
        (*(hip + 0.88 * (knee - hip)), knee_radius, knee_radius * 1.05, upper),
        (*(knee + 0.14 * (ankle - knee)), knee_radius, knee_radius * 1.05, lower),
        (*(knee + 0.55 * (ankle - knee)), shank, shank, lower),
        (*ankle, ankle_radius, ankle_radius, lower),
    ]
    bottom = ankle_radius * hoof_flare
    sole = [
        (ankle[0], ankle[1], ankle[2] + 0.03, ankle_radius * 1.05, ankle_radius * 1.05, foot),
        (
            ankle[0] + 0.5 * toe,
            ankle[1],
            0.5 * ankle[2],
            0.5 * (ankle_radius + bottom),
            0.5 * (ankle_radius + bottom),
            foot,
        ),
        (ankle[0] + toe, ankle[1], 0.004, bottom, bottom, foot),
    ]
    return merge(
        [
            loft(rings, material, segments=9, steps=2, caps=0.8),
            loft(sole, hoof, segments=9, steps=1, caps=0.02),
        ]
    )


def both_sides(left: Mesh) -> Mesh:
    """A left part and its mirror image, each on its own side's bones."""
    bone_map = {EAR_LEFT: EAR_RIGHT}
    for leg in (0, 2):
        for segment in range(3):
            bone_map[leg_bone(leg, segment)] = leg_bone(leg + 1, segment)
    return merge([left, left.mirrored(bone_map)])


def eye(x: float, y: float, z: float, radius: float) -> Mesh:
    """The left eye."""
    return ellipsoid((x, y, z), (radius, radius * 0.7, radius), EYE, HEAD, segments=6)


def assemble(
    name: str,
    parts: list[Mesh],
    joints: tuple[Joint, ...],
    legs: tuple[Leg, ...],
    *,
    lift: float = 0.1,
    family: str = "quadruped",
    foot_pitch_deg: float = 35.0,
) -> Species:
    """A species from its parts, measured."""
    mesh = merge(parts)
    extent = mesh.position.max(axis=0) - mesh.position.min(axis=0)
    return Species(
        name, mesh, joints, legs, lift, (float(extent[0]), float(extent[1]), float(extent[2])), family, foot_pitch_deg
    )


def nodding_joints(neck, head, tail, tail_tip, *, nod_deg: float = 5.0) -> tuple[Joint, ...]:
    """Neck and head that nod against each other, and a tail that wags."""
    return (
        Joint(NECK, BODY, neck, "y", nod_deg, 2.0),
        Joint(HEAD, NECK, head, "y", 0.6 * nod_deg, 2.0, 0.5),
        Joint(TAIL, BODY, tail, "x", 14.0, 1.0),
        Joint(TAIL_TIP, TAIL, tail_tip, "x", 14.0, 1.0, 0.15),
    )

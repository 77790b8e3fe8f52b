"""Chicken, duck, flamingo and penguin, larger than life. Metres in the rest pose (facing +x, feet on z = 0)."""

from syncam.render.limbs import LIMBS
from syncam.render.meshes import Mesh, cone, ellipsoid, loft
from syncam.render.skeleton import (
    BEAK,
    BODY,
    COAT,
    DARK,
    HEAD,
    MOUTH,
    NECK,
    SHADE,
    TAIL,
    WHITE,
    Joint,
    Species,
    assemble,
    both_sides,
    eye,
    nodding_joints,
)


def chicken() -> Species:
    torso = [
        (-0.42, 0, 0.78, 0.10, 0.12, BODY),
        (-0.24, 0, 0.68, 0.23, 0.25, BODY),
        (0.04, 0, 0.62, 0.27, 0.28, BODY),
        (0.26, 0, 0.68, 0.20, 0.25, BODY),
        (0.36, 0, 0.76, 0.12, 0.16, BODY),
    ]
    neck = [
        (0.26, 0, 0.76, 0.17, 0.18, BODY),
        (0.36, 0, 0.96, 0.11, 0.13, NECK),
        (0.40, 0, 1.12, 0.09, 0.10, HEAD),
    ]
    tail = [
        (-0.34, 0, 0.80, 0.14, 0.10, TAIL),
        (-0.52, 0, 0.98, 0.09, 0.14, TAIL),
        (-0.58, 0, 1.14, 0.05, 0.06, TAIL),
    ]
    comb = [
        ellipsoid((x, 0, z), (0.05, 0.02, 0.06), MOUTH, HEAD, segments=6)
        for x, z in ((0.35, 1.29), (0.43, 1.31), (0.50, 1.28))
    ]
    parts = [
        loft(torso, COAT, segments=14),
        loft(neck, COAT),
        ellipsoid((0.43, 0, 1.17), (0.115, 0.10, 0.11), COAT, HEAD, segments=10),
        cone((0.52, 0, 1.16), (0.68, 0, 1.13), 0.05, BEAK, HEAD),
        *comb,
        ellipsoid((0.53, 0, 1.05), (0.03, 0.03, 0.06), MOUTH, HEAD, segments=6),
        loft(tail, SHADE, segments=9),
        both_sides(_wing((0.16, 0.26, 0.70), (-0.32, 0.22, 0.66), 0.17)),
        both_sides(eye(0.48, 0.085, 1.20, 0.026)),
        *LIMBS["chicken"].meshes(),
    ]
    joints = nodding_joints((0.30, 0, 0.8), (0.40, 0, 1.1), (-0.36, 0, 0.8), (-0.5, 0, 1.0), nod_deg=7.0)
    return assemble("chicken", parts, joints, LIMBS["chicken"].legs, lift=0.08, family="bird")


def duck() -> Species:
    torso = [
        (-0.56, 0, 0.66, 0.08, 0.06, BODY),
        (-0.36, 0, 0.54, 0.21, 0.18, BODY),
        (-0.04, 0, 0.46, 0.28, 0.25, BODY),
        (0.26, 0, 0.48, 0.23, 0.23, BODY),
        (0.42, 0, 0.56, 0.12, 0.14, BODY),
    ]
    neck = [
        (0.30, 0, 0.58, 0.16, 0.16, BODY),
        (0.42, 0, 0.78, 0.09, 0.10, NECK),
        (0.44, 0, 0.96, 0.085, 0.09, HEAD),
    ]
    parts = [
        loft(torso, COAT, segments=14),
        loft(neck, COAT),
        ellipsoid((0.48, 0, 1.02), (0.15, 0.125, 0.13), COAT, HEAD, segments=12),
        loft(
            [
                (0.58, 0, 0.99, 0.075, 0.05, HEAD),
                (0.72, 0, 0.97, 0.085, 0.03, HEAD),
                (0.84, 0, 0.975, 0.085, 0.02, HEAD),
            ],
            BEAK,
            segments=9,
        ),
        both_sides(_wing((0.20, 0.27, 0.54), (-0.48, 0.20, 0.62), 0.15)),
        both_sides(ellipsoid((0.565, 0.085, 1.07), (0.025, 0.03, 0.04), WHITE, HEAD, segments=6)),
        both_sides(eye(0.58, 0.095, 1.07, 0.024)),
        *LIMBS["duck"].meshes(),
    ]
    joints = (
        *nodding_joints((0.34, 0, 0.6), (0.44, 0, 0.94), (-0.5, 0, 0.6), (-0.56, 0, 0.64), nod_deg=6.0)[:2],
        Joint(TAIL, BODY, (-0.5, 0, 0.6), "z", 8.0, 2.0),
    )
    return assemble("duck", parts, joints, LIMBS["duck"].legs, lift=0.07, family="bird", foot_pitch_deg=10.0)


def flamingo() -> Species:
    torso = [
        (-0.52, 0, 1.06, 0.05, 0.06, BODY),
        (-0.32, 0, 1.12, 0.15, 0.15, BODY),
        (-0.02, 0, 1.16, 0.20, 0.21, BODY),
        (0.24, 0, 1.18, 0.14, 0.16, BODY),
        (0.34, 0, 1.20, 0.08, 0.10, BODY),
    ]
    neck = [
        (0.26, 0, 1.20, 0.09, 0.11, BODY),
        (0.46, 0, 1.24, 0.058, 0.062, NECK),
        (0.56, 0, 1.44, 0.052, 0.056, NECK),
        (0.44, 0, 1.64, 0.05, 0.054, NECK),
        (0.42, 0, 1.82, 0.05, 0.054, NECK),
        (0.52, 0, 1.94, 0.055, 0.06, HEAD),
    ]
    beak = [
        (0.64, 0, 1.94, 0.045, 0.05, HEAD),
        (0.74, 0, 1.90, 0.04, 0.04, HEAD),
        (0.78, 0, 1.80, 0.025, 0.025, HEAD),
    ]
    parts = [
        loft(torso, COAT, segments=12),
        loft(neck, COAT, segments=9),
        ellipsoid((0.56, 0, 1.95), (0.10, 0.075, 0.08), COAT, HEAD, segments=9),
        loft(beak[:2], WHITE, segments=7),
        loft(beak[1:], DARK, segments=7),
        both_sides(_wing((0.16, 0.19, 1.18), (-0.44, 0.13, 1.10), 0.14)),
        both_sides(eye(0.60, 0.068, 1.97, 0.022)),
        *LIMBS["flamingo"].meshes(),
    ]
    joints = nodding_joints((0.30, 0, 1.2), (0.48, 0, 1.9), (-0.5, 0, 1.06), (-0.5, 0, 1.06), nod_deg=4.0)
    return assemble("flamingo", parts, joints, LIMBS["flamingo"].legs, lift=0.14, family="bird")


def penguin() -> Species:
    torso = [
        (-0.04, 0, 0.20, 0.19, 0.18, BODY),
        (-0.02, 0, 0.34, 0.27, 0.26, BODY),
        (0.0, 0, 0.62, 0.29, 0.28, BODY),
        (0.0, 0, 0.92, 0.22, 0.21, NECK),
        (0.02, 0, 1.08, 0.14, 0.14, NECK),
    ]
    flipper = [
        (0.0, 0.22, 0.94, 0.05, 0.08, NECK),
        (-0.02, 0.34, 0.70, 0.04, 0.11, NECK),
        (-0.04, 0.42, 0.44, 0.02, 0.05, NECK),
    ]
    parts = [
        loft(torso, COAT, segments=14),
        ellipsoid((0.08, 0, 0.56), (0.235, 0.235, 0.36), WHITE, BODY, segments=12),
        ellipsoid((0.05, 0, 1.20), (0.17, 0.16, 0.16), COAT, HEAD, segments=12),
        both_sides(ellipsoid((0.12, 0.08, 1.18), (0.095, 0.085, 0.10), WHITE, HEAD, segments=9)),
        cone((0.18, 0, 1.19), (0.40, 0, 1.15), 0.055, BEAK, HEAD),
        both_sides(loft(flipper, COAT, segments=9)),
        both_sides(eye(0.185, 0.105, 1.23, 0.028)),
        cone((-0.20, 0, 0.28), (-0.42, 0, 0.14), 0.10, COAT, BODY),
        *LIMBS["penguin"].meshes(),
    ]
    joints = (
        Joint(NECK, BODY, (0.0, 0, 0.8), "x", 4.0, 1.0),
        Joint(HEAD, NECK, (0.03, 0, 1.08), "x", -4.0, 1.0),
    )
    return assemble("penguin", parts, joints, LIMBS["penguin"].legs, lift=0.06, family="bird", foot_pitch_deg=5.0)


def _wing(front: tuple[float, float, float], back: tuple[float, float, float], half_height: float) -> Mesh:
    """The left wing, folded."""
    middle = tuple(0.5 * (a + b) for a, b in zip(front, back, strict=True))
    return loft(
        [
            (*front, 0.03, 0.6 * half_height, BODY),
            (middle[0], middle[1] + 0.03, middle[2], 0.05, half_height, BODY),
            (*back, 0.03, 0.4 * half_height, BODY),
        ],
        SHADE,
        segments=8,
    )

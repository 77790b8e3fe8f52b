"""The animals of unusual build: elephant, giraffe, pig, ostrich. Metres in the rest pose (facing +x, feet at z = 0)."""

from syncam.render.limbs import LIMBS
from syncam.render.meshes import cone, ellipsoid, loft
from syncam.render.skeleton import (
    ACCENT,
    BODY,
    COAT,
    DARK,
    EAR_LEFT,
    EAR_RIGHT,
    EYE,
    HEAD,
    NECK,
    PALE,
    SHADE,
    TAIL,
    TAIL_TIP,
    TRUNK,
    Joint,
    Species,
    assemble,
    both_sides,
    eye,
    nodding_joints,
)


def elephant() -> Species:
    torso = [
        (-0.80, 0, 0.98, 0.22, 0.28, BODY),
        (-0.58, 0, 1.03, 0.38, 0.42, BODY),
        (-0.15, 0, 1.05, 0.43, 0.46, BODY),
        (0.25, 0, 1.06, 0.40, 0.42, BODY),
        (0.55, 0, 1.14, 0.30, 0.33, BODY),
        (0.80, 0, 1.24, 0.22, 0.26, HEAD),
    ]
    trunk = [
        (0.98, 0, 1.22, 0.15, 0.17, HEAD),
        (1.14, 0, 1.00, 0.115, 0.125, TRUNK),
        (1.20, 0, 0.74, 0.09, 0.10, TRUNK + 1),
        (1.20, 0, 0.48, 0.075, 0.08, TRUNK + 2),
        (1.27, 0, 0.28, 0.065, 0.065, TRUNK + 3),
        (1.40, 0, 0.24, 0.055, 0.055, TRUNK + 3),
    ]
    tail = [
        (-0.86, 0, 1.12, 0.035, 0.035, TAIL),
        (-0.97, 0, 0.85, 0.03, 0.03, TAIL),
        (-0.99, 0, 0.60, 0.03, 0.03, TAIL_TIP),
    ]
    parts = [
        loft(torso, COAT, segments=14),
        ellipsoid((0.86, 0, 1.34), (0.27, 0.25, 0.31), COAT, HEAD, segments=12),
        loft(trunk, COAT, segments=10),
        loft(tail, COAT, segments=6),
        ellipsoid((-1.0, 0, 0.52), (0.045, 0.045, 0.09), DARK, TAIL_TIP, segments=6),
        both_sides(ellipsoid((0.66, 0.42, 1.28), (0.27, 0.045, 0.37), SHADE, EAR_LEFT, segments=12, yaw_deg=-42)),
        both_sides(
            loft(
                [
                    (0.98, 0.14, 1.10, 0.05, 0.05, HEAD),
                    (1.16, 0.17, 0.92, 0.045, 0.045, HEAD),
                    (1.40, 0.19, 0.92, 0.02, 0.02, HEAD),
                ],
                PALE,
                segments=7,
            )
        ),
        both_sides(eye(1.05, 0.19, 1.38, 0.035)),
        *LIMBS["elephant"].meshes(),
    ]
    joints = (
        Joint(NECK, BODY, (0.5, 0, 1.2)),
        Joint(HEAD, NECK, (0.6, 0, 1.2), "y", 3.0, 2.0),
        Joint(TAIL, BODY, (-0.86, 0, 1.12), "x", 14.0, 1.0),
        Joint(TAIL_TIP, TAIL, (-0.97, 0, 0.85), "x", 10.0, 1.0, 0.15),
        Joint(TRUNK, HEAD, (1.00, 0, 1.2), "y", 5.0, 1.0),
        Joint(TRUNK + 1, TRUNK, (1.15, 0, 0.95), "y", 7.0, 1.0, 0.15),
        Joint(TRUNK + 2, TRUNK + 1, (1.20, 0, 0.70), "y", 9.0, 1.0, 0.3),
        Joint(TRUNK + 3, TRUNK + 2, (1.20, 0, 0.45), "y", 10.0, 1.0, 0.45),
        Joint(EAR_LEFT, HEAD, (0.84, 0.26, 1.35), "z", 9.0, 1.0),
        Joint(EAR_RIGHT, HEAD, (0.84, -0.26, 1.35), "z", -9.0, 1.0),
    )
    return assemble("elephant", parts, joints, LIMBS["elephant"].legs, lift=0.08)


def giraffe() -> Species:
    torso = [
        (-0.50, 0, 0.96, 0.10, 0.12, BODY),
        (-0.38, 0, 0.98, 0.17, 0.19, BODY),
        (-0.10, 0, 1.02, 0.19, 0.22, BODY),
        (0.18, 0, 1.08, 0.18, 0.25, BODY),
        (0.36, 0, 1.14, 0.12, 0.20, BODY),
    ]
    neck = [
        (0.20, 0, 1.14, 0.13, 0.24, BODY),
        (0.40, 0, 1.36, 0.095, 0.145, NECK),
        (0.56, 0, 1.64, 0.075, 0.105, NECK),
        (0.68, 0, 1.92, 0.063, 0.085, NECK),
        (0.75, 0, 2.10, 0.06, 0.07, HEAD),
    ]
    head = [
        (0.72, 0, 2.13, 0.07, 0.08, HEAD),
        (0.82, 0, 2.10, 0.08, 0.095, HEAD),
        (0.95, 0, 2.02, 0.06, 0.07, HEAD),
        (1.06, 0, 1.95, 0.05, 0.055, HEAD),
    ]
    mane = [
        (0.67, 0, 2.12, 0.025, 0.045, HEAD),
        (0.56, 0, 1.88, 0.03, 0.06, NECK),
        (0.42, 0, 1.60, 0.03, 0.06, NECK),
        (0.22, 0, 1.36, 0.03, 0.05, BODY),
    ]
    tail = [
        (-0.55, 0, 1.00, 0.03, 0.03, TAIL),
        (-0.64, 0, 0.78, 0.025, 0.025, TAIL),
        (-0.66, 0, 0.56, 0.03, 0.03, TAIL_TIP),
    ]
    spots = [
        ellipsoid((x, y, z), (r, 0.03, r * 1.1), SHADE, bone, segments=7)
        for x, y, z, r, bone in (
            (-0.32, 0.155, 1.03, 0.08, BODY),
            (-0.12, 0.178, 1.10, 0.08, BODY),
            (-0.10, 0.180, 0.93, 0.07, BODY),
            (0.09, 0.172, 1.16, 0.08, BODY),
            (0.10, 0.176, 0.98, 0.07, BODY),
            (0.27, 0.130, 1.18, 0.08, BODY),
        )
    ]
    parts = [
        loft(torso, COAT, segments=12),
        loft(neck, COAT),
        loft(head, COAT),
        loft(mane, DARK, segments=6),
        loft(tail, COAT, segments=6),
        ellipsoid((-0.66, 0, 0.50), (0.045, 0.045, 0.10), DARK, TAIL_TIP, segments=6),
        *(both_sides(spot) for spot in spots),
        loft([(1.03, 0, 1.97, 0.053, 0.06, HEAD), (1.09, 0, 1.93, 0.045, 0.05, HEAD)], SHADE, steps=1),
        both_sides(cone((0.74, 0.07, 2.16), (0.68, 0.20, 2.20), 0.04, COAT, HEAD)),
        both_sides(
            loft([(0.77, 0.045, 2.16, 0.02, 0.02, HEAD), (0.76, 0.06, 2.30, 0.028, 0.028, HEAD)], DARK, segments=6)
        ),
        both_sides(eye(0.86, 0.075, 2.10, 0.025)),
        *LIMBS["giraffe"].meshes(),
    ]
    joints = nodding_joints((0.25, 0, 1.15), (0.74, 0, 2.08), (-0.55, 0, 1.0), (-0.65, 0, 0.7), nod_deg=4.0)
    return assemble("giraffe", parts, joints, LIMBS["giraffe"].legs)


def pig() -> Species:
    torso = [
        (-0.74, 0, 0.70, 0.18, 0.20, BODY),
        (-0.56, 0, 0.70, 0.31, 0.32, BODY),
        (-0.20, 0, 0.68, 0.36, 0.37, BODY),
        (0.18, 0, 0.68, 0.35, 0.36, BODY),
        (0.46, 0, 0.71, 0.28, 0.30, BODY),
        (0.66, 0, 0.74, 0.22, 0.24, HEAD),
    ]
    head = [
        (0.58, 0, 0.76, 0.22, 0.25, HEAD),
        (0.78, 0, 0.75, 0.21, 0.22, HEAD),
        (0.94, 0, 0.68, 0.135, 0.135, HEAD),
        (1.05, 0, 0.65, 0.105, 0.105, HEAD),
    ]
    tail = [
        (-0.78, 0, 0.80, 0.035, 0.035, TAIL),
        (-0.88, 0.03, 0.88, 0.035, 0.035, TAIL),
        (-0.94, -0.05, 0.97, 0.03, 0.03, TAIL),
        (-0.86, -0.07, 1.02, 0.03, 0.03, TAIL),
        (-0.84, 0.05, 0.94, 0.022, 0.022, TAIL),
    ]
    parts = [
        loft(torso, COAT, segments=14),
        loft(head, COAT, segments=12),
        loft([(1.03, 0, 0.645, 0.115, 0.115, HEAD), (1.10, 0, 0.635, 0.125, 0.125, HEAD)], ACCENT, steps=1, caps=0.15),
        both_sides(ellipsoid((1.125, 0.045, 0.635), (0.015, 0.025, 0.035), EYE, HEAD, segments=5)),
        both_sides(
            loft(
                [
                    (0.64, 0.12, 0.94, 0.09, 0.04, HEAD),
                    (0.68, 0.20, 1.06, 0.10, 0.035, HEAD),
                    (0.78, 0.26, 1.10, 0.02, 0.02, HEAD),
                ],
                SHADE,
                segments=7,
            )
        ),
        loft(tail, COAT, segments=6),
        both_sides(eye(0.88, 0.155, 0.80, 0.03)),
        *LIMBS["pig"].meshes(),
    ]
    joints = (
        Joint(NECK, BODY, (0.4, 0, 0.7)),
        Joint(HEAD, NECK, (0.5, 0, 0.7), "y", 4.0, 2.0),
        Joint(TAIL, BODY, (-0.76, 0, 0.8), "x", 12.0, 1.0),
        Joint(TAIL_TIP, TAIL, (-0.85, 0, 0.9)),
    )
    return assemble("pig", parts, joints, LIMBS["pig"].legs, lift=0.06)


def ostrich() -> Species:
    torso = [
        (-0.58, 0, 1.26, 0.12, 0.13, BODY),
        (-0.36, 0, 1.22, 0.25, 0.25, BODY),
        (-0.05, 0, 1.18, 0.31, 0.30, BODY),
        (0.25, 0, 1.19, 0.25, 0.26, BODY),
        (0.42, 0, 1.25, 0.13, 0.15, BODY),
    ]
    neck = [
        (0.32, 0, 1.24, 0.11, 0.14, BODY),
        (0.50, 0, 1.30, 0.068, 0.08, NECK),
        (0.58, 0, 1.50, 0.052, 0.055, NECK),
        (0.58, 0, 1.74, 0.046, 0.048, NECK),
        (0.62, 0, 1.96, 0.046, 0.048, HEAD),
    ]
    tail = [
        (-0.52, 0, 1.28, 0.14, 0.13, TAIL),
        (-0.70, 0, 1.38, 0.16, 0.13, TAIL),
        (-0.88, 0, 1.42, 0.08, 0.06, TAIL),
    ]
    wing = [
        (0.20, 0.24, 1.24, 0.04, 0.12, BODY),
        (-0.10, 0.31, 1.20, 0.06, 0.19, BODY),
        (-0.48, 0.24, 1.12, 0.04, 0.10, BODY),
    ]
    toes = [
        (-0.05, 0.13, 0.035, 0.04, 0.035, 7),
        (0.10, 0.13, 0.035, 0.06, 0.035, 7),
        (0.24, 0.13, 0.025, 0.03, 0.02, 7),
    ]
    parts = [
        loft(torso, COAT, segments=14),
        loft(neck, PALE),
        ellipsoid((0.67, 0, 2.02), (0.11, 0.075, 0.085), PALE, HEAD),
        loft([(0.74, 0, 2.02, 0.05, 0.04, HEAD), (0.90, 0, 1.98, 0.025, 0.015, HEAD)], ACCENT, segments=7, steps=1),
        loft(tail, DARK, segments=10),
        both_sides(loft(wing, SHADE, segments=8)),
        both_sides(eye(0.70, 0.068, 2.04, 0.03)),
        *LIMBS["ostrich"].meshes(),
        both_sides(loft(toes, DARK, segments=7)),
    ]
    joints = nodding_joints((0.42, 0, 1.26), (0.62, 0, 1.96), (-0.5, 0, 1.28), (-0.7, 0, 1.38), nod_deg=6.0)
    return assemble("ostrich", parts, joints, LIMBS["ostrich"].legs, lift=0.14, family="bird")

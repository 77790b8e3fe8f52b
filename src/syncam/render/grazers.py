"""The slender-legged animals: horse, deer, bull and camel. Metres in the rest pose (facing +x, feet on z = 0)."""

from syncam.render.limbs import LIMBS
from syncam.render.meshes import cone, ellipsoid, loft
from syncam.render.skeleton import (
    ACCENT,
    BODY,
    COAT,
    DARK,
    EYE,
    HEAD,
    NECK,
    PALE,
    SHADE,
    TAIL,
    TAIL_TIP,
    Species,
    assemble,
    both_sides,
    eye,
    nodding_joints,
)


def horse() -> Species:
    torso = [
        (-0.68, 0, 1.10, 0.12, 0.15, BODY),
        (-0.52, 0, 1.12, 0.22, 0.24, BODY),
        (-0.22, 0, 1.07, 0.23, 0.24, BODY),
        (0.10, 0, 1.04, 0.23, 0.26, BODY),
        (0.42, 0, 1.08, 0.21, 0.28, BODY),
        (0.60, 0, 1.12, 0.14, 0.20, BODY),
    ]
    neck = [
        (0.40, 0, 1.14, 0.15, 0.25, BODY),
        (0.60, 0, 1.38, 0.115, 0.185, NECK),
        (0.76, 0, 1.62, 0.085, 0.13, NECK),
        (0.84, 0, 1.78, 0.07, 0.10, HEAD),
    ]
    head = [
        (0.80, 0, 1.80, 0.085, 0.095, HEAD),
        (0.91, 0, 1.74, 0.10, 0.13, HEAD),
        (1.06, 0, 1.60, 0.075, 0.095, HEAD),
        (1.20, 0, 1.47, 0.065, 0.075, HEAD),
    ]
    mane = [
        (0.86, 0, 1.92, 0.035, 0.05, HEAD),
        (0.70, 0, 1.78, 0.04, 0.09, NECK),
        (0.54, 0, 1.56, 0.045, 0.10, NECK),
        (0.36, 0, 1.36, 0.04, 0.06, BODY),
    ]
    tail = [
        (-0.70, 0, 1.22, 0.05, 0.05, TAIL),
        (-0.84, 0, 1.10, 0.065, 0.065, TAIL),
        (-0.92, 0, 0.82, 0.085, 0.08, TAIL_TIP),
        (-0.92, 0, 0.52, 0.03, 0.03, TAIL_TIP),
    ]
    parts = [
        loft(torso, COAT, segments=12),
        loft(neck, COAT),
        loft(head, COAT),
        loft([(1.17, 0, 1.50, 0.068, 0.08, HEAD), (1.24, 0, 1.43, 0.06, 0.07, HEAD)], SHADE, steps=1),
        loft(mane, DARK, segments=8),
        loft(tail, DARK, segments=8),
        both_sides(cone((0.84, 0.06, 1.84), (0.86, 0.09, 2.02), 0.045, COAT, HEAD)),
        both_sides(eye(0.95, 0.095, 1.75, 0.03)),
        *LIMBS["horse"].meshes(),
    ]
    joints = nodding_joints((0.45, 0, 1.15), (0.82, 0, 1.76), (-0.68, 0, 1.22), (-0.90, 0, 0.9))
    return assemble("horse", parts, joints, LIMBS["horse"].legs)


def deer() -> Species:
    torso = [
        (-0.60, 0, 0.95, 0.09, 0.11, BODY),
        (-0.46, 0, 0.96, 0.16, 0.19, BODY),
        (-0.15, 0, 0.92, 0.17, 0.19, BODY),
        (0.15, 0, 0.90, 0.17, 0.21, BODY),
        (0.38, 0, 0.94, 0.14, 0.21, BODY),
        (0.50, 0, 0.98, 0.09, 0.15, BODY),
    ]
    neck = [
        (0.36, 0, 1.00, 0.11, 0.19, BODY),
        (0.52, 0, 1.18, 0.085, 0.125, NECK),
        (0.62, 0, 1.36, 0.068, 0.09, NECK),
        (0.68, 0, 1.50, 0.06, 0.075, HEAD),
    ]
    head = [
        (0.64, 0, 1.53, 0.07, 0.08, HEAD),
        (0.74, 0, 1.50, 0.08, 0.095, HEAD),
        (0.88, 0, 1.42, 0.055, 0.065, HEAD),
        (0.98, 0, 1.36, 0.042, 0.045, HEAD),
    ]
    beam = [
        (0.66, 0.05, 1.57, 0.034, 0.034, HEAD),
        (0.54, 0.20, 1.72, 0.034, 0.034, HEAD),
        (0.52, 0.36, 1.92, 0.032, 0.032, HEAD),
        (0.64, 0.42, 2.14, 0.018, 0.018, HEAD),
    ]
    tines = [
        ((0.62, 0.10, 1.62), (0.84, 0.20, 1.76)),
        ((0.53, 0.24, 1.76), (0.78, 0.30, 1.96)),
        ((0.52, 0.34, 1.90), (0.36, 0.42, 2.12)),
    ]
    parts = [
        loft(torso, COAT, segments=12),
        loft(neck, COAT),
        loft(head, COAT),
        ellipsoid((1.0, 0, 1.35), (0.035, 0.035, 0.035), EYE, HEAD, segments=6),
        ellipsoid((-0.66, 0, 0.98), (0.06, 0.05, 0.10), PALE, TAIL, segments=7, pitch_deg=25),
        both_sides(loft(beam, PALE, segments=7)),
        *(
            both_sides(loft([(*a, 0.03, 0.03, HEAD), (*b, 0.014, 0.014, HEAD)], PALE, segments=6, steps=1))
            for a, b in tines
        ),
        both_sides(
            loft(
                [
                    (0.64, 0.06, 1.54, 0.03, 0.035, HEAD),
                    (0.58, 0.14, 1.55, 0.035, 0.06, HEAD),
                    (0.52, 0.24, 1.55, 0.01, 0.015, HEAD),
                ],
                COAT,
                segments=6,
            )
        ),
        both_sides(eye(0.78, 0.078, 1.50, 0.025)),
        *LIMBS["deer"].meshes(),
    ]
    joints = nodding_joints((0.38, 0, 1.0), (0.66, 0, 1.48), (-0.60, 0, 1.0), (-0.66, 0, 0.95))
    return assemble("deer", parts, joints, LIMBS["deer"].legs)


def bull() -> Species:
    torso = [
        (-0.82, 0, 0.92, 0.20, 0.22, BODY),
        (-0.64, 0, 0.92, 0.29, 0.31, BODY),
        (-0.20, 0, 0.90, 0.33, 0.33, BODY),
        (0.20, 0, 0.92, 0.33, 0.38, BODY),
        (0.46, 0, 0.98, 0.29, 0.40, BODY),
        (0.66, 0, 0.98, 0.21, 0.30, BODY),
    ]
    neck = [
        (0.50, 0, 1.02, 0.22, 0.32, BODY),
        (0.72, 0, 1.04, 0.18, 0.24, NECK),
        (0.88, 0, 1.06, 0.15, 0.18, HEAD),
    ]
    head = [
        (0.84, 0, 1.12, 0.15, 0.15, HEAD),
        (0.98, 0, 1.06, 0.16, 0.17, HEAD),
        (1.12, 0, 0.92, 0.125, 0.135, HEAD),
        (1.22, 0, 0.80, 0.11, 0.10, HEAD),
    ]
    horn = [
        (0.90, 0.10, 1.22, 0.055, 0.055, HEAD),
        (0.92, 0.30, 1.28, 0.055, 0.055, HEAD),
        (0.98, 0.44, 1.42, 0.042, 0.042, HEAD),
        (1.04, 0.44, 1.62, 0.012, 0.012, HEAD),
    ]
    tail = [
        (-0.88, 0, 1.08, 0.035, 0.035, TAIL),
        (-1.00, 0, 0.86, 0.03, 0.03, TAIL),
        (-1.01, 0, 0.56, 0.03, 0.03, TAIL_TIP),
    ]
    parts = [
        loft(torso, COAT, segments=14),
        loft(neck, COAT, segments=12),
        loft(head, COAT),
        loft([(1.18, 0, 0.83, 0.115, 0.11, HEAD), (1.25, 0, 0.75, 0.10, 0.085, HEAD)], ACCENT, steps=1),
        both_sides(loft(horn, PALE, segments=7)),
        both_sides(
            loft(
                [
                    (0.88, 0.14, 1.10, 0.04, 0.04, HEAD),
                    (0.84, 0.26, 1.06, 0.05, 0.06, HEAD),
                    (0.80, 0.36, 1.00, 0.02, 0.03, HEAD),
                ],
                SHADE,
                segments=6,
            )
        ),
        loft(tail, COAT, segments=6),
        ellipsoid((-1.01, 0, 0.48), (0.06, 0.06, 0.12), DARK, TAIL_TIP, segments=7),
        both_sides(eye(1.05, 0.14, 1.06, 0.03)),
        *LIMBS["bull"].meshes(),
    ]
    joints = nodding_joints((0.55, 0, 1.0), (0.88, 0, 1.08), (-0.86, 0, 1.08), (-1.0, 0, 0.8), nod_deg=4.0)
    return assemble("bull", parts, joints, LIMBS["bull"].legs, lift=0.08)


def camel() -> Species:
    torso = [
        (-0.66, 0, 1.06, 0.12, 0.15, BODY),
        (-0.50, 0, 1.08, 0.20, 0.22, BODY),
        (-0.15, 0, 1.05, 0.22, 0.24, BODY),
        (0.20, 0, 1.04, 0.22, 0.25, BODY),
        (0.44, 0, 1.07, 0.17, 0.22, BODY),
        (0.54, 0, 1.09, 0.12, 0.16, BODY),
    ]
    neck = [
        (0.42, 0, 1.10, 0.12, 0.18, BODY),
        (0.64, 0, 1.06, 0.09, 0.135, NECK),
        (0.84, 0, 1.18, 0.08, 0.11, NECK),
        (0.93, 0, 1.44, 0.07, 0.09, NECK),
        (0.95, 0, 1.68, 0.065, 0.08, HEAD),
    ]
    head = [
        (0.88, 0, 1.74, 0.08, 0.09, HEAD),
        (1.00, 0, 1.76, 0.09, 0.10, HEAD),
        (1.15, 0, 1.70, 0.07, 0.075, HEAD),
        (1.27, 0, 1.65, 0.065, 0.065, HEAD),
    ]
    tail = [
        (-0.72, 0, 1.12, 0.03, 0.03, TAIL),
        (-0.80, 0, 0.94, 0.03, 0.03, TAIL),
        (-0.82, 0, 0.74, 0.035, 0.035, TAIL_TIP),
    ]
    parts = [
        loft(torso, COAT, segments=12),
        loft(neck, COAT),
        loft(head, COAT),
        loft([(1.24, 0, 1.665, 0.068, 0.066, HEAD), (1.30, 0, 1.64, 0.055, 0.055, HEAD)], SHADE, steps=1),
        *(
            loft(
                [
                    (x, 0, 1.14, 0.17, 0.20, BODY),
                    (x, 0, 1.34, 0.12, 0.155, BODY),
                    (x + 0.01, 0, 1.52, 0.06, 0.075, BODY),
                ],
                SHADE,
                segments=10,
            )
            for x in (-0.34, 0.22)
        ),
        loft(tail, COAT, segments=6),
        ellipsoid((-0.82, 0, 0.68), (0.04, 0.04, 0.09), DARK, TAIL_TIP, segments=6),
        both_sides(cone((0.90, 0.07, 1.80), (0.86, 0.11, 1.91), 0.04, COAT, HEAD)),
        both_sides(eye(1.04, 0.085, 1.77, 0.025)),
        *LIMBS["camel"].meshes(),
    ]
    joints = nodding_joints((0.50, 0, 1.08), (0.94, 0, 1.66), (-0.72, 0, 1.12), (-0.81, 0, 0.85), nod_deg=4.0)
    return assemble("camel", parts, joints, LIMBS["camel"].legs)

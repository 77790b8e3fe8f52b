"""The animals of house and forest: dog, cat, sheep, bear. Metres in the rest pose (facing +x, feet on z = 0)."""

from syncam.render.limbs import LIMBS
from syncam.render.meshes import cone, ellipsoid, loft
from syncam.render.skeleton import (
    ACCENT,
    BODY,
    COAT,
    DARK,
    EYE,
    HEAD,
    MOUTH,
    NECK,
    PALE,
    TAIL,
    TAIL_TIP,
    WHITE,
    Species,
    assemble,
    both_sides,
    eye,
    nodding_joints,
)


def dog() -> Species:
    torso = [
        (-0.48, 0, 0.66, 0.09, 0.10, BODY),
        (-0.36, 0, 0.67, 0.15, 0.16, BODY),
        (-0.05, 0, 0.66, 0.15, 0.165, BODY),
        (0.24, 0, 0.66, 0.165, 0.215, BODY),
        (0.40, 0, 0.71, 0.11, 0.15, BODY),
    ]
    neck = [
        (0.30, 0, 0.74, 0.12, 0.17, BODY),
        (0.44, 0, 0.90, 0.10, 0.13, NECK),
        (0.52, 0, 1.03, 0.095, 0.11, HEAD),
    ]
    tail = [
        (-0.48, 0, 0.74, 0.05, 0.05, TAIL),
        (-0.62, 0, 0.90, 0.05, 0.05, TAIL),
        (-0.68, 0, 1.10, 0.045, 0.045, TAIL_TIP),
        (-0.64, 0, 1.22, 0.02, 0.02, TAIL_TIP),
    ]
    ear = [
        (0.50, 0.11, 1.19, 0.05, 0.04, HEAD),
        (0.48, 0.19, 1.10, 0.09, 0.035, HEAD),
        (0.49, 0.20, 0.94, 0.07, 0.03, HEAD),
    ]
    parts = [
        loft(torso, COAT, segments=12),
        loft(neck, COAT),
        ellipsoid((0.57, 0, 1.09), (0.17, 0.145, 0.15), COAT, HEAD, segments=12),
        loft([(0.64, 0, 1.05, 0.09, 0.085, HEAD), (0.85, 0, 1.00, 0.062, 0.06, HEAD)], COAT, steps=2),
        ellipsoid((0.91, 0, 1.03), (0.045, 0.05, 0.04), EYE, HEAD, segments=7),
        ellipsoid((0.84, 0, 0.925), (0.07, 0.038, 0.02), MOUTH, HEAD, segments=6, pitch_deg=25),
        both_sides(loft(ear, DARK, segments=8)),
        both_sides(ellipsoid((0.70, 0.075, 1.135), (0.02, 0.04, 0.045), WHITE, HEAD, segments=7)),
        both_sides(eye(0.715, 0.078, 1.13, 0.028)),
        loft(tail, COAT, segments=7),
        *LIMBS["dog"].meshes(),
    ]
    joints = nodding_joints((0.36, 0, 0.78), (0.52, 0, 1.02), (-0.46, 0, 0.74), (-0.64, 0, 0.95))
    return assemble("dog", parts, joints, LIMBS["dog"].legs, lift=0.08)


def cat() -> Species:
    torso = [
        (-0.44, 0, 0.54, 0.09, 0.10, BODY),
        (-0.32, 0, 0.56, 0.13, 0.14, BODY),
        (0.0, 0, 0.53, 0.125, 0.135, BODY),
        (0.24, 0, 0.55, 0.12, 0.15, BODY),
        (0.36, 0, 0.60, 0.09, 0.11, BODY),
    ]
    neck = [(0.28, 0, 0.60, 0.09, 0.12, BODY), (0.40, 0, 0.71, 0.085, 0.10, NECK), (0.46, 0, 0.79, 0.08, 0.09, HEAD)]
    tail = [
        (-0.44, 0, 0.58, 0.045, 0.045, TAIL),
        (-0.60, 0, 0.66, 0.045, 0.045, TAIL),
        (-0.70, 0, 0.88, 0.045, 0.045, TAIL_TIP),
        (-0.66, 0, 1.10, 0.045, 0.045, TAIL_TIP),
        (-0.56, 0, 1.18, 0.03, 0.03, TAIL_TIP),
    ]
    parts = [
        loft(torso, COAT, segments=12),
        loft(neck, COAT),
        ellipsoid((0.50, 0, 0.85), (0.155, 0.17, 0.145), COAT, HEAD, segments=12),
        both_sides(ellipsoid((0.63, 0.04, 0.81), (0.05, 0.055, 0.045), PALE, HEAD, segments=7)),
        ellipsoid((0.675, 0, 0.84), (0.02, 0.025, 0.02), MOUTH, HEAD, segments=6),
        both_sides(cone((0.47, 0.10, 0.95), (0.46, 0.14, 1.15), 0.075, COAT, HEAD)),
        both_sides(cone((0.495, 0.10, 0.965), (0.475, 0.135, 1.11), 0.045, MOUTH, HEAD)),
        both_sides(ellipsoid((0.62, 0.085, 0.90), (0.025, 0.045, 0.045), ACCENT, HEAD, segments=7, yaw_deg=25)),
        both_sides(eye(0.64, 0.088, 0.90, 0.026)),
        loft(tail, COAT, segments=8),
        *LIMBS["cat"].meshes(),
    ]
    joints = nodding_joints((0.30, 0, 0.62), (0.44, 0, 0.77), (-0.44, 0, 0.58), (-0.66, 0, 0.76), nod_deg=4.0)
    return assemble("cat", parts, joints, LIMBS["cat"].legs, lift=0.07)


def sheep() -> Species:
    curls = [
        ellipsoid((x, y, z), (r, r, 0.9 * r), COAT, BODY, segments=8)
        for x, y, z, r in (
            (-0.46, 0.0, 0.86, 0.20),
            (-0.24, 0.0, 1.00, 0.22),
            (0.04, 0.0, 1.02, 0.22),
            (0.30, 0.0, 0.98, 0.20),
        )
    ]
    sides = [
        ellipsoid((x, 0.24, z), (0.18, 0.13, 0.17), COAT, BODY, segments=8)
        for x, z in ((-0.40, 0.80), (-0.15, 0.90), (-0.12, 0.66), (0.12, 0.90), (0.14, 0.66), (0.34, 0.80))
    ]
    head = [
        (0.52, 0, 1.03, 0.10, 0.115, HEAD),
        (0.64, 0, 1.00, 0.105, 0.12, HEAD),
        (0.78, 0, 0.90, 0.075, 0.085, HEAD),
        (0.86, 0, 0.83, 0.06, 0.06, HEAD),
    ]
    ear = [
        (0.58, 0.10, 1.06, 0.03, 0.04, HEAD),
        (0.56, 0.22, 1.02, 0.05, 0.06, HEAD),
        (0.55, 0.30, 0.97, 0.02, 0.02, HEAD),
    ]
    parts = [
        ellipsoid((-0.04, 0, 0.80), (0.54, 0.30, 0.30), COAT, BODY, segments=14),
        *curls,
        *(both_sides(side) for side in sides),
        loft([(0.34, 0, 0.88, 0.16, 0.18, BODY), (0.55, 0, 1.0, 0.12, 0.14, NECK)], COAT),
        ellipsoid((0.53, 0, 1.13), (0.13, 0.12, 0.09), COAT, HEAD, segments=8),
        loft(head, DARK, segments=10),
        both_sides(loft(ear, DARK, segments=6)),
        both_sides(ellipsoid((0.68, 0.085, 1.03), (0.03, 0.03, 0.04), WHITE, HEAD, segments=6)),
        both_sides(eye(0.695, 0.098, 1.03, 0.022)),
        ellipsoid((-0.60, 0, 0.82), (0.09, 0.08, 0.12), COAT, TAIL, segments=8),
        *LIMBS["sheep"].meshes(),
    ]
    joints = nodding_joints((0.38, 0, 0.9), (0.54, 0, 1.02), (-0.55, 0, 0.86), (-0.6, 0, 0.8))
    return assemble("sheep", parts, joints, LIMBS["sheep"].legs, lift=0.08)


def bear() -> Species:
    torso = [
        (-0.76, 0, 0.86, 0.22, 0.24, BODY),
        (-0.56, 0, 0.90, 0.36, 0.37, BODY),
        (-0.10, 0, 0.92, 0.38, 0.40, BODY),
        (0.30, 0, 0.98, 0.36, 0.40, BODY),
        (0.58, 0, 1.02, 0.24, 0.28, BODY),
    ]
    neck = [
        (0.48, 0, 1.04, 0.25, 0.28, BODY),
        (0.70, 0, 1.14, 0.20, 0.22, NECK),
        (0.84, 0, 1.20, 0.18, 0.20, HEAD),
    ]
    parts = [
        loft(torso, COAT, segments=14),
        loft(neck, COAT, segments=12),
        ellipsoid((0.90, 0, 1.24), (0.23, 0.24, 0.23), COAT, HEAD, segments=14),
        loft([(1.02, 0, 1.19, 0.13, 0.12, HEAD), (1.22, 0, 1.15, 0.085, 0.08, HEAD)], PALE, steps=2),
        ellipsoid((1.29, 0, 1.19), (0.05, 0.06, 0.045), EYE, HEAD, segments=7),
        both_sides(ellipsoid((0.84, 0.19, 1.46), (0.05, 0.09, 0.09), COAT, HEAD, segments=9)),
        both_sides(ellipsoid((0.88, 0.19, 1.455), (0.03, 0.055, 0.055), PALE, HEAD, segments=8)),
        both_sides(eye(1.08, 0.115, 1.33, 0.038)),
        ellipsoid((-0.82, 0, 0.98), (0.10, 0.09, 0.09), COAT, TAIL, segments=8),
        *LIMBS["bear"].meshes(),
    ]
    joints = nodding_joints((0.55, 0, 1.05), (0.82, 0, 1.18), (-0.78, 0, 0.98), (-0.85, 0, 0.98), nod_deg=5.0)
    return assemble("bear", parts, joints, LIMBS["bear"].legs, lift=0.08)

"""The people: man, woman, child and robot. Metres in the rest pose (facing +x, arms down, feet on z = 0)."""

from syncam.render.meshes import Mesh, box, ellipsoid, loft, merge
from syncam.render.skeleton import (
    ACCENT,
    BODY,
    CHEST,
    CLOTH,
    COAT,
    DARK,
    EYE,
    HAIR,
    HEAD,
    MOUTH,
    PALE,
    SHADE,
    SHOES,
    SKIN,
    TROUSERS,
    WHITE,
    Joint,
    Leg,
    Species,
    arm_bone,
    assemble,
    both_sides,
    leg_bone,
)


def man() -> Species:
    leg = Leg((0.0, 0.11, 0.90), (0.02, 0.11, 0.49), (-0.01, 0.11, 0.09), True)
    arm = ((0.0, 0.25, 1.40), (-0.01, 0.28, 1.13), (0.02, 0.29, 0.88))
    torso = [
        (0.0, 0, 0.88, 0.18, 0.125, BODY),
        (0.0, 0, 1.02, 0.17, 0.12, BODY),
        (0.0, 0, 1.22, 0.205, 0.13, CHEST),
        (0.0, 0, 1.38, 0.215, 0.12, CHEST),
        (0.0, 0, 1.46, 0.12, 0.08, CHEST),
    ]
    parts = [
        loft(torso, CLOTH, segments=12),
        ellipsoid((0.0, 0, 0.89), (0.135, 0.19, 0.11), TROUSERS, BODY, segments=12),
        *_head(0.02, 1.68, 0.135, short_hair=True),
        loft([(0.0, 0, 1.42, 0.06, 0.06, CHEST), (0.01, 0, 1.56, 0.055, 0.055, HEAD)], SKIN, segments=8, steps=1),
        both_sides(_arm(arm, 0.066, CLOTH, CLOTH)),
        both_sides(_leg(leg, 0.10, TROUSERS, TROUSERS)),
    ]
    return assemble("man", parts, _joints(arm, 1.02, 1.50), (leg,), lift=0.09, family="person")


def woman() -> Species:
    leg = Leg((0.0, 0.09, 0.86), (0.02, 0.09, 0.47), (-0.01, 0.09, 0.08), True)
    arm = ((0.0, 0.205, 1.33), (-0.01, 0.235, 1.08), (0.02, 0.25, 0.84))
    dress = [
        (0.0, 0, 0.46, 0.29, 0.27, BODY),
        (0.0, 0, 0.66, 0.25, 0.225, BODY),
        (0.0, 0, 0.88, 0.19, 0.15, BODY),
        (0.0, 0, 1.04, 0.135, 0.105, BODY),
        (0.0, 0, 1.20, 0.165, 0.125, CHEST),
        (0.0, 0, 1.32, 0.165, 0.105, CHEST),
        (0.0, 0, 1.39, 0.09, 0.07, CHEST),
    ]
    mane = [
        (-0.05, 0, 1.70, 0.12, 0.09, HEAD),
        (-0.10, 0, 1.52, 0.135, 0.065, HEAD),
        (-0.13, 0, 1.32, 0.12, 0.05, CHEST),
        (-0.13, 0, 1.18, 0.07, 0.03, CHEST),
    ]
    parts = [
        loft(dress, CLOTH, segments=14, caps=0.05),
        *_head(0.02, 1.60, 0.13, short_hair=False),
        loft(mane, HAIR, segments=10),
        loft([(0.0, 0, 1.34, 0.05, 0.05, CHEST), (0.01, 0, 1.49, 0.045, 0.045, HEAD)], SKIN, segments=8, steps=1),
        both_sides(_arm(arm, 0.052, CLOTH, SKIN)),
        both_sides(_leg(leg, 0.075, SKIN, SKIN)),
    ]
    return assemble("woman", parts, _joints(arm, 1.02, 1.44), (leg,), lift=0.08, family="person")


def child() -> Species:
    leg = Leg((0.0, 0.085, 0.56), (0.015, 0.085, 0.32), (-0.005, 0.085, 0.075), True)
    arm = ((0.0, 0.185, 0.90), (-0.01, 0.215, 0.73), (0.015, 0.225, 0.57))
    torso = [
        (0.0, 0, 0.56, 0.145, 0.115, BODY),
        (0.0, 0, 0.66, 0.145, 0.12, BODY),
        (0.0, 0, 0.80, 0.155, 0.115, CHEST),
        (0.0, 0, 0.90, 0.15, 0.095, CHEST),
        (0.0, 0, 0.96, 0.08, 0.06, CHEST),
    ]
    parts = [
        loft(torso, CLOTH, segments=12),
        ellipsoid((0.0, 0, 0.56), (0.125, 0.15, 0.10), TROUSERS, BODY, segments=10),
        *_head(0.02, 1.14, 0.15, short_hair=True),
        # a cap with a peak
        ellipsoid((-0.005, 0, 1.225), (0.165, 0.16, 0.115), CLOTH, HEAD, segments=12),
        ellipsoid((0.17, 0, 1.215), (0.13, 0.115, 0.018), CLOTH, HEAD, segments=9, pitch_deg=8),
        loft([(0.0, 0, 0.93, 0.045, 0.045, CHEST), (0.0, 0, 1.02, 0.045, 0.045, HEAD)], SKIN, segments=8, steps=1),
        both_sides(_arm(arm, 0.05, CLOTH, SKIN)),
        both_sides(_leg(leg, 0.075, TROUSERS, SKIN)),
    ]
    return assemble("child", parts, _joints(arm, 0.66, 0.98), (leg,), lift=0.07, family="person")


def robot() -> Species:
    leg = Leg((0.0, 0.14, 0.74), (0.02, 0.14, 0.42), (-0.01, 0.14, 0.10), True)
    arm = ((0.0, 0.36, 1.24), (-0.01, 0.37, 0.98), (0.02, 0.37, 0.74))
    upper, lower, hand = (arm_bone(0, k) for k in range(3))
    thigh, shin, foot = (leg_bone(0, k) for k in range(3))
    limb = [
        loft([(*arm[0], 0.07, 0.07, upper), (*arm[1], 0.06, 0.06, upper)], SHADE, segments=8, steps=1),
        loft([(*arm[1], 0.08, 0.08, lower), (*arm[2], 0.075, 0.075, lower)], COAT, segments=8, steps=1),
        ellipsoid(arm[0], (0.10, 0.10, 0.10), COAT, upper, segments=8),
        box((arm[2][0] + 0.03, arm[2][1] + 0.05, arm[2][2] - 0.09), (0.07, 0.04, 0.14), DARK, hand),
        box((arm[2][0] + 0.03, arm[2][1] - 0.05, arm[2][2] - 0.09), (0.07, 0.04, 0.14), DARK, hand),
        ellipsoid(arm[2], (0.08, 0.08, 0.06), DARK, hand, segments=8),
        loft([(*leg.hip, 0.085, 0.085, thigh), (*leg.knee, 0.075, 0.075, thigh)], SHADE, segments=8, steps=1),
        loft([(*leg.knee, 0.10, 0.10, shin), (*leg.ankle, 0.11, 0.11, shin)], COAT, segments=8, steps=1),
        box((0.05, leg.ankle[1], 0.06), (0.34, 0.20, 0.12), DARK, foot),
    ]
    parts = [
        box((0.0, 0, 1.06), (0.36, 0.54, 0.48), COAT, CHEST),
        box((0.185, 0, 1.10), (0.02, 0.34, 0.24), PALE, CHEST),
        both_sides(ellipsoid((0.20, 0.08, 1.15), (0.025, 0.04, 0.04), MOUTH, CHEST, segments=7)),
        box((0.0, 0, 0.77), (0.28, 0.40, 0.14), DARK, BODY),
        loft([(0, 0, 1.28, 0.08, 0.08, CHEST), (0, 0, 1.40, 0.08, 0.08, HEAD)], DARK, segments=8, steps=1),
        box((0.02, 0, 1.54), (0.34, 0.40, 0.30), COAT, HEAD),
        box((0.195, 0, 1.565), (0.02, 0.33, 0.14), EYE, HEAD),
        both_sides(ellipsoid((0.205, 0.085, 1.565), (0.03, 0.05, 0.05), ACCENT, HEAD, segments=8)),
        box((0.195, 0, 1.45), (0.02, 0.20, 0.035), DARK, HEAD),
        both_sides(box((0.02, 0.215, 1.54), (0.12, 0.04, 0.12), DARK, HEAD)),
        loft([(0, 0, 1.68, 0.02, 0.02, HEAD), (0, 0, 1.86, 0.015, 0.015, HEAD)], DARK, segments=6, steps=1),
        ellipsoid((0, 0, 1.88), (0.045, 0.045, 0.045), MOUTH, HEAD, segments=8),
        both_sides(merge(limb)),
    ]
    return assemble("robot", parts, _joints(arm, 0.84, 1.34), (leg,), lift=0.08, family="person", foot_pitch_deg=16.0)


def _head(x: float, z: float, radius: float, *, short_hair: bool) -> list[Mesh]:
    """Head, face and hair about a centre; radius is half the head's depth."""
    r = radius
    hair = (
        ellipsoid((x - 0.22 * r, 0, z + 0.30 * r), (1.00 * r, 0.98 * r, 0.95 * r), HAIR, HEAD, segments=12)
        if short_hair
        else ellipsoid((x - 0.26 * r, 0, z + 0.24 * r), (1.05 * r, 1.08 * r, 1.06 * r), HAIR, HEAD, segments=12)
    )
    face = [
        ellipsoid((x + 0.80 * r, 0.34 * r, z + 0.12 * r), (0.14 * r, 0.22 * r, 0.22 * r), WHITE, HEAD, segments=8),
        ellipsoid((x + 0.92 * r, 0.34 * r, z + 0.10 * r), (0.08 * r, 0.13 * r, 0.16 * r), EYE, HEAD, segments=7),
        ellipsoid((x - 0.05 * r, 0.92 * r, z), (0.16 * r, 0.12 * r, 0.24 * r), SKIN, HEAD, segments=7),
    ]
    return [
        ellipsoid((x, 0, z), (r, 0.9 * r, 1.12 * r), SKIN, HEAD, segments=14),
        hair,
        *(both_sides(part) for part in face),
        ellipsoid((x + 1.0 * r, 0, z - 0.14 * r), (0.16 * r, 0.12 * r, 0.16 * r), SKIN, HEAD, segments=7),
        ellipsoid((x + 0.84 * r, 0, z - 0.52 * r), (0.10 * r, 0.32 * r, 0.08 * r), MOUTH, HEAD, segments=8),
    ]


def _arm(arm: tuple, radius: float, upper_material: int, lower_material: int) -> Mesh:
    """A left arm through shoulder, elbow and wrist, with its hand."""
    shoulder, elbow, wrist = arm
    upper, lower, hand = (arm_bone(0, k) for k in range(3))
    r = radius
    return merge(
        [
            loft([(*shoulder, 1.15 * r, 1.15 * r, upper), (*elbow, r, r, upper)], upper_material, segments=9, caps=0.8),
            loft([(*elbow, r, r, lower), (*wrist, 0.75 * r, 0.75 * r, lower)], lower_material, segments=9, caps=0.8),
            ellipsoid((wrist[0], wrist[1], wrist[2] - r), (0.95 * r, 0.75 * r, 1.4 * r), SKIN, hand, segments=8),
        ]
    )


def _leg(leg: Leg, radius: float, upper_material: int, lower_material: int) -> Mesh:
    """A left leg through hip, knee and ankle, with its shoe."""
    upper, lower, foot = (leg_bone(0, k) for k in range(3))
    r = radius
    x, y, z = leg.ankle
    shoe = [
        (x - 0.08, y, 0.55 * z, 0.6 * r, 0.50 * z, foot),
        (x + 0.02, y, 0.55 * z, 0.68 * r, 0.55 * z, foot),
        (x + 0.18, y, 0.40 * z, 0.70 * r, 0.40 * z, foot),
    ]
    return merge(
        [
            loft([(*leg.hip, 1.1 * r, 1.2 * r, upper), (*leg.knee, 0.8 * r, 0.8 * r, upper)], upper_material, caps=0.8),
            loft([(*leg.knee, 0.78 * r, 0.8 * r, lower), (*leg.ankle, 0.58 * r, 0.6 * r, lower)], lower_material),
            loft(shoe, SHOES, segments=9, steps=2, caps=0.6),
        ]
    )


def _joints(arm: tuple, waist: float, throat: float) -> tuple[Joint, ...]:
    """Waist, neck and arms; what moves them is the action (actions.py)."""
    shoulder, elbow, wrist = arm
    joints = [Joint(CHEST, BODY, (0.0, 0.0, waist)), Joint(HEAD, CHEST, (0.0, 0.0, throat))]
    for side, sign in ((0, 1), (1, -1)):
        pivots = [(x, sign * y, z) for x, y, z in (shoulder, elbow, wrist)]
        joints += [
            Joint(arm_bone(side, 0), CHEST, pivots[0]),
            Joint(arm_bone(side, 1), arm_bone(side, 0), pivots[1]),
            Joint(arm_bone(side, 2), arm_bone(side, 1), pivots[2]),
        ]
    return tuple(joints)

"""The legs of all animals: where their joints are, how thick they are, and what they stand on."""

from dataclasses import dataclass

from syncam.render.meshes import Mesh, loft, merge
from syncam.render.skeleton import BEAK, COAT, DARK, PALE, SHADE, Leg, both_sides, leg_bone, leg_mesh


@dataclass(frozen=True)
class Limbs:
    """Left legs, and what `leg_mesh` is told of them; the right ones are their mirror images."""

    legs: tuple[Leg, ...]
    """(front, hind), or one of a biped."""
    widths: tuple[tuple[float, ...], ...]
    """Of each leg."""
    material: int = COAT
    hoof: int = DARK
    hoof_flare: float = 1.25
    toe: float = 0.02
    toes: tuple[float, float] | None = None
    """Length and half-width in metres of a bird's toes, of the hoof's material; wide ones are webbed: a single one."""

    def meshes(self) -> list[Mesh]:
        """The legs, both sides of each, and the toes."""
        found = [
            leg_mesh(leg, widths, material=self.material, hoof=self.hoof, hoof_flare=self.hoof_flare, toe=self.toe)
            for leg, widths in zip(self.legs, self.widths, strict=True)
        ]
        if self.toes is not None:
            found.append(_toes(self.legs[0], self.toes[0], self.hoof, self.toes[1]))
        return [both_sides(part) for part in found]


def _toes(leg: Leg, length: float, material: int, width: float) -> Mesh:
    """The left foot's toes: one spread foot when wide, else three toes."""
    x, y, _ = leg.ankle
    foot = leg_bone(0, 2)
    spread = (0.0,) if width > 0.05 else (-0.4, 0.0, 0.4)
    return merge(
        [
            loft(
                [
                    (x - 0.04, y, 0.03, 0.4 * width + 0.012, 0.026, foot),
                    (x + length, y + angle * length, 0.018, width, 0.014, foot),
                ],
                material,
                segments=7,
                steps=1,
                caps=0.3,
            )
            for angle in spread
        ]
    )


LIMBS: dict[str, Limbs] = {
    "horse": Limbs(
        (
            Leg((0.42, 0.13, 0.98), (0.47, 0.13, 0.51), (0.42, 0.13, 0.10), True),
            Leg((-0.46, 0.14, 1.04), (-0.60, 0.14, 0.54), (-0.51, 0.14, 0.10), False),
        ),
        ((0.11, 0.16, 0.075, 0.058, 0.042, 0.048), (0.13, 0.22, 0.105, 0.062, 0.045, 0.048)),
    ),
    "elephant": Limbs(
        (
            Leg((0.38, 0.25, 0.90), (0.43, 0.25, 0.48), (0.38, 0.25, 0.12), True),
            Leg((-0.55, 0.24, 0.88), (-0.48, 0.24, 0.48), (-0.55, 0.24, 0.12), False),
        ),
        ((0.17, 0.20, 0.145, 0.125, 0.12, 0.125), (0.18, 0.25, 0.155, 0.125, 0.12, 0.125)),
        hoof=SHADE,
        hoof_flare=1.1,
    ),
    "giraffe": Limbs(
        (
            Leg((0.26, 0.11, 1.00), (0.31, 0.11, 0.50), (0.26, 0.11, 0.09), True),
            Leg((-0.36, 0.12, 0.92), (-0.46, 0.12, 0.48), (-0.38, 0.12, 0.09), False),
        ),
        ((0.09, 0.14, 0.062, 0.05, 0.037, 0.042), (0.10, 0.17, 0.08, 0.052, 0.038, 0.042)),
    ),
    "deer": Limbs(
        (
            Leg((0.34, 0.10, 0.84), (0.38, 0.10, 0.44), (0.34, 0.10, 0.08), True),
            Leg((-0.40, 0.11, 0.88), (-0.53, 0.11, 0.46), (-0.44, 0.11, 0.08), False),
        ),
        ((0.08, 0.12, 0.052, 0.042, 0.032, 0.036), (0.10, 0.17, 0.075, 0.046, 0.034, 0.036)),
    ),
    "bull": Limbs(
        (
            Leg((0.46, 0.20, 0.72), (0.51, 0.20, 0.39), (0.46, 0.20, 0.09), True),
            Leg((-0.58, 0.19, 0.76), (-0.68, 0.19, 0.42), (-0.60, 0.19, 0.09), False),
        ),
        ((0.14, 0.19, 0.105, 0.08, 0.062, 0.07), (0.15, 0.25, 0.13, 0.082, 0.064, 0.07)),
    ),
    "pig": Limbs(
        (
            Leg((0.38, 0.19, 0.52), (0.42, 0.19, 0.28), (0.38, 0.19, 0.08), True),
            Leg((-0.50, 0.19, 0.54), (-0.58, 0.19, 0.30), (-0.51, 0.19, 0.08), False),
        ),
        ((0.13, 0.16, 0.10, 0.082, 0.07, 0.072), (0.15, 0.20, 0.12, 0.084, 0.07, 0.072)),
    ),
    "camel": Limbs(
        (
            Leg((0.36, 0.14, 0.98), (0.41, 0.14, 0.52), (0.36, 0.14, 0.09), True),
            Leg((-0.48, 0.14, 1.00), (-0.60, 0.14, 0.54), (-0.51, 0.14, 0.09), False),
        ),
        ((0.10, 0.15, 0.068, 0.062, 0.045, 0.05), (0.12, 0.20, 0.09, 0.064, 0.047, 0.05)),
        hoof_flare=1.5,
    ),
    "ostrich": Limbs(
        (Leg((0.0, 0.13, 1.02), (-0.12, 0.13, 0.54), (0.02, 0.13, 0.07), True),),
        ((0.11, 0.15, 0.085, 0.05, 0.036, 0.04),),
        hoof=PALE,
    ),
    "dog": Limbs(
        (
            Leg((0.30, 0.12, 0.56), (0.33, 0.12, 0.31), (0.30, 0.12, 0.08), True),
            Leg((-0.36, 0.12, 0.58), (-0.46, 0.12, 0.33), (-0.39, 0.12, 0.08), False),
        ),
        ((0.10, 0.13, 0.072, 0.060, 0.050, 0.055), (0.11, 0.17, 0.09, 0.060, 0.050, 0.055)),
        hoof=SHADE,
        hoof_flare=1.2,
    ),
    "cat": Limbs(
        (
            Leg((0.26, 0.10, 0.46), (0.29, 0.10, 0.25), (0.26, 0.10, 0.06), True),
            Leg((-0.32, 0.10, 0.48), (-0.42, 0.10, 0.27), (-0.35, 0.10, 0.06), False),
        ),
        ((0.08, 0.10, 0.06, 0.05, 0.044, 0.048), (0.10, 0.15, 0.08, 0.052, 0.044, 0.048)),
        hoof=SHADE,
        hoof_flare=1.15,
    ),
    "sheep": Limbs(
        (
            Leg((0.30, 0.15, 0.52), (0.33, 0.15, 0.29), (0.30, 0.15, 0.08), True),
            Leg((-0.34, 0.15, 0.54), (-0.42, 0.15, 0.31), (-0.36, 0.15, 0.08), False),
        ),
        ((0.09, 0.10, 0.06, 0.05, 0.042, 0.048), (0.10, 0.13, 0.07, 0.052, 0.044, 0.048)),
        material=DARK,
    ),
    "bear": Limbs(
        (
            Leg((0.44, 0.22, 0.72), (0.49, 0.22, 0.40), (0.44, 0.22, 0.10), True),
            Leg((-0.50, 0.22, 0.70), (-0.42, 0.22, 0.40), (-0.50, 0.22, 0.10), False),
        ),
        ((0.17, 0.20, 0.145, 0.125, 0.115, 0.12), (0.18, 0.24, 0.16, 0.125, 0.115, 0.12)),
        hoof=SHADE,
        hoof_flare=1.1,
        toe=0.015,
    ),
    "chicken": Limbs(
        (Leg((-0.02, 0.13, 0.46), (-0.06, 0.13, 0.26), (0.0, 0.13, 0.06), True),),
        ((0.10, 0.12, 0.07, 0.036, 0.026, 0.028),),
        material=BEAK,
        hoof=BEAK,
        toes=(0.20, 0.03),
    ),
    "duck": Limbs(
        (Leg((-0.05, 0.14, 0.36), (-0.09, 0.14, 0.21), (-0.03, 0.14, 0.06), True),),
        ((0.09, 0.10, 0.06, 0.040, 0.032, 0.034),),
        material=BEAK,
        hoof=BEAK,
        toes=(0.24, 0.10),
    ),
    "flamingo": Limbs(
        (Leg((-0.04, 0.10, 0.98), (-0.10, 0.10, 0.54), (-0.02, 0.10, 0.06), True),),
        ((0.07, 0.08, 0.045, 0.032, 0.024, 0.026),),
        material=SHADE,
        hoof=SHADE,
        toes=(0.20, 0.03),
    ),
    "penguin": Limbs(
        (Leg((-0.02, 0.13, 0.34), (0.02, 0.13, 0.19), (-0.02, 0.13, 0.06), True),),
        ((0.11, 0.12, 0.09, 0.07, 0.06, 0.06),),
        material=COAT,
        hoof=BEAK,
        toes=(0.24, 0.09),
    ),
}
"""Species -> its legs."""

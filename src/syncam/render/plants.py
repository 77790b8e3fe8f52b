"""Plants and other things of nature. Metres, standing on z = 0."""

import numpy as np

from syncam.render.meshes import Mesh, cone, ellipsoid, loft, merge

# Palette rows of a prop: its main colour, a second one, a third, a fourth.
MAIN, SECOND, THIRD, FOURTH = range(4)


def conifer() -> Mesh:
    return merge(
        [
            loft([(0, 0, 0, 0.13, 0.13, 0), (0, 0, 1.0, 0.10, 0.10, 0)], SECOND, segments=7, steps=1, caps=0),
            cone((0, 0, 0.6), (0, 0, 2.1), 1.0, MAIN, 0, segments=10),
            cone((0, 0, 1.4), (0, 0, 2.9), 0.78, THIRD, 0, segments=10),
            cone((0, 0, 2.2), (0, 0, 3.6), 0.52, MAIN, 0, segments=10),
        ]
    )


def tree() -> Mesh:
    return merge(
        [
            loft([(0, 0, 0, 0.17, 0.17, 0), (0, 0, 1.5, 0.12, 0.12, 0)], SECOND, segments=7, steps=1, caps=0),
            ellipsoid((0, 0, 2.2), (1.15, 1.15, 0.95), MAIN, 0, segments=12),
            ellipsoid((0.1, 0.1, 2.75), (0.8, 0.8, 0.7), THIRD, 0, segments=10),
        ]
    )


def rock() -> Mesh:
    ball = ellipsoid((0, 0, 0.22), (0.6, 0.48, 0.38), MAIN, 0, segments=9)
    lump = 1 + 0.10 * np.sin(7 * ball.position[:, :1] + 2) * np.cos(6 * ball.position[:, 1:2])
    main = Mesh(ball.position * lump, ball.normal, ball.bones, ball.blend, ball.material, ball.triangles)
    return merge([main, ellipsoid((0.42, -0.22, 0.1), (0.26, 0.24, 0.2), SECOND, 0, segments=8)])


def bush() -> Mesh:
    return merge(
        [
            ellipsoid((0, 0, 0.38), (0.55, 0.5, 0.45), MAIN, 0, segments=10),
            ellipsoid((0.35, 0.12, 0.26), (0.36, 0.36, 0.32), SECOND, 0, segments=9),
            ellipsoid((-0.32, -0.14, 0.28), (0.36, 0.34, 0.33), THIRD, 0, segments=9),
        ]
    )


def palm_tree() -> Mesh:
    trunk = [
        (0.0, 0, 0.0, 0.16, 0.16, 0),
        (0.12, 0, 1.2, 0.12, 0.12, 0),
        (0.34, 0, 2.4, 0.10, 0.10, 0),
        (0.62, 0, 3.4, 0.09, 0.09, 0),
    ]
    leaves = []
    for k in range(8):
        angle = 2 * np.pi * k / 8
        out = np.array([np.cos(angle), np.sin(angle)])
        rings = [
            (0.62 + 0.1 * out[0], 0.1 * out[1], 3.42, 0.05, 0.03, 0),
            (0.62 + 0.7 * out[0], 0.7 * out[1], 3.62, 0.17, 0.03, 0),
            (0.62 + 1.3 * out[0], 1.3 * out[1], 3.30, 0.13, 0.03, 0),
            (0.62 + 1.6 * out[0], 1.6 * out[1], 2.80, 0.03, 0.02, 0),
        ]
        leaves.append(loft(rings, MAIN if k % 2 else THIRD, segments=6, steps=1, caps=0))
    nuts = [
        ellipsoid((0.62 + x, y, 3.26), (0.11, 0.11, 0.13), SECOND, 0, segments=6)
        for x, y in ((0.1, 0.08), (-0.1, -0.06))
    ]
    return merge([loft(trunk, SECOND, segments=8), *leaves, *nuts])


def cactus() -> Mesh:
    def arm(sign: float, low: float, reach: float) -> Mesh:
        rings = [
            (0, 0.1 * sign, low, 0.11, 0.11, 0),
            (0, reach * sign, low + 0.06, 0.13, 0.13, 0),
            (0, (reach + 0.08) * sign, low + 0.35, 0.13, 0.13, 0),
            (0, (reach + 0.06) * sign, low + 0.8, 0.11, 0.11, 0),
        ]
        return loft(rings, MAIN, segments=9)

    stem = loft([(0, 0, 0, 0.21, 0.21, 0), (0, 0, 1.2, 0.23, 0.23, 0), (0, 0, 2.3, 0.17, 0.17, 0)], MAIN, segments=10)
    return merge(
        [stem, arm(1, 0.9, 0.45), arm(-1, 1.2, 0.4), ellipsoid((0, 0, 2.45), (0.1, 0.1, 0.09), THIRD, 0, segments=7)]
    )


def stump() -> Mesh:
    return merge(
        [
            loft(
                [(0, 0, 0, 0.42, 0.42, 0), (0, 0, 0.25, 0.33, 0.33, 0), (0, 0, 0.5, 0.32, 0.32, 0)],
                SECOND,
                steps=1,
                caps=0,
            ),
            ellipsoid((0, 0, 0.5), (0.31, 0.31, 0.025), MAIN, 0, segments=10),
            ellipsoid((0, 0, 0.51), (0.15, 0.15, 0.025), THIRD, 0, segments=8),
        ]
    )


def mushroom() -> Mesh:
    """A toadstool; as large as a child, as those of fairy tales."""
    dots = [
        ellipsoid((0.30 * np.cos(a), 0.30 * np.sin(a), 0.72 + h), (0.07, 0.07, 0.04), THIRD, 0, segments=6)
        for a, h in ((0.3, 0.03), (1.9, 0.03), (3.4, 0.03), (4.9, 0.03))
    ]
    return merge(
        [
            loft([(0, 0, 0, 0.16, 0.16, 0), (0, 0, 0.5, 0.11, 0.11, 0)], SECOND, segments=8, steps=1, caps=0),
            ellipsoid((0, 0, 0.55), (0.46, 0.46, 0.26), MAIN, 0, segments=12),
            ellipsoid((0, 0, 0.82), (0.08, 0.08, 0.03), THIRD, 0, segments=6),
            *dots,
        ]
    )


def flower_bed() -> Mesh:
    parts = [ellipsoid((0, 0, 0.0), (0.95, 0.65, 0.12), SECOND, 0, segments=12)]
    random = np.random.Generator(np.random.PCG64(11))
    for k in range(16):
        x, y = random.uniform(-0.7, 0.7), random.uniform(-0.42, 0.42)
        z = random.uniform(0.22, 0.42)
        parts += [
            loft([(x, y, 0.0, 0.02, 0.02, 0), (x, y, z, 0.02, 0.02, 0)], THIRD, segments=4, steps=1, caps=0),
            ellipsoid((x, y, z), (0.11, 0.11, 0.08), MAIN if k % 3 else FOURTH, 0, segments=6),
        ]
    return merge(parts)


def boulder() -> Mesh:
    ball = ellipsoid((0, 0, 0.45), (0.95, 0.8, 0.85), MAIN, 0, segments=12)
    p = ball.position
    lump = 1 + 0.13 * np.sin(3.1 * p[:, :1] + 1) * np.cos(2.7 * p[:, 1:2]) + 0.07 * np.sin(6 * p[:, 2:])
    main = Mesh(p * lump, ball.normal, ball.bones, ball.blend, ball.material, ball.triangles)
    return merge([main, ellipsoid((0.75, 0.45, 0.12), (0.4, 0.36, 0.32), SECOND, 0, segments=8)])


def haystack() -> Mesh:
    rings = [
        (0, 0, 0.0, 0.95, 0.95, 0),
        (0, 0, 0.5, 1.02, 1.02, 0),
        (0, 0, 1.0, 0.78, 0.78, 0),
        (0, 0, 1.5, 0.32, 0.32, 0),
    ]
    bands = [
        loft([(0, 0, z, r, r, 0), (0, 0, z + 0.07, r, r, 0)], SECOND, segments=12, steps=1, caps=0)
        for z, r in ((0.33, 1.03), (0.85, 0.93))
    ]
    return merge([loft(rings, MAIN, segments=12), *bands])


def snowman() -> Mesh:
    return merge(
        [
            ellipsoid((0, 0, 0.42), (0.52, 0.52, 0.46), MAIN, 0, segments=12),
            ellipsoid((0, 0, 1.08), (0.38, 0.38, 0.36), MAIN, 0, segments=12),
            ellipsoid((0, 0, 1.62), (0.27, 0.27, 0.27), MAIN, 0, segments=12),
            cone((0.22, 0, 1.62), (0.58, 0, 1.58), 0.06, THIRD, 0),
            *(ellipsoid((0.23, y, 1.71), (0.04, 0.04, 0.04), SECOND, 0, segments=6) for y in (-0.1, 0.1)),
            *(ellipsoid((0.37, 0, z), (0.045, 0.045, 0.045), SECOND, 0, segments=6) for z in (1.0, 1.18)),
            loft([(0, 0, 1.82, 0.34, 0.34, 0), (0, 0, 1.86, 0.34, 0.34, 0)], SECOND, segments=10, steps=1, caps=0.05),
            loft([(0, 0, 1.86, 0.2, 0.2, 0), (0, 0, 2.15, 0.19, 0.19, 0)], SECOND, segments=10, steps=1, caps=0.05),
            *(
                loft(
                    [(0, s * 0.3, 1.15, 0.025, 0.025, 0), (0.1, s * 0.85, 1.5, 0.02, 0.02, 0)],
                    FOURTH,
                    segments=5,
                    steps=1,
                )
                for s in (-1, 1)
            ),
        ]
    )

"""The things that stand around: low-detail meshes and their colours."""

from functools import cache

import numpy as np

from syncam.render.meshes import Mesh, box, cone, ellipsoid, loft, merge

# Palette rows of a prop: its main colour, a second one, a third.
_MAIN, _SECOND, _THIRD = range(3)

PALETTES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "conifer": ((0.13, 0.33, 0.19), (0.36, 0.25, 0.17), (0.16, 0.38, 0.22)),
    "tree": ((0.25, 0.45, 0.16), (0.38, 0.27, 0.18), (0.29, 0.50, 0.19)),
    "rock": ((0.50, 0.49, 0.48), (0.44, 0.43, 0.42), (0.55, 0.54, 0.53)),
    "bush": ((0.24, 0.42, 0.16), (0.20, 0.37, 0.14), (0.28, 0.46, 0.18)),
    "crate": ((0.62, 0.45, 0.27), (0.46, 0.32, 0.18), (0.70, 0.52, 0.32)),
    "fence": ((0.66, 0.52, 0.38), (0.56, 0.43, 0.30), (0.70, 0.56, 0.42)),
}
"""Kind -> sRGB palette."""

RADII = {"conifer": 1.0, "tree": 1.2, "rock": 0.65, "bush": 0.7, "crate": 0.65, "fence": 1.25}
"""Kind -> radius in metres of the circle it covers, at scale 1."""


@cache
def prop_mesh(kind: str) -> Mesh:
    """The mesh of a kind of prop, standing on z = 0."""
    return _BUILDERS[kind]()


def _conifer() -> Mesh:
    return merge(
        [
            loft([(0, 0, 0, 0.13, 0.13, 0), (0, 0, 1.0, 0.10, 0.10, 0)], _SECOND, segments=7, steps=1, caps=0),
            cone((0, 0, 0.6), (0, 0, 2.1), 1.0, _MAIN, 0, segments=10),
            cone((0, 0, 1.4), (0, 0, 2.9), 0.78, _THIRD, 0, segments=10),
            cone((0, 0, 2.2), (0, 0, 3.6), 0.52, _MAIN, 0, segments=10),
        ]
    )


def _tree() -> Mesh:
    return merge(
        [
            loft([(0, 0, 0, 0.17, 0.17, 0), (0, 0, 1.5, 0.12, 0.12, 0)], _SECOND, segments=7, steps=1, caps=0),
            ellipsoid((0, 0, 2.2), (1.15, 1.15, 0.95), _MAIN, 0, segments=12),
            ellipsoid((0.1, 0.1, 2.75), (0.8, 0.8, 0.7), _THIRD, 0, segments=10),
        ]
    )


def _rock() -> Mesh:
    ball = ellipsoid((0, 0, 0.22), (0.6, 0.48, 0.38), _MAIN, 0, segments=9)
    lump = 1 + 0.10 * np.sin(7 * ball.position[:, :1] + 2) * np.cos(6 * ball.position[:, 1:2])
    main = Mesh(ball.position * lump, ball.normal, ball.bones, ball.blend, ball.material, ball.triangles)
    return merge([main, ellipsoid((0.42, -0.22, 0.1), (0.26, 0.24, 0.2), _SECOND, 0, segments=8)])


def _bush() -> Mesh:
    return merge(
        [
            ellipsoid((0, 0, 0.38), (0.55, 0.5, 0.45), _MAIN, 0, segments=10),
            ellipsoid((0.35, 0.12, 0.26), (0.36, 0.36, 0.32), _SECOND, 0, segments=9),
            ellipsoid((-0.32, -0.14, 0.28), (0.36, 0.34, 0.33), _THIRD, 0, segments=9),
        ]
    )


def _crate() -> Mesh:
    posts = [box((sx * 0.4, sy * 0.4, 0.4), (0.1, 0.1, 0.84), _SECOND) for sx in (-1, 1) for sy in (-1, 1)]
    rims = [box((0, 0, z), (0.88, 0.88, 0.08), _SECOND) for z in (0.05, 0.78)]
    return merge([box((0, 0, 0.41), (0.8, 0.8, 0.78), _MAIN), *posts, *rims])


def _fence() -> Mesh:
    posts = [box((x, 0, 0.5), (0.12, 0.12, 1.0), _SECOND) for x in (-1.1, 0.0, 1.1)]
    rails = [box((0, 0, z), (2.3, 0.05, 0.14), _MAIN) for z in (0.45, 0.8)]
    return merge([*posts, *rails])


_BUILDERS = {"conifer": _conifer, "tree": _tree, "rock": _rock, "bush": _bush, "crate": _crate, "fence": _fence}

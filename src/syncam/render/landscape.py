"""The scenery of places: hills, mountains, sea, a room, clouds, and what falls from the sky. Metres."""

import numpy as np

from syncam.render.meshes import Mesh, box, ellipsoid, from_triangles, merge

# Palette rows of a prop: its main colour, a second one, a third, and more where a kind has them.
MAIN, SECOND, THIRD, FOURTH = range(4)
FALL_METRES = 7.0
"""Height of the layer of rain and snow that repeats."""
_FALL_HALF_SIDE = 7.0


def mountains() -> Mesh:
    """A ring of peaks; the upper parts are of the second colour."""
    return _ridge(seed=3, distance=62.0, height=(13.0, 27.0), count=30, snow=0.62)


def hills() -> Mesh:
    """A ring of low hills."""
    random = np.random.Generator(np.random.PCG64(4))
    parts = []
    for index in range(16):
        angle = 2 * np.pi * (index + random.uniform(-0.2, 0.2)) / 16
        distance, width = random.uniform(40, 62), random.uniform(12, 20)
        centre = (distance * np.cos(angle), distance * np.sin(angle), -1.0)
        size = (width, width, random.uniform(3.5, 8.0))
        parts.append(ellipsoid(centre, size, MAIN if index % 2 else SECOND, 0, segments=18))
    return merge(parts)


def tree_line() -> Mesh:
    """A ring of trees at the edge of what is seen."""
    random = np.random.Generator(np.random.PCG64(5))
    parts = []
    for index in range(72):
        angle = 2 * np.pi * (index + random.uniform(-0.4, 0.4)) / 72
        distance, size = random.uniform(21, 30), random.uniform(1.8, 3.4)
        x, y = distance * np.cos(angle), distance * np.sin(angle)
        row = (MAIN, SECOND, THIRD)[index % 3]
        parts.append(ellipsoid((x, y, 0.75 * size), (size, size, 1.15 * size), row, 0, segments=8))
    return merge(parts)


def sea() -> Mesh:
    """Water from nine metres along +x to the horizon, and the surf along it."""

    def strip(near: float, far: float, height: float, material: int, phase: float, wave: float = 0.7) -> Mesh:
        along = np.linspace(-300, 300, 301)
        edge = near + wave * np.sin(0.35 * along + phase) + 0.5 * wave * np.sin(0.13 * along)
        first = np.stack([edge, along, np.full(301, height)], -1)
        last = np.stack([np.maximum(far + 0 * along, edge + far - near), along, np.full(301, height)], -1)
        corners = np.concatenate([first, last])
        a = np.arange(300)
        up = np.concatenate([np.stack([a, a + 301, a + 302], -1), np.stack([a, a + 302, a + 1], -1)])
        return from_triangles(corners, up, material)

    return merge(
        [
            strip(10.4, 420.0, 0.012, MAIN, 0.0),
            strip(10.0, 11.4, 0.024, SECOND, 0.0),
            strip(13.5, 14.0, 0.024, THIRD, 1.3),
            strip(18.0, 18.8, 0.024, THIRD, 2.6),
            strip(27.0, 28.2, 0.024, THIRD, 4.0),
        ]
    )


def room() -> Mesh:
    """Walls and ceiling about a floor of 2 x 2, 0.62 high, with windows, a door and pictures; to be scaled."""
    height, thick = 0.62, 0.02
    parts = [box((0, 0, height + 0.5 * thick), (2.1, 2.1, thick), FOURTH)]
    for axis in (0, 1):
        for sign in (-1, 1):

            def piece(along, z, width, tall, depth, material, axis=axis, sign=sign):
                centre, size = [0.0, 0.0, z], [width, width, tall]
                centre[axis], centre[1 - axis] = sign * (1.0 - 0.5 * depth), along
                size[axis] = depth
                return box(centre, size, material)

            parts += [
                piece(0.0, 0.5 * height, 2.1, height, 0.001, MAIN),
                piece(0.0, 0.02, 2.0, 0.04, 0.012, THIRD),
                piece(0.0, 0.225, 2.0, 0.012, 0.012, THIRD),
            ]
            if axis == 0:
                for along in (-0.5, 0.5):
                    parts += [
                        piece(along, 0.38, 0.40, 0.27, 0.012, THIRD),
                        piece(along, 0.38, 0.35, 0.22, 0.016, 4),
                        piece(along, 0.38, 0.35, 0.012, 0.020, THIRD),
                        piece(along, 0.38, 0.012, 0.22, 0.020, THIRD),
                    ]
            else:
                parts += [
                    piece(0.0, 0.20, 0.24, 0.40, 0.012, SECOND),
                    piece(-0.55, 0.38, 0.30, 0.20, 0.012, SECOND),
                    piece(-0.55, 0.38, 0.26, 0.16, 0.016, 5),
                    piece(0.55, 0.38, 0.22, 0.24, 0.012, SECOND),
                    piece(0.55, 0.38, 0.18, 0.20, 0.016, 4),
                ]
    return merge(parts)


def cloud() -> Mesh:
    """A fair-weather cloud, high up; all of it moves."""
    puffs = [
        ellipsoid((x, y, 21 + z), (r, r, 0.55 * r), MAIN, 1, segments=12)
        for x, y, z, r in (
            (0, 0, 0, 4.5),
            (4.5, 0.8, -0.3, 3.6),
            (-4.6, -0.5, -0.3, 3.4),
            (1.6, -1.2, 1.2, 3.2),
            (-2.2, 1.4, 0.8, 2.8),
        )
    ]
    return merge(puffs)


def rain() -> Mesh:
    """Streaks in a layer two times as high as it repeats."""
    return _falling(360, (0.012, 0.34), seed=7)


def snowflakes() -> Mesh:
    """Flakes in a layer two times as high as it repeats."""
    return _falling(520, (0.045, 0.045), seed=8)


def _falling(count: int, size: tuple[float, float], seed: int) -> Mesh:
    """Crossed upright quads at random places, twice, one layer above the other; they follow bone 1."""
    random = np.random.Generator(np.random.PCG64(seed))
    place = random.uniform(-1, 1, (count, 3)) * [_FALL_HALF_SIDE, _FALL_HALF_SIDE, 0.5 * FALL_METRES]
    place[:, 2] += 0.5 * FALL_METRES
    place = np.concatenate([place, place + [0, 0, FALL_METRES]])
    width, height = 0.5 * size[0], 0.5 * size[1]
    corners, triangles = [], []
    for k, (dx, dy) in enumerate(((width, 0.0), (0.0, width))):
        quad = np.array([[-dx, -dy, -height], [dx, dy, -height], [dx, dy, height], [-dx, -dy, height]])
        corners.append((place[:, None] + quad).reshape(-1, 3))
        start = 4 * (np.arange(len(place)) + k * len(place))[:, None, None]
        triangles.append((start + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3))
    mesh = from_triangles(np.concatenate(corners), np.concatenate(triangles), MAIN, bone=1)
    up = np.tile([0.0, 0.0, 1.0], (len(mesh.position), 1))  # lit by the sky from all sides
    return Mesh(mesh.position, up, mesh.bones, mesh.blend, mesh.material, mesh.triangles)


def _ridge(*, seed: int, distance: float, height: tuple[float, float], count: int, snow: float) -> Mesh:
    """Peaks on a ring: faceted cones, the upper share in the second colour."""
    random = np.random.Generator(np.random.PCG64(seed))
    parts = []
    for index in range(count):
        angle = 2 * np.pi * (index + random.uniform(-0.3, 0.3)) / count
        away = distance * random.uniform(0.85, 1.2)
        tall, sides = random.uniform(*height), 9
        wide = tall * random.uniform(0.9, 1.2)
        turn = random.uniform(0, 2 * np.pi) + np.arange(sides) * (2 * np.pi / sides)
        jag = random.uniform(0.8, 1.2, (3, sides))
        rings = []
        for level, (share, spread) in enumerate(((0.0, 1.0), (snow, 0.34), (snow, 0.34))):
            reach = wide * spread * jag[min(level, 1)]
            z = tall * share * (0.85 + 0.15 * jag[2] if share else np.ones(sides))
            rings.append(np.stack([reach * np.cos(turn), reach * np.sin(turn), z - 0.5], -1))
        top = np.array([[0.0, 0.0, tall]])
        centre = np.array([away * np.cos(angle), away * np.sin(angle), 0.0])
        a, b = np.arange(sides), (np.arange(sides) + 1) % sides
        flank = np.concatenate([np.stack([a, b, b + sides], -1), np.stack([a, b + sides, a + sides], -1)])
        parts.append(from_triangles(np.concatenate(rings[:2]) + centre, flank, MAIN, faceted=True))
        cap = np.stack([a, b, np.full(sides, sides)], -1)
        parts.append(from_triangles(np.concatenate([rings[2], top]) + centre, cap, SECOND, faceted=True))
    return merge(parts)

"""Things that people have built, indoors and out. Metres, standing on z = 0; what has a front has it along +x."""

import numpy as np

from syncam.render.meshes import Mesh, box, cone, ellipsoid, from_triangles, loft, merge

# Palette rows of a prop: its main colour, a second one, a third, a fourth.
MAIN, SECOND, THIRD, FOURTH = range(4)


def crate() -> Mesh:
    posts = [box((sx * 0.4, sy * 0.4, 0.4), (0.1, 0.1, 0.84), SECOND) for sx in (-1, 1) for sy in (-1, 1)]
    rims = [box((0, 0, z), (0.88, 0.88, 0.08), SECOND) for z in (0.05, 0.78)]
    return merge([box((0, 0, 0.41), (0.8, 0.8, 0.78), MAIN), *posts, *rims])


def fence() -> Mesh:
    posts = [box((x, 0, 0.5), (0.12, 0.12, 1.0), SECOND) for x in (-1.1, 0.0, 1.1)]
    rails = [box((0, 0, z), (2.3, 0.05, 0.14), MAIN) for z in (0.45, 0.8)]
    return merge([*posts, *rails])


def _roof(half: tuple[float, float], low: float, high: float, material: int) -> Mesh:
    """A gable roof whose ridge runs along y."""
    x, y = half
    corners = np.array(
        [[-x, -y, low], [x, -y, low], [x, y, low], [-x, y, low], [0, -y, high], [0, y, high]], dtype=np.float64
    )
    faces = [[1, 2, 5], [1, 5, 4], [3, 0, 4], [3, 4, 5], [0, 1, 4], [2, 3, 5], [0, 2, 1], [0, 3, 2]]
    return from_triangles(corners, np.array(faces), material, faceted=True)


def house() -> Mesh:
    """Six metres wide, with a door and windows on its front at x = 0; it reaches back to x = -5."""
    parts = [box((-2.5, 0, 2.6), (5.0, 6.0, 5.2), MAIN)]
    roof = _roof((2.8, 3.3), 5.2, 7.2, SECOND)
    parts.append(Mesh(roof.position + [-2.5, 0, 0], roof.normal, roof.bones, roof.blend, roof.material, roof.triangles))
    for z in (1.5, 3.8):
        for y in (-1.95, 0.0, 1.95):
            if z < 2 and y == 0:
                parts += [
                    box((0.02, y, 1.05), (0.08, 1.15, 2.1), FOURTH),
                    box((0.05, y, 1.0), (0.08, 0.9, 2.0), SECOND),
                ]
                continue
            parts += [box((0.02, y, z), (0.08, 1.2, 1.4), FOURTH), box((0.04, y, z), (0.10, 0.95, 1.15), THIRD)]
            parts += [box((0.05, y, z), (0.11, 0.06, 1.15), FOURTH), box((0.05, y, z), (0.11, 0.95, 0.06), FOURTH)]
    return merge(parts)


def barn() -> Mesh:
    parts = [box((0, 0, 1.4), (3.6, 4.4, 2.8), MAIN), _roof((2.1, 2.4), 2.8, 4.6, SECOND)]
    parts += [box((1.82, 0, 1.0), (0.06, 1.7, 2.0), THIRD), box((1.86, 0, 1.0), (0.04, 1.4, 1.8), MAIN)]
    parts += [box((1.87, 0, 1.0), (0.05, 0.1, 1.8), THIRD), box((1.83, 0, 2.45), (0.06, 0.6, 0.4), THIRD)]
    parts += [box((0, s * 2.22, 1.5), (0.8, 0.06, 0.8), THIRD) for s in (-1, 1)]
    return merge(parts)


def fountain() -> Mesh:
    return merge(
        [
            _cylinder(1.3, 0.0, 0.45, MAIN, 14),
            _cylinder(1.12, 0.30, 0.47, SECOND, 14),
            _cylinder(0.18, 0.4, 1.3, MAIN, 8),
            loft([(0, 0, 1.2, 0.25, 0.25, 0), (0, 0, 1.42, 0.62, 0.62, 0)], MAIN, segments=12, steps=1, caps=0),
            ellipsoid((0, 0, 1.43), (0.55, 0.55, 0.04), SECOND, 0, segments=10),
            ellipsoid((0, 0, 1.7), (0.10, 0.10, 0.35), THIRD, 0, segments=8),
            *(
                ellipsoid((0.36 * np.cos(a), 0.36 * np.sin(a), 1.5), (0.07, 0.07, 0.16), THIRD, 0, segments=6)
                for a in np.arange(6) * np.pi / 3
            ),
        ]
    )


def column() -> Mesh:
    return merge(
        [
            box((0, 0, 0.12), (1.0, 1.0, 0.24), SECOND),
            loft(
                [(0, 0, 0.2, 0.38, 0.38, 0), (0, 0, 1.6, 0.35, 0.35, 0), (0, 0, 3.0, 0.31, 0.31, 0)], MAIN, segments=12
            ),
            loft([(0, 0, 2.95, 0.34, 0.34, 0), (0, 0, 3.15, 0.46, 0.46, 0)], THIRD, segments=12, steps=1, caps=0),
            box((0, 0, 3.24), (1.0, 1.0, 0.2), SECOND),
        ]
    )


def broken_column() -> Mesh:
    return merge(
        [
            box((0, 0, 0.12), (1.0, 1.0, 0.24), SECOND),
            loft(
                [(0, 0, 0.2, 0.38, 0.38, 0), (0.0, 0, 1.05, 0.36, 0.36, 0), (0.06, 0, 1.3, 0.26, 0.3, 0)],
                MAIN,
                segments=12,
            ),
            loft(
                [(0.75, -0.55, 0.33, 0.33, 0.33, 0), (0.95, 0.55, 0.33, 0.33, 0.33, 0)],
                THIRD,
                segments=12,
                steps=1,
                caps=0,
            ),
        ]
    )


def lamp_post() -> Mesh:
    return merge(
        [
            _cylinder(0.20, 0.0, 0.3, MAIN, 8),
            _cylinder(0.065, 0.2, 3.0, MAIN, 7),
            loft([(0, 0, 3.0, 0.12, 0.12, 0), (0, 0, 3.4, 0.22, 0.22, 0)], SECOND, segments=8, steps=1, caps=0),
            cone((0, 0, 3.4), (0, 0, 3.65), 0.28, MAIN, 0),
        ]
    )


def bench() -> Mesh:
    slats = [box((x, 0, 0.45), (0.12, 1.6, 0.05), MAIN) for x in (-0.15, 0.0, 0.15)]
    back = [box((-0.26, 0, z), (0.05, 1.6, 0.12), MAIN) for z in (0.66, 0.85)]
    legs = [
        box((x, y, z), (0.07, 0.09, h), SECOND)
        for y in (-0.65, 0.65)
        for x, z, h in ((0.15, 0.22, 0.44), (-0.26, 0.46, 0.92))
    ]
    return merge([*slats, *back, *legs])


def parasol() -> Mesh:
    """Slices of two colours on a pole."""
    slices, count = [], 12
    for k in range(count):
        a, b = 2 * np.pi * k / count, 2 * np.pi * (k + 1) / count
        rim = [[1.35 * np.cos(t), 1.35 * np.sin(t), 1.95] for t in (a, b)]
        corners = np.array([*rim, [0, 0, 2.5], [0, 0, 1.95]])
        faces = np.array([[0, 1, 2], [0, 3, 1]])
        slices.append(from_triangles(corners, faces, MAIN if k // 2 % 2 else SECOND, faceted=True))
    return merge([_cylinder(0.04, 0.0, 2.6, THIRD, 6), *slices])


def car() -> Mesh:
    wheels = []
    for x in (-0.85, 0.85):
        for y in (-0.72, 0.72):
            rings = [(x, y - 0.1, 0.3, 0.3, 0.3, 0), (x, y + 0.1, 0.3, 0.3, 0.3, 0)]
            hub = [(x, y - 0.115, 0.3, 0.14, 0.14, 0), (x, y + 0.115, 0.3, 0.14, 0.14, 0)]
            wheels += [loft(rings, THIRD, segments=12, steps=1, caps=0), loft(hub, FOURTH, segments=8, steps=1, caps=0)]
    cabin = loft(
        [
            (-1.0, 0, 0.85, 0.70, 0.10, 0),
            (-0.7, 0, 1.0, 0.66, 0.32, 0),
            (0.3, 0, 1.0, 0.66, 0.32, 0),
            (0.8, 0, 0.8, 0.70, 0.06, 0),
        ],
        SECOND,
        segments=14,
        steps=1,
        caps=0,
    )
    body = loft(
        [
            (-1.5, 0, 0.6, 0.70, 0.24, 0),
            (-1.0, 0, 0.62, 0.80, 0.32, 0),
            (0.9, 0, 0.60, 0.80, 0.30, 0),
            (1.5, 0, 0.54, 0.70, 0.20, 0),
        ],
        MAIN,
        segments=14,
        steps=2,
        caps=0.2,
    )
    lights = [ellipsoid((1.52, y, 0.58), (0.05, 0.12, 0.08), FOURTH, 0, segments=6) for y in (-0.45, 0.45)]
    return merge([body, cabin, box((-0.2, 0, 1.31), (0.85, 1.0, 0.05), MAIN), *wheels, *lights])


def table() -> Mesh:
    legs = [box((x, y, 0.36), (0.09, 0.09, 0.72), SECOND) for x in (-0.4, 0.4) for y in (-0.7, 0.7)]
    vase = loft(
        [(0, 0, 0.78, 0.09, 0.09, 0), (0, 0, 0.92, 0.12, 0.12, 0), (0, 0, 1.06, 0.05, 0.05, 0)], THIRD, segments=9
    )
    return merge([box((0, 0, 0.75), (1.0, 1.7, 0.07), MAIN), *legs, vase])


def chair() -> Mesh:
    legs = [box((x, y, 0.22), (0.06, 0.06, 0.44), SECOND) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    return merge([box((0, 0, 0.46), (0.5, 0.5, 0.06), MAIN), box((-0.23, 0, 0.78), (0.06, 0.5, 0.62), MAIN), *legs])


def stool() -> Mesh:
    """Its seat is at a height of 0.45."""
    legs = [box((x, y, 0.2), (0.07, 0.07, 0.4), SECOND) for x in (-0.2, 0.2) for y in (-0.2, 0.2)]
    return merge([box((0, 0, 0.42), (0.56, 0.56, 0.06), MAIN), *legs])


def bookshelf() -> Mesh:
    random = np.random.Generator(np.random.PCG64(12))
    boards = [box((0, 0, z), (0.36, 1.4, 0.05), MAIN) for z in (0.03, 0.55, 1.05, 1.55, 2.0)]
    sides = [box((0, y, 1.0), (0.36, 0.06, 2.0), MAIN) for y in (-0.7, 0.7)]
    books = []
    for z in (0.06, 0.58, 1.08, 1.58):
        y = -0.64
        while y < 0.5:
            wide, tall = random.uniform(0.07, 0.16), random.uniform(0.26, 0.38)
            books.append(
                box((0.03, y + 0.5 * wide, z + 0.5 * tall), (0.26, 0.95 * wide, tall), int(random.integers(1, 6)))
            )
            y += wide
    return merge([box((-0.16, 0, 1.0), (0.03, 1.4, 2.0), SECOND), *boards, *sides, *books])


def cardboard_box() -> Mesh:
    return merge(
        [
            box((0, 0, 0.3), (0.75, 0.6, 0.6), MAIN),
            box((0, 0, 0.601), (0.76, 0.12, 0.01), SECOND),
            box((0.05, 0.04, 0.80), (0.5, 0.42, 0.38), THIRD),
            box((0.05, 0.04, 0.992), (0.51, 0.1, 0.01), SECOND),
        ]
    )


def potted_plant() -> Mesh:
    leaves = []
    for k in range(9):
        angle, lean = 2.4 * k, 0.25 + 0.35 * (k % 3) / 2
        out = np.array([np.cos(angle), np.sin(angle)])
        leaves.append(
            loft(
                [
                    (0, 0, 0.42, 0.03, 0.02, 0),
                    (0.5 * lean * out[0], 0.5 * lean * out[1], 0.85, 0.11, 0.02, 0),
                    (lean * out[0], lean * out[1], 1.35 - 0.5 * lean, 0.03, 0.015, 0),
                ],
                MAIN if k % 2 else THIRD,
                segments=6,
                steps=2,
                caps=0,
            )
        )
    pot = loft([(0, 0, 0, 0.22, 0.22, 0), (0, 0, 0.45, 0.31, 0.31, 0)], SECOND, segments=10, steps=1, caps=0)
    return merge([pot, *leaves])


def ball() -> Mesh:
    """Rolls: all of it follows bone 1. Slices of three colours."""
    whole = ellipsoid((0, 0, 0.34), (0.34, 0.34, 0.34), MAIN, 1, segments=18)
    middle = whole.position[whole.triangles].mean(axis=1)
    slice_of = np.floor((np.arctan2(middle[:, 1], middle[:, 0]) / (2 * np.pi) + 0.5) * 6).astype(int) % 6
    parts = []
    for material, slices in ((MAIN, (0, 3)), (SECOND, (1, 4)), (THIRD, (2, 5))):
        triangles = whole.triangles[np.isin(slice_of, slices)]
        used, inner = np.unique(triangles, return_inverse=True)
        parts.append(
            Mesh(
                whole.position[used],
                whole.normal[used],
                whole.bones[used],
                whole.blend[used],
                np.full(len(used), material),
                inner.reshape(-1, 3),
            )
        )
    return merge(parts)


def windmill() -> Mesh:
    """A tower with a hub at a height of 4.3, whose four sails (bone 1) turn about the x axis in front of it."""
    tower = loft(
        [(0, 0, 0, 1.1, 1.1, 0), (0, 0, 2.2, 0.85, 0.85, 0), (0, 0, 4.4, 0.65, 0.65, 0)],
        MAIN,
        segments=12,
        steps=1,
        caps=0,
    )
    sails = [ellipsoid((0.85, 0, 4.3), (0.22, 0.16, 0.16), SECOND, 1, segments=7)]
    for k in range(4):
        a = np.pi / 2 * k + 0.3
        out, side = np.array([np.cos(a), np.sin(a)]), np.array([-np.sin(a), np.cos(a)])
        tip = [(0.9, *(np.array([0, 4.3]) + 2.5 * out))]
        root = (0.9, 0.0, 4.3)
        sails.append(loft([(*root, 0.05, 0.05, 1), (*tip[0], 0.04, 0.04, 1)], SECOND, segments=5, steps=1, caps=0))
        corners = []
        for x in (0.88, 0.92):
            for along, across in ((0.7, 0.03), (2.45, 0.03), (2.45, 0.62), (0.7, 0.62)):
                y, z = np.array([0, 4.3]) + along * out + across * side
                corners.append([x, y, z])
        faces = [[4, 5, 6], [4, 6, 7], [0, 2, 1], [0, 3, 2]]
        for a, b in ((0, 1), (1, 2), (2, 3), (3, 0)):
            faces += [[a, b, b + 4], [a, b + 4, a + 4]]
        sails.append(from_triangles(np.array(corners), np.array(faces), THIRD, bone=1, faceted=True))
    door = box((1.0, 0, 0.75), (0.25, 0.7, 1.5), SECOND)
    return merge([tower, cone((0, 0, 4.35), (0, 0, 5.5), 0.8, FOURTH, 0, segments=12), door, *sails])


def sign() -> Mesh:
    """A board (bone 1) that hangs from an arm at a height of 2.25 and swings about the x axis."""
    return merge(
        [
            _cylinder(0.07, 0.0, 2.6, SECOND, 7),
            box((0.55, 0, 2.3), (1.1, 0.07, 0.08), SECOND),
            box((0.62, 0, 1.83), (0.85, 0.05, 0.62), MAIN, 1),
            box((0.62, 0, 1.83), (0.70, 0.07, 0.46), THIRD, 1),
            box((0.62, 0, 1.90), (0.5, 0.09, 0.08), MAIN, 1),
            box((0.62, 0, 1.74), (0.5, 0.09, 0.08), MAIN, 1),
            *(box((x, 0, 2.2), (0.03, 0.03, 0.16), SECOND, 1) for x in (0.3, 0.94)),
        ]
    )


def flag() -> Mesh:
    """A cloth that blows about its pole: its outer parts follow bone 1 more and more."""
    along = np.linspace(0.05, 1.9, 12)
    bend = 0.10 * np.sin(5.0 * along)
    rows = []
    for material, (low, high) in ((MAIN, (2.6, 3.05)), (SECOND, (3.05, 3.5)), (THIRD, (3.5, 3.95))):
        for side in (-0.006, 0.006):
            lower = np.stack([along, bend + side, np.full(12, low)], -1)
            upper = np.stack([along, bend + side, np.full(12, high)], -1)
            a = np.arange(11)
            faces = np.concatenate([np.stack([a, a + 1, a + 13], -1), np.stack([a, a + 13, a + 12], -1)])
            cloth = from_triangles(np.concatenate([lower, upper]), faces if side < 0 else faces[:, ::-1], material)
            blend = np.clip(cloth.position[:, 0] / 1.9, 0, 1) ** 1.3
            bones = np.tile([0, 1], (len(blend), 1))
            rows.append(Mesh(cloth.position, cloth.normal, bones, blend, cloth.material, cloth.triangles))
    return merge(
        [_cylinder(0.06, 0.0, 4.1, FOURTH, 7), ellipsoid((0, 0, 4.15), (0.1, 0.1, 0.1), THIRD, 0, segments=7), *rows]
    )


def _cylinder(radius: float, low: float, high: float, material: int, segments: int) -> Mesh:
    rings = [(0, 0, low, radius, radius, 0), (0, 0, high, radius, radius, 0)]
    return loft(rings, material, segments=segments, steps=1, caps=0.02)

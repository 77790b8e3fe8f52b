"""Smooth triangle meshes from a few numbers: lofts along a spine, ellipsoids, cones and boxes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Ring = tuple[float, float, float, float, float, int]
"""One cross-section of a loft: x, y, z of its centre, half-width (sideways), half-height, and the bone it follows."""


@dataclass(frozen=True)
class Mesh:
    """Triangles whose vertices follow a blend of two bones.

    position, normal: [N, 3] metres / unit length; bones: [N, 2] indices; blend: [N] weight of the second bone;
    material: [N] palette index; triangles: [T, 3].
    """

    position: np.ndarray
    normal: np.ndarray
    bones: np.ndarray
    blend: np.ndarray
    material: np.ndarray
    triangles: np.ndarray

    def mirrored(self, bone_map: dict[int, int] | None = None) -> "Mesh":
        """The mesh reflected in y; bones are renamed through bone_map (left leg -> right leg)."""
        flip = np.array([1.0, -1.0, 1.0])
        bones = self.bones.copy()
        for left, right in (bone_map or {}).items():
            bones[self.bones == left] = right
        return Mesh(
            self.position * flip, self.normal * flip, bones, self.blend, self.material, self.triangles[:, ::-1].copy()
        )

    def vertex_array(self) -> np.ndarray:
        """Interleaved float32 rows: position 3, normal 3, bone, bone, blend."""
        columns = [self.position, self.normal, self.bones, self.blend[:, None]]
        return np.ascontiguousarray(np.concatenate(columns, axis=1).astype(np.float32))


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """All meshes as one."""
    offsets = np.cumsum([0] + [len(mesh.position) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.position for mesh in meshes]),
        np.concatenate([mesh.normal for mesh in meshes]),
        np.concatenate([mesh.bones for mesh in meshes]),
        np.concatenate([mesh.blend for mesh in meshes]),
        np.concatenate([mesh.material for mesh in meshes]),
        np.concatenate([mesh.triangles + offset for mesh, offset in zip(meshes, offsets, strict=True)]),
    )


def loft(rings: Sequence[Ring], material: int, *, segments: int = 10, steps: int = 2, caps: float = 0.7) -> Mesh:
    """A smooth tube through elliptical rings (Catmull-Rom between them), closed by rounded caps.

    Half-widths lie along the sideways axis (y, or x where the spine itself runs along y), half-heights at right angles
    to it and to the spine. caps is the length of the end caps in units of the smaller end radius (0: flat).
    """
    keys = np.array([ring[:5] for ring in rings], dtype=np.float64)  # [R, 5]
    key_bones = np.array([ring[5] for ring in rings])
    centre, radii, bones, blend = _interpolate(keys, key_bones, steps)
    tangent = np.gradient(centre, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    if caps > 0:
        centre, radii, tangent, bones, blend = _capped(centre, radii, tangent, bones, blend, caps)
    sideways = np.array([0.0, 1.0, 0.0]) if np.abs(tangent[:, 1]).max() < 0.9 else np.array([1.0, 0.0, 0.0])
    across = sideways - tangent * (tangent @ sideways)[:, None]
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    upward = np.cross(tangent, across)
    angle = np.arange(segments) * (2 * np.pi / segments)
    ring_points = (
        centre[:, None]
        + np.cos(angle)[None, :, None] * (across * radii[:, :1])[:, None]
        + np.sin(angle)[None, :, None] * (upward * radii[:, 1:])[:, None]
    )  # [R, S, 3]
    num_rings = len(centre)
    position = np.concatenate([ring_points.reshape(-1, 3), centre[:1], centre[-1:]])
    triangles = _tube_triangles(num_rings, segments)
    return Mesh(
        position,
        _smooth_normals(position, triangles),
        np.concatenate([np.repeat(bones, segments, axis=0), bones[:1], bones[-1:]]),
        np.concatenate([np.repeat(blend, segments), blend[:1], blend[-1:]]),
        np.full(len(position), material),
        triangles,
    )


def ellipsoid(
    centre: Sequence[float],
    radii: Sequence[float],
    material: int,
    bone: int,
    *,
    segments: int = 10,
    pitch_deg: float = 0.0,
    yaw_deg: float = 0.0,
) -> Mesh:
    """An ellipsoid of half-axes radii (x, y, z), its x axis pitched down by pitch_deg, then turned left by yaw_deg."""
    latitudes = np.linspace(-0.5 * np.pi, 0.5 * np.pi, max(5, segments // 2 + 2))[1:-1]
    rings = [(0.0, 0.0, np.sin(a), np.cos(a), np.cos(a), bone) for a in latitudes]
    ball = loft(rings, material, segments=segments, steps=1, caps=0)
    poles = ball.position.copy()
    poles[-2:] = [[0, 0, -1], [0, 0, 1]]
    # the analytic normal of an ellipsoid: position / radii
    radii_array = np.asarray(radii, dtype=np.float64)
    normal = poles / radii_array
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    pitch, yaw = np.deg2rad(pitch_deg), np.deg2rad(yaw_deg)
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]) @ np.array(
        [[np.cos(pitch), 0, np.sin(pitch)], [0, 1, 0], [-np.sin(pitch), 0, np.cos(pitch)]]
    )
    position = (poles * radii_array) @ turn.T + np.asarray(centre, dtype=np.float64)
    return Mesh(position, normal @ turn.T, ball.bones, ball.blend, ball.material, ball.triangles)


def cone(
    base: Sequence[float], tip: Sequence[float], radius: float, material: int, bone: int, *, segments: int = 8
) -> Mesh:
    """A cone from a base centre to its tip, with a closed base."""
    start, end = np.asarray(base, dtype=np.float64), np.asarray(tip, dtype=np.float64)
    rings = [
        (*(start + (end - start) * s), max(radius * (1 - s), 1e-3), max(radius * (1 - s), 1e-3), bone)
        for s in (0.0, 0.5, 1.0)
    ]
    return loft(rings, material, segments=segments, steps=1, caps=0)


def box(centre: Sequence[float], size: Sequence[float], material: int, bone: int = 0) -> Mesh:
    """An axis-aligned box with flat faces."""
    position, normal, triangles = [], [], []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            across, up = (axis + 1) % 3, (axis + 2) % 3
            if sign < 0:
                across, up = up, across
            start = len(position)
            for s, t in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                corner = np.zeros(3)
                corner[axis], corner[across], corner[up] = sign, s, t
                position.append(np.asarray(centre) + 0.5 * corner * np.asarray(size))
                normal.append(np.eye(3)[axis] * sign)
            triangles += [[start, start + 1, start + 2], [start, start + 2, start + 3]]
    count = len(position)
    return Mesh(
        np.array(position),
        np.array(normal),
        np.full((count, 2), bone),
        np.zeros(count),
        np.full(count, material),
        np.array(triangles),
    )


def from_triangles(
    position: np.ndarray, triangles: np.ndarray, material: int, *, bone: int = 0, faceted: bool = False
) -> Mesh:
    """Any triangles, counter-clockwise seen from outside; faceted: with flat faces instead of a smooth surface."""
    if faceted:
        position, triangles = position[triangles].reshape(-1, 3), np.arange(3 * len(triangles)).reshape(-1, 3)
    count = len(position)
    return Mesh(
        np.asarray(position, dtype=np.float64),
        _smooth_normals(position, triangles),
        np.full((count, 2), bone),
        np.zeros(count),
        np.full(count, material),
        triangles,
    )


def _interpolate(keys: np.ndarray, key_bones: np.ndarray, steps: int):
    """Centres [R, 3], radii [R, 2], bone pairs [R, 2] and blends [R] at `steps` rings per key interval."""
    padded = np.concatenate([2 * keys[:1] - keys[1:2], keys, 2 * keys[-1:] - keys[-2:-1]])
    rows, bones, blend = [], [], []
    for i in range(len(keys) - 1):
        p0, p1, p2, p3 = padded[i : i + 4]
        for k in range(steps):
            s = k / steps
            rows.append(
                0.5
                * (2 * p1 + (p2 - p0) * s + (2 * p0 - 5 * p1 + 4 * p2 - p3) * s**2 + (3 * p1 - p0 - 3 * p2 + p3) * s**3)
            )
            bones.append((key_bones[i], key_bones[i + 1]))
            blend.append(s)
    rows.append(keys[-1])
    bones.append((key_bones[-1], key_bones[-1]))
    blend.append(0.0)
    table = np.array(rows)
    return table[:, :3], np.maximum(table[:, 3:], 1e-3), np.array(bones), np.array(blend)


def _capped(centre, radii, tangent, bones, blend, caps: float):
    """The rings with a rounded cap of two more rings at either end."""
    parts = {"centre": [], "radii": [], "tangent": [], "bones": [], "blend": []}
    for end, sign in ((0, -1.0), (-1, 1.0)):
        length = caps * radii[end].min()
        angles = (75.0, 40.0) if end == 0 else (40.0, 75.0)
        for angle in np.deg2rad(angles):
            parts["centre"].append(centre[end] + sign * tangent[end] * length * np.sin(angle))
            parts["radii"].append(radii[end] * np.cos(angle))
            parts["tangent"].append(tangent[end])
            parts["bones"].append(bones[end])
            parts["blend"].append(blend[end])
    rows = {"centre": centre, "radii": radii, "tangent": tangent, "bones": bones, "blend": blend}
    return tuple(np.concatenate([parts[k][:2], rows[k], parts[k][2:]]) for k in rows)


def _tube_triangles(num_rings: int, segments: int) -> np.ndarray:
    """Outward-facing triangles of a tube of rings plus its two end points (the last two vertices)."""
    ring, seg = np.meshgrid(np.arange(num_rings - 1), np.arange(segments), indexing="ij")
    a = ring * segments + seg
    b = ring * segments + (seg + 1) % segments
    c, d = a + segments, b + segments
    sides = np.concatenate([np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)])
    seg = np.arange(segments)
    first, last = num_rings * segments, num_rings * segments + 1
    start = np.stack([np.full(segments, first), (seg + 1) % segments, seg], -1)
    top = (num_rings - 1) * segments
    end = np.stack([np.full(segments, last), top + seg, top + (seg + 1) % segments], -1)
    return np.concatenate([sides, start, end])


def _smooth_normals(position: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Area-weighted vertex normals, unit length."""
    a, b, c = (position[triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    normal = np.zeros_like(position)
    for k in range(3):
        np.add.at(normal, triangles[:, k], face)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


def subdivided(mesh: Mesh, materials: tuple[int, ...], longest: float, *, rounds: int = 2) -> Mesh:
    """The same surface with every triangle of some of its parts cut in four: up to `rounds` times those parts in one
    of the materials of whose edges half are longer than `longest` metres. A part is what hangs together."""
    for _ in range(rounds):
        part = _parts(mesh)[mesh.triangles[:, 0]]
        edges = np.linalg.norm(
            mesh.position[mesh.triangles] - mesh.position[np.roll(mesh.triangles, 1, axis=1)], axis=-1
        )
        right = np.isin(mesh.material[mesh.triangles[:, 0]], materials)
        coarse = [k for k in np.unique(part[right]) if np.median(edges[part == k]) > longest]
        cut = np.isin(part, coarse)
        if not cut.any():
            break
        mesh = _cut_in_four(mesh, cut)
    return mesh


def _parts(mesh: Mesh) -> np.ndarray:
    """A number [N] for each vertex that it shares with the vertices it is connected to."""
    label = np.arange(len(mesh.position))
    while True:
        lowest = label[mesh.triangles].min(axis=1)
        before = label.copy()
        for k in range(3):
            np.minimum.at(label, mesh.triangles[:, k], lowest)
        if np.array_equal(before, label):
            return label


def _cut_in_four(mesh: Mesh, cut: np.ndarray) -> Mesh:
    """The mesh with a new vertex in the middle of every edge of the triangles [T] to cut."""
    corners = mesh.triangles[cut]
    edges = np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    ends, middle = np.unique(edges, axis=0, return_inverse=True)
    m = len(mesh.position) + middle.reshape(-1, 3)
    a, b, c = corners.T
    fine = np.concatenate(
        [
            np.stack(t, -1)
            for t in ((a, m[:, 0], m[:, 2]), (m[:, 0], b, m[:, 1]), (m[:, 2], m[:, 1], c), (m[:, 0], m[:, 1], m[:, 2]))
        ]
    )
    first, second = ends.T
    normal = mesh.normal[first] + mesh.normal[second]
    bones, blend = _mean_bones(mesh, first, second)
    return Mesh(
        np.concatenate([mesh.position, 0.5 * (mesh.position[first] + mesh.position[second])]),
        np.concatenate([mesh.normal, normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)]),
        np.concatenate([mesh.bones, bones]),
        np.concatenate([mesh.blend, blend]),
        np.concatenate([mesh.material, mesh.material[first]]),
        np.concatenate([mesh.triangles[~cut], fine]),
    )


def _mean_bones(mesh: Mesh, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bone pairs and blends half-way between vertices: the two bones that weigh most."""
    count = int(mesh.bones.max()) + 1
    weight = np.zeros((len(first), count))
    rows = np.arange(len(first))
    for end in (first, second):
        np.add.at(weight, (rows, mesh.bones[end, 0]), 0.5 * (1 - mesh.blend[end]))
        np.add.at(weight, (rows, mesh.bones[end, 1]), 0.5 * mesh.blend[end])
    bones = np.argsort(-weight, axis=1, kind="stable")[:, :2]
    heavy, light = (weight[rows, bones[:, k]] for k in (0, 1))
    return bones, light / (heavy + light)

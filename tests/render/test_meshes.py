"""Building blocks of meshes: closed, wound outwards, of the size that was asked for."""

import numpy as np
import pytest

from render.examples import shells, signed_volume
from syncam.render.meshes import Mesh, box, cone, ellipsoid, loft, merge

TUBE = [(0.0, 0.0, 0.0, 0.2, 0.3, 1), (1.0, 0.0, 0.0, 0.2, 0.3, 2)]
SHAPES: dict[str, Mesh] = {
    "box": box((1, 2, 3), (0.5, 1.0, 2.0), 0),
    "ellipsoid": ellipsoid((1, 2, 3), (0.5, 1.0, 2.0), 1, 3, segments=24),
    "turned ellipsoid": ellipsoid((0, 0, 0), (0.5, 1.0, 2.0), 1, 3, segments=24, pitch_deg=30, yaw_deg=-50),
    "cone": cone((0, 0, 0), (0.3, 0, 2), 0.5, 2, 0, segments=32),
    "capped tube": loft(TUBE, 0, segments=24),
    "flat tube": loft(TUBE, 0, segments=24, caps=0),
    "sideways tube": loft([(0, 0, 0, 0.2, 0.3, 0), (0, 1, 0, 0.2, 0.3, 0)], 0, segments=24, caps=0),
    "mirror image": loft(TUBE, 0, segments=24).mirrored(),
}
ALL = pytest.mark.parametrize("name", SHAPES)


@ALL
def test_closed_and_wound_outwards(name: str) -> None:
    mesh = SHAPES[name]
    _, vertex = np.unique(mesh.position.round(9), axis=0, return_inverse=True)
    corners = vertex.reshape(-1)[mesh.triangles]
    edges = {(int(a), int(b)) for k in range(3) for a, b in zip(corners[:, k], corners[:, (k + 1) % 3], strict=True)}
    assert len(edges) == 3 * len(corners), "two triangles run along one edge in the same direction"
    assert {(b, a) for a, b in edges} == edges, "the surface has a border"
    assert signed_volume(mesh.position, mesh.triangles) > 0
    assert len(shells(mesh)) == 1


@ALL
def test_normals(name: str) -> None:
    mesh = SHAPES[name]
    np.testing.assert_allclose(np.linalg.norm(mesh.normal, axis=1), 1.0)
    a, b, c = (mesh.position[mesh.triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    assert (np.einsum("ti,tki->tk", face, mesh.normal[mesh.triangles]).sum(axis=1) > 0).all()


@pytest.mark.parametrize(
    ("name", "volume"),
    [
        ("box", 0.5 * 1.0 * 2.0),
        ("ellipsoid", 4 / 3 * np.pi * 0.5 * 1.0 * 2.0),
        ("turned ellipsoid", 4 / 3 * np.pi * 0.5 * 1.0 * 2.0),
        ("cone", np.pi * 0.5**2 * 2 / 3),
        ("flat tube", np.pi * 0.2 * 0.3),
        ("sideways tube", np.pi * 0.2 * 0.3),
    ],
)
def test_volumes(name: str, volume: float) -> None:
    assert signed_volume(SHAPES[name].position, SHAPES[name].triangles) == pytest.approx(volume, rel=0.06)


def test_extents() -> None:
    for name in ("box", "ellipsoid"):
        low, high = SHAPES[name].position.min(axis=0), SHAPES[name].position.max(axis=0)
        np.testing.assert_allclose(0.5 * (low + high), [1, 2, 3], atol=1e-9)
    np.testing.assert_allclose(np.ptp(SHAPES["box"].position, axis=0), [0.5, 1, 2])
    low, high = (getattr(SHAPES["flat tube"].position, end)(axis=0) for end in ("min", "max"))
    np.testing.assert_allclose([low, high], [[0, -0.2, -0.3], [1, 0.2, 0.3]], atol=1e-6)
    assert SHAPES["capped tube"].position[:, 0].max() > 1.1


def test_a_loft_blends_from_bone_to_bone() -> None:
    mesh = loft(TUBE, 4, segments=6, steps=4, caps=0)
    rings = mesh.position[:-2, 0].reshape(-1, 6)
    np.testing.assert_allclose(mesh.blend[:-2].reshape(-1, 6)[:-1], rings[:-1], atol=0.15)
    assert mesh.bones[:24].tolist() == [[1, 2]] * 24 and (mesh.bones[-1] == 2).all()
    assert (mesh.material == 4).all()


def test_mirrored() -> None:
    left = loft([(0, 0.5, 0, 0.1, 0.1, 5), (0, 0.5, 1, 0.1, 0.1, 6)], 0)
    right = left.mirrored({5: 8, 6: 9})
    np.testing.assert_array_equal(right.position, left.position * [1, -1, 1])
    assert set(np.unique(right.bones)) == {8, 9}
    assert signed_volume(right.position, right.triangles) == pytest.approx(signed_volume(left.position, left.triangles))
    back = right.mirrored({8: 5, 9: 6})
    np.testing.assert_array_equal(back.position, left.position)
    np.testing.assert_array_equal(back.bones, left.bones)
    np.testing.assert_array_equal(back.triangles, left.triangles)


def test_merged() -> None:
    parts = [SHAPES["box"], SHAPES["cone"], SHAPES["ellipsoid"]]
    whole = merge(parts)
    assert len(whole.position) == sum(len(part.position) for part in parts)
    np.testing.assert_array_equal(
        whole.position[whole.triangles], np.concatenate([part.position[part.triangles] for part in parts])
    )
    assert len(shells(whole)) == 3
    assert signed_volume(whole.position, whole.triangles) == pytest.approx(
        sum(signed_volume(part.position, part.triangles) for part in parts)
    )


def test_vertex_array() -> None:
    mesh = SHAPES["cone"]
    rows = mesh.vertex_array()
    assert rows.dtype == np.float32 and rows.flags.c_contiguous and rows.shape == (len(mesh.position), 9)
    np.testing.assert_allclose(rows[:, :3], mesh.position, atol=1e-6)
    np.testing.assert_allclose(rows[:, 3:6], mesh.normal, atol=1e-6)
    assert (rows[:, 6:] == [0, 0, 0]).all()

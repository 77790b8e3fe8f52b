"""Every animal is sound geometry on its feet, and looks like no other."""

from itertools import combinations

import numpy as np
import pytest

from render.examples import animal, arrays, rig, scene, shells, signed_volume
from syncam.errors import InputError
from syncam.render.limbs import LIMBS
from syncam.render.rasterizer import Renderer
from syncam.render.skeleton import BODY, HEAD, NUM_BONES, NUM_MATERIALS, leg_bone
from syncam.render.species import SPECIES, species

ALL = pytest.mark.parametrize("kind", SPECIES)


@ALL
def test_sound_meshes(kind: str) -> None:
    mesh = species(kind).mesh
    count = len(mesh.position)
    assert np.isfinite(mesh.position).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normal, axis=1), 1.0)
    assert mesh.normal.shape == mesh.position.shape and mesh.bones.shape == (count, 2)
    assert (mesh.bones >= 0).all() and (mesh.bones < NUM_BONES).all()
    assert (mesh.blend >= 0).all() and (mesh.blend <= 1).all()
    assert (mesh.material >= 0).all() and (mesh.material < NUM_MATERIALS).all()
    assert set(np.unique(mesh.triangles)) == set(range(count))


@ALL
def test_faces_are_wound_outwards(kind: str) -> None:
    mesh = species(kind).mesh
    parts = shells(mesh)
    assert len(parts) > 5
    assert min(signed_volume(mesh.position, part) for part in parts) > 0
    a, b, c = (mesh.position[mesh.triangles[:, k]] for k in range(3))
    face = np.cross(b - a, c - a)
    agree = np.einsum("ti,tki->tk", face, mesh.normal[mesh.triangles]).sum(axis=1) > 0
    assert np.linalg.norm(face[agree], axis=1).sum() > 0.99 * np.linalg.norm(face, axis=1).sum()


@ALL
def test_rest_pose(kind: str) -> None:
    """It stands on z = 0, faces +x, and is as long, wide and high as it says, alike on both sides."""
    one = species(kind)
    assert one.name == kind
    low, high = one.mesh.position.min(axis=0), one.mesh.position.max(axis=0)
    np.testing.assert_allclose(one.size, high - low)
    assert abs(low[2]) < 0.025
    assert low[1] == pytest.approx(-high[1], abs=0.02)
    assert 1 < one.size[2] < 3 and 0.3 < one.size[0] < 3
    if one.family == "person" or kind == "penguin":
        return  # upright
    head = one.mesh.position[(one.mesh.bones == HEAD).all(axis=1)]
    body = one.mesh.position[(one.mesh.bones == BODY).all(axis=1)]
    assert head[:, 0].mean() > body[:, 0].mean() + 0.3


@ALL
def test_legs(kind: str) -> None:
    """Hips above knees above ankles, left legs at y > 0, every bone of every leg carries some of the mesh."""
    one = species(kind)
    assert [leg.front for leg in one.legs] in ([True, False], [True])
    for leg in one.legs:
        assert leg.hip[2] > leg.knee[2] > leg.ankle[2] > 0 and leg.ankle[1] > 0
    for index in range(2 * len(one.legs)):
        for segment in range(3):
            moved = one.mesh.position[(one.mesh.bones == leg_bone(index, segment)).all(axis=1)]
            assert len(moved) and (np.sign(moved[:, 1].mean()) == (1, -1)[index % 2])


def test_every_animal_has_legs_in_the_table() -> None:
    assert LIMBS.keys() == {kind for kind in SPECIES if species(kind).family != "person"}
    for kind, limbs in LIMBS.items():
        assert species(kind).legs == limbs.legs and len(limbs.widths) == len(limbs.legs)
        assert len(limbs.meshes()) == len(limbs.legs) + (limbs.toes is not None)


@ALL
def test_joints(kind: str) -> None:
    """A joint turns a bone after its parent has moved, and every bone of the mesh is moved by something."""
    one = species(kind)
    assert one.family in ("quadruped", "bird", "person") and len(one.legs) == (2 if one.family == "quadruped" else 1)
    done = {BODY} | {leg_bone(leg, segment) for leg in range(2 * len(one.legs)) for segment in range(3)}
    for joint in one.joints:
        assert joint.parent in done and joint.bone not in done and joint.axis in "xyz"
        done.add(joint.bone)
    assert set(np.unique(one.mesh.bones)) <= done


def test_no_two_silhouettes_are_alike(renderer: Renderer) -> None:
    cameras = rig(1, elevation_deg=5.0)
    masks = {kind: renderer.render(scene(animal(kind)), *arrays(cameras), [0.0]).mask[0, 0] for kind in SPECIES}
    for a, b in combinations(SPECIES, 2):
        overlap = (masks[a] & masks[b]).sum() / (masks[a] | masks[b]).sum()
        assert overlap < 0.85, f"{a} and {b} overlap by {overlap:.2f}"


def test_unknown_species() -> None:
    with pytest.raises(InputError, match="species is 'unicorn'; expected one of horse, elephant"):
        species("unicorn")

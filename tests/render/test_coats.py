"""Colours of characters: their own, their patterns, and finer meshes that are the same surface."""

import numpy as np
import pytest

from render.examples import animal, signed_volume
from syncam.errors import InputError
from syncam.render.coats import TONES, character_mesh, palette_of, vertex_colours
from syncam.render.full import patterns
from syncam.render.light import linear
from syncam.render.scene import COLOURS, PATTERNS
from syncam.render.skeleton import CLOTH, COAT, HAIR, SKIN, TROUSERS
from syncam.render.species import SPECIES, species

ANIMALS = [kind for kind in SPECIES if species(kind).family != "person"]


@pytest.mark.parametrize("kind", SPECIES)
def test_plain_coats(kind: str) -> None:
    one = animal(kind, "purple")
    mesh, colours = character_mesh(one), vertex_colours(one)
    assert mesh is species(kind).mesh
    assert colours.shape == mesh.position.shape and colours.dtype == np.float32
    coat = colours[np.isin(mesh.material, (COAT, CLOTH))]
    np.testing.assert_allclose(coat, np.broadcast_to(linear(COLOURS["purple"]), coat.shape), atol=1e-6)


@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if pattern != "plain"])
def test_patterns_show_both_colours(pattern: str) -> None:
    for kind in ANIMALS:
        if pattern not in patterns(kind):
            continue
        one = animal(kind, "black", pattern=pattern, second="yellow")
        mesh, colours = character_mesh(one), vertex_colours(one)
        assert colours.shape == mesh.position.shape and colours.min() >= 0 and colours.max() <= 1
        a, b, c = (mesh.position[mesh.triangles[:, k]] for k in range(3))
        area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        second = (colours[mesh.triangles].mean(axis=1)[:, 0] > 0.3 * linear(COLOURS["yellow"])[0]).astype(float)
        coat = mesh.material[mesh.triangles[:, 0]] == COAT
        assert 0.02 < np.average(second[coat], weights=area[coat]) < 0.9, kind
        assert np.array_equal(vertex_colours(animal(kind, "black", pattern=pattern, second="yellow")), colours)


def test_finer_meshes_are_the_same_surface() -> None:
    for kind in ANIMALS:
        plain, fine = species(kind).mesh, character_mesh(animal(kind, pattern="spots", second="white"))
        assert len(plain.position) <= len(fine.position) < 10000
        assert np.array_equal(fine.position[: len(plain.position)], plain.position)
        assert signed_volume(fine.position, fine.triangles) == pytest.approx(
            signed_volume(plain.position, plain.triangles)
        )
        assert set(np.unique(fine.triangles)) == set(range(len(fine.position)))
        assert fine.blend.min() >= 0 and fine.blend.max() <= 1
        np.testing.assert_allclose(np.linalg.norm(fine.normal, axis=1), 1.0)


def test_clothes_and_tones() -> None:
    looks = {
        palette_of(animal("man", "red", second="blue", tone=tone))[[SKIN, HAIR]].tobytes() for tone in range(len(TONES))
    }
    assert len(looks) == len(TONES)
    palette = palette_of(animal("child", "red", second="blue"))
    assert tuple(palette[CLOTH]) == COLOURS["red"] and tuple(palette[TROUSERS]) == COLOURS["blue"]
    with pytest.raises(InputError, match="tone is 9; expected 0 to 5"):
        palette_of(animal("man", tone=9))

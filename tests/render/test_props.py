"""The things that stand around: sound geometry on the ground, within the circle that is kept free for them."""

import numpy as np
import pytest

from render.examples import shells, signed_volume
from syncam.render.props import PALETTES, RADII, prop_mesh
from syncam.render.scene import PROPS

ALL = pytest.mark.parametrize("kind", PROPS)
SHEETS = ("flag", "sea", "rain", "snowflakes", "snowy mountains", "grey mountains")
"""Kinds with parts that are not closed."""
STANDING = pytest.mark.parametrize("kind", RADII)


def test_every_kind_is_complete() -> None:
    assert set(PROPS) == set(PALETTES) and set(RADII) < set(PROPS)


@ALL
def test_sound_meshes(kind: str) -> None:
    mesh = prop_mesh(kind)
    assert np.isfinite(mesh.position).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normal, axis=1), 1.0)
    assert mesh.material.min() >= 0 and mesh.material.max() < len(PALETTES[kind])
    if kind not in SHEETS:
        assert min(signed_volume(mesh.position, part) for part in shells(mesh)) > 0


@STANDING
def test_it_stands_on_the_ground_in_its_circle(kind: str) -> None:
    position = prop_mesh(kind).position
    assert -0.7 < position[:, 2].min() < 0.02 and position[:, 2].max() >= 0.44
    reach = np.hypot(position[:, 0], position[:, 1]).max()
    assert 0.85 * RADII[kind] < reach < RADII[kind] + 0.1

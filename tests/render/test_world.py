"""The world that engines draw: the same places, normals and light as on the fast engine's pictures."""

import numpy as np
import pytest
import torch

from render.examples import animal, arrays, iou, rasterised, rig, scene, silhouettes
from render.examples import skinned as examples_skinned
from syncam.render.generate import generate_scene
from syncam.render.grounds import ground_pattern
from syncam.render.light import linear
from syncam.render.rasterizer import Renderer
from syncam.render.scene import Prop
from syncam.render.world import build_world

PROPS = (Prop("crate", 1.6, 0.9, 30.0, 0.8), Prop("rock", -1.2, 1.3, 200.0, 1.1))


def test_every_vertex_is_where_the_bones_carry_it() -> None:
    times = np.array([0.0, 0.3, 0.71])
    made = scene(animal("camel"), animal("ostrich", x=1.5, gait="turn"))
    for one, solid in zip(made.animals, build_world(made, times).solids, strict=False):
        np.testing.assert_allclose(solid.position, examples_skinned(one, times), atol=1e-12)
        np.testing.assert_allclose(np.linalg.norm(solid.normal, axis=-1), 1.0)
        assert solid.at(1).shape == solid.colour.shape


def test_what_there_is() -> None:
    made = generate_scene(5, content="basic", two_animals=1.0, props=1.0)
    world = build_world(made, [0.0, 0.5])
    kinds = [solid.kind for solid in world.solids]
    assert kinds == ["subject"] * 2 + ["prop"] * len(made.props) + ["ground"]
    assert [solid.instance for solid in world.solids] == list(range(1, len(kinds) + 1))
    assert world.num_subjects == 2
    assert [solid.position.ndim for solid in world.solids] == [3] * 2 + [2] * (len(kinds) - 2)
    for solid in world.solids:
        assert solid.normal.shape == solid.position.shape
        assert solid.triangles.max() == len(solid.colour) - 1
        assert solid.colour.min() >= 0 and solid.colour.max() <= 1


@pytest.mark.parametrize("view", range(2))
def test_silhouettes_and_depths_are_those_of_the_fast_engine(renderer: Renderer, view: int) -> None:
    made, times = scene(animal("deer", gait="trot"), props=PROPS), [0.0, 0.4]
    cameras = rig(2, 2, elevation_deg=25.0).view(view)
    rendering = renderer.render(made, *arrays(cameras), times, labels=("depth",))
    world = build_world(made, times)
    assert rendering.depth is not None
    for frame in range(2):
        camera = cameras.frames(frame)
        layers = [rasterised(camera, solid.at(frame), solid.triangles) for solid in world.solids[:-1]]
        layers = np.stack([*layers, _ground_depth(camera)])
        depth = layers.min(axis=0)
        seen, both = rendering.depth[0, frame], np.isfinite(depth)
        assert (both == np.isfinite(seen)).mean() > 0.99
        both &= np.isfinite(seen)
        assert (np.abs(seen[both] / depth[both] - 1) < 0.01).mean() > 0.98
        subject = (layers.argmin(axis=0) == 0) & np.isfinite(depth)
        assert iou(subject, silhouettes(renderer, made, cameras, times)[0, frame]) > 0.98


def _ground_depth(cameras) -> np.ndarray:
    """Depth [H, W] of the plane z = 0 at the pixel centres, inf above the horizon."""
    height, width = cameras.hw
    c2w, K = cameras.c2w[0, 0].numpy(), cameras.K[0, 0].numpy()
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(K).T @ c2w[:3, :3].T
    with np.errstate(divide="ignore"):
        depth = -c2w[2, 3] / rays[..., 2]
    return np.where(depth > 0, depth, np.inf)


def test_the_lit_side_is_the_one_that_faces_the_sun(renderer: Renderer) -> None:
    """Pixels of the fast engine are as bright as normals, colours and light of the world say."""
    made, cameras = scene(animal("pig", "white")), rig(1, radius=3.0, azimuth_deg=200.0, elevation_deg=20.0)
    picture = linear(renderer.render(made, *arrays(cameras), [0.0]).rgb[0, 0] / 255)
    world = build_world(made, [0.0])
    pig, light = world.solids[0], world.light
    uv, depth = (found[0, 0].numpy() for found in cameras.project(torch.from_numpy(pig.at(0))))
    nearest = rasterised(cameras, pig.at(0), pig.triangles)
    column, row = uv.astype(int).T
    visible = np.abs(depth / nearest[row, column] - 1) < 0.01
    normal = pig.normal[0]
    sun = np.maximum(normal @ light.to_sun, 0.0)
    ambient = light.ambient_down + (light.ambient_up - light.ambient_down) * (0.5 + 0.5 * normal[:, 2:])
    expected = np.clip(pig.colour * (ambient + sun[:, None] * light.sunlight), 0, 1)[visible]
    found = picture[row, column][visible]
    assert visible.sum() > 100
    assert np.corrcoef(expected.mean(-1), found.mean(-1))[0, 1] > 0.75  # some vertices are on the outline
    assert np.median(np.abs(expected - found)) < 0.08


def test_the_ground_pattern_repeats_without_a_seam() -> None:
    pattern = ground_pattern().astype(float)
    inside = np.abs(np.diff(pattern, axis=0)).mean()
    assert np.abs(pattern[0] - pattern[-1]).mean() < 2 * inside
    assert 100 < pattern.mean() < 156 and pattern.std() > 30

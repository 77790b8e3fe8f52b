"""Labels agree with the geometry, with each other and with the pictures."""

import dataclasses
from itertools import product

import numpy as np
import pytest
import torch

from render.examples import animal, arrays, rig, scene, unprojected
from syncam.errors import InputError
from syncam.render.generate import generate_scene, sample_cameras
from syncam.render.labels import LABELS, flow_with_lenses, pair_visibility
from syncam.render.opengl import NEAR
from syncam.render.rasterizer import Renderer
from syncam.render.scene import Prop
from syncam.render.skeleton import BODY, NUM_BONES, TRUNK, leg_bone

TIMES = [0.0, 0.1, 0.25]
CAST = (animal("horse", "red", x=0.0, y=0.9), animal("dog", "white", y=-0.7, gait="trot"))


def moving_rig(views: int = 2):
    return sample_cameras(3, views, 3, (64, 64), moving=1.0, radius_m=(4.0, 5.0), elevation_deg=(12.0, 25.0))


def test_only_what_was_asked_for_and_without_effect_on_the_picture(renderer: Renderer) -> None:
    made, cameras = scene(*CAST), moving_rig()
    plain = renderer.render(made, *arrays(cameras), TIMES)
    for asked in (("depth",), ("flow", "joints"), LABELS):
        rendering = renderer.render(made, *arrays(cameras), TIMES, labels=asked)
        assert np.array_equal(plain.rgb, rendering.rgb) and np.array_equal(plain.mask, rendering.mask)
        for name, field in (
            ("depth", "depth"),
            ("normals", "normals"),
            ("instances", "instances"),
            ("joints", "joints"),
        ):
            assert (getattr(rendering, field) is not None) == (name in asked)
        assert (rendering.flow_forward is not None) == (rendering.flow_backward is not None) == ("flow" in asked)


@pytest.mark.parametrize("zooms", [False, True])
@pytest.mark.parametrize("step", [1, -1])
def test_flow_of_what_stands_still_is_the_reprojection_of_its_depth(renderer: Renderer, step: int, zooms: bool) -> None:
    cameras = moving_rig()
    if zooms:
        K = cameras.K.clone()
        K[:, 0, 0, 0] *= 1.15
        K[:, 2, :2] *= 0.8
        K[1, 2, 0, 2] += 5.0
        cameras = dataclasses.replace(cameras, K=K)
    made = scene(*CAST, props=(Prop("crate", -2.0, 0.0, 30.0, 1.0),))
    rendering = renderer.render(made, *arrays(cameras), TIMES, labels=("depth", "flow", "instances"))
    flow = rendering.flow_forward if step == 1 else rendering.flow_backward
    assert flow is not None and rendering.depth is not None and rendering.instances is not None
    assert np.isnan(flow[:, -1 if step == 1 else 0]).all()
    centres = np.stack(np.meshgrid(np.arange(64) + 0.5, np.arange(64) + 0.5), axis=-1)
    for view in range(2):
        for frame in (1,):
            still = np.isfinite(rendering.depth[view, frame]) & (rendering.instances[view, frame] == 0)
            world = unprojected(cameras.view(view).frames(frame), rendering.depth[view, frame])
            other = cameras.view(view).frames(frame + step)
            uv = other.project(torch.from_numpy(world[still]))[0][0, 0].numpy()
            error = np.linalg.norm(uv - centres[still] - flow[view, frame][still], axis=-1)
            near = rendering.depth[view, frame][still] < 40
            assert error[near].max() < 0.02
            assert np.linalg.norm(flow[view, frame][still], axis=-1).max() > 0.3


def test_flow_of_characters_leads_to_the_same_part_of_them(renderer: Renderer) -> None:
    """The forward flow and the backward flow at its end cancel, where the same character is seen there."""
    cameras, made = moving_rig(1), scene(*CAST)
    rendering = renderer.render(made, *arrays(cameras), TIMES, labels=("flow", "instances"))
    assert rendering.flow_forward is not None and rendering.flow_backward is not None
    assert rendering.instances is not None
    rows, columns = np.nonzero(rendering.instances[0, 0])
    flow = rendering.flow_forward[0, 0, rows, columns]
    x, y = np.floor(columns + 0.5 + flow[:, 0]).astype(int), np.floor(rows + 0.5 + flow[:, 1]).astype(int)
    inside = (x >= 0) & (x < 64) & (y >= 0) & (y < 64)
    x, y, rows, columns, flow = x[inside], y[inside], rows[inside], columns[inside], flow[inside]
    same = rendering.instances[0, 1, y, x] == rendering.instances[0, 0, rows, columns]
    assert same.mean() > 0.85
    back = rendering.flow_backward[0, 1, y, x]
    assert np.median(np.linalg.norm(flow + back, axis=-1)[same]) < 0.35
    assert np.median(np.linalg.norm(flow, axis=-1)) > 0.5


def test_a_change_of_lens_added_to_flow_is_that_of_drawing_with_it(renderer: Renderer) -> None:
    """What the other engine does: flow with each picture's own lens in its neighbours, then the change of lenses."""
    cameras, made = moving_rig(1), scene(*CAST)
    K = cameras.K.clone()
    K[0, 1] = torch.tensor([[95.0, 0, 35.0], [0, 80.0, 29.0], [0, 0, 1]], dtype=K.dtype)
    zooming = dataclasses.replace(cameras, K=K)
    whole = renderer.render(made, *arrays(zooming), TIMES, labels=("flow",))
    for frame in range(3):
        same = dataclasses.replace(zooming, K=K[:, [frame] * 3])
        plain = renderer.render(made, *arrays(same), TIMES, labels=("flow",))
        for step, flow, wanted in (
            (1, plain.flow_forward, whole.flow_forward),
            (-1, plain.flow_backward, whole.flow_backward),
        ):
            assert flow is not None and wanted is not None
            there = frame + step
            found = flow_with_lenses(flow[0, frame], K[0, frame].numpy(), K[0, there % 3].numpy())
            if 0 <= there < 3:
                np.testing.assert_allclose(found, wanted[0, frame], atol=2e-3)
            else:
                assert np.isnan(wanted[0, frame]).all()


def test_instances_agree_with_masks(renderer: Renderer) -> None:
    cameras = rig(3, radius=5.0)
    rendering = renderer.render(scene(*CAST), *arrays(cameras), [0.0], labels=("instances",))
    assert rendering.instances is not None
    assert set(np.unique(rendering.instances)) == {0, 1, 2}
    np.testing.assert_array_equal(rendering.instances > 0, rendering.mask)
    for number, one in enumerate(CAST, start=1):
        alone = renderer.render(scene(one), *arrays(cameras), [0.0], labels=("instances",)).instances
        assert alone is not None
        assert not ((rendering.instances == number) & (alone == 0)).any()


def test_normals(renderer: Renderer) -> None:
    """Up on the ground, unit length, towards the camera; 0 in the sky."""
    cameras = rig(1, elevation_deg=20.0)
    rendering = renderer.render(scene(animal("pig")), *arrays(cameras), [0.0], labels=("normals", "depth", "instances"))
    assert rendering.normals is not None and rendering.depth is not None and rendering.instances is not None
    normals, sky = rendering.normals[0, 0], np.isinf(rendering.depth[0, 0])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), np.where(sky, 0.0, 1.0), atol=1e-4)
    ground = ~sky & (rendering.instances[0, 0] == 0)
    np.testing.assert_allclose(normals[ground], np.broadcast_to([0.0, 0.0, 1.0], normals[ground].shape), atol=1e-5)
    world = unprojected(cameras, np.where(sky, 1.0, rendering.depth[0, 0]))
    to_eye = cameras.positions[0, 0].numpy() - world
    facing = (normals * to_eye).sum(-1)[rendering.instances[0, 0] > 0]
    assert (facing > -0.05).mean() > 0.97


def test_joints_are_on_the_characters(renderer: Renderer) -> None:
    cameras = rig(2, radius=5.0)
    cast = (animal("elephant"), animal("man", x=-0.5, y=1.5, gait="wave", second="blue"))
    rendering = renderer.render(scene(*cast), *arrays(cameras), [0.0], labels=("joints", "instances"))
    joints, world = rendering.joints, rendering.joints_world
    assert joints is not None and world is not None and rendering.instances is not None
    assert joints.shape == (2, 1, 2, NUM_BONES, 3) and world.shape == (1, 2, NUM_BONES, 3)
    assert np.isnan(joints[:, :, 1, TRUNK]).all() and np.isfinite(joints[:, :, 0, TRUNK]).all()
    for view in range(2):
        uv, depth = cameras.view(view).project(torch.from_numpy(world[0, 0, [BODY, leg_bone(0, 1)]]).double())
        np.testing.assert_allclose(joints[view, 0, 0, [BODY, leg_bone(0, 1)], :2], uv[0, 0], atol=1e-3)
        np.testing.assert_allclose(joints[view, 0, 0, [BODY, leg_bone(0, 1)], 2], depth[0, 0], atol=1e-4)
        for number in (0, 1):
            x, y = joints[view, 0, number, BODY, :2].astype(int)
            assert rendering.instances[view, 0, y, x] > 0


def test_visibility_of_pairs(renderer: Renderer) -> None:
    """All of a character is seen from its own view; views from opposite sides share little of it."""
    cameras = rig(3, radius=5.0, span_deg=240.0, elevation_deg=15.0)
    c2w, K = arrays(cameras)
    rendering = renderer.render(scene(animal("bear")), c2w, K, [0.0], labels=("depth", "instances"))
    assert rendering.depth is not None and rendering.instances is not None
    share = pair_visibility(rendering.depth, rendering.instances, c2w, K)
    assert share.shape == (1, 1, 3, 3)
    np.testing.assert_allclose(np.diagonal(share[0, 0]), 1.0)
    assert (share[0, 0][~np.eye(3, dtype=bool)] < 0.6).all()
    near = rig(2, radius=5.0, span_deg=8.0, elevation_deg=15.0)
    c2w, K = arrays(near)
    rendering = renderer.render(scene(animal("bear")), c2w, K, [0.0], labels=("depth", "instances"))
    assert rendering.depth is not None and rendering.instances is not None
    assert pair_visibility(rendering.depth, rendering.instances, c2w, K)[0, 0].min() > 0.8
    with pytest.raises(InputError, match="not one size"):
        pair_visibility(rendering.depth[:1], rendering.instances, c2w, K)


def plain_visibility(depth: np.ndarray, instances: np.ndarray, c2w: np.ndarray, K: np.ndarray) -> np.ndarray:
    """The same, by what is said of it: point after point, every test of every one."""
    num_views, num_frames, height, width = depth.shape
    share = np.full((num_frames, int(instances.max()), num_views, num_views), np.nan)
    for frame, i, j in product(range(num_frames), range(num_views), range(num_views)):
        row, column = np.nonzero(instances[i, frame])
        who = instances[i, frame, row, column]
        rays = np.linalg.inv(K[i, frame]) @ np.stack([column + 0.5, row + 0.5, np.ones(len(row))])
        world = c2w[i, frame, :3, :3] @ (rays * depth[i, frame, row, column]) + c2w[i, frame, :3, 3:]
        w2c = np.linalg.inv(c2w[j, frame])
        camera = w2c[:3, :3] @ world + w2c[:3, 3:]
        z = np.maximum(camera[2], 1e-6)
        x, y = np.floor((K[j, frame] @ camera)[:2] / z).astype(int)
        inside = (camera[2] > NEAR) & (x >= 0) & (x < width) & (y >= 0) & (y < height)
        x, y = np.where(inside, x, 0), np.where(inside, y, 0)
        near = np.abs(depth[j, frame, y, x] / z - 1) < 0.03
        seen = inside & near & (instances[j, frame, y, x] == who)
        for number in np.unique(who):
            share[frame, number - 1, i, j] = seen[who == number].mean()
    return share


def test_visibility_is_that_of_every_point(renderer: Renderer) -> None:
    """Of several characters, some of them hidden or out of the picture, seen by cameras that move, to the last bit."""
    cameras = moving_rig(3)
    cast = (animal("elephant"), animal("man", x=-0.5, y=1.5, gait="wave", second="blue"), animal("cat", x=2.0, y=-2.5))
    rendering = renderer.render(scene(*cast), *arrays(cameras), TIMES, labels=("depth", "instances"))
    assert rendering.depth is not None and rendering.instances is not None
    instances = rendering.instances.copy()
    instances[1, 0][instances[1, 0] == 2] = 0
    found = pair_visibility(rendering.depth, instances, *arrays(cameras))
    assert np.isnan(found[0, 1, 1]).all() and (found == 0).any() and ((found > 0) & (found < 1)).sum() > 20
    np.testing.assert_array_equal(found, plain_visibility(rendering.depth, instances, *arrays(cameras)))


def test_labels_of_the_full_content(renderer: Renderer) -> None:
    """Moving props have flow; rain is part of the picture, not of a character."""
    cameras = moving_rig(2)
    for seed in (2, 26):
        made = generate_scene(seed, duration_s=0.25, camera_positions=cameras.positions.numpy())
        rendering = renderer.render(made, *arrays(cameras), TIMES, labels=LABELS)
        assert rendering.instances is not None and rendering.depth is not None and rendering.flow_forward is not None
        assert rendering.instances.max() <= len(made.animals)
        assert np.isfinite(rendering.flow_forward[:, :-1][np.isfinite(rendering.depth[:, :-1])]).mean() > 0.99


def test_unknown_labels(renderer: Renderer) -> None:
    with pytest.raises(InputError, match="there is no label 'albedo'; expected some of depth, normals"):
        renderer.render(scene(), *arrays(rig(1)), [0.0], labels=("albedo",))

"""Both engines show the same scene; the worker's failures are one line; a killed job goes on."""

import dataclasses
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from render.examples import animal, arrays, iou, rig, scene, unprojected
from syncam.cameras import Cameras, hemisphere
from syncam.errors import InputError
from syncam.render.blender.engine import BlenderRenderer, BlenderRendering, run_worker
from syncam.render.blender.environment import Blender
from syncam.render.blender.job import Settings
from syncam.render.generate import generate_scene, sample_cameras
from syncam.render.props import prop_mesh
from syncam.render.rasterizer import Renderer
from syncam.render.rendering import Rendering
from syncam.render.scene import Prop, Scene
from syncam.render.world import World, build_world

HW = (72, 96)
TIMES = [0.0, 0.125]
LABELS = ("depth", "normals", "instances", "flow")
QUICK = Settings(samples=2)


@dataclasses.dataclass
class Pair:
    """The same through both engines."""

    made: Scene
    world: World
    cameras: Cameras
    fine: BlenderRendering
    fast: Rendering


@pytest.fixture(scope="module", params=[3, 5])
def pair(request: pytest.FixtureRequest, blender: Blender) -> Pair:
    """A seeded scene with props, seen by two moving cameras."""
    cameras = sample_cameras(request.param, 2, 2, HW, moving=1.0)
    c2w, K = arrays(cameras)
    made = generate_scene(
        request.param, content="basic", props=1.0, duration_s=TIMES[-1], camera_positions=c2w[..., :3, 3]
    )
    fine = BlenderRenderer(HW, QUICK, blender=blender).render(made, c2w, K, TIMES, labels=LABELS)
    fast = Renderer(HW).render(made, c2w, K, TIMES, labels=("depth",))
    return Pair(made, build_world(made, TIMES), cameras, fine, fast)


def test_the_same_silhouettes_and_depths(pair: Pair) -> None:
    for view in range(2):
        for frame in range(2):
            assert iou(pair.fine.mask[view, frame], pair.fast.mask[view, frame]) >= 0.98
    assert pair.fine.depth is not None and pair.fast.depth is not None
    assert (np.isfinite(pair.fine.depth) == np.isfinite(pair.fast.depth)).mean() > 0.999
    both = np.isfinite(pair.fine.depth) & np.isfinite(pair.fast.depth)
    error = np.abs(pair.fine.depth[both] / pair.fast.depth[both] - 1)
    assert (error < 0.01).mean() > 0.995 and np.median(error) < 1e-3


def test_the_same_colours_from_the_same_side(pair: Pair) -> None:
    fine, fast = pair.fine.rgb.astype(float), pair.fast.rgb.astype(float)
    assert np.abs(fine - fast).mean() < 6
    inside = pair.fine.mask & pair.fast.mask
    assert np.abs(fine[inside].mean(0) - fast[inside].mean(0)).max() < 16
    assert np.corrcoef(fine[inside].mean(-1), fast[inside].mean(-1))[0, 1] > 0.7, "bright and dark sides"


@pytest.fixture(scope="module", params=[1, 7, 10, 27])
def full_pair(request: pytest.FixtureRequest, blender: Blender) -> Pair:
    """The same of the full content."""
    cameras = sample_cameras(request.param, 2, 2, HW)
    c2w, K = arrays(cameras)
    made = generate_scene(request.param, duration_s=TIMES[-1], camera_positions=c2w[..., :3, 3])
    settings = Settings(samples=16)
    fine = BlenderRenderer(HW, settings, blender=blender).render(made, c2w, K, TIMES, labels=(*LABELS, "joints"))
    fast = Renderer(HW).render(made, c2w, K, TIMES, labels=(*LABELS, "joints"))
    return Pair(made, build_world(made, TIMES), cameras, fine, fast)


def test_the_full_content_is_the_same(full_pair: Pair) -> None:
    fine, fast = full_pair.fine, full_pair.fast
    assert fine.instances is not None and fast.instances is not None
    assert fine.depth is not None and fast.depth is not None and fine.normals is not None and fast.normals is not None
    assert iou(fine.mask, fast.mask) >= 0.98
    for name in range(1, len(full_pair.made.animals) + 1):
        assert iou(fine.instances == name, fast.instances == name) >= 0.98
    assert (np.isfinite(fine.depth) == np.isfinite(fast.depth)).mean() > 0.995
    both = np.isfinite(fine.depth) & np.isfinite(fast.depth)
    assert (np.abs(fine.depth[both] / fast.depth[both] - 1) < 0.01).mean() > 0.98
    assert ((fine.normals * fast.normals).sum(-1)[both] > 0.9).mean() > 0.95
    np.testing.assert_array_equal(fine.joints, fast.joints)
    assert np.abs(fine.rgb.astype(float) - fast.rgb).mean() < 12


@pytest.mark.parametrize("view", [0, 1])
def test_flow_leads_to_where_points_are_a_frame_later(pair: Pair, view: int) -> None:
    check_flow(pair, view)


def check_flow(pair: Pair, view: int) -> None:
    """What stands still moves on the picture exactly as the cameras say; what moves, as its nearest vertex does."""
    fine, (height, width) = pair.fine, HW
    assert fine.depth is not None and fine.solids is not None
    here = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1)
    for flow, start, end in ((fine.flow_forward, 0, 1), (fine.flow_backward, 1, 0)):
        assert flow is not None and np.isnan(flow[:, end]).all()
        depth = fine.depth[view, start].astype(float)
        near = np.isfinite(depth) & (depth < 60)
        points = unprojected(pair.cameras.view(view).frames(start), np.where(near, depth, 1.0))
        later = points.copy()
        for index in range(pair.world.num_subjects):
            places = pair.world.solids[index].position
            shown = fine.solids[view, start] == index + 1
            nearest = np.linalg.norm(points[shown][:, None] - places[start], axis=-1).argmin(1)
            later[shown] += places[end][nearest] - places[start][nearest]
        uv = pair.cameras.view(view).frames(end).project(torch.from_numpy(later.reshape(-1, 3)))[0]
        error = np.linalg.norm(uv[0, 0].numpy().reshape(height, width, 2) - here - flow[view, start], axis=-1)
        moving = near & fine.mask[view, start]
        assert error[near & ~moving].max() < 0.05 and error[moving].mean() < 0.2


def test_normals_face_the_camera(pair: Pair) -> None:
    fine = pair.fine
    assert fine.normals is not None and fine.depth is not None and fine.solids is not None
    length = np.linalg.norm(fine.normals, axis=-1)
    np.testing.assert_allclose(length[np.isfinite(fine.depth)], 1.0, atol=1e-3)
    ground = fine.solids == pair.world.solids[-1].instance
    np.testing.assert_allclose(fine.normals[ground], np.broadcast_to([0.0, 0.0, 1.0], (ground.sum(), 3)), atol=1e-3)
    for view in range(2):
        point = unprojected(pair.cameras.view(view).frames(0), np.where(fine.mask[view, 0], fine.depth[view, 0], 1.0))
        towards = pair.cameras.positions[view, 0].numpy() - point
        facing = (towards * fine.normals[view, 0]).sum(-1)[fine.mask[view, 0]]
        assert (facing > 0).mean() > 0.9


def test_points_land_where_any_lens_projects_them(blender: Blender) -> None:
    """A crate's outline is that of its projected corners, with the principal point off centre and oblong pixels."""
    cameras = rig(2, radius=5.0, azimuth_deg=20.0, elevation_deg=25.0)
    K = cameras.K.clone()
    K[0, 0] = torch.tensor([[70.0, 0, 40.0], [0, 90.0, 21.0], [0, 0, 1]])
    K[1, 0] = torch.tensor([[95.0, 0, 25.0], [0, 60.0, 44.0], [0, 0, 1]])
    cameras = dataclasses.replace(cameras, K=K)
    crate = scene(props=(Prop("crate", 0.3, -0.2, 25.0, 1.2),))
    found = BlenderRenderer(cameras.hw, QUICK, blender=blender).render(crate, *arrays(cameras), [0.0])
    assert found.solids is not None
    corners = build_world(crate, [0.0]).solids[0].at(0)
    assert len(corners) == len(prop_mesh("crate").position)
    for view in range(2):
        rows, columns = np.nonzero(found.solids[view, 0] == 1)
        uv = cameras.view(view).project(torch.from_numpy(corners[corners[:, 2] > 0]))[0][0, 0].numpy()
        assert columns.min() == pytest.approx(uv[:, 0].min(), abs=0.5)
        assert columns.max() + 1 == pytest.approx(uv[:, 0].max(), abs=0.5)
        assert rows.min() == pytest.approx(uv[:, 1].min(), abs=1.0)  # a corner, which may miss a pixel's centre


def test_a_killed_job_goes_on_and_gives_the_same_bytes(blender: Blender, tmp_path: Path) -> None:
    made, cameras = scene(animal("pig")), rig(2, 2)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    renderer = BlenderRenderer(cameras.hw, QUICK, blender=blender, work=tmp_path, progress=stop)
    with pytest.raises(KeyboardInterrupt):
        renderer.render(made, *arrays(cameras), TIMES)
    kept = list(tmp_path.rglob("v*_f*"))
    assert len(kept) >= 3
    seen: list[int] = []
    renderer.progress = lambda done, total: seen.append(done)
    gone_on = renderer.render(made, *arrays(cameras), TIMES)
    assert seen[0] == len(kept) and seen[-1] == 8
    assert not list(tmp_path.iterdir()), "a finished scene leaves nothing behind"
    at_once = BlenderRenderer(cameras.hw, QUICK, blender=blender).render(made, *arrays(cameras), TIMES)
    np.testing.assert_array_equal(gone_on.rgb, at_once.rgb)
    np.testing.assert_array_equal(gone_on.mask, at_once.mask)


def test_a_depth_of_field_blurs_pictures_and_not_labels(blender: Blender) -> None:
    cameras = rig(1)
    made = scene(props=(Prop("crate", 0.0, 0.0, 25.0, 1.0),))
    renderer = BlenderRenderer(cameras.hw, Settings(samples=16), blender=blender)
    near, wide = np.full((1, 1), 0.5), np.full((1, 1), 0.5)
    sharp = renderer.render(made, *arrays(cameras), [0.0], labels=("depth",))
    soft = renderer.render(made, *arrays(cameras), [0.0], labels=("depth",), aperture=wide, focus_distance=near)
    contrast = [np.abs(np.diff(one.rgb.astype(float), axis=3)).max() for one in (sharp, soft)]
    assert contrast[1] < 0.7 * contrast[0]
    np.testing.assert_array_equal(sharp.depth, soft.depth)


def pretender(tmp_path: Path, text: str) -> Blender:
    """A program in Blender's place."""
    path = tmp_path / "blender"
    path.write_text(f"#!{sys.executable}\nimport json, os, sys, time\n{text}\n")
    path.chmod(0o755)
    return Blender(path, False)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("print(json.dumps({'error': 'RuntimeError: out of memory'})); sys.exit(1)", "RuntimeError: out of memory"),
        ("print('Blender 4.5.15', flush=True); os.kill(os.getpid(), 9)", "it was killed by signal 9"),
        ("sys.exit(7)", "it left with code 7"),
        ("pass", "it left with code 0"),
    ],
)
def test_failures_are_one_line_with_the_log(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=rf"did not render: {complaint}; its log is {tmp_path}/log.txt$"):
        run_worker(pretender(tmp_path, text), tmp_path)


def test_a_python_without_bpy_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did not render: it left with code 1"):
        run_worker(Blender(Path(sys.executable), True), tmp_path)
    assert "No module named 'bpy'" in (tmp_path / "log.txt").read_text()


def test_the_worker_does_not_outlive_us(tmp_path: Path) -> None:
    text = "print(json.dumps({'done': 0, 'total': os.getpid()}), flush=True); time.sleep(60)"
    pids: list[int] = []

    def leave(done: int, total: int) -> None:
        pids.append(total)
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_worker(pretender(tmp_path, text), tmp_path, leave)
    assert time.monotonic() - start < 30
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_lamps_give_about_the_same_light_in_both_engines(blender: Blender) -> None:
    hw, cameras = (48, 48), hemisphere(views=1, hw=(48, 48), radius=12.0, elevation_deg=80.0, azimuth_deg=0.0)
    found = []
    for props in ((), (Prop("lamp post", 0.0, 0.0, 0.0, 1.0),)):
        made = scene(sky="night", ground="paving", environment="square", props=props)
        fine = BlenderRenderer(hw, Settings(samples=16), blender=blender).render(made, *arrays(cameras), [0.0])
        found.append(
            [one.rgb[0, 0].astype(float) for one in (fine, Renderer(hw).render(made, *arrays(cameras), [0.0]))]
        )
    (bare, plain), (lit, pool) = found
    rows, columns = np.mgrid[:48, :48] - 23.5
    ring = (np.hypot(rows, columns) > 9) & (np.hypot(rows, columns) < 18)
    fine, fast = (lit - bare)[ring].mean(0), (pool - plain)[ring].mean(0)
    assert fine[0] > 6 and fast[0] > 6 and (np.abs(fine - fast) < 0.4 * fast[0]).all()


def test_flow_of_lenses_that_zoom(blender: Blender) -> None:
    """Also off centre and with oblong pixels; a dog that walks counts, and what stands still is exact."""
    cameras = sample_cameras(3, 1, 2, HW, moving=1.0)
    K = cameras.K.clone()
    K[0, 1] = torch.tensor([[150.0, 0, 53.0], [0, 130.0, 31.0], [0, 0, 1]])
    cameras = dataclasses.replace(cameras, K=K)
    made = scene(animal("dog", x=-0.2), props=(Prop("crate", 1.0, 0.6, 25.0, 1.0),))
    found = BlenderRenderer(HW, QUICK, blender=blender).render(made, *arrays(cameras), TIMES, labels=("flow", "depth"))
    assert found.depth is not None and found.flow_forward is not None and found.flow_backward is not None
    world = build_world(made, TIMES)
    pair = Pair(made, world, cameras, found, found)
    check_flow(pair, view=0)

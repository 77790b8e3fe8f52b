"""Cameras as values that move, are cut, and carry a depth of field."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from cameras.examples import HW, random_cameras
from syncam.cameras import Cameras, normalise_scale, resample
from syncam.errors import InputError

VIEWS = pytest.mark.parametrize("views", [1, 2, 3])
BATCH = pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)


def focused(views: int = 3, frames: int = 5, batch: tuple[int, ...] = ()) -> Cameras:
    """Random cameras of which every frame has its own aperture and focus."""
    cameras = random_cameras(views, frames, batch)
    numbers = 1 + torch.rand(2, *batch, views, frames, dtype=torch.float64)
    return replace(cameras, aperture=numbers[0] * 2, focus_distance=numbers[1] * 3)


@VIEWS
@BATCH
def test_a_moved_rig_sees_moved_points_at_the_same_pixels(views: int, batch: tuple[int, ...]) -> None:
    cameras, points = random_cameras(views, batch=batch), torch.randn(*batch, 7, 3, dtype=torch.float64)
    world = random_cameras(1, 1, batch, seed=9).c2w[..., 0, 0, :, :]
    scale = 0.5 + torch.rand(batch, dtype=torch.float64)
    moved = cameras.transformed(world, scale)
    there = scale[..., None, None] * points @ world[..., :3, :3].mT + world[..., None, :3, 3]
    (uv, depth), (expected, before) = moved.project(there), cameras.project(points)
    torch.testing.assert_close(uv, expected, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(depth, before * scale[..., None, None, None], rtol=0, atol=1e-9)


@VIEWS
@BATCH
def test_moving_the_whole_rig_leaves_relative_poses(views: int, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(views, batch=batch)
    moved = cameras.transformed(random_cameras(1, 1, seed=9).c2w[0, 0])
    for view, frame in ((0, None), (views - 1, 2), (None, 0)):
        expected = cameras.relative_to(view, frame)
        torch.testing.assert_close(moved.relative_to(view, frame), expected, rtol=0, atol=1e-11)


def test_one_world_for_all_scenes_and_one_for_each() -> None:
    cameras = random_cameras(2, batch=(2,))
    worlds = random_cameras(1, 1, (2,), seed=9).c2w[:, 0, 0]
    each = cameras.transformed(worlds, torch.tensor([1.0, 2.0]))
    for scene, scale in enumerate((1.0, 2.0)):
        one = Cameras(cameras.c2w[scene], cameras.K[scene], HW).transformed(worlds[scene], scale)
        torch.testing.assert_close(each.c2w[scene], one.c2w)
    torch.testing.assert_close(cameras.transformed(worlds[0].float()).c2w[1, 0, 0], worlds[0] @ cameras.c2w[1, 0, 0])


@pytest.mark.usefixtures("unchecked")
def test_what_a_rig_cannot_be_moved_by() -> None:
    cameras, eye = random_cameras(2, batch=(2,)), torch.eye(4, dtype=torch.float64)
    with pytest.raises(InputError, match="transformed: the rotation of world is not orthonormal"):
        cameras.transformed(eye * torch.tensor([2.0, 2, 2, 1]))
    with pytest.raises(InputError, match="transformed: world is left-handed"):
        cameras.transformed(eye * torch.tensor([1.0, -1, 1, 1]))
    with pytest.raises(InputError, match=r"world must be \[4, 4\] or \[2, 4, 4\], got \[3, 4, 4\]"):
        cameras.transformed(eye.expand(3, 4, 4))
    for scale in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match=r"scale must be a positive number, or one per scene \[2\], got"):
            cameras.transformed(eye, scale)
    with pytest.raises(InputError, match=r"or one per scene \[2\], got \[1.0, 1.0, 1.0\]"):
        cameras.transformed(eye, torch.ones(3))


@VIEWS
@BATCH
@pytest.mark.parametrize(("top", "left", "hw"), [(0, 0, HW), (3, 10, (20, 33)), (47, 79, (1, 1))])
def test_a_crop_moves_the_corner(views: int, batch: tuple[int, ...], top: int, left: int, hw: tuple[int, int]) -> None:
    cameras, points = random_cameras(views, batch=batch), torch.randn(*batch, 7, 3, dtype=torch.float64)
    part = cameras.crop(top, left, hw)
    assert part.hw == hw and torch.equal(part.c2w, cameras.c2w)
    expected = cameras.project(points)[0] - torch.tensor([left, top], dtype=torch.float64)
    torch.testing.assert_close(part.project(points)[0], expected, rtol=1e-9, atol=1e-9)


def test_crop_and_resize_commute_with_projection() -> None:
    """Half the size and then a crop, or twice the crop and then half the size."""
    cameras = random_cameras(2)
    one, other = cameras.resized((24, 40)).crop(3, 5, (12, 20)), cameras.crop(6, 10, (24, 40)).resized((12, 20))
    torch.testing.assert_close(one.K, other.K)
    assert one.hw == other.hw == (12, 20)


@pytest.mark.parametrize(("hw", "top", "left"), [((20, 40), 14, 20), ((21, 41), 13, 19), (HW, 0, 0)])
def test_center_crop(hw: tuple[int, int], top: int, left: int) -> None:
    cameras = random_cameras(2)
    assert torch.equal(cameras.center_crop(hw).K, cameras.crop(top, left, hw).K)


@pytest.mark.parametrize(("top", "left", "hw"), [(-1, 0, (4, 4)), (0, 78, (4, 4)), (45, 0, (4, 4)), (0, 0, (49, 80))])
def test_crops_stay_inside(top: int, left: int, hw: tuple[int, int]) -> None:
    message = rf"a crop of {hw[0]}x{hw[1]} pixels at top {top}, left {left} leaves the picture of 48x80"
    with pytest.raises(InputError, match=message):
        random_cameras(1).crop(top, left, hw)
    with pytest.raises(InputError, match="a crop of 50x80 pixels at top -1, left 0 leaves the picture"):
        random_cameras(1).center_crop((50, 80))


OPERATIONS: dict[str, tuple[Callable[[Cameras], Cameras], Callable[[torch.Tensor], torch.Tensor]]] = {
    "view": (lambda c: c.view([2, 0]), lambda x: x[..., [2, 0], :]),
    "frames": (lambda c: c.frames(slice(1, 4)), lambda x: x[..., 1:4]),
    "repeat": (lambda c: c.frames(1).repeat_frames(3), lambda x: x[..., 1:2].repeat_interleave(3, -1)),
    "relative": (lambda c: c.relative(1, 0), lambda x: x),
    "resized": (lambda c: c.resized((10, 10)), lambda x: x),
    "crop": (lambda c: c.center_crop((10, 10)), lambda x: x),
    "to": (lambda c: c.to(torch.float32), lambda x: x.float()),
    "resample": (lambda c: resample(c, 9).frames(slice(None, None, 2)), lambda x: x),
}


@BATCH
@pytest.mark.parametrize("name", OPERATIONS)
def test_depth_of_field_is_carried_through(name: str, batch: tuple[int, ...]) -> None:
    cameras = focused(batch=batch)
    operation, expected = OPERATIONS[name]
    changed = operation(cameras)
    for field in ("aperture", "focus_distance"):
        assert torch.equal(getattr(changed, field), expected(getattr(cameras, field))), field
    bare = operation(replace(cameras, aperture=None))
    assert bare.aperture is None and bare.focus_distance is not None


def test_focus_is_a_length_and_an_aperture_is_none() -> None:
    cameras = focused(batch=(2,))
    scaled = cameras.transformed(torch.eye(4), torch.tensor([2.0, 3.0]))
    normal, length = normalise_scale(cameras, "scene radius")
    assert torch.equal(scaled.aperture, cameras.aperture) and torch.equal(normal.aperture, cameras.aperture)
    torch.testing.assert_close(scaled.focus_distance[1], 3 * cameras.focus_distance[1])
    torch.testing.assert_close(normal.focus_distance * length[:, None, None], cameras.focus_distance)


def test_pulling_focus_is_no_standing_still() -> None:
    still = focused(frames=1).repeat_frames(4)
    assert still.is_static
    for field in ("aperture", "focus_distance"):
        pulled = getattr(still, field) * torch.arange(1, 5)
        assert not replace(still, **{field: pulled}).is_static


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("field", ["aperture", "focus_distance"])
def test_broken_depth_of_field_is_refused_with_its_place(field: str) -> None:
    cameras = focused(batch=(2,))
    for bad in (0.0, -2.0, float("nan"), float("inf")):
        numbers = getattr(cameras, field).clone()
        numbers[1, 2, 3] = bad
        with pytest.raises(InputError, match=rf"{field} has a number that is not positive .*\(1,\), view 2, frame 3"):
            replace(cameras, **{field: numbers})
    with pytest.raises(
        InputError, match=rf"{field} must be floating-point \[..., V, F\] .*, got torch.float64 \(3, 5\)"
    ):
        replace(cameras, **{field: numbers[0]})
    with pytest.raises(InputError, match=rf"{field} must be floating-point .*, got torch.int64 \(2, 3, 5\)"):
        replace(cameras, **{field: torch.ones(2, 3, 5, dtype=torch.int64)})


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_every_operation_keeps_the_precision(dtype: torch.dtype) -> None:
    cameras = focused(2).to(dtype)
    for changed in (
        cameras.view(1),
        cameras.relative(1, 0),
        cameras.transformed(random_cameras(1, 1).c2w[0, 0], 2.0),
        cameras.resized((7, 9)),
        cameras.crop(1, 2, (8, 8)),
        resample(cameras, 7),
    ):
        assert {changed.c2w.dtype, changed.K.dtype, changed.aperture.dtype, changed.focus_distance.dtype} == {dtype}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_lower_precision_projects_in_float32(dtype: torch.dtype) -> None:
    cameras = random_cameras(2).to(dtype)
    uv = torch.rand(2, 5, 4, 2) * 40
    points = cameras.unproject(uv, torch.full((2, 5, 4), 2.0))
    c2w, K = cameras.c2w.double(), cameras.K.double()
    local = F.pad(uv.double(), (0, 1), value=1.0) @ torch.linalg.inv(K).mT * 2
    expected = local @ c2w[..., :3, :3].mT + c2w[..., None, :3, 3]
    assert points.dtype == torch.float32
    torch.testing.assert_close(points.double(), expected, rtol=1e-5, atol=1e-5)
    pixels, depth = cameras.project(torch.randn(4, 3))
    assert {pixels.dtype, depth.dtype} == {torch.float32}


def test_new_numbers_take_the_device_of_the_cameras() -> None:
    cameras = focused()
    expected = cameras.view(1).transformed(cameras.c2w[0, 0], 2.0).resized((24, 40)).center_crop((10, 10))
    with torch.device("meta"):
        found = cameras.view(1).transformed(cameras.c2w[0, 0], 2.0).resized((24, 40)).center_crop((10, 10))
    assert torch.equal(found.c2w, expected.c2w) and torch.equal(found.K, expected.K)

"""Laws of the Cameras value, and what it refuses to be made of."""

import pytest
import torch
from torch import Tensor

from cameras.examples import HW, random_cameras, random_rotations
from syncam.cameras import Cameras, hemisphere
from syncam.errors import InputError

VIEWS = pytest.mark.parametrize("views", [1, 2, 3])
BATCH = pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)


@VIEWS
@BATCH
def test_sizes(views: int, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(views, 5, batch)
    assert (cameras.batch_shape, cameras.num_views, cameras.num_frames) == (batch, views, 5)
    assert cameras.positions.shape == (*batch, views, 5, 3)
    assert not cameras.is_static
    assert cameras.frames(0).repeat_frames(4).is_static


@VIEWS
@BATCH
def test_w2c_is_the_inverse(views: int, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(views, batch=batch)
    torch.testing.assert_close(cameras.w2c, torch.linalg.inv(cameras.c2w), rtol=0, atol=1e-12)


@VIEWS
@BATCH
def test_project_after_unproject(views: int, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(views, batch=batch)
    uv = torch.rand(*batch, views, 5, 7, 2, dtype=torch.float64) * torch.tensor([HW[1], HW[0]])
    depth = 0.5 + 4 * torch.rand(*batch, views, 5, 7, dtype=torch.float64)
    points = cameras.unproject(uv, depth)  # [*batch, V, F, 7, 3]
    for view in range(views):
        for frame in range(5):
            one = cameras.view(view).frames(frame)
            back, back_depth = one.project(points[..., view, frame, :, :])
            torch.testing.assert_close(back[..., 0, 0, :, :], uv[..., view, frame, :, :], rtol=0, atol=1e-9)
            torch.testing.assert_close(back_depth[..., 0, 0, :], depth[..., view, frame, :], rtol=0, atol=1e-9)


@VIEWS
@BATCH
def test_unproject_after_project(views: int, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(views, batch=batch)
    points = torch.randn(*batch, 7, 3, dtype=torch.float64)
    back = cameras.unproject(*cameras.project(points))
    torch.testing.assert_close(back, points[..., None, None, :, :].expand_as(back), rtol=0, atol=1e-8)


def test_project_by_hand() -> None:
    """A camera in the origin that looks along +x: pixels grow to the right (-y) and downwards (-z)."""
    c2w = torch.eye(4, dtype=torch.float64)
    c2w[:3, :3] = torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    K = torch.tensor([[100.0, 0, 40], [0, 100, 24], [0, 0, 1]], dtype=torch.float64)
    cameras = Cameras(c2w[None, None], K[None, None], HW)
    uv, depth = cameras.project(torch.tensor([[2.0, 0, 0], [2, -0.25, 0], [2, 0, -0.25], [-2, 0, 0]]))
    assert uv[0, 0, :3].tolist() == [[40, 24], [52.5, 24], [40, 36.5]]
    assert depth[0, 0].tolist() == [2, 2, 2, -2]


def test_points_of_each_scene_go_to_its_own_cameras() -> None:
    cameras = random_cameras(2, 3, (2,))
    points = torch.randn(2, 4, 3, dtype=torch.float64)
    uv, _ = cameras.project(points)
    for scene in range(2):
        alone = Cameras(cameras.c2w[scene], cameras.K[scene], HW)
        torch.testing.assert_close(uv[scene], alone.project(points[scene])[0])


def test_float32_stays_float32() -> None:
    cameras = random_cameras(2).to(torch.float32)
    uv, depth = cameras.project(torch.randn(3, 3, dtype=torch.float64))
    assert {uv.dtype, depth.dtype, cameras.w2c.dtype, cameras.unproject(uv, depth).dtype} == {torch.float32}


@VIEWS
@BATCH
def test_relative_to_a_view(views: int, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(views, batch=batch)
    for view in range(views):
        relative = cameras.relative_to(view)
        eye = torch.eye(4, dtype=torch.float64).expand(*batch, 5, 4, 4)
        torch.testing.assert_close(relative[..., view, :, :, :], eye, rtol=0, atol=1e-12)
        first = cameras.c2w[..., view : view + 1, :, :, :]
        torch.testing.assert_close(first @ relative, cameras.c2w, rtol=0, atol=1e-12)
        fixed = cameras.relative_to(view, frame=2)
        torch.testing.assert_close(first[..., 2:3, :, :] @ fixed, cameras.c2w, rtol=0, atol=1e-12)


@VIEWS
def test_permuting_views_permutes_everything(views: int) -> None:
    cameras = random_cameras(views, batch=(2,))
    order = torch.randperm(views).tolist()
    moved = cameras.view(order)
    points = torch.randn(2, 4, 3, dtype=torch.float64)
    assert torch.equal(moved.w2c, cameras.w2c[:, order])
    assert torch.equal(moved.project(points)[0], cameras.project(points)[0][:, order])
    assert torch.equal(moved.relative_to(order.index(0)), cameras.relative_to(0)[:, order])


def test_choosing_views_and_frames() -> None:
    cameras = random_cameras(3, 5, (2,))
    assert torch.equal(cameras.view(1).c2w, cameras.c2w[:, 1:2])
    assert torch.equal(cameras.view(-1).K, cameras.K[:, 2:])
    assert torch.equal(cameras.view([2, 0]).c2w, cameras.c2w[:, [2, 0]])
    assert torch.equal(cameras.frames(slice(None, None, 2)).c2w, cameras.c2w[:, :, ::2])
    with pytest.raises(InputError, match=r"view index must lie in 0\.\.2, got \[0, 3\]"):
        cameras.view([0, 3])
    with pytest.raises(InputError, match=r"frame index must lie in 0\.\.4, got \[5\]"):
        cameras.frames(5)
    with pytest.raises(InputError, match="at least one view and one frame"):
        cameras.view([])


def test_repeat_frames() -> None:
    still = random_cameras(2, 1)
    assert torch.equal(still.repeat_frames(3).c2w, still.c2w.expand(2, 3, 4, 4))
    moving = random_cameras(2, 5)
    assert moving.repeat_frames(5) is moving
    with pytest.raises(InputError, match="cameras have 5 frames but the video has 9; give 1 or as many"):
        moving.repeat_frames(9)


@pytest.mark.parametrize("hw", [(24, 40), (96, 80), (37, 53)], ids=str)
def test_resized_scales_pixels(hw: tuple[int, int]) -> None:
    cameras = random_cameras(2)
    resized = cameras.resized(hw)
    points = torch.randn(4, 3, dtype=torch.float64)
    scale = torch.tensor([hw[1] / HW[1], hw[0] / HW[0]], dtype=torch.float64)
    torch.testing.assert_close(resized.project(points)[0], cameras.project(points)[0] * scale)
    assert resized.hw == hw
    torch.testing.assert_close(resized.resized(HW).K, cameras.K)


@pytest.mark.usefixtures("unchecked")
def test_numbers_of_other_libraries_are_sizes_too() -> None:
    cameras = random_cameras(1)
    height, width = torch.tensor([48, 80]).numpy()
    assert Cameras(cameras.c2w, cameras.K, (height, width)).hw == HW


def broken(place: tuple[int, ...], change: str) -> Tensor:
    c2w = random_cameras(2, 3, (2,)).c2w
    one = c2w[place]
    if change == "nan":
        one[0, 3] = float("nan")
    elif change == "infinite":
        one[1, 1] = float("inf")
    elif change == "mirrored":
        one[:3, 1] *= -1
    elif change == "scaled":
        one[:3, :3] *= 1.01
    elif change == "sheared":
        one[:3, 0] += 0.01 * one[:3, 1]
    elif change == "row":
        one[3, 0] = 0.5
    return c2w


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("nan", "c2w has NaN or infinite numbers"),
        ("infinite", "c2w has NaN or infinite numbers"),
        ("mirrored", "c2w is left-handed .its rotation has determinant -1; expected .1"),
        ("scaled", "the rotation of c2w is not orthonormal"),
        ("sheared", "the rotation of c2w is not orthonormal"),
        ("row", "the last row of c2w is not 0 0 0 1"),
    ],
)
def test_broken_poses_are_refused_with_their_place(change: str, message: str) -> None:
    K = random_cameras(2, 3, (2,)).K
    with pytest.raises(InputError, match=rf"^cameras: {message}.*\(scene \(1,\), view 0, frame 2\)$"):
        Cameras(broken((1, 0, 2), change), K, HW)
    with pytest.raises(InputError, match=rf"^cameras: {message}.*\(view 1, frame 0\)$"):
        Cameras(broken((0, 1, 0), change)[0], K[0], HW)


@pytest.mark.parametrize(
    ("row", "column", "number", "message"),
    [
        (0, 0, -50.0, "K has a focal length that is not positive"),
        (1, 1, 0.0, "K has a focal length that is not positive"),
        (0, 2, float("nan"), "K has NaN or infinite numbers"),
        (2, 2, 0.0, "the last row of K is not 0 0 1"),
    ],
)
def test_broken_lenses_are_refused_with_their_place(row: int, column: int, number: float, message: str) -> None:
    cameras = random_cameras(2, 3)
    K = cameras.K.clone()
    K[1, 2, row, column] = number
    with pytest.raises(InputError, match=rf"^cameras: {message} \(view 1, frame 2\)$"):
        Cameras(cameras.c2w, K, HW)


@pytest.mark.parametrize(
    ("c2w", "K", "hw", "message"),
    [
        ((4, 4), (3, 3), HW, r"c2w must be floating-point \[..., V, F, 4, 4\], got torch.float64 \(4, 4\)"),
        ((2, 3, 3, 4), (2, 3, 3, 3), HW, r"c2w must be floating-point .*\(2, 3, 3, 4\)"),
        ((2, 3, 4, 4), (2, 1, 3, 3), HW, r"K must be .* for c2w of shape \(2, 3, 4, 4\), got \(2, 1, 3, 3\)"),
        ((0, 3, 4, 4), (0, 3, 3, 3), HW, r"at least one view and one frame, got shape \(0, 3, 4, 4\)"),
        ((2, 0, 4, 4), (2, 0, 3, 3), HW, r"at least one view and one frame, got shape \(2, 0, 4, 4\)"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_wrong_shapes_are_refused(c2w: tuple[int, ...], K: tuple[int, ...], hw: tuple[int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cameras(torch.zeros(c2w, dtype=torch.float64), torch.zeros(K, dtype=torch.float64), hw)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("hw", [(0, 80), (48, -1), (48.5, 80), (48, 80, 3)], ids=str)
def test_wrong_sizes_are_refused(hw: tuple[float, ...]) -> None:
    cameras = random_cameras(1)
    with pytest.raises(InputError, match=r"hw must be \(height, width\) in whole pixels, got"):
        Cameras(cameras.c2w, cameras.K, hw)  # type: ignore[arg-type]


@pytest.mark.usefixtures("unchecked")
def test_whole_numbers_are_not_poses() -> None:
    cameras = random_cameras(1)
    with pytest.raises(InputError, match="c2w must be floating-point .*, got torch.int64"):
        Cameras(torch.eye(4, dtype=torch.int64).expand(1, 1, 4, 4), cameras.frames(0).K, HW)


def test_rounded_matrices_of_files_are_accepted() -> None:
    """Six digits, as the published camera files have them, and single precision."""
    cameras = random_cameras(3)
    c2w = cameras.c2w.clone()
    c2w[..., :3, :3] = (c2w[..., :3, :3] * 1e6).round() / 1e6
    Cameras(c2w, cameras.K, HW)
    cameras.to(torch.float32)


def test_three_cameras_are_three_cameras() -> None:
    """A cross product over the first axis of size 3 would mix the views of a rig of three."""
    rig = hemisphere(views=3, radius=4.0, span_deg=120.0)
    for view, azimuth in enumerate((-60.0, 0.0, 60.0)):
        alone = hemisphere(views=1, radius=4.0, azimuth_deg=azimuth)
        torch.testing.assert_close(rig.c2w[view], alone.c2w[0], rtol=0, atol=1e-12)


def test_it_is_a_value_that_cannot_be_changed() -> None:
    cameras = random_cameras(1)
    with pytest.raises(AttributeError):
        cameras.hw = (1, 1)  # type: ignore[misc]
    assert cameras == cameras and cameras != random_cameras(1)
    assert random_rotations(2).det().tolist() == pytest.approx([1, 1])

"""Rays and Pluecker maps: lines through the points that are seen, whatever the grid, the order and the world."""

from typing import Literal

import numpy as np
import pytest
import torch

from cameras.examples import HW, random_cameras
from syncam.cameras import Cameras, camera_rays, pixel_centres, pluecker

VIEWS = pytest.mark.parametrize("views", [1, 2, 3])
BATCH = pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)
GRIDS = pytest.mark.parametrize("grid", [None, (6, 10), (3, 7)], ids=str)
SMALL = (5, 7)


def test_pixel_centres() -> None:
    centres = pixel_centres((2, 3), like=torch.zeros(1, dtype=torch.float64))
    assert centres.dtype == torch.float64
    assert centres.tolist() == [[[0.5, 0.5], [1.5, 0.5], [2.5, 0.5]], [[0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]]


def test_rays_by_hand() -> None:
    """A lens whose focal length is half the picture's width: the outer pixels of the middle row."""
    K = torch.tensor([[1.5, 0, 1.5], [0, 1.5, 0.5], [0, 0, 1]], dtype=torch.float64)
    c2w = torch.eye(4, dtype=torch.float64)
    c2w[:3, 3] = torch.tensor([1.0, 2, 3])
    origins, directions = camera_rays(Cameras(c2w[None, None], K[None, None], (1, 3)))
    assert origins[0, 0, 0].tolist() == [[1, 2, 3]] * 3
    expected = torch.tensor([[-2 / 3, 0, 1], [0, 0, 1], [2 / 3, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(directions[0, 0, 0], expected / expected.norm(dim=-1, keepdim=True))


@VIEWS
@BATCH
@GRIDS
def test_points_on_rays_are_seen_at_the_centres_of_their_cells(
    views: int, batch: tuple[int, ...], grid: tuple[int, int] | None
) -> None:
    cameras = random_cameras(views, 2, batch, hw=SMALL)
    origins, directions = camera_rays(cameras, grid)
    h, w = grid or SMALL
    assert directions.shape == origins.shape == (*batch, views, 2, h, w, 3)
    points = origins + 3 * directions
    centres = pixel_centres((h, w), like=points) * torch.tensor([SMALL[1] / w, SMALL[0] / h], dtype=torch.float64)
    for view in range(views):
        for frame in range(2):
            seen, depth = cameras.view(view).frames(frame).project(points[..., view, frame, :, :, :].flatten(-3, -2))
            torch.testing.assert_close(seen[..., 0, 0, :, :], centres.flatten(0, 1).expand(*batch, h * w, 2))
            assert (depth > 0).all()


@VIEWS
@BATCH
@GRIDS
@pytest.mark.parametrize(("view", "frame"), [(0, 0), (-1, 1), (0, None), (None, 0)])
def test_pluecker_lines_contain_what_their_pixels_see(
    views: int, batch: tuple[int, ...], grid: tuple[int, int] | None, view: int | None, frame: int | None
) -> None:
    cameras = random_cameras(views, 2, batch, hw=SMALL)
    lines = pluecker(cameras, grid, view=view, frame=frame)
    hw = grid or SMALL
    assert lines.shape == (*batch, views, 2, 6, *hw)
    moment, direction = lines.movedim(-3, -1).split(3, dim=-1)
    torch.testing.assert_close(direction.norm(dim=-1), torch.ones_like(direction[..., 0]))
    torch.testing.assert_close((moment * direction).sum(-1), torch.zeros_like(moment[..., 0]), rtol=0, atol=1e-11)
    relative = cameras.relative(view, frame).resized(hw)
    uv = pixel_centres(hw, like=moment).flatten(0, 1).expand(*batch, views, 2, -1, 2)
    points = relative.unproject(uv, torch.full(uv.shape[:-1], 2.5, dtype=torch.float64)).unflatten(-2, hw)
    torch.testing.assert_close(torch.linalg.cross(points, direction, dim=-1), moment, rtol=0, atol=1e-10)


def by_loops(cameras: Cameras) -> np.ndarray:
    """CameraCtrl's map, pixel by pixel in numpy: relative to frame 0 of the view itself, moment then direction."""
    c2w, K = cameras.c2w.numpy(), cameras.K.numpy()
    height, width = cameras.hw
    out = np.zeros((*c2w.shape[:2], 6, height, width))
    for view, frame in np.ndindex(*c2w.shape[:2]):
        pose = np.linalg.inv(c2w[view, 0]) @ c2w[view, frame]
        fx, fy, cx, cy = K[view, frame][[0, 1, 0, 1], [0, 1, 2, 2]]
        for row, column in np.ndindex(height, width):
            ray = np.array([(column + 0.5 - cx) / fx, (row + 0.5 - cy) / fy, 1.0])
            ray = pose[:3, :3] @ (ray / np.linalg.norm(ray))
            out[view, frame, :, row, column] = [*np.cross(pose[:3, 3], ray), *ray]
    return out


@VIEWS
def test_maps_as_cameractrl_has_them(views: int) -> None:
    """Three frames of three views: the sizes at which a cross product over the wrong axis would still run."""
    cameras = random_cameras(views, 3, hw=(3, 4))
    found = pluecker(cameras, view=None, frame=0)
    np.testing.assert_allclose(found.numpy(), by_loops(cameras), rtol=0, atol=1e-11)
    assert (found[:, 0, :3].abs() < 1e-12).all(), "the first frame stands in the origin"


@pytest.mark.parametrize("order", ["moment, direction", "direction, moment"])
def test_both_orders(order: Literal["moment, direction", "direction, moment"]) -> None:
    cameras = random_cameras(2, 3, hw=SMALL)
    both = pluecker(cameras).split(3, dim=2)
    expected = torch.cat(both if order.startswith("moment") else both[::-1], dim=2)
    assert torch.equal(pluecker(cameras, order=order), expected)


@VIEWS
@BATCH
def test_moving_the_whole_rig_changes_no_map(views: int, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(views, 3, batch, hw=SMALL)
    moved = cameras.transformed(random_cameras(1, 1, batch, seed=9).c2w[..., 0, 0, :, :])
    torch.testing.assert_close(pluecker(moved), pluecker(cameras), rtol=0, atol=1e-10)


def test_cropping_a_picture_crops_its_map() -> None:
    cameras = random_cameras(2, 3, hw=(9, 12))
    torch.testing.assert_close(pluecker(cameras.crop(2, 3, SMALL)), pluecker(cameras)[..., 2:7, 3:10])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_precision(dtype: torch.dtype) -> None:
    cameras = random_cameras(2, hw=SMALL).to(dtype)
    moment, direction = pluecker(cameras).split(3, dim=2)
    assert moment.dtype == torch.promote_types(dtype, torch.float32)
    tolerance = 1e-5 if moment.dtype == torch.float32 else 1e-12
    torch.testing.assert_close(direction.norm(dim=2), torch.ones_like(direction[:, :, 0]), rtol=0, atol=tolerance)
    torch.testing.assert_close((moment * direction).sum(2), torch.zeros_like(moment[:, :, 0]), rtol=0, atol=tolerance)


def test_new_numbers_take_the_device_of_the_cameras() -> None:
    cameras = random_cameras(2, 3)
    expected = pluecker(cameras, (6, 10))
    with torch.device("meta"):
        assert torch.equal(pluecker(cameras, (6, 10)), expected)
    assert pluecker(cameras).shape[-2:] == HW

"""Epipolar geometry: what two cameras see of one point agrees, and nothing else changes it."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cameras.examples import random_cameras
from syncam.cameras import (
    Cameras,
    EpipolarGeometry,
    epipolar_geometry,
    epipolar_lines,
    line_distance,
    pairwise_epipolar_geometry,
    sampson_distance,
    symmetric_epipolar_distance,
)

VIEWS = pytest.mark.parametrize("views", [1, 2, 3])
BATCH = pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)


def two_cameras(seed: int = 0) -> tuple[Cameras, EpipolarGeometry]:
    cameras = random_cameras(2, 1, seed=seed)
    (c2w1, c2w2), (K1, K2) = cameras.c2w[:, 0], cameras.K[:, 0]
    return cameras, epipolar_geometry(c2w1, K1, c2w2, K2)


def seen(cameras: Cameras, points: int = 20) -> Tensor:
    """Pixels [*batch, V, F, N, 2] of points that lie everywhere, also behind cameras: their lines hold all the same."""
    return cameras.project(torch.randn(*cameras.batch_shape, points, 3, dtype=torch.float64) * 4)[0]


@VIEWS
@BATCH
def test_projections_of_a_point_satisfy_the_constraint(views: int, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(views, 4, batch)
    geometry, uv = pairwise_epipolar_geometry(cameras), seen(cameras)
    assert geometry.fundamental.shape == (*batch, views, views, 4, 3, 3)
    first, second = uv.unsqueeze(-4), uv.unsqueeze(-5)
    x1, x2 = F.pad(first, (0, 1), value=1.0), F.pad(second, (0, 1), value=1.0)
    products = (x2 * (x1 @ geometry.fundamental.mT)).sum(-1)
    size = geometry.fundamental.abs().amax((-2, -1))[..., None] * x1.norm(dim=-1) * x2.norm(dim=-1)
    assert (products.abs() <= 1e-11 * size).all()
    y1, y2 = (x @ torch.linalg.inv(K).mT for x, K in ((x1, cameras.K.unsqueeze(-4)), (x2, cameras.K.unsqueeze(-5))))
    essential = (y2 * (y1 @ geometry.essential.mT)).sum(-1)
    torch.testing.assert_close(essential, products, rtol=1e-6, atol=1e-8)


@VIEWS
@BATCH
def test_pairs_are_ordered_from_first_to_second(views: int, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(views, 2, batch)
    geometry = pairwise_epipolar_geometry(cameras)
    torch.testing.assert_close(geometry.fundamental.transpose(-5, -4), geometry.fundamental.mT, rtol=1e-6, atol=1e-12)
    back = geometry.infinite_homography.transpose(-5, -4) @ geometry.infinite_homography
    torch.testing.assert_close(back, torch.eye(3, dtype=torch.float64).expand_as(back), rtol=0, atol=1e-9)
    for one in range(views):
        for other in range(views):
            c2w, K = cameras.c2w, cameras.K
            alone = epipolar_geometry(*(x[..., v, :, :, :] for v in (one, other) for x in (c2w, K)))
            assert torch.equal(geometry.fundamental[..., one, other, :, :, :], alone.fundamental)


@VIEWS
def test_a_camera_and_itself_have_the_same_centre(views: int) -> None:
    geometry = pairwise_epipolar_geometry(random_cameras(views, 4))
    expected = torch.eye(views, dtype=torch.bool)[..., None].expand(views, views, 4)
    assert torch.equal(geometry.same_centre, expected)
    assert (geometry.fundamental[expected] == 0).all() and (geometry.essential[expected] == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [0.0, 1e-7])
def test_a_turn_on_the_spot_is_a_homography(dtype: torch.dtype, offset: float) -> None:
    """Rounding must not invent lines for cameras that turn and zoom but stand still."""
    one, other = random_cameras(1, 4), random_cameras(1, 4, seed=5)
    c2w = other.c2w.clone()
    c2w[..., :3, 3] = one.positions + offset
    other = replace(other, c2w=c2w)
    cast, turned = one.to(dtype), other.to(dtype)
    geometry = epipolar_geometry(cast.c2w, cast.K, turned.c2w, turned.K)
    assert geometry.same_centre.all() and (geometry.fundamental == 0).all()
    if dtype == torch.float64:
        points = torch.randn(20, 3, dtype=torch.float64) * 4
        moved = F.pad(one.project(points)[0], (0, 1), value=1.0) @ geometry.infinite_homography.mT
        torch.testing.assert_close(moved[..., :2] / moved[..., 2:], other.project(points)[0], rtol=1e-3, atol=1e-3)


def test_points_far_away_follow_the_infinite_homography() -> None:
    cameras, geometry = two_cameras()
    points = F.normalize(torch.randn(20, 3, dtype=torch.float64), dim=-1) * 1e9
    first, second = cameras.project(points)[0][:, 0]
    moved = F.pad(first, (0, 1), value=1.0) @ geometry.infinite_homography.mT
    torch.testing.assert_close(moved[:, :2] / moved[:, 2:], second, rtol=1e-5, atol=1e-4)


def test_a_step_to_the_right_draws_horizontal_lines() -> None:
    """Two level cameras side by side: a pixel of the first lies in the same row of the second."""
    c2w = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    c2w[1, 0, 3] = 0.3
    K = torch.tensor([[50.0, 0, 40], [0, 50, 24], [0, 0, 1]], dtype=torch.float64)
    geometry = epipolar_geometry(c2w[0], K, c2w[1], K)
    uv = torch.tensor([[3.0, 10], [70, 40]], dtype=torch.float64)
    lines = epipolar_lines(geometry.fundamental, uv)
    torch.testing.assert_close(lines[:, 0], torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(-lines[:, 2] / lines[:, 1], uv[:, 1])
    shifted = uv + torch.tensor([-9.0, 2.0])
    torch.testing.assert_close(line_distance(lines, shifted), torch.full((2,), 2.0).double())
    both = (symmetric_epipolar_distance, 8**0.5), (sampson_distance, 2**0.5)
    for distance, expected in both:
        torch.testing.assert_close(distance(geometry.fundamental, uv, shifted), torch.full((2,), expected).double())


def test_moving_the_whole_rig_changes_nothing() -> None:
    cameras = random_cameras(3, 2)
    moved = cameras.transformed(random_cameras(1, 1, seed=9).c2w[0, 0])
    one, other = pairwise_epipolar_geometry(cameras), pairwise_epipolar_geometry(moved)
    torch.testing.assert_close(one.fundamental, other.fundamental, rtol=1e-7, atol=1e-13)
    torch.testing.assert_close(one.infinite_homography, other.infinite_homography, rtol=1e-9, atol=1e-9)
    assert torch.equal(one.same_centre, other.same_centre)


def test_sampson_is_the_distance_to_first_order() -> None:
    """A small step of both pixels across their lines: what is left of it after the shortest way back is nothing."""
    cameras, geometry = two_cameras()
    exact = seen(cameras)[:, 0]
    noise = 1e-4 * torch.randn_like(exact)
    first, second = exact + noise
    x1, x2 = (F.pad(uv, (0, 1), value=1.0) for uv in (first, second))
    fundamental = geometry.fundamental
    product = (x2 * (x1 @ fundamental.mT)).sum(-1)
    gradient = torch.cat([(x2 @ fundamental)[:, :2], (x1 @ fundamental.mT)[:, :2]], dim=-1)
    corrected = torch.cat([first, second], dim=-1) - gradient * (product / gradient.square().sum(-1))[:, None]
    step = torch.cat([first, second], dim=-1) - corrected
    found = sampson_distance(fundamental, first, second)
    torch.testing.assert_close(found, step.norm(dim=-1), rtol=1e-6, atol=1e-12)
    assert (sampson_distance(fundamental, *corrected.split(2, dim=-1)) < 1e-3 * found + 1e-9).all()
    assert (found <= noise.square().sum((0, -1)).sqrt() * 1.001).all(), "the step to the true pixels is one way back"


def test_there_is_no_line_where_there_is_none() -> None:
    cameras, _ = two_cameras()
    same = epipolar_geometry(*(x[0, 0] for x in (cameras.c2w, cameras.K) * 2)).fundamental
    uv = torch.rand(4, 2, dtype=torch.float64)
    assert epipolar_lines(same, uv).isnan().all()
    assert sampson_distance(same, uv, uv).isnan().all()
    assert symmetric_epipolar_distance(same, uv, uv).isnan().all()


@pytest.mark.parametrize("seed", range(3))
def test_agreement_with_pycolmap(seed: int) -> None:
    pycolmap = pytest.importorskip("pycolmap")
    cameras, geometry = two_cameras(10 * seed)
    w2c = cameras.w2c[:, 0, :3].numpy()
    relative = pycolmap.Rigid3d(w2c[1]) * pycolmap.Rigid3d(w2c[0]).inverse()
    essential = torch.from_numpy(pycolmap.essential_matrix_from_pose(relative))
    found = geometry.essential / geometry.essential.norm()
    torch.testing.assert_close(found, essential / essential.norm(), rtol=0, atol=1e-12)
    first, second = seen(cameras)[:, 0] + torch.randn(2, 20, 2, dtype=torch.float64)
    squared = pycolmap.compute_squared_sampson_error(first.numpy(), second.numpy(), geometry.fundamental.numpy())
    expected = torch.tensor(squared, dtype=torch.float64).sqrt()
    torch.testing.assert_close(sampson_distance(geometry.fundamental, first, second), expected, rtol=1e-6, atol=1e-9)


def test_new_numbers_take_the_device_of_the_cameras() -> None:
    cameras = random_cameras(2, 3)
    uv = seen(cameras)
    with torch.device("meta"):
        found = pairwise_epipolar_geometry(cameras).fundamental
        lines = epipolar_lines(found[0, 1], uv[0])
    assert torch.equal(found, pairwise_epipolar_geometry(cameras).fundamental)
    assert torch.equal(lines, epipolar_lines(found[0, 1], uv[0]))

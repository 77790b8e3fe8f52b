"""Azimuth, elevation and distance: there and back, and the point that cameras look at."""

import math

import pytest
import torch

from cameras.examples import random_cameras
from syncam.cameras import Cameras, common_target, from_spherical, hemisphere, look_at, to_spherical
from syncam.cameras.rigid import compose_rigid
from syncam.cameras.trajectories import TARGET

BATCH = pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)
CENTRE = torch.tensor(TARGET, dtype=torch.float64)


@BATCH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_there_and_back(batch: tuple[int, ...], dtype: torch.dtype) -> None:
    azimuth, elevation = 358 * torch.rand(batch, dtype=dtype) - 179, 178 * torch.rand(batch, dtype=dtype) - 89
    distance, target = 1 + torch.rand(batch, dtype=dtype), torch.randn(*batch, 3, dtype=dtype)
    c2w = from_spherical(azimuth, elevation, distance, target)
    assert c2w.dtype == dtype and c2w.shape == (*batch, 4, 4)
    tolerance = 1e-3 if dtype == torch.float32 else 1e-10
    for found, expected in zip(to_spherical(c2w, target), (azimuth, elevation, distance), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(c2w, look_at(c2w[..., :3, 3], target).to(dtype), rtol=0, atol=tolerance)


def test_rigs_stand_where_their_words_say() -> None:
    rig = hemisphere(views=3, radius=4.0, elevation_deg=20.0, span_deg=60.0, azimuth_deg=150.0)
    azimuth, elevation, distance = to_spherical(rig.c2w[:, 0], CENTRE)
    torch.testing.assert_close(azimuth, torch.tensor([120.0, 150, 180]).double())
    torch.testing.assert_close(elevation, torch.full((3,), 20.0).double())
    torch.testing.assert_close(distance, torch.full((3,), 4.0).double())
    torch.testing.assert_close(from_spherical(azimuth, elevation, distance, CENTRE), rig.c2w[:, 0])


@pytest.mark.parametrize("elevation", [90.0, -90.0])
def test_straight_down_and_up(elevation: float) -> None:
    """The azimuth turns the picture: seen from above at azimuth 0, +y is to the right and -x is up."""
    zero, angle = torch.zeros((), dtype=torch.float64), torch.tensor(elevation, dtype=torch.float64)
    c2w = from_spherical(zero, angle, torch.tensor(2.0).double(), CENTRE)
    Cameras(c2w[None, None], torch.eye(3)[None, None], (1, 1))
    sign = math.copysign(1, elevation)
    torch.testing.assert_close(c2w[:3, 3], CENTRE + torch.tensor([0, 0, 2 * sign]))
    torch.testing.assert_close(c2w[:3, :3], torch.tensor([[0, sign, 0], [1, 0, 0], [0, 0, -sign]]).double())


def test_a_camera_on_its_target_has_no_direction() -> None:
    assert [float(x) for x in to_spherical(torch.eye(4), torch.zeros(3))] == [0, 0, 0]


@BATCH
@pytest.mark.parametrize("views", [2, 3])
def test_the_common_target_is_what_all_look_at(views: int, batch: tuple[int, ...]) -> None:
    target = torch.randn(*batch, 1, 3, dtype=torch.float64)
    eyes = target + 2 * torch.randn(*batch, views, 3, dtype=torch.float64)
    c2w = look_at(eyes, target)
    point, found = common_target(c2w)
    assert found.shape == batch and found.all()
    torch.testing.assert_close(point, target[..., 0, :], rtol=0, atol=1e-9)
    world = random_cameras(1, 1, seed=3).c2w[0, 0]
    moved, _ = common_target(compose_rigid(world, c2w))
    torch.testing.assert_close(moved, point @ world[:3, :3].mT + world[:3, 3], rtol=0, atol=1e-9)


def test_skew_axes_meet_half_way() -> None:
    one = look_at(torch.tensor([3.0, 0, 0]), torch.tensor([0.0, 0, 0]))
    other = look_at(torch.tensor([0.0, 3, 1]), torch.tensor([0.0, 0, 1]))
    point, found = common_target(torch.stack([one, other]))
    torch.testing.assert_close(point, torch.tensor([0, 0, 0.5]).double())
    assert found


def test_cameras_that_look_at_nothing_in_common() -> None:
    parallel = torch.eye(4, dtype=torch.float64).repeat(2, 1, 1)
    parallel[1, 0, 3] = 2.0
    point, found = common_target(parallel)
    assert not found
    torch.testing.assert_close(point, torch.tensor([1.0, 0, 0]).double())
    assert not common_target(parallel[:1])[1]
    outwards = (
        hemisphere(views=3, radius=2.0, elevation_deg=0.0).c2w[:, 0]
        @ torch.diag(torch.tensor([-1.0, 1, -1, 1])).double()
    )
    point, found = common_target(outwards)
    assert not found
    torch.testing.assert_close(point, CENTRE)


def test_new_numbers_take_the_device_of_the_given_ones() -> None:
    c2w = random_cameras(3).c2w
    expected, _ = common_target(c2w[:, 0])
    with torch.device("meta"):
        target, _ = common_target(c2w[:, 0])
        back = from_spherical(*to_spherical(c2w[:, 0], target), target)
    assert torch.equal(target, expected)
    torch.testing.assert_close(back[:, :3, 3], c2w[:, 0, :3, 3])

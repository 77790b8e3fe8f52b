"""Foreign conventions: what their axes mean, and there and back."""

import math
from collections.abc import Callable

import pytest
import torch

from cameras.examples import random_cameras
from syncam.cameras.conventions import (
    focal_from_fov,
    focal_mm_of,
    focal_px,
    fov_deg,
    intrinsics,
    opencv_to_opengl,
    opencv_to_pytorch3d,
    opencv_to_unreal,
    opengl_to_opencv,
    pytorch3d_to_opencv,
    unreal_to_opencv,
)

PAIRS = [
    (opencv_to_opengl, opengl_to_opencv),
    (opencv_to_pytorch3d, pytorch3d_to_opencv),
    (opencv_to_unreal, unreal_to_opencv),
]
Convert = Callable[[torch.Tensor], torch.Tensor]


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)
@pytest.mark.parametrize(("there", "back"), PAIRS, ids=["opengl", "pytorch3d", "unreal"])
def test_there_and_back(there: Convert, back: Convert, batch: tuple[int, ...]) -> None:
    c2w = random_cameras(3, 5, batch).c2w
    before = c2w.clone()
    assert there(c2w).shape == c2w.shape
    torch.testing.assert_close(back(there(c2w)), c2w)
    torch.testing.assert_close(there(back(c2w)), c2w)
    assert torch.equal(c2w, before)


@pytest.mark.parametrize(
    ("to_opencv", "right", "up", "forward"),
    [
        (opengl_to_opencv, (1, 0, 0), (0, 1, 0), (0, 0, -1)),
        (pytorch3d_to_opencv, (-1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ],
)
def test_axes_of_right_handed_conventions(
    to_opencv: Convert, right: tuple[int, ...], up: tuple[int, ...], forward: tuple[int, ...]
) -> None:
    """What is right of, above and before the camera stays there, by the foreign names of these directions."""
    foreign = random_cameras(1, 1).c2w[0, 0]
    ours = to_opencv(foreign)
    for theirs, mine in ((right, (1, 0, 0)), (up, (0, -1, 0)), (forward, (0, 0, 1))):
        directions = [pose[:3, :3] @ torch.tensor(axis).double() for pose, axis in ((foreign, theirs), (ours, mine))]
        torch.testing.assert_close(*directions)
    assert torch.equal(ours[:3, 3], foreign[:3, 3])


def unreal_rows(yaw_deg: float, pitch_deg: float, location_cm: tuple[float, float, float]) -> torch.Tensor:
    """Unreal's row-vector matrix of a camera, by its documentation: rows are forward, right, up and the location.

    Seen from above in Unreal's left-handed world, yaw turns from x (forward) to y (right); pitch lifts the view.
    """
    yaw, pitch = math.radians(yaw_deg), math.radians(pitch_deg)
    forward = [math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), math.sin(pitch)]
    right = [-math.sin(yaw), math.cos(yaw), 0.0]
    up = [-math.sin(pitch) * math.cos(yaw), -math.sin(pitch) * math.sin(yaw), math.cos(pitch)]
    rows = [[*forward, 0.0], [*right, 0.0], [*up, 0.0], [*location_cm, 1.0]]
    return torch.tensor(rows, dtype=torch.float64)


def test_unreal_cameras_see_what_unreal_shows() -> None:
    """A point so many centimetres ahead, to the right and above in Unreal lies there in metres in our camera."""
    rows = unreal_rows(30.0, -20.0, (120.0, -340.0, 150.0))
    ahead, aside, above = 500.0, 70.0, -40.0
    point = rows[3, :3] + ahead * rows[0, :3] + aside * rows[1, :3] + above * rows[2, :3]
    world = point * torch.tensor([1.0, -1.0, 1.0]) / 100  # y mirrored: ours is right-handed
    c2w = unreal_to_opencv(rows)
    local = torch.linalg.inv(c2w) @ torch.cat([world, torch.ones(1)])
    torch.testing.assert_close(local[:3], torch.tensor([0.7, 0.4, 5.0], dtype=torch.float64))
    assert torch.linalg.det(c2w[:3, :3]) == pytest.approx(1.0)
    assert c2w[2, 3] == pytest.approx(1.5)  # z stays up


def test_the_mirror_of_the_world_cancels_in_relative_poses() -> None:
    """The published recipe leaves the world left-handed; its relative poses are ours."""
    rows = torch.stack([unreal_rows(yaw, -10.0, (yaw, 2 * yaw, 100.0)) for yaw in (0.0, 35.0, 80.0)])
    published = rows.mT[:, :, [1, 2, 0, 3]].clone()
    published[:, :3, 1] *= -1
    assert (torch.linalg.det(published[:, :3, :3]) < 0).all()
    theirs = torch.linalg.inv(published[:1]) @ published
    c2w = unreal_to_opencv(rows)
    ours = torch.linalg.inv(c2w[:1]) @ c2w
    torch.testing.assert_close(ours[:, :3, :3], theirs[:, :3, :3])
    torch.testing.assert_close(100 * ours[:, :3, 3], theirs[:, :3, 3])


def test_mirroring_the_world_leaves_relative_poses() -> None:
    cameras = random_cameras(3)
    for axis in range(3):
        mirror = torch.eye(4, dtype=torch.float64)
        mirror[axis, axis] = -1
        mirrored = mirror @ cameras.c2w  # left-handed: no Cameras, but a matrix like any other
        relative = torch.linalg.inv(mirrored[:1]) @ mirrored
        torch.testing.assert_close(relative, cameras.relative_to())


@pytest.mark.parametrize("focal_mm", [18.0, 24.0, 50.0])
@pytest.mark.parametrize("hw", [(480, 832), (96, 96), (64, 48)])
def test_the_width_of_the_picture_spans_the_sensor(focal_mm: float, hw: tuple[int, int]) -> None:
    K = intrinsics(focal_mm, hw)
    assert K[0, 0] == K[1, 1] and K[2].tolist() == [0, 0, 1]
    assert K[:2, 2].tolist() == [hw[1] / 2, hw[0] / 2]
    edge = math.degrees(math.atan((hw[1] / 2) / float(K[0, 0])))
    assert 2 * edge == pytest.approx(math.degrees(2 * math.atan(23.76 / (2 * focal_mm))))
    assert fov_deg(float(K[0, 0]), hw[1]) == pytest.approx(2 * edge)
    assert fov_deg(focal_mm, 23.76) == pytest.approx(2 * edge)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lenses_in_batches(batch: tuple[int, ...], dtype: torch.dtype) -> None:
    """Millimetres, pixels, degrees and K say the same, for tensors as for single numbers."""
    millimetres = 18 + 32 * torch.rand(batch, dtype=dtype)
    pixels = focal_px(millimetres, 832)
    degrees = fov_deg(pixels, 832)
    K = intrinsics(millimetres, (480, 832))
    assert (pixels.dtype, degrees.dtype, K.dtype) == (dtype, dtype, torch.float64)
    assert K.shape == (*batch, 3, 3)
    torch.testing.assert_close(focal_mm_of(K, 832), millimetres.double(), rtol=1e-12, atol=0)
    torch.testing.assert_close(focal_from_fov(degrees, 832), pixels, rtol=1e-5, atol=0)
    for number, pixel, degree, lens in zip(
        *(x.flatten().tolist() for x in (millimetres, pixels, degrees)), K.reshape(-1, 3, 3), strict=True
    ):
        assert pixel == pytest.approx(focal_px(number, 832)) and degree == pytest.approx(fov_deg(pixel, 832))
        torch.testing.assert_close(lens, intrinsics(number, (480, 832)))
        assert focal_from_fov(degree, 23.76) == pytest.approx(number, rel=1e-5)


def test_lenses_on_other_sensors() -> None:
    K = intrinsics(35.0, (96, 64), sensor_mm=36.0)
    assert float(focal_mm_of(K, 64, sensor_mm=36.0)) == pytest.approx(35.0)
    assert focal_from_fov(90.0, 2.0) == pytest.approx(1.0) and fov_deg(1.0, 2.0) == pytest.approx(90.0)
    with torch.device("meta"):
        assert intrinsics(torch.tensor([24.0], device="cpu"), (4, 6)).device.type == "cpu"

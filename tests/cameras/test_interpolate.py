"""Cameras between cameras: the keys themselves, the shortest way, even speed, and the same way back."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cameras.examples import random_cameras
from syncam.cameras import Cameras, at_times, interpolate_c2w, orbit, resample
from syncam.cameras.interpolate import MotionPath, PosePath
from syncam.cameras.rigid import invert_rigid
from syncam.cameras.rotations import rotation_exp
from syncam.errors import InputError

VIEWS = pytest.mark.parametrize("views", [1, 2, 3])
BATCH = pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)
PATHS = pytest.mark.parametrize("path", ["slerp", "geodesic"])
MOTIONS = pytest.mark.parametrize("path", ["slerp", "geodesic", "curve"])


def lensed(cameras: Cameras) -> Cameras:
    shape = cameras.c2w.shape[:-2]
    focus = 1 + torch.rand(2, *shape, dtype=torch.float64)
    K = cameras.K.clone()
    K[..., :2, 2] += torch.randn(*shape, 2, dtype=torch.float64)
    return replace(cameras, K=K, aperture=focus[0], focus_distance=focus[1])


def turned(angle_deg: float, axis: tuple[float, float, float], position: tuple[float, float, float]) -> Tensor:
    c2w = torch.eye(4, dtype=torch.float64)
    c2w[:3, :3] = rotation_exp(math.radians(angle_deg) * torch.tensor(axis, dtype=torch.float64))
    c2w[:3, 3] = torch.tensor(position)
    return c2w


def slerp_of_quaternions(one: Tensor, other: Tensor, share: float) -> Tensor:
    """Shoemake's formula, term by term, on the real eigenvector of each rotation's axis."""

    def quaternion(rotation: Tensor) -> Tensor:
        values, vectors = torch.linalg.eig(rotation)
        axis = vectors[:, (values - 1).abs().argmin()].real
        antisymmetric = torch.stack([rotation[2, 1], rotation[0, 2], rotation[1, 0]]) - torch.stack(
            [rotation[1, 2], rotation[2, 0], rotation[0, 1]]
        )
        angle = torch.atan2(antisymmetric @ axis / 2, (rotation.trace() - 1) / 2)
        return torch.cat([torch.cos(angle / 2)[None], torch.sin(angle / 2) * axis])

    p, q = quaternion(one), quaternion(other)
    q = q if p @ q > 0 else -q
    theta = torch.acos(p @ q)
    w, *v = (torch.sin((1 - share) * theta) * p + torch.sin(share * theta) * q) / torch.sin(theta)
    x, y, z = v
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row) for row in rows])


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_the_turn_is_the_slerp_of_quaternions(share: float) -> None:
    ends = random_cameras(2, 6).c2w
    found = interpolate_c2w(ends[0], ends[1], torch.tensor([share], dtype=torch.float64))
    for one, other, between in zip(*ends, found, strict=True):
        expected = slerp_of_quaternions(one[:3, :3], other[:3, :3], share)
        torch.testing.assert_close(between[:3, :3], expected, rtol=0, atol=1e-9)
        torch.testing.assert_close(between[:3, 3], (1 - share) * one[:3, 3] + share * other[:3, 3])


def test_a_screw_goes_round_where_a_slerp_cuts_across() -> None:
    """Half way of a quarter orbit: on the circle, or on its chord; the camera looks at the centre in both."""
    ends = orbit(views=1, radius=2.0, elevation_deg=0.0, move_deg=90.0, num_frames=3, target=(0.0, 0.0, 1.0)).c2w[0]
    half = torch.tensor(0.5, dtype=torch.float64)
    torch.testing.assert_close(interpolate_c2w(ends[0], ends[2], half, "geodesic"), ends[1])
    chord = interpolate_c2w(ends[0], ends[2], half, "slerp")
    torch.testing.assert_close(chord[:3, :3], ends[1, :3, :3])
    assert chord[:2, 3].norm() == pytest.approx(2 * math.cos(math.pi / 4))


@PATHS
def test_equal_steps_are_equal_motions(path: PosePath) -> None:
    """The relative pose of neighbours (screw), or their relative rotation and their step (slerp), never changes."""
    fine = resample(random_cameras(3, 2), 6, path)
    steps = invert_rigid(fine.c2w[:, :-1]) @ fine.c2w[:, 1:]
    size = 3 if path == "slerp" else 4
    torch.testing.assert_close(steps[..., :size, :size], steps[:, :1, :size, :size].expand(3, 5, size, size))
    if path == "slerp":
        moves = fine.positions.diff(dim=1)
        torch.testing.assert_close(moves, moves[:, :1].expand_as(moves))


@VIEWS
@BATCH
@MOTIONS
def test_keys_are_exact_and_reversal_goes_the_same_way(views: int, batch: tuple[int, ...], path: MotionPath) -> None:
    cameras = lensed(random_cameras(views, 5, batch))
    fine = resample(cameras, 9, path)
    keys, back = fine.frames(slice(None, None, 2)), resample(cameras.frames(slice(None, None, -1)), 9, path)
    for field in ("c2w", "K", "aperture", "focus_distance"):
        assert torch.equal(getattr(keys, field), getattr(cameras, field)), field
        reversed_back = getattr(back.frames(slice(None, None, -1)), field)
        torch.testing.assert_close(getattr(fine, field), reversed_back, rtol=1e-9, atol=1e-9)


@MOTIONS
def test_moving_the_rig_moves_what_lies_between(path: MotionPath) -> None:
    cameras, world = random_cameras(3, 4), random_cameras(1, 1, seed=9).c2w[0, 0]
    torch.testing.assert_close(
        resample(cameras.transformed(world), 7, path).c2w, resample(cameras, 7, path).transformed(world).c2w
    )


@PATHS
def test_the_shortest_turn_is_taken(path: PosePath) -> None:
    begin, end = turned(170, (0, 0, 1), (0, 0, 0)), turned(-170, (0, 0, 1), (0, 0, 1))
    between = interpolate_c2w(begin, end, torch.tensor(0.5, dtype=torch.float64), path)
    torch.testing.assert_close(between, turned(180, (0, 0, 1), (0, 0, 0.5)), rtol=0, atol=1e-12)


@PATHS
@pytest.mark.parametrize("noise", [0.0, 1e-6, -1e-6])
def test_half_a_turn_goes_to_the_right(path: PosePath, noise: float) -> None:
    """Its camera, which looked ahead and will look behind, looks along its first right axis half way."""
    begin = random_cameras(1, 1).c2w[0, 0]
    end = begin @ turned(180 + noise, (0, 1, 0), (0, 0, 0))
    for first, second in ((begin, end), (end, begin)):
        between = interpolate_c2w(first, second, torch.tensor(0.5, dtype=torch.float64), path)
        torch.testing.assert_close(between[:3, 2], first[:3, 0], rtol=0, atol=1e-7)
        torch.testing.assert_close(between[:3, 1], first[:3, 1], rtol=0, atol=1e-7)


def test_lenses_zoom_evenly() -> None:
    cameras = lensed(random_cameras(2, 2))
    fine = resample(cameras, 5)
    for numbers in (fine.K[..., 0, 0], fine.K[..., 1, 1], fine.aperture, fine.focus_distance):
        factors = numbers[:, 1:] / numbers[:, :-1]
        torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
    steps = fine.K[..., :2, 2].diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps))


def test_a_curve_turns_as_a_slerp_and_goes_round() -> None:
    """A quarter orbit of four frames: between them on the circle, within a thousandth, and not on its chords."""
    keys = orbit(views=1, radius=2.0, elevation_deg=0.0, move_deg=90.0, num_frames=5, target=(0.0, 0.0, 1.0)).frames(
        slice(4)
    )
    curve, chords = resample(keys, 25, "curve"), resample(keys, 25)
    assert torch.equal(curve.c2w[..., :3, :3], chords.c2w[..., :3, :3]) and torch.equal(curve.K, chords.K)
    off = [(cameras.positions[..., :2].norm(dim=-1) - 2).abs().max() for cameras in (curve, chords)]
    assert off[0] < 0.002 and off[1] > 0.01


@MOTIONS
def test_what_stands_still_stays_still_bit_for_bit(path: MotionPath) -> None:
    still = lensed(random_cameras(2, 1))
    assert resample(still.repeat_frames(4), 9, path).is_static
    assert torch.equal(resample(still, 9, path).c2w, still.repeat_frames(9).c2w)
    assert torch.equal(at_times(still, [0.0]).c2w, still.c2w)


@pytest.mark.parametrize("num_frames", [1, 2, 5, 17, 21])
def test_resample_runs_from_the_first_to_the_last_frame(num_frames: int) -> None:
    cameras = random_cameras(2, 5)
    found = resample(cameras, num_frames)
    assert found.num_frames == num_frames and torch.equal(found.c2w[:, 0], cameras.c2w[:, 0])
    if num_frames > 1:
        assert torch.equal(found.c2w[:, -1], cameras.c2w[:, -1])
        expected = at_times(cameras, [4 * i / (num_frames - 1) for i in range(num_frames)])
        assert torch.equal(found.c2w, expected.c2w) and torch.equal(found.K, expected.K)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_precision(dtype: torch.dtype) -> None:
    cameras = lensed(random_cameras(2, 3)).to(dtype)
    found = at_times(cameras, [0, 0.5, 2])
    assert {found.c2w.dtype, found.K.dtype, found.aperture.dtype} == {dtype}
    assert torch.equal(found.c2w[:, 2], cameras.c2w[:, 2])
    half = interpolate_c2w(cameras.c2w[:, 0], cameras.c2w[:, 1], torch.full((2,), 0.5))
    assert half.dtype == torch.promote_types(dtype, torch.float32)
    torch.testing.assert_close(half.to(dtype), found.c2w[:, 1])


def test_new_numbers_take_the_device_of_the_cameras() -> None:
    cameras = lensed(random_cameras(2, 3))
    expected = resample(cameras, 7, "geodesic").c2w
    with torch.device("meta"):
        assert torch.equal(resample(cameras, 7, "geodesic").c2w, expected)


@pytest.mark.parametrize("times", [[-0.1], [4.01], [float("nan")], []], ids=str)
def test_nothing_is_extrapolated(times: list[float]) -> None:
    with pytest.raises(InputError, match=r"times must be a list of frame numbers in 0\.\.4, got \["):
        at_times(random_cameras(2, 5), times)


def test_a_rig_has_frames() -> None:
    with pytest.raises(InputError, match="num_frames must be at least 1, got 0"):
        resample(random_cameras(1), 0)

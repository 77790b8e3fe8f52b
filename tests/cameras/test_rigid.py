"""Rigid transforms: a group, screws, and what a transform must not be."""

import pytest
import torch

from cameras.examples import random_cameras
from syncam.cameras.rigid import compose_rigid, invert_rigid, relative_c2w, rigid, rigid_exp, rigid_log, upcast
from syncam.cameras.rotations import skew
from syncam.errors import InputError

VIEWS = pytest.mark.parametrize("views", [1, 2, 3])
BATCH = pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)


@VIEWS
@BATCH
def test_compose_and_invert(views: int, batch: tuple[int, ...]) -> None:
    one, other = (random_cameras(views, batch=batch, seed=seed).c2w for seed in (0, 7))
    torch.testing.assert_close(compose_rigid(one, other), one @ other)
    torch.testing.assert_close(invert_rigid(one), torch.linalg.inv(one))
    inverse = invert_rigid(compose_rigid(one, other))
    torch.testing.assert_close(inverse, compose_rigid(invert_rigid(other), invert_rigid(one)))


def test_leading_dims_broadcast() -> None:
    cameras = random_cameras(3, 5)
    first = cameras.c2w[:, :1]
    torch.testing.assert_close(compose_rigid(first, cameras.c2w), first @ cameras.c2w)


@BATCH
@pytest.mark.parametrize("turn", [1.0, 1e-2, 1e-5, 0.0])
def test_log_undoes_exp(batch: tuple[int, ...], turn: float) -> None:
    screw = torch.rand(*batch, 6, dtype=torch.float64) - 0.5
    screw[..., :3] *= turn
    transform = rigid_exp(screw)
    torch.testing.assert_close(rigid_log(transform), screw, rtol=0, atol=1e-12)
    generator = torch.zeros(*batch, 4, 4, dtype=torch.float64)
    generator[..., :3, :3], generator[..., :3, 3] = skew(screw[..., :3]), screw[..., 3:]
    torch.testing.assert_close(transform, torch.linalg.matrix_exp(generator), rtol=0, atol=1e-12)


def test_exp_undoes_log() -> None:
    c2w = random_cameras(3, 20).c2w
    torch.testing.assert_close(rigid_exp(rigid_log(c2w)), c2w, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    c2w = random_cameras(2).c2w.to(dtype)
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert {upcast(c2w).dtype, invert_rigid(c2w).dtype, relative_c2w(c2w).dtype} == {expected}
    assert torch.equal(invert_rigid(c2w), invert_rigid(c2w.to(expected)))


def test_new_numbers_take_the_device_of_the_given_ones() -> None:
    c2w = random_cameras(2).c2w
    expected = relative_c2w(rigid_exp(rigid_log(c2w)), 0, 0)
    with torch.device("meta"):  # a tensor made without a device would be there and mix with none of ours
        found = relative_c2w(rigid_exp(rigid_log(c2w)), 0, 0)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("view", [0, -1, 1, None])
@pytest.mark.parametrize("frame", [0, 2, -1, None])
@BATCH
def test_relative_to_any_view_and_frame(view: int | None, frame: int | None, batch: tuple[int, ...]) -> None:
    cameras = random_cameras(3, 4, batch)
    relative = cameras.relative_to(view, frame)
    for v in range(3):
        for f in range(4):
            reference = cameras.c2w[..., v if view is None else view, f if frame is None else frame, :, :]
            expected = torch.linalg.inv(reference) @ cameras.c2w[..., v, f, :, :]
            torch.testing.assert_close(relative[..., v, f, :, :], expected, rtol=0, atol=1e-11)
    value = cameras.relative(view, frame)
    assert torch.equal(value.c2w, relative) and torch.equal(value.K, cameras.K) and value.hw == cameras.hw


def test_relative_to_what_is_not_there() -> None:
    cameras = random_cameras(2, 3)
    with pytest.raises(InputError, match=r"view index must lie in 0\.\.1, got 2"):
        cameras.relative_to(2)
    with pytest.raises(InputError, match=r"frame index must lie in 0\.\.2, got -4"):
        cameras.relative(0, -4)


def test_rigid_puts_a_turn_before_a_move() -> None:
    turn = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = rigid(turn, torch.tensor([1.0, 2, 3])) @ torch.tensor([1.0, 0, 0, 1])
    assert moved.tolist() == [1, 3, 3, 1]

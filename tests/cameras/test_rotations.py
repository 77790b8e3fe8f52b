"""Rotation vectors: there and back, by a second formula, and the two ways of half a turn."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cameras.examples import random_rotations
from syncam.cameras.rotations import angle_deg, rotation_exp, rotation_log, skew

AXIS = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: math.hypot(*v) > 0.1)


def test_skew_is_the_cross_product() -> None:
    one, other = torch.randn(2, 3, 3, dtype=torch.float64)
    torch.testing.assert_close((skew(one) @ other[..., None])[..., 0], torch.linalg.cross(one, other, dim=-1))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(axis=AXIS, angle=st.floats(0, math.pi - 1e-3))
def test_log_undoes_exp(axis: tuple[float, float, float], angle: float) -> None:
    vector = torch.tensor(axis, dtype=torch.float64) * angle / math.hypot(*axis)
    torch.testing.assert_close(rotation_log(rotation_exp(vector)), vector, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exp_undoes_log_and_is_the_matrix_exponential(dtype: torch.dtype) -> None:
    rotation = random_rotations(2, 50).to(dtype)
    vector = rotation_log(rotation)
    assert vector.dtype == dtype and (vector.norm(dim=-1) <= math.pi + 1e-5).all()
    tolerance = 1e-12 if dtype == torch.float64 else 1e-5
    torch.testing.assert_close(rotation_exp(vector), rotation, rtol=0, atol=tolerance)
    torch.testing.assert_close(torch.linalg.matrix_exp(skew(vector)), rotation, rtol=0, atol=tolerance)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-7, 1e-3, math.pi - 1e-3])
def test_angles_near_zero_and_half_a_turn(angle: float) -> None:
    vector = angle * torch.tensor([0.6, 0.0, -0.8], dtype=torch.float64)
    torch.testing.assert_close(rotation_log(rotation_exp(vector)), vector, rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize("noise", [0.0, 1e-7, -1e-7])
@pytest.mark.parametrize(
    ("axis", "taken"),
    [
        ((0, 1, 0), (0, 1, 0)),
        ((0, -1, 0), (0, 1, 0)),
        ((-1, 0, 0), (1, 0, 0)),
        ((0, 0, -1), (0, 0, 1)),
        ((0.6, -0.8, 0), (-0.6, 0.8, 0)),
        ((-0.6, 0, 0.8), (0.6, 0, -0.8)),
    ],
)
def test_half_turns_have_one_answer_that_noise_does_not_change(
    axis: tuple[float, ...], taken: tuple[float, ...], noise: float
) -> None:
    vector = (math.pi + noise) * torch.tensor(axis, dtype=torch.float64)
    expected = math.pi * torch.tensor(taken, dtype=torch.float64)
    torch.testing.assert_close(rotation_log(rotation_exp(vector)), expected, rtol=0, atol=1e-6)


def test_it_can_be_differentiated_where_nothing_turns() -> None:
    vector = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    rotation_log(rotation_exp(vector)).sum().backward()
    assert vector.grad is not None and vector.grad.isfinite().all()


@pytest.mark.parametrize("degrees", [0.0, 1e-7, 30.0, 179.999, 180.0])
def test_angles_are_exact_at_both_ends(degrees: float) -> None:
    half = torch.tensor(degrees, dtype=torch.float64).deg2rad() / 2
    x, y, z = torch.tensor([1.0, -2.0, 2.0], dtype=torch.float64) / 3 * half.sin()
    w = half.cos()
    rotation = torch.stack(
        [
            torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]),
            torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]),
            torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]),
        ]
    )
    assert angle_deg(rotation).item() == pytest.approx(degrees, rel=1e-6, abs=1e-13)

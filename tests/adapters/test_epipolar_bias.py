"""The bias of attention towards epipolar lines: against the published formula, and where there are no lines."""

import math
import os
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from syncam.adapters.epipolar_bias import EpipolarBias, cell_points, epipolar_bias
from syncam.cameras.epipolar import EpipolarGeometry, epipolar_geometry

HW, GRID = (64, 96), (4, 6)
K = torch.tensor([[80.0, 0.0, 48.0], [0.0, 80.0, 32.0], [0.0, 0.0, 1.0]], dtype=torch.float64)


def pose(turn: tuple[float, float, float] = (0, 0, 0), centre: tuple[float, float, float] = (0, 0, 0)) -> Tensor:
    """c2w [4, 4] of a camera turned by a rotation vector."""
    x, y, z = turn
    c2w = torch.eye(4, dtype=torch.float64)
    c2w[:3, :3] = torch.linalg.matrix_exp(torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64))
    c2w[:3, 3] = torch.tensor(centre)
    return c2w


def geometry(queries: Tensor, keys: Tensor) -> EpipolarGeometry:
    return epipolar_geometry(queries[None], K[None], keys[None], K[None])


def bias(queries: Tensor, keys: Tensor, slope: float = 0.3, trained_size: int = 256) -> EpipolarBias:
    slopes = torch.tensor([slope])
    return epipolar_bias(geometry(queries, keys), slopes, hw=HW, grid=GRID, trained_size=trained_size)


def published(queries: Tensor, keys: Tensor, trained_size: int) -> Tensor:
    """M [N, N] as it is printed, with loops: distances, their maximum, a band, a slope."""
    to_keys = torch.linalg.inv(keys) @ queries
    x, y, z = to_keys[:3, 3].tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    fundamental = torch.linalg.inv(K).mT @ cross @ to_keys[:3, :3] @ torch.linalg.inv(K)
    step_y, step_x = HW[0] / GRID[0], HW[1] / GRID[1]
    cells = [(i, j) for i in range(GRID[0]) for j in range(GRID[1])]
    pixels = [(step_x * j + (step_x - 1) / 2, step_y * i + (step_y - 1) / 2) for i, j in cells]
    distance = torch.zeros(len(cells), len(cells), dtype=torch.float64)
    for query, (u, v) in enumerate(pixels):
        a, b, c = (fundamental @ torch.tensor([u, v, 1.0], dtype=torch.float64)).tolist()
        for key, (p, q) in enumerate(pixels):
            distance[query, key] = abs(a * p + b * q + c) / (math.hypot(a, b) + 1e-6)
    band = 3 / (trained_size // 2) * distance.max()
    return -3 * (distance - band).clamp(min=0) / (band + 1e-6)


@pytest.mark.parametrize("trained_size", [64, 256])
def test_the_published_formula(trained_size: int) -> None:
    queries, keys = pose((0.1, -0.2, 0.05), (0.3, 0.1, -0.2)), pose((-0.1, 0.1, 0.0), (-0.2, 0.05, 0.4))
    for first, second in ((queries, keys), (keys, queries)):
        expected = published(first, second, trained_size)
        got = bias(first, second, trained_size=trained_size).dense(torch.float64)[0]
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)
        assert expected.min() == pytest.approx(3 - trained_size // 2, abs=1e-4)


def test_autocast_does_not_blur_distances() -> None:
    exact = two_rows().dense(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(two_rows().dense(torch.float32), exact)


def test_matching_points_of_both_pictures_are_free_in_both_directions() -> None:
    """Whatever lies at a cell of one view, at any depth, is on that cell's line in the other view."""
    queries, keys = pose((0.0, 0.1, 0.0), (-0.3, 0.0, 0.0)), pose((0.0, -0.1, 0.0), (0.3, 0.1, 0.0))
    lines = bias(queries, keys).lines[0].double()
    points = cell_points(HW, GRID, like=lines)
    for depth in (1.0, 3.0, 50.0):
        world = depth * (points @ torch.linalg.inv(K).mT) @ queries[:3, :3].mT + queries[:3, 3]
        seen = (world - keys[:3, 3]) @ keys[:3, :3] @ K.mT
        assert ((seen / seen[:, 2:]) * lines).sum(-1).abs().max() < 1e-3


def test_cameras_that_have_moved_together_have_lines_through_the_own_position() -> None:
    """No rounding of a baseline of nothing decides where they go."""
    together = pose((0.3, -0.2, 0.1), (3.0, -2.0, 1.0))
    own = torch.eye(GRID[0] * GRID[1], dtype=torch.bool)
    for queries, keys in ((together, together), (together.float(), together.float() @ pose().float())):
        for slope in (0.0, 0.3, 2.0):
            got = bias(queries, keys, slope)
            assert not got.dense(torch.float32)[0][own].any()
            normal = got.lines[0, :, :2] / got.lines[0, :, :2].norm(dim=-1, keepdim=True)
            expected = torch.tensor([math.cos(slope), math.sin(slope)])
            torch.testing.assert_close(normal, expected.expand_as(normal))
        assert got.dense(torch.float32).min() == pytest.approx(-125, abs=1e-3)


def test_cameras_that_only_turn_have_lines_through_what_looks_the_same_way() -> None:
    queries, keys = pose(), pose((0.05, 0.2, 0.1))
    got = bias(queries, keys).lines[0].double()
    points = cell_points(HW, GRID, like=got)
    seen = points @ (K @ torch.linalg.inv(keys)[:3, :3] @ torch.linalg.inv(K)).mT
    assert ((seen / seen[:, 2:]) * got).sum(-1).abs().max() < 1e-3


def test_what_looks_away_has_no_bias() -> None:
    behind = bias(pose(), pose((0.0, math.pi, 0.0)))
    assert not behind.dense(torch.float32).any()
    aside = bias(pose(), pose((0.0, 1.2, 0.0)))
    assert aside.lines.isfinite().all()


def test_a_query_that_sees_the_other_camera_may_attend_anywhere() -> None:
    x, y, _ = cell_points(HW, GRID, like=K)[8].tolist()
    along = torch.linalg.inv(K) @ torch.tensor([x, y, 1.0], dtype=torch.float64)
    keys = pose(centre=tuple((0.5 * along).tolist()))
    got = bias(pose(), keys).dense(torch.float32)[0]
    assert not got[8].any() and got[7].any() and got.isfinite().all()


def random_attention(rows: int = 2, heads: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = torch.randn(3, rows, heads, GRID[0] * GRID[1], 16)
    return q, k, v


def two_rows() -> EpipolarBias:
    first, second = pose((0.1, -0.2, 0.05), (0.3, 0.1, -0.2)), pose((-0.1, 0.1, 0.0), (-0.2, 0.05, 0.4))
    both = [bias(first, second), bias(second, second)]
    return EpipolarBias(torch.cat([one.lines for one in both]), both[0].points)


@pytest.mark.slow
def test_flex_attention_compiles_into_a_kernel() -> None:
    """In a process of its own, without the type checks that pytest switches on: torch.compile cannot trace those."""
    code = """
import torch
from adapters.test_epipolar_bias import random_attention, two_rows
q, k, v = random_attention()
with torch.no_grad():
    got = two_rows().attend(q, k, v)
mask = two_rows().dense(torch.float32)[:, None]
print((got - torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)).abs().max().item())
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=500)
    assert result.returncode == 0, result.stderr[-2000:]
    assert float(result.stdout.splitlines()[-1]) < 1e-5

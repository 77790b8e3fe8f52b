"""Curves through points: the points themselves, no corners, parabolas as they are, and stops where points repeat."""

import math

import pytest
import torch
from torch import Tensor

from syncam.cameras.curve import curve_through
from syncam.errors import InputError

KNOTS = torch.tensor([0.0, 1, 4, 6, 7, 12], dtype=torch.float64)


def points(*batch: int) -> Tensor:
    return torch.randn(*batch, len(KNOTS), 3, dtype=torch.float64)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)
def test_it_goes_through_the_points(batch: tuple[int, ...]) -> None:
    through = points(*batch)
    torch.testing.assert_close(curve_through(through, KNOTS, KNOTS), through, rtol=0, atol=0)
    times = torch.linspace(0, 12, 25, dtype=torch.float64)
    assert curve_through(through, KNOTS, times).shape == (*batch, 25, 3)
    back = curve_through(through.flip(-2), (12 - KNOTS).flip(0), (12 - times).flip(0)).flip(-2)
    torch.testing.assert_close(curve_through(through, KNOTS, times), back)


def test_it_has_no_corners() -> None:
    step = 1e-6
    sides = torch.stack([KNOTS[1:-1] - step, KNOTS[1:-1], KNOTS[1:-1] + step], -1).flatten()
    before, after = curve_through(points(), KNOTS, sides).unflatten(0, (-1, 3)).diff(dim=1).unbind(1)
    torch.testing.assert_close(before / step, after / step, rtol=0, atol=1e-3)


def test_a_cubic_is_as_fast_at_its_ends_as_the_parabola_through_the_neighbours() -> None:
    """Lagrange's formula, term by term, at an uneven knot."""
    (a, b, c), through = KNOTS[1:4], points()
    speed = (
        through[1] * (b - c) / ((a - b) * (a - c))
        + through[2] * (2 * b - a - c) / ((b - a) * (b - c))
        + through[3] * (b - a) / ((c - a) * (c - b))
    )
    step = 1e-7
    found = curve_through(through, KNOTS, torch.stack([b, b + step])).diff(dim=0)[0] / step
    torch.testing.assert_close(found, speed, rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_lines_and_parabolas_are_repeated(count: int) -> None:
    def parabola(t: Tensor) -> Tensor:
        bend = 0.0 if count == 2 else 1.5
        return torch.stack([t, 3 - t, bend * t * t - t], -1)

    times = torch.linspace(0, float(KNOTS[count - 1]), 31, dtype=torch.float64)
    found = curve_through(parabola(KNOTS[:count]), KNOTS[:count], times)
    torch.testing.assert_close(found, parabola(times))


def test_a_circle_of_few_points_stays_round() -> None:
    turn = torch.linspace(0, math.pi, 7, dtype=torch.float64)
    fine = torch.linspace(0, math.pi, 100, dtype=torch.float64)
    found = curve_through(torch.stack([turn.cos(), turn.sin()], -1), turn, fine)
    assert (found.norm(dim=-1) - 1).abs().max() < 0.01


def test_it_stands_still_where_points_repeat() -> None:
    """Bit for bit, without swinging before or after: the curves on both sides do not know of each other."""
    through = points(2)
    through[0, 3] = through[0, 2]
    times = torch.linspace(0, 12, 49, dtype=torch.float64)
    found = curve_through(through, KNOTS, times)
    waiting = (times >= KNOTS[2]) & (times <= KNOTS[3])
    assert torch.equal(found[0, waiting], through[0, 2].expand(int(waiting.sum()), 3))
    for part in (slice(0, 3), slice(3, None)):
        own = (times >= KNOTS[part][0]) & (times <= KNOTS[part][-1])
        torch.testing.assert_close(found[0, own], curve_through(through[0, part], KNOTS[part], times[own]))
    torch.testing.assert_close(found[1], curve_through(through[1], KNOTS, times))


def test_one_point_stands_still() -> None:
    found = curve_through(points()[:1], KNOTS[:1], torch.zeros(3, dtype=torch.float64))
    assert found.shape == (3, 3) and bool((found == found[0]).all())


@pytest.mark.parametrize(
    ("knots", "times", "message"),
    [
        ([0.0, 2, 2], [0.0], "knots must grow, got"),
        ([0.0, 1, 2], [2.5], r"times must lie in 0\.\.2, got \[2.5\]"),
        ([0.0, 1, 2], [float("nan")], r"times must lie in 0\.\.2"),
    ],
)
def test_bad_times(knots: list[float], times: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        curve_through(points()[:3], torch.tensor(knots).double(), torch.tensor(times).double())

"""Intervals of distances between sets: as wide as the distances scatter, around the value."""

import math

import numpy as np
import pytest
import torch

from syncam.evaluation.frechet import frechet_distance, kernel_distance_without
from syncam.evaluation.network_measures import SET_MEASURES, set_spread
from syncam.evaluation.statistics import jackknife, left_out


def a_run(clips: int, width: int, seed: int) -> list[dict[str, np.ndarray]]:
    """Four samples of each clip, which have more in common than those of different clips."""
    generator = torch.Generator().manual_seed(seed)
    shared = torch.randn(clips, 1, width, generator=generator)
    samples = shared + 0.5 * torch.randn(clips, 4, width, generator=generator)
    return [{"first": one.numpy()} for one in samples]


@pytest.mark.parametrize("name", ["fid:tf1", "kid:tf1"])
@pytest.mark.parametrize(("clips", "width"), [(12, 4), (30, 6), (8, 48)])
def test_the_interval_is_as_wide_as_the_distance_scatters(name: str, clips: int, width: int) -> None:
    measure, reference = SET_MEASURES[name], [{"first": torch.randn(200, width).numpy() + 0.3}]
    values, errors, inside = [], [], []
    for seed in range(60):
        run = a_run(clips, width, seed)
        sides = [torch.from_numpy(np.concatenate([one["first"] for one in side])) for side in (run, reference)]
        values.append(measure.distance(*sides))
        spread = set_spread(measure, values[-1], run, reference)
        assert spread is not None
        errors.append(spread[0])
        inside.append(spread[1])
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.35)
    covered = [low < np.mean(values) < high for low, high in inside]
    assert np.mean(covered) > 0.85


def test_kernel_distances_without_groups_by_their_sums() -> None:
    groups, reference = [torch.randn(size, 5).double() for size in (3, 4, 2)], torch.randn(7, 5).double()
    for number, found in enumerate(kernel_distance_without(groups, reference)):
        rest = torch.cat([group for index, group in enumerate(groups) if index != number])
        xx, yy, xy = (((a @ b.T) / 5 + 1) ** 3 for a, b in ((rest, rest), (reference, reference), (rest, reference)))
        within = sum(float(one.sum() - one.trace()) / (len(one) * (len(one) - 1)) for one in (xx, yy))
        assert found == pytest.approx(within - 2 * float(xy.mean()), rel=1e-9)


def test_groups_leave_every_clip_out_once() -> None:
    assert left_out(4) == [] and left_out(5) == [[0], [1], [2], [3], [4]]
    assert len(left_out(50)) == 20 and sorted(sum(left_out(50), [])) == list(range(50))


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = torch.randn(9, dtype=torch.float64).tolist()
    mean = sum(values) / 9
    error, (low, high) = jackknife(mean, [(9 * mean - value) / 8 for value in values]) or (0.0, (0.0, 0.0))
    assert error == pytest.approx(np.std(values, ddof=1) / 3)
    assert (high - low) / 2 / error == pytest.approx(2.306, rel=2e-3)  # Student's t of eight degrees, from a table
    _, (low, high) = jackknife(0.0, [-1.0, 1.0, 0.0, 1.0, -1.0]) or (0.0, (0.0, 0.0))
    assert (high - low) / 2 / math.sqrt(4 * 0.8) == pytest.approx(2.776, rel=4e-3)
    assert jackknife(1.0, []) is None


def test_distances_within_a_run_leave_both_sides_out() -> None:
    measure = SET_MEASURES["fvd_v:paired"]
    run = [{"first": torch.randn(3, 4).numpy(), "second": torch.randn(1, 4).numpy()} for _ in range(6)]
    without = []
    for number in range(6):
        rest = [clip for index, clip in enumerate(run) if index != number]
        sides = [torch.from_numpy(np.concatenate([clip[side] for clip in rest])) for side in ("first", "second")]
        without.append(frechet_distance(*sides))
    assert set_spread(measure, 1.0, run, []) == jackknife(1.0, without)

"""Distances of sets against their formulas written out, and the classes that gather over processes."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from syncam.errors import InputError
from syncam.evaluation.frechet import frechet_distance, kernel_distance
from syncam.evaluation.metrics import FrechetDistance, KernelDistance, MeanOverClips, PoseAuc


def sets(first: int, second: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    mixing = torch.randn(width, width)
    return torch.randn(first, width), torch.randn(second, width) @ mixing + 0.3


@pytest.mark.parametrize(("first", "second"), [(50, 60), (9, 40), (7, 5)])
def test_frechet_by_the_square_root_of_the_product(first: int, second: int) -> None:
    a, b = (one.double().numpy() for one in sets(first, second, 8))
    products = np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T)).real.clip(min=0)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T))
    expected -= 2 * np.sqrt(products).sum()
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(expected, rel=1e-6)


def test_frechet_laws() -> None:
    a, b = sets(40, 40, 6)
    turn = torch.linalg.qr(torch.randn(6, 6)).Q
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-5)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(frechet_distance(a, b), rel=1e-4)
    assert frechet_distance(a, a + 2) == pytest.approx(6 * 4, rel=1e-4)


def test_kernel_distance_by_its_sums() -> None:
    a, b = sets(6, 6, 4)

    def kernel(x: torch.Tensor, y: torch.Tensor) -> float:
        return float((x @ y / 4 + 1) ** 3)

    within = sum(kernel(s[i], s[j]) for s in (a, b) for i in range(6) for j in range(6) if i != j) / 30
    between = sum(kernel(x, y) for x in a for y in b) / 36
    assert kernel_distance(a, b)[0] == pytest.approx(within - 2 * between, rel=1e-4)
    assert kernel_distance(a, b, subset_size=4, subsets=7) == kernel_distance(a, b, subset_size=4, subsets=7)


def test_too_few_samples_and_bad_numbers_are_refused() -> None:
    a, _ = sets(4, 4, 3)
    with pytest.raises(InputError, match="two samples or more of each, got 1"):
        frechet_distance(a, a[:1])
    with pytest.raises(InputError, match=r"\[N, 3\], got \[4, 2\]"):
        frechet_distance(a, a[:, :2])
    with pytest.raises(InputError, match="NaN"):
        kernel_distance(a, a * torch.nan)
    with pytest.warns(UserWarning, match="before"), pytest.raises(InputError, match="both sets need features"):
        FrechetDistance().compute()


def gathered(rank: int, folder: str, a: torch.Tensor, b: torch.Tensor) -> None:
    """One of two processes, each with every second sample."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    fid, kid, mean, auc = FrechetDistance(), KernelDistance(), MeanOverClips(), PoseAuc()
    for metric in (fid, kid):
        metric.update(a[rank::2])
        metric.update(b[rank::2], reference=True)
    for clip in a[rank::2]:
        mean.update(clip)
    auc.update(a[rank::2, 0].abs() * 10)
    values = torch.cat([fid.compute()[None], kid.compute()[None], mean.compute()[None], auc.compute()])
    if rank == 0:
        torch.save(values, Path(folder) / "values.pt")
    dist.barrier()
    os._exit(0)  # without the exit handlers of the process it was forked from


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    a, b = sets(20, 20, 5)  # of sets of other sizes, KID draws subsets, in the order in which they come
    mp.start_processes(gathered, (str(tmp_path), a, b), nprocs=2, start_method="fork")
    found = torch.load(tmp_path / "values.pt", weights_only=True)
    alone: list[Callable[[], torch.Tensor]] = []
    for kind in (FrechetDistance, KernelDistance):
        metric = kind()
        metric.update(a)
        metric.update(b, reference=True)
        alone.append(metric.compute)
    assert found[0].item() == pytest.approx(alone[0]().item())
    assert found[1].item() == pytest.approx(alone[1]().item(), rel=1e-6)
    assert found[2].item() == pytest.approx(a.mean().item(), rel=1e-5)
    auc = PoseAuc()
    auc.update(a[:, 0].abs() * 10)
    assert found[3:].tolist() == pytest.approx(auc.compute().tolist())

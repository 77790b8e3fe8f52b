"""Distances between two sets of features: Frechet (FID, FVD) and kernel (KID)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

__all__ = ["frechet_distance", "kernel_distance", "kernel_distance_without"]


def frechet_distance(features: Float[Tensor, "N D"], reference: Float[Tensor, "M _"]) -> float:
    """|m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)), with the means and covariances of both sets.

    The last trace is the sum of the singular values of X1 X2^T / sqrt((N - 1)(M - 1)), X the centred features: exact
    also where there are fewer samples than dimensions, where a matrix square root is not. It is biased upwards by few
    samples: compare sets of the same size. InputError for fewer than two samples.
    """
    first, second = (_checked(one, features.shape[1]) for one in (features, reference))
    means = first.mean(0), second.mean(0)
    x, y = first - means[0], second - means[1]
    traces = x.square().sum() / (len(x) - 1) + y.square().sum() / (len(y) - 1)
    x, y = (torch.linalg.qr(one, mode="r").R if len(one) > one.shape[1] else one for one in (x, y))
    scale = ((len(first) - 1) * (len(second) - 1)) ** 0.5
    common = torch.linalg.svdvals(x @ y.mT).sum() / scale
    return float((means[0] - means[1]).square().sum() + traces - 2 * common)


def kernel_distance(
    features: Float[Tensor, "N D"],
    reference: Float[Tensor, "M _"],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """The squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, unbiased; its mean over random subsets of
    both sets, and the standard deviation over them (Binkowski et al. 2018).

    Subsets have the size of the smaller set where that has fewer samples than `subset_size`. Unbiased in the number of
    samples, unlike the Frechet distance.
    """
    first, second = (_checked(one, features.shape[1]) for one in (features, reference))
    size = min(subset_size, len(first), len(second))
    generator = torch.Generator().manual_seed(seed)
    count = 1 if size == len(first) == len(second) else subsets
    values = torch.stack(
        [
            _discrepancy(*(one[torch.randperm(len(one), generator=generator)[:size]] for one in (first, second)))
            for _ in range(count)
        ]
    )
    return float(values.mean()), float(values.std(correction=0))


def kernel_distance_without(groups: Sequence[Float[Tensor, "_ D"]], reference: Float[Tensor, "M D"]) -> list[float]:
    """The kernel distance of the whole sets without each of the groups that the first one consists of."""
    features, second = torch.cat(list(groups)).double(), reference.double()
    width, sizes = features.shape[1], [len(group) for group in groups]
    label = torch.repeat_interleave(torch.arange(len(groups)), torch.tensor(sizes))
    within = torch.zeros(len(groups), len(groups), dtype=torch.float64)  # sums of the kernel, group by group
    across = torch.zeros(len(groups), dtype=torch.float64)
    for number, group in enumerate(features.split(sizes)):
        kernel = (group @ features.mT / width + 1) ** 3
        within[number].index_add_(0, label, kernel.sum(0))
        across[number] = ((group @ second.mT / width + 1) ** 3).sum()
    own = (features.square().sum(1) / width + 1) ** 3  # of each sample with itself
    diagonal = torch.zeros(len(groups), dtype=torch.float64).index_add_(0, label, own)
    yy = (second @ second.mT / width + 1) ** 3
    constant = (yy.sum() - yy.diagonal().sum()) / (len(second) * (len(second) - 1))
    found = []
    for number, size in enumerate(sizes):
        rest = len(features) - size
        pairs = within.sum() - 2 * within[number].sum() + within[number, number] - diagonal.sum() + diagonal[number]
        mixed = (across.sum() - across[number]) / (rest * len(second))
        found.append(float(pairs / (rest * (rest - 1)) + constant - 2 * mixed))
    return found


def _discrepancy(x: Float[Tensor, "N D"], y: Float[Tensor, "N D"]) -> Float[Tensor, ""]:
    size = len(x)
    xx, yy, xy = ((a @ b.mT / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = (xx.sum() - xx.diagonal().sum() + yy.sum() - yy.diagonal().sum()) / (size * (size - 1))
    return within - 2 * xy.mean()


def _checked(features: Tensor, width: int) -> Tensor:
    if features.ndim != 2 or features.shape[1] != width:
        raise InputError(f"features must be [N, {width}], got {list(features.shape)}")
    if len(features) < 2:
        raise InputError(f"a distance of sets needs two samples or more of each, got {len(features)}")
    if not bool(torch.isfinite(features).all()):
        raise InputError("features have NaN or infinite numbers")
    return features.double()

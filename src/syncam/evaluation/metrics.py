"""The metrics as torchmetrics classes, for loops of one's own, in one process or many: update, then compute."""

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from syncam.errors import InputError
from syncam.evaluation.camera_errors import pose_auc
from syncam.evaluation.frechet import frechet_distance, kernel_distance

__all__ = ["FrechetDistance", "KernelDistance", "MeanOverClips", "PoseAuc"]


class _TwoSets(Metric):
    """Features of two sets, gathered from all processes."""

    full_state_update = False
    features: list[Tensor]
    reference: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("features", "reference"):
            self.add_state(name, default=[], dist_reduce_fx="cat")

    def update(self, features: Float[Tensor, "N D"], *, reference: bool = False) -> None:
        """Adds features to the set that is measured, or to the reference."""
        (self.reference if reference else self.features).append(features.detach().double())

    def _sets(self) -> tuple[Tensor, Tensor]:
        if not len(self.features) or not len(self.reference):
            raise InputError("both sets need features; give update(features) and update(features, reference=True)")
        return dim_zero_cat(self.features), dim_zero_cat(self.reference)


class FrechetDistance(_TwoSets):
    """FID or FVD, by whose features it is given.

    Example:
        >>> fid = FrechetDistance()
        >>> fid.update(features)
        >>> fid.update(real_features, reference=True)
        >>> fid.compute()
    """

    higher_is_better = False

    def compute(self) -> Float[Tensor, ""]:
        """The distance of everything seen so far."""
        return torch.tensor(frechet_distance(*self._sets()), dtype=torch.float64)


class KernelDistance(_TwoSets):
    """KID: the mean over subsets."""

    higher_is_better = False

    def __init__(self, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> None:
        super().__init__()
        self.options = {"subsets": subsets, "subset_size": subset_size, "seed": seed}

    def compute(self) -> Float[Tensor, ""]:
        """The distance of everything seen so far."""
        return torch.tensor(kernel_distance(*self._sets(), **self.options)[0], dtype=torch.float64)


class MeanOverClips(Metric):
    """The mean over clips of each clip's mean, for any metric of single clips; samples that are NaN count as failed."""

    full_state_update = False
    total: Tensor
    clips: Tensor
    failures: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", default=torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        for name in ("clips", "failures"):
            self.add_state(name, default=torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, samples: Float[Tensor, "*samples"]) -> None:
        """Adds one clip."""
        good = samples[torch.isfinite(samples)].double()
        self.failures += samples.numel() - good.numel()
        if good.numel():
            self.total += good.mean()
            self.clips += 1

    def compute(self) -> Float[Tensor, ""]:
        """The mean; NaN where no clip could be measured."""
        return self.total / self.clips


class PoseAuc(Metric):
    """AUC of angular errors in degrees up to each limit; an infinite error is a pose that could not be estimated."""

    full_state_update = False
    higher_is_better = True
    errors: list[Tensor]

    def __init__(self, limits_deg: tuple[float, ...] = (5.0, 10.0, 20.0)) -> None:
        super().__init__()
        self.limits_deg = limits_deg
        self.add_state("errors", default=[], dist_reduce_fx="cat")

    def update(self, errors_deg: Float[Tensor, "N"]) -> None:
        """Adds errors of pairs of views."""
        self.errors.append(errors_deg.detach().double())

    def compute(self) -> Float[Tensor, "L"]:
        """One area for each limit."""
        errors = dim_zero_cat(self.errors).tolist() if len(self.errors) else []
        return torch.tensor(pose_auc(errors, self.limits_deg), dtype=torch.float64)

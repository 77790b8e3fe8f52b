"""Metrics of a clip against the same clip of a reference: the same views and frames of the true scene."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor

from syncam.evaluation.material import Material
from syncam.evaluation.measures import Measure
from syncam.evaluation.outcome import NotMeasurable, Outcome
from syncam.evaluation.pixels import psnr, ssim

__all__ = ["REFERENCE_MEASURES"]


def _against(compare: Callable[[Material, Tensor, Tensor], Tensor], material: Material) -> Outcome:
    """A sample for every frame of every view."""
    reference = material.reference
    if reference is None:
        raise NotMeasurable("no reference clip of that name; give --reference a run with the true videos")
    truth = reference.read().video
    if truth.shape != material.video.shape:
        raise NotMeasurable(
            f"the reference has shape {list(truth.shape)}, the clip {list(material.video.shape)} [V, F, C, H, W]"
        )
    outcome = Outcome()
    for view, (one, other) in enumerate(zip(material.video, truth, strict=True)):
        for value in compare(material, one, other).tolist():
            if math.isfinite(value):
                outcome.samples.append(value)
                outcome.views.append([view])
            else:
                outcome.fail(NotMeasurable("frames are equal"))
    return outcome


def _psnr(material: Material, one: Tensor, other: Tensor) -> Tensor:
    return psnr(one, other)


def _ssim(material: Material, one: Tensor, other: Tensor) -> Tensor:
    return ssim(one, other)


def _lpips(material: Material, one: Tensor, other: Tensor) -> Tensor:
    return material.networks.lpips.pairs(one, other)


def _measure(metric: str, compare: Any, unit: str, better: Any, **more: Any) -> Measure:
    take = partial(_against, compare)
    return Measure(metric=metric, convention="", unit=unit, better=better, take=take, uses_reference=True, **more)


REFERENCE_MEASURES: dict[str, Measure] = {
    one.name: one
    for one in (
        _measure("psnr", _psnr, "dB", "higher", details={"mean": "of the PSNR of frames"}),
        _measure("ssim", _ssim, "share", "higher", details={"window": "Gaussian, 11 pixels, 1.5"}),
        _measure("lpips", _lpips, "distance", "lower", network="lpips"),
    )
}

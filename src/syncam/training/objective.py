"""What models learn to predict: flow matching (equations 1 to 4 of SynCamMaster) as pure functions, v, and the noise.

x_sigma = (1 - sigma) x_0 + sigma noise runs on a straight line from data to noise; the model predicts its velocity.
Models that predict v, such as CogVideoX, or the noise, such as Stable Diffusion, have a schedule of noise in 1000 steps
instead, which their sampler knows.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor

from syncam.errors import InputError

__all__ = [
    "DISTRIBUTIONS",
    "TIMESTEPS",
    "FlowMatching",
    "NoisePrediction",
    "Objective",
    "VPrediction",
    "add_noise",
    "objective_of",
    "reference_weight",
    "sample_sigmas",
    "shift_sigmas",
    "velocity",
]

TIMESTEPS = 1000
"""Transformers take sigma times this as their timestep."""
DISTRIBUTIONS = ("uniform", "logit_normal")
"""Of noise levels, before the shift."""


def shift_sigmas(sigmas: Float[Tensor, "*batch"], shift: float) -> Float[Tensor, "*batch"]:
    """Noise levels moved towards 1: shift s / (1 + (shift - 1) s)."""
    return shift * sigmas / (1 + (shift - 1) * sigmas)


def sample_sigmas(
    count: int,
    *,
    shift: float,
    distribution: str,
    generator: torch.Generator,
) -> Float[Tensor, " count"]:
    """Random noise levels in (0, 1), one stratum of the distribution per sample, then shifted.

    Stratified: the i-th sample is drawn from the i-th of `count` equal parts, in random order, which lowers the
    variance of a step's loss and leaves its mean alone.
    """
    if distribution not in DISTRIBUTIONS:
        raise InputError(f"distribution must be {' or '.join(DISTRIBUTIONS)}, got {distribution!r}")
    parts = torch.randperm(count, generator=generator) + torch.rand(count, generator=generator)
    uniform = (parts / count).clamp(1e-4, 1 - 1e-4)
    if distribution == "logit_normal":
        uniform = torch.sigmoid(torch.special.ndtri(uniform))
    return shift_sigmas(uniform, shift)


def add_noise(
    clean: Float[Tensor, "b *rest"], noise: Float[Tensor, "b *rest"], sigmas: Float[Tensor, " b"]
) -> Float[Tensor, "b *rest"]:
    """x_sigma on the line between `clean` and `noise`."""
    sigmas = sigmas.view(-1, *[1] * (clean.ndim - 1))
    return (1 - sigmas) * clean + sigmas * noise


def velocity(clean: Float[Tensor, "b *rest"], noise: Float[Tensor, "b *rest"]) -> Float[Tensor, "b *rest"]:
    """What the model has to predict: the derivative of x_sigma by sigma."""
    return noise - clean


def reference_weight(sigmas: Float[Tensor, "*batch"], shift: float = 5.0) -> Float[Tensor, "*batch"]:
    """The loss weight of the reference training: exp(-2 ((t - 500) / 1000)^2) less its minimum, of mean 1.

    Minimum and mean are over the 1000 shifted training timesteps t = 1000 sigma.
    """
    grid = shift_sigmas(torch.linspace(1, 0, TIMESTEPS + 1, dtype=torch.float64)[:-1], shift)
    bell = torch.exp(-2 * ((grid * TIMESTEPS - 500) / 1000) ** 2)
    lowest, mean = bell.min(), (bell - bell.min()).mean()
    weight = (torch.exp(-2 * ((sigmas.double() * TIMESTEPS - 500) / 1000) ** 2) - lowest) / mean
    return weight.clamp(min=0).to(sigmas.dtype)


class Objective(ABC):
    """How clean latents get noise of a level from 0 (none) to 1 (nothing else), and what is to be predicted of it."""

    shift: float
    """Of the noise levels, where a recipe does not say."""

    @abstractmethod
    def noisy(
        self, clean: Float[Tensor, "b *rest"], noise: Float[Tensor, "b *rest"], levels: Float[Tensor, " b"]
    ) -> Float[Tensor, "b *rest"]:
        """The latents that the transformer is given; `clean` themselves at level 0."""

    @abstractmethod
    def target(
        self, clean: Float[Tensor, "b *rest"], noise: Float[Tensor, "b *rest"], levels: Float[Tensor, " b"]
    ) -> Float[Tensor, "b *rest"]:
        """What it has to predict."""

    @abstractmethod
    def timesteps(self, levels: Float[Tensor, " b"]) -> Num[Tensor, " b"]:
        """How it is told the levels."""

    @abstractmethod
    def weight(self, levels: Float[Tensor, "*batch"], shift: float) -> Float[Tensor, "*batch"]:
        """The loss weight of the reference training."""


class FlowMatching(Objective):
    """The velocity on the straight line between data and noise, as Wan predicts it."""

    shift = 5.0

    def noisy(self, clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        return add_noise(clean, noise, levels)

    def target(self, clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        return velocity(clean, noise)

    def timesteps(self, levels: Tensor) -> Tensor:
        return levels * TIMESTEPS

    def weight(self, levels: Tensor, shift: float) -> Tensor:
        return reference_weight(levels, shift)


class Scheduled(Objective):
    """Noise at the steps of a schedule; all weigh alike."""

    shift = 1.0

    def __init__(self, scheduler: Any) -> None:
        """`scheduler` is the model's own sampler, which has its schedule."""
        self.scheduler = scheduler
        self.steps: int = scheduler.config.num_train_timesteps

    def noisy(self, clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        noisy = self.scheduler.add_noise(clean, noise, self.timesteps(levels))
        still = (levels == 0).view(-1, *[1] * (clean.ndim - 1))
        return torch.where(still, clean, noisy)  # the schedule's first step has a little noise

    def timesteps(self, levels: Tensor) -> Tensor:
        return (levels * self.steps).long().clamp(max=self.steps - 1)

    def weight(self, levels: Tensor, shift: float) -> Tensor:
        return torch.ones_like(levels)


class VPrediction(Scheduled):
    """v = sqrt(a) noise - sqrt(1 - a) x_0, as CogVideoX predicts it."""

    def target(self, clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        return self.scheduler.get_velocity(clean, noise, self.timesteps(levels))


class NoisePrediction(Scheduled):
    """The noise itself (epsilon), as Stable Diffusion predicts it."""

    def target(self, clean: Tensor, noise: Tensor, levels: Tensor) -> Tensor:
        return noise


def objective_of(scheduler: Any) -> Objective:
    """What the model with this sampler was trained to predict; InputError if it is none of the three."""
    prediction = scheduler.config.get("prediction_type", "flow_prediction")
    if prediction == "v_prediction":
        return VPrediction(scheduler)
    if prediction == "epsilon":
        return NoisePrediction(scheduler)
    if prediction == "flow_prediction":
        return FlowMatching()
    raise InputError(
        f"the base model predicts {prediction!r}; expected flow_prediction (flow matching), v_prediction or epsilon"
    )

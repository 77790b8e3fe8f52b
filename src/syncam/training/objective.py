"""Flow matching (equations 1 to 4 of SynCamMaster) as pure functions.

x_sigma = (1 - sigma) x_0 + sigma noise runs on a straight line from data to noise; the model predicts its velocity.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

__all__ = ["DISTRIBUTIONS", "TIMESTEPS", "add_noise", "reference_weight", "sample_sigmas", "shift_sigmas", "velocity"]

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

"""An autoencoder's latents as transformers see them: scaled, per channel or as a whole."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["denormalised", "latent_statistics", "normalised"]


def normalised(vae: Any, latents: Float[Tensor, "b z f h w"]) -> Float[Tensor, "b z f h w"]:
    """Latents as the transformer of the autoencoder's pipeline sees them, in float32."""
    mean, std = _statistics(vae, latents)
    return (latents.float() - mean) / std


def denormalised(vae: Any, latents: Float[Tensor, "b z f h w"]) -> Float[Tensor, "b z f h w"]:
    """Latents as the autoencoder made them, in float32."""
    mean, std = _statistics(vae, latents)
    return latents.float() * std + mean


def latent_statistics(vae: Any) -> tuple[list[float], list[float]]:
    """Mean and deviation, of every channel or one of all, that the autoencoder's config states."""
    config = vae.config
    if config.get("latents_mean") is not None:
        return list(config.latents_mean), list(config.latents_std)
    return [config.get("shift_factor") or 0.0], [1 / config.scaling_factor]


def _statistics(vae: Any, latents: Tensor) -> list[Float[Tensor, "1 z 1 1 1"]]:
    values = latent_statistics(vae)
    return [torch.tensor(numbers, device=latents.device).view(1, -1, 1, 1, 1) for numbers in values]

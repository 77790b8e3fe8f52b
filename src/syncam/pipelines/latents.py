"""An autoencoder's latents as transformers see them: of mean 0 and deviation 1 per channel."""

import torch
from diffusers import AutoencoderKLWan
from jaxtyping import Float
from torch import Tensor

__all__ = ["denormalised", "normalised"]


def normalised(vae: AutoencoderKLWan, latents: Float[Tensor, "b z f h w"]) -> Float[Tensor, "b z f h w"]:
    """Latents as WanPipeline's transformer sees them, in float32."""
    mean, std = _statistics(vae, latents)
    return (latents.float() - mean) / std


def denormalised(vae: AutoencoderKLWan, latents: Float[Tensor, "b z f h w"]) -> Float[Tensor, "b z f h w"]:
    """Latents as the autoencoder made them, in float32."""
    mean, std = _statistics(vae, latents)
    return latents.float() * std + mean


def _statistics(vae: AutoencoderKLWan, latents: Tensor) -> list[Float[Tensor, "1 z 1 1 1"]]:
    values = (vae.config.latents_mean, vae.config.latents_std)
    return [torch.tensor(numbers, device=latents.device).view(1, -1, 1, 1, 1) for numbers in values]

"""How far the video autoencoders of diffusers shrink a video; each class says it in words of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Strides", "strides"]


@dataclass(frozen=True, kw_only=True)
class Strides:
    """What one latent cell stands for, and which videos come out as long as they went in."""

    frames: int
    """Video frames per latent frame; the first latent frame stands for one."""
    pixels: int
    """Pixels per side of a latent cell."""
    clip: int
    """The number of frames of a video is one more than a multiple of this."""


def strides(config: Mapping[str, Any]) -> Strides:
    """The strides of the autoencoder with this config, as it has it in memory or in its file."""
    if "block_out_channels" not in config:  # Wan's; its older files leave the strides to the class
        frames = config.get("scale_factor_temporal", 4)
        return Strides(frames=frames, pixels=config.get("scale_factor_spatial", 8), clip=frames)
    frames = config.get("temporal_compression_ratio", 4)
    # CogVideoX decodes latent frames in pairs, of which the first takes in one more where their number is odd; where it
    # is even, the video gets longer than the one that was encoded.
    return Strides(frames=frames, pixels=2 ** (len(config["block_out_channels"]) - 1), clip=2 * frames)

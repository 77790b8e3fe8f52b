"""Metrics of pixels alone: likeness of two videos, and how calm one is."""

from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError
from syncam.optional import require

__all__ = ["flicker", "psnr", "ssim", "temporal_flickering"]

SSIM_WINDOW = 11
"""Pixels across the Gaussian window, of standard deviation 1.5."""


def psnr(video: Float[Tensor, "F C H W"], reference: Float[Tensor, "..."]) -> Float[Tensor, "F"]:
    """Peak signal-to-noise ratio of every frame in dB, for pixels in [0, 1]; infinite where frames are equal."""
    _same_shape(video, reference)
    return -10 * (video.double() - reference.double()).square().mean((1, 2, 3)).log10()


def ssim(video: Float[Tensor, "F C H W"], reference: Float[Tensor, "..."]) -> Float[Tensor, "F"]:
    """Structural similarity of every frame, 1 for equal ones: Wang et al. 2004, a Gaussian window of 11 pixels and
    standard deviation 1.5, each colour by itself, then their mean; computed by torchmetrics.
    """
    _same_shape(video, reference)
    if min(video.shape[-2:]) < SSIM_WINDOW:
        raise InputError(f"SSIM needs pictures of at least 11x11 pixels, got {tuple(video.shape[-2:])}")
    image = require("torchmetrics.functional.image", extra="evaluate")
    return image.structural_similarity_index_measure(video, reference, data_range=1.0, reduction="none").reshape(-1)


def flicker(video: Float[Tensor, "F C H W"]) -> Float[Tensor, "F-1"]:
    """The mean absolute difference of neighbouring frames, in 8-bit steps: of every frame to the next."""
    if len(video) < 2:
        raise InputError("flicker needs two frames or more, got 1")
    return (video * 255).round().diff(dim=0).abs().double().mean((1, 2, 3))


def temporal_flickering(video: Float[Tensor, "F C H W"]) -> float:
    """VBench's temporal_flickering: (255 - mean |I_(t+1) - I_t|) / 255 of 8-bit frames; 1 is a video that stands still.

    Motion lowers it too. VBench measures videos of still scenes with it.
    """
    return float((255 - flicker(video).mean()) / 255)


def _same_shape(video: Tensor, reference: Tensor) -> None:
    if video.shape != reference.shape:
        raise InputError(
            f"two videos of the same frames and size are compared, got {list(video.shape)} and {list(reference.shape)}"
        )

"""Consistency over time along the motion: what is left of a frame when the next one is brought back onto it."""

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from syncam.errors import InputError
from syncam.optional import require

__all__ = ["FLOW", "warp_error"]

FLOW = "OpenCV DIS, medium preset"
LEAST_SIDE = 16


def warp_error(video: Float[Tensor, "F C H W"]) -> Float[Tensor, "F-1"]:
    """The mean squared difference, x 1000, of every frame and the next one warped back onto it; 0 is best.

    After Lai et al. 2018, equation 9, with flow by DIS. Pixels that the next frame does not show are left out: those
    whose flow there and back misses its start, as in Ruder et al. 2016, |a + b|^2 > 0.01 (|a|^2 + |b|^2) + 0.5, or
    leaves the picture. NaN for frames without pixels that remain.
    """
    if len(video) < 2:
        raise InputError("the warp error needs two frames or more, got 1")
    if min(video.shape[-2:]) < LEAST_SIDE:
        raise InputError(f"the warp error needs pictures of at least 16x16 pixels, got {tuple(video.shape[-2:])}")
    cv2 = require("cv2", extra="evaluate")
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    pixels = rearrange((video * 255).round().clamp(0, 255).byte(), "F C H W -> F H W C").contiguous().numpy()
    gray = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in pixels]
    return torch.stack([_one(estimator, video, gray, frame) for frame in range(len(video) - 1)])


def _one(estimator, video: Float[Tensor, "F C H W"], gray: list[UInt8[np.ndarray, "H W"]], frame: int) -> Tensor:
    there, back = (
        torch.from_numpy(estimator.calc(gray[a], gray[b], None)).permute(2, 0, 1).contiguous()  # [2, H, W]
        for a, b in ((frame, frame + 1), (frame + 1, frame))
    )
    inside, (back, following) = _sampled(there, back, video[frame + 1])
    missed = (there + back).square().sum(0)
    lengths = there.square().sum(0) + back.square().sum(0)
    kept = inside & (missed <= 0.01 * lengths + 0.5)
    difference = (following - video[frame]).square().mean(0)[kept]
    return 1000 * difference.double().mean()


def _sampled(flow: Float[Tensor, "2 H W"], *planes: Float[Tensor, "_ H W"]) -> tuple[Tensor, list[Tensor]]:
    """Where the flow stays inside the picture, and every one of `planes` read where it leads."""
    height, width = flow.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    x, y = (x + flow[0]) / width * 2 - 1, (y + flow[1]) / height * 2 - 1
    grid = torch.stack([x, y], dim=-1)[None]
    inside = (x.abs() <= 1) & (y.abs() <= 1)
    read = [F.grid_sample(plane[None], grid, padding_mode="border", align_corners=False)[0] for plane in planes]
    return inside, read

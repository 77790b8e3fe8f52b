"""Cropping, scaling and choosing of pixels, masks and cameras together, so that they keep belonging to each other."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.data.clip import MultiViewClip
from syncam.errors import InputError

__all__ = ["crop", "fit", "fit_cameras", "fit_pixels", "middle", "resize", "scaled", "select"]


def crop(clip: MultiViewClip, top: int, left: int, hw: tuple[int, int]) -> MultiViewClip:
    """The part of every picture of size `hw` that starts `top` and `left` pixels in."""
    height, width = clip.hw
    if not (hw[0] > 0 and hw[1] > 0 and 0 <= top <= height - hw[0] and 0 <= left <= width - hw[1]):
        raise InputError(
            f"a crop of {hw[0]}x{hw[1]} pixels at top {top}, left {left} leaves the picture of {height}x{width}"
        )
    return _changed(
        clip,
        lambda pixels: pixels[..., top : top + hw[0], left : left + hw[1]],
        lambda cameras: cameras.crop(top, left, hw),
    )


def resize(clip: MultiViewClip, hw: tuple[int, int]) -> MultiViewClip:
    """Every picture scaled to `hw`, each axis by its own factor; K follows."""
    _refuse_bad_size(hw)
    return _changed(clip, lambda pixels: scaled(pixels, hw), lambda cameras: cameras.resized(hw))


def fit(clip: MultiViewClip, hw: tuple[int, int]) -> MultiViewClip:
    """The largest middle part of every picture that has the proportions of `hw`, scaled to `hw`."""
    return _changed(clip, lambda pixels: fit_pixels(pixels, hw), lambda cameras: fit_cameras(cameras, hw))


def fit_pixels(pixels: Shaped[Tensor, "*batch H W"], hw: tuple[int, int]) -> Shaped[Tensor, "*batch h w"]:
    """What `fit` does to pixels, floating-point or 8-bit, or to a bool mask."""
    top, left, (height, width) = middle((pixels.shape[-2], pixels.shape[-1]), hw)
    return scaled(pixels[..., top : top + height, left : left + width], hw)


def fit_cameras(cameras: Cameras, hw: tuple[int, int]) -> Cameras:
    """What `fit` does to cameras."""
    top, left, kept = middle(cameras.hw, hw)
    return cameras.crop(top, left, kept).resized(hw)


def select(
    clip: MultiViewClip, views: Sequence[int] | None = None, frames: Sequence[int] | None = None
) -> MultiViewClip:
    """The chosen views and frames in the given order, such as `frames=range(0, 81, 4)`; None takes all.

    With frames at equal distances the rate follows: every fourth frame of 16 per second is 4 per second.
    """
    views = list(range(clip.num_views)) if views is None else list(views)
    frames = list(range(clip.num_frames)) if frames is None else list(frames)
    for name, chosen, size in (("views", views, clip.num_views), ("frames", frames, clip.num_frames)):
        if not chosen or not all(0 <= index < size for index in chosen):
            raise InputError(f"{name} must lie in 0..{size - 1}, got {chosen}")
    return MultiViewClip(
        clip.video[views][:, frames],
        None if clip.cameras is None else clip.cameras.view(views).frames(frames),
        clip.caption,
        clip.fps / stride(frames),
        None if clip.masks is None else clip.masks[views][:, frames],
    )


def stride(frames: Sequence[int]) -> int:
    """The distance of frame numbers at equal, positive distances; 1 of all others."""
    steps = {after - before for before, after in zip(frames, frames[1:], strict=False)}
    return max(steps.pop(), 1) if len(steps) == 1 else 1


def _changed(
    clip: MultiViewClip, pixels: Callable[[Tensor], Tensor], cameras: Callable[[Cameras], Cameras]
) -> MultiViewClip:
    return replace(
        clip,
        video=pixels(clip.video),
        cameras=None if clip.cameras is None else cameras(clip.cameras),
        masks=None if clip.masks is None else pixels(clip.masks),
    )


def middle(source_hw: tuple[int, int], hw: tuple[int, int]) -> tuple[int, int, tuple[int, int]]:
    """Top, left and size of the largest middle part with the proportions of `hw`, in whole pixels."""
    _refuse_bad_size(hw)
    height, width = source_hw
    kept = (
        max(1, min(height, round(width * hw[0] / hw[1]))),
        max(1, min(width, round(height * hw[1] / hw[0]))),
    )
    return (height - kept[0]) // 2, (width - kept[1]) // 2, kept


def scaled(pixels: Tensor, hw: tuple[int, int]) -> Tensor:
    """Bilinear with the width of the filter grown where pictures shrink; a mask is True where half of a pixel was."""
    if tuple(pixels.shape[-2:]) == tuple(hw):
        return pixels
    values = pixels.float() if pixels.dtype == torch.bool else pixels
    planes = values.reshape(-1, *pixels.shape[-2:])
    # an axis put in front of rows, not of channels, is what torch knows decoded pictures by, whose pixels lie together
    planes = planes.permute(1, 2, 0)[None].permute(0, 3, 1, 2)  # [1, N, H, W]
    planes = F.interpolate(planes, hw, mode="bilinear", antialias=True)
    if pixels.dtype == torch.bool:
        planes = planes >= 0.5
    elif pixels.is_floating_point():
        planes = planes.clamp(0, 1)
    return planes.reshape(*pixels.shape[:-2], *hw)


def _refuse_bad_size(hw: tuple[int, int]) -> None:
    if len(hw) != 2 or any(int(size) != size or size < 1 for size in hw):
        raise InputError(f"hw must be (height, width) in whole pixels from 1 up, got {hw}")

"""A synchronised multi-view video as one value."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.errors import InputError

__all__ = ["MultiViewClip"]


@dataclass(frozen=True)
class MultiViewClip:
    """The same moments of one scene seen by V cameras, checked once when made.

    `video` is RGB in [0, 1]; `cameras` has the same views, frames and picture size, and is None where they are not
    known, as of a video from anywhere; `caption` is "" where there is none; `fps` is in frames per second; `masks`,
    where given, is True on the subject.

    Example:
        >>> clip = MultiViewClip(torch.rand(4, 17, 3, 128, 128), cameras, caption="a red fox runs", fps=8)
        >>> clip.num_views, clip.num_frames
        (4, 17)
    """

    video: Float[Tensor, "V F C H W"]
    cameras: Cameras | None
    caption: str
    fps: float
    masks: Bool[Tensor, "V F H W"] | None = None

    def __post_init__(self) -> None:
        shape = tuple(self.video.shape)
        if len(shape) != 5 or shape[2] != 3:
            raise InputError(f"video must be [V, F, 3, H, W], got shape {shape}")
        if not self.video.is_floating_point():
            raise InputError(f"video must be float in [0, 1], got {self.video.dtype}; divide 8-bit pixels by 255")
        low, high = self.video.aminmax()
        if not (torch.isfinite(low) and torch.isfinite(high)) or low < -1e-3 or high > 1 + 1e-3:
            raise InputError(f"video must lie in [0, 1], got values from {low.item():.4g} to {high.item():.4g}")
        if self.cameras is not None:
            self._check_cameras(self.cameras)
        if self.fps <= 0:
            raise InputError(f"fps must be positive, got {self.fps}")
        if self.masks is not None and tuple(self.masks.shape) != (shape[0], shape[1], *shape[3:]):
            raise InputError(f"masks must be [V, F, H, W] of the video {shape}, got {tuple(self.masks.shape)}")

    def _check_cameras(self, cameras: Cameras) -> None:
        shape = tuple(self.video.shape)
        if cameras.batch_shape != ():
            raise InputError(f"cameras of one clip must have no batch dims, got {tuple(cameras.batch_shape)}")
        if cameras.num_views != shape[0]:
            raise InputError(f"cameras has {cameras.num_views} views but video has {shape[0]} (shape {shape})")
        if cameras.num_frames != shape[1]:
            raise InputError(f"cameras has {cameras.num_frames} frames but video has {shape[1]} (shape {shape})")
        if tuple(cameras.hw) != shape[3:]:
            raise InputError(f"cameras is for {cameras.hw} (height, width) but video is {shape[3:]}")

    @property
    def num_views(self) -> int:
        """Number of cameras V."""
        return self.video.shape[0]

    @property
    def num_frames(self) -> int:
        """Number of frames F of every view."""
        return self.video.shape[1]

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width of the pictures in pixels."""
        return (self.video.shape[-2], self.video.shape[-1])

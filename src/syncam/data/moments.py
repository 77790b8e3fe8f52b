"""Frames of one moving camera as the views of one moment, to learn multi-view pictures from still scenes."""

from dataclasses import replace

import torch

from syncam.data.clip import MultiViewClip
from syncam.errors import InputError

__all__ = ["frames_as_views", "pick_frames"]


def pick_frames(num_frames: int, num_views: int, *, max_gap: int = 100, generator: torch.Generator) -> list[int]:
    """Numbers of `num_views` different frames, in random order, the first and the last at most `max_gap` apart."""
    span = min(num_frames, max_gap + 1)
    if not 1 <= num_views <= span:
        raise InputError(
            f"num_views must lie in 1..{span}, the frames that are at most {max_gap} apart, got {num_views}"
        )
    start = int(torch.randint(num_frames - span + 1, (1,), generator=generator))
    return (start + torch.randperm(span, generator=generator)[:num_views]).tolist()


def frames_as_views(clip: MultiViewClip) -> MultiViewClip:
    """The frames of a clip with one view as the views of a clip with one frame. It is true of still scenes only.

    Example:
        >>> frames = pick_frames(scene.num_frames, 2, generator=generator)
        >>> pair = frames_as_views(scene.read(frames=frames))  # video [2, 1, 3, H, W]
    """
    if clip.num_views != 1:
        raise InputError(f"frames become views where there is one view; the clip has {clip.num_views}")
    cameras = clip.cameras
    if cameras is not None:
        cameras = replace(
            cameras,
            **{
                name: tensor.transpose(0, 1)
                for name in ("c2w", "K", "aperture", "focus_distance")
                if (tensor := getattr(cameras, name)) is not None
            },
        )
    masks = None if clip.masks is None else clip.masks.transpose(0, 1)
    return MultiViewClip(clip.video.transpose(0, 1), cameras, clip.caption, clip.fps, masks)

"""Cameras as the numbers that networks take."""

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.rigid import relative_c2w
from syncam.errors import InputError

__all__ = ["latent_frame_indices", "pose_12d", "relative_pose_12d"]


def relative_pose_12d(
    cameras: Cameras | Float[Tensor, "*batch V F 4 4"],
    *,
    translation_scale: float,
    view: int = 0,
    frame: int | None = None,
) -> Float[Tensor, "*batch V F 12"]:
    """The rows of [R | t] of every camera relative to `view`: at the same frame, or at `frame` where one is given.

    t is in metres divided by `translation_scale`: SynCamMaster divides centimetres by 200 (2.0, per frame), ReCamMaster
    by 100 (1.0, relative to frame 0). Computed in float64, returned in the dtype of the poses.
    """
    c2w = cameras.c2w if isinstance(cameras, Cameras) else cameras
    return pose_12d(relative_c2w(c2w.double(), view, frame), translation_scale=translation_scale).to(c2w.dtype)


def pose_12d(c2w: Float[Tensor, "*batch 4 4"], *, translation_scale: float) -> Float[Tensor, "*batch 12"]:
    """The rows of [R | t] of poses that are relative to a camera already, t in metres over `translation_scale`."""
    if not translation_scale > 0:
        raise InputError(f"translation_scale is metres per unit and must be positive, got {translation_scale}")
    scale = torch.tensor([1.0, 1.0, 1.0, 1.0 / translation_scale], dtype=c2w.dtype, device=c2w.device)
    return (c2w[..., :3, :] * scale).flatten(-2)


def latent_frame_indices(num_frames: int, temporal_stride: int) -> list[int]:
    """The video frames that latent frames stand for: 0, stride, 2 stride, ...

    InputError unless num_frames is 1 more than a multiple of the stride, as causal video autoencoders need.
    """
    if num_frames < 1 or (num_frames - 1) % temporal_stride:
        nearest = max(0, round((num_frames - 1) / temporal_stride)) * temporal_stride + 1
        raise InputError(
            f"the number of frames must be 1 more than a multiple of {temporal_stride}, got {num_frames}; "
            f"{nearest} is the nearest"
        )
    return list(range(0, num_frames, temporal_stride))

"""How two rigs differ: positions, directions and lenses, view by view."""

from typing import Any

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.rotations import angle_deg
from syncam.errors import InputError

__all__ = ["difference"]


def difference(one: Cameras, other: Cameras, *, relative: bool = False) -> list[dict[str, Any]]:
    """A row per view: the largest and the mean distance of the positions (metres), angle between the directions
    (degrees), and the largest relative difference of the focal lengths, over the frames.

    `relative` compares what networks are told, poses seen from view 1 at the same frame, so that moving or turning a
    whole rig makes no difference. A rig of one frame is held still. InputError unless views and frames agree.
    """
    for cameras in (one, other):
        if cameras.batch_shape:
            raise InputError(f"two rigs are compared, got cameras with batch dims {cameras.batch_shape}")
    if one.num_views != other.num_views:
        raise InputError(f"the rigs have {one.num_views} and {other.num_views} views; choose as many of both")
    frames = max(one.num_frames, other.num_frames)
    if {one.num_frames, other.num_frames} - {1, frames}:
        raise InputError(f"the rigs have {one.num_frames} and {other.num_frames} frames; give as many of both, or one")
    one, other = (cameras.to("cpu", torch.float64).repeat_frames(frames) for cameras in (one, other))
    poses = [cameras.relative_to(view=0) if relative else cameras.c2w for cameras in (one, other)]
    metres = (poses[0][..., :3, 3] - poses[1][..., :3, 3]).norm(dim=-1)  # [V, F]
    degrees = angle_deg(poses[0][..., :3, :3].mT @ poses[1][..., :3, :3])
    focals = [cameras.K[..., 0, 0] / cameras.hw[1] for cameras in (one, other)]  # in picture widths
    zoom = (focals[1] / focals[0] - 1).abs()
    return [
        {
            "view": view + 1,
            "largest_m": float(metres[view].max()),
            "mean_m": float(metres[view].mean()),
            "largest_deg": float(degrees[view].max()),
            "mean_deg": float(degrees[view].mean()),
            "largest_focal": float(zoom[view].max()),
        }
        for view in range(one.num_views)
    ]

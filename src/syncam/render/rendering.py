"""What engines give: a scene picture by picture, in the memory of a few, or whole."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

__all__ = ["Picture", "Rendering", "gathered"]


@dataclass(frozen=True)
class Picture:
    """One view at one frame. What Rendering has of it, without the axes V and F; instances are always there."""

    view: int
    frame: int
    rgb: np.ndarray
    instances: np.ndarray
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    flow_forward: np.ndarray | None = None
    flow_backward: np.ndarray | None = None


@dataclass(frozen=True)
class Rendering:
    """rgb: uint8 [V, F, H, W, 3]; mask: bool [V, F, H, W], the characters. The rest is None unless asked for; every
    pixel of it, and of the mask, is that of the thing at the pixel's centre.

    depth: float32 [V, F, H, W] metres along the camera's z axis, inf in the sky.
    normals: float32 [V, F, H, W, 3], unit length in world axes, 0 in the sky.
    instances: uint8 [V, F, H, W], 0 where no character is, else 1 + its number in the scene.
    flow_forward, flow_backward: float32 [V, F, H, W, 2], pixels (right, down) to where the same point of the world is
    on the same view's next or previous picture; NaN where there is no such picture and where the point is behind it.
    joints: float32 [V, F, characters, bones, 3], the bones' origins as column, row (pixels) and depth (metres);
    joints_world: float32 [F, characters, bones, 3] metres; NaN for bones that a character does not have.
    """

    rgb: np.ndarray
    mask: np.ndarray
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    instances: np.ndarray | None = None
    flow_forward: np.ndarray | None = None
    flow_backward: np.ndarray | None = None
    joints: np.ndarray | None = None
    joints_world: np.ndarray | None = None


def gathered(pictures: Iterable[Picture], views_frames: Sequence[int], labels: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of a Rendering [V, F, ...] by their names, without joints, from all pictures of a scene."""
    found: dict[str, np.ndarray] = {}
    for picture in pictures:
        for name in [field.name for field in fields(picture) if field.name not in ("view", "frame")]:
            values = getattr(picture, name)
            if values is not None:
                if name not in found:
                    found[name] = np.empty((*views_frames, *values.shape), values.dtype)
                found[name][picture.view, picture.frame] = values
    found["mask"] = found["instances"] > 0
    if "instances" not in labels:
        del found["instances"]
    return found

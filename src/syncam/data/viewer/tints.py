"""Labels as pictures to lie over those of the views: what there is, and its colours."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, UInt8
from torch import Tensor

from syncam.data.scene import Scene
from syncam.data.transforms import fit_pixels
from syncam.errors import InputError

__all__ = ["label_kinds", "label_pictures"]

MASKS = "masks"
MASK_COLOUR = (255, 64, 160)
FILL, LINE = 96, 255
"""Opacity of 255 inside and along the edge of a mask."""


def label_kinds(scene: Scene) -> list[str]:
    """The kinds of labels of a scene, also of one whose labels are damaged."""
    try:
        return [] if scene.read_masks(0) is None else [MASKS]
    except InputError:
        return [MASKS]


def label_pictures(
    scene: Scene, view: int, frames: Sequence[int], kind: str, hw: tuple[int, int]
) -> UInt8[Tensor, "F 4 h w"]:
    """Labels of one view, of `label_kinds`, as RGBA fitted to `hw`: transparent where the picture is to be seen.

    InputError that names the file where they cannot be read or are too few.
    """
    if kind != MASKS:
        raise InputError(f"unknown labels {kind!r}; known are {MASKS}")
    masks = scene.read_masks(view)
    if masks is None:
        raise InputError(f"{scene.path} has no {MASKS}")
    if max(frames) >= len(masks):
        raise InputError(f"the masks of {scene.names[view]} end after {len(masks)} frames, before {max(frames)}")
    return _tinted(fit_pixels(masks[list(frames)], hw))


def _tinted(masks: Bool[Tensor, "F h w"]) -> UInt8[Tensor, "F 4 h w"]:
    """A tint of the masks, with a line along their edges."""
    outside = F.max_pool2d((~masks).float(), 3, stride=1, padding=1) > 0
    alpha = torch.zeros_like(masks, dtype=torch.uint8).masked_fill(masks, FILL).masked_fill(masks & outside, LINE)
    colour = torch.tensor(MASK_COLOUR, dtype=torch.uint8)[:, None, None].expand(len(masks), 3, *masks.shape[1:])
    return torch.cat([colour, alpha[:, None]], dim=1)

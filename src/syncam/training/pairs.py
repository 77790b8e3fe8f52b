"""Pairs of videos for CVD: one folded at its middle, two cameras of a scene, or one video and a warped copy of it."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.data.scene import Scene
from syncam.errors import InputError

__all__ = ["KINDS", "Pair", "Spread", "draw_pair", "homographies", "warp"]

Kind = Literal["folded", "synchronised", "warped"]
KINDS: tuple[Kind, ...] = ("folded", "synchronised", "warped")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Standard deviations of what a warp reaches at the last frame, ours: the paper does not say."""

    translation: float = 0.1
    """Of half of the picture's shorter side, each way."""
    rotation_deg: float = 8.0
    scale: float = 0.1
    """Of the factor, about 1."""
    shear: float = 0.05
    projection: float = 0.05
    """By how much the depth changes from the middle to an edge of the shorter side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Two videos of F frames, and what says where one shows the same as the other."""

    video: Float[Tensor, "2 F 3 H W"]
    valid: Bool[Tensor, "2 F H W"]
    """Where a video shows anything."""
    cameras: Cameras | None
    """Of both; None where warps tell it."""
    warps: Float[Tensor, "2 F 3 3"] | None
    """Of the unwarped pictures to both, with whole numbers at the centres of pixels."""


def draw_pair(
    scene: Scene,
    kind: Kind,
    *,
    num_frames: int,
    hw: tuple[int, int],
    max_stride: int,
    spread: Spread,
    generator: torch.Generator,
) -> Pair:
    """A random pair of that kind, of `num_frames` each, from a random view and stretch of a scene.

    Frames are taken with a stride of as much as the clip is long enough for, `max_stride` at most. InputError for clips
    that are too short, and without the cameras or the second view that a kind needs.
    """
    if kind != "warped" and scene.cameras is None:
        raise InputError(f"{scene.path} has no cameras, which {kind} pairs need; warped pairs need none")
    if kind == "synchronised" and scene.num_views < 2:
        raise InputError(f"{scene.path} has a single view; synchronised pairs need two")
    views = torch.randperm(scene.num_views, generator=generator)[: 2 if kind == "synchronised" else 1].tolist()
    needed = 2 * num_frames - 1 if kind == "folded" else num_frames
    if scene.num_frames < needed:
        raise InputError(
            f"{scene.path} has {scene.num_frames} frames, but {kind} pairs of {num_frames} frames need {needed}"
        )
    stride = min(scene.num_frames // needed, max_stride)
    latest = scene.num_frames - 1 - stride * (needed - 1)
    start = int(torch.randint(latest + 1, (1,), generator=generator))
    clip = scene.read(views, range(start, start + stride * (needed - 1) + 1, stride), hw)
    video, cameras = clip.video, clip.cameras
    valid = torch.ones(2, num_frames, *hw, dtype=torch.bool)
    if kind == "warped":
        warps = homographies(num_frames, hw, spread, generator)
        moved, valid[1] = warp(video[0], warps)
        both = torch.stack((torch.eye(3, dtype=warps.dtype).expand_as(warps), warps))
        return Pair(video=torch.stack((video[0], moved)), valid=valid, cameras=None, warps=both)
    assert cameras is not None
    if kind == "folded":
        middle = num_frames - 1
        video = torch.stack((video[0, : middle + 1].flip(0), video[0, middle:]))
        halves = [cameras.frames(range(middle, -1, -1)), cameras.frames(range(middle, needed))]
        cameras = Cameras(torch.cat([half.c2w for half in halves]), torch.cat([half.K for half in halves]), cameras.hw)
    return Pair(video=video, valid=valid, cameras=cameras, warps=None)


def homographies(
    num_frames: int, hw: tuple[int, int], spread: Spread, generator: torch.Generator
) -> Float[Tensor, "F 3 3"]:
    """Warps of pixels (x, y, 1): none at the first frame, then steadily more, up to a random one at the last.

    H = translation rotation scale shear projection, about the picture's middle in units of half of its shorter side;
    each is drawn for the last frame and grows linearly, as in the paper. Whole numbers are the centres of pixels.
    """
    drawn = torch.randn(7, generator=generator, dtype=torch.float64)
    grows = torch.linspace(0, 1, num_frames, dtype=torch.float64) if num_frames > 1 else torch.zeros(1).double()
    angle = drawn[2] * grows * torch.pi / 180 * spread.rotation_deg
    parts = torch.eye(3, dtype=torch.float64).repeat(5, num_frames, 1, 1)
    shift, turn, size, shear, projection = parts
    shift[:, :2, 2] = grows[:, None] * drawn[:2] * spread.translation
    turn[:, 0, 0], turn[:, 0, 1] = angle.cos(), -angle.sin()
    turn[:, 1, 0], turn[:, 1, 1] = angle.sin(), angle.cos()
    size[:, 0, 0] = size[:, 1, 1] = 1 + (grows * drawn[3] * spread.scale).clamp(min=-0.5)
    shear[:, 0, 1] = grows * drawn[4] * spread.shear
    projection[:, 2, :2] = grows[:, None] * (drawn[5:] * spread.projection).clamp(-0.3, 0.3)
    height, width = hw
    half = min(hw) / 2
    centred = torch.tensor([[half, 0, (width - 1) / 2], [0, half, (height - 1) / 2], [0, 0, 1]], dtype=torch.float64)
    return centred @ shift @ turn @ size @ shear @ projection @ torch.linalg.inv(centred)


def warp(
    video: Float[Tensor, "F C H W"], warps: Float[Tensor, "F 3 3"]
) -> tuple[Float[Tensor, "F C H W"], Bool[Tensor, "F H W"]]:
    """The pictures with every pixel p moved to warps p, and where they show what was in them; black elsewhere."""
    height, width = video.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    pixels = torch.stack((x, y, torch.ones_like(x)), dim=-1)  # [H, W, 3]
    source = torch.einsum("fij,hwj->fhwi", torch.linalg.inv(warps), pixels)
    in_front = source[..., 2] > 0
    source = source[..., :2] / source[..., 2:]
    last = torch.tensor([width - 1, height - 1]).double()
    valid = in_front & ((source >= -1e-6) & (source <= last + 1e-6)).all(-1)
    grid = (2 * source + 1) / (last + 1) - 1
    moved = F.grid_sample(video, grid.to(video), mode="bilinear", padding_mode="border", align_corners=False)
    return torch.where(valid[:, None], moved, 0), valid

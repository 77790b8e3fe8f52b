"""Labels as pictures over those of the views, or in their place: what there is, its colours, and what they say."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from syncam.data.scene import Scene
from syncam.data.transforms import fit_pixels
from syncam.errors import InputError

__all__ = ["OPAQUE", "label_kinds", "label_legends", "label_pictures"]

MASKS = "masks"
OVER = ("instances", "joints")
OPAQUE = ("depth", "normals", "flow_forward", "flow_backward")
"""Kinds that stand in the pictures' place; the others lie over them."""
SHOWN = (*OVER, *OPAQUE)
MASK_COLOUR = (255, 64, 160)
FILL, LINE = 96, 255
"""Opacity of 255 inside and along the edge of a mask."""
CHARACTERS = ((255, 64, 160), (64, 200, 255), (255, 190, 40), (120, 230, 90), (190, 130, 255), (255, 120, 70))
"""Of characters 1, 2, ...; they are used again after the last."""
NEAR, FAR = 1.0, 100.0
"""Metres, between which colours change, in steps of a ratio."""
DEPTHS = ((255, 245, 170), (252, 180, 90), (235, 100, 95), (165, 50, 125), (85, 25, 120), (20, 12, 50))
SKY = (70, 74, 84)
UNKNOWN = (70, 74, 84)
FLOW_SHARE = 0.05
"""Of the width of a picture: who moves as far from frame to frame has the full colour."""
DOT = 0.006
"""Radius of a joint, in diagonals of a picture."""


def label_kinds(scene: Scene) -> list[str]:
    """The kinds of labels of a scene that can be shown, also of one whose labels are damaged."""
    try:
        masks = scene.read_masks(0) is not None
    except InputError:
        masks = True
    there = scene.labels
    return [MASKS] * masks + [kind for kind in SHOWN if kind in there]


def label_legends(kinds: Sequence[str], hw: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """What colours say, by kind: {"colours": [[words, "#rrggbb"], ...], "note": a sentence or ""}; hw of the videos."""
    most = FLOW_SHARE * hw[1]
    ways = [("right", 1.0, 0.0), ("down", 0.0, 1.0), ("left", -1.0, 0.0), ("up", 0.0, -1.0)]
    flow = _flow(torch.tensor([[[most * x, most * y] for _, x, y in ways]])[None], hw)[0, :, 0].T.tolist()
    metres = [1.0, 3.0, 10.0, 30.0, 100.0]
    depth = _depth(torch.tensor(metres)[None, None])[0, :, 0].T.tolist()
    known: dict[str, tuple[list[tuple[str, Any]], str]] = {
        "instances": ([(str(number + 1), colour) for number, colour in enumerate(CHARACTERS[:4])], "characters"),
        "joints": ([(str(number + 1), colour) for number, colour in enumerate(CHARACTERS[:4])], "characters"),
        "depth": ([*zip([f"{m:g} m" for m in metres], depth, strict=True), ("sky", SKY)], ""),
        "normals": ([("+x", (255, 128, 128)), ("+y", (128, 255, 128)), ("up", (128, 128, 255)), ("sky", SKY)], ""),
    }
    for kind, to in (("flow_forward", "next"), ("flow_backward", "previous")):
        chips = [*zip([way for way, _, _ in ways], flow, strict=True), ("not known", UNKNOWN)]
        known[kind] = chips, f"to the {to} frame; full colour from {most:.3g} pixels per frame on"
    return {
        kind: {"colours": [[word, "#{:02x}{:02x}{:02x}".format(*colour)] for word, colour in known[kind][0]]}
        | {"note": known[kind][1]}
        for kind in kinds
        if kind in known
    }


def label_pictures(
    scene: Scene, view: int, frames: Sequence[int], kind: str, hw: tuple[int, int]
) -> UInt8[Tensor, "F 4 h w"]:
    """Labels of one view, of `label_kinds`, as RGBA fitted to `hw`: transparent where the picture is to be seen.

    InputError that names the file where they cannot be read or are too few.
    """
    if kind not in (MASKS, *SHOWN):
        raise InputError(f"unknown labels {kind!r}; known are {', '.join((MASKS, *SHOWN))}")
    if kind == MASKS:
        return _tinted(fit_pixels(_masks(scene, view, frames), hw), MASK_COLOUR)
    values = scene.read_label(kind, view, list(frames))
    if kind == "instances":
        return _instances(values, hw)
    if kind == "joints":
        return _joints(values, scene.hw, hw)
    colours = {"depth": _depth, "normals": _normals}.get(kind, lambda flow: _flow(flow, scene.hw))
    painted = torch.stack([fit_pixels(colours(one[None])[0], hw) for one in values])  # frame by frame: they are large
    return torch.cat([painted, torch.full_like(painted[:, :1], 255)], dim=1)


def _masks(scene: Scene, view: int, frames: Sequence[int]) -> Bool[Tensor, "F H W"]:
    masks = scene.read_masks(view, frames)
    if masks is None:
        raise InputError(f"{scene.path} has no {MASKS}")
    return masks


def _tinted(masks: Bool[Tensor, "F h w"], rgb: tuple[int, int, int]) -> UInt8[Tensor, "F 4 h w"]:
    """A tint of the masks, with a line along their edges."""
    outside = F.max_pool2d((~masks).float(), 3, stride=1, padding=1) > 0
    alpha = torch.zeros_like(masks, dtype=torch.uint8).masked_fill(masks, FILL).masked_fill(masks & outside, LINE)
    colour = torch.tensor(rgb, dtype=torch.uint8)[:, None, None].expand(len(masks), 3, *masks.shape[1:])
    return torch.cat([colour, alpha[:, None]], dim=1)


def _instances(ids: UInt8[Tensor, "F H W"], hw: tuple[int, int]) -> UInt8[Tensor, "F 4 h w"]:
    """A tint of each character's own colour."""
    picture = torch.zeros(len(ids), 4, *hw, dtype=torch.uint8)
    for number in torch.unique(ids[ids > 0]).tolist():
        one = _tinted(fit_pixels(ids == number, hw), CHARACTERS[(number - 1) % len(CHARACTERS)])
        picture = torch.where(one[:, 3:] > 0, one, picture)
    return picture


def _joints(
    joints: Float[Tensor, "F P J 3"], source_hw: tuple[int, int], hw: tuple[int, int]
) -> UInt8[Tensor, "F 4 h w"]:
    """A dot with a dark rim at every joint in front of the camera, also where something hides it."""
    scale = max(hw[0] / source_hw[0], hw[1] / source_hw[1])  # as fit_pixels crops and scales
    middle = joints.new_tensor([source_hw[1], source_hw[0]]) / 2
    at = (joints[..., :2] - middle) * scale + joints.new_tensor([hw[1], hw[0]]) / 2
    radius = max(2.0, DOT * (hw[0] ** 2 + hw[1] ** 2) ** 0.5)
    picture = torch.zeros(len(joints), 4, *hw, dtype=torch.uint8)
    reach = int(radius + 3)
    for frame, person, bone in (joints[..., 2] > 0).nonzero().tolist():
        x, y = at[frame, person, bone].tolist()
        left, top = max(0, int(x) - reach), max(0, int(y) - reach)
        spot = picture[frame, :, top : max(0, int(y) + reach), left : max(0, int(x) + reach)]
        rows, columns = torch.arange(spot.shape[1]) + top + 0.5, torch.arange(spot.shape[2]) + left + 0.5
        away = torch.hypot(rows[:, None] - y, columns[None] - x)
        spot[:, away < radius + 1.5] = torch.tensor([20, 20, 24, 255], dtype=torch.uint8)[:, None]
        colour = (*CHARACTERS[person % len(CHARACTERS)], 255)
        spot[:, away < radius] = torch.tensor(colour, dtype=torch.uint8)[:, None]
    return picture


def _depth(metres: Float[Tensor, "F H W"]) -> UInt8[Tensor, "F 3 H W"]:
    """From bright for what is near to dark, in equal steps of the logarithm."""
    table = torch.tensor(DEPTHS, dtype=torch.float32)
    share = torch.log(metres.clamp(NEAR, FAR) / NEAR) / torch.log(torch.tensor(FAR / NEAR))
    place = share * (len(DEPTHS) - 1)
    low = place.long().clamp(max=len(DEPTHS) - 2)
    colour = torch.lerp(table[low], table[low + 1], (place - low)[..., None])  # [F, H, W, 3]
    return _bytes(torch.where(torch.isinf(metres)[..., None], torch.tensor(SKY, dtype=torch.float32), colour))


def _normals(normals: Float[Tensor, "F H W 3"]) -> UInt8[Tensor, "F 3 H W"]:
    """x, y and z as red, green and blue."""
    sky = (normals == 0).all(-1, keepdim=True)
    return _bytes(torch.where(sky, torch.tensor(SKY, dtype=torch.float32), 127.5 * (normals + 1)))


def _flow(flow: Float[Tensor, "F H W 2"], hw: tuple[int, int]) -> UInt8[Tensor, "F 3 H W"]:
    """Where to as the hue, from red for the right over yellow-green for down; how far as its strength on white."""
    known = torch.isfinite(flow).all(-1, keepdim=True)
    x, y = torch.nan_to_num(flow).unbind(-1)
    strength = (torch.hypot(x, y) / (FLOW_SHARE * hw[1])).clamp(max=1)
    turn = torch.atan2(y, x) * (3 / torch.pi)  # sixths of a circle
    hue = torch.stack([((turn + shift) % 6 - 3).abs() - 1 for shift in (0, 4, 2)], dim=-1).clamp(0, 1)
    colour = 255 * (1 - strength[..., None] * (1 - hue))
    return _bytes(torch.where(known, colour, torch.tensor(UNKNOWN, dtype=torch.float32)))


def _bytes(colours: Float[Tensor, "F H W 3"]) -> UInt8[Tensor, "F 3 H W"]:
    return colours.round().to(torch.uint8).movedim(-1, 1).contiguous()

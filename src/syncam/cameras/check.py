"""What is wrong or risky about a rig: findings in words, with the view, the frames and the unit."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import SENSOR_MM
from syncam.cameras.rotations import angle_deg
from syncam.cameras.subject import Subject, seen, shared_surface
from syncam.cameras.trained_range import TrainedRange
from syncam.errors import InputError

__all__ = ["Finding", "check_rig", "outside_training"]

JUMP_FACTOR = 8.0
"""A step this many times as long as the view's usual one is a jump."""
LEAST_JUMP_M, LEAST_JUMP_DEG = 0.25, 5.0
LEAST_SHARED = 0.02
"""Below this share of the surface, two views have next to nothing in common."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One observation. An error makes a rig useless for filming, a warning makes bad results likely."""

    kind: str
    severity: Literal["error", "warning"]
    view: int
    """Counted from 1."""
    frames: tuple[int, int]
    """First and last frame of the stretch, counted from 0."""
    message: str
    """In metres and degrees, in world coordinates unless it says otherwise."""


def check_rig(cameras: Cameras, subject: Subject | None = None, trained: TrainedRange | None = None) -> list[Finding]:
    """Everything found, errors first: jumps, cameras under the ground or inside the subject, a subject out of the
    picture, views with nothing in common, and motion outside what a model was trained with.

    Left-handed, non-orthonormal and non-finite poses cannot get this far: reading them is an InputError.
    """
    if cameras.batch_shape:
        raise InputError(f"a check takes one rig, got cameras with batch dims {cameras.batch_shape}")
    subject = subject or Subject()
    exact = cameras.to(torch.float64)
    found = [*_places(exact, subject), *_jumps(exact), *_common(exact, subject)]
    if trained is not None:
        found += outside_training(exact, trained, subject)
    return sorted(found, key=lambda finding: finding.severity)


def _places(cameras: Cameras, subject: Subject) -> list[Finding]:
    height = cameras.positions[..., 2]  # [V, F]
    inside = subject.depth_inside(cameras.positions)
    visible = seen(cameras, subject).double().mean(-1)
    found = []
    for view in range(cameras.num_views):
        for first, last in stretches(height[view] < 0):
            lowest = float(height[view, first : last + 1].min())
            found.append(_finding("ground", "error", view, first, last, f"is under the ground, {-lowest:.2f} m deep"))
        for first, last in stretches(inside[view] > 0):
            found.append(_finding("inside", "error", view, first, last, "is inside the subject"))
        outside = (visible[view] == 0) & (inside[view] <= 0)
        for first, last in stretches(outside):
            found.append(_finding("unseen", "warning", view, first, last, "does not see the subject"))
    return found


def _jumps(cameras: Cameras) -> list[Finding]:
    """Steps between neighbouring frames that are far longer than the view's usual step."""
    if cameras.num_frames < 3:
        return []
    metres = cameras.positions.diff(dim=1).norm(dim=-1)  # [V, F - 1]
    rotation = cameras.c2w[..., :3, :3]
    degrees = angle_deg(rotation[:, :-1].mT @ rotation[:, 1:])
    focal = cameras.K[..., 0, 0]
    zoom = (focal[:, 1:] / focal[:, :-1]).log2().abs()
    found = []
    for kind, steps, least, unit in (
        ("jump", metres, LEAST_JUMP_M, "m"),
        ("turn", degrees, LEAST_JUMP_DEG, "degrees"),
        ("zoom", zoom, 0.1, "octaves of focal length"),
    ):
        usual = steps.median(dim=1, keepdim=True).values
        jumps = (steps > JUMP_FACTOR * usual) & (steps > least)
        for view, step in jumps.nonzero().tolist():
            size = (
                f"by {float(steps[view, step]):.2f} {unit} in one frame; its usual step is {float(usual[view, 0]):.2g}"
            )
            verb = {"jump": "jumps", "turn": "turns", "zoom": "zooms"}[kind]
            found.append(_finding(kind, "warning", view, step, step + 1, f"{verb} {size}"))
    return found


def _common(cameras: Cameras, subject: Subject) -> list[Finding]:
    """Views that share next to nothing of the subject with any other view."""
    if cameras.num_views < 2:
        return []
    shared = shared_surface(cameras, subject)
    alone = shared - torch.diag_embed(torch.diagonal(shared))
    last = cameras.num_frames - 1
    return [
        _finding("alone", "warning", view, 0, last, "shares nothing of the subject's surface with any other view")
        for view in range(cameras.num_views)
        if shared[view, view] > 0 and alone[view].max() < LEAST_SHARED
    ]


def outside_training(cameras: Cameras, trained: TrainedRange, subject: Subject | None = None) -> list[Finding]:
    """Where a rig leaves the range of cameras that a model was trained with; distances and angles about the subject."""
    cameras, subject = cameras.to(torch.float64), subject or Subject()
    offset = cameras.positions - torch.tensor(subject.centre, dtype=torch.float64, device=cameras.c2w.device)
    distance = offset.norm(dim=-1)
    elevation = torch.rad2deg(torch.asin((offset[..., 2] / distance.clamp(min=1e-9)).clamp(-1, 1)))
    focal = cameras.K[..., 0, 0] / cameras.hw[1] * SENSOR_MM
    azimuth = torch.rad2deg(torch.atan2(offset[..., 1], offset[..., 0]))
    apart = ((azimuth - azimuth[:1] + 180) % 360 - 180).abs()
    found = []
    for name, values, limits, unit in (
        ("distance", distance, trained.distance_m, "m"),
        ("elevation", elevation, trained.elevation_deg, "degrees"),
        ("focal length", focal, trained.focal_mm, "mm"),
        ("azimuth from view 1", apart, _up_to(trained.azimuth_from_first_deg), "degrees"),
    ):
        if limits is not None:
            found += _beyond(name, values, limits, unit)
    travel = cameras.positions.diff(dim=1).norm(dim=-1).sum(1)
    for view in range(cameras.num_views):
        if trained.travel_m is not None and travel[view] > trained.travel_m + 1e-6:
            text = f"travels {float(travel[view]):.2f} m; the model was trained with at most {trained.travel_m:g} m"
            found.append(_finding("trained", "warning", view, 0, cameras.num_frames - 1, text))
    if trained.views is not None and not trained.views[0] <= cameras.num_views <= trained.views[1]:
        low, high = trained.views
        text = f"is one of {cameras.num_views}; the model was trained with {low} to {high} views"
        found.append(_finding("trained", "warning", 0, 0, cameras.num_frames - 1, text))
    return found


def _beyond(name: str, values: Float[Tensor, "V F"], limits: tuple[float, float], unit: str) -> list[Finding]:
    low, high = limits
    found = []
    for view, row in enumerate(values):
        for first, last in stretches((row < low - 1e-6) | (row > high + 1e-6)):
            part = row[first : last + 1]
            worst = float(part[(part - (low + high) / 2).abs().argmax()])
            text = f"has {name} {worst:.1f} {unit}; the model was trained with {low:g} to {high:g}"
            found.append(_finding("trained", "warning", view, first, last, text))
    return found


def _up_to(limit: float | None) -> tuple[float, float] | None:
    return None if limit is None else (0.0, limit)


def stretches(flags: Tensor) -> list[tuple[int, int]]:
    """First and last index of every run of true flags."""
    padded = torch.nn.functional.pad(flags.int(), (1, 1)).diff()
    starts, ends = (padded == 1).nonzero()[:, 0], (padded == -1).nonzero()[:, 0] - 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _finding(kind: str, severity: Any, view: int, first: int, last: int, text: str) -> Finding:
    where = f"frame {first}" if first == last else f"frames {first} to {last}"
    return Finding(
        kind=kind, severity=severity, view=view + 1, frames=(first, last), message=f"view {view + 1} {text} ({where})"
    )

"""Pictures of a rig: where its cameras stand, what they see, how they move."""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.subject import Subject
from syncam.errors import InputError
from syncam.files import atomic_path
from syncam.optional import require

__all__ = ["draw_rig"]

MOST_FRUSTA = 5
"""Moments of a moving camera whose frustum is drawn."""


def draw_rig(path: str | Path, cameras: Cameras, subject: Subject | None = None) -> None:
    """Writes a PNG of the rig in space, from above and from the side: axes in metres, z up, every view in its colour.

    The frusta of a moving camera get stronger with time, and a line follows its path. The subject is drawn as its
    ellipsoid, the ground as z = 0.
    """
    if cameras.batch_shape:
        raise InputError(f"a picture shows one rig, got cameras with batch dims {cameras.batch_shape}")
    figures = require("matplotlib.figure", extra="train")
    subject = subject or Subject()
    figure = figures.Figure(figsize=(15, 5.4), layout="constrained")
    space = figure.add_subplot(1, 3, 1, projection="3d")
    plans = [figure.add_subplot(1, 3, 2), figure.add_subplot(1, 3, 3)]
    moments = [0] if cameras.is_static else spread(cameras.num_frames, MOST_FRUSTA)
    corners = frusta(cameras.frames(moments).to(torch.float64), depth=0.12 * extent(cameras, subject))
    path_points = cameras.positions.double().cpu()
    shown = torch.cat([corners.reshape(-1, 3), path_points.reshape(-1, 3), subject.outline()])
    low, high = shown.amin(0), shown.amax(0)
    for view in range(cameras.num_views):
        colour = f"C{view % 10}"
        for number, frustum in enumerate(corners[view]):
            strength = 1.0 if len(moments) == 1 else 0.25 + 0.75 * number / (len(moments) - 1)
            for start, end in EDGES:
                edge = frustum[[start, end]]
                space.plot(*edge.T, color=colour, alpha=strength, linewidth=1)
                for plan, (right, up) in zip(plans, PLANES, strict=True):
                    plan.plot(edge[:, right], edge[:, up], color=colour, alpha=strength, linewidth=1)
        track = path_points[view]
        space.plot(*track.T, color=colour, linewidth=1.8)
        space.text(*track[0].tolist(), f" {view + 1}", color=colour)
        for plan, (right, up) in zip(plans, PLANES, strict=True):
            plan.plot(track[:, right], track[:, up], color=colour, linewidth=1.8)
            plan.annotate(
                str(view + 1),
                (float(track[0, right]), float(track[0, up])),
                color=colour,
                xytext=(4, 4),
                textcoords="offset points",
            )
    _draw_subject(space, plans, subject)
    _finish(space, plans, low.minimum(torch.tensor([0.0, 0.0, 0.0], dtype=low.dtype)), high)
    still = "still" if cameras.is_static else f"moving over {cameras.num_frames} frames"
    figure.suptitle(f"{cameras.num_views} cameras, {still}; pictures of {cameras.hw[0]}x{cameras.hw[1]}; metres, z up")
    with atomic_path(Path(path)) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


PLANES = ((0, 1), (0, 2))
"""Axes to the right and up: from above, from the side (looking along +y)."""
EDGES = ((0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1), (1, 5), (2, 5))


def frusta(cameras: Cameras, depth: float) -> Float[Tensor, "V F 6 3"]:
    """In the world: the camera's centre, its picture's corners at `depth`, and a peak above the upper edge."""
    height, width = cameras.hw
    pixels = torch.tensor(
        [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height], [width / 2, -0.35 * height]], dtype=torch.float64
    )
    shape = (*cameras.c2w.shape[:-2], len(pixels))
    corners = cameras.unproject(pixels.expand(*shape, 2), torch.full(shape, depth, dtype=torch.float64))
    return torch.cat([cameras.positions[..., None, :], corners], dim=-2).cpu()


def extent(cameras: Cameras, subject: Subject) -> float:
    """The size of what is drawn, metres."""
    points = torch.cat([cameras.positions.double().cpu().reshape(-1, 3), subject.outline()])
    return max(1.0, float((points.amax(0) - points.amin(0)).max()))


def spread(count: int, most: int) -> list[int]:
    """Up to `most` of the indices below `count`, evenly spread, the first and the last among them."""
    return sorted({round(float(i)) for i in torch.linspace(0, count - 1, min(most, count))})


def _draw_subject(space: Any, plans: list[Any], subject: Subject) -> None:
    points = subject.outline()
    space.plot(*points.T, color="0.4", linewidth=0.6)
    for plan, (right, up) in zip(plans, PLANES, strict=True):
        plan.fill(*subject.silhouette(right, up).T, color="0.8", zorder=0)


def _finish(space: Any, plans: list[Any], low: Tensor, high: Tensor) -> None:
    middle, half = (low + high) / 2, float((high - low).max()) / 2 * 1.05
    (left, front, _), (right, back, _) = (middle - half).tolist(), (middle + half).tolist()
    space.set(
        xlim=(left, right),
        ylim=(front, back),
        zlim=(min(0.0, float(low[2])), max(float(high[2]) * 1.1, half)),
        xlabel="x",
        ylabel="y",
        zlabel="z",
    )
    space.set_aspect("equal")
    for plan, (right, up), title in zip(plans, PLANES, ("from above", "from the side"), strict=True):
        plan.set(title=title, xlabel=f"{'xyz'[right]} (m)", ylabel=f"{'xyz'[up]} (m)")
        plan.set_aspect("equal", adjustable="datalim")
        plan.grid(alpha=0.25)
    plans[1].axhline(0, color="0.5", linewidth=1)

"""Where a metric is good and where it is not: by view, by pair of views, and over the angle between two views."""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import torch

from syncam.data.scene import Scene
from syncam.errors import InputError
from syncam.evaluation.outcome import Outcome

__all__ = ["BIN_DEG", "angles_between", "breakdown"]

BIN_DEG = 15
"""Width of the bins of angles."""


def angles_between(scene: Scene) -> list[list[float]] | None:
    """Degrees between the optical axes of each pair of requested cameras at the first frame; None without cameras."""
    try:
        cameras = scene.cameras
    except (InputError, OSError):
        return None  # every metric that needs them has said so
    if cameras is None:
        return None
    axes = cameras.c2w[:, 0, :3, 2].double()
    cosine, sine = axes @ axes.T, torch.linalg.cross(axes[:, None], axes[None], dim=-1).norm(dim=-1)
    return torch.rad2deg(torch.atan2(sine, cosine)).tolist()


def breakdown(outcomes: Mapping[str, Outcome], angles: Mapping[str, list[list[float]] | None]) -> dict[str, Any]:
    """The means that a row says besides its value: `by_view` or, of pairs, `by_pair` and `by_angle`.

    Views are numbered from 1, as in "1-2". Every clip counts once in each mean, as in the value. Empty where the
    samples are of neither views nor pairs.
    """
    by_views: dict[tuple[int, ...], list[float]] = defaultdict(list)
    by_angle: dict[int, list[float]] = defaultdict(list)
    for clip, outcome in outcomes.items():
        of_clip: dict[tuple[int, ...], list[float]] = defaultdict(list)
        near: dict[int, list[float]] = defaultdict(list)
        between = angles.get(clip)
        for views, value in zip(outcome.views, outcome.samples, strict=False):
            of_clip[tuple(views)].append(value)
            if len(views) == 2 and between is not None:
                near[int(between[views[0]][views[1]] // BIN_DEG)].append(value)
        for views, values in of_clip.items():
            by_views[views].append(statistics.fmean(values))
        for number, values in near.items():
            by_angle[number].append(statistics.fmean(values))
    kinds = {len(views) for views in by_views}
    if len(kinds) != 1 or not all(math.isfinite(value) for values in by_views.values() for value in values):
        return {}
    means = {"-".join(str(view + 1) for view in views): statistics.fmean(by_views[views]) for views in sorted(by_views)}
    if kinds == {1}:
        return {"by_view": means}
    bins = [
        {
            "from_deg": number * BIN_DEG,
            "to_deg": (number + 1) * BIN_DEG,
            "value": statistics.fmean(by_angle[number]),
            "num_clips": len(by_angle[number]),
        }
        for number in sorted(by_angle)
    ]
    return {"by_pair": means, "by_angle": bins}

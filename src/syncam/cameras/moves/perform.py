"""Moves in words, performed."""

import dataclasses
from collections.abc import Callable

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.moves import head, seeded, subject, travel
from syncam.cameras.presets import preset
from syncam.cameras.spec import Step
from syncam.cameras.trajectories import TARGET
from syncam.errors import InputError
from syncam.rig_words import MOVE_KEYS

__all__ = ["MOVES", "perform"]

MOVES: dict[str, Callable[..., Cameras]] = {
    "arc": subject.arc,
    "orbit": subject.orbit,
    "spiral": subject.spiral,
    "elevate": subject.elevate,
    "crane": subject.crane,
    "truck": travel.truck,
    "pedestal": travel.pedestal,
    "wander": seeded.wander,
    "dolly": travel.dolly,
    "dolly_zoom": subject.dolly_zoom,
    "track": subject.track,
    "pan": head.pan,
    "tilt": head.tilt,
    "roll": head.roll,
    "handheld": seeded.handheld,
    "zoom": head.zoom,
    "preset": preset,
}
"""The functions of the words in `rig_words.MOVE_WORDS`."""


def perform(step: Step, cameras: Cameras) -> Cameras:
    """The cameras after one more move, of all views or of the chosen ones; InputError for views that are not there."""
    move, options = MOVES[step.move], dict(step.options)
    if step.move == "track":
        start, end = (
            torch.tensor(options.get(key, TARGET), dtype=torch.float64, device=cameras.c2w.device)
            for key in ("at", "to")
        )
        moved = move(cameras, start + step.timing.progress(cameras)[:, None] * (end - start))
    else:
        if step.move != "preset" and "distance" in options:
            options["at"] = subject.ahead(cameras, options.pop("distance"))
        arguments = {MOVE_KEYS[key].argument: value for key, value in options.items()}
        moved = move(cameras, step.amount, **arguments, timing=step.timing)
    if step.views is None:
        return moved
    missing = [view for view in step.views if view > cameras.num_views]
    if missing:
        raise InputError(f"move {step.move}: view={missing[0]} is not there; the rig has {cameras.num_views} views")
    chosen = torch.zeros(cameras.num_views, 1, 1, 1, dtype=torch.bool, device=cameras.c2w.device)
    chosen[[view - 1 for view in step.views]] = True
    c2w, K = (torch.where(chosen, one, other) for one, other in ((moved.c2w, cameras.c2w), (moved.K, cameras.K)))
    return dataclasses.replace(cameras, c2w=c2w, K=K)

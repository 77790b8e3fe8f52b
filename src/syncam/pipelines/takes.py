"""The camera paths of takes, from moves in words: where they start, how the subject's distance is meant, what is seen.

The source's camera is a still one, level, with the subject so many metres ahead; every move starts there.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.layouts import still
from syncam.cameras.moves.perform import perform
from syncam.cameras.moves.timing import Timing
from syncam.cameras.moves.travel import dolly
from syncam.cameras.rigid import compose_rigid
from syncam.cameras.spec import Step, read_spec
from syncam.cameras.subject import Subject, seen
from syncam.errors import InputError
from syncam.rig_words import MOVE_WORDS, PRESETS, RIG_WORDS, meant

__all__ = ["APPLICATIONS", "Takes", "check_moves", "moved_takes", "rig_takes", "warnings_of_view"]

APPLICATIONS = {
    "stabilise": "stabilise [SECONDS]: the source's own path, smoothed over so many seconds (1)",
    "zoom-in": "zoom-in [METRES] [ease]: nearer from the first frame on, by half of the distance; with ease, gradually",
    "zoom-out": "zoom-out [METRES] [ease]: the same, farther away",
}
"""Moves that only re-shooting has, with what they do."""
SMOOTHED_SECONDS = 1.0
LEAST_SHARED = 0.2
"""Below this share of what the source shows of the subject, the model has to invent most of a picture."""
CHECKED_FRAMES = 64

OwnPath = Callable[[float], tuple[Float[Tensor, "F 4 4"], Float[Tensor, "F 4 4"]]]
"""The source's own path relative to its first camera, and the same smoothed over that many seconds."""


@dataclass(frozen=True)
class Takes:
    """Paths to show a video along, and where the source's camera is in the same world."""

    titles: tuple[str, ...]
    cameras: Cameras
    """[T, F]"""
    source: Float[Tensor, "T F 4 4"]
    """c2w."""


def check_moves(moves: Sequence[str]) -> None:
    """InputError unless every text is a move: one of MOVE_WORDS, of PRESETS or of APPLICATIONS."""
    for text in moves:
        if _application(text) is None:
            _steps(text, 1.0)


def moved_takes(
    moves: Sequence[str],
    *,
    num_frames: int,
    hw: tuple[int, int],
    distance: float,
    focal_mm: float | None,
    own_path: OwnPath,
) -> Takes:
    """A take per move, from a still camera with the subject `distance` metres ahead.

    `focal_mm` None is the lens of rigs in words.
    """
    lens = RIG_WORDS["still"].keys["focal"] if focal_mm is None else focal_mm
    start = still(radius=distance, elevation_deg=0.0, num_frames=num_frames, hw=hw, focal_mm=lens)
    sources, cameras = [], []
    for text in moves:
        source, moved = start.c2w[0], start
        if (found := _application(text)) is None:
            for step in _steps(text, distance):
                moved = perform(step, moved)
            if moved.num_views != 1:
                raise InputError(f"move {text!r} makes {moved.num_views} cameras; a take has one")
        elif found[0] == "stabilise":
            own, smooth = own_path(SMOOTHED_SECONDS if found[1] is None else found[1])
            source, smooth = (compose_rigid(start.c2w[0, :1], path) for path in (own, smooth))
            moved = dataclasses.replace(start, c2w=smooth[None])
        else:
            moved = _nearer(start, found, distance)
        sources.append(source)
        cameras.append(moved)
    joined = dataclasses.replace(
        start, c2w=torch.cat([one.c2w for one in cameras]), K=torch.cat([one.K for one in cameras])
    )
    return Takes(tuple(moves), joined, torch.stack(sources))


def rig_takes(cameras: Cameras, names: Sequence[str]) -> Takes:
    """A take per camera of a rig; the source's camera stands where the first one starts."""
    return Takes(tuple(names), cameras, cameras.c2w[:1, :1].expand_as(cameras.c2w))


def warnings_of_view(takes: Takes, distance: float) -> list[str]:
    """What will be hard to show, with figures: takes that lose sight of the subject, or see another side of it."""
    step = -(-takes.cameras.num_frames // CHECKED_FRAMES)
    chosen = sorted({*range(0, takes.cameras.num_frames, step), takes.cameras.num_frames - 1})
    _, _, areas = Subject().surface()
    visible = seen(takes.cameras.frames(chosen), Subject())  # [T, F, N]
    first = dataclasses.replace(takes.cameras, c2w=takes.source[:, :1].to(takes.cameras.c2w), K=takes.cameras.K[:, :1])
    before = seen(first, Subject())  # [T, 1, N]
    found = []
    for title, now, source in zip(takes.titles, visible, before, strict=True):
        unseen = 1 - float(now.any(-1).double().mean())
        shared = ((now & source).double() @ areas) / (source.double() @ areas).clamp(min=1e-9)
        worst = int(shared.argmin())
        if unseen:
            found.append(
                f"{title}: the subject, {distance:g} m ahead of the source's camera, is out of the picture for "
                f"{unseen:.0%} of the frames"
            )
        elif shared[worst] < LEAST_SHARED:
            found.append(
                f"{title}: at frame {chosen[worst]} only {float(shared[worst]):.0%} of what the source shows of the "
                f"subject is in sight; the rest has to be invented"
            )
    return found


def _application(text: str) -> tuple[str, float | None, bool] | None:
    """The name, amount and `ease` of a move that only re-shooting has; None for other texts."""
    words = text.split()
    if not words or words[0] not in APPLICATIONS:
        return None
    found = re.fullmatch(r"(\d+\.?\d*|\.\d+)?\s*(m|s)?\s*(ease)?", " ".join(words[1:]))
    unit = "s" if words[0] == "stabilise" else "m"
    if (
        found is None
        or found[2] not in (None, unit)
        or (found[2] and not found[1])
        or (unit == "s" and found[3])
        or (found[1] and float(found[1]) == 0)
    ):
        raise InputError(f"move {text!r} is not understood; expected {APPLICATIONS[words[0]]}")
    return words[0], None if found[1] is None else float(found[1]), found[3] is not None


def _nearer(start: Cameras, move: tuple[str, float | None, bool], distance: float) -> Cameras:
    """The camera nearer to the subject, or farther away: at once, or on the way during the clip."""
    name, metres, ease = move
    way = distance / 2 if metres is None else metres
    if name == "zoom-in" and way >= distance:
        raise InputError(f"move zoom-in: {way:g} m lead into the subject, which is {distance:g} m ahead (--distance)")
    way = way if name == "zoom-in" else -way
    if ease:
        return dolly(start, way, timing=Timing(speed="ease"))
    c2w = start.c2w.clone()
    c2w[..., :3, 3] += way * c2w[..., :3, 2]
    return dataclasses.replace(start, c2w=c2w)


def _steps(text: str, distance: float) -> list[Step]:
    """The steps of a move in words; presets keep a subject at `distance` in its place unless they name another."""
    words = text.strip()
    if words in PRESETS or words.isdecimal():
        words = f"preset {words}"
    spec = read_spec(words)
    if not spec.steps or spec.layout != "still" or spec.file is not None:
        first = words.partition(" ")[0]
        raise InputError(
            f"{text!r} is not a move{meant(first, [*MOVE_WORDS, *PRESETS, *APPLICATIONS])}; expected one such as "
            f"'arc 30', of {', '.join(MOVE_WORDS)}; a preset, 1 to {len(PRESETS)} or {', '.join(PRESETS)}; or "
            f"{', '.join(APPLICATIONS)}; rigs and camera files go to --rig"
        )
    told = "distance=" in words
    return [
        dataclasses.replace(step, options=step.options | {"distance": distance})
        if step.move == "preset" and not told
        else step
        for step in spec.steps
    ]

"""Frame numbers and times of a file: none twice, none missing, in order."""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

__all__ = ["even_rate", "frame_order", "frame_times", "in_view_order", "last_number", "natural", "refuse_bad_times"]

EVEN = 0.01
"""How far a frame may be from its even time, in frames, for the times to have a rate."""
MICROSECOND = 1e-6


def frame_order(path: Path, numbers: Sequence[int], place: Callable[[int], str]) -> list[int]:
    """The indices that bring frames into the order of their numbers; every frame or every n-th must be there."""
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    steps = [numbers[after] - numbers[before] for before, after in pairwise(order)]
    least = min(steps, default=1)
    for index, step in zip(order[1:], steps, strict=True):
        number = numbers[index]
        if step == 0:
            raise InputError(f"{path}, {place(index)}: frame {number} stands there twice")
        if least > 0 and step != least:
            lost = number - step + least
            raise InputError(f"{path}, {place(index)}: frame {lost} is missing between {number - step} and {number}")
    return order


def refuse_bad_times(path: Path, times: Float[Tensor, "F"], place: Callable[[int], str]) -> None:
    """InputError with `place(index)` for the first time that is no number or does not grow."""
    for index in (~torch.isfinite(times)).nonzero()[:1, 0].tolist():
        raise InputError(f"{path}, {place(index)}: the time is {float(times[index])}, expected a finite number")
    for index in (times.diff() <= 0).nonzero()[:1, 0].tolist():
        before, after = float(times[index]), float(times[index + 1])
        said = "stands there twice" if before == after else f"comes after {before!r}; times must grow"
        raise InputError(f"{path}, {place(index + 1)}: the time {after!r} {said}")


def frame_times(num_frames: int, fps: float | None) -> list[float]:
    """Seconds of every frame; without `fps` the numbers of the frames, as for one frame a second."""
    return [frame / (fps or 1.0) for frame in range(num_frames)]


def even_rate(times: Sequence[float]) -> float | None:
    """Frames per second of even times, None of uneven ones; of rates that fit to a microsecond, the roundest."""
    if len(times) < 2:
        return None
    rate = (len(times) - 1) / (times[-1] - times[0])

    def off(rate: float) -> float:
        return max(abs(time - times[0] - frame / rate) for frame, time in enumerate(times))

    if off(rate) * rate > EVEN:
        return None
    rounded = (round(rate, digits) for digits in range(4))
    return next((round_rate for round_rate in rounded if round_rate > 0 and off(round_rate) <= MICROSECOND), rate)


def last_number(name: str) -> int | None:
    """The last number in a file's name, which counts frames in images/frame_00012.png."""
    digits = re.findall(r"\d+", name.rpartition("/")[2].partition(".")[0])
    return int(digits[-1]) if digits else None


def in_view_order(names: Iterable[str]) -> list[str]:
    """Names of views that are files or folders, in the order in which they are read."""
    return sorted(names, key=lambda name: (natural(name), name))


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts cam2 before cam10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]

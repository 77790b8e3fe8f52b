"""Long videos in windows that a model can make: where they lie, and how what is made of them is joined."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

__all__ = ["blended", "cut_windows", "window_starts"]

SHARED = 5
"""A window shares one latent frame in so many, and one video frame more, with the window before."""


def window_starts(num_frames: int, window: int, stride: int) -> list[int]:
    """The first frames of the windows that cover a video; each shares frames with the one before.

    All but the last start at a multiple of `stride`, the video frames per latent frame; the last ends with the video.
    InputError for videos shorter than a window.
    """
    if num_frames < window:
        raise InputError(f"the video has {num_frames} frames, but {window} are made at a time; ask for fewer frames")
    shared = 1 + stride * (((window - 1) // stride + 1) // SHARED)
    return [*range(0, num_frames - window, window - shared or 1), num_frames - window]


def cut_windows(
    frames: Iterable[Float[Tensor, "C H W"]], starts: Sequence[int], window: int
) -> Iterator[Float[Tensor, "F C H W"]]:
    """The windows of a video whose frames come one after the other; no more than one window is held in memory."""
    coming, held, first = iter(frames), [], 0
    for start in starts:
        held, first = held[start - first :], start
        held += islice(coming, window - len(held))
        if len(held) < window:
            raise InputError(f"the video ends after {start + len(held)} frames, expected {starts[-1] + window}")
        yield torch.stack(held)


def blended(
    windows: Iterable[Float[Tensor, "T F C H W"]], starts: Sequence[int]
) -> Iterator[Float[Tensor, "T n C H W"]]:
    """The frames of a whole video, piece by piece, from its windows: where two overlap, one fades into the other.

    The weight of the later window grows linearly over the frames that both have. Windows are changed in place.
    """
    tail = None
    for windowed, start, following in zip(windows, starts, [*starts[1:], None], strict=True):
        if tail is not None and (shared := tail.shape[1]):
            weight = torch.arange(1, shared + 1, dtype=windowed.dtype)[:, None, None, None] / (shared + 1)
            windowed[:, :shared].mul_(weight).add_(tail.mul_(1 - weight))
        done = windowed.shape[1] if following is None else following - start
        tail = windowed[:, done:].clone()  # all that is held of it while the next one is made
        yield windowed[:, :done]

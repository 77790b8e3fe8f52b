"""A video or a picture as a stream of frames at even times: of any length, with few frames in memory."""

import logging
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

import av
from av.video.reformatter import VideoReformatter
from jaxtyping import Float, UInt8
from torch import Tensor

from syncam.data.decoding import as_floats, frame_pixels, has_alpha, opened, quarter_turns, read_picture
from syncam.data.transforms import scaled
from syncam.errors import InputError

__all__ = ["FrameStream", "open_stream"]

logger = logging.getLogger(__name__)

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
TOLERANCE = 0.5
"""Share of the time of a frame by which it may be late or early at an even rate."""

Change = Callable[[UInt8[Tensor, "C H W"]], UInt8[Tensor, "C h w"]]


@dataclass(frozen=True)
class FrameStream:
    """What a file shows, without a frame in memory."""

    path: Path
    num_frames: int
    fps: float
    """0 where a single frame says nothing of it."""
    hw: tuple[int, int]
    """As it is shown: a rotation flag is followed, and pixels are square."""
    notes: tuple[str, ...] = ()
    """What is done to the pictures before they are frames, in words."""
    shown: tuple[int, ...] | None = None
    """The decoded frame that every frame is; None: they are the same."""
    longer: tuple[int, Literal["loop", "hold"]] | None = None
    """That many frames instead, and what comes after the last of the file: the first again, or the last."""

    @property
    def is_picture(self) -> bool:
        """Whether it is an image file."""
        return self.path.suffix.lower() in PICTURES

    def lengthened(self, num_frames: int, how: Literal["loop", "hold"]) -> "FrameStream":
        """The same with more frames: from the start again, or with the last one held."""
        return replace(self, longer=(num_frames, how))

    @property
    def length(self) -> int:
        """The number of frames that `frames` gives."""
        return self.longer[0] if self.longer is not None else self.num_frames

    def frames(self, change: Change) -> Iterator[Float[Tensor, "C h w"]]:
        """All frames in [0, 1], one after the other; each is changed, as to a smaller size, as soon as it is decoded.

        InputError naming the file where it cannot be decoded, or ends too early.
        """
        own = (as_floats([pixels])[0] for pixels in self._own(change))
        if self.longer is None:
            yield from own
            return
        num_frames, how = self.longer
        if how == "loop":
            yield from islice(cycle(own), num_frames)
            return
        last = None
        for last in own:
            yield last
        for _ in range(num_frames - self.num_frames):
            assert last is not None
            yield last

    def _own(self, change: Change) -> Iterator[UInt8[Tensor, "C h w"]]:
        if self.is_picture:
            yield change(read_picture(self.path, as_seen=True))
            return
        reformatter, given = VideoReformatter(), 0
        with opened(self.path, "decoded") as (container, stream):
            for number, frame in enumerate(container.decode(stream)):
                times = 0
                while given + times < self.num_frames and self._decoded(given + times) == number:
                    times += 1
                if times:
                    pixels = change(scaled(frame_pixels(reformatter, frame), self.hw))
                    for _ in range(times):
                        yield pixels
                    given += times
                if given == self.num_frames:
                    return
        raise InputError(f"{self.path} is cut short: it has {given} frames of {self.num_frames}")

    def _decoded(self, frame: int) -> int:
        return frame if self.shown is None else self.shown[frame]


def open_stream(path: str | Path) -> FrameStream:
    """What a video or picture shows: how many frames, how fast and how large.

    Frames at uneven times are replaced by those that are on the screen at even times, as many per second as the file
    has on average. InputError naming the file if it is missing, or has nothing to show.
    """
    path = Path(path)
    if path.suffix.lower() in PICTURES:
        picture = read_picture(path, as_seen=True)
        return FrameStream(path, 1, 0.0, (picture.shape[-2], picture.shape[-1]))
    with opened(path, "opened") as (container, stream):
        stated, unit = float(stream.average_rate or 0), stream.time_base
        shape = float(stream.sample_aspect_ratio or 1)  # width over height of a pixel
        stamps = [packet.pts for packet in container.demux(stream) if packet.size and not packet.is_discard]
    times = sorted(float(stamp * unit) for stamp in stamps if stamp is not None and unit is not None)
    with opened(path, "decoded") as (container, stream):
        first = next(container.decode(stream), None)
    if first is None or not stamps:
        raise InputError(f"{path} holds no frames; the file is damaged or empty")
    turns, width = quarter_turns(first), max(1, round(first.width * shape))
    hw = (width, first.height) if turns % 2 else (first.height, width)
    notes = _notes(first, turns)
    if width != first.width:
        notes = (*notes, f"its pixels are not square: {first.height}x{first.width} is shown as {first.height}x{width}")
    if len(times) < len(stamps) or len(set(times)) < len(times):  # no times to go by
        return FrameStream(path, len(stamps), stated, hw, notes)
    fps, shown = _even(times, stated)
    if shown is not None:
        notes = (*notes, f"its frames come at uneven times: those shown at {fps:.4g} per second are taken")
    return FrameStream(path, len(times), fps, hw, notes, shown)


def _even(times: list[float], stated: float) -> tuple[float, tuple[int, ...] | None]:
    """The rate of frames at these times, and the frame on the screen at every time of that rate, if they are uneven."""
    if len(times) == 1:
        return stated, None
    measured = (len(times) - 1) / (times[-1] - times[0])
    for fps in filter(None, (stated, measured)):  # the stated rate is exact, such as 30000/1001
        even = (times[0] + number / fps for number in range(len(times)))
        if all(abs(comes - due) <= TOLERANCE / fps for comes, due in zip(times, even, strict=True)):
            return fps, None
    slack = 1e-3 / measured
    due = (times[0] + number / measured + slack for number in range(len(times)))
    return measured, tuple(bisect_right(times, moment) - 1 for moment in due)


def _notes(frame: av.VideoFrame, turns: int) -> tuple[str, ...]:
    notes = []
    if turns:
        notes.append(f"it is turned by {90 * turns} degrees counter-clockwise, as its rotation flag says")
    if has_alpha(frame):
        notes.append("it is transparent: what is behind it is black")
    if max(component.bits for component in frame.format.components) > 8:
        notes.append("its colours are rounded to 8 bits")
    return tuple(notes)

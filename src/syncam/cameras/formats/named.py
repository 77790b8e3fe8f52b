"""Cameras as a file holds them, and what a file leaves open."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import CameraError, Cameras
from syncam.cameras.conventions import SENSOR_MM, intrinsics
from syncam.cameras.formats.sequence import even_rate, frame_times
from syncam.cameras.formats.source import some
from syncam.errors import InputError

__all__ = [
    "NamedCameras",
    "default_names",
    "is_file_name",
    "named_cameras",
    "picture_size",
    "pinhole_K",
    "pinhole_numbers",
]

NOT_IN_FILE_NAMES = frozenset('/\\:*?"<>|')


@dataclass(frozen=True, eq=False)
class NamedCameras:
    """Cameras with what their file says besides: a name per view, frames per second, a time per frame in seconds."""

    names: tuple[str, ...]
    cameras: Cameras
    fps: float | None = None
    times: tuple[float, ...] | None = None

    @property
    def rate(self) -> float | None:
        """Frames per second: what the file says, else what its times come to; None where neither is known."""
        return self.fps if self.times is None else even_rate(self.times)

    @property
    def seconds(self) -> list[float]:
        """A time per frame; where neither times nor frames per second are known, the numbers of the frames."""
        return frame_times(self.cameras.num_frames, self.fps) if self.times is None else list(self.times)

    def view(self, views: list[int]) -> "NamedCameras":
        """Some of the views, in the given order."""
        return replace(self, names=tuple(self.names[view] for view in views), cameras=self.cameras.view(views))


def default_names(count: int) -> tuple[str, ...]:
    """What views are called that nobody has named: cam01, cam02, ..."""
    return tuple(f"cam{view + 1:02d}" for view in range(count))


def is_file_name(name: str) -> bool:
    """Whether files can be called that on any system: no folders, no hidden files, no signs that some refuse."""
    return name[:1] != "." and name[-1:] != "." and len(name.encode()) <= 200 and not NOT_IN_FILE_NAMES & set(name)


def named_cameras(
    path: Path,
    names: Sequence[str],
    c2w: Float[Tensor, "V F 4 4"],
    K: Float[Tensor, "V F 3 3"] | None,
    size: tuple[int, int] | None,
    *,
    hw: tuple[int, int] | None,
    focal_mm: float | None,
    place: Callable[[int, int], str],
    fps: float | None = None,
    times: Sequence[float] | None = None,
) -> NamedCameras:
    """The cameras of a file, completed by what the caller gives and scaled to `hw`.

    `K` is in pixels of pictures of the stated `size`, or of `hw` where the file states none. A file without lenses
    takes `focal_mm`; giving it for a file with lenses is an InputError. `place(view, frame)` is where a camera stands.
    """
    if repeated := [name for index, name in enumerate(names) if name in names[:index]]:
        raise InputError(f"{path} has more than one camera named {some(repeated)}; give each a name of its own")
    size = picture_size(path, size, hw)
    if K is None:
        if focal_mm is None:
            raise InputError(
                f"{path} does not say which lens its cameras have; "
                f"give focal_mm, millimetres on a sensor {SENSOR_MM} mm wide"
            )
        if not (math.isfinite(focal_mm) and focal_mm > 0):
            raise InputError(f"focal_mm must be positive millimetres, got {focal_mm}")
        K = intrinsics(focal_mm, size).expand(*c2w.shape[:2], 3, 3).contiguous()
    elif focal_mm is not None:
        raise InputError(f"{path} says which lenses its cameras have; leave focal_mm={focal_mm:g} out")
    try:
        cameras = Cameras(c2w, K, size)
    except CameraError as err:
        raise InputError(f"{path}, {place(err.view, err.frame)}: {err.complaint}") from err
    except InputError as err:
        raise InputError(f"{path}: {err}") from err
    cameras = cameras if hw is None or cameras.hw == tuple(hw) else cameras.resized(hw)
    return NamedCameras(tuple(names), cameras, fps, None if times is None else tuple(times))


def picture_size(path: Path, stated: tuple[int, int] | None, hw: tuple[int, int] | None) -> tuple[int, int]:
    """The size that a file's lenses refer to: the one it states, else the one that the caller gives."""
    size = stated or hw
    if size is None:
        raise InputError(f"{path} does not say how large the pictures are; give their height and width (hw, --size)")
    return size


def pinhole_K(numbers: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """K of fx, fy, cx, cy."""
    fx, fy, cx, cy = numbers.unbind(-1)
    zero, one = torch.zeros_like(fx), torch.ones_like(fx)
    rows = [[fx, zero, cx], [zero, fy, cy], [zero, zero, one]]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def pinhole_numbers(cameras: Cameras, format: str) -> Float[Tensor, "V F 4"]:
    """fx, fy, cx, cy of one scene, for a format that holds nothing else; InputError for a K with skew."""
    K = cameras.K.detach().cpu().double()
    skewed = (K[..., 0, 1] != 0) | (K[..., 1, 0] != 0)
    for view, frame in skewed.nonzero()[:1].tolist():
        raise InputError(f"{format} holds fx, fy, cx and cy, but K has skew (view {view}, frame {frame})")
    return torch.stack([K[..., 0, 0], K[..., 1, 1], K[..., 0, 2], K[..., 1, 2]], -1)

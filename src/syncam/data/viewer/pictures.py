"""Frames of a view and of its labels as files of pictures, no larger than a page shows them."""

import io
import os
from collections.abc import Iterable, Sequence
from threading import BoundedSemaphore

from PIL import Image
from torch import Tensor

from syncam.data.scene import Scene
from syncam.data.video import to_uint8
from syncam.data.viewer.inside import Fence, files_of_labels, picture_files
from syncam.data.viewer.tints import OPAQUE, label_pictures

__all__ = ["MOST_FRAMES", "frame_pictures", "joined", "label_files", "shown_hw"]

MOST_FRAMES = 32
"""Frames that are read at a time."""
SIDES = {1: 960, 4: 640, 12: 480}
"""Up to that many views, the longer side of their pictures in pixels."""
LEAST_SIDE = 320
LABEL_SIDE = 480  # so that lines along edges are thin
QUALITY = 92
READING = BoundedSemaphore(min(4, os.cpu_count() or 1))
"""Views that are read side by side: a page asks for all of them at once."""


def shown_hw(hw: tuple[int, int], num_views: int) -> tuple[int, int]:
    """The size in which pictures are sent: as they are, or scaled down."""
    side = next((side for most, side in SIDES.items() if num_views <= most), LEAST_SIDE)
    scale = min(1.0, side / max(hw))
    return max(1, round(hw[0] * scale)), max(1, round(hw[1] * scale))


def frame_pictures(scene: Scene, view: int, frames: Sequence[int], hw: tuple[int, int], fence: Fence) -> list[bytes]:
    """Frames of one view as JPEG files; InputError that names what is damaged."""
    footage = scene.footage[view]
    fence.check(picture_files(footage))
    with READING:
        pixels = to_uint8(footage.read(frames, hw))  # [F, 3, h, w]
        return [_encoded(picture, "JPEG", quality=QUALITY, subsampling=0) for picture in pixels]


def label_files(
    scene: Scene, view: int, frames: Sequence[int], kind: str, hw: tuple[int, int], fence: Fence
) -> list[bytes]:
    """Labels of one view as PNG files, transparent where there is nothing to show; what lies over small pictures is
    enlarged."""
    fence.check(files_of_labels(scene))
    scale = 1 if kind in OPAQUE else max(1, round(LABEL_SIDE / max(hw)))
    hw = (hw[0] * scale, hw[1] * scale)
    with READING:
        return [_encoded(picture, "PNG", compress_level=1) for picture in label_pictures(scene, view, frames, kind, hw)]


def joined(files: Iterable[bytes]) -> bytes:
    """Files one after another, behind a line of JSON with their lengths in bytes."""
    files = list(files)
    return f"{[len(file) for file in files]}\n".encode() + b"".join(files)


def _encoded(pixels: Tensor, format: str, **options: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(file, format, **options)
    return file.getvalue()

"""What a page is told of a scene when it is opened. Whatever cannot be read is a sentence in its place."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import SENSOR_MM
from syncam.cameras.editor.content import rig_content
from syncam.cameras.formats import NamedCameras
from syncam.cameras.spherical import common_target
from syncam.data.footage import Footage
from syncam.data.scene import Scene
from syncam.data.sources import Kind
from syncam.data.viewer.inside import Fence, camera_files, caption_files, files_of_labels, picture_files
from syncam.data.viewer.pictures import shown_hw
from syncam.data.viewer.tints import label_kinds, label_legends
from syncam.errors import InputError

__all__ = ["scene_facts"]

T = TypeVar("T")
METRIC: tuple[Kind, ...] = ("syncamvideo", "syncamvideo-first")
NO_CAMERAS = "There is no rig to show: videos without a data set's layout come without cameras."

NOTHING: dict[str, Any] = {
    "error": None,
    "caption": "",
    "caption_error": None,
    "fps": None,
    "frames": 0,
    "views": [],
    "shown": None,
    "labels": [],
    "legends": {},
    "no_rig": "There is no rig to show.",
    "rig": None,
}


def scene_facts(scene: Scene, kind: Kind, fence: Fence) -> dict[str, Any]:
    """Caption, rate, length, size, views, labels and cameras of a scene, as JSON takes them.

    Each view has `error`, and the scene `error`, `caption_error` and `no_rig`, null where all is well. `scene` is a
    fresh handle.
    """
    footage, error = _tried(lambda: _guarded(fence, [scene.path], lambda: scene.footage))
    if footage is None:
        return NOTHING | {"error": error}
    views = [_view_facts(view, fence) for view in footage]
    sizes = [(view["height"], view["width"]) for view in views if view["error"] is None]
    if sizes:  # of the first view that can be read: cameras are, also where the first of all is damaged
        object.__setattr__(scene, "hw", sizes[0])
        object.__setattr__(scene, "num_frames", max(view["frames"] for view in views))
    fps, _ = _tried(lambda: scene.fps)
    rates = [view.pop("fps") for view in views]
    fps = fps or next((rate for rate in rates if rate), None)
    caption, caption_error = _tried(lambda: _guarded(fence, caption_files(scene), lambda: scene.caption))
    cameras, no_rig = _tried(lambda: _guarded(fence, camera_files(scene), lambda: scene.cameras))
    labels, _ = _tried(lambda: _guarded(fence, files_of_labels(scene), lambda: label_kinds(scene)))
    known = {
        "caption": caption or "",
        "caption_error": caption_error,
        "fps": fps,
        "frames": max((view["frames"] for view in views), default=0),
        "views": views,
        "shown": shown_hw(sizes[0], len(views)) if sizes else None,
        "labels": labels or [],
        "legends": label_legends(labels or [], sizes[0]) if sizes else {},
    }
    if cameras is None:
        return NOTHING | known | {"no_rig": no_rig or NO_CAMERAS}
    return NOTHING | known | {"no_rig": None, "rig": _rig(scene.names, cameras, fps, kind)}


def _guarded(fence: Fence, files: Iterable[Path], read: Callable[[], T]) -> T:
    fence.check(files)
    return read()


def _view_facts(footage: Footage, fence: Fence) -> dict[str, Any]:
    """Name, length and size as the header states them."""
    header, error = _tried(lambda: _guarded(fence, picture_files(footage), footage.header))
    facts = {"name": footage.path.stem, "frames": 0, "fps": 0.0, "height": 0, "width": 0, "error": error}
    if header is None:
        return facts
    frames, error = _tried(lambda: header.num_frames or footage.count())
    height, width = header.hw
    return facts | {"frames": frames or 0, "fps": header.fps, "height": height, "width": width, "error": error}


def _rig(names: list[str], cameras: Cameras, fps: float | None, kind: Kind) -> dict[str, Any]:
    """The rig as the content of a rig file, what its cameras look at together, and their lenses in words.

    `up` is that of the world; in RealEstate10K, whose worlds have none, the one that the cameras hold up on average.
    """
    target, looked_at = common_target(cameras.c2w[0] if cameras.num_views == 1 else cameras.c2w[:, 0])
    up = torch.tensor([0.0, 0.0, 1.0])
    if kind == "realestate10k":
        up = torch.nn.functional.normalize(-cameras.c2w[:, :, :3, 1].double().mean((0, 1)), dim=0)
    return {
        "content": rig_content(NamedCameras(tuple(names), cameras, fps)),
        "target": target.tolist() if looked_at else None,
        "up": up.tolist(),
        "metric": kind in METRIC,
        "lens": _lens(cameras),
    }


def _lens(cameras: Cameras) -> str:
    """How wide the pictures are, as one number or from least to most."""
    focal = cameras.K[..., 0, 0].double()
    angle = torch.rad2deg(2 * torch.atan(cameras.hw[1] / 2 / focal))
    wide = _range(angle, "°")
    return f"{wide} across; {_range(focal / cameras.hw[1] * SENSOR_MM, ' mm')} on a {SENSOR_MM:g} mm sensor"


def _range(numbers: torch.Tensor, unit: str) -> str:
    least, most = (f"{round(number, 1):g}" for number in (float(numbers.min()), float(numbers.max())))
    return f"{least}{unit}" if least == most else f"{least} to {most}{unit}"


def _tried(read: Callable[[], T]) -> tuple[T | None, str | None]:
    """What is read, or None and what is wrong with it."""
    try:
        return read(), None
    except (InputError, OSError) as err:
        return None, " ".join(str(err).split())

"""syncam: our own rig JSON, versioned, with every digit."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats.named import NamedCameras, default_names, named_cameras
from syncam.cameras.formats.source import check_poses, read_json
from syncam.errors import InputError
from syncam.files import write_json

__all__ = ["SCHEMA", "load_rig", "read_rig", "save_rig", "write_rig"]

SCHEMA = "syncam-rig"
VERSION = 1
LENS = ("aperture", "focus_distance")
"""Of Cameras: what a rig may have beside poses and intrinsics, a number per frame of every view."""


def save_rig(path: str | Path, cameras: Cameras, fps: float | None = None) -> None:
    """Writes cameras as our versioned JSON; `load_rig` gives back the same numbers, bit for bit."""
    if cameras.batch_shape:
        raise InputError(f"a rig file holds one scene, got cameras with batch dims {cameras.batch_shape}")
    write_rig(Path(path), NamedCameras(default_names(cameras.num_views), cameras, fps))


def write_rig(path: Path, named: NamedCameras) -> None:
    """The same with names of one's own."""
    cameras, fps = named.cameras, named.rate
    views = [
        {"name": name, "c2w": c2w.double().tolist(), "K": K.double().tolist()}
        for name, c2w, K in zip(named.names, cameras.c2w.cpu(), cameras.K.cpu(), strict=True)
    ]
    for name in LENS:
        if (numbers := getattr(cameras, name)) is not None:
            for view, row in zip(views, numbers.double().tolist(), strict=True):
                view[name] = row
    header = {
        "schema": SCHEMA,
        "version": VERSION,
        "convention": "c2w per frame; OpenCV camera axes; right-handed world, z up; metres; K in pixels",
        "height": cameras.hw[0],
        "width": cameras.hw[1],
        "num_frames": cameras.num_frames,
    }
    write_json(path, header | ({} if fps is None else {"fps": fps}) | {"views": views})


def load_rig(path: str | Path) -> Cameras:
    """The cameras of a file that `save_rig` wrote, in float64."""
    return read_rig(Path(path)).cameras


def read_rig(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """The same with names and frames per second, scaled to `hw`."""
    content: Any = read_json(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(f'{path} is not a rig file; expected a JSON object with "schema": "{SCHEMA}"')
    if content.get("version") != VERSION:
        raise InputError(f"{path} has rig version {content.get('version')}, this syncam reads version {VERSION}")
    try:
        size, num_frames, views = (content["height"], content["width"]), content["num_frames"], content["views"]
        if not all(type(number) is int for number in (*size, num_frames)):
            raise TypeError("height, width and num_frames must be whole numbers")
        check_poses(path, len(views) * num_frames)
        c2w = torch.tensor([view["c2w"] for view in views], dtype=torch.float64)
        K = torch.tensor([view["K"] for view in views], dtype=torch.float64)
        lens = {
            name: torch.tensor([view[name] for view in views], dtype=torch.float64)
            for name in LENS
            if any(name in view for view in views)
        }
        names = [view.get("name", f"cam{index + 1:02d}") for index, view in enumerate(views)]
        if not all(isinstance(name, str) for name in names):
            raise TypeError("names of views must be strings")
        if not isinstance(content.get("fps"), float | int | None):
            raise TypeError("fps must be a number")
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as err:
        raise InputError(f"{path} is damaged: {err!r}; every view needs c2w [F, 4, 4] and K [F, 3, 3]") from err
    if c2w.ndim != 4 or c2w.shape[1:] != (num_frames, 4, 4) or K.shape != (*c2w.shape[:2], 3, 3):
        raise InputError(
            f"{path} says {num_frames} frames but its c2w have shape {tuple(c2w.shape)} [V, F, 4, 4] "
            f"and its K {tuple(K.shape)} [V, F, 3, 3]"
        )
    for name, numbers in lens.items():
        if numbers.shape != c2w.shape[:2]:
            raise InputError(f"{path}: {name} must be a number per frame of every view, got {tuple(numbers.shape)}")
    read = named_cameras(
        path,
        names,
        c2w,
        K,
        size,
        hw=hw,
        focal_mm=focal_mm,
        place=lambda view, frame: f"views[{view}].c2w[{frame}] or .K[{frame}]",
        fps=content.get("fps"),
    )
    try:
        return dataclasses.replace(read, cameras=dataclasses.replace(read.cameras, **lens))
    except InputError as err:
        raise InputError(f"{path}: {err}") from err

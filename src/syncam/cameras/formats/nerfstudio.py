"""nerfstudio: transforms.json of nerfstudio, instant-ngp and the original NeRF data.

`frames[].transform_matrix` is c2w with OpenGL camera axes (x right, y up, z backward) in a world with z up, which is
kept as it is; `applied_transform` is contained in the matrices already. The lens is `fl_x`, `fl_y`, `cx`, `cy` in
pixels of `w` by `h`, for all frames or per frame, or NeRF's `camera_angle_x`, the horizontal field of view in
radians. Lenses with distortion are refused. Frames are ordered by the numbers in their `file_path`.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from syncam.cameras.conventions import opencv_to_opengl, opengl_to_opencv
from syncam.cameras.formats.json_values import entries, matrix, number, whole
from syncam.cameras.formats.named import NamedCameras, named_cameras, picture_size, pinhole_K, pinhole_numbers
from syncam.cameras.formats.sequence import frame_order, last_number, natural
from syncam.cameras.formats.source import check_poses, read_json
from syncam.errors import InputError
from syncam.files import write_json

__all__ = ["Transforms", "read_nerfstudio", "read_transforms", "write_nerfstudio"]

PINHOLES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE")
CORRECTABLE = ("k1", "k2", "p1", "p2")
DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")


@dataclass(frozen=True, eq=False)
class Transforms:
    """A transforms.json with what it says of its pictures."""

    named: NamedCameras
    files: tuple[str, ...]
    """The `file_path` of every frame, in the order of the cameras; "" where it has none."""
    distortion: tuple[float, float, float, float]
    """k1, k2, p1 and p2 of OpenCV, equal for all frames; zeros for pinholes. K is that of the undistorted picture."""


def read_nerfstudio(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """One view from one file: its frames are the video's."""
    return _read(path, hw, focal_mm, captured=False).named


def read_transforms(path: Path, *, hw: tuple[int, int] | None = None) -> Transforms:
    """A captured scene, such as one of DL3DV: frames may be missing, and k1, k2, p1 and p2 are given back."""
    return _read(path, hw, None, captured=True)


def _read(path: Path, hw: tuple[int, int] | None, focal_mm: float | None, *, captured: bool) -> Transforms:
    content: Any = read_json(path)
    frames = entries(content, "frames", f"{path}, ")
    check_poses(path, len(frames))
    allowed = CORRECTABLE if captured else ()
    _refuse_other_lenses(content, str(path), allowed)
    for index, frame in enumerate(frames):
        _refuse_other_lenses(frame, f"{path}, frames[{index}]")
    kept = _order(path, frames, gaps=captured)
    frames = [frames[index] for index in kept]
    c2w = [
        matrix(frame.get("transform_matrix"), 4, 4, _key(path, at, "transform_matrix"))
        for at, frame in _at(kept, frames)
    ]
    sizes = {_size(content | frame, f"{path}, frames[{at}]") for at, frame in _at(kept, frames)}
    if len(sizes) > 1:
        raise InputError(f"{path} has pictures of different sizes (h, w): {sorted(map(str, sizes))}; expected one size")
    [stated] = sizes
    lenses = [_lens(path, content | frame, f"{path}, frames[{at}]", stated, hw) for at, frame in _at(kept, frames)]
    if 0 < lenses.count(None) < len(lenses):
        raise InputError(f"{path}, frames[{kept[lenses.index(None)]}]: has no fl_x or camera_angle_x; others have")
    named = named_cameras(
        path,
        [path.stem],
        opengl_to_opencv(torch.tensor(c2w, dtype=torch.float64))[None],
        None if lenses[0] is None else pinhole_K(torch.tensor(lenses, dtype=torch.float64))[None],
        stated,
        hw=hw,
        focal_mm=focal_mm,
        place=lambda _, frame: f"frames[{kept[frame]}]",
    )
    k1, k2, p1, p2 = (number(content[key], f"{path}.{key}") if key in content else 0.0 for key in CORRECTABLE)
    return Transforms(named, tuple(str(frame.get("file_path", "")) for frame in frames), (k1, k2, p1, p2))


def _at(kept: list[int], frames: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    return list(zip(kept, frames, strict=True))


def _key(path: Path, index: int, key: str) -> str:
    return f"{path}, frames[{index}].{key}"


def _order(path: Path, frames: list[dict[str, Any]], *, gaps: bool) -> list[int]:
    """Indices of the frames by the numbers of their files; by their names where those have none; else as they stand."""
    files = [frame.get("file_path") for frame in frames]
    if any(file is None for file in files):
        return list(range(len(frames)))
    for index, file in enumerate(files):
        if not isinstance(file, str):
            raise InputError(f"{_key(path, index, 'file_path')}: expected a string, got {file!r}")
    numbers = [last_number(str(file)) for file in files]
    counted = [number for number in numbers if number is not None]
    if len(counted) == len(frames) and not gaps:
        return frame_order(path, counted, lambda index: f"frames[{index}].file_path")
    order = sorted(range(len(frames)), key=lambda index: natural(str(files[index])))
    for before, after in pairwise(order):
        if files[before] == files[after]:
            raise InputError(f"{_key(path, after, 'file_path')}: {files[after]!r} stands there twice")
    return order


def _refuse_other_lenses(values: dict[str, Any], place: str, allowed: tuple[str, ...] = ()) -> None:
    model = values.get("camera_model", PINHOLES[0])
    if model not in PINHOLES:
        raise InputError(f"{place}: camera_model {model!r} is no pinhole; expected one of {', '.join(PINHOLES)}")
    if values.get("is_fisheye"):
        raise InputError(f"{place}: is_fisheye is set; expected a pinhole: undistort the pictures first")
    for key in DISTORTION:
        if key not in allowed and key in values and (amount := number(values[key], f"{place}.{key}")) != 0:
            raise InputError(
                f"{place}.{key}: is {amount}, but only lenses without distortion are read; undistort the pictures first"
            )


def _size(values: dict[str, Any], place: str) -> tuple[int, int] | None:
    if ("w" in values) != ("h" in values):
        raise InputError(f"{place}: has only one of w and h; give both or none")
    return (whole(values["h"], f"{place}.h", 1), whole(values["w"], f"{place}.w", 1)) if "w" in values else None


def _lens(
    path: Path, values: dict[str, Any], place: str, stated: tuple[int, int] | None, hw: tuple[int, int] | None
) -> tuple[float, ...] | None:
    """fx, fy, cx, cy in pixels; pixels are square and the lens is centred unless the file says otherwise."""
    given = {key: number(values[key], f"{place}.{key}") for key in ("fl_x", "fl_y", "cx", "cy") if key in values}
    angles = [key for key in ("camera_angle_x", "camera_angle_y") if key in values]
    if "fl_x" not in given and "camera_angle_x" not in angles:
        return None
    height, width = picture_size(path, stated, hw)
    focal: dict[str, float] = {}
    for key in angles:
        angle = number(values[key], f"{place}.{key}")
        if not 0 < angle < math.pi:
            raise InputError(f"{place}.{key}: is {angle}, expected radians between 0 and pi")
        focal[key[-1]] = 0.5 * (width if key[-1] == "x" else height) / math.tan(angle / 2)
    fx = given["fl_x"] if "fl_x" in given else focal["x"]
    fy = given.get("fl_y", fx if "fl_x" in given else focal.get("y", fx))
    return fx, fy, given.get("cx", width / 2), given.get("cy", height / 2)


def write_nerfstudio(path: Path, named: NamedCameras) -> None:
    """Writes one view; a lens that zooms is written per frame."""
    cameras = named.cameras
    height, width = cameras.hw
    lens = pinhole_numbers(cameras, "nerfstudio")[0]
    rows = [dict(zip(("fl_x", "fl_y", "cx", "cy"), row, strict=True)) for row in lens.tolist()]
    zooms = bool((lens != lens[:1]).any())
    c2w = opencv_to_opengl(cameras.c2w[0].detach().cpu().double()).tolist()
    frames = [
        {"file_path": f"images/{path.stem}/frame_{index + 1:05d}.png"}
        | (rows[index] if zooms else {})
        | {"transform_matrix": pose}
        for index, pose in enumerate(c2w)
    ]
    header: dict[str, Any] = {"camera_model": "OPENCV", "w": width, "h": height} | ({} if zooms else rows[0])
    write_json(path, header | dict.fromkeys(("k1", "k2", "p1", "p2"), 0.0) | {"frames": frames})

"""syncamvideo: the camera_extrinsics.json of SynCamVideo and MultiCamVideo, and the first release's rigs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import SENSOR_MM, intrinsics, opencv_to_unreal, unreal_to_opencv
from syncam.cameras.formats.named import NamedCameras, default_names, picture_size
from syncam.cameras.formats.source import check_poses, read_json, some
from syncam.errors import InputError
from syncam.files import write_json

__all__ = ["read_extrinsics_json", "read_syncamvideo", "write_extrinsics_json", "write_syncamvideo"]

DEFAULT_FOCAL_MM = 24.0


def read_extrinsics_json(
    path: str | Path,
    *,
    cameras: Sequence[str] | None = None,
    frames: Sequence[int] | None = None,
    hw: tuple[int, int] = (1280, 1280),
    focal_mm: float | None = None,
    sensor_mm: float = SENSOR_MM,
) -> Cameras:
    """Cameras of SynCamVideo / MultiCamVideo: {"frame0": {"cam01": "[a b c 0] [..] [..] [x y z 1] ", ...}, ...}.

    Also the first release's rigs without frames ({"C_01_18mm": ...}), which come out with one frame. `cameras` and
    `frames` choose by name and number (None: all). The focal length is `focal_mm`, else the one in a camera's name
    (18mm) or in a folder's (f24_aperture5), else 24 mm. InputError names cameras and frames that are missing.
    """
    return _read(Path(path), cameras, frames, hw, focal_mm, sensor_mm).cameras


def read_syncamvideo(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """All cameras with their names. These files state no size, and a lens only in names."""
    return _read(path, None, None, picture_size(path, None, hw), focal_mm, SENSOR_MM)


def _read(
    path: Path,
    cameras: Sequence[str] | None,
    frames: Sequence[int] | None,
    hw: tuple[int, int],
    focal_mm: float | None,
    sensor_mm: float,
) -> NamedCameras:
    content: Any = read_json(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f'{path} holds no cameras; expected {{"frame0": {{"cam01": "[..] [..] [..] [..]"}}}}')
    strange = [key for key in content if not re.fullmatch(r"frame\d+", key)]
    if strange and len(strange) < len(content):
        raise InputError(f"{path} has {some(strange)} among its frames; expected frame0, frame1, ... only")
    tracks = {"frame0": content} if strange else content  # the first release has no frames
    present = sorted(int(key[5:]) for key in tracks)
    wanted = list(range(len(present))) if frames is None else list(frames)
    if not wanted:
        raise InputError(f"no frames chosen from {path}; it has {len(present)}")
    missing = [number for number in wanted if f"frame{number}" not in tracks]
    if missing:
        raise InputError(f"{path} lacks frame {some(missing)}; it has {len(present)} frames up to frame {present[-1]}")
    empty = [
        number for number in wanted if not isinstance(tracks[f"frame{number}"], dict) or not tracks[f"frame{number}"]
    ]
    if empty:
        raise InputError(f"{path} has no cameras in frame {some(empty)}")
    names = list(tracks[f"frame{wanted[0]}"]) if cameras is None else list(cameras)
    check_poses(path, len(names) * len(wanted))
    rows = []
    for name in names:
        for number in wanted:
            frame = tracks[f"frame{number}"]
            if name not in frame:
                raise InputError(
                    f"{path} lacks camera {name} in frame {number}; that frame has {some(list(frame), 12)}"
                )
            rows.append(_matrix(frame[name], f"{path}: camera {name}, frame {number}"))
    c2w = unreal_to_opencv(torch.tensor(rows, dtype=torch.float64)).unflatten(0, (len(names), len(wanted)))
    if focal_mm is None:
        folder_mm = _folder_focal(path) or DEFAULT_FOCAL_MM
        focals = [_focal_in(name, r"(\d+(?:\.\d+)?)mm") or folder_mm for name in names]
    else:
        focals = [focal_mm] * len(names)
    K = torch.stack([intrinsics(focal, hw, sensor_mm) for focal in focals])
    try:
        rig = Cameras(c2w, K[:, None].expand(-1, len(wanted), 3, 3).contiguous(), hw)
    except InputError as err:
        raise InputError(f"{path}: {err}") from err
    return NamedCameras(tuple(names), rig)


def write_extrinsics_json(path: str | Path, cameras: Cameras) -> None:
    """Writes cameras as camera_extrinsics.json (Unreal axes, centimetres); lenses and picture size are not kept."""
    if cameras.batch_shape:
        raise InputError(f"a camera file holds one scene, got cameras with batch dims {cameras.batch_shape}")
    write_syncamvideo(Path(path), NamedCameras(default_names(cameras.num_views), cameras))


def write_syncamvideo(path: Path, named: NamedCameras) -> None:
    """The same with names of one's own. A name such as left_35mm tells readers the lens; no other lens is kept."""
    rows = opencv_to_unreal(named.cameras.c2w.detach().cpu()).tolist()  # [V, F, 4, 4]
    content = {
        f"frame{frame}": {
            name: "".join("[" + " ".join(format(number, ".12g") for number in row) + "] " for row in poses[frame])
            for name, poses in zip(named.names, rows, strict=True)
        }
        for frame in range(named.cameras.num_frames)
    }
    write_json(path, content)


def _matrix(text: Any, place: str) -> list[list[float]]:
    """The four rows of a row-vector matrix; older files leave the last number of a row away."""
    rows = re.findall(r"\[([^\]]*)\]", text) if isinstance(text, str) else []
    try:
        numbers = [[float(number) for number in row.replace(",", " ").split()] for row in rows]
    except ValueError as err:
        raise InputError(f"{place}: {err}; expected four rows such as [1 0 0 0]") from err
    if len(numbers) != 4 or any(len(row) not in (3, 4) for row in numbers):
        raise InputError(f"{place}: expected four rows of 3 or 4 numbers in brackets, got {str(text)[:80]!r}")
    matrix = [row if len(row) == 4 else [*row, float(index == 3)] for index, row in enumerate(numbers)]
    ends = [row[3] for row in matrix]
    if ends != [0, 0, 0, 1]:
        raise InputError(
            f"{place}: the rows must end in 0, 0, 0 and 1, got {ends}; the position is the last row's start"
        )
    return matrix


def _focal_in(name: str, pattern: str) -> float | None:
    found = re.search(pattern, name)
    return float(found.group(1)) if found else None


def _folder_focal(path: Path) -> float | None:
    focals = (_focal_in(part, r"^f(\d+(?:\.\d+)?)_aperture") for part in reversed(path.parts))
    return next((focal for focal in focals if focal), None)

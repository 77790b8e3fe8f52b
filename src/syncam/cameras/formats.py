"""Camera files: our own rig JSON, and the camera_extrinsics.json of SynCamVideo and MultiCamVideo."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import SENSOR_MM, intrinsics, opencv_to_unreal, unreal_to_opencv
from syncam.errors import InputError
from syncam.files import write_json

__all__ = ["load_rig", "read_camera_file", "read_extrinsics_json", "save_rig", "write_extrinsics_json"]

SCHEMA = "syncam-rig"
VERSION = 1
DEFAULT_FOCAL_MM = 24.0


def save_rig(path: str | Path, cameras: Cameras, fps: float | None = None) -> None:
    """Writes cameras as our versioned JSON; `load_rig` gives back the same numbers, bit for bit."""
    if cameras.batch_shape:
        raise InputError(f"a rig file holds one scene, got cameras with batch dims {cameras.batch_shape}")
    views = [
        {"name": f"cam{view + 1:02d}", "c2w": c2w.double().tolist(), "K": K.double().tolist()}
        for view, (c2w, K) in enumerate(zip(cameras.c2w.cpu(), cameras.K.cpu(), strict=True))
    ]
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
    return _rig(read_camera_json(path), Path(path))


def _rig(content: Any, path: Path) -> Cameras:
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(f'{path} is not a rig file; expected a JSON object with "schema": "{SCHEMA}"')
    if content.get("version") != VERSION:
        raise InputError(f"{path} has rig version {content.get('version')}, this syncam reads version {VERSION}")
    try:
        hw, num_frames = (content["height"], content["width"]), content["num_frames"]
        if not all(type(number) is int for number in (*hw, num_frames)):
            raise TypeError("height, width and num_frames must be whole numbers")
        c2w = torch.tensor([view["c2w"] for view in content["views"]], dtype=torch.float64)
        K = torch.tensor([view["K"] for view in content["views"]], dtype=torch.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise InputError(f"{path} is damaged: {err!r}; every view needs c2w [F, 4, 4] and K [F, 3, 3]") from err
    if c2w.ndim != 4 or c2w.shape[1] != num_frames:
        raise InputError(f"{path} says {num_frames} frames but its c2w have shape {tuple(c2w.shape)} [V, F, 4, 4]")
    try:
        return Cameras(c2w, K, hw)
    except InputError as err:
        raise InputError(f"{path}: {err}") from err


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
    return _extrinsics(read_camera_json(path), Path(path), cameras, frames, hw, focal_mm, sensor_mm)


def _extrinsics(
    content: Any,
    path: Path,
    cameras: Sequence[str] | None,
    frames: Sequence[int] | None,
    hw: tuple[int, int],
    focal_mm: float | None,
    sensor_mm: float,
) -> Cameras:
    if not isinstance(content, dict) or not content:
        raise InputError(f'{path} holds no cameras; expected {{"frame0": {{"cam01": "[..] [..] [..] [..]"}}}}')
    strange = [key for key in content if not re.fullmatch(r"frame\d+", key)]
    if strange and len(strange) < len(content):
        raise InputError(f"{path} has {_some(strange)} among its frames; expected frame0, frame1, ... only")
    tracks = {"frame0": content} if strange else content  # the first release has no frames
    present = sorted(int(key[5:]) for key in tracks)
    wanted = list(range(len(present))) if frames is None else list(frames)
    if not wanted:
        raise InputError(f"no frames chosen from {path}; it has {len(present)}")
    missing = [number for number in wanted if f"frame{number}" not in tracks]
    if missing:
        raise InputError(f"{path} lacks frame {_some(missing)}; it has {len(present)} frames up to frame {present[-1]}")
    empty = [
        number for number in wanted if not isinstance(tracks[f"frame{number}"], dict) or not tracks[f"frame{number}"]
    ]
    if empty:
        raise InputError(f"{path} has no cameras in frame {_some(empty)}")
    names = list(tracks[f"frame{wanted[0]}"]) if cameras is None else list(cameras)
    rows = []
    for name in names:
        for number in wanted:
            frame = tracks[f"frame{number}"]
            if name not in frame:
                raise InputError(
                    f"{path} lacks camera {name} in frame {number}; that frame has {_some(list(frame), 12)}"
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
        return Cameras(c2w, K[:, None].expand(-1, len(wanted), 3, 3).contiguous(), hw)
    except InputError as err:
        raise InputError(f"{path}: {err}") from err


def write_extrinsics_json(path: str | Path, cameras: Cameras) -> None:
    """Writes cameras as camera_extrinsics.json (Unreal axes, centimetres); lenses and picture size are not kept."""
    if cameras.batch_shape:
        raise InputError(f"a camera file holds one scene, got cameras with batch dims {cameras.batch_shape}")
    rows = opencv_to_unreal(cameras.c2w.cpu())  # [V, F, 4, 4]
    content = {
        f"frame{frame}": {
            f"cam{view + 1:02d}": "".join(
                "[" + " ".join(format(number, ".12g") for number in row) + "] " for row in rows[view, frame].tolist()
            )
            for view in range(cameras.num_views)
        }
        for frame in range(cameras.num_frames)
    }
    write_json(path, content)


def read_camera_file(
    path: str | Path, *, cameras: Sequence[str] | None = None, hw: tuple[int, int] | None = None
) -> Cameras:
    """The cameras of a rig file or a camera_extrinsics.json, told apart by content, for pictures of size `hw`.

    None takes the size that a rig file states; a camera_extrinsics.json states none, which is an InputError.
    """
    path = Path(path)
    content = read_camera_json(path)
    if isinstance(content, dict) and "schema" in content:
        rig = _rig(content, path)
        if cameras is not None:
            names = [view.get("name") for view in content["views"]]
            unknown = [name for name in cameras if name not in names]
            if unknown:
                raise InputError(f"{path} lacks camera {_some(unknown)}; it has {', '.join(map(str, names))}")
            rig = rig.view([names.index(name) for name in cameras])
        return rig if hw is None or rig.hw == tuple(hw) else rig.resized(hw)
    if hw is None:
        raise InputError(f"{path} does not say how large the pictures are; give their height and width (hw, --size)")
    return _extrinsics(content, path, cameras, None, hw, None, SENSOR_MM)


def read_camera_json(path: str | Path) -> Any:
    """The parsed JSON of a camera file; InputError naming the file if it is missing or is not JSON."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"camera file {path} does not exist; expected a rig JSON or a camera_extrinsics.json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as err:
        raise InputError(f"{path} is not UTF-8 text (byte {err.start}); expected JSON") from err
    except ValueError as err:
        raise InputError(f"{path} is not JSON: {err}") from err


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


def _some(items: Sequence[Any], limit: int = 5) -> str:
    return ", ".join(map(str, items[:limit])) + (f" and {len(items) - limit} more" if len(items) > limit else "")

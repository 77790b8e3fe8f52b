"""blender: cameras of a Blender scene, as blender_script.py exports them and builds them again.

A JSON object with `schema`, `version`, `width`, `height`, `fps` and `cameras`: name and frames, each with Blender's
own numbers: `frame`, `matrix_world` (c2w with Blender's camera axes: x right, y up, z backward; z up, metres), `lens`
and `sensor_width`, `sensor_height` in millimetres, `sensor_fit`, and `shift_x`, `shift_y` as fractions of the
sensor's side that the lens refers to. Pixels are square. The world is ours.
"""

from pathlib import Path
from typing import Any

import torch

from syncam.cameras.conventions import opencv_to_opengl, opengl_to_opencv
from syncam.cameras.formats.json_values import entries, matrix, number, whole
from syncam.cameras.formats.named import NamedCameras, named_cameras, pinhole_K, pinhole_numbers
from syncam.cameras.formats.sequence import frame_order
from syncam.cameras.formats.source import check_poses, read_json
from syncam.errors import InputError
from syncam.files import write_json

__all__ = ["SCHEMA", "read_blender", "write_blender"]

SCHEMA = "syncam-blender"
VERSION = 1
SENSOR_MM = 36.0
"""The sensor of a new camera in Blender; written files refer to it."""


def read_blender(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """All cameras of one file."""
    content: Any = read_json(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(f'{path} is not an export of blender_script.py; expected "schema": "{SCHEMA}"')
    if content.get("version") != VERSION:
        raise InputError(f"{path} has version {content.get('version')}, this syncam reads version {VERSION}")
    size = (whole(content.get("height"), f"{path}, height", 1), whole(content.get("width"), f"{path}, width", 1))
    names, orders, c2w, lenses = [], [], [], []
    numbers: list[int] = []
    for view, camera in enumerate(entries(content, "cameras", f"{path}, ")):
        place = f"cameras[{view}]"
        name = camera.get("name")
        if not isinstance(name, str):
            raise InputError(f"{path}, {place}.name: expected a string, got {name!r}")
        frames = entries(camera, "frames", f"{path}, {place}.")
        check_poses(path, len(frames) * (view + 1))
        found = [whole(frame.get("frame"), f"{path}, {place}.frames[{at}].frame") for at, frame in enumerate(frames)]
        order = frame_order(path, found, lambda at, place=place: f"{place}.frames[{at}]")
        found = [found[at] for at in order]
        numbers = numbers or found
        if found != numbers:
            raise InputError(
                f"{path}, {place}: {name} has {len(found)} frames from {found[0]} to {found[-1]}, but {names[0]} has "
                f"{len(numbers)} from {numbers[0]} to {numbers[-1]}; all cameras need the same"
            )
        names.append(name)
        orders.append(order)
        places = [(frames[at], f"{path}, {place}.frames[{at}]") for at in order]
        c2w.append([matrix(frame.get("matrix_world"), 4, 4, f"{at}.matrix_world") for frame, at in places])
        lenses.append([_lens(frame, at, size) for frame, at in places])
    return named_cameras(
        path,
        names,
        opengl_to_opencv(torch.tensor(c2w, dtype=torch.float64)),
        pinhole_K(torch.tensor(lenses, dtype=torch.float64)),
        size,
        hw=hw,
        focal_mm=focal_mm,
        place=lambda view, frame: f"cameras[{view}].frames[{orders[view][frame]}]",
        fps=None if content.get("fps") is None else number(content["fps"], f"{path}, fps"),
    )


def _lens(frame: dict[str, Any], place: str, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy. AUTO puts the sensor's width on the longer side; a shift moves the picture right and up."""
    height, width = size
    fit = frame.get("sensor_fit", "AUTO")
    if fit not in ("AUTO", "HORIZONTAL", "VERTICAL"):
        raise InputError(f"{place}.sensor_fit: expected AUTO, HORIZONTAL or VERTICAL, got {fit!r}")
    side = {"AUTO": max(size), "HORIZONTAL": width, "VERTICAL": height}[fit]
    key = "sensor_height" if fit == "VERTICAL" else "sensor_width"
    sensor, lens = number(frame.get(key), f"{place}.{key}"), number(frame.get("lens"), f"{place}.lens")
    if sensor <= 0 or lens <= 0:
        raise InputError(f"{place}: lens {lens:g} and {key} {sensor:g} must be positive millimetres")
    shift_x, shift_y = (number(frame.get(axis, 0.0), f"{place}.{axis}") for axis in ("shift_x", "shift_y"))
    focal = lens / sensor * side
    return focal, focal, width / 2 - shift_x * side, height / 2 + shift_y * side


def write_blender(path: Path, named: NamedCameras) -> None:
    """Writes all views for blender_script.py, frames from 1 as there; InputError for pixels that are not square."""
    cameras, fps = named.cameras, named.rate
    height, width = cameras.hw
    lens = pinhole_numbers(cameras, "blender")
    oblong = (lens[..., 0] - lens[..., 1]).abs() > 1e-9 * lens[..., 0]
    for view, frame in oblong.nonzero()[:1].tolist():
        fx, fy = lens[view, frame, :2].tolist()
        raise InputError(f"blender holds square pixels, but fx is {fx:g} and fy is {fy:g} (view {view}, frame {frame})")
    c2w = opencv_to_opengl(cameras.c2w.detach().cpu().double()).tolist()
    views = []
    for view, name in enumerate(named.names):
        frames = []
        for frame, (fx, _, cx, cy) in enumerate(lens[view].tolist()):
            numbers = {
                "lens": fx / width * SENSOR_MM,
                "sensor_width": SENSOR_MM,
                "sensor_height": SENSOR_MM / width * height,
                "sensor_fit": "HORIZONTAL",
                "shift_x": 0.5 - cx / width,
                "shift_y": (cy - height / 2) / width,
            }
            frames.append({"frame": frame + 1, "matrix_world": c2w[view][frame]} | numbers)
        views.append({"name": name, "frames": frames})
    header = {"schema": SCHEMA, "version": VERSION, "width": width, "height": height}
    write_json(path, header | ({} if fps is None else {"fps": fps}) | {"cameras": views})

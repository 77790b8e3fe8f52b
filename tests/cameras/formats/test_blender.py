"""blender: Blender's lens model by hand, bad exports, and a script that at least parses."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import syncam.cameras.formats
from cameras.examples import random_cameras
from cameras.formats.examples import close, rig, written
from syncam.cameras import Cameras, read_cameras, read_named_cameras
from syncam.cameras.formats import blender
from syncam.errors import InputError

SCRIPT = Path(syncam.cameras.formats.__file__).with_name("blender_script.py")
STANDING = [[1.0, 0, 0, 0], [0, 0, -1, -5], [0, 1, 0, 1], [0, 0, 0, 1]]


def export(folder: Path, *, size: tuple[int, int] = (100, 200), **frame: Any) -> Path:
    """A camera at y = -5 that looks along +y, as a new camera of Blender stands after turning it upright."""
    numbers = {"frame": 1, "matrix_world": STANDING, "lens": 50.0, "sensor_width": 36.0, "sensor_height": 24.0}
    content = {"schema": "syncam-blender", "version": 1, "height": size[0], "width": size[1], "fps": 24}
    content["cameras"] = [{"name": "Camera", "frames": [numbers | frame]}]
    path = folder / "rig.json"
    path.write_text(json.dumps(content))
    return path


def test_an_upright_camera(tmp_path: Path) -> None:
    named = read_named_cameras(export(tmp_path))
    assert (named.names, named.fps) == (("Camera",), 24.0)
    assert named.cameras.positions.flatten().tolist() == [0, -5, 1]
    expected = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=torch.float64)
    assert torch.equal(named.cameras.c2w[0, 0, :3, :3], expected)


@pytest.mark.parametrize(
    ("size", "fit", "focal"),
    [
        ((100, 200), "AUTO", 50 / 36 * 200),
        ((200, 100), "AUTO", 50 / 36 * 200),
        ((200, 100), "HORIZONTAL", 50 / 36 * 100),
        ((100, 200), "VERTICAL", 50 / 24 * 100),
    ],
)
def test_sensor_fits(size: tuple[int, int], fit: str, focal: float, tmp_path: Path) -> None:
    """AUTO puts the sensor's width on the longer side of the picture; VERTICAL its height on the height."""
    K = read_cameras(export(tmp_path, size=size, sensor_fit=fit)).K[0, 0]
    assert K.diagonal().tolist() == pytest.approx([focal, focal, 1])
    assert K[:2, 2].tolist() == [size[1] / 2, size[0] / 2]


def test_a_shift_moves_the_picture_right_and_up(tmp_path: Path) -> None:
    """What lay in the middle of the picture lies left of it and below; in widths, as the lens fits the width."""
    K = read_cameras(export(tmp_path, shift_x=0.1, shift_y=0.2)).K[0, 0]
    assert K[:2, 2].tolist() == pytest.approx([100 - 20, 50 + 40])


def test_frames_count_from_one_and_lenses_are_millimetres(tmp_path: Path) -> None:
    content = json.loads(written(tmp_path, rig(), "blender", 8.0).read_text())
    frame = content["cameras"][1]["frames"][2]
    assert (frame["frame"], frame["sensor_fit"], content["fps"]) == (3, "HORIZONTAL", 8.0)
    assert frame["lens"] == pytest.approx(24 / 23.76 * 36)


def test_pixels_must_be_square(tmp_path: Path) -> None:
    cameras = random_cameras(2)
    K = cameras.K.clone()
    K[1, 2, 1, 1] *= 1.1
    with pytest.raises(InputError, match=r"holds square pixels, but fx is .* and fy is .* \(view 1, frame 2\)"):
        written(tmp_path, Cameras(cameras.c2w, K, cameras.hw), "blender")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lens": -50}, r"cameras\[0\]\.frames\[0\]: lens -50 and sensor_width 36 must be positive millimetres"),
        ({"lens": None}, r"cameras\[0\]\.frames\[0\]\.lens: expected a number, got None"),
        ({"sensor_fit": "FILL"}, r"frames\[0\]\.sensor_fit: expected AUTO, HORIZONTAL or VERTICAL, got 'FILL'"),
        ({"frame": 1.5}, r"frames\[0\]\.frame: expected a whole number of at least 0, got 1.5"),
        ({"matrix_world": STANDING[:3]}, r"frames\[0\]\.matrix_world: expected a 4x4 matrix"),
        (
            {"matrix_world": [[2, 0, 0, 0], *STANDING[1:]]},
            r"cameras\[0\]\.frames\[0\]: the rotation of c2w is not ortho",
        ),
        ({"shift_x": float("nan")}, r"frames\[0\]\.shift_x: expected a finite number, got nan"),
    ],
)
def test_bad_frames(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"rig\.json, {message}" if message.startswith("cameras") else message):
        read_cameras(export(tmp_path, **change))


@pytest.mark.parametrize(
    ("view", "frame", "number", "message"),
    [
        (1, 2, 2, r"cameras\[1\]\.frames\[2\]: frame 2 stands there twice"),
        (1, 2, 9, r"cameras\[1\]\.frames\[2\]: frame 3 is missing between 2 and 9"),
        (1, 0, None, r"cameras\[1\]: cam02 has 2 frames from 2 to 3, but cam01 has 3 from 1 to 3; all cameras need"),
    ],
)
def test_frames_that_do_not_go_together(
    view: int, frame: int, number: int | None, message: str, tmp_path: Path
) -> None:
    path = written(tmp_path, rig(), "blender")
    content = json.loads(path.read_text())
    frames = content["cameras"][view]["frames"]
    if number is None:
        frames.pop(frame)
    else:
        frames[frame]["frame"] = number
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_cameras(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, 'is not an export of blender_script.py; expected "schema": "syncam-blender"'),
        ({"version": 2}, "has version 2, this syncam reads version 1"),
        ({"width": 0}, "width: expected a whole number of at least 1, got 0"),
        ({"cameras": []}, "cameras: expected a list of objects, got a list of 0"),
        ({"cameras": [{"name": 7, "frames": []}]}, r"cameras\[0\]\.name: expected a string, got 7"),
        ({"cameras": [{"name": "a", "frames": [7]}]}, r"cameras\[0\]\.frames\[0\]: expected an object, got 7"),
    ],
)
def test_bad_exports(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = export(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        read_cameras(path, format="blender")


def test_two_cameras_of_one_name(tmp_path: Path) -> None:
    path = written(tmp_path, rig(), "blender")
    path.write_text(path.read_text().replace("cam02", "cam01"))
    with pytest.raises(InputError, match="has more than one camera named cam01; give each a name of its own"):
        read_cameras(path)


def test_the_script_parses_and_needs_only_blender() -> None:
    tree = ast.parse(SCRIPT.read_text(), filename=str(SCRIPT))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"bpy", "json", "mathutils", "sys"}
    constants = {node.targets[0].id: ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    assert (constants["SCHEMA"], constants["VERSION"]) == (blender.SCHEMA, blender.VERSION)


def test_cameras_are_read_to_the_millionth(tmp_path: Path) -> None:
    close(read_cameras(written(tmp_path, rig(), "blender")).K, rig().K)

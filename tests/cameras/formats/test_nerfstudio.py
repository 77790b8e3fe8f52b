"""nerfstudio: its documented convention by an independent formula, its variants, and what is refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from cameras.examples import random_cameras
from cameras.formats.examples import HW, close, one_file, rig
from syncam.cameras import Cameras, read_cameras, read_named_cameras, write_cameras
from syncam.errors import InputError

POSE = [[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]


def transforms(folder: Path, *frames: dict[str, Any], **header: Any) -> Path:
    path = folder / "transforms.json"
    path.write_text(json.dumps(header | {"frames": [{"transform_matrix": POSE} | frame for frame in frames]}))
    return path


def test_the_documented_convention(tmp_path: Path) -> None:
    """docs.nerf.studio: +x right, +y up, +z back; a pixel's ray is ((u - cx) / fl_x, -(v - cy) / fl_y, -1), by c2w.

    Every pixel of a random camera must show the point that nerfstudio's ray of that pixel passes through.
    """
    cameras = random_cameras(1, 3)
    path = tmp_path / "transforms.json"
    write_cameras(path, cameras)
    content = json.loads(path.read_text())
    for frame, row in enumerate(content["frames"]):
        lens = content | row
        u, v, depth = 13.5, 40.25, 3.0
        ray = [(u - lens["cx"]) / lens["fl_x"], -(v - lens["cy"]) / lens["fl_y"], -1.0]
        m = row["transform_matrix"]
        point = [sum(m[i][j] * ray[j] * depth for j in range(3)) + m[i][3] for i in range(3)]
        pixels, depths = cameras.frames(frame).project(torch.tensor([point], dtype=torch.float64))
        close(pixels.flatten(), torch.tensor([u, v], dtype=torch.float64))
        close(depths.flatten(), torch.tensor([depth], dtype=torch.float64))
    assert [frame["file_path"] for frame in content["frames"]][0] == "images/transforms/frame_00001.png"
    assert (content["w"], content["h"], content["camera_model"]) == (80, 48, "OPENCV")


def test_a_lens_for_all_frames_stands_once(tmp_path: Path) -> None:
    content = json.loads(one_file(tmp_path, "nerfstudio").read_text())
    assert "fl_x" in content and "fl_x" not in content["frames"][0]


def test_the_angle_of_the_original_nerf(tmp_path: Path) -> None:
    path = transforms(tmp_path, {}, camera_angle_x=math.radians(90))
    cameras = read_cameras(path, hw=HW)
    assert cameras.K[0, 0].tolist() == [[pytest.approx(40.0), 0, 40], [0, pytest.approx(40.0), 24], [0, 0, 1]]
    assert cameras.c2w[0, 0, :3, 2].tolist() == [0, 0, -1] and cameras.positions.flatten().tolist() == [0, 0, 4]
    with pytest.raises(InputError, match="does not say how large the pictures are"):
        read_cameras(path)
    both = transforms(tmp_path, {}, camera_angle_x=1.0, camera_angle_y=math.radians(90), w=80, h=48)
    assert float(read_cameras(both).K[0, 0, 1, 1]) == pytest.approx(24)


def test_a_focal_length_goes_before_an_angle(tmp_path: Path) -> None:
    path = transforms(tmp_path, {}, camera_angle_x=1.0, fl_x=70, w=80.0, h=48.0)
    assert read_cameras(path).K[0, 0].diagonal().tolist() == [70, 70, 1]


def test_without_any_lens(tmp_path: Path) -> None:
    path = transforms(tmp_path, {}, w=80, h=48)
    close(read_cameras(path, focal_mm=24.0).K, rig(1, 1).K)
    with pytest.raises(InputError, match="does not say which lens its cameras have"):
        read_cameras(path)


def test_frames_go_by_the_numbers_of_their_files(tmp_path: Path) -> None:
    """Every second frame, out of order, as programs leave them."""
    poses = [[*POSE[:2], [0, 0, 1, z], POSE[3]] for z in (5, 1, 3)]
    names = ["a/f_10.png", "a/f_2.png", "a/f_6.png"]
    frames = [{"file_path": name, "transform_matrix": pose} for name, pose in zip(names, poses, strict=True)]
    cameras = read_cameras(transforms(tmp_path, *frames, fl_x=70, w=80, h=48))
    assert cameras.positions[0, :, 2].tolist() == [1, 3, 5]


def test_names_without_numbers_are_sorted(tmp_path: Path) -> None:
    frames = [{"file_path": f"./{name}.png", "fl_x": fl} for name, fl in (("b", 2), ("a", 1))]
    assert read_cameras(transforms(tmp_path, *frames, w=8, h=8)).K[0, :, 0, 0].tolist() == [1, 2]
    again = [{"file_path": "a.png"}, {"file_path": "a.png"}]
    with pytest.raises(InputError, match=r"frames\[1\]\.file_path: 'a\.png' stands there twice"):
        read_cameras(transforms(tmp_path, *again, fl_x=7, w=8, h=8))


@pytest.mark.parametrize(
    ("header", "frame", "message"),
    [
        ({"k1": 0.01}, {}, r"transforms\.json\.k1: is 0.01, but only lenses without distortion are read; undistort"),
        ({}, {"p2": -0.1}, r"frames\[0\]\.p2: is -0.1, but only lenses without distortion"),
        ({"camera_model": "OPENCV_FISHEYE"}, {}, "camera_model 'OPENCV_FISHEYE' is no pinhole; expected one of OPENCV"),
        ({"is_fisheye": True}, {}, "is_fisheye is set"),
        ({"fl_x": -5.0}, {}, r"frames\[0\]: K has a focal length that is not positive"),
        ({"fl_x": "wide"}, {}, r"frames\[0\]\.fl_x: expected a number, got 'wide'"),
        ({"fl_x": True}, {}, r"frames\[0\]\.fl_x: expected a number, got True"),
        ({"fl_x": float("nan")}, {}, r"frames\[0\]\.fl_x: expected a finite number, got nan"),
        ({"fl_x": 10**400}, {}, r"frames\[0\]\.fl_x: expected a finite number, got one with 401 digits"),
        ({"w": 80.5}, {}, r"frames\[0\]\.w: expected a whole number of at least 1, got 80.5"),
        ({"fl_x": 7, "camera_angle_x": 4.0}, {}, r"camera_angle_x: is 4.0, expected radians between 0 and pi"),
        ({}, {"transform_matrix": POSE[:3]}, r"frames\[0\]\.transform_matrix: expected a 4x4 matrix as a list of rows"),
        (
            {},
            {"transform_matrix": [*POSE[:2], [0, 0, 1], POSE[3]]},
            r"frames\[0\]\.transform_matrix\[2\]: expected a row",
        ),
        (
            {},
            {"transform_matrix": [[float("nan"), 0, 0, 0], *POSE[1:]]},
            r"transform_matrix\[0\]\[0\]: expected a finite",
        ),
        ({}, {"transform_matrix": [[2, 0, 0, 0], *POSE[1:]]}, r"frames\[0\]: the rotation of c2w is not orthonormal"),
        ({}, {"transform_matrix": [[-1, 0, 0, 0], *POSE[1:]]}, r"frames\[0\]: c2w is left-handed"),
        ({}, {"file_path": 7}, r"frames\[0\]\.file_path: expected a string, got 7"),
    ],
)
def test_refused(header: dict[str, Any], frame: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = transforms(tmp_path, frame, **({"fl_x": 70, "w": 80, "h": 48} | header))
    with pytest.raises(InputError, match=message):
        read_cameras(path)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([{"file_path": "f_1"}, {"file_path": "f_1"}], r"frames\[1\]\.file_path: frame 1 stands there twice"),
        (
            [{"file_path": f"f_{number}"} for number in (1, 2, 4)],
            r"frames\[2\]\.file_path: frame 3 is missing between 2 and 4",
        ),
        ([{"w": 80}, {"w": 81}], r"has pictures of different sizes \(h, w\)"),
        ([{"fl_x": 70}, {}], r"frames\[1\]: has no fl_x or camera_angle_x; others have"),
        ([], "frames: expected a list of objects, got a list of 0"),
    ],
)
def test_frames_that_do_not_go_together(frames: list, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_cameras(transforms(tmp_path, *frames, w=80, h=48), format="nerfstudio")


def test_half_a_size_and_half_a_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"frames\[0\]: has only one of w and h; give both or none"):
        read_cameras(transforms(tmp_path, {}, fl_x=7, w=80))
    path = transforms(tmp_path, {}, fl_x=7, w=80, h=48)
    path.write_text(path.read_text()[:-20])
    with pytest.raises(InputError, match=r"transforms\.json is not JSON: .*line 1 column"):
        read_cameras(path)


def test_keys_that_stand_twice_lose_nothing(tmp_path: Path) -> None:
    path = transforms(tmp_path, {}, fl_x=7, w=80, h=48)
    path.write_text(path.read_text().replace('"w": 80', '"w": 80, "w": 90'))
    with pytest.raises(InputError, match="is not JSON: the key 'w' stands there twice"):
        read_cameras(path)


def test_too_deep_and_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "transforms.json"
    path.write_text("[" * 200_000)
    with pytest.raises(InputError, match="its brackets are nested too deeply"):
        read_cameras(path)
    monkeypatch.setattr("syncam.cameras.formats.source.MAX_BYTES", 1000)
    with pytest.raises(InputError, match="is 200000 bytes long; camera files of up to 1000 bytes are read"):
        read_cameras(path)


def test_a_folder_is_a_view_per_file(tmp_path: Path) -> None:
    cameras: Cameras = rig(2)
    write_cameras(tmp_path / "rig", cameras, format="nerfstudio")
    assert sorted(path.name for path in (tmp_path / "rig").iterdir()) == ["cam01.json", "cam02.json"]
    assert read_named_cameras(tmp_path / "rig").names == ("cam01", "cam02")

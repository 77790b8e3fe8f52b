"""Formats are found out by content, then by name; where that leaves a choice, the candidates are named."""

import json
from pathlib import Path

import pytest

from cameras.formats.examples import rig, written
from syncam.cameras import detect_format, read_cameras, write_cameras
from syncam.errors import InputError

ROWS = {3: "10 20 4\n", 8: "0 1 2 3 0 0 0 1\n", 19: f"0 {'1 ' * 4}0 0 1 0 0 0 0 1 0 0 0 0 1 0\n"}


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (ROWS[3], "spherical"),
        ("# theta phi r\n\n" + ROWS[3], "spherical"),
        (ROWS[8], "tum"),
        (ROWS[19], "realestate10k"),
        ("https://www.example.org/watch?v=1\n" + ROWS[19], "realestate10k"),
        (json.dumps({"camera_angle_x": 0.7, "frames": [{"transform_matrix": []}]}), "nerfstudio"),
        (json.dumps({"C_01_18mm": "[1 0 0] [0 1 0] [0 0 1] [0 0 0]"}), "syncamvideo"),
        ("\n " + json.dumps({"frame0": {}}), "syncamvideo"),
        ("frame, view, c2w_00\n", "csv"),
    ],
)
def test_content_decides(content: str, format: str, tmp_path: Path) -> None:
    path = tmp_path / "anything"
    path.write_text(content)
    assert detect_format(path) == format


@pytest.mark.parametrize(
    "content", ["", "hello\n", "1 2 3 4 5\n", "[1, 2]", "{}", json.dumps({"frames": [{}]}), "PK\x03\x04", "a,b\n1,2\n"]
)
def test_unknown_content(content: str, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=r"file\.txt is no camera file that is known; the formats are syncam, sync"):
        detect_format(path)


def test_two_formats_in_one_file(tmp_path: Path) -> None:
    content = json.dumps({"frame0": {}, "frames": [{"transform_matrix": []}]})
    (tmp_path / "both.json").write_text(content)
    with pytest.raises(InputError, match="could be nerfstudio or syncamvideo; say which with format="):
        detect_format(tmp_path / "both.json")
    (tmp_path / "transforms.json").write_text(content)
    assert detect_format(tmp_path / "transforms.json") == "nerfstudio"


def test_two_formats_in_one_folder(tmp_path: Path) -> None:
    (tmp_path / "cam01.txt").write_text(ROWS[8])
    (tmp_path / "cam02.txt").write_text(ROWS[3])
    with pytest.raises(InputError, match="could be spherical or tum; say which with format="):
        detect_format(tmp_path)


def test_a_model_beside_transforms(tmp_path: Path) -> None:
    folder = written(tmp_path, rig(), "colmap")
    write_cameras(folder / "transforms.json", rig(1))
    with pytest.raises(InputError, match="could be colmap or nerfstudio; say which"):
        read_cameras(folder)
    assert read_cameras(folder, format="colmap").num_views == 2


def test_folders_of_files_that_hold_all_views(tmp_path: Path) -> None:
    write_cameras(tmp_path / "rig.json", rig())
    with pytest.raises(InputError, match=r"rig\.json is a syncam file, which holds all views; give the file"):
        detect_format(tmp_path)
    with pytest.raises(InputError, match="is a folder; syncam is one file with all views"):
        read_cameras(tmp_path, format="syncam")


def test_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no camera file that is known"):
        detect_format(tmp_path)
    with pytest.raises(InputError, match=r"has no files that end in \.tum or \.txt; expected one per view"):
        read_cameras(tmp_path, format="tum", hw=(48, 80), focal_mm=24.0)
    with pytest.raises(InputError, match="is no COLMAP model; expected a folder with cameras and images"):
        read_cameras(tmp_path, format="colmap")


def test_a_file_is_no_model_folder(tmp_path: Path) -> None:
    write_cameras(tmp_path / "rig.json", rig())
    with pytest.raises(InputError, match=r"rig\.json is a file; colmap is a folder with cameras and images"):
        read_cameras(tmp_path / "rig.json", format="colmap")


@pytest.mark.parametrize("read", [detect_format, read_cameras])
def test_nothing_there(read, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"camera file .*none\.txt does not exist"):
        read(tmp_path / "none.txt")


def test_unknown_names_of_formats(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="unknown camera format 'fbx'; the formats are syncam, syncamvideo, realestate"
    ):
        write_cameras(tmp_path / "rig", rig(), format="fbx")
    write_cameras(tmp_path / "rig.json", rig())
    with pytest.raises(InputError, match="unknown camera format 'fbx'"):
        read_cameras(tmp_path / "rig.json", format="fbx")


def test_binary_gltf_is_named(tmp_path: Path) -> None:
    (tmp_path / "scene.glb").write_bytes(b"glTF\x02\0\0\0")
    with pytest.raises(InputError, match=r"is binary glTF; export it as glTF Embedded"):
        detect_format(tmp_path / "scene.glb")


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("rig.json", "syncam"),
        ("camera_extrinsics.json", "syncamvideo"),
        ("transforms.json", "nerfstudio"),
        ("rig.blender.json", "blender"),
        ("rig.gltf", "gltf"),
        ("rig.npz", "npz"),
        ("rig.csv", "csv"),
        ("rig.tum", "tum"),
        ("rig.sph", "spherical"),
    ],
)
def test_written_by_suffix(name: str, format: str, tmp_path: Path) -> None:
    write_cameras(tmp_path / name, rig(1))
    assert detect_format(tmp_path / name) == format


def test_suffixes_that_leave_a_choice(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"rig\.txt could be realestate10k or tum or spherical; say which with format="
    ):
        write_cameras(tmp_path / "rig.txt", rig(1))
    with pytest.raises(InputError, match="rig does not end like a camera file; say with format= which of syncam,"):
        write_cameras(tmp_path / "rig", rig(1))

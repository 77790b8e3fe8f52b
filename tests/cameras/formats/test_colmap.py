"""colmap: compared with pycolmap's own objects in both directions, and bad models with file and place."""

import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from cameras.examples import random_cameras
from cameras.formats.examples import close, edit, rig, written
from syncam.cameras import read_cameras, read_named_cameras
from syncam.errors import InputError


@pytest.fixture(scope="module")
def pycolmap() -> ModuleType:
    return pytest.importorskip("pycolmap", reason="pycolmap is part of syncam[dev]")


def model(pycolmap: ModuleType, folder: Path, *, text: bool, camera: str = "PINHOLE", params: tuple = (60, 61, 41, 23)):
    """A model of two views and three frames that pycolmap made and wrote; images are added out of order."""
    cameras = random_cameras(2, 3)
    reconstruction = pycolmap.Reconstruction()
    lens = pycolmap.Camera(model=camera, width=80, height=48, params=list(params), camera_id=7)
    reconstruction.add_camera_with_trivial_rig(lens)
    for number, (view, frame) in enumerate(np.ndindex(2, 3)):
        view, frame = 1 - view, 2 - frame
        w2c = cameras.w2c[view, frame].numpy()
        name = f"cam{view + 1:02d}/frame_{frame:03d}.jpg"
        image = pycolmap.Image(name=name, camera_id=7, image_id=number + 1)
        pose = pycolmap.Rigid3d(pycolmap.Rotation3d(w2c[:3, :3]), w2c[:3, 3])
        image.points2D = pycolmap.Point2DList([pycolmap.Point2D(np.array([1.5, 2.5]))] * number)
        reconstruction.add_image_with_trivial_frame(image, pose)
    folder.mkdir()
    (reconstruction.write_text if text else reconstruction.write_binary)(str(folder))
    return cameras


@pytest.mark.parametrize("text", [True, False])
def test_what_pycolmap_writes_is_read(text: bool, pycolmap: ModuleType, tmp_path: Path) -> None:
    cameras = model(pycolmap, tmp_path / "0", text=text)
    named = read_named_cameras(tmp_path / "0")
    close(named.cameras.c2w, cameras.c2w)
    assert named.names == ("cam01", "cam02") and named.cameras.hw == (48, 80)
    assert named.cameras.K[1, 2].tolist() == [[60, 0, 41], [0, 61, 23], [0, 0, 1]]


@pytest.mark.parametrize("text", [True, False])
def test_simple_pinhole(text: bool, pycolmap: ModuleType, tmp_path: Path) -> None:
    model(pycolmap, tmp_path / "0", text=text, camera="SIMPLE_PINHOLE", params=(60, 41, 23))
    assert read_cameras(tmp_path / "0").K[0, 0].tolist() == [[60, 0, 41], [0, 60, 23], [0, 0, 1]]


@pytest.mark.parametrize("text", [True, False])
def test_lenses_with_distortion(text: bool, pycolmap: ModuleType, tmp_path: Path) -> None:
    model(pycolmap, tmp_path / "0", text=text, camera="OPENCV", params=(60, 61, 41, 23, 0.1, 0, 0, 0))
    with pytest.raises(
        InputError, match=r"cameras\.\w+, (line|camera) .*: camera model OPENCV has distortion; expected"
    ):
        read_cameras(tmp_path / "0")


@pytest.mark.parametrize("zooms", [True, False])
def test_pycolmap_reads_what_is_written(zooms: bool, pycolmap: ModuleType, tmp_path: Path) -> None:
    cameras = random_cameras(2, 3) if zooms else rig(2, 3)
    reconstruction = pycolmap.Reconstruction(str(written(tmp_path, cameras, "colmap")))
    assert reconstruction.num_images() == 6 and reconstruction.num_cameras() == (6 if zooms else 2)
    for image in reconstruction.images.values():
        view, frame = int(image.name[3:5]) - 1, int(image.name[6:11])
        close(torch.from_numpy(image.cam_from_world().matrix()), cameras.w2c[view, frame, :3])
        close(torch.from_numpy(image.camera.calibration_matrix()), cameras.K[view, frame])
        assert (image.camera.height, image.camera.width) == cameras.hw
        centre = torch.from_numpy(image.projection_center())
        close(centre, cameras.positions[view, frame])


def test_a_point_falls_on_the_pixel_that_pycolmap_says(pycolmap: ModuleType, tmp_path: Path) -> None:
    cameras = rig(1, 1)
    reconstruction = pycolmap.Reconstruction(str(written(tmp_path, cameras, "colmap")))
    [image] = reconstruction.images.values()
    point = torch.tensor([[0.3, -0.2, 1.1]], dtype=torch.float64)
    pixels, _ = cameras.project(point)
    close(torch.from_numpy(image.project_point(point[0].numpy())), pixels[0, 0, 0])


IMAGE = "1 1 0 0 0 0 0 4 1 cam01/0.png\n\n"


def text_model(folder: Path, images: str = IMAGE, cameras: str = "1 PINHOLE 80 48 60 60 40 24\n") -> Path:
    (folder / "cameras.txt").write_text("# a comment\n" + cameras)
    (folder / "images.txt").write_text("# a comment\n" + images)
    return folder


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("", "holds no images"),
        ("1 1 0 0 0 0 0 4\n", r"images\.txt, line 2: list index out of range; expected IMAGE_ID QW QX"),
        (IMAGE.replace("4", "x"), r"images\.txt, line 2: could not convert string to float: 'x'; expected IMAGE_ID"),
        (IMAGE.replace("4", "nan"), r"images\.txt, line 2: c2w has NaN"),
        (
            IMAGE.replace("1 1 0", "1 nan 0"),
            r"images\.txt, line 2: the rotation is not a unit quaternion; its length is nan",
        ),
        (
            IMAGE.replace("1 1 0", "1 2 0"),
            r"images\.txt, line 2: the rotation is not a unit quaternion; its length is 2",
        ),
        (IMAGE.replace("4 1 ", "4 9 "), r"images\.txt, line 2: cam01/0\.png has camera 9, which the model lacks"),
        (IMAGE + IMAGE, r"images\.txt, line 4: image cam01/0\.png stands there twice"),
        (IMAGE + IMAGE.replace("0.png", "00.png"), r"images\.txt, line 4: frame 0 stands there twice"),
        (
            "".join(IMAGE.replace("0.png", f"{number}.png") for number in (0, 1, 3)),
            r"images\.txt, line 6: frame 2 is missing between 1 and 3",
        ),
        (
            IMAGE + IMAGE.replace("0.png", "1.png") + IMAGE.replace("cam01", "cam02"),
            "view cam02 has 1 images, the first has 2",
        ),
    ],
)
def test_bad_images(images: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_cameras(text_model(tmp_path, images))


@pytest.mark.parametrize(
    ("cameras", "message"),
    [
        (
            "1 PINHOLE 80 48 60 60 40\n",
            r"cameras\.txt, line 2: expected a width, a height and 4 numbers for PINHOLE, got",
        ),
        ("1 PINHOLE 80\n", r"cameras\.txt, line 2: list index out of range; expected CAMERA_ID MODEL WIDTH"),
        ("1 PINHOLE 0 48 60 60 40 24\n", r"cameras\.txt, line 2: expected a width"),
        ("1 PINHOLE 80 48 -60 60 40 24\n", r"images\.txt, line 2: K has a focal length that is not positive"),
        ("1 FISHEYE 80 48 60\n", r"cameras\.txt, line 2: camera model FISHEYE has distortion"),
        ("1 PINHOLE 80 48 60 60 40 24\n" * 2, r"cameras\.txt, line 3: camera 1 stands there twice"),
    ],
)
def test_bad_cameras(cameras: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_cameras(text_model(tmp_path, cameras=cameras))


def test_pictures_of_two_sizes(tmp_path: Path) -> None:
    cameras = "1 PINHOLE 80 48 60 60 40 24\n2 PINHOLE 81 48 60 60 40 24\n"
    images = IMAGE + IMAGE.replace("0.png", "1.png").replace("4 1 ", "4 2 ")
    with pytest.raises(InputError, match=r"different sizes \(h, w\): \[\(48, 80\), \(48, 81\)\]; expected one size"):
        read_cameras(text_model(tmp_path, images, cameras))


def test_images_that_lie_in_no_folder_are_one_view(tmp_path: Path) -> None:
    images = "".join(IMAGE.replace("cam01/0.png", name) for name in ("b.png", "a 1.png", "a.png"))
    named = read_named_cameras(text_model(tmp_path, images))
    assert named.names == (tmp_path.name,) and named.cameras.num_frames == 3


def binary_model(folder: Path) -> Path:
    camera = struct.pack("<IiQQ4d", 1, 1, 80, 48, 60, 60, 40, 24)
    image = struct.pack("<I7dI", 1, 1, 0, 0, 0, 0, 0, 4, 1) + b"cam01/0.png\0" + struct.pack("<Qddq", 1, 1.5, 2.5, -1)
    (folder / "cameras.bin").write_bytes(struct.pack("<Q", 1) + camera)
    (folder / "images.bin").write_bytes(struct.pack("<Q", 1) + image)
    return folder


def test_binary_by_hand(tmp_path: Path) -> None:
    assert read_cameras(binary_model(tmp_path)).positions.tolist() == [[[0, 0, -4]]]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("cameras", lambda data: data[:-1], r"cameras\.bin, camera 1 \(byte 8\): the file ends inside this record"),
        ("images", lambda data: data[:-1], r"images\.bin, image 1 \(byte 8\): the file ends inside this record"),
        ("images", lambda data: data[:75], r"images\.bin says that it has 1 records but is too short for them"),
        ("images", lambda data: data[:90], r"images\.bin, image 1 \(byte 8\): the file ends inside this record"),
        ("images", lambda data: data[:4], r"images\.bin, byte 0: the file ends inside this record; it was cut off"),
        ("images", lambda data: data + b"x", r"images\.bin goes on behind its last record \(byte 116\); it is damaged"),
        (
            "images",
            lambda data: b"\xff" * 8 + data[8:],
            r"images\.bin says that it has 18446744073709551615 records; up to",
        ),
        (
            "images",
            lambda data: data.replace(b"cam", b"\xff\xfe\xfd"),
            r"image 1 \(byte 8\): its name is not UTF-8 text",
        ),
        ("images", lambda data: data[:83], r"image 1 \(byte 8\): its name does not end"),
        (
            "cameras",
            lambda data: data.replace(b"\1\0\0\0\1", b"\1\0\0\0\4"),
            r"camera 1 \(byte 8\): camera model OPENCV has",
        ),
        (
            "cameras",
            lambda data: data.replace(b"\1\0\0\0\1", b"\1\0\0\0\x63"),
            r"camera model number 99 has distortion",
        ),
    ],
)
def test_bad_binary_models(name: str, change: Callable[[bytes], bytes], message: str, tmp_path: Path) -> None:
    path = binary_model(tmp_path) / f"{name}.bin"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        read_cameras(tmp_path)


def test_too_many_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncam.cameras.formats.colmap_text.MAX_POSES", 2)
    with pytest.raises(InputError, match="line 6: has more than 2 images; cut it into smaller models"):
        read_cameras(edit(written(tmp_path, rig(1, 3), "colmap") / "images.txt", "#", "#").parent)

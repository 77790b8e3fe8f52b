"""The binary files of COLMAP's models, record by record and bounded in memory."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from syncam.cameras.formats.colmap_text import Camera, Image, pinhole
from syncam.cameras.formats.source import MAX_POSES
from syncam.errors import InputError

__all__ = ["binary_cameras", "binary_images"]

MODELS = [
    "SIMPLE_PINHOLE",
    "PINHOLE",
    "SIMPLE_RADIAL",
    "RADIAL",
    "OPENCV",
    "OPENCV_FISHEYE",
    "FULL_OPENCV",
    "FOV",
    "SIMPLE_RADIAL_FISHEYE",
    "RADIAL_FISHEYE",
    "THIN_PRISM_FISHEYE",
]
"""COLMAP's names of camera models, by number."""
PARAMS = {0: 3, 1: 4}
MAX_NAME = 4096
POINT_BYTES = 24


def binary_cameras(path: Path) -> dict[int, Camera]:
    """The cameras of cameras.bin by their numbers."""
    cameras: dict[int, Camera] = {}
    with path.open("rb") as file:
        for index in range(_count(file, path, 48)):
            place = f"{path}, camera {index + 1} (byte {file.tell()})"
            number, model, width, height = _unpack(file, "<IiQQ", place)
            name = MODELS[model] if 0 <= model < len(MODELS) else f"number {model}"
            numbers = list(_unpack(file, f"<{PARAMS.get(model, 0)}d", place))
            if number in cameras:
                raise InputError(f"{place}: camera {number} stands there twice")
            cameras[number] = pinhole(place, name, width, height, numbers)
        _refuse_rest(file, path)
    return cameras


def binary_images(path: Path) -> Iterator[Image]:
    """The images of images.bin; their points are skipped."""
    names: set[str] = set()
    length = path.stat().st_size
    with path.open("rb") as file:
        for index in range(_count(file, path, 73)):
            place = f"{path}, image {index + 1} (byte {file.tell()})"
            _, *w2c, camera = _unpack(file, "<I7dI", place)
            name = _name(file, place)
            [points] = _unpack(file, "<Q", place)
            if file.tell() + points * POINT_BYTES > length:
                raise InputError(f"{place}: the file ends inside this record; it was cut off")
            file.seek(points * POINT_BYTES, 1)
            if name in names:
                raise InputError(f"{place}: image {name} stands there twice")
            names.add(name)
            yield Image(name, tuple(w2c), camera, place)
        _refuse_rest(file, path)


def _count(file: BinaryIO, path: Path, smallest: int) -> int:
    """The number of records, if so many of the smallest length fit into the file."""
    [count] = _unpack(file, "<Q", f"{path}, byte 0")
    if count > MAX_POSES:
        raise InputError(f"{path} says that it has {count} records; up to {MAX_POSES} are read")
    if file.tell() + count * smallest > path.stat().st_size:
        raise InputError(f"{path} says that it has {count} records but is too short for them; it was cut off")
    return count


def _unpack(file: BinaryIO, layout: str, place: str) -> tuple:
    size = struct.calcsize(layout)
    data = file.read(size)
    if len(data) < size:
        raise InputError(f"{place}: the file ends inside this record; it was cut off")
    return struct.unpack(layout, data)


def _name(file: BinaryIO, place: str) -> str:
    """A name that ends in a zero byte."""
    name = bytearray()
    while (byte := file.read(1)) != b"\0":
        name += byte
        if not byte or len(name) > MAX_NAME:
            raise InputError(f"{place}: its name does not end; the file was cut off or is no images.bin")
    try:
        return name.decode()
    except UnicodeDecodeError as err:
        raise InputError(f"{place}: its name is not UTF-8 text (byte {err.start})") from err


def _refuse_rest(file: BinaryIO, path: Path) -> None:
    if file.read(1):
        raise InputError(f"{path} goes on behind its last record (byte {file.tell() - 1}); it is damaged")

"""The text files of COLMAP's models, line by line, and what one record of a model is."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from syncam.cameras.formats.source import MAX_POSES, text_lines
from syncam.errors import InputError

__all__ = ["Camera", "Image", "pinhole", "text_cameras", "text_images"]


@dataclass(frozen=True)
class Camera:
    """A lens of a model: its picture size and fx, fy, cx, cy."""

    hw: tuple[int, int]
    lens: tuple[float, float, float, float]


@dataclass(frozen=True)
class Image:
    """A pose of a model: qw qx qy qz tx ty tz of w2c, and where it stands in the file."""

    name: str
    w2c: tuple[float, ...]
    camera: int
    place: str


def pinhole(place: str, model: str, width: int, height: int, numbers: list[float]) -> Camera:
    """A camera of a file; InputError for models with distortion and for another count of numbers than the model's."""
    counts = {"SIMPLE_PINHOLE": 3, "PINHOLE": 4}
    if model not in counts:
        raise InputError(
            f"{place}: camera model {model} has distortion; expected SIMPLE_PINHOLE or PINHOLE: undistort the "
            "pictures first (colmap image_undistorter)"
        )
    if len(numbers) != counts[model] or width < 1 or height < 1:
        raise InputError(
            f"{place}: expected a width, a height and {counts[model]} numbers for {model}, "
            f"got {width}, {height} and {len(numbers)}"
        )
    fx, fy, cx, cy = numbers if model == "PINHOLE" else (numbers[0], *numbers)
    return Camera((height, width), (fx, fy, cx, cy))


def text_cameras(path: Path) -> dict[int, Camera]:
    cameras: dict[int, Camera] = {}
    for line, text in text_lines(path):
        if not text or text.startswith("#"):
            continue
        place = f"{path}, line {line}"
        words = text.split()
        try:
            number, model, width, height = int(words[0]), words[1], int(words[2]), int(words[3])
            numbers = list(map(float, words[4:]))
        except (IndexError, ValueError) as err:
            raise InputError(f"{place}: {err}; expected CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]") from err
        if number in cameras:
            raise InputError(f"{place}: camera {number} stands there twice")
        cameras[number] = pinhole(place, model, width, height, numbers)
    return cameras


def text_images(path: Path) -> Iterator[Image]:
    """Two lines per image: the pose, and its points, which may be none and are not read."""
    names: set[str] = set()
    points = False
    for line, text in text_lines(path):
        if points:
            points = False
            continue
        if not text or text.startswith("#"):
            continue
        place = f"{path}, line {line}"
        words = text.split(maxsplit=9)
        try:
            int(words[0])
            w2c, camera, name = tuple(map(float, words[1:8])), int(words[8]), words[9]
        except (IndexError, ValueError) as err:
            raise InputError(f"{place}: {err}; expected IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME") from err
        if name in names:
            raise InputError(f"{place}: image {name} stands there twice")
        if len(names) == MAX_POSES:
            raise InputError(f"{place}: has more than {MAX_POSES} images; cut it into smaller models")
        names.add(name)
        points = True
        yield Image(name, w2c, camera, place)

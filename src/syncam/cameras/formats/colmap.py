"""colmap: model folders of COLMAP, as text or binary: cameras and images, with or without points.

COLMAP's poses are w2c with OpenCV camera axes, its pixel centres lie at +0.5 like ours, and its world is kept as it
is: a reconstruction has no known up axis and no metric scale. Of an image's name the folder is the view and the last
number is the frame: cam01/00012.png. SIMPLE_PINHOLE and PINHOLE cameras are read; others have distortion and are
refused.

The files are read here and not by pycolmap, which takes a binary file that was cut off for a whole one with wrong
numbers and does not say where a file is wrong.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import invert_rigid
from syncam.cameras.formats.colmap_binary import binary_cameras, binary_images
from syncam.cameras.formats.colmap_text import Image, text_cameras, text_images
from syncam.cameras.formats.named import NamedCameras, named_cameras, pinhole_K, pinhole_numbers
from syncam.cameras.formats.sequence import frame_order, in_view_order, last_number, natural
from syncam.cameras.quaternions import quaternion_from_rotation, rotation_from_quaternion, unit_quaternions
from syncam.errors import InputError
from syncam.files import atomic_dir, write_text

__all__ = ["read_colmap", "write_colmap"]


def read_colmap(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """All views of a model folder. Where it has both, the text files are read."""
    if (path / "cameras.txt").is_file() and (path / "images.txt").is_file():
        lenses, images = text_cameras(path / "cameras.txt"), list(text_images(path / "images.txt"))
    elif (path / "cameras.bin").is_file() and (path / "images.bin").is_file():
        lenses, images = binary_cameras(path / "cameras.bin"), list(binary_images(path / "images.bin"))
    else:
        raise InputError(f"{path} is no COLMAP model; expected a folder with cameras and images, .txt or .bin")
    if not images:
        raise InputError(f"{path} holds no images; expected the poses of a reconstruction")
    views: dict[str, list[Image]] = {}
    for image in images:
        if image.camera not in lenses:
            raise InputError(f"{image.place}: {image.name} has camera {image.camera}, which the model lacks")
        views.setdefault(image.name.rpartition("/")[0], []).append(image)
    names = in_view_order(views)
    ordered = [_in_order(path, views[view]) for view in names]
    for name, images in zip(names, ordered, strict=True):
        if len(images) != len(ordered[0]):
            raise InputError(f"{path}: view {name} has {len(images)} images, the first has {len(ordered[0])}")
    sizes = {lenses[image.camera].hw for images in ordered for image in images}
    if len(sizes) > 1:
        raise InputError(f"{path} has pictures of different sizes (h, w): {sorted(sizes)}; expected one size")
    numbers = torch.tensor([[image.w2c for image in images] for images in ordered], dtype=torch.float64)
    w2c = torch.eye(4, dtype=torch.float64).repeat(*numbers.shape[:2], 1, 1)
    places = [image.place for images in ordered for image in images]
    quaternions = unit_quaternions(numbers[..., [1, 2, 3, 0]].flatten(0, 1), places.__getitem__)
    w2c[..., :3, :3] = rotation_from_quaternion(quaternions).view(*numbers.shape[:2], 3, 3)
    w2c[..., :3, 3] = numbers[..., 4:]
    numbers_of_lenses = [[lenses[image.camera].lens for image in images] for images in ordered]
    return named_cameras(
        path,
        [name or path.name for name in names],
        invert_rigid(w2c),
        pinhole_K(torch.tensor(numbers_of_lenses, dtype=torch.float64)),
        sizes.pop(),
        hw=hw,
        focal_mm=focal_mm,
        place=lambda view, frame: ordered[view][frame].place,
    )


def _in_order(path: Path, images: list[Image]) -> list[Image]:
    """By the last numbers of the names; by the names where they have none."""
    numbers = [last_number(image.name) for image in images]
    counted = [number for number in numbers if number is not None]
    if len(counted) == len(images):
        return [images[index] for index in frame_order(path, counted, lambda index: images[index].place)]
    return sorted(images, key=lambda image: natural(image.name))


def write_colmap(path: Path, named: NamedCameras) -> None:
    """Writes a model folder of text files without points: a PINHOLE camera per view, or per image where it zooms."""
    cameras = named.cameras
    lens = pinhole_numbers(cameras, "colmap")  # [V, F, 4]
    w2c = cameras.w2c.detach().cpu().double()
    poses = torch.cat([quaternion_from_rotation(w2c[..., :3, :3])[..., [3, 0, 1, 2]], w2c[..., :3, 3]], -1)
    lenses: list[str] = []
    images: list[str] = []
    for view in range(cameras.num_views):
        zooms = bool((lens[view] != lens[view, :1]).any())
        for frame in range(cameras.num_frames):
            if zooms or frame == 0:
                lenses.append(f"PINHOLE {cameras.hw[1]} {cameras.hw[0]} {_words(lens[view, frame])}")
            name = f"{named.names[view]}/{frame:05d}.png"
            images.append(f"{len(images) + 1} {_words(poses[view, frame])} {len(lenses)} {name}\n\n")
    with atomic_dir(path) as folder:
        rows = "".join(f"{number} {text}\n" for number, text in enumerate(lenses, 1))
        write_text(folder / "cameras.txt", "# CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]\n" + rows)
        write_text(
            folder / "images.txt",
            "# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of points\n" + "".join(images),
        )
        write_text(folder / "points3D.txt", "# POINT3D_ID X Y Z R G B ERROR TRACK[]\n")


def _words(numbers: Float[Tensor, "N"]) -> str:
    return " ".join(map(repr, numbers.tolist()))

"""DL3DV-10K: a folder per scene with transforms.json in nerfstudio's form and its pictures.

<root>/1K/<scene>/{transforms.json, images_4/frame_00001.png, ...}, <root>/<scene>/..., or <scene>/nerfstudio/... as in
the benchmark. images_4, images_8 and images_2 hold the pictures at that fraction of the size that the JSON states.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats.nerfstudio import Transforms, read_transforms
from syncam.data.footage import Footage, Pictures, pictures_in
from syncam.data.scene import Scene, read_caption, subfolders
from syncam.data.undistort import undistort
from syncam.errors import InputError

__all__ = ["DL3DVScene", "find_dl3dv"]

IMAGES = ("images_4", "images_8", "images_2", "images")


@dataclass(frozen=True)
class DL3DVScene(Scene):
    """A walk through a still scene, one camera whose frames have no rate: they count as one per second.

    The frames are those that have a pose, so that numbers may be missing between two of them. Pictures are undistorted
    while they are read, and the cameras are the pinholes that belong to them.
    """

    path: Path
    text: str = ""
    """What a table says of it; it counts before caption.txt."""

    @property
    def folder(self) -> Path:
        """Where transforms.json and the pictures are."""
        nested = self.path / "nerfstudio"
        return nested if nested.is_dir() else self.path

    @cached_property
    def footage(self) -> list[Footage]:
        """The pictures that have poses, of the first folder of images_4, images_8, images_2, images that there is."""
        images = next((self.folder / name for name in IMAGES if (self.folder / name).is_dir()), None)
        if images is None:
            raise InputError(f"{self.folder} has no folder of pictures; expected one of {', '.join(IMAGES)}")
        if not pictures_in(images):
            raise InputError(f"{images} holds no pictures; expected frame_00001.png, ...")
        stored = Pictures(images, pictures_in(images)).header().hw
        transforms = self._transforms(stored)
        paths = tuple(images / PurePosixPath(file).name for file in transforms.files)
        if not all(transforms.files):
            raise InputError(f"{self.folder / 'transforms.json'} has a frame without file_path; its picture is unknown")
        K = transforms.named.cameras.K[0, 0]
        prepare = partial(undistort, K=K, distortion=transforms.distortion) if any(transforms.distortion) else None
        return [Pictures(images, paths, prepare=prepare)]

    @cached_property
    def caption(self) -> str:
        """The text of the table or of caption.txt; "" where there is none."""
        return self.text or read_caption(self.path / "caption.txt")

    @cached_property
    def cameras(self) -> Cameras:
        """The camera of every frame, without distortion. Lengths are in the unit of its reconstruction."""
        return self._transforms(self.hw).named.cameras

    @property
    def camera_files(self) -> list[Path]:
        """transforms.json."""
        return [self.folder / "transforms.json"]

    def _transforms(self, hw: tuple[int, int]) -> Transforms:
        return read_transforms(self.folder / "transforms.json", hw=hw)


def find_dl3dv(root: Path, depth: int, most: int | None = None) -> Iterator[DL3DVScene]:
    """Scenes in `root` and up to `depth` folders below it, in no order."""
    for folder in subfolders(root, most):
        if _is_scene(folder):
            yield DL3DVScene(folder)
        elif depth:
            yield from find_dl3dv(folder, depth - 1, most)


def _is_scene(folder: Path) -> bool:
    places = (folder, folder / "nerfstudio")
    return any((place / name).exists() for name in ("transforms.json", *IMAGES) for place in places)

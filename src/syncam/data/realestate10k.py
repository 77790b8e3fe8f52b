"""RealEstate10K: a text file of poses for every clip, and a video or a folder of frames with the clip's name.

<root>/{train,test}/<clip>.txt, or <root>/pose_files/<clip>.txt; the pictures lie beside it, or in a folder `videos`,
`video_clips` or `frames` next to that folder: <clip>.mp4, <clip>/, <split>/<clip>.mp4, <split>/<clip>/, or
<video>/<clip>.mp4, where <video> is the id in the address in the file's first line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats import NamedCameras, detect_format, read_named_cameras
from syncam.data.footage import Footage, Pictures, VideoFile, pictures_in
from syncam.data.scene import Scene, read_caption, subfolders
from syncam.errors import InputError

__all__ = ["RealEstateScene", "find_realestate10k"]

BESIDE = ("videos", "video_clips", "frames")
MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class RealEstateScene(Scene):
    """A clip of one moving camera; `path` is its text file. Lengths are in the unit of its reconstruction."""

    path: Path
    text: str = ""
    """What a table says of it; it counts before the caption file."""

    @cached_property
    def footage(self) -> list[Footage]:
        """The video, or the pictures in the order of their names, which are numbers or times."""
        for place in self._places():
            if place.is_dir() and (pictures := pictures_in(place)):
                return [Pictures(place, pictures, self._fps_of_poses())]
            if place.suffix and place.is_file():
                return [VideoFile(place)]
        raise InputError(
            f"{self.path} has no pictures; expected {self.path.stem}.mp4 or a folder {self.path.stem} beside it, or in "
            f"{', '.join(BESIDE)} in {self.path.parent.parent}"
        )

    @cached_property
    def fps(self) -> float:
        """Frames per second by the times of the poses, which a video of chosen frames may not have kept."""
        return self._fps_of_poses()

    @cached_property
    def caption(self) -> str:
        """The text of the table, or of <clip>.caption.txt beside the poses; "" where there is none."""
        return self.text or read_caption(self.path.with_suffix(".caption.txt"))

    @cached_property
    def cameras(self) -> Cameras:
        """The camera of every frame."""
        named = self._named(self.hw)
        footage = self.footage[0]
        if isinstance(footage, Pictures):
            self._refuse_other_times(footage, named)
        return named.cameras

    @property
    def camera_files(self) -> list[Path]:
        """The text file."""
        return [self.path]

    def _named(self, hw: tuple[int, int]) -> NamedCameras:
        return read_named_cameras(self.path, format="realestate10k", hw=hw)

    def _fps_of_poses(self) -> float:
        times = self._named((1, 1)).times or ()
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 1.0

    def _refuse_other_times(self, pictures: Pictures, named: NamedCameras) -> None:
        """Pictures that are named by their times in microseconds must be those of the poses."""
        times = [str(round(time * MICROSECONDS)) for time in named.times or ()]
        stems = [path.stem for path in pictures.paths]
        if len(stems) == len(times) and set(stems) & set(times):
            for stem, time in zip(stems, times, strict=True):
                if stem != time:
                    raise InputError(f"{pictures.path} has a picture {stem} where {self.path} has the time {time}")

    def _places(self) -> Iterator[Path]:
        stem, folder = self.path.stem, self.path.parent
        bases = [folder]
        for name in BESIDE:
            bases += [folder.parent / name, folder.parent / name / folder.name]
        if found := re.search(r"(?:v=|youtu\.be/)([\w-]+)", _first_line(self.path)):
            bases.append(folder.parent / "video_clips" / found.group(1))
        for base in bases:
            yield base / stem
            yield base / f"{stem}.mp4"


def find_realestate10k(root: Path, depth: int, most: int | None = None) -> Iterator[RealEstateScene]:
    """Text files of poses in `root`, or else in the folders down to `depth` below it, in no order."""
    files = (file for file in root.iterdir() if file.suffix == ".txt" and not file.name.endswith(".caption.txt"))
    first = list(islice(files, 5))  # a licence may lie among them
    if any(_has_poses(file) for file in first):
        yield from map(RealEstateScene, chain(first, files))
    elif depth:
        for folder in subfolders(root, most):
            yield from find_realestate10k(folder, depth - 1, most)


def _has_poses(file: Path) -> bool:
    try:
        return detect_format(file) == "realestate10k"
    except InputError:
        return False


def _first_line(path: Path) -> str:
    with path.open("rb") as file:
        return file.readline(1000).decode(errors="replace")

"""What is evaluated: clips that `syncam generate` wrote, folders of videos with cameras and a prompt, or a data set."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jaxtyping import Bool
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats import read_cameras
from syncam.cameras.formats.sequence import natural
from syncam.data.dataset import read_mask
from syncam.data.footage import Footage, VideoFile
from syncam.data.scene import Scene, read_caption, subfolders
from syncam.data.sources import open_dataset
from syncam.errors import InputError

__all__ = ["CAMERA_FILES", "RunClip", "find_clips"]

CAMERA_FILES = ("cameras.json", "camera_extrinsics.json", "transforms.json", "cameras.npz", "cameras.csv")
RECORD = "run.json"
NO_VIEWS = ("grid", "source", "comparison")
"""Videos beside the views, without the suffix."""


@dataclass(frozen=True)
class RunClip(Scene):
    """A folder with a video for every view, a camera file, and the prompt in run.json or caption.txt.

    A folder masks beside them, with view01.npz for view01.mp4 as data sets have it, says where the subjects are.
    """

    path: Path

    @cached_property
    def footage(self) -> list[Footage]:
        """The video of every view, in natural order of their names."""
        return [VideoFile(path) for path in _views(self.path)]

    @cached_property
    def caption(self) -> str:
        """The prompt; "" where none is written down."""
        record = self.path / RECORD
        if not record.is_file():
            return read_caption(self.path / "caption.txt")
        try:
            prompt = json.loads(record.read_text(encoding="utf-8"))["settings"]["prompt"]
        except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as err:
            raise InputError(f"{record} is damaged; expected a JSON object with settings.prompt") from err
        return prompt if isinstance(prompt, str) else ""

    @cached_property
    def cameras(self) -> Cameras | None:
        """The requested cameras, for every frame of the videos; None without a camera file."""
        file = next((self.path / name for name in CAMERA_FILES if (self.path / name).is_file()), None)
        if file is None:
            return None
        cameras = read_cameras(file) if file.name == "cameras.json" else read_cameras(file, hw=self.hw)
        if cameras.num_views != self.num_views:
            raise InputError(
                f"{file} has {cameras.num_views} views but {self.path} {self.num_views} videos; every view needs one"
            )
        try:
            return cameras.repeat_frames(self.num_frames)
        except InputError as err:
            raise InputError(f"{file}: {err}") from err

    def read_masks(self, view: int, frames: Sequence[int] | None = None) -> Bool[Tensor, "F H W"] | None:
        """Where the subjects are in one view, in the chosen frames; None without the folder masks."""
        folder = self.path / "masks"
        return read_mask(folder / f"{self.names[view]}.npz", frames) if folder.is_dir() else None


def _views(folder: Path) -> list[Path]:
    paths = [path for path in folder.glob("[!.]*.mp4") if path.stem not in NO_VIEWS]
    return sorted(paths, key=lambda path: natural(path.name))


def _is_clip(folder: Path) -> bool:
    return bool(_views(folder)) and any((folder / name).is_file() for name in (*CAMERA_FILES, RECORD))


def _clips_in(folder: Path, depth: int = 2) -> Iterator[RunClip]:
    if _is_clip(folder):
        yield RunClip(folder)
    elif depth:
        for inner in sorted(subfolders(folder), key=lambda path: natural(path.name)):
            yield from _clips_in(inner, depth - 1)


def find_clips(path: str | Path) -> dict[str, Scene]:
    """The clips of a run by name: the folder itself, the folders in it, or the scenes of a data set.

    Where there is one clip alone its name is ".", so that two runs of one clip each are compared with each other.
    """
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"{path} is not a folder; expected what syncam generate writes, or a data set")
    found = list(_clips_in(path))
    if found:
        return {clip.path.relative_to(path).as_posix(): clip for clip in found}
    try:
        dataset = open_dataset(path)
    except InputError as err:
        raise InputError(
            f"{path} holds no clips: expected folders with an mp4 for every view and cameras.json, as syncam generate "
            f"writes them, or a data set ({err})"
        ) from err
    return {dataset.name(scene): scene for scene in dataset}

"""SynCamVideo in both releases, MultiCamVideo, and what `syncam render` writes.

Second release and MultiCamVideo:   <split>/f24_aperture5/scene1/{videos/cam01.mp4, cameras/camera_extrinsics.json}
                                    <split>/basic/{videos, cameras}
First release:                      <split>/videos/scene1/xxx.mp4 and <split>/cameras/scene1/xxx.json
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats import read_named_cameras
from syncam.cameras.formats.sequence import natural
from syncam.data.dataset import SceneFolder
from syncam.data.footage import Footage, VideoFile
from syncam.data.scene import Scene, folders_among, read_caption, subfolders
from syncam.errors import InputError

__all__ = ["FirstReleaseScene", "PublishedScene", "find_first_release", "find_scene_folders"]


@dataclass(frozen=True)
class PublishedScene(SceneFolder):
    """A scene folder whose caption may be missing, as those of the published sets all are."""

    text: str = ""
    """What a table says of it; it counts before caption.txt."""

    @cached_property
    def caption(self) -> str:
        """The text of the table or of caption.txt; "" where there is none."""
        return self.text or read_caption(self.path / "caption.txt")


@dataclass(frozen=True)
class FirstReleaseScene(Scene):
    """A scene of the first release: `path` is videos/sceneN, its still cameras are in one file in cameras/sceneN."""

    path: Path
    text: str = ""
    """What a table says of it; it counts before caption.txt."""

    @cached_property
    def footage(self) -> list[Footage]:
        """The video of every view."""
        paths = sorted(self.path.glob("[!.]*.mp4"), key=lambda path: natural(path.name))
        if not paths:
            raise InputError(f"{self.path} holds no mp4 files; expected one for each camera")
        return [VideoFile(path) for path in paths]

    @cached_property
    def caption(self) -> str:
        """The text of the table, or of caption.txt beside the videos; "" where there is none."""
        return self.text or read_caption(self.path / "caption.txt")

    @cached_property
    def cameras(self) -> Cameras:
        """The cameras, found by the names of the videos: C_01.mp4 is seen by camera C_01, or else by C_01_18mm."""
        files = self.camera_files
        if len(files) != 1:
            folder = self.path.parent.parent / "cameras" / self.path.name
            raise InputError(f"{folder} holds {len(files)} JSON files; expected one with the cameras of the scene")
        named = read_named_cameras(files[0], format="syncamvideo", hw=self.hw)
        chosen = [self._camera(name, named.names, files[0]) for name in self.names]
        cameras = named.cameras.view(chosen)
        return cameras.repeat_frames(self.num_frames) if cameras.num_frames == 1 else cameras

    @property
    def camera_files(self) -> list[Path]:
        """The JSON files beside the videos; there should be one."""
        return sorted((self.path.parent.parent / "cameras" / self.path.name).glob("*.json"))

    def _camera(self, video: str, names: tuple[str, ...], file: Path) -> int:
        fitting = [name for name in names if name == video] or [n for n in names if n.startswith(f"{video}_")]
        if len(fitting) != 1:
            raise InputError(
                f"{file} has {len(fitting)} cameras for the video {video}.mp4; expected one named {video} or "
                f"{video}_18mm, got {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
            )
        return names.index(fitting[0])


def find_scene_folders(root: Path, depth: int, most: int | None = None) -> Iterator[PublishedScene]:
    """Folders with `videos` in them, down to `depth` folders below `root`, in no order.

    `most` bounds how many folders are looked at in each, to see quickly whether there are any.
    """
    if _has_videos(root):
        yield PublishedScene(root)
    elif depth:
        for folder in subfolders(root, most):
            yield from find_scene_folders(folder, depth - 1, most)


def find_first_release(root: Path, depth: int, most: int | None = None) -> Iterator[FirstReleaseScene]:
    """Folders of videos beside a folder of cameras; `depth` is 0 for one split, 1 for the folder of all splits."""
    if (root / "videos").is_dir() and (root / "cameras").is_dir():
        folders = subfolders(root / "videos", most)
        yield from (FirstReleaseScene(folder) for folder in folders if folder.suffix != ".mp4")
    elif depth:
        for folder in subfolders(root, most):
            yield from find_first_release(folder, depth - 1, most)


def _has_videos(folder: Path) -> bool:
    """Whether the folder `videos` is there and that of one scene: the first release has the folders of scenes in it.

    One look at the disk for every folder: there may be many thousand.
    """
    others = []
    try:
        with os.scandir(folder / "videos") as entries:
            for entry in entries:
                if entry.name.endswith(".mp4"):
                    return True
                others.append(entry)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # it is there but may not be read: the scene will say so
        return True
    return not any(folders_among(others, folder / "videos"))

"""One scene on disk, of whichever data set: what it says of itself, and the clip of any of its views and frames."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.data.clip import MultiViewClip
from syncam.data.decoding import new_floats
from syncam.data.footage import Footage, Pictures
from syncam.data.labels import LabelFiles, label_kinds, read_labels
from syncam.data.tar_member import TarMember
from syncam.data.transforms import fit_cameras, fit_pixels, stride
from syncam.errors import InputError

__all__ = ["Scene", "folders_among", "read_caption", "subfolders"]


class Scene(ABC):
    """A handle: nothing is read before it is asked for, and every complaint is an InputError that names the file."""

    path: Path
    """The folder or file that stands for the scene; its name in reports."""

    @cached_property
    @abstractmethod
    def footage(self) -> list[Footage]:
        """The video, or the pictures, of every view."""

    @property
    def names(self) -> list[str]:
        """The name of every view."""
        return [footage.path.stem for footage in self.footage]

    @property
    def num_views(self) -> int:
        """Number of cameras V."""
        return len(self.footage)

    @cached_property
    def num_frames(self) -> int:
        """Number of frames F of every view, as the first one states it; counted where it does not."""
        return self.footage[0].header().num_frames or self.footage[0].count()

    @cached_property
    def hw(self) -> tuple[int, int]:
        """Height and width of the stored pictures in pixels, as the first view states them."""
        return self.footage[0].header().hw

    @cached_property
    def fps(self) -> float:
        """Frames per second, as the first view states them."""
        return self.footage[0].header().fps

    @cached_property
    def caption(self) -> str:
        """The text that describes the scene; "" where there is none."""
        return ""

    @cached_property
    def cameras(self) -> Cameras | None:
        """The cameras of all views in the order of `names`, K in pixels of the stored pictures; None: not known."""
        return None

    @property
    def camera_files(self) -> list[Path]:
        """What the cameras are read from."""
        return []

    def read_masks(self, view: int, frames: Sequence[int] | None = None) -> Bool[Tensor, "F H W"] | None:
        """Where the subject is in one view, in the chosen frames; None where the scene has no masks."""
        return None

    @property
    def label_files(self) -> LabelFiles:
        """What labels there are; data sets of others have none."""
        return LabelFiles(self.path, lambda: self.names, {})

    @property
    def labels(self) -> tuple[str, ...]:
        """The kinds of labels that there are, such as depth."""
        return label_kinds(self.label_files)

    def read_label(
        self, kind: str, view: int | None = None, frames: Sequence[int] | None = None
    ) -> Shaped[Tensor, "*shape"]:
        """Labels of one view, or of the scene, of the chosen frames, as `syncam.data.labels.read_labels` tells."""
        return read_labels(self.label_files, view, kind, frames)

    def sources(self) -> Iterator[tuple[str, Path | TarMember]]:
        """Name and place of every file that clips are read from, but for the caption."""
        for footage in self.footage:
            if isinstance(footage, Pictures):
                yield from ((f"{footage.path.name}/{path.name}", path) for path in footage.paths)
            else:
                yield footage.path.name, footage.member or footage.path
        yield from ((path.name, path) for path in self.camera_files)

    def read(
        self,
        views: Sequence[int] | None = None,
        frames: Sequence[int] | None = None,
        hw: tuple[int, int] | None = None,
        *,
        threads: int | None = None,
    ) -> MultiViewClip:
        """The clip of the chosen views and frames (None: all), with masks if the scene has them.

        With `hw` everything, K included, is fitted to that size (`transforms.fit`) while it is read. Views are decoded
        in `threads` threads; None: one for each view, up to the number of CPUs. `fps` counts the frames of the clip:
        of every second frame it is half that of the scene.
        """
        chosen = list(range(self.num_views)) if views is None else list(views)
        if not chosen or not all(0 <= view < self.num_views for view in chosen):
            raise InputError(f"views of {self.path} must lie in 0..{self.num_views - 1}, got {chosen}")
        if self.fps <= 0:
            raise InputError(f"{self.footage[0].path} does not state its frames per second; expected a video that does")
        cameras = self.cameras
        if cameras is not None and cameras.hw != self.hw:
            raise InputError(
                f"the cameras of {self.path} are for {cameras.hw} (height, width) but its videos {self.hw}"
            )
        with ThreadPoolExecutor(threads or min(len(chosen), os.cpu_count() or 1)) as pool:
            videos = list(pool.map(lambda view: self._pixels(view, frames, hw), chosen))
        if cameras is not None:
            cameras = cameras.view(chosen)
            cameras = cameras if frames is None else cameras.frames(list(frames))
            cameras = cameras if hw is None else fit_cameras(cameras, hw)
        masks = self._masks(chosen, frames, hw)
        rate = self.fps / (1 if frames is None else stride(frames))
        video = (
            videos[0][None] if len(videos) == 1 else torch.stack(videos, out=new_floats(len(videos), *videos[0].shape))
        )
        return MultiViewClip(video, cameras, self.caption, rate, masks)

    def _pixels(self, view: int, frames: Sequence[int] | None, hw: tuple[int, int] | None) -> Float[Tensor, "F C H W"]:
        footage, cameras = self.footage[view], self.cameras
        header = footage.header()
        if header.hw != self.hw:
            raise InputError(
                f"{footage.path} is {header.hw} (height, width) but {self.footage[0].path.name} is {self.hw}; "
                "every view needs the same size"
            )
        expected = self.num_frames if cameras is None else cameras.num_frames
        pixels = footage.read(frames, hw)
        stated = header.num_frames or (len(pixels) if frames is None else expected)
        if stated != expected:
            if cameras is None:
                raise InputError(f"{footage.path} has {stated} frames but {self.footage[0].path.name} has {expected}")
            raise InputError(
                f"{footage.path} has {stated} frames but the cameras of {self.path} have {expected}; "
                "every video must be as long as its camera track"
            )
        return pixels

    def _masks(
        self, views: list[int], frames: Sequence[int] | None, hw: tuple[int, int] | None
    ) -> Bool[Tensor, "V F H W"] | None:
        masks = []
        for view in views:
            mask = self.read_masks(view, frames)
            if mask is None:
                return None
            masks.append(mask if hw is None else fit_pixels(mask, hw))
        return torch.stack(masks)


def read_caption(path: Path) -> str:
    """The text of a caption file without the space around it; "" where there is no file."""
    if not path.is_file():
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as err:
        raise InputError(f"{path} is not UTF-8 (byte {err.start}); save the caption as UTF-8") from err


def subfolders(folder: Path, most: int | None = None) -> Iterator[Path]:
    """The folders in a folder that are not hidden, in no order; only the first `most` of them where that is given.

    Links to folders count, but for those to a folder that they lie in.
    """
    with os.scandir(folder) as entries:
        yield from islice(folders_among(entries, folder), most)


def folders_among(entries: Iterable[os.DirEntry[str]], parent: Path) -> Iterator[Path]:
    """Which entries of `parent` are folders to look into; nothing but links is looked at for that."""
    above: set[tuple[int, int]] = set()
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            if not entry.is_dir():
                continue
            if entry.is_symlink():
                above = above or {_identity(place.stat()) for place in (parent, *parent.absolute().parents)}
                if _identity(entry.stat()) in above:  # one could follow it for ever
                    continue
        except OSError:  # a link to itself
            continue
        yield parent / entry.name


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino

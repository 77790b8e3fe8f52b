"""What there is to re-shoot: the sources that a path means, what each shows in words, and how it fits the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from syncam.data.fitting import Fit, size_near
from syncam.data.folder import TABLE, find_videos, read_table
from syncam.data.frame_stream import FrameStream, open_stream
from syncam.errors import InputError

__all__ = ["Item", "Short", "find_items", "prepared"]

Short = Literal["loop", "hold"]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One source, with the folder that its takes go to."""

    source: Path
    prompt: str
    folder: Path


def find_items(source: Path, out: Path, prompt: str | None) -> list[Item]:
    """The video or picture at `source`, or all videos in that folder and below it, in the layout of ReCamMaster.

    What a source shows is said by `prompt`, by metadata.csv (file_name,text) in its folder or in `source`, or by a text
    file of its own name: the first that there is. InputError naming a source that none of them describes.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist; expected a video, a picture, or a folder of videos")
    if not source.is_dir():
        return [Item(source=source, prompt=_described(source, prompt, _of_table(source, prompt)), folder=out)]
    found = list(_videos(source, out))
    if not found:
        raise InputError(f"{source} holds no mp4 files; expected videos, with {TABLE} or text files beside them")
    items = [
        Item(source=path, prompt=_described(path, prompt, text), folder=out / _name(path.relative_to(source)))
        for path, text in found
    ]
    folders = [item.folder for item in items]
    if len(set(folders)) < len(folders):
        double = next(folder.name for folder in folders if folders.count(folder) > 1)
        raise InputError(f"{source} holds two videos whose results would both be called {double}; rename one")
    return items


def _videos(root: Path, out: Path) -> Iterator[tuple[Path, str]]:
    """Path and text of the videos in a folder, without those that were made by an earlier run."""
    for scene in find_videos(root):
        if not scene.path.resolve().is_relative_to(out.resolve()):
            yield scene.path, scene.caption


def _name(path: Path) -> str:
    """A folder name for a file: folders of results never lie inside each other."""
    return "_".join(path.with_suffix("").parts)


def _of_table(source: Path, prompt: str | None) -> str:
    table = source.parent / TABLE
    return "" if prompt is not None or not table.is_file() else read_table(table, ("file_name",)).get(source.name, "")


def _described(source: Path, prompt: str | None, text: str) -> str:
    if prompt is not None:
        return prompt
    beside = source.with_suffix(".txt")
    if not text and beside.is_file():
        try:
            text = beside.read_text(encoding="utf-8-sig").strip()
        except UnicodeDecodeError as err:
            raise InputError(f"{beside} is not UTF-8 (byte {err.start}); save it as UTF-8") from err
    if not text:
        raise InputError(
            f"nothing says what {source} shows, and models go by it; give a sentence by --prompt, in {beside.name} "
            f"beside it, or in {TABLE} (file_name,text)"
        )
    return text


def prepared(
    source: Path,
    *,
    num_frames: int,
    hw: tuple[int, int] | None,
    pixels: int,
    multiples: tuple[int, int],
    temporal_stride: int,
    mode: Literal["crop", "pad"],
    short: Short | None,
) -> tuple[FrameStream, Fit]:
    """A source that is long enough, and how its pictures come to the model's size.

    `hw` None is about `pixels` in the source's proportions. A picture is held for `num_frames`; InputError for a video
    that is shorter, unless `short` says what follows.
    """
    stream = open_stream(source)
    if stream.num_frames < num_frames:
        if short is None and not stream.is_picture:
            fewer = (stream.num_frames - 1) // temporal_stride * temporal_stride + 1
            raise InputError(
                f"{source} has {stream.num_frames} frames, but {num_frames} are made at a time; give --short hold (its "
                f"last frame stands still) or --short loop (it starts again), or --frames {fewer}"
            )
        stream = stream.lengthened(num_frames, short or "hold")
    return stream, Fit(stream.hw, hw or size_near(stream.hw, pixels, multiples), mode)

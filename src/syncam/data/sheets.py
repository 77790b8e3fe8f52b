"""Contact sheets of data sets: rows of moments, of every view of a scene or of scenes from all over a data set."""

import logging
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from syncam.data.scene import Scene
from syncam.data.sources import Dataset
from syncam.data.video import contact_sheet
from syncam.errors import InputError
from syncam.files import atomic_path

__all__ = ["SheetViews", "make_sheet", "spread", "write_sheet"]

log = logging.getLogger(__name__)
SheetViews = Literal["first", "all"]
SIDE = 240  # pixels: the longer side of a picture, where videos are larger
MOST_PICTURES = 2000
MOST_ACROSS = 6  # pictures side by side in a block
FORMATS = (".png", ".jpg", ".jpeg", ".webp")
DAMAGED = 0.3  # the grey of pictures that cannot be read


def write_sheet(
    path: str | Path,
    dataset: Dataset,
    *,
    scene: int | None = None,
    num_scenes: int = 12,
    views: SheetViews = "first",
    num_columns: int = 6,
) -> dict[str, int]:
    """Writes the sheet that `make_sheet` makes, whole or not at all; returns how many scenes, rows and columns it has.

    InputError for a name that is no picture's.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"out must end in {', '.join(FORMATS)}, got {path}")
    chosen = spread(len(dataset), num_scenes) if scene is None else [scene]
    sheet, rows = make_sheet(dataset, chosen, views=views, num_columns=num_columns)
    with atomic_path(path) as temporary:
        sheet.save(temporary)
    return {"scenes": len(chosen), "rows": rows, "columns": num_columns}


def spread(total: int, count: int) -> list[int]:
    """Up to `count` numbers spread evenly from 0 to `total - 1`, both included: the same ones whenever it is asked."""
    if count < 1:
        raise InputError(f"the number of scenes must be at least 1, got {count}")
    return torch.linspace(0, total - 1, min(count, total), dtype=torch.float64).round().long().tolist()


def make_sheet(dataset: Dataset, scenes: list[int], *, views: SheetViews, num_columns: int) -> tuple[Image.Image, int]:
    """A row for the first view, or for every view, of the chosen scenes, with names and times; and how many rows.

    Columns are spread evenly from the first to the last frame; with one column, the pictures of all rows are laid out
    as a block. They are scaled into the size of the first, with borders where their proportions differ. Only the chosen
    frames of the chosen scenes are read. What is damaged is logged, and grey on the sheet; InputError where nothing can
    be read, and for a sheet of more than 2000 pictures.
    """
    if num_columns < 1:
        raise InputError(f"the number of columns must be at least 1, got {num_columns}")
    rows = [row for index in scenes for row in _rows(dataset, index, views)]
    if len(rows) * num_columns > MOST_PICTURES:
        raise InputError(
            f"the sheet would have {len(rows)} rows of {num_columns} pictures, above {MOST_PICTURES}; "
            "take fewer scenes, views or columns"
        )
    hw, titles, times = None, [], []
    read: list[Tensor | None] = []
    for title, scene, view in rows:
        try:
            video, row_times = _row(scene, view, num_columns, hw)
            hw = (video.shape[-2], video.shape[-1])
        except (InputError, OSError) as err:
            log.warning("%s", err)
            title, video, row_times = f"{title}: {err}", None, []
        read.append(video)
        titles.append(title)
        times.append(row_times + [""] * (num_columns - len(row_times)))
    if hw is None:
        raise InputError("no picture of these scenes can be read, so that there is no sheet; run syncam data check")
    video = torch.stack([_padded(row, num_columns, hw) for row in read])  # [rows, columns, 3, h, w]
    if num_columns > 1:
        return contact_sheet(video, num_columns, titles=titles, times=times), len(rows)
    across = min(MOST_ACROSS, math.ceil(math.sqrt(len(rows))))
    empty = -len(rows) % across
    block = torch.cat([video[:, 0], video.new_ones(empty, 3, *hw)]).unflatten(0, (-1, across))
    names = [*titles, *[""] * empty]
    labels = [names[start : start + across] for start in range(0, len(names), across)]
    return contact_sheet(block, across, times=labels), len(rows)


def _rows(dataset: Dataset, index: int, views: SheetViews) -> Iterator[tuple[str, Scene, int]]:
    """Title, scene and view of every row of a scene."""
    scene: Scene = replace(dataset[index])  # pyright: ignore[reportArgumentType]  # a fresh handle: nothing is kept
    name = dataset.name(scene)
    try:
        names = scene.names
    except (InputError, OSError):
        names = [""]  # reading the row says what is wrong
    for view, called in enumerate(names if views == "all" else names[:1]):
        yield f"{name}  {called}".strip() if len(names) > 1 else name, scene, view


def _row(
    scene: Scene, view: int, num_columns: int, hw: tuple[int, int] | None
) -> tuple[Float[Tensor, "F 3 h w"], list[str]]:
    """Evenly spread frames of a view, in the size `hw` or its own small one, and their times."""
    footage = scene.footage[view]
    header = footage.header()
    num_frames = header.num_frames or footage.count()
    frames = spread(num_frames, num_columns)
    scale = min(1.0, SIDE / max(header.hw))
    hw = hw or (max(1, round(header.hw[0] * scale)), max(1, round(header.hw[1] * scale)))
    scale = min(hw[0] / header.hw[0], hw[1] / header.hw[1])
    inner = (max(1, round(header.hw[0] * scale)), max(1, round(header.hw[1] * scale)))
    video = footage.read(frames, inner)
    top, left = (hw[0] - inner[0]) // 2, (hw[1] - inner[1]) // 2
    framed = video.new_zeros(len(frames), 3, *hw)
    framed[..., top : top + inner[0], left : left + inner[1]] = video
    try:
        fps = scene.fps
    except InputError:
        fps = header.fps  # that of the scene is that of its first view, which may be the damaged one
    return framed, [f"{frame / fps:.2f} s" if fps else f"frame {frame}" for frame in frames]


def _padded(video: Float[Tensor, "F 3 h w"] | None, count: int, hw: tuple[int, int]) -> Float[Tensor, "N 3 h w"]:
    """The row; white behind a short one, grey all over one that could not be read."""
    if video is None:
        return torch.full((count, 3, *hw), DAMAGED)
    return torch.cat([video, video.new_ones(count - len(video), 3, *hw)])

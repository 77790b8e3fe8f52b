"""What re-shooting writes: a video per take, all takes side by side, the source beside them, and a contact sheet."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from syncam.data.fitting import Fit
from syncam.data.video import VideoWriter, contact_sheet, side_by_side
from syncam.pipelines.reshoot import ReshotPiece

__all__ = ["write_takes"]

SHEET_COLUMNS = 6
AT_A_TIME = 8
"""Frames that are put side by side at a time: all takes of a window are large already."""


def write_takes(
    folder: Path, pieces: Iterable[ReshotPiece], titles: Sequence[str], *, fit: Fit, fps: float, num_frames: int
) -> None:
    """Writes take01.mp4, ..., grid.mp4, comparison.mp4 and contact_sheet.png, piece by piece as frames are finished."""
    chosen = torch.linspace(0, num_frames - 1, min(SHEET_COLUMNS, num_frames)).round().int().tolist()
    shown: list[Tensor] = []
    first = 0
    with ExitStack() as files:

        def file(name: str) -> VideoWriter:
            return files.enter_context(VideoWriter(folder / name, fps))

        alone = [file(f"take{number:02d}.mp4") for number in range(1, len(titles) + 1)]
        grid, comparison = file("grid.mp4"), file("comparison.mp4")
        for piece in pieces:
            parts = (fit.cut(video).split(AT_A_TIME, -4) for video in (piece.videos, piece.source))
            for videos, source in zip(*parts, strict=True):  # [T, n, C, H, W], [n, C, H, W]
                for writer, video in zip(alone, videos, strict=True):
                    writer.write(video)
                beside = torch.cat([source[None], videos])
                grid.write(side_by_side(videos))
                comparison.write(side_by_side(beside))
                last = first + len(source)
                shown += [beside[:, frame - first].clone() for frame in chosen if first <= frame < last]
                first = last
    times = [[f"{frame / fps:.2f} s" for frame in chosen]] * (len(titles) + 1)
    rows = torch.stack(shown, 1)  # [T + 1, columns, C, H, W]
    sheet = contact_sheet(rows, num_columns=len(chosen), titles=("source", *titles), times=times)
    sheet.save(folder / "contact_sheet.png")

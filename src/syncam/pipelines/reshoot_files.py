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
            videos = fit.cut(piece.videos)  # [T, n, C, H, W]
            beside = torch.cat([fit.cut(piece.source)[None], videos])
            for writer, video in zip(alone, videos, strict=True):
                writer.write(video)
            grid.write(side_by_side(videos))
            comparison.write(side_by_side(beside))
            last = first + videos.shape[1]
            shown += [beside[:, frame - first].clone() for frame in chosen if first <= frame < last]
            first = last
    times = [[f"{frame / fps:.2f} s" for frame in chosen]] * (len(titles) + 1)
    rows = torch.stack(shown, 1)  # [T + 1, columns, C, H, W]
    sheet = contact_sheet(rows, num_columns=len(chosen), titles=("source", *titles), times=times)
    sheet.save(folder / "contact_sheet.png")

"""realestate10k: the text files of RealEstate10K, which CameraCtrl and many camera-controlled models take.

A first line with a URL, then a line per frame with 19 numbers: the time in microseconds; fx, fy, cx, cy as fractions
of the picture's width and height; two zeros; and the 3x4 w2c, row by row, with OpenCV camera axes. The world is kept
as it is: of published clips it has no known up axis and no metric scale. VideoX-Fun's files have 0 for all times, which
says nothing about them.
"""

from pathlib import Path

import torch

from syncam.cameras.cameras import invert_rigid
from syncam.cameras.formats.named import NamedCameras, named_cameras, picture_size, pinhole_K, pinhole_numbers
from syncam.cameras.formats.sequence import refuse_bad_times
from syncam.cameras.formats.source import number_rows
from syncam.errors import InputError
from syncam.files import write_text

__all__ = ["read_realestate10k", "write_realestate10k"]

COLUMNS = "time_us fx fy cx cy 0 0 r11 r12 r13 tx r21 r22 r23 ty r31 r32 r33 tz"
MICROSECONDS = 1_000_000


def read_realestate10k(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """One view from one file; `hw` turns its fractions of the picture into pixels."""
    lines, rows = number_rows(path, COLUMNS, title=True)
    timed = len(rows) == 1 or bool((rows[:, 0] != 0).any())
    if timed:
        refuse_bad_times(path, rows[:, 0], lambda frame: f"line {lines[frame]}")
    for index in (rows[:, 5:7] != 0).any(-1).nonzero()[:1, 0].tolist():
        raise InputError(
            f"{path}, line {lines[index]}: columns 6 and 7 are {rows[index, 5:7].tolist()}, expected two zeros; "
            "lenses with distortion are not pinholes: undistort the pictures first"
        )
    height, width = picture_size(path, None, hw)
    w2c = torch.eye(4, dtype=torch.float64).repeat(len(rows), 1, 1)
    w2c[:, :3] = rows[:, 7:].unflatten(-1, (3, 4))
    K = pinhole_K(rows[:, 1:5] * torch.tensor([width, height, width, height], dtype=torch.float64))
    return named_cameras(
        path,
        [path.stem],
        invert_rigid(w2c)[None],
        K[None],
        None,
        hw=hw,
        focal_mm=focal_mm,
        place=lambda _, frame: f"line {lines[frame]}",
        times=(rows[:, 0] / MICROSECONDS).tolist() if timed else None,
    )


def write_realestate10k(path: Path, named: NamedCameras) -> None:
    """Writes one view. Times are whole microseconds; where none are known, the frames are a second apart."""
    cameras = named.cameras
    height, width = cameras.hw
    lens = pinhole_numbers(cameras, "realestate10k")[0] / torch.tensor([width, height, width, height]).double()
    w2c = cameras.w2c[0, :, :3].detach().cpu().double().flatten(1)
    times = [round(seconds * MICROSECONDS) for seconds in named.seconds]
    numbers = torch.cat([lens, torch.zeros(len(lens), 2, dtype=torch.float64), w2c], 1).tolist()
    lines = [f"{time} {' '.join(map(_written, row))}\n" for time, row in zip(times, numbers, strict=True)]
    write_text(path, f"syncam:{path.stem}\n{''.join(lines)}")


def _written(number: float) -> str:
    return "0" if number == 0 else repr(number)

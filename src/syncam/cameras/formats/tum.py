"""tum: trajectories of the TUM RGB-D benchmark, which most SLAM programs write.

A line per frame with 8 numbers: the time in seconds; the camera's position in metres; and its rotation as a
quaternion qx qy qz qw. Both are c2w with OpenCV camera axes. The world is kept as it is: SLAM programs choose their
own.
"""

from pathlib import Path

import torch

from syncam.cameras.formats.named import NamedCameras, named_cameras
from syncam.cameras.formats.sequence import refuse_bad_times
from syncam.cameras.formats.source import number_rows
from syncam.cameras.quaternions import quaternion_from_rotation, rotation_from_quaternion, unit_quaternions
from syncam.files import write_text

__all__ = ["read_tum", "write_tum"]

COLUMNS = "timestamp tx ty tz qx qy qz qw"


def read_tum(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """One view from one file, which states neither size nor lens."""
    lines, rows = number_rows(path, COLUMNS)
    refuse_bad_times(path, rows[:, 0], lambda frame: f"line {lines[frame]}")
    quaternions = unit_quaternions(rows[:, 4:], lambda frame: f"{path}, line {lines[frame]}")
    c2w = torch.eye(4, dtype=torch.float64).repeat(len(rows), 1, 1)
    c2w[:, :3, :3] = rotation_from_quaternion(quaternions)
    c2w[:, :3, 3] = rows[:, 1:4]
    return named_cameras(
        path,
        [path.stem],
        c2w[None],
        None,
        None,
        hw=hw,
        focal_mm=focal_mm,
        place=lambda _, frame: f"line {lines[frame]}",
        times=rows[:, 0].tolist(),
    )


def write_tum(path: Path, named: NamedCameras) -> None:
    """Writes one view; where no times are known, the frames are a second apart. Size and lens are not kept."""
    c2w = named.cameras.c2w[0].detach().cpu().double()
    rows = torch.cat([c2w[:, :3, 3], quaternion_from_rotation(c2w[:, :3, :3])], 1).tolist()
    lines = [f"{' '.join(map(repr, [time, *row]))}\n" for time, row in zip(named.seconds, rows, strict=True)]
    write_text(path, f"# {COLUMNS}\n{''.join(lines)}")

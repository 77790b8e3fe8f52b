"""csv: one row per view and frame, for spreadsheets, Unreal tables and scripts.

A first row with the names of the columns, in any order; columns that are not known are refused. `view` (a name),
`frame` (a number), `c2w_00` to `c2w_23` (row and column of c2w: OpenCV camera axes, z up, metres), and, where known,
`time_s` (seconds), `width`, `height` and the lens as `fx`, `fy`, `cx`, `cy` in pixels.
"""

import csv
import io
from array import array
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.formats.named import NamedCameras, named_cameras, pinhole_K, pinhole_numbers
from syncam.cameras.formats.sequence import frame_order, refuse_bad_times
from syncam.cameras.formats.source import MAX_POSES, some, text_lines
from syncam.errors import InputError
from syncam.files import write_text

__all__ = ["NEEDED", "read_csv", "write_csv"]

POSE = [f"c2w_{row}{column}" for row in range(3) for column in range(4)]
NEEDED = ["view", "frame", *POSE]
SIZE, LENS = ["width", "height"], ["fx", "fy", "cx", "cy"]


def read_csv(path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None) -> NamedCameras:
    """All views of one table, in the order of their first rows; rows may stand in any order."""
    columns, names, lines, table = _rows(path)
    views: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        views.setdefault(name, []).append(row)
    frames = [int(number) for number in table[:, columns.index("frame")].tolist()]
    first_name = names[0]
    for name, rows in views.items():
        order = frame_order(path, [frames[row] for row in rows], lambda index, rows=rows: f"line {lines[rows[index]]}")
        views[name] = [rows[index] for index in order]
        numbers, expected = ([frames[row] for row in views[key]] for key in (name, first_name))
        if numbers != expected:
            raise InputError(
                f"{path}: view {name} has {len(numbers)} frames from {numbers[0]} to {numbers[-1]}, "
                f"but view {first_name} has {len(expected)} from {expected[0]} to {expected[-1]}"
            )
    index = torch.tensor(list(views.values()))  # [V, F]
    grid = table[index]  # [V, F, D]

    def take(wanted: list[str]) -> Float[Tensor, "V F D"]:
        return grid[..., [columns.index(name) for name in wanted]]

    def place(view: int, frame: int) -> str:
        return f"line {lines[int(index[view, frame])]}"

    size, lens, times = (take(group) if group[0] in columns else None for group in (SIZE, LENS, ["time_s"]))
    if size is not None:
        fine = (size == size[0, 0]).all(-1) & (size == size.round()).all(-1) & (size >= 1).all(-1)
        for view, frame in (~fine).nonzero()[:1].tolist():
            raise InputError(
                f"{path}, {place(view, frame)}: width and height are {size[view, frame].tolist()}; "
                "expected the same whole numbers in every row"
            )
    if times is not None:
        refuse_bad_times(path, times[0, :, 0], lambda frame: place(0, frame))
        for view, frame in (times[..., 0] != times[:1, :, 0]).nonzero()[:1].tolist():
            raise InputError(f"{path}, {place(view, frame)}: the time differs from that of view {first_name}")
    c2w = torch.eye(4, dtype=torch.float64).repeat(*index.shape, 1, 1)
    c2w[..., :3, :] = take(POSE).unflatten(-1, (3, 4))
    return named_cameras(
        path,
        list(views),
        c2w,
        None if lens is None else pinhole_K(lens),
        None if size is None else (int(size[0, 0, 1]), int(size[0, 0, 0])),
        hw=hw,
        focal_mm=focal_mm,
        place=place,
        times=None if times is None else times[0, :, 0].tolist(),
    )


def _rows(path: Path) -> tuple[list[str], list[str], array, Float[Tensor, "N D"]]:
    """The columns but `view`, the view of every row, its line number, and the numbers of the other columns."""
    columns: list[str] | None = None
    names: list[str] = []
    lines, numbers = array("q"), array("d")
    at = 0
    for line, text in text_lines(path):
        if not text:
            continue
        try:
            [cells] = csv.reader([text])
        except csv.Error as err:
            raise InputError(f"{path}, line {line}: {err}; expected cells separated by commas") from err
        if columns is None:
            columns = [cell.strip() for cell in cells]
            _check_columns(columns, f"{path}, line {line}")
            at = columns.index("view")
            continue
        if len(cells) != len(columns):
            raise InputError(
                f"{path}, line {line}: expected {len(columns)} cells as in the first row, got {len(cells)}"
            )
        if len(lines) == MAX_POSES:
            raise InputError(f"{path}, line {line}: has more than {MAX_POSES} rows; cut it into shorter files")
        try:
            numbers.extend(float(cell) for column, cell in enumerate(cells) if column != at)
        except ValueError as err:
            raise InputError(f"{path}, line {line}: {err}; expected numbers in all columns but view") from err
        names.append(cells[at].strip())
        lines.append(line)
    if columns is None or not lines:
        raise InputError(f"{path} holds no cameras; expected a first row with {', '.join(NEEDED)} and a row per frame")
    columns = [name for name in columns if name != "view"]
    table = torch.tensor(numbers, dtype=torch.float64).view(-1, len(columns))
    frame = table[:, columns.index("frame")]
    for index in (~(frame == frame.round()) | (frame.abs() > 2**53)).nonzero()[:1, 0].tolist():
        raise InputError(f"{path}, line {lines[index]}: frame is {float(frame[index])}, expected a whole number")
    return columns, names, lines, table


def _check_columns(columns: list[str], place: str) -> None:
    known = {*NEEDED, "time_s", *SIZE, *LENS}
    if missing := [name for name in NEEDED if name not in columns]:
        raise InputError(f"{place}: the columns {some(missing)} are missing; expected at least {', '.join(NEEDED)}")
    if unknown := [name for name in columns if name not in known]:
        raise InputError(f"{place}: unknown columns {some(unknown)}; known are {', '.join(sorted(known))}")
    if len(set(columns)) < len(columns):
        raise InputError(f"{place}: {some([name for name in columns if columns.count(name) > 1])} stand there twice")
    for group in (SIZE, LENS):
        if 0 < len(set(group) & set(columns)) < len(group):
            raise InputError(f"{place}: of the columns {', '.join(group)} some are missing; give all or none")


def write_csv(path: Path, named: NamedCameras) -> None:
    """Writes all views; the column time_s is there if times or frames per second are known."""
    cameras = named.cameras
    lens = pinhole_numbers(cameras, "csv").tolist()
    pose = cameras.c2w[..., :3, :].detach().cpu().double().flatten(-2).tolist()
    times = None if named.fps is None and named.times is None else named.seconds
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["view", "frame", *([] if times is None else ["time_s"]), *SIZE, *LENS, *POSE])
    for view, name in enumerate(named.names):
        for frame in range(cameras.num_frames):
            time = [] if times is None else [times[frame]]
            numbers = [*time, cameras.hw[1], cameras.hw[0], *lens[view][frame], *pose[view][frame]]
            table.writerow([name, frame, *numbers])
    write_text(path, text.getvalue())

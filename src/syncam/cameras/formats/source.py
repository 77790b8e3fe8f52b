"""What all readers of camera files take their bytes from: bounded in memory, with line numbers in every complaint."""

import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

__all__ = ["MAX_BYTES", "MAX_POSES", "check_poses", "existing", "number_rows", "read_json", "some", "text_lines"]

MAX_BYTES = 256 * 2**20
"""Files that must be parsed as a whole (JSON, npz, glTF) may be this long."""
MAX_POSES = 100_000
"""Poses of one file, over all its views: an hour of video. Longer files are refused where the limit is passed."""
MAX_LINE = 16 * 2**20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def existing(path: Path) -> Path:
    """`path`, if it is a file that is short enough to be read as a whole; else an InputError."""
    if not path.is_file():
        raise InputError(f"camera file {path} does not exist; expected a rig JSON or another camera file")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise InputError(f"{path} is {size} bytes long; camera files of up to {MAX_BYTES} bytes are read")
    return path


def check_poses(place: Path | str, count: int) -> None:
    """InputError if a file, or an array in one, has more poses than are read."""
    if count > MAX_POSES:
        raise InputError(f"{place} has {count} poses; up to {MAX_POSES} are read, cut it into shorter files")


def read_json(path: Path) -> Any:
    """The parsed JSON of a camera file; InputError naming the file if it is missing or is not JSON."""
    try:
        return json.loads(existing(path).read_text(encoding="utf-8"), object_pairs_hook=_object)
    except UnicodeDecodeError as err:
        raise InputError(f"{path} is not UTF-8 text (byte {err.start}); expected JSON") from err
    except ValueError as err:
        raise InputError(f"{path} is not JSON: {err}") from err
    except RecursionError as err:
        raise InputError(f"{path} is not JSON of cameras: its brackets are nested too deeply") from err


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; of a key that stands there twice, one value would be lost without a word."""
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands there twice")
    return result


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and stripped text of every line, read one by one, however long the file is."""
    if not path.is_file():
        raise InputError(f"camera file {path} does not exist")
    number = 0
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise InputError(f"{path}, line {number}: is longer than {MAX_LINE} bytes; expected lines of numbers")
            try:
                yield number, line.removeprefix(BYTE_ORDER_MARK if number == 1 else b"").decode().strip()
            except UnicodeDecodeError as err:
                raise InputError(f"{path}, line {number}: is not UTF-8 text (byte {err.start} of the line)") from err


def number_rows(path: Path, columns: str, *, title: bool = False) -> tuple[array, Float[Tensor, "N D"]]:
    """The line numbers and the rows of a table of numbers, one number for each word of `columns`.

    Empty lines and lines that begin with # are skipped, and with `title` a first line that begins with no number.
    """
    width = len(columns.split())
    numbers, lines = array("d"), array("q")
    for line, text in text_lines(path):
        if not text or text.startswith("#"):
            continue
        words = text.replace(",", " ").split()
        if title and line == 1 and not _is_number(words[0]):
            continue
        if len(words) != width:
            raise InputError(f"{path}, line {line}: expected {width} numbers ({columns}), got {len(words)}")
        if len(lines) == MAX_POSES:
            raise InputError(f"{path}, line {line}: has more than {MAX_POSES} frames; cut it into shorter files")
        try:
            numbers.extend(map(float, words))
        except ValueError as err:
            raise InputError(f"{path}, line {line}: {err}; expected {width} numbers ({columns})") from err
        lines.append(line)
    if not lines:
        raise InputError(f"{path} holds no cameras; expected lines of {width} numbers: {columns}")
    return lines, torch.tensor(numbers, dtype=torch.float64).view(-1, width)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def some(items: list[Any], limit: int = 5) -> str:
    """The first few of many items, for a complaint."""
    return ", ".join(map(str, items[:limit])) + (f" and {len(items) - limit} more" if len(items) > limit else "")

"""Numbers and matrices out of parsed JSON; complaints name the place by its keys, such as frames[3].w."""

import math
from typing import Any

from syncam.errors import InputError

__all__ = ["entries", "matrix", "number", "whole"]


def number(value: Any, place: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{place}: expected a number, got {_short(value)}")
    try:
        result = float(value)
    except OverflowError as err:
        raise InputError(f"{place}: expected a finite number, got one with {len(str(value))} digits") from err
    if not math.isfinite(result):
        raise InputError(f"{place}: expected a finite number, got {result} (NaN or infinite numbers are no cameras)")
    return result


def whole(value: Any, place: str, least: int = 0) -> int:
    """A whole number of at least `least`; 1080.0 counts, as programs write sizes like that."""
    result = number(value, place)
    if result != int(result) or result < least:
        raise InputError(f"{place}: expected a whole number of at least {least}, got {_short(value)}")
    return int(result)


def matrix(value: Any, rows: int, columns: int, place: str) -> list[list[float]]:
    """A matrix as a list of rows."""
    if not isinstance(value, list) or len(value) != rows:
        raise InputError(f"{place}: expected a {rows}x{columns} matrix as a list of rows, got {_short(value)}")
    for index, row in enumerate(value):
        if not isinstance(row, list) or len(row) != columns:
            raise InputError(f"{place}[{index}]: expected a row of {columns} numbers, got {_short(row)}")
    return [
        [number(item, f"{place}[{index}][{column}]") for column, item in enumerate(row)]
        for index, row in enumerate(value)
    ]


def entries(content: Any, key: str, place: str) -> list[dict[str, Any]]:
    """The list of objects that stands under `key`, with at least one of them."""
    value = content.get(key) if isinstance(content, dict) else None
    if not isinstance(value, list) or not value:
        raise InputError(f"{place}{key}: expected a list of objects, got {_short(value)}")
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise InputError(f"{place}{key}[{index}]: expected an object, got {_short(item)}")
    return value


def _short(value: Any) -> str:
    return repr(value)[:60] if not isinstance(value, list) else f"a list of {len(value)}"

"""Values in the bodies of requests: of the right type and within bounds, or refused."""

from typing import Any

from syncam.errors import InputError

__all__ = ["value", "whole"]


def value(body: dict[str, Any], name: str, kind: type) -> Any:
    """The string, list or object of that name."""
    given = body.get(name)
    if not isinstance(given, kind):
        names = {str: "a string", list: "a list", dict: "an object"}
        raise InputError(f"{name} must be {names[kind]}, got {type(given).__name__}")
    return given


def whole(body: dict[str, Any], name: str, most: int, least: int = 1) -> int:
    """The whole number of that name, from `least` to `most`."""
    given = body.get(name)
    if type(given) is not int or not least <= given <= most:
        raise InputError(f"{name} must be a whole number from {least} to {most}, got {given!r}")
    return given

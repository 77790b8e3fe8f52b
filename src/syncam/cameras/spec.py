"""Rigs in words, taken apart: RIG then MOVE AMOUNT KEY=VALUE and MOVE ... then MOVE ...; see docs/rig.md."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from syncam.cameras.formats import FORMATS
from syncam.cameras.moves.timing import Timing
from syncam.errors import InputError
from syncam.rig_words import MOVE_KEYS, MOVE_WORDS, RIG_WORDS, SHARED_KEYS, UNITS, MoveWord, meant

__all__ = ["RigSpec", "Step", "read_spec"]

DEFAULT_LAYOUT = "still"
SPEEDS = ("constant", "ease")
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"


@dataclass(frozen=True)
class Step:
    """One move: its word, its amount in the units of its function, and its options.

    amount: of a preset its number or name; None where the move has none.
    views: numbers, from 1, of the cameras that it moves; None: all.
    """

    move: str
    amount: float | str | None
    options: dict[str, Any] = field(default_factory=dict)
    timing: Timing = field(default_factory=Timing)
    views: tuple[int, ...] | None = None


@dataclass(frozen=True)
class RigSpec:
    """A rig's layout in words, or the file it comes from, and the moves to apply in order.

    file: path and the names of the chosen cameras (None: all); None for a layout in words.
    """

    layout: str
    file: tuple[str, list[str] | None] | None
    steps: tuple[Step, ...]


def read_spec(text: str) -> RigSpec:
    """The parts of a rig in words; words and keys of the layout itself are not looked at yet.

    InputError for unknown moves, keys and units, for missing amounts, and for shares of the clip that do not fit.
    """
    if (file := _file(text)) is not None:
        return RigSpec(text, file, ())
    groups = [_split(r"and|with", group) for group in _split("then", text)]
    [first, *rest], layout = groups[0], DEFAULT_LAYOUT
    whole = _split("then", text)[0]
    if _file(whole) is not None:
        layout, groups = whole, groups[1:]
    elif _file(first) is not None or not _is_move(first):
        layout, groups = first, [rest, *groups[1:]] if rest else groups[1:]
    steps = _timed([[_step(move) for move in _in_order(group)] for group in groups])
    return RigSpec(layout, _file(layout), steps)


def _split(word: str, text: str) -> list[str]:
    return [part.strip() for part in re.split(rf"(?:^|(?<=\s))(?:{word})(?=\s|$)", text)]


def _file(text: str) -> tuple[str, list[str] | None] | None:
    file, mark, chosen = text.rpartition("#")
    if not mark or Path(text).is_file():
        file, chosen = text, ""
    named_like_one = any(file.endswith(end) for format in FORMATS.values() for end in format.suffixes)
    is_there = Path(file).is_file() or (file not in ("", *RIG_WORDS) and Path(file).is_dir())
    if not named_like_one and not is_there:
        return None
    if re.search(r"\s(?:then|and|with)\s", chosen if is_there else text):
        return None  # moves follow
    return file, [name.strip() for name in chosen.split(",") if name.strip()] or None


def _is_move(text: str) -> bool:
    """Whether the first part of a spec is a move and not a layout: arc and orbit are both."""
    if text.startswith("recam:"):
        return True
    words = text.split()
    return bool(words) and words[0] in MOVE_WORDS and (len(words) > 1 or words[0] not in RIG_WORDS)


def _in_order(group: list[str]) -> list[str]:
    """Moves at the same time, in the order of the table, which does not depend on how they were written down."""
    words = list(MOVE_WORDS)
    heads = [move.split()[0] if move else "" for move in group]
    ranks = [words.index(head) if head in words else len(words) for head in heads]
    return [move for _, move in sorted(zip(ranks, group, strict=True), key=lambda pair: pair[0])]


def _step(text: str) -> tuple[Step, dict[str, Any]]:
    """A move and what was said of its timing."""
    tokens = re.sub(r"^recam:\s*", "preset ", text).split()
    if not tokens:
        raise InputError("a move is missing beside 'then' or 'and'; expected one such as 'pan 20'")
    name, *rest = tokens
    if name not in MOVE_WORDS:
        hint = f"; {name.partition(':')[0]} is a rig, which comes first" if name.partition(":")[0] in RIG_WORDS else ""
        known = ", ".join(MOVE_WORDS)
        raise InputError(f"unknown move {name!r}{meant(name, MOVE_WORDS)}{hint}; known moves: {known}")
    word = MOVE_WORDS[name]
    values = [token for token in rest if "=" not in token]
    keys = {**word.keys, **SHARED_KEYS}
    given: dict[str, Any] = {}
    for token in rest:
        if "=" in token:
            key, _, value = token.partition("=")
            if key not in keys:
                raise InputError(f"move {name} has no key {key!r}{meant(key, keys)}; its keys: {', '.join(keys)}")
            if key in given:
                raise InputError(f"move {name}: {key} stands there twice; keep one")
            given[key] = _value(name, key, value)
    options = {key: value for key, value in (word.keys | given).items() if key in word.keys and value is not None}
    if len({"at", "distance"} & options.keys()) == 2:
        raise InputError(f"move {name}: at and distance both say where the subject is; keep one")
    if name == "track" and "to" not in options:
        raise InputError("move track needs to=x,y,z, where the subject goes, such as 'track to=2,0,0.8'")
    timing = {key: value for key, value in given.items() if key in ("speed", "a", "for")}
    return Step(name, _amount(name, word, values), options, views=given.get("view")), timing


def _amount(name: str, word: MoveWord, values: list[str]) -> float | str | None:
    text = "".join(values)
    if word.unit is None:
        if text:
            raise InputError(f"move {name} takes no amount, got {' '.join(values)!r}; its keys: {', '.join(word.keys)}")
        return None
    if not text:
        if not word.optional:
            what = "a preset, 1 to 10 or by name" if word.unit == "preset" else f"an amount ({word.unit})"
            raise InputError(f"move {name} needs {what}, such as '{name} {word.amount}'")
        text = word.amount
    if word.unit == "preset":
        return text
    found = re.fullmatch(rf"({_NUMBER})([^\d\s.]*)", text)
    units = UNITS[word.unit]
    if found is None:
        raise InputError(
            f"move {name} takes one number in {word.unit} ({', '.join(units)}), got {' '.join(values)!r}; "
            f"moves are joined by then or and"
        )
    if found.group(2) and found.group(2) not in units:
        raise InputError(
            f"move {name} takes {word.unit} ({', '.join(units)}), got the unit {found.group(2)!r} in {text!r}"
        )
    amount = float(found.group(1)) * units.get(found.group(2), 1.0)
    if not math.isfinite(amount):
        raise InputError(f"move {name}: the amount must be a finite number, got {text!r}")
    return amount


def _value(name: str, key: str, text: str) -> Any:
    about, kind = MOVE_KEYS[key].about, MOVE_KEYS[key].kind

    def refuse(expected: str) -> NoReturn:
        raise InputError(f"move {name}: {key} must be {expected} ({about}), got {text!r}")

    if kind == "word":
        return text if text in SPEEDS else refuse(" or ".join(SPEEDS))
    parts = text.split(",")
    if kind in ("whole", "views") and not all(re.fullmatch(r"[+-]?\d+", part) for part in parts):
        refuse("a whole number")
    if kind == "views":
        if any(int(part) < 1 for part in parts):
            refuse("1 or more")
        return tuple(int(part) for part in parts)
    if len(parts) != (3 if kind == "point" else 1) or not all(re.fullmatch(_NUMBER, part) for part in parts):
        refuse("three numbers x,y,z" if kind == "point" else "a number")
    if kind == "point":
        return tuple(float(part) for part in parts)
    return int(text) if kind == "whole" else float(text)


def _timed(groups: list[list[tuple[Step, dict[str, Any]]]]) -> tuple[Step, ...]:
    """All steps in order; every group has a stretch of the clip behind that of the group before it."""
    shares = []
    for group in groups:
        told = {timing["for"] for _, timing in group if "for" in timing}
        if len(told) > 1:
            raise InputError(
                f"moves at the same time take the same time, got for={' and for='.join(f'{x:g}' for x in sorted(told))}"
            )
        shares += [told.pop() if told else None]
    said = sum(share for share in shares if share is not None)
    if any(share is not None and share <= 0 for share in shares) or said > 1 + 1e-9:
        raise InputError(f"for=... are shares of the clip: positive and at most 1 in sum, got {said:g}")
    open_ones = shares.count(None)
    if open_ones and said > 1 - 1e-9:
        raise InputError(f"for=... take up the whole clip and leave no time for {open_ones} more; lower them")
    end, steps = 0.0, []
    for group, share in zip(groups, shares, strict=True):
        start, end = end, end + ((1 - said) / open_ones if share is None else share)
        for step, timing in group:
            pace = {key: value for key, value in timing.items() if key != "for"}
            when = Timing(start=start, end=min(end, 1.0), **pace)
            steps += [Step(step.move, step.amount, step.options, when, step.views)]
    return tuple(steps)

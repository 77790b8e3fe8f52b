"""Prompt files: a prompt per line, or an object per line that also names its seed, rig and folder."""

import json
import re
from pathlib import Path
from typing import Any

from syncam.errors import InputError

__all__ = ["read_prompts"]


def read_prompts(path: str | Path) -> list[dict[str, Any]]:
    """The entries of a prompt file; InputError naming file and line for whatever is not a prompt."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"prompt file {path} does not exist; expected a UTF-8 text file with one prompt per line")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as err:
        raise InputError(f"prompt file {path} is not UTF-8 (byte {err.start}); save it as UTF-8") from err
    entries = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            entries.append(
                _entry(line, f"{path}, line {number}") if path.suffix == ".jsonl" else {"prompt": line.strip()}
            )
    if not entries:
        raise InputError(f"prompt file {path} is empty; expected one prompt per line")
    return entries


def _entry(line: str, place: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as err:
        raise InputError(f"{place} is not JSON: {err.msg}") from err
    kinds = {"prompt": str, "seed": int, "rig": str, "name": str}
    if not isinstance(entry, dict) or not str(entry.get("prompt", "")).strip():
        raise InputError(f'{place}: expected an object with a prompt, such as {{"prompt": "a red horse walks"}}')
    for key, value in entry.items():
        if key not in kinds or type(value) is not kinds[key]:
            raise InputError(
                f"{place}: {key} = {value!r} is not one of prompt, rig, name (text) and seed (a whole number)"
            )
    if "name" in entry and not re.fullmatch(r"[\w][\w .-]*", entry["name"]):
        raise InputError(f"{place}: name {entry['name']!r} must be a plain folder name")
    return entry

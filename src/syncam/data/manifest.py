"""The manifest of a data set: its scenes with size and checksum of every file, one scene in a line of JSON."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from syncam.errors import InputError

__all__ = ["MANIFEST", "RECORD", "file_sum", "file_sums", "files_in", "read_manifest"]

MANIFEST = "manifest.jsonl"
RECORD = "record.json"
"""In a scene's folder: what the manifest says of it, but for the folder's name."""


def files_in(folder: Path) -> list[str]:
    """The names of the files of a scene below its folder, sorted; without hidden ones and the record itself."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    seen = (name.as_posix() for name in found if not any(part.startswith(".") for part in name.parts))
    return sorted(name for name in seen if name != RECORD)


def file_sums(folder: Path) -> dict[str, list[int | str]]:
    """Name -> size in bytes and SHA-256 of every file of a scene."""
    return {name: file_sum(folder / name) for name in files_in(folder)}


def file_sum(path: Path) -> list[int | str]:
    """Size in bytes and SHA-256 of a file."""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        return [content.tell(), digest]


def read_manifest(path: Path) -> Iterator[dict[str, Any]]:
    """The scenes of a manifest, one by one; InputError with the line where it is damaged."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                content = json.loads(line)
                if "scene" not in content and number == 1:
                    continue  # what is true of the whole set
                checked = isinstance(content["scene"], str) and all(
                    isinstance(size, int) and isinstance(digest, str) for size, digest in content["files"].values()
                )
            except (ValueError, TypeError, KeyError, AttributeError) as err:
                raise _damaged(path, number) from err
            if not checked:
                raise _damaged(path, number)
            yield content


def _damaged(path: Path, number: int) -> InputError:
    return InputError(f"{path}, line {number}, is damaged; remove the file, and syncam render writes it anew")

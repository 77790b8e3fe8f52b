"""Which format a camera file has, by its content, and by its name where the content leaves a choice."""

import re
import zipfile
from pathlib import Path
from typing import Any

from syncam.cameras.formats import blender, csv_table, rig_json
from syncam.cameras.formats.source import read_json, text_lines
from syncam.cameras.formats.table import FORMATS
from syncam.errors import InputError

__all__ = ["detect_format", "formats_by_suffix", "view_files"]

MAX_VIEWS = 1000
SHAPES = {8: "tum", 3: "spherical", 19: "realestate10k"}
"""Formats of text by their count of numbers a line."""


def detect_format(path: str | Path) -> str:
    """The name in FORMATS of the format of a file, or of a folder with a file per view or a COLMAP model.

    InputError with the candidates where none or several fit.
    """
    path = Path(path)
    candidates = _of_folder(path) if path.is_dir() else _of_file(path)
    if len(candidates) > 1 and (narrowed := candidates & set(formats_by_suffix(path))):
        candidates = narrowed
    if not candidates:
        raise InputError(f"{path} is no camera file that is known; the formats are {', '.join(FORMATS)}")
    if len(candidates) > 1:
        raise InputError(f"{path} could be {' or '.join(sorted(candidates))}; say which with format=")
    return candidates.pop()


def formats_by_suffix(path: Path) -> list[str]:
    """The formats whose files are named like this; of several endings that fit, the longest decides."""
    ends = {
        name: max((len(end) for end in format.suffixes if path.name.endswith(end)), default=0)
        for name, format in FORMATS.items()
    }
    longest = max(ends.values())
    return [name for name, end in ends.items() if longest and end == longest]


def view_files(path: Path, endings: set[str]) -> list[Path]:
    """The files of a folder with a file per view, in no order."""
    files = [file for file in path.iterdir() if file.suffix in endings and not file.name.startswith(".")]
    if len(files) > MAX_VIEWS:
        raise InputError(f"{path} has {len(files)} files that could be views; up to {MAX_VIEWS} are read")
    return [file for file in files if file.is_file()]


def _of_folder(path: Path) -> set[str]:
    found: set[str] = set()
    for ending in (".txt", ".bin"):
        if (path / f"cameras{ending}").is_file() and (path / f"images{ending}").is_file():
            found.add("colmap")
    if found:
        return found | ({"nerfstudio"} if (path / "transforms.json").is_file() else set())
    single = {name for name, format in FORMATS.items() if format.layout in ("file per view", "either")}
    endings = {Path("x" + end).suffix for name in single for end in FORMATS[name].suffixes}
    for file in view_files(path, endings):
        if (format := detect_format(file)) not in single:
            raise InputError(f"{file} is a {format} file, which holds all views; give the file and not its folder")
        found.add(format)
    return found


def _of_file(path: Path) -> set[str]:
    if not path.exists():
        raise InputError(f"camera file {path} does not exist")
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(b"glTF"):
        raise InputError(f"{path} is binary glTF; export it as glTF Embedded (.gltf)")
    if head.startswith(b"PK"):
        return {"npz"} if zipfile.is_zipfile(path) else set()
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return _of_json(read_json(path))
    if path.suffix == ".json":
        read_json(path)  # says why it is not JSON
    return _of_text(path)


def _of_json(content: Any) -> set[str]:
    if not isinstance(content, dict):
        return set()
    found: set[str] = set()
    if content.get("schema") in (rig_json.SCHEMA, blender.SCHEMA):
        found.add("syncam" if content["schema"] == rig_json.SCHEMA else "blender")
    if "asset" in content and "nodes" in content:
        found.add("gltf")
    frames = content.get("frames")
    if isinstance(frames, list) and any(isinstance(frame, dict) and "transform_matrix" in frame for frame in frames):
        found.add("nerfstudio")
    rows = [value for value in content.values() if isinstance(value, str) and value.lstrip().startswith("[")]
    if any(re.fullmatch(r"frame\d+", key) for key in content) or (rows and len(rows) == len(content)):
        found.add("syncamvideo")
    return found


def _of_text(path: Path) -> set[str]:
    """By the count of numbers in the first line that is neither a comment nor a title."""
    for line, text in text_lines(path):
        if not text or text.startswith("#"):
            continue
        if {"view", "frame", csv_table.POSE[0]} <= {cell.strip().strip('"') for cell in text.split(",")}:
            return {"csv"}
        words = text.replace(",", " ").split()
        try:
            [float(word) for word in words]
        except ValueError:
            if line == 1:
                continue
            return set()
        return {SHAPES[len(words)]} if len(words) in SHAPES else set()
    return set()

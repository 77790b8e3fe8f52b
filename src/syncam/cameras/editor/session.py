"""What the rig editor's page asks for, as functions of plain values: the server turns them into HTTP."""

import base64
import binascii
import math
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from syncam.cameras.editor.bodies import value, whole
from syncam.cameras.editor.content import content_cameras, rig_content
from syncam.cameras.editor.exchange import export_cameras, formats, import_cameras
from syncam.cameras.rig import parse_named_rig, rig_file
from syncam.errors import InputError
from syncam.files import write_json

__all__ = ["REQUESTS", "Session"]

MOST_FRAMES = 10_000
MOST_PIXELS = 8192
KEPT = ("schema", "version", "convention", "height", "width", "num_frames", "fps", "views", "editor")


@dataclass
class Session:
    """One run of the editor: the rig that a page that is opened shows, and where Save writes it."""

    content: dict[str, Any]
    out: Path | None
    source: str
    done: Event = field(default_factory=Event)

    def start(self) -> dict[str, Any]:
        """What a page needs to know when it is opened."""
        known = [{"name": name, "about": kind.about} for name, kind in formats().items()]
        out = None if self.out is None else str(self.out)
        return {"server": True, "rig": self.content, "formats": known, "out": out, "source": self.source}


def words(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    """{spec, num_frames, height, width} -> the content of that rig. Files are refused: a page names no paths."""
    spec = value(body, "spec", str)
    if rig_file(spec) is not None:
        raise InputError("a path is no rig in words; open files with Import")
    num_frames = whole(body, "num_frames", MOST_FRAMES)
    return rig_content(parse_named_rig(spec, num_frames=num_frames, hw=_hw(body)))


def read(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    """{files: [{name, base64}], format, height, width, focal_mm} -> the content of the rig in these files."""
    files = {}
    for file in value(body, "files", list):
        if not isinstance(file, dict):
            raise InputError("files must be objects with name and base64")
        name = value(file, "name", str)
        try:
            files[name] = base64.b64decode(value(file, "base64", str), validate=True)
        except binascii.Error as err:
            raise InputError(f"the content of {name} is not base64: {err}") from err
    format, focal_mm = body.get("format"), body.get("focal_mm")
    if not (format is None or isinstance(format, str)):
        raise InputError(f"format must be a name or null, got {format!r}")
    if not (focal_mm is None or (_is_number(focal_mm) and focal_mm > 0)):
        raise InputError(f"focal_mm must be a positive number or null, got {focal_mm!r}")
    return rig_content(import_cameras(files, format=format, hw=_hw(body), focal_mm=focal_mm))


def export(session: Session, body: dict[str, Any]) -> tuple[str, bytes]:
    """{format, rig} -> the name and the bytes of a file."""
    content = value(body, "rig", dict)
    _refuse_bad_fps(content)
    return export_cameras(content_cameras(content), value(body, "format", str))


def save(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    """{rig} -> {path}: writes the rig, with its keyframes, to the file that the user named on the command line."""
    content = value(body, "rig", dict)
    if session.out is None:
        raise InputError("syncam rig edit was started without --out; export the rig instead")
    _refuse_bad_fps(content)
    content_cameras(content)
    kept = {name: content[name] for name in KEPT if name in content}
    write_json(session.out, kept)
    session.content = kept
    return {"path": str(session.out)}


def done(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    """Ends the server."""
    session.done.set()
    return {}


REQUESTS = {"/api/rig": words, "/api/import": read, "/api/export": export, "/api/save": save, "/api/done": done}
"""Path -> what answers it: an object for JSON, or the name and the bytes of a file."""


def _hw(body: dict[str, Any]) -> tuple[int, int]:
    return whole(body, "height", MOST_PIXELS), whole(body, "width", MOST_PIXELS)


def _refuse_bad_fps(content: dict[str, Any]) -> None:
    fps = content.get("fps")
    if not (fps is None or (_is_number(fps) and fps > 0)):
        raise InputError(f"fps must be a positive number, got {fps!r}")


def _is_number(given: Any) -> bool:
    return type(given) in (int, float) and math.isfinite(given)

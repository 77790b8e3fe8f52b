"""Cameras as the content of a rig file, without the file."""

import json
import tempfile
from pathlib import Path
from typing import Any

from syncam.cameras.formats import NamedCameras, read_named_cameras, write_named_cameras
from syncam.errors import InputError

__all__ = ["content_cameras", "rig_content"]


def rig_content(named: NamedCameras) -> dict[str, Any]:
    """Cameras as the content of a rig file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rig.json"
        write_named_cameras(path, named, format="syncam")
        return json.loads(path.read_text(encoding="utf-8"))


def content_cameras(content: dict[str, Any]) -> NamedCameras:
    """The cameras of the content of a rig file: the inverse of `rig_content`, with every check of `load_rig`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rig.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        try:
            return read_named_cameras(path, format="syncam")
        except InputError as err:
            raise InputError(str(err).replace(str(path), "the rig")) from err

"""The rig editor's page: for its server, or as one file that needs none."""

from pathlib import Path
from typing import Any

from syncam.cameras.cameras import Cameras
from syncam.cameras.editor.assets import EDITOR
from syncam.cameras.editor.content import rig_content
from syncam.cameras.editor.document import document
from syncam.cameras.formats import NamedCameras
from syncam.cameras.formats.named import default_names
from syncam.files import write_text
from syncam.rig_words import RIG_WORDS

__all__ = ["editor_start", "write_page"]

SILENT = "syncam rig edit does not answer; it may have ended. Export as syncam to keep your work."


def write_page(path: str | Path, cameras: Cameras, *, fps: float | None = None) -> None:
    """Writes the editor with these cameras as one HTML file: it opens from disk, in a notebook or on any web server.

    Such a page needs no network. It reads and writes rig JSON; other formats and rigs in words need `syncam rig edit`.
    """
    content = rig_content(NamedCameras(default_names(cameras.num_views), cameras, fps))
    start = {"server": False, "rig": content, "formats": [], "out": None, "source": None}
    write_text(path, document(EDITOR, editor_start(start), token=None))


def editor_start(start: dict[str, Any]) -> dict[str, Any]:
    """What a page needs to know when it is opened, with what all of them do."""
    words = [
        {"spec": f"{name}:{','.join(f'{key}={value:g}' for key, value in word.keys.items())}", "about": word.about}
        for name, word in RIG_WORDS.items()
    ]
    return start | {"words": words, "silent": SILENT}

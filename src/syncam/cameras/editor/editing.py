"""`syncam rig edit`: opens the editor and waits until it is done."""

import json
import logging
from pathlib import Path
from typing import Any

from syncam.cameras.editor.content import rig_content
from syncam.cameras.editor.local_server import open_page
from syncam.cameras.editor.server import serving
from syncam.cameras.editor.session import Session
from syncam.cameras.formats.rig_json import SCHEMA
from syncam.cameras.rig import preview_rig, rig_file
from syncam.errors import InputError
from syncam.rig_words import DEFAULT_RIG

__all__ = ["edit_rig"]

log = logging.getLogger(__name__)


def edit_rig(
    spec: str = DEFAULT_RIG,
    *,
    out: str | Path | None = None,
    num_frames: int | None = None,
    hw: tuple[int, int] | None = None,
    port: int = 0,
    open_browser: bool = True,
) -> Path | None:
    """Opens the rig editor with the rig `spec` (as parse_rig takes it) and waits for its Done button, or for Ctrl-C.

    Save and Done write `out`, a .json file; without it, the page exports files through the browser. Rigs in words have
    17 frames of 128x128 pixels unless told otherwise. `port` 0 is a free one. Returns `out` if the page saved it.
    """
    out = None if out is None else Path(out)
    if out is not None and out.suffix != ".json":
        raise InputError(f"out must end in .json, got {out}; the page exports other formats")
    session = Session(_content(spec, num_frames, hw), out, spec)
    before = session.content
    with serving(session, port) as address:
        open_page(address, "The rig editor ends with its Done button or Ctrl-C.", browser=open_browser)
        try:
            session.done.wait()
        except KeyboardInterrupt:
            log.info("The rig editor has ended.")
    return None if session.content is before else out


def _content(spec: str, num_frames: int | None, hw: tuple[int, int] | None) -> dict[str, Any]:
    """The rig as the content of a file; a rig file that is opened as it is keeps its keyframes."""
    in_file = rig_file(spec)
    named = preview_rig(spec, num_frames=num_frames, hw=hw)
    if in_file is not None and in_file[0].endswith(".json") and (in_file[1], num_frames, hw) == (None, None, None):
        content = json.loads(Path(in_file[0]).read_text(encoding="utf-8"))
        if content.get("schema") == SCHEMA:
            return content
    return rig_content(named)

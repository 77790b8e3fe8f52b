"""The rig editor as a site: its page, and what that asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from typing import Any

from syncam.cameras.editor import local_server
from syncam.cameras.editor.assets import EDITOR
from syncam.cameras.editor.local_server import Answer, Site
from syncam.cameras.editor.page import editor_start
from syncam.cameras.editor.session import REQUESTS, Session

__all__ = ["MAX_BODY", "serving"]

MAX_BODY = 64 * 2**20
"""Bytes of the longest request that is read."""


@contextmanager
def serving(session: Session, port: int = 0) -> Iterator[str]:
    """Serves the editor on a port (0: a free one) of 127.0.0.1 while the context lasts; yields its address."""
    working = Lock()  # one request changes the session or the file at a time

    def answer(path: str, body: dict[str, Any]) -> Answer:
        with working:
            return REQUESTS[path](session, body)

    requests = {path: partial(answer, path) for path in REQUESTS}
    site = Site("syncam rig edit", EDITOR, lambda: editor_start(session.start()), requests, MAX_BODY)
    with local_server.serving(site, port) as address:
        yield address

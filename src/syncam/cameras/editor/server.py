"""The rig editor's server: bundled files and a small JSON API, for browsers on this machine that have the token."""

import json
import logging
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote

from syncam.cameras.editor.assets import MODULES, STYLE, asset
from syncam.cameras.editor.page import page_html, served_policy
from syncam.cameras.editor.session import REQUESTS, Session
from syncam.errors import InputError

__all__ = ["MAX_BODY", "TOKEN_HEADER", "serving"]

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
TOKEN_HEADER = "Syncam-Token"
MAX_BODY = 64 * 2**20
"""Bytes of the longest request that is read."""


@cache
def _files() -> dict[str, tuple[str, bytes]]:
    """Path -> content type and bytes of everything but the page itself."""
    scripts = {f"/{file}": ("text/javascript", asset(file).encode()) for file in MODULES.values()}
    return scripts | {f"/{STYLE}": ("text/css", asset(STYLE).encode())}


@contextmanager
def serving(session: Session, port: int = 0) -> Iterator[str]:
    """Serves the editor on a port (0: a free one) of 127.0.0.1 while the context lasts; yields its address.

    The address has a random token in it, without which nothing is answered. InputError if the port is taken.
    """
    try:
        server = Server((HOST, port), session)
    except (OSError, OverflowError) as err:
        raise InputError(
            f"port {port} of {HOST} cannot be used ({err}); choose another one, or 0 for a free one"
        ) from err
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/?token={server.token}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Server(ThreadingHTTPServer):
    """An HTTP server with the session that it serves."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], session: Session) -> None:
        super().__init__(address, Handler)
        self.session = session
        self.token = secrets.token_urlsafe(16)
        self.working = threading.Lock()  # one request changes the session or the file at a time

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves before it has its answer is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server
    timeout = 30
    server_version = "syncam"
    sys_version = ""

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        path = self.path.partition("?")[0]
        if path == "/":
            page = page_html(self.server.session.start(), token=self.server.token)
            self._answer(200, "text/html; charset=utf-8", page.encode())
        elif path in _files():
            self._answer(200, *_files()[path])
        else:
            self._refuse(404, f"there is no {path} here")

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        path = self.path.partition("?")[0]
        if path not in REQUESTS:
            return self._refuse(404, f"there is no {path} here; known are {', '.join(REQUESTS)}")
        if self.headers.get_content_type() != "application/json":
            return self._refuse(415, "expected a body of type application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            return self._refuse(411, "expected a Content-Length and a body of that many bytes")
        if len(length) > 15 or int(length) > MAX_BODY:
            return self._refuse(413, f"the body has {length[:15]} bytes; at most {MAX_BODY} are read")
        raw = self.rfile.read(int(length))
        if len(raw) < int(length):
            return self._refuse(400, f"the body ended after {len(raw)} of {length} bytes")
        try:
            body = json.loads(raw, parse_constant=_no_constant)
        except (ValueError, RecursionError) as err:
            return self._refuse(400, f"the body is not JSON: {err}")
        if not isinstance(body, dict):
            return self._refuse(400, f"the body must be a JSON object, got {type(body).__name__}")
        try:
            with self.server.working:
                result = REQUESTS[path](self.server.session, body)
        except InputError as err:
            return self._refuse(400, str(err))
        except OSError as err:
            return self._refuse(500, str(err))
        if isinstance(result, tuple):
            name, content = result
            disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
            return self._answer(200, "application/octet-stream", content, disposition)
        return self._answer(200, "application/json", json.dumps(result, allow_nan=False).encode())

    def _is_ours(self) -> bool:
        """Whether the request comes from this machine's own page and has the session's token; else it is refused.

        Another site's page can reach this port, also under a name of its own that it lets point to 127.0.0.1: then Host
        or Origin name that site. The token keeps out other users and programs of this machine, and other ports' pages.
        """
        ours = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if host not in ours:
            self._refuse(403, f"Host is {host}; expected {' or '.join(sorted(ours))}")
        elif origin is not None and origin not in {f"http://{name}" for name in ours}:
            self._refuse(403, f"Origin is {origin}; only this page itself may ask")
        elif self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            self._refuse(403, "another site's page may not ask")
        elif not self._has_token():
            self._refuse(403, "this needs the session's token; open the whole address that syncam rig edit shows")
        else:
            return True
        return False

    def _has_token(self) -> bool:
        given = self.headers.get(TOKEN_HEADER) or parse_qs(self.path.partition("?")[2]).get("token", [""])[0]
        return secrets.compare_digest(given.encode(errors="replace"), self.server.token.encode())

    def _refuse(self, status: int, complaint: str) -> None:
        log.debug("rig editor: %s %s refused: %s", self.command, self.path.partition("?")[0], complaint)
        self._answer(status, "application/json", json.dumps({"error": complaint}).encode())

    def _answer(self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        policy = {"Content-Security-Policy": served_policy(self.server.token)} if kind.startswith("text/html") else {}
        common = {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
        }
        for name, value in (common | policy | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("rig editor: %s", (format % args).replace(self.server.token, "..."))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")

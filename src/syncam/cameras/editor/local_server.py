"""The server of a page: bundled files and a small JSON API, for browsers on this machine that have the token."""

import json
import logging
import secrets
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote

from syncam.cameras.editor.assets import Bundle
from syncam.cameras.editor.document import document, served_policy
from syncam.errors import InputError

__all__ = ["TOKEN_HEADER", "Answer", "Site", "open_page", "serving"]

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
TOKEN_HEADER = "Syncam-Token"

Answer = dict[str, Any] | bytes | tuple[str, bytes]
"""An object for JSON, bytes, or the name and the bytes of a file to download."""


@dataclass(frozen=True)
class Site:
    """What a server serves. Requests may come at the same time, in threads of their own."""

    command: str
    """The verb that shows the address, as it is typed."""
    bundle: Bundle
    start: Callable[[], dict[str, Any]]
    """What a page needs to know when it is opened."""
    requests: Mapping[str, Callable[[dict[str, Any]], Answer]]
    """Path -> what answers the JSON object that comes; InputError refuses it."""
    max_body: int
    """Bytes of the longest request that is read."""


@contextmanager
def serving(site: Site, port: int = 0) -> Iterator[str]:
    """Serves a page on a port (0: a free one) of 127.0.0.1 while the context lasts; yields its address.

    The address has a random token in it, without which nothing is answered. InputError if the port is taken.
    """
    try:
        server = Server((HOST, port), site)
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


def open_page(address: str, said: str, *, browser: bool) -> None:
    """Shows the address, after a sentence, on a line to copy, and opens it in the browser if that is wanted."""
    log.info("%s It is at\n%s", said, address)
    if browser and not webbrowser.open(address):
        log.info("No browser could be opened here; open that address yourself.")


class Server(ThreadingHTTPServer):
    """An HTTP server with what it serves."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], site: Site) -> None:
        super().__init__(address, Handler)
        self.site = site
        self.token = secrets.token_urlsafe(16)
        scripts = {f"/{name}": ("text/javascript", site.bundle.text(name).encode()) for name in site.bundle.modules}
        styles = {f"/{name}": ("text/css", site.bundle.text(name).encode()) for name in site.bundle.styles}
        self.files = scripts | styles

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
        path, site = self.path.partition("?")[0], self.server.site
        if path == "/":
            page = document(site.bundle, site.start(), token=self.server.token)
            self._answer(200, "text/html; charset=utf-8", page.encode())
        elif path in self.server.files:
            self._answer(200, *self.server.files[path])
        else:
            self._refuse(404, f"there is no {path} here")

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        path, site = self.path.partition("?")[0], self.server.site
        if path not in site.requests:
            return self._refuse(404, f"there is no {path} here; known are {', '.join(site.requests)}")
        if self.headers.get_content_type() != "application/json":
            return self._refuse(415, "expected a body of type application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or "Transfer-Encoding" in self.headers:
            return self._refuse(411, "expected a Content-Length and a body of that many bytes")
        if len(length) > 15 or int(length) > site.max_body:
            return self._refuse(413, f"the body has {length[:15]} bytes; at most {site.max_body} are read")
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
            result = site.requests[path](body)
        except InputError as err:
            return self._refuse(400, str(err))
        except OSError as err:
            return self._refuse(500, str(err))
        if isinstance(result, dict):
            return self._answer(200, "application/json", json.dumps(result, allow_nan=False).encode())
        if isinstance(result, bytes):
            return self._answer(200, "application/octet-stream", result)
        name, content = result
        disposition = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return self._answer(200, "application/octet-stream", content, disposition)

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
            command = self.server.site.command
            self._refuse(403, f"this needs the session's token; open the whole address that {command} shows")
        else:
            return True
        return False

    def _has_token(self) -> bool:
        given = self.headers.get(TOKEN_HEADER) or parse_qs(self.path.partition("?")[2]).get("token", [""])[0]
        return secrets.compare_digest(given.encode(errors="replace"), self.server.token.encode())

    def _refuse(self, status: int, complaint: str) -> None:
        path = self.path.partition("?")[0]
        log.debug("%s: %s %s refused: %s", self.server.site.command, self.command, path, complaint)
        self._answer(status, "application/json", json.dumps({"error": complaint}).encode())

    def _answer(self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        policy = {}
        if kind.startswith("text/html"):
            policy = {"Content-Security-Policy": served_policy(self.server.site.bundle, self.server.token)}
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
        log.debug("%s: %s", self.server.site.command, (format % args).replace(self.server.token, "..."))


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")

"""What the server's tests ask with."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from syncam.cameras import NamedCameras, parse_rig
from syncam.cameras.editor.content import rig_content
from syncam.cameras.editor.local_server import TOKEN_HEADER
from syncam.cameras.editor.server import serving
from syncam.cameras.editor.session import Session

SPEC = "arc:views=2,radius=4,move=40"
SIZE = {"num_frames": 5, "height": 96, "width": 128}


def rig() -> dict[str, Any]:
    return rig_content(NamedCameras(("left", "right"), parse_rig(SPEC, num_frames=5, hw=(96, 128)), 8.0))


@dataclass(frozen=True)
class Client:
    """Sends one request; gives the status and the JSON, or for other types the headers and the bytes."""

    port: int
    token: str

    def __call__(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """A header that is empty is left out."""
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if raw is not None else {}
        sent = kind | {TOKEN_HEADER: self.token} | (headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, raw, {name: value for name, value in sent.items() if value})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.headers.get_content_type() == "application/json":
            return answer.status, json.loads(content)
        return answer.status, (answer.headers, content)


def client(address: str) -> Client:
    """A client of the server at the address that it shows."""
    parts = urlsplit(address)
    assert (parts.scheme, parts.hostname, parts.path) == ("http", "127.0.0.1", "/") and parts.port
    return Client(parts.port, parse_qs(parts.query)["token"][0])


@contextmanager
def asking(session: Session) -> Iterator[Client]:
    with serving(session) as address:
        yield client(address)

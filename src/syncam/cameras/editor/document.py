"""A page as one HTML text: for its server, or with everything inside."""

import base64
import hashlib
import json
from typing import Any

from syncam.cameras.editor.assets import Bundle

__all__ = ["document", "served_policy"]

FILE_POLICY = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:"


def document(bundle: Bundle, start: dict[str, Any], *, token: str | None) -> str:
    """The page; `start` is what static/server.js reads.

    Served, it asks for its files with the session's `token`; without one, all modules are inside it as data URLs.
    """
    if token is None:
        policy = f'<meta http-equiv="Content-Security-Policy" content="{FILE_POLICY}">'
        style = "".join(f"<style>\n{bundle.text(name)}</style>" for name in bundle.styles)
        main = f'<script type="module">import "{bundle.main}";</script>'
    else:
        policy = ""
        style = "".join(f'<link rel="stylesheet" href="/{name}?token={token}">' for name in bundle.styles)
        main = f'<script type="module" src="/{bundle.main}?token={token}"></script>'
    data = json.dumps(start | {"token": token}, allow_nan=False)
    data = data.replace("<", "\\u003c")  # no </script> in it
    head = f'{policy}\n{style}\n<script type="importmap">{_import_map(bundle, token)}</script>'
    end = f'<script type="application/json" id="start">{data}</script>\n{main}'
    html = bundle.html.read_text(encoding="utf-8")
    return html.replace("<!-- head -->", head).replace("<!-- start -->", end)


def served_policy(bundle: Bundle, token: str) -> str:
    """The Content-Security-Policy of the served page: its own files, and the one script that stands inside it."""
    digest = base64.b64encode(hashlib.sha256(_import_map(bundle, token).encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; connect-src 'self'; "
        "img-src data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def _import_map(bundle: Bundle, token: str | None) -> str:
    def address(name: str) -> str:
        if token is None:
            return "data:text/javascript;base64," + base64.b64encode(bundle.text(name).encode()).decode()
        return f"/{name}?token={token}"

    return json.dumps({"imports": {name: address(name) for name in bundle.modules}})

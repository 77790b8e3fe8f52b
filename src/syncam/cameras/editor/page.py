"""The rig editor's page: for its server, or as one file that needs none."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from syncam.cameras.cameras import Cameras
from syncam.cameras.editor.assets import MODULES, STYLE, asset
from syncam.cameras.editor.content import rig_content
from syncam.cameras.formats import NamedCameras
from syncam.cameras.formats.named import default_names
from syncam.files import write_text
from syncam.rig_words import RIG_WORDS

__all__ = ["page_html", "served_policy", "write_page"]

MAIN = "editor/main.js"
FILE_POLICY = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data: blob:"


def write_page(path: str | Path, cameras: Cameras, *, fps: float | None = None) -> None:
    """Writes the editor with these cameras as one HTML file: it opens from disk, in a notebook or on any web server.

    Such a page needs no network. It reads and writes rig JSON; other formats and rigs in words need `syncam rig edit`.
    """
    content = rig_content(NamedCameras(default_names(cameras.num_views), cameras, fps))
    start = {"server": False, "rig": content, "formats": [], "out": None, "source": None}
    write_text(path, page_html(start, token=None))


def page_html(start: dict[str, Any], *, token: str | None) -> str:
    """The page; `start` is what static/server.js reads.

    Served, it asks for its files with the session's `token`; without one, all modules are inside it as data URLs.
    """
    if token is None:
        policy = f'<meta http-equiv="Content-Security-Policy" content="{FILE_POLICY}">'
        style = f"<style>\n{asset(STYLE)}</style>"
        main = f'<script type="module">import "{MAIN}";</script>'
    else:
        policy = ""
        style = f'<link rel="stylesheet" href="/{STYLE}?token={token}">'
        main = f'<script type="module" src="/{MODULES[MAIN]}?token={token}"></script>'
    words = [
        {"spec": f"{name}:{','.join(f'{key}={value:g}' for key, value in word.keys.items())}", "about": word.about}
        for name, word in RIG_WORDS.items()
    ]
    data = json.dumps(start | {"words": words, "token": token}, allow_nan=False)
    data = data.replace("<", "\\u003c")  # no </script> in it
    head = f'{policy}\n{style}\n<script type="importmap">{_import_map(token)}</script>'
    end = f'<script type="application/json" id="start">{data}</script>\n{main}'
    html = asset("static/index.html")
    return html.replace("<!-- head -->", head).replace("<!-- start -->", end)


def served_policy(token: str) -> str:
    """The Content-Security-Policy of the served page: its own files, and the one script that stands inside it."""
    digest = base64.b64encode(hashlib.sha256(_import_map(token).encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self'; connect-src 'self'; "
        "img-src data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def _import_map(token: str | None) -> str:
    def address(file: str) -> str:
        if token is None:
            return "data:text/javascript;base64," + base64.b64encode(asset(file).encode()).decode()
        return f"/{file}?token={token}"

    return json.dumps({"imports": {name: address(file) for name, file in MODULES.items()}})

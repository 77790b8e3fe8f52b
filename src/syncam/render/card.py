"""The card of a rendered data set: README.md at its root, left alone once somebody has edited it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from syncam.files import write_text
from syncam.render.card_page import Part, page

__all__ = ["CARD", "write_card"]

CARD = "README.md"
MARK = "<!-- syncam render wrote this page, and writes it anew until somebody edits it: "


def write_card(root: Path, parts: Sequence[Part]) -> bool:
    """Writes README.md; False, and nothing is written, if somebody has edited it or it is not ours."""
    path = root / CARD
    if path.is_file() and not _is_ours(path.read_bytes()):
        return False
    text = page(parts)
    write_text(path, f"{text}\n{MARK}{_digest(text.encode())} -->\n")
    return True


def _is_ours(content: bytes) -> bool:
    """Whether we wrote the page and nobody has changed it since."""
    text, found, mark = content.rpartition(f"\n{MARK}".encode())
    return bool(found) and mark == f"{_digest(text)} -->\n".encode()


def _digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]

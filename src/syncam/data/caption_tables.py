"""Tables of captions, csv or jsonl: what they say of which scene, and one of our own beside a data set."""

import csv
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path, PurePosixPath

from syncam.cameras.formats.sequence import natural
from syncam.data.folder import check_entry, read_table
from syncam.errors import InputError
from syncam.files import write_text

__all__ = ["CAPTIONS", "CaptionTable", "fit_names", "read_captions"]

CAPTIONS = "captions.csv"
"""The table in the folder of a data set whose scenes have no folders of their own."""
NAMES = ("path", "file_name", "filename", "file", "scene", "video")
TEXTS = ("text", "caption", "prompt")
INSIDE = 2
"""How many folders below that of a scene its files lie: videos/cam01.mp4."""
SAVE_SECONDS = 30


def read_captions(path: str | Path) -> dict[str, str]:
    """What a table says of which file or scene: a csv with a header, or a jsonl with an object in every line.

    The name is called path, file_name, filename, file, scene or video, the text is called text, caption or prompt: of
    each the first that there is.
    """
    path = Path(path)
    if path.suffix not in (".jsonl", ".ndjson"):
        return read_table(path, NAMES, TEXTS)
    if not path.is_file():
        raise InputError(f"table {path} does not exist; expected lines such as {{'path': ..., 'text': ...}}")
    texts: dict[str, str] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as err:  # what is not UTF-8 as well
            raise InputError(f"{path}, line {number}: no JSON in UTF-8 ({err})") from err
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected an object such as {{'path': ..., 'text': ...}}")
        name = next((row[key] for key in NAMES if key in row), None)
        text = next((row[key] for key in TEXTS if key in row), None)
        if not isinstance(name, str) or not name or not isinstance(text, str):
            raise InputError(
                f"{path}, line {number}: expected the words {' or '.join(NAMES)}, and {' or '.join(TEXTS)}, "
                f"got {', '.join(map(str, row)) or 'nothing'}"
            )
        check_entry(path, number, name, texts)
        texts[name] = text.strip()
    return texts


def fit_names(names: Sequence[str], entries: Iterable[str]) -> tuple[dict[str, int], list[str]]:
    """Which scene every entry of a table means, as its number in `names`, and the entries that mean none.

    An entry is the name of a scene, the end of it, or a longer path that ends in it; of a file, with or without what
    stands after the dot; or it is a file in the folder of a scene. InputError where it could be several scenes.
    """
    exact: dict[str, int] = {}
    ends: defaultdict[str, list[int]] = defaultdict(list)
    for number, name in enumerate(names):
        for known in {name, name.removesuffix(PurePosixPath(name).suffix if _is_file(name) else "")}:
            exact[known] = number
            parts = known.split("/")
            for start in range(1, len(parts)):
                ends["/".join(parts[start:])].append(number)
    fitting: dict[str, int] = {}
    unknown = []
    for entry in entries:
        number = _fit(entry, names, exact, ends)
        if number is None:
            unknown.append(entry)
        else:
            fitting[entry] = number
    return fitting, unknown


def _fit(entry: str, names: Sequence[str], exact: dict[str, int], ends: dict[str, list[int]]) -> int | None:
    path = PurePosixPath(entry.replace("\\", "/"))
    places = [path, path.with_suffix(""), *list(path.parents)[:INSIDE]] if path.suffix else [path]
    for place in places:
        holds = place in path.parents
        parts = place.parts
        for start in range(len(parts)):
            number = exact.get("/".join(parts[start:]))
            if number is not None and not (holds and _is_file(names[number])):
                return number
        found = sorted({number for number in ends.get("/".join(parts), ()) if not (holds and _is_file(names[number]))})
        if len(found) > 1:
            raise InputError(
                f"{entry} could be {names[found[0]]} or {names[found[1]]}; write more of the path into the table"
            )
        if found:
            return found[0]
    return None


def _is_file(name: str) -> bool:
    return name.endswith((".mp4", ".txt"))


class CaptionTable:
    """A table that grows, with the columns path and text: written whole now and then, and by `save` at the end."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix != ".csv":
            raise InputError(f"captions are written to a .csv, got {path}")
        self.texts = read_captions(path) if self.path.exists() else {}
        self._saved = time.monotonic()
        self._changed = False

    def add(self, name: str, text: str) -> None:
        """Notes what a scene shows."""
        self.texts[name] = text
        self._changed = True
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Writes the table, whole or not at all, if there is anything new."""
        if self._changed:
            content = StringIO()
            writer = csv.writer(content, lineterminator="\n")
            writer.writerow(("path", "text"))
            writer.writerows((name, self.texts[name]) for name in sorted(self.texts, key=natural))
            write_text(self.path, content.getvalue())
        self._saved, self._changed = time.monotonic(), False

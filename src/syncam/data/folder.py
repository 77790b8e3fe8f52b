"""Videos from anywhere: a folder of mp4 files, with their captions in metadata.csv (file_name,text) or without."""

import csv
import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path

from syncam.cameras.formats.sequence import natural
from syncam.data.footage import Footage, VideoFile
from syncam.data.scene import Scene, folders_among
from syncam.errors import InputError

__all__ = ["TABLE", "VideoScene", "check_entry", "find_videos", "read_table", "videos_below"]

TABLE = "metadata.csv"


@dataclass(frozen=True)
class VideoScene(Scene):
    """A video with one view and no cameras."""

    path: Path
    text: str = ""
    """What a table says of it."""

    @cached_property
    def footage(self) -> list[Footage]:
        """The video."""
        return [VideoFile(self.path)]

    @cached_property
    def caption(self) -> str:
        """The text of the table; "" where there is none."""
        return self.text


def find_videos(root: Path) -> Iterator[VideoScene]:
    """The videos that metadata.csv lists, relative to `root`, and every other mp4 file in `root` and below it."""
    captions = {}
    if (root / TABLE).is_file():
        captions = {Path(name): text for name, text in read_table(root / TABLE, ("file_name",)).items()}
    found = {path.relative_to(root) for path in videos_below(root)}
    for path in sorted(found | captions.keys(), key=lambda path: natural(path.as_posix())):
        yield VideoScene(root / path, captions.get(path, ""))


def videos_below(folder: Path) -> Iterator[Path]:
    """What is called *.mp4 in a folder and in those below it, hidden ones left out, in no order."""
    with os.scandir(folder) as found:
        entries = list(found)
    yield from (folder / entry.name for entry in entries if entry.name.endswith(".mp4") and entry.name[0] != ".")
    for inner in folders_among(entries, folder):
        yield from videos_below(inner)


def read_table(path: Path, columns: tuple[str, ...], texts: tuple[str, ...] = ("text",)) -> dict[str, str]:
    """The text of every file of a CSV with a header: names and texts stand in the first of `columns` and of `texts`."""
    if not path.is_file():
        raise InputError(f"table {path} does not exist; expected a CSV with the columns {columns[0]} and {texts[0]}")
    found: dict[str, str] = {}
    content = path.read_bytes()
    try:
        reader = csv.DictReader(StringIO(content.decode("utf-8-sig"), newline=""))
        header = reader.fieldnames or ()
        column = next((name for name in columns if name in header), None)
        wording = next((name for name in texts if name in header), None)
        if column is None or wording is None:
            raise InputError(
                f"{path} has the columns {', '.join(header) or '(none)'}; "
                f"expected {' or '.join(columns)}, and {' or '.join(texts)}"
            )
        for row in reader:
            name, text = row[column], row[wording]
            if not name or text is None:
                raise InputError(f"{path}, line {reader.line_num}: expected a file name and a text, got {row}")
            check_entry(path, reader.line_num, name, found)
            found[name] = text.strip()
    except UnicodeDecodeError as err:
        line = content[: err.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: no UTF-8 (byte {err.start}); save the table as UTF-8") from err
    except csv.Error as err:
        raise InputError(f"{path} cannot be read as a CSV: {err}") from err
    return found


def check_entry(path: Path, line: int, name: str, known: Container[str]) -> None:
    """InputError with the line of a table for a name that leads out of the folder, or that stands there already."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InputError(f"{path}, line {line}: {name} leads out of the folder")
    if name in known:
        raise InputError(f"{path}, line {line}: {name} stands there twice")

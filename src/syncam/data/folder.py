"""Videos from anywhere: a folder of mp4 files, with their captions in metadata.csv (file_name,text) or without."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from syncam.cameras.formats.sequence import natural
from syncam.data.footage import Footage, VideoFile
from syncam.data.scene import Scene
from syncam.errors import InputError

__all__ = ["TABLE", "VideoScene", "find_videos", "read_table"]

TABLE = "metadata.csv"


@dataclass(frozen=True)
class VideoScene(Scene):
    """A video with one view and no cameras."""

    path: Path
    text: str = ""

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
    found = {path.relative_to(root) for path in root.rglob("[!.]*.mp4")}
    for path in sorted(found | captions.keys(), key=lambda path: natural(path.as_posix())):
        yield VideoScene(root / path, captions.get(path, ""))


def read_table(path: Path, columns: tuple[str, ...]) -> dict[str, str]:
    """The `text` of every file of a CSV with a column of file names, which is the first of `columns` that there is."""
    if not path.is_file():
        raise InputError(f"table {path} does not exist; expected a CSV with the columns {columns[0]} and text")
    texts: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            column = next((name for name in columns if name in (reader.fieldnames or ())), None)
            if column is None or "text" not in (reader.fieldnames or ()):
                raise InputError(
                    f"{path} has the columns {', '.join(reader.fieldnames or ()) or '(none)'}; "
                    f"expected {' or '.join(columns)}, and text"
                )
            for row in reader:
                name, text = row[column], row["text"]
                if not name or text is None:
                    raise InputError(f"{path}, line {reader.line_num}: expected a file name and a text, got {row}")
                if Path(name).is_absolute() or ".." in Path(name).parts:
                    raise InputError(f"{path}, line {reader.line_num}: {name} leads out of the folder")
                if name in texts:
                    raise InputError(f"{path}, line {reader.line_num}: {name} stands there twice")
                texts[name] = text.strip()
    except (UnicodeDecodeError, csv.Error) as err:
        raise InputError(f"{path} cannot be read as a CSV in UTF-8: {err}") from err
    return texts

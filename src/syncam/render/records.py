"""What stands at the root of a rendered data set: tables of captions, manifest, card. All follow from its scenes."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from syncam import __version__
from syncam.cameras.formats.sequence import natural
from syncam.data.manifest import MANIFEST
from syncam.data.syncamvideo import find_scene_folders
from syncam.files import atomic_path
from syncam.render.card import write_card
from syncam.render.card_page import Part
from syncam.render.scene_files import scene_record

__all__ = ["METADATA", "write_records"]

METADATA = "metadata.csv"
"""What the trainers of SynCamMaster and ReCamMaster read: file_name,text of every video of train, below `train`."""
TRAIN = "train"


def write_records(root: str | Path, settings: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Writes what stands at the root, of all scenes that are there; returns what was left as it is, or None.

    metadata.csv (of train), captions-<split>.csv (path,text of every scene), manifest.jsonl and README.md, each whole
    at any time, all derived from the scene folders. Nothing is written where there is no scene. `settings` are those
    of every split.
    """
    root = Path(root)
    scenes = {split: found for split in settings if (found := _scenes(root / split))}
    if not scenes:
        return None
    parts = [Part(split, settings[split]) for split in scenes]
    about = {"manifest": 1, "syncam": __version__, "settings": {split: settings[split] for split in scenes}}
    with _opened(root / MANIFEST) as manifest:
        manifest.write(_line(about))
        for part in parts:
            captions: list[tuple[str, str]] = []
            videos: list[tuple[str, str]] = []
            engine = {key: part.settings[key] for key in ("engine", "engine_version")}
            for folder in scenes[part.split]:
                record = scene_record(folder)
                name, text = folder.relative_to(root).as_posix(), record["caption"]
                manifest.write(_line({"scene": name, "split": part.split, **engine, **record}))
                captions.append((name, text))
                files = sorted((file for file in record["files"] if file.startswith("videos/")), key=natural)
                videos += [(f"{name}/{file}".removeprefix(f"{TRAIN}/"), text) for file in files]
                part.add(record, len(files))
            _write_table(root / f"captions-{part.split}.csv", "path", captions)
            if part.split == TRAIN:
                _write_table(root / METADATA, "file_name", videos)
    return write_card(root, parts)


def _scenes(folder: Path) -> list[Path]:
    """The scene folders of a split in natural order."""
    found = find_scene_folders(folder, 3) if folder.is_dir() else ()
    return sorted((scene.path for scene in found), key=lambda path: natural(path.as_posix()))


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """A file to write, whole or not at all."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield file


def _write_table(path: Path, column: str, rows: Iterable[tuple[str, str]]) -> None:
    with _opened(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow((column, "text"))
        table.writerows(rows)


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"

"""What stands at the root of a rendered data set: tables of captions, manifest, card. All follow from its scenes."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from syncam import __version__
from syncam.cameras.formats.sequence import natural
from syncam.data.manifest import MANIFEST
from syncam.data.syncamvideo import find_scene_folders
from syncam.files import atomic_path
from syncam.render.card import CARD, write_card
from syncam.render.card_page import Part
from syncam.render.scene_files import scene_record

__all__ = ["METADATA", "write_records"]

METADATA = "metadata.csv"
"""What the trainers of SynCamMaster and ReCamMaster read: file_name,text of every video of train, below `train`."""
TRAIN = "train"
EDITED = "was edited, or is not by syncam; remove it to have it written anew"


def write_records(root: str | Path, settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Writes what stands at the root, of all scenes that are there, and returns what was left as it is, and why.

    metadata.csv (of train), captions-<split>.csv (path,text of every scene), manifest.jsonl and README.md, each whole
    at any time, all derived from the scene folders. Tables and card that somebody has edited are left alone. Nothing is
    written where there is no scene. `settings` are those of every split.
    """
    root = Path(root)
    scenes = {split: found for split in settings if (found := _scenes(root / split))}
    if not scenes:
        return []
    parts = [Part(split, settings[split]) for split in scenes]
    tables: dict[str, bytes] = {}
    for part in parts:
        captions: list[tuple[str, str]] = []
        videos: list[tuple[str, str]] = []
        for folder in scenes[part.split]:
            record, name = scene_record(folder), folder.relative_to(root).as_posix()
            captions.append((name, record["caption"]))
            files = sorted((file for file in record["files"] if file.startswith("videos/")), key=natural)
            videos += [(f"{name}/{file}".removeprefix(f"{TRAIN}/"), record["caption"]) for file in files]
            part.add(record, len(files))
        tables[f"captions-{part.split}.csv"] = _table("path", captions)
        if part.split == TRAIN:
            tables[METADATA] = _table("file_name", videos)
    edited = [name for name in tables if not _is_ours(root / name)]
    ours = {name: content for name, content in tables.items() if name not in edited}
    for name, content in ours.items():
        with atomic_path(root / name) as temporary:
            temporary.write_bytes(content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in ours.items()}
    _write_manifest(root, parts, scenes, sums)
    left_alone = [f"{root / name} {EDITED}" for name in edited]
    return left_alone if write_card(root, parts) else [*left_alone, f"{root / CARD} {EDITED}"]


def _write_manifest(
    root: Path, parts: Sequence[Part], scenes: Mapping[str, Sequence[Path]], sums: Mapping[str, str]
) -> None:
    about = {"manifest": 1, "syncam": __version__, "settings": {part.split: part.settings for part in parts}}
    with atomic_path(root / MANIFEST) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(_line({**about, "tables": sums}))
        for part in parts:
            drawn_by = {key: part.settings[key] for key in ("engine", "engine_version")}
            for folder in scenes[part.split]:
                name = folder.relative_to(root).as_posix()
                file.write(_line({"scene": name, "split": part.split, **drawn_by, **scene_record(folder)}))


def _is_ours(table: Path) -> bool:
    """Whether nobody else has written the table: it is not there, or is what the last manifest says we wrote."""
    if not table.is_file():
        return True
    try:
        with (table.parent / MANIFEST).open("rb") as file:
            known = json.loads(file.readline())["tables"][table.name]
    except (OSError, ValueError, TypeError, KeyError):  # no manifest, or none that knows this table
        return False
    return hashlib.sha256(table.read_bytes()).hexdigest() == known


def _scenes(folder: Path) -> list[Path]:
    """The scene folders of a split in natural order."""
    found = find_scene_folders(folder, 3) if folder.is_dir() else ()
    return sorted((scene.path for scene in found), key=lambda path: natural(path.as_posix()))


def _table(column: str, rows: Iterable[tuple[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow((column, "text"))
    table.writerows(rows)
    return text.getvalue().encode()


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"

"""Files of a data set held against its manifest, and labels against their scenes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from syncam.data.labels import label_problems
from syncam.data.manifest import MANIFEST, file_sum, files_in, read_manifest
from syncam.data.scene import Scene
from syncam.data.sources import Dataset
from syncam.errors import InputError

__all__ = ["check_labels", "check_manifest"]

AT_ONCE = 64
"""Scenes for each thread that are in memory."""
Found = tuple[str, Path, str, str]
"""Scene, file, sort and message of one problem."""


def check_manifest(dataset: Dataset, threads: int) -> tuple[int | None, list[Found]]:
    """How many files are what the manifest says, and every file that is not; None and [] where there is no manifest.

    Files that the manifest does not know count too, hidden ones and those outside of scenes apart. Of a set of which
    some splits are checked, only these splits count.
    """
    path = dataset.root / MANIFEST
    if not path.is_file():
        return None, []
    names = {dataset.name(scene) for scene in dataset}
    splits = {_split(name) for name in names}
    asked = (
        record
        for record in read_manifest(path)
        if _split(record["scene"]) in splits or not (dataset.root / _split(record["scene"])).is_dir()
    )
    found: list[Found] = []
    right = 0
    try:
        with ThreadPoolExecutor(threads) as pool:
            while batch := list(islice(asked, threads * AT_ONCE)):
                names -= {record["scene"] for record in batch}
                for count, problems in pool.map(partial(_check_scene, dataset.root), batch):
                    right += count
                    found += problems
    except InputError as err:
        return right, [*found, ("", path, "manifest", str(err))]
    for name in sorted(names):
        found.append((name, dataset.root / name, "not in manifest", f"{dataset.root / name} is not in {path}"))
    return right, found


def check_labels(scene: Scene, num_frames: int, hw: tuple[int, int]) -> Iterator[tuple[Path, str]]:
    """File and complaint for every label of a scene that is missing, damaged or of another size."""
    if (labels := scene.label_files).files:
        yield from label_problems(labels, num_frames, hw)


def _split(name: str) -> str:
    return name.partition("/")[0]


def _check_scene(root: Path, record: dict[str, Any]) -> tuple[int, list[Found]]:
    """How many files of one scene are right, and the others."""
    name, folder = record["scene"], root / record["scene"]
    if not folder.is_dir():
        return 0, [(name, folder, "missing scene", f"{folder} is missing; the manifest has it")]
    found: list[Found] = []
    there = set(files_in(folder))
    for file, expected in record["files"].items():
        path = folder / file
        if file not in there:
            found.append((name, path, "missing file", f"{path} is missing; the manifest has it"))
            continue
        try:
            size = path.stat().st_size
            if size != expected[0]:
                message = f"{path} has {size} bytes where the manifest says {expected[0]}"
                found.append((name, path, "changed file", message))
            elif file_sum(path) != expected:
                found.append((name, path, "changed file", f"{path} does not have the checksum of the manifest"))
        except OSError as err:
            found.append((name, path, "changed file", f"{path} cannot be read: {err}"))
    wrong = len(found)
    for file in sorted(there - record["files"].keys()):
        found.append((name, folder / file, "extra file", f"{folder / file} is not in the manifest"))
    return len(record["files"]) - wrong, found

"""Measures users' models inside Blender, once per content: the platform's folder for caches remembers."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from syncam.files import write_json
from syncam.render.assets import Character, Scenery
from syncam.render.blender.engine import run_worker
from syncam.render.blender.environment import Blender, default_folder, find_blender
from syncam.render.blender.job import WORKER, model
from syncam.render.measures import Measure

__all__ = ["measure_models"]


def measure_models(
    models: Sequence[Character | Scenery],
    *,
    blender: Blender | None = None,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Measure]:
    """What is known of each model; those that were measured before are not imported again.

    cache: the folder that remembers, by default syncam/assets in the platform's folder for caches. progress: called
    with how many of the new ones are done, and of how many. InputError naming the file if one lacks something.
    """
    blender = blender or find_blender()
    folder = cache or default_folder().with_name("assets")
    jobs = [_told(one) for one in models]
    paths = [folder / f"{_key(job, blender.version())}.json" for job in jobs]
    found = {path: measure for path in paths if (measure := _read(path)) is not None}
    missing = {path: job for path, job in zip(paths, jobs, strict=True) if path not in found}
    if missing:
        found |= _measured(missing, blender, progress)
    return [found[path] for path in paths]


def _measured(
    missing: dict[Path, dict[str, Any]], blender: Blender, progress: Callable[[int, int], None] | None
) -> dict[Path, Measure]:
    work = Path(tempfile.mkdtemp(prefix="syncam-measure-"))
    write_json(work / "job.json", {"measure": list(missing.values())})
    try:
        run_worker(blender, work, progress, what="measure")
    finally:  # what is done is kept
        for index, path in enumerate(missing):
            if (work / f"{index}.json").is_file():
                write_json(path, json.loads((work / f"{index}.json").read_text(encoding="utf-8")))
    shutil.rmtree(work)
    found = {path: _read(path) for path in missing}
    return {path: measure for path, measure in found.items() if measure is not None}


def _told(asset: Character | Scenery) -> dict[str, Any]:
    moves = isinstance(asset, Character)
    clips = sorted((asset.clips or {}).values()) if isinstance(asset, Character) else []
    return {**model(asset), "moves": moves, "clips": clips, "stage": not moves and asset.stage}


def _key(job: dict[str, Any], version: str) -> str:
    """A name that is the same for the same measures: of the model's content, not of where it lies."""
    code = b"".join(WORKER.with_name(f"worker_{part}.py").read_bytes() for part in ("assets", "measure"))
    kept = {name: value for name, value in job.items() if name not in ("file", "max_triangles")}
    return hashlib.sha256(code + json.dumps([kept, version], sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path) -> Measure | None:
    """None where it is not there, or damaged: then it is measured again."""
    if not path.is_file():
        return None
    try:
        return Measure.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None

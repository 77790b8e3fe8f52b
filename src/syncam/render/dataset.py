"""Rendered data sets: seeded scenes written as clips in the layout of SynCamVideo, resumable."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from syncam.errors import InputError
from syncam.files import write_json
from syncam.render.config import SPLITS, RenderConfig
from syncam.render.records import write_records
from syncam.render.workers import render_scenes, work_folder

__all__ = ["render_dataset"]


def render_dataset(config: RenderConfig, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """Renders the scenes that are not there yet and returns what was done.

    Scenes are written whole or not at all, so that a killed run goes on where it stopped. InputError if the folder
    holds scenes of another configuration.
    """
    _check_same(config)
    missing = [index for index in range(config.num_scenes) if not (config.folder / f"scene{index + 1}").is_dir()]
    done = config.num_scenes - len(missing)
    if progress is not None:
        progress(done, config.num_scenes)
    try:
        for _ in render_scenes(config, missing):
            done += 1
            if progress is not None:
                progress(done, config.num_scenes)
    finally:  # of an interrupted run too, what there is is written down
        left_alone = write_records(config.out, _settings(config))
    if work_folder(config).is_dir() and not any(work_folder(config).iterdir()):
        work_folder(config).rmdir()
    frames = len(missing) * config.num_views * config.num_frames
    return {
        "folder": str(config.folder),
        "scenes": done,
        "rendered_scenes": len(missing),
        "rendered_frames": frames,
        "labels": list(config.labels),
        "left_alone": left_alone or None,
    }


def _settings(config: RenderConfig) -> dict[str, dict[str, Any]]:
    """The settings of every split that has some."""
    found = {split: _saved(Path(config.out) / f"render-{split}.json") for split in SPLITS}
    return {split: settings for split, settings in found.items() if settings is not None}


def _check_same(config: RenderConfig) -> None:
    """Writes the split's config on the first run; later runs must agree in all that changes pictures."""
    ours = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    for key in ("out", "num_scenes", "num_workers"):
        del ours[key]
    ours["engine_version"] = _engine_version(config)
    for split in SPLITS:
        path = Path(config.out) / f"render-{split}.json"
        if (saved := _saved(path)) is None:
            continue
        keys = ours if split == config.split else ("engine", "engine_version")
        if differing := [f"{key} was {saved.get(key)}, is {ours[key]}" for key in keys if saved.get(key) != ours[key]]:
            raise InputError(
                f"{path} says other settings: {'; '.join(differing)}; use the same or choose another --out"
            )
    path = Path(config.out) / f"render-{config.split}.json"
    if not path.is_file():
        if any(re.fullmatch(r"scene\d+", found.name) for found in config.folder.glob("scene*")):
            raise InputError(
                f"{config.folder} holds scenes that were not rendered with a known configuration; choose another --out"
            )
        write_json(path, ours)


def _engine_version(config: RenderConfig) -> str | None:
    """Blender's version, because other versions draw other pictures; None for the fast engine, which is our own."""
    if config.engine == "fast":
        return None
    from syncam.render.blender.environment import find_blender

    return find_blender().version()


def _saved(path: Path) -> dict[str, Any] | None:
    """The settings of a split, None if it has none; older ones are of the fast engine and the basic content."""
    if not path.is_file():
        return None
    try:
        before = {"engine": "fast", "samples": None, "content": "basic"}  # there was no choice of these
        before |= {"labels": [], "crf": 10, "licence": "CC0-1.0", "engine_version": None}
        return before | dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as err:
        raise InputError(f"{path} is damaged ({err}); choose another --out") from err

"""Rendered data sets: seeded scenes written as clips in the layout of SynCamVideo, resumable."""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from syncam.data.scene import subfolders
from syncam.errors import InputError
from syncam.files import locked, remove_leftovers, write_json
from syncam.render.config import SPLITS, RenderConfig, scene_folder, settings_path
from syncam.render.failures import scene_name
from syncam.render.own_scenes import prepare_assets
from syncam.render.records import write_records
from syncam.render.retries import render_scenes
from syncam.render.shots import own_rig_key
from syncam.render.workers import work_folder

__all__ = ["finish_dataset", "missing_scenes", "render_dataset"]

Progress = Callable[[int, int, Mapping[str, float]], None]


def render_dataset(config: RenderConfig, progress: Progress | None = None) -> dict[str, Any]:
    """Renders the scenes that are not there yet and returns what was done, and which scenes could not be rendered.

    Scenes are written whole or not at all, so that a killed run goes on where it stopped. `progress` gets the scenes
    that are there, all scenes, and the numbers of `frames` that were rendered and of tries that `failed`. InputError
    if the folder holds scenes of another configuration, or if another run is rendering into it.
    """
    _check_same(config)
    with locked(settings_path(config), f"another run renders the split {config.split} of {config.out}; wait for it"):
        _clean(config)
        missing = missing_scenes(config)
        done, tries, failed = config.num_scenes - len(missing), 0, []
        frames = config.views * config.num_frames

        def tell() -> None:
            if progress is not None:
                rendered = done - (config.num_scenes - len(missing))
                progress(done, config.num_scenes, {"frames": rendered * frames, "failed": tries})

        tell()
        try:
            with closing(render_scenes(config, missing)) as scenes:
                for index, news in scenes:
                    done += news == "done"
                    tries += news != "done"
                    failed += [index] if news == "failed" else []
                    tell()
        finally:  # of an interrupted run too, what there is is written down
            _clean(config)
            left_alone = finish_dataset(config)
    rendered = done - (config.num_scenes - len(missing))
    return {
        "folder": str(config.folder),
        "scenes": done,
        "rendered_scenes": rendered,
        "rendered_frames": rendered * frames,
        "failed_scenes": [scene_name(config, index) for index in sorted(failed)],
        "labels": list(config.labels),
        "left_alone": left_alone or None,
    }


def missing_scenes(config: RenderConfig) -> list[int]:
    """The numbers of the scenes that are not there, by a look at each folder of scenes."""
    there: dict[Path, set[str]] = {}
    missing = []
    for index in range(config.num_scenes):
        folder = scene_folder(config, index)
        if folder.parent not in there:
            there[folder.parent] = {p.name for p in subfolders(folder.parent)} if folder.parent.is_dir() else set()
        if folder.name not in there[folder.parent]:
            missing.append(index)
    return missing


def finish_dataset(config: RenderConfig) -> list[str]:
    """Writes tables, manifest and card of what is there, and returns what of them was left as it is."""
    if not missing_scenes(config):  # else its logs say what went wrong
        shutil.rmtree(work_folder(config), ignore_errors=True)
    parent = work_folder(config).parent
    if parent.is_dir() and not any(parent.iterdir()):
        parent.rmdir()
    return write_records(config.out, _settings(config))


def _settings(config: RenderConfig) -> dict[str, dict[str, Any]]:
    """The settings of every split that has some."""
    found = {split: _saved(Path(config.out) / f"render-{split}.json") for split in SPLITS}
    return {split: settings for split, settings in found.items() if settings is not None}


def _clean(config: RenderConfig) -> None:
    """Removes what killed runs have left of this split, of which we are the only run that is alive."""
    remove_leftovers(config.out, rf"(?:render|failures)-{config.split}\.jsonl?")
    for parent in {scene_folder(config, index).parent for index in range(config.num_scenes)}:
        remove_leftovers(parent, r"scene\d+")


def _check_same(config: RenderConfig) -> None:
    """Writes the split's config on the first run; later runs must agree in all that changes pictures."""
    ours = json.loads(json.dumps(dataclasses.asdict(config), default=str))
    for key in ("out", "num_scenes", "num_workers", "ray"):
        del ours[key]
    ours["engine_version"] = _engine_version(config)
    ours["own_rig"] = None if config.own_rig is None else own_rig_key(config.own_rig)
    ours["assets"] = prepare_assets(config)  # what they hold, not where they lie
    for split in SPLITS:
        path = Path(config.out) / f"render-{split}.json"
        if (saved := _saved(path)) is None:
            continue
        keys = ours if split == config.split else ("engine", "engine_version")
        if differing := [f"{key} was {saved.get(key)}, is {ours[key]}" for key in keys if saved.get(key) != ours[key]]:
            raise InputError(
                f"{path} says other settings: {'; '.join(differing)}; use the same or choose another --out"
            )
    path = settings_path(config)
    if not path.is_file():
        there = (*config.folder.glob("scene*"), *config.folder.glob("*/scene*"))
        if any(re.fullmatch(r"scene\d+", found.name) for found in there):
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
        # there was no choice of these
        before = {"engine": "fast", "samples": None, "content": "basic", "cameras": "hemisphere"}
        before |= {"labels": [], "crf": 10, "licence": "CC0-1.0", "engine_version": None}
        return before | dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as err:
        raise InputError(f"{path} is damaged ({err}); choose another --out") from err

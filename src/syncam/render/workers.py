"""The processes that render the scenes of a data set."""

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from syncam.render.clip import render_labelled
from syncam.render.config import RenderConfig
from syncam.render.scene_files import write_scene

__all__ = ["render_scenes", "work_folder"]


def render_scenes(config: RenderConfig, indices: list[int]) -> Iterator[int]:
    """Renders and writes the scenes, and yields the index of each when it is there."""
    if config.num_workers == 1 or len(indices) < 2:
        _start(config)
        yield from map(_render_one, indices)
        return
    # spawn: an OpenGL context does not survive a fork
    context = multiprocessing.get_context("spawn")
    with context.Pool(min(config.num_workers, len(indices)), initializer=_start, initargs=(config,)) as pool:
        yield from pool.imap_unordered(_render_one, indices, chunksize=1)


_STATE: dict[str, Any] = {}


def _start(config: RenderConfig) -> None:
    torch.set_num_threads(1)
    _STATE.update(config=config, renderer=_renderer(config))


def _renderer(config: RenderConfig) -> Any:
    if config.engine == "fast":
        from syncam.render.rasterizer import Renderer

        return Renderer(config.hw)
    from syncam.render.blender.engine import BlenderRenderer
    from syncam.render.blender.job import Settings

    threads = max(1, (os.cpu_count() or 1) // config.num_workers) if config.num_workers > 1 else None
    settings = (
        Settings(threads=threads) if config.samples is None else Settings(threads=threads, samples=config.samples)
    )
    return BlenderRenderer(config.hw, settings, work=work_folder(config))


def work_folder(config: RenderConfig) -> Path:
    """Where scenes lie that Blender has begun."""
    return Path(config.out) / ".blender"


def _render_one(index: int) -> int:
    config: RenderConfig = _STATE["config"]
    write_scene(config, index, *render_labelled(config, index, _STATE["renderer"]))
    return index

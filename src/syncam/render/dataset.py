"""Rendered data sets: seeded scenes written as clips in the layout of SynCamVideo, resumable."""

import dataclasses
import json
import logging
import math
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from syncam.data.clip import MultiViewClip
from syncam.data.dataset import write_clip
from syncam.errors import InputError
from syncam.files import write_json
from syncam.render.generate import CONTENTS, generate_scene, sample_cameras

__all__ = ["RenderConfig", "render_clip", "render_dataset"]

logger = logging.getLogger(__name__)

SPLITS = ("train", "val")
ENGINES = ("fast", "blender")


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """What to render; the same config always gives the same frames, whatever the number of processes."""

    out: Path
    """Folder of the data set."""
    num_scenes: int = 20
    """Scenes of the split."""
    num_views: int = 4
    """Synchronised cameras per scene."""
    num_frames: int = 17
    """Frames of every video."""
    fps: float = 8.0
    """Frames per second."""
    hw: tuple[int, int] = (128, 128)
    """Height and width, pixels."""
    seed: int = 0
    """Seed of the data set; its train and val splits never share a scene."""
    split: str = "train"
    """The part of the data set."""
    radius: tuple[float, float] = (3.5, 9.0)
    """Nearest and farthest camera, metres from the target."""
    elevation_deg: tuple[float, float] = (0.0, 45.0)
    """Lowest and highest camera, degrees above the horizon."""
    focal_mm: float = 24.0
    """Focal length on the data sets' 23.76 mm sensor, millimetres."""
    moving: float = 0.0
    """Fraction of the scenes whose cameras move."""
    content: str = "full"
    """What the scenes are made of: full, or basic, which the built-in model was trained on."""
    two_animals: float | None = None
    """Fraction of the scenes with more than one character; None: 0.5 of the full content, 0.2 of the basic one."""
    masks: bool = True
    """Also write where the characters are."""
    engine: str = "fast"
    """What draws: fast (OpenGL) or blender (Cycles). A data set has one engine."""
    samples: int | None = None
    """Light paths per pixel with Blender; None: its default."""
    num_workers: int = 1
    """Processes that render."""

    def __post_init__(self) -> None:
        for name in ("num_scenes", "num_views", "num_frames", "num_workers"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.split not in SPLITS:
            raise InputError(f"split must be one of {', '.join(SPLITS)}, got {self.split!r}")
        if not 0 < self.fps < math.inf or not 0 < self.focal_mm < math.inf or self.seed < 0:
            raise InputError(
                "fps and focal_mm must be positive and seed not negative, "
                f"got fps {self.fps:g}, focal_mm {self.focal_mm:g}, seed {self.seed}"
            )
        if min(self.hw) < 16 or any(side % 2 for side in self.hw):
            raise InputError(f"height and width must be even and at least 16 pixels, got {self.hw}")
        for name, lowest, highest in (("radius", 1.0, 100.0), ("elevation_deg", 0.0, 85.0)):
            low, high = getattr(self, name)
            if not lowest <= low <= high <= highest:
                raise InputError(f"{name} must be a rising range within {lowest:g}..{highest:g}, got {low:g}..{high:g}")
        if self.engine not in ENGINES:
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if self.samples is not None and (self.engine != "blender" or self.samples < 1):
            raise InputError(f"samples must be at least 1 and belongs to engine blender, got {self.samples}")
        if self.content not in CONTENTS:
            raise InputError(f"content must be one of {', '.join(CONTENTS)}, got {self.content!r}")
        for name in ("moving", "two_animals"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be a fraction from 0 to 1, got {getattr(self, name)}")

    @property
    def folder(self) -> Path:
        """Where the scene folders of the split lie."""
        return Path(self.out) / self.split / f"f{self.focal_mm:g}_aperture5"


def scene_seed(config: RenderConfig, index: int) -> int:
    """The seed of one scene: a function of the data set's seed, the split and the number of the scene."""
    entropy = np.random.SeedSequence([config.seed, SPLITS.index(config.split), index])
    return int(entropy.generate_state(1, np.uint64)[0] >> 1)


def render_clip(config: RenderConfig, index: int, renderer: Any) -> tuple[MultiViewClip, dict[str, Any]]:
    """The clip of scene number `index` and a description of how it was made."""
    seed = scene_seed(config, index)
    cameras = sample_cameras(
        seed,
        config.num_views,
        config.num_frames,
        config.hw,
        radius_m=config.radius,
        elevation_deg=config.elevation_deg,
        moving=config.moving,
        focal_mm=config.focal_mm,
    )
    c2w, K = cameras.c2w.numpy(), cameras.K.numpy()
    duration_s = (config.num_frames - 1) / config.fps
    scene = generate_scene(
        seed,
        content=config.content,
        duration_s=duration_s,
        two_animals=config.two_animals,
        camera_positions=c2w[..., :3, 3],
    )
    rendering = renderer.render(scene, c2w, K, [frame / config.fps for frame in range(config.num_frames)])
    video = torch.from_numpy(rendering.rgb).permute(0, 1, 4, 2, 3).float() / 255
    masks = torch.from_numpy(rendering.mask) if config.masks else None
    return MultiViewClip(video, cameras, scene.caption, config.fps, masks), {"scene": scene.to_json()}


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
    for _ in _render_all(config, missing):
        done += 1
        if progress is not None:
            progress(done, config.num_scenes)
    if _work(config).is_dir() and not any(_work(config).iterdir()):
        _work(config).rmdir()
    frames = len(missing) * config.num_views * config.num_frames
    return {"folder": str(config.folder), "scenes": done, "rendered_scenes": len(missing), "rendered_frames": frames}


def _render_all(config: RenderConfig, indices: list[int]) -> Iterator[int]:
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
    return BlenderRenderer(config.hw, settings, work=_work(config))


def _work(config: RenderConfig) -> Path:
    """Where scenes lie that Blender has begun."""
    return Path(config.out) / ".blender"


def _render_one(index: int) -> int:
    config: RenderConfig = _STATE["config"]
    clip, made_by = render_clip(config, index, _STATE["renderer"])
    write_clip(config.folder / f"scene{index + 1}", clip, scene=made_by)
    return index


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
        return before | dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as err:
        raise InputError(f"{path} is damaged ({err}); choose another --out") from err

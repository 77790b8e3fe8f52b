"""The verbs of `syncam render`: typed functions without logic of their own, as in syncam.cli."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from syncam.cli_rig import picture_size
from syncam.console import progress_bar, show

__all__ = ["RENDER_VERBS"]

Size = Annotated[str, arg(metavar="HxW")]
Samples = Annotated[int | None, arg(help_behavior_hint="")]
Labels = Annotated[str | None, arg(metavar="LABEL,...", help_behavior_hint="")]
Folder = Annotated[Path | None, arg(help_behavior_hint="")]


def render(
    *,
    out: Path,
    scenes: int = 20,
    views: int = 4,
    frames: int = 17,
    fps: float = 8.0,
    size: Size = "128x128",
    seed: int = 0,
    split: Literal["train", "val"] = "train",
    radius: tuple[float, float] = (3.5, 9.0),
    elevation: tuple[float, float] = (0.0, 45.0),
    focal: float = 24.0,
    moving: float = 0.0,
    content: Literal["full", "basic"] = "full",
    two_animals: float | None = None,
    engine: Literal["fast", "blender"] = "fast",
    samples: Samples = None,
    labels: Labels = None,
    crf: int = 10,
    licence: str = "CC0-1.0",
    workers: int = 1,
    json: bool = False,
) -> None:
    """Render synchronised multi-camera clips of animals and people, in the layout of the SynCamVideo data set.

    For example:
      $ syncam render --out data --scenes 20
      $ syncam render --out data --scenes 5 --split val
      $ syncam render --out moving --scenes 1000 --views 8 --moving 0.5 --workers 2
      $ syncam render --out labelled --scenes 100 --labels depth,flow,visibility
      $ syncam render --out fine --scenes 5 --engine blender --samples 32

    Scenes that are there already are kept, so that a run that was interrupted can be started again.

    Args:
        out: The folder of the data set.
        scenes: Number of scenes.
        views: Number of cameras per scene.
        frames: Number of frames of every video.
        fps: Frames per second.
        size: Height and width of the videos in pixels; both even.
        seed: The seed of the data set. The two splits of a seed never share a scene.
        split: The part of the data set.
        radius: Distance of the nearest and the farthest camera from the target, in metres.
        elevation: Lowest and highest camera, in degrees above the horizon.
        focal: Focal length in millimetres, on a sensor 23.76 mm wide.
        moving: Fraction of the scenes whose cameras move.
        content: What there is in the scenes: full, or basic, which the built-in model was trained on.
        two_animals: Fraction of the scenes with several animals or people; by default 0.5, or 0.2 of the basic content.
        engine: What draws the scenes: fast (OpenGL), or blender (Cycles: bounced light and soft shadows, much slower),
            which `syncam render setup` brings. A data set has one engine.
        samples: Light paths per pixel of --engine blender. Default: 16.
        labels: What else to write of every picture, with commas between: depth, normals, instances, flow, joints,
            visibility; or all. Default: none.
        crf: Quality of the videos, from 0, the best, to 51; 10 is nearly lossless.
        licence: Licence of the data set, as an SPDX identifier, for its card.
        workers: Number of processes that render.
        json: Print the result as JSON.
    """
    from syncam.render.config import RenderConfig, label_names
    from syncam.render.dataset import render_dataset

    config = RenderConfig(
        out=out,
        num_scenes=scenes,
        num_views=views,
        num_frames=frames,
        fps=fps,
        hw=picture_size(size),
        seed=seed,
        split=split,
        radius=radius,
        elevation_deg=elevation,
        focal_mm=focal,
        moving=moving,
        content=content,
        two_animals=two_animals,
        engine=engine,
        samples=samples,
        labels=label_names(labels or ""),
        crf=crf,
        licence=licence,
        num_workers=workers,
    )
    with progress_bar() as progress:
        result = render_dataset(config, progress=partial(progress, what="scenes"))
    show(result, as_json=json)


def setup(*, into: Folder = None, json: bool = False) -> None:
    """Set up Blender for syncam render --engine blender: an environment of its own, about 1.3 GB.

    For example:
      $ syncam render setup
      $ syncam render setup --into /data/blender
      $ syncam render setup --json

    It needs Python 3.11. An interrupted setup goes on when it is given again. A Blender 4.5 that is there already can
    be used instead: set SYNCAM_BLENDER to it.

    Args:
        into: The folder of the environment. Default: syncam/blender in the platform's folder for caches.
        json: Print the result as JSON.
    """
    from syncam.render.blender.environment import set_up

    with progress_bar() as progress:
        result = set_up(into, lambda done, total, what: progress(done, total, what=what))
    show(result, as_json=json)


RENDER_VERBS: dict[str, Callable[..., None]] = {"": render, "setup": setup}
"""The empty name is `syncam render` itself."""

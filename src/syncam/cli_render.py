"""The verbs of `syncam render`: typed functions without logic of their own, as in syncam.cli."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from syncam.cli_rig import picture_size
from syncam.console import progress_bar, show, stoppable

__all__ = ["RENDER_VERBS"]

Size = Annotated[str, arg(metavar="HxW")]
Samples = Annotated[int | None, arg(help_behavior_hint="")]
Rig = Annotated[str, arg(metavar="RULE|RIG")]
Views = Annotated[int | None, arg(help_behavior_hint="")]
Range = Annotated[tuple[float, float] | None, arg(help_behavior_hint="")]
Number = Annotated[float | None, arg(help_behavior_hint="")]
Labels = Annotated[str | None, arg(metavar="LABEL,...", help_behavior_hint="")]
Share = Annotated[float | None, arg(help_behavior_hint="")]
Folder = Annotated[Path | None, arg(help_behavior_hint="")]
Workers = Annotated[int | None, arg(help_behavior_hint="")]
Address = Annotated[str | None, arg(metavar="ADDRESS", help_behavior_hint="")]


def render(
    *,
    out: Path,
    scenes: int = 20,
    cameras: Rig = "hemisphere",
    views: Views = None,
    frames: int = 17,
    fps: float = 8.0,
    size: Size = "128x128",
    seed: int = 0,
    split: Literal["train", "val"] = "train",
    radius: Range = None,
    elevation: Range = None,
    focal: Number = None,
    moving: Number = None,
    content: Literal["full", "basic"] = "full",
    two_animals: float | None = None,
    engine: Literal["fast", "blender"] = "fast",
    samples: Samples = None,
    assets: Folder = None,
    assets_share: Share = None,
    labels: Labels = None,
    crf: int = 10,
    licence: str = "CC0-1.0",
    workers: Workers = None,
    ray: Address = None,
    json: bool = False,
) -> None:
    """Render synchronised multi-camera clips of animals and people, in the layout of the SynCamVideo data set.

    For example:
      $ syncam render --out data --scenes 20
      $ syncam render --out multi --cameras multicamvideo --frames 81 --fps 15
      $ syncam render --out labelled --scenes 100 --labels depth,flow,visibility
      $ syncam render --out /shared/large --scenes 13600 --ray auto
      $ syncam render --out fine --scenes 5 --engine blender --samples 32 --assets my-assets

    Scenes that are there already are kept, so that a run that was interrupted can be started again. A scene that cannot
    be rendered is tried with other seeds; if there is one that fails with all of them, the command ends with 1.

    Args:
        out: The folder of the data set.
        scenes: Number of scenes.
        cameras: How the cameras of a scene are drawn. hemisphere: about the middle of the scene, as --radius,
            --elevation, --focal and --moving say. syncamvideo: by the rule of SynCamVideo, still, 3.5 to 9 m away, 0 to
            45 degrees up. multicamvideo: by the rule of MultiCamVideo, of which each pans and tilts, travels, arcs,
            follows a random path or stands still, through one of four lenses. takes: all begin at one place, as
            --radius, --elevation and --focal say, and each moves in its own way, to train re-shooting on. hemi36: 36
            cameras all around. basic: the ten basic trajectories. Or any rig of `syncam rig`, in words or a file, the
            same in all scenes.
        views: Number of cameras per scene. Default: as many as --cameras says; 4 on a hemisphere, 10 by the rules of
            SynCamVideo and MultiCamVideo.
        frames: Number of frames of every video.
        fps: Frames per second.
        size: Height and width of the videos in pixels; both even.
        seed: The seed of the data set. The two splits of a seed never share a scene.
        split: The part of the data set.
        radius: Distance of the nearest and the farthest camera from the target, in metres. Default: 3.5 9.
        elevation: Lowest and highest camera, in degrees above the horizon. Default: 0 45.
        focal: Focal length in millimetres, on a sensor 23.76 mm wide. Default: 24.
        moving: On a hemisphere: fraction of the scenes whose cameras move. Default: 0.
        content: What there is in the scenes: full, or basic, which the built-in model was trained on.
        two_animals: Fraction of the scenes with several animals or people; by default 0.5, or 0.2 of the basic content.
        engine: What draws the scenes: fast (OpenGL), or blender (Cycles: bounced light and soft shadows, much slower),
            which `syncam render setup` brings. A data set has one engine.
        samples: Light paths per pixel of --engine blender. Default: 16.
        assets: A folder of models and panoramas of your own, listed in its assets.json, for --engine blender.
        assets_share: Fraction of the scenes that show the assets. Default: 1.
        labels: What else to write of every picture, with commas between: depth, normals, instances, flow, joints,
            visibility; or all. Default: none.
        crf: Quality of the videos, from 0, the best, to 51; 10 is nearly lossless.
        licence: Licence of the data set, as an SPDX identifier, for its card.
        workers: Number of processes that render. Default: one, or all that the Ray cluster has room for.
        ray: Render on a Ray cluster, which sees the output folder under the same name: auto (the one that this machine
            belongs to), an address such as 10.0.0.1:6379, or local, which starts one here. Needs the extra ray.
        json: Print the result as JSON.
    """
    import sys

    from syncam.render.config import RenderConfig, label_names
    from syncam.render.dataset import render_dataset
    from syncam.render.failures import describe_failed

    config = RenderConfig(
        out=out,
        num_scenes=scenes,
        num_views=views,
        cameras=cameras,
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
        ray=ray,
        assets=assets,
        assets_share=assets_share,
    )
    advice = "the scenes that are done are kept, and the same command goes on from there"
    with stoppable(advice), progress_bar() as progress:
        result = render_dataset(config, progress=partial(progress, what="scenes"))
    failed = result["failed_scenes"]
    show(result if json else result | {"failed_scenes": failed or None}, as_json=json)
    if failed:
        print(describe_failed(config, failed), file=sys.stderr)
        sys.exit(1)


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

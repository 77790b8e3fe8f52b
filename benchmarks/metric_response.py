"""Draws how every metric without a network responds to damage of rendered scenes: docs/images/metric-response.png.

    python benchmarks/metric_response.py --scenes 3 --out docs/images/metric-response.png

Each panel is a metric over the size of one damage, a line per scene; the left end is the undamaged clip, coded as the
others are. What a metric cannot measure any more is missing from its line. Needs OpenGL (as syncam render), no network
and no data.
"""

import argparse
import dataclasses
import json
import math
import platform
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from syncam import __version__
from syncam.cameras import hemisphere, save_rig
from syncam.cameras.posed import posed
from syncam.cameras.rotations import rotation_exp
from syncam.data.clip import MultiViewClip
from syncam.data.video import write_video
from syncam.evaluation.cache import Cache
from syncam.evaluation.clips import RunClip
from syncam.evaluation.material import Material
from syncam.evaluation.measures import MEASURES, clip_value
from syncam.files import atomic_path
from syncam.render.generate import generate_scene
from syncam.render.rasterizer import Renderer

FPS, HW, FRAMES = 8.0, (216, 288), 25
Damage = Callable[[MultiViewClip, MultiViewClip, float], MultiViewClip]
"""The clip, another scene through the same cameras, and the size of the damage -> the damaged clip."""


def turned(clip: MultiViewClip, _: MultiViewClip, degrees: float) -> MultiViewClip:
    """The second requested camera turned up, about its right axis."""
    assert clip.cameras is not None
    rotation = clip.cameras.c2w[..., :3, :3].clone()
    rotation[1] = rotation[1] @ rotation_exp(torch.tensor([math.radians(degrees), 0.0, 0.0], dtype=torch.float64))
    return dataclasses.replace(clip, cameras=posed(clip.cameras, rotation=rotation))


def late(clip: MultiViewClip, _: MultiViewClip, frames: float) -> MultiViewClip:
    """The second view late; both cut to the same length."""
    shift, length = int(frames), clip.num_frames - int(frames)
    assert clip.cameras is not None
    video = torch.stack([clip.video[0, shift:], clip.video[1, :length]])
    return dataclasses.replace(clip, video=video, cameras=clip.cameras.frames(slice(length)))


def replaced(clip: MultiViewClip, other: MultiViewClip, share: float) -> MultiViewClip:
    """Of the second view, a share of the columns shows another scene."""
    columns = round(share * clip.hw[1])
    video = clip.video.clone()
    video[1, ..., :columns] = other.video[1, ..., :columns]
    return dataclasses.replace(clip, video=video)


def blurred(clip: MultiViewClip, _: MultiViewClip, width: float) -> MultiViewClip:
    """A box of that many pixels."""
    side = int(width)
    soft = avg_pool2d(clip.video.flatten(0, 1), side, stride=1, padding=side // 2, count_include_pad=False)
    return dataclasses.replace(clip, video=soft.unflatten(0, clip.video.shape[:2]))


def noisy(clip: MultiViewClip, _: MultiViewClip, size: float) -> MultiViewClip:
    """Gaussian noise of that standard deviation."""
    noise = torch.randn(clip.video.shape, generator=torch.Generator().manual_seed(0))
    return dataclasses.replace(clip, video=(clip.video + size * noise).clamp(0, 1))


def flickering(clip: MultiViewClip, _: MultiViewClip, size: float) -> MultiViewClip:
    """Every second frame brighter."""
    pulse = torch.arange(clip.num_frames).remainder(2).view(1, -1, 1, 1, 1)
    return dataclasses.replace(clip, video=(clip.video + size * pulse).clamp(0, 1))


DAMAGES: dict[str, tuple[Damage, tuple[float, ...], str]] = {
    "turned camera": (turned, (0, 1, 2, 5, 20), "degrees"),
    "late view": (late, (0, 1, 2, 4, 8), "frames"),
    "another scene": (replaced, (0, 0.25, 0.5, 0.75, 1), "share of the view"),
    "blur": (blurred, (1, 3, 5, 9, 15), "pixels"),
    "noise": (noisy, (0, 0.01, 0.03, 0.1, 0.2), "of 1"),
    "flicker": (flickering, (0, 0.01, 0.03, 0.1, 0.2), "of 1"),
}
METRICS = (
    "rot_err:pair",
    "sampson",
    "epipolar_precision:cvd",
    "matched_points:count",
    "sync_offset",
    "sync_likeness",
    "flicker:vbench",
    "warp_error:lai",
)


def rendered(renderer: Renderer, seed: int, frames: int) -> MultiViewClip:
    """A scene through two still cameras 15 degrees apart."""
    cameras = hemisphere(views=2, radius=5.0, elevation_deg=15.0, span_deg=15.0, num_frames=frames, hw=HW)
    c2w, K = cameras.c2w.double().numpy(), cameras.K.double().numpy()
    positions = np.unique(c2w[..., :3, 3].reshape(-1, 3), axis=0)
    scene = generate_scene(seed, duration_s=frames / FPS, camera_positions=positions)
    rgb = renderer.render(scene, c2w, K, [frame / FPS for frame in range(frames)]).rgb
    return MultiViewClip(torch.from_numpy(rgb).permute(0, 1, 4, 2, 3).float() / 255, cameras, scene.caption, FPS)


def measured(clip: MultiViewClip, folder: Path) -> dict[str, float | None]:
    """Every metric of a clip, by way of files, as the command measures it; None where it cannot be measured."""
    folder.mkdir()
    for view, video in enumerate(clip.video, start=1):
        write_video(folder / f"view{view:02d}.mp4", video, FPS, crf=10)
    assert clip.cameras is not None
    save_rig(folder / "cameras.json", clip.cameras, fps=FPS)
    material = Material(RunClip(folder), Cache(None), num_moments=4)
    values = {name: clip_value(MEASURES[name].take(material)) for name in METRICS}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


Curves = dict[str, list[list[dict[str, float | None]]]]
"""By damage: for every scene, the metrics at each size."""


def draw(out: Path, curves: Curves, damages: dict[str, tuple[float, ...]]) -> None:
    """A row of panels per metric, a column per damage, a line per scene."""
    figure, axes = plt.subplots(len(METRICS), len(DAMAGES), figsize=(13, 14), sharey="row", layout="constrained")
    for column, (name, sizes) in enumerate(damages.items()):
        for row, metric in enumerate(METRICS):
            panel = axes[row, column]
            for scene in curves[name]:
                values = [math.nan if one[metric] is None else one[metric] for one in scene]
                panel.plot(range(len(sizes)), values, marker="o", markersize=3)
            panel.set_xlim(-0.3, len(sizes) - 0.7)
            panel.set_xticks(range(len(sizes)), [f"{size:g}" for size in sizes], fontsize=7)
            panel.tick_params(axis="y", labelsize=7)
            if row == 0:
                panel.set_title(name, fontsize=10)
            if row == len(METRICS) - 1:
                panel.set_xlabel(DAMAGES[name][2], fontsize=8)
            if column == 0:
                panel.set_ylabel(f"{metric}\n{MEASURES[metric].unit}", fontsize=8)
            if metric == "sampson":
                panel.set_yscale("log")
    with atomic_path(out) as temporary:
        figure.savefig(temporary, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="every second size of each damage")
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--out", type=Path, default=Path("metric-response.png"))
    options = parser.parse_args()
    renderer = Renderer(HW)
    clips = [rendered(renderer, seed, options.frames) for seed in range(1, options.scenes + 2)]
    damages = {name: (damage, sizes[:: 2 if options.quick else 1]) for name, (damage, sizes, _) in DAMAGES.items()}
    with tempfile.TemporaryDirectory() as folder:
        whole = [measured(clip, Path(folder, f"{number}")) for number, clip in enumerate(clips[:-1])]
        curves = {
            name: [
                [whole[number]]
                + [
                    measured(damage(clips[number], clips[number + 1], size), Path(folder, f"{name}-{number}-{size}"))
                    for size in sizes[1:]
                ]
                for number in range(options.scenes)
            ]
            for name, (damage, sizes) in damages.items()
        }
    draw(options.out, curves, {name: sizes for name, (_, sizes) in damages.items()})
    facts = {
        "date": str(date.today()),
        "syncam": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    print(json.dumps(facts | {"scenes": options.scenes, "curves": curves}, indent=1))


if __name__ == "__main__":
    main()

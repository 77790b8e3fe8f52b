"""How long `syncam evaluate` takes for everything that needs no network, over a run of rendered clips.

    python benchmarks/evaluate_speed.py --clips 20 --workers 2
    python benchmarks/evaluate_speed.py --clips 1 --profile

Clips have four still views of a procedural scene, and one in four has moving cameras instead, which adds their paths.
Nothing is in the cache at first; the second figure is the same command again, and the third one adds a metric. Needs
OpenGL (as syncam render), no network and no data.
"""

import argparse
import cProfile
import json
import os
import platform
import pstats
import tempfile
import time
from datetime import date
from pathlib import Path

import torch

from syncam import __version__
from syncam.cameras import Cameras, arc, hemisphere, save_rig
from syncam.data.video import write_video
from syncam.evaluation.evaluate import EvaluateConfig, evaluate
from syncam.evaluation.suites import SUITES
from syncam.files import write_json
from syncam.render.generate import generate_scene
from syncam.render.rasterizer import Renderer

FPS = 8.0


def cameras_of(number: int, views: int, frames: int, hw: tuple[int, int]) -> Cameras:
    """Still cameras; of every fourth clip, cameras on arcs."""
    if number % 4 == 3:
        return arc(views=views, radius=5.0, move_deg=20.0, num_frames=frames, hw=hw)
    return hemisphere(views=views, radius=5.0, elevation_deg=15.0, span_deg=60.0, num_frames=frames, hw=hw)


def write_run(folder: Path, clips: int, views: int, frames: int, hw: tuple[int, int]) -> None:
    """What syncam generate would write, of rendered scenes."""
    renderer = Renderer(hw)
    for number in range(clips):
        cameras = cameras_of(number, views, frames, hw)
        c2w, K = cameras.c2w.double().numpy(), cameras.K.double().numpy()
        scene = generate_scene(
            number, content="full", duration_s=frames / FPS, camera_positions=c2w[..., :3, 3].reshape(-1, 3)
        )
        rgb = renderer.render(scene, c2w, K, [frame / FPS for frame in range(frames)]).rgb
        video = torch.from_numpy(rgb).permute(0, 1, 4, 2, 3).float() / 255
        clip = folder / f"{number:03d}"
        clip.mkdir(parents=True)
        for view, one in enumerate(video, start=1):
            write_video(clip / f"view{view:02d}.mp4", one, FPS)
        save_rig(clip / "cameras.json", cameras, fps=FPS)
        write_json(clip / "run.json", {"settings": {"prompt": scene.caption}})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--size", type=int, nargs=2, default=(128, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--profile", action="store_true", help="in this process, and say where the time goes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder, "run"), options.clips, options.views, options.frames, tuple(options.size))
        workers = 1 if options.profile else options.workers
        metrics = [",".join(SUITES["own"][1:])] * 2 + [",".join(SUITES["own"])]
        seconds = []
        for names in metrics:
            config = EvaluateConfig(
                runs=(Path(folder, "run"),), metrics=names, workers=workers, cache=Path(folder, "cache")
            )
            profile = cProfile.Profile(time.process_time)  # of this process, not of the machine
            start = time.perf_counter()
            if options.profile and not seconds:
                profile.runcall(evaluate, config)
                pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            else:
                evaluate(config)
            seconds.append(round(time.perf_counter() - start, 1))
    facts = {
        "date": str(date.today()),
        "syncam": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "workers": workers,
    }
    sizes = {"clips": options.clips, "views": options.views, "frames": options.frames, "size": list(options.size)}
    names = ("seconds", "seconds_again", "seconds_with_one_metric_more")
    print(json.dumps(facts | sizes | dict(zip(names, seconds, strict=True)), indent=1))


if __name__ == "__main__":
    main()

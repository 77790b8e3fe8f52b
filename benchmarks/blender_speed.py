"""How long Blender takes for a picture and its labels, and how far its pictures are from those of the fast engine.

python benchmarks/blender_speed.py                one scene, 2 cameras x 4 frames at 128x128, 4 samples + denoise
python benchmarks/blender_speed.py --samples 64 --size 480 832 --frames 2

It needs a Blender: `syncam render setup`, or SYNCAM_BLENDER. Seconds are of wall time; a picture counts with its labels
(depth, instances). The first file of a scene, which waits for Blender to start and to build the scene, counts apart.

Made on 2026-11-21 with Blender 4.5.15 on 2 cores of an AMD EPYC that other work kept busy (load average 9.4), so that
they are upper bounds for that machine: 0.41 s per picture, 0.05 s per labels, 1.8 s to the first picture; pictures
differ from the fast engine's by 0.6 grey levels on average.
"""

import argparse
import json
import os
import platform
import time
from datetime import date

import numpy as np

from syncam.render.blender.engine import BlenderRenderer
from syncam.render.blender.job import Settings
from syncam.render.generate import generate_scene, sample_cameras
from syncam.render.rasterizer import Renderer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(128, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--samples", type=int, default=4)
    arguments = parser.parse_args()
    hw, times = tuple(arguments.size), [frame / 8 for frame in range(arguments.frames)]
    cameras = sample_cameras(arguments.seed, arguments.views, arguments.frames, hw)
    c2w, K = cameras.c2w.numpy(), cameras.K.numpy()
    scene = generate_scene(arguments.seed, props=1.0, camera_positions=c2w[..., :3, 3])
    moments: list[float] = []
    renderer = BlenderRenderer(
        hw, Settings(samples=arguments.samples), progress=lambda done, total: moments.append(time.perf_counter())
    )
    start = time.perf_counter()
    fine = renderer.render(scene, c2w, K, times, labels=("depth",))
    fast = Renderer(hw).render(scene, c2w, K, times, labels=("depth",))
    assert fine.depth is not None and fast.depth is not None
    steps = np.diff(moments)  # picture, labels, picture, labels, ...
    both = np.isfinite(fine.depth) & np.isfinite(fast.depth)
    report = {
        "date": date.today().isoformat(),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "load_average": round(os.getloadavg()[0], 2),
        "blender": renderer.version,
        "size": list(hw),
        "samples": arguments.samples,
        "pictures": arguments.views * arguments.frames,
        "seconds_to_first_picture": round(moments[1] - start, 2),
        "seconds_per_picture": round(float(steps[2::2].mean()), 3),
        "seconds_per_labels": round(float(steps[3::2].mean()), 3),
        "mean_difference_to_fast_in_grey_levels": round(float(np.abs(fine.rgb.astype(float) - fast.rgb).mean()), 2),
        "mask_iou_to_fast": round(float((fine.mask & fast.mask).sum() / (fine.mask | fast.mask).sum()), 4),
        "median_depth_error": float(np.median(np.abs(fine.depth[both] / fast.depth[both] - 1))),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

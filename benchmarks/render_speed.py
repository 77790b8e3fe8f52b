"""How fast training clips are rendered on one core, and where the time goes.

python benchmarks/render_speed.py                          16 scenes of 4 cameras x 17 frames at 128x128, a few minutes
python benchmarks/render_speed.py --scenes 3 --size 480 832 --labels depth instances normals flow joints
python benchmarks/render_speed.py --scenes 4 --size 64 64 --content basic --json
python benchmarks/render_speed.py --workers 1 2 4          scenes per second of `syncam render --workers N`, too

generating   scene and cameras from a seed
rasterising  drawing every picture, and its labels if any, and reading them back
converting   8-bit pictures -> a clip in [0, 1]
writing      mp4 files, masks, cameras, captions and labels to a temporary folder

Every stage is given in frames per second of wall time and of CPU time: on a busy machine only the second says what one
core of its own would do. The targets are 100 frames per second of rasterising at 128x128, and 25 at 480x832 with
labels. With --workers, `--scenes` scenes for each process are written as a data set; the first that each finishes,
which it starts with, are not counted.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path

os.environ["LP_NUM_THREADS"] = "0"  # Mesa's software renderer draws on the calling thread; read when it starts
os.environ["OMP_NUM_THREADS"] = "1"

import av  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

from syncam.data.clip import MultiViewClip  # noqa: E402
from syncam.data.dataset import write_clip  # noqa: E402
from syncam.data.labels import KINDS, write_labels  # noqa: E402
from syncam.optional import require  # noqa: E402
from syncam.render.config import RenderConfig  # noqa: E402
from syncam.render.dataset import render_dataset  # noqa: E402
from syncam.render.generate import CONTENTS, generate_scene, sample_cameras  # noqa: E402
from syncam.render.labels import LABELS  # noqa: E402
from syncam.render.rasterizer import Renderer  # noqa: E402

TARGETS = {(128, 128): 100, (480, 832): 25}
FPS = 8.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=16, help="measured scenes, after one to warm up")
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--frames", type=int, default=17)
    parser.add_argument("--size", type=int, nargs=2, default=(128, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--content", choices=CONTENTS, default="full")
    parser.add_argument("--labels", choices=LABELS, nargs="+", default=(), metavar="KIND", help=", ".join(LABELS))
    parser.add_argument("--workers", type=int, nargs="+", default=(), metavar="N", help="numbers of processes")
    parser.add_argument("--json", action="store_true", help="print one line of JSON and nothing else")
    arguments = parser.parse_args()
    if min(arguments.scenes, arguments.views, arguments.frames, *arguments.workers) < 1:
        parser.error("--scenes, --views, --frames and --workers must be at least 1")
    if arguments.workers and arguments.scenes < 2:
        parser.error("--workers needs at least 2 --scenes, the first of which is not counted")
    shape = (arguments.scenes, arguments.views, arguments.frames, tuple(arguments.size), arguments.content)
    together = {number: measure_workers(number, *shape) for number in arguments.workers}  # before we keep to one core
    report = measure(*shape, tuple(arguments.labels)) | ({"by_workers": together} if together else {})
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


def measure(
    num_scenes: int, num_views: int, num_frames: int, hw: tuple[int, int], content: str, labels: tuple[str, ...]
) -> dict[str, object]:
    """Frames per second of every stage and of all together, over `num_scenes` scenes after one that is not counted."""
    torch.set_num_threads(1)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    spent: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        start = np.array([time.perf_counter(), time.process_time()])
        yield
        spent[name] += np.array([time.perf_counter(), time.process_time()]) - start

    with tempfile.TemporaryDirectory() as folder:
        with stage("starting"):
            renderer = Renderer(hw)
        for seed in range(num_scenes + 1):
            if seed == 1:
                warm_up = spent.pop("starting") + spent.pop("rasterising")
                spent.clear()
            with stage("generating"):
                cameras = sample_cameras(seed, num_views, num_frames, hw)
                c2w, K = cameras.c2w.numpy(), cameras.K.numpy()
                duration_s = (num_frames - 1) / FPS
                scene = generate_scene(seed, content=content, duration_s=duration_s, camera_positions=c2w[..., :3, 3])
            with stage("rasterising"):
                times_s = [frame / FPS for frame in range(num_frames)]
                rendering = renderer.render(scene, c2w, K, times_s, labels=labels)
            with stage("converting"):
                video = torch.from_numpy(rendering.rgb).permute(0, 1, 4, 2, 3).float() / 255
                clip = MultiViewClip(video, cameras, scene.caption, FPS, torch.from_numpy(rendering.mask))
            with stage("writing"):
                target = Path(folder) / f"scene{seed}"
                write_clip(target, clip, scene={"scene": scene.to_json()})
                arrays = {
                    kind: getattr(rendering, kind) for kind in KINDS if getattr(rendering, kind, None) is not None
                }
                write_labels(target, [f"cam{view + 1:02d}" for view in range(num_views)], arrays, FPS)
        count = num_scenes * num_views * num_frames
        together = np.sum(list(spent.values()), axis=0)
        rates = {name: per_second(count, seconds) for name, seconds in (*spent.items(), ("together", together))}
        return {
            "date": date.today().isoformat(),
            "cpu": cpu_name(),
            "load_average": round(os.getloadavg()[0], 2),
            "opengl": require("moderngl", extra="render").create_standalone_context(backend="egl").info["GL_RENDERER"],
            "versions": f"moderngl {version('moderngl')}, PyAV {av.__version__}, torch {torch.__version__}, "
            f"numpy {np.__version__}, python {platform.python_version()}",
            "size": list(hw),
            "content": content,
            "scenes x views x frames": [num_scenes, num_views, num_frames],
            "seconds_to_first_scene": round(float(warm_up[0]), 2),
            "frames_per_second": rates,
            "labels": list(labels),
            "target": TARGETS.get(hw),
            "target_met": hw in TARGETS and rates["rasterising"]["of_cpu_time"] >= TARGETS[hw],
        }


def measure_workers(
    num_workers: int, num_scenes: int, num_views: int, num_frames: int, hw: tuple[int, int], content: str
) -> dict[str, float]:
    """Scenes and frames per second of wall time of that many processes together, after the first scene of each."""
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        config = RenderConfig(
            out=Path(folder),
            num_scenes=num_scenes * num_workers,
            num_views=num_views,
            num_frames=num_frames,
            fps=FPS,
            hw=hw,
            content=content,
            num_workers=num_workers,
        )
        render_dataset(config, lambda done, total, numbers: times.append(time.perf_counter()))
    rate = (config.num_scenes - num_workers) / (times[-1] - times[num_workers])
    return {"scenes_per_second": round(rate, 3), "frames_per_second": round(rate * num_views * num_frames, 1)}


def per_second(count: int, seconds: np.ndarray) -> dict[str, float]:
    """Frames per second of wall time and of CPU time."""
    return {
        name: round(count / float(value), 1)
        for name, value in zip(("of_wall_time", "of_cpu_time"), seconds, strict=True)
    }


def cpu_name() -> str:
    """The processor, as precisely as the system says it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()

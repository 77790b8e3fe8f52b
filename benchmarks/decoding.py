"""Random windows of 17 frames out of clips of 81 at 480x832: our reader, and all frames read as by plain imageio.

python benchmarks/decoding.py                      64 windows out of 8 clips, one process, about a minute
python benchmarks/decoding.py --windows 8 --json

Both read the same windows of the same files, in turns, and give float pixels in [0, 1]. imageio with its ffmpeg plugin
(pip install imageio imageio-ffmpeg) decodes every frame of a clip, of which the window is kept, as the published
training scripts of the reference repositories do; it is left out where it is not installed. Wall and CPU seconds are
given; on a machine that does other work at the same time neither can be quoted.
"""

import argparse
import json
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
import torch

from syncam.data.decoding import read_video
from syncam.data.video import write_video

FRAMES, WINDOW, HW = 81, 17, (480, 832)
KEYFRAMES = {"one keyframe": None, "a keyframe every 12": 12}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    versions = {name: version(name) for name in ("av", "torch", "numpy")}
    report: dict[str, object] = {
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}",
        "versions": versions,
        "windows": f"{arguments.windows} of {WINDOW} frames out of {FRAMES} at {HW[0]}x{HW[1]}",
    }
    readers: dict[str, Callable[[Path, int], torch.Tensor]] = {"syncam": read_window}
    try:
        import imageio.v2  # noqa: F401
        import imageio_ffmpeg  # noqa: F401

        versions |= {name: version(name) for name in ("imageio", "imageio-ffmpeg")}
        readers["imageio, all frames"] = read_all_by_imageio
    except ModuleNotFoundError as err:
        report["imageio"] = f"left out: {err.name} is not installed"
    with tempfile.TemporaryDirectory() as folder:
        for name, keyint in KEYFRAMES.items():
            clips = [
                write_clip(Path(folder) / f"{keyint}-{index}.mp4", index, keyint) for index in range(arguments.clips)
            ]
            report[name] = measure(clips, arguments.windows, readers)
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


def measure(clips: list[Path], windows: int, readers: dict[str, Callable[[Path, int], torch.Tensor]]) -> dict:
    """Wall and CPU seconds per window of every reader, and how often per second that is."""
    rng = random.Random(0)
    wall, cpu = dict.fromkeys(readers, 0.0), dict.fromkeys(readers, 0.0)
    for _ in range(windows):
        path, start = rng.choice(clips), rng.randrange(FRAMES - WINDOW + 1)
        for name, read in readers.items():
            # ffmpeg runs as a child process: its time counts once it has ended
            wall_start, cpu_start = time.perf_counter(), sum(os.times()[:4])
            window = read(path, start)
            wall[name] += time.perf_counter() - wall_start
            cpu[name] += sum(os.times()[:4]) - cpu_start
            assert window.shape == (WINDOW, 3, *HW), window.shape
    return {
        name: {
            "wall seconds": round(wall[name] / windows, 4),
            "cpu seconds": round(cpu[name] / windows, 4),
            "windows per second": round(windows / wall[name], 2),
        }
        for name in readers
    }


def read_window(path: Path, start: int) -> torch.Tensor:
    """17 frames from `start` on by our reader."""
    return read_video(path, range(start, start + WINDOW))


def read_all_by_imageio(path: Path, start: int) -> torch.Tensor:
    """The same frames, of all that imageio has read."""
    import imageio.v2 as imageio

    with imageio.get_reader(path) as reader:  # pyright: ignore
        frames = np.stack([np.asarray(frame) for frame in reader])
    return torch.from_numpy(frames[start : start + WINDOW]).permute(0, 3, 1, 2).float() / 255


def write_clip(path: Path, seed: int, keyint: int | None) -> Path:
    """A smooth moving picture with some grain, as a camera would give."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.linspace(0, 6, HW[0]), torch.linspace(0, 9, HW[1]), indexing="ij")
    frames = []
    for index in range(FRAMES):
        phase = index / 10 + seed
        picture = torch.stack([torch.sin(x + phase), torch.cos(y - phase), torch.sin(x * y / 4 + phase)]) * 0.4 + 0.5
        frames.append((picture + 0.02 * torch.randn(picture.shape, generator=generator)).clamp(0, 1))
    if keyint is None:
        write_video(path, torch.stack(frames), 15)
        return path
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=15, options={"g": str(keyint), "preset": "veryfast", "crf": "18"})
        stream.height, stream.width, stream.pix_fmt = *HW, "yuv420p"
        for picture in frames:
            array = (picture * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())
    return path


if __name__ == "__main__":
    main()

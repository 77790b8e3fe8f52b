"""Random windows of 17 frames out of clips of 81, as 480x832: our reader, and imageio as training scripts use it.

python benchmarks/decoding.py                      64 windows out of 8 clips of each sort, one process, some minutes
python benchmarks/decoding.py --windows 2 --clips 1 --json

All readers read the same windows of the same files, in turns, and give float pixels in [0, 1]; files are in the cache
of the system. imageio with its ffmpeg plugin (pip install imageio imageio-ffmpeg) reads them in two ways: "by number"
asks for the length of a clip, twice, and then for each frame of the window, as the training scripts of the reference
repositories do; "all frames" decodes the clip and keeps the window. Both are left out where it is not installed. Before
anything is timed it is made sure that all readers give the same frames. Wall and CPU seconds are given, because ffmpeg
decodes in as many threads as there are CPUs and our reader in one; on a machine that does other work at the same time
neither can be quoted.

Clips of 1280x1280, the size of the published data sets, are scaled to cover 480x832 and cropped about their centre: by
our reader while it reads, after imageio with PIL, bilinear, as the same scripts do. The two round the part that is kept
to whole pixels before and after scaling, so that their pixels differ a little.

The clips are a textured picture that moves, with another in front of it and some grain, encoded as x264 does if nobody
asks for anything (crf 23, a keyframe at most every 250 frames), as syncam render does (crf 10), and with a keyframe
every 12 frames (crf 18); those of 1280x1280 as x264 does by default.
"""

import argparse
import json
import os
import platform
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from av.video.frame import PictureType
from PIL import Image

from syncam.data.dataset import TRAINING_CRF
from syncam.data.decoding import read_video
from syncam.data.video import write_video

FRAMES, WINDOW, HW, FPS = 81, 17, (480, 832), 15
SORTS: dict[str, tuple[tuple[int, int], dict[str, str] | None]] = {
    "x264 by default": (HW, {}),
    "syncam render": (HW, None),
    "a keyframe every 12": (HW, {"g": "12", "crf": "18"}),
    "1280x1280, x264 by default": ((1280, 1280), {}),
}
"""Height and width of the clips, and options of x264; None: as `syncam render` encodes."""
Reader = Callable[[Path, int], torch.Tensor]


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
    readers: dict[str, Reader] = {"syncam": read_window}
    try:
        import imageio.v2  # noqa: F401
        import imageio_ffmpeg  # noqa: F401

        versions |= {name: version(name) for name in ("imageio", "imageio-ffmpeg")}
        readers |= {"imageio, by number": read_by_number, "imageio, all frames": read_all}
    except ModuleNotFoundError as err:
        report["imageio"] = f"left out: {err.name} is not installed"
    with tempfile.TemporaryDirectory() as folder:
        for name, (hw, options) in SORTS.items():
            paths = [Path(folder) / f"{name}-{seed}.mp4" for seed in range(arguments.clips)]
            clips = [write_clip(path, seed, hw, options) for seed, path in enumerate(paths)]
            report[name] = describe(clips, hw) | measure(clips, arguments.windows, readers)
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


def describe(clips: list[Path], hw: tuple[int, int]) -> dict[str, object]:
    """How densely the clips are encoded, and of which sorts of frames one consists."""
    with av.open(str(clips[0])) as container:
        kinds = [PictureType(frame.pict_type).name for frame in container.decode(video=0)]
    bits = 8 * sum(clip.stat().st_size for clip in clips) / (len(clips) * FRAMES * hw[0] * hw[1])
    return {"bits per pixel": round(bits, 3), "frames": {kind: kinds.count(kind) for kind in sorted(set(kinds))}}


def measure(clips: list[Path], windows: int, readers: dict[str, Reader]) -> dict[str, object]:
    """Wall and CPU seconds per window of every reader, and how often our reader is done while another is once."""
    rng = random.Random(0)
    chosen = [(rng.choice(clips), rng.randrange(FRAMES - WINDOW + 1)) for _ in range(windows)]
    difference = largest_difference(*chosen[0], readers)
    wall, cpu = dict.fromkeys(readers, 0.0), dict.fromkeys(readers, 0.0)
    for path, start in chosen:
        for name, read in readers.items():
            # ffmpeg runs as a child process: its time counts once it has ended
            wall_start, cpu_start = time.perf_counter(), sum(os.times()[:4])
            window = read(path, start)
            wall[name] += time.perf_counter() - wall_start
            cpu[name] += sum(os.times()[:4]) - cpu_start
            assert window.shape == (WINDOW, 3, *HW), window.shape
    times = {
        name: {
            "wall seconds": round(wall[name] / windows, 4),
            "cpu seconds": round(cpu[name] / windows, 4),
            "windows per second": round(windows / wall[name], 2),
            "times as long as syncam": {
                "wall": round(wall[name] / wall["syncam"], 2),
                "cpu": round(cpu[name] / max(cpu["syncam"], 1e-9), 2),
            },
        }
        for name in readers
    }
    return {"mean difference in 255": difference, **times}


def largest_difference(path: Path, start: int, readers: dict[str, Reader]) -> float:
    """Between the frames of our reader and of others, which must be those with the same numbers."""
    ours, largest = readers["syncam"](path, start), 0.0
    for read in readers.values():
        theirs = read(path, start)
        same = (ours - theirs).abs().mean().item()
        assert same < (ours[1:] - theirs[:-1]).abs().mean().item() / 4, f"{read.__name__} gives other frames"
        largest = max(largest, same)
    return round(255 * largest, 3)


def read_window(path: Path, start: int) -> torch.Tensor:
    """17 frames from `start` on by our reader."""
    return read_video(path, range(start, start + WINDOW), hw=HW)


def read_by_number(path: Path, start: int) -> torch.Tensor:
    """The same frames, each asked for by its number, of a clip whose length is asked for twice before."""
    import imageio.v2 as imageio

    with imageio.get_reader(path) as reader:  # pyright: ignore
        assert reader.count_frames() >= FRAMES and reader.count_frames() >= start + WINDOW
        frames = [as_tensor(reader.get_data(start + index)) for index in range(WINDOW)]
    return torch.stack(frames)


def read_all(path: Path, start: int) -> torch.Tensor:
    """The same frames, of all that imageio has read."""
    import imageio.v2 as imageio

    with imageio.get_reader(path) as reader:  # pyright: ignore
        frames = [frame for frame in reader]
    return torch.stack([as_tensor(frame) for frame in frames[start : start + WINDOW]])


def as_tensor(frame: np.ndarray) -> torch.Tensor:
    """Pixels in [0, 1], scaled to cover 480x832 and cropped about the centre where they are of another size."""
    picture = np.asarray(frame)
    if picture.shape[:2] != HW:
        scale = max(HW[0] / picture.shape[0], HW[1] / picture.shape[1])
        height, width = (round(side * scale) for side in picture.shape[:2])
        covering = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
        left, top = (width - HW[1]) // 2, (height - HW[0]) // 2
        picture = np.array(covering.crop((left, top, left + HW[1], top + HW[0])))
    return torch.from_numpy(picture).permute(2, 0, 1).float() / 255


def write_clip(path: Path, seed: int, hw: tuple[int, int], options: dict[str, str] | None) -> Path:
    """A clip encoded with options of x264; None: as `syncam render` encodes."""
    if options is None:
        write_video(path, torch.stack(list(pictures(seed, hw))), FPS, crf=TRAINING_CRF)
        return path
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width, stream.pix_fmt = *hw, "yuv420p"
        for picture in pictures(seed, hw):
            array = (picture * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode())
    return path


def pictures(seed: int, hw: tuple[int, int]) -> Iterator[torch.Tensor]:
    """A texture that a camera pans over, by parts of pixels, with a disc in front of it and grain."""
    generator = torch.Generator().manual_seed(seed)
    across, down = 1.9, 0.7  # pixels per frame
    back = texture((hw[0] + 64, hw[1] + 160), generator)
    disc = texture((192, 192), generator)
    y, x = torch.meshgrid(torch.arange(192) - 95.5, torch.arange(192) - 95.5, indexing="ij")
    inside = y**2 + x**2 < 90**2
    for index in range(FRAMES):
        (top, part_y), (left, part_x) = divmod(down * index, 1), divmod(across * index, 1)
        seen = back[:, int(top) : int(top) + hw[0] + 1, int(left) : int(left) + hw[1] + 1]
        seen = seen[:, :-1] * (1 - part_y) + seen[:, 1:] * part_y
        seen = (seen[:, :, :-1] * (1 - part_x) + seen[:, :, 1:] * part_x).clone()
        place = seen[:, 140 + index : 332 + index, 80 + 5 * index : 272 + 5 * index]
        place.copy_(torch.where(inside, disc, place))
        yield (seen + 0.008 * torch.randn(seen.shape, generator=generator)).clamp(0, 1)


def texture(hw: tuple[int, int], generator: torch.Generator) -> torch.Tensor:
    """Blotches of all sizes, in [0, 1]."""
    total = torch.zeros(3, *hw)
    for size in (2, 4, 8, 16, 32, 64, 128):
        coarse = torch.rand(1, 3, hw[0] // size + 2, hw[1] // size + 2, generator=generator)
        total += F.interpolate(coarse, hw, mode="bilinear")[0] * size**0.7
    return (total - total.amin()) / (total.amax() - total.amin())


if __name__ == "__main__":
    main()

"""Seconds and memory to open a data set of 30,000 scenes, and to check it by headers.

python benchmarks/many_scenes.py                       30,000 scenes of two small videos; several minutes
python benchmarks/many_scenes.py --scenes 300 --json

The scenes are folders of their own in the layout of SynCamVideo, whose files are links to those of one scene, so that
they need no room: opening depends on their number, not on what they hold, and the check has more to do than usual,
because it finds all of them to be duplicates. A file can have about 60,000 links. Every step runs in a process of its
own, whose peak memory is given; the names are in the cache of the system. Calls are those of Python that look at the
disk.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

from syncam.cameras import hemisphere
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import write_clip

LENS = "train/f24_aperture5"
VIEWS, FRAMES, HW = 2, 5, (64, 96)
STEP = """
import json, os, resource, sys, time
from collections import Counter
from syncam.data.check import check_dataset
from syncam.data.dataset import ClipStore
from syncam.data.sources import open_dataset

step, root, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
dataset = open_dataset(root) if step == "check" else None
calls = Counter()
for name in ("stat", "lstat", "scandir", "listdir"):
    plain = getattr(os, name)
    setattr(os, name, lambda *a, plain=plain, name=name, **k: calls.update([name]) or plain(*a, **k))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
began = time.perf_counter()
if step == "open_dataset":
    found = len(open_dataset(root))
elif step == "ClipStore":
    found = len(ClipStore(root))
else:
    found = check_dataset(dataset, quick=True, captions=False, workers=workers)["scenes"]
seconds = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
calls = {} if step == "check" and workers > 1 else dict(calls)
print(json.dumps({"scenes": found, "seconds": round(seconds, 2), "mib more": (peak - before) // 1024, "calls": calls}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=30_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that check")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    report: dict[str, object] = {
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}",
        "versions": {"python": platform.python_version()} | {name: version(name) for name in ("av", "torch")},
        "scenes": f"{arguments.scenes} of {VIEWS} videos of {FRAMES} frames at {HW[0]}x{HW[1]}",
        "workers": arguments.workers,
    }
    with tempfile.TemporaryDirectory() as folder:
        make_scenes(Path(folder), arguments.scenes)
        for step in ("open_dataset", "ClipStore", "check"):
            command = [sys.executable, "-c", STEP, step, folder, str(arguments.workers)]
            report[f"{step} --quick" if step == "check" else step] = json.loads(subprocess.check_output(command))
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


def make_scenes(root: Path, number: int) -> None:
    """So many scene folders, made of links to the files of the first."""
    video = torch.rand(VIEWS, FRAMES, 3, *HW)
    cameras = hemisphere(views=VIEWS, radius=4, num_frames=FRAMES, hw=HW)
    first = root / LENS / "scene1"
    write_clip(first, MultiViewClip(video, cameras, "noise", 15))
    files = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    for index in range(1, number):
        scene = root / LENS / f"scene{index + 1}"
        for folder in (scene, scene / "videos", scene / "cameras"):
            folder.mkdir()
        for file in files:
            os.link(first / file, scene / file)


if __name__ == "__main__":
    main()

"""Time and memory to read, or refuse, camera files of a million frames.

    python benchmarks/long_camera_files.py
    python benchmarks/long_camera_files.py --frames 50000 --json

Every file is read in a process of its own, whose peak memory is compared with that of one that only imports syncam.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import torch

READ = """
import json, resource, sys, time
from syncam.cameras.formats import read_cameras
from syncam.errors import InputError
began, said = time.perf_counter(), "read"
try:
    if len(sys.argv) > 1:
        read_cameras(sys.argv[1], format=sys.argv[2], hw=(480, 832), focal_mm=24.0)
except InputError as err:
    said = str(err)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": time.perf_counter() - began, "peak_mib": peak / 1024, "said": said}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    report: dict[str, object] = {
        "date": date.today().isoformat(),
        "hardware": platform.machine(),
        "torch": torch.__version__,
        "frames": arguments.frames,
        "import alone": measure(),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, write in {"tum": tum, "realestate10k": realestate10k, "csv": csv, "syncamvideo": syncamvideo}.items():
            path = Path(folder) / f"{name}{'.json' if name == 'syncamvideo' else '.csv' if name == 'csv' else '.txt'}"
            write(path, arguments.frames)
            report[name] = {"mib": path.stat().st_size / 2**20} | measure(str(path), name)
            path.unlink()
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


def measure(*arguments: str) -> dict[str, object]:
    """What a process of its own says about reading a file."""
    return json.loads(subprocess.run([sys.executable, "-c", READ, *arguments], capture_output=True, check=True).stdout)


def tum(path: Path, frames: int) -> None:
    path.write_text("".join(f"{k / 30:.4f} {k * 1e-3:.3f} 0 1 0 0 0 1\n" for k in range(frames)))


def realestate10k(path: Path, frames: int) -> None:
    pose = "1 0 0 0 0 1 0 0 0 0 1 0"
    lines = (f"{k * 33333} 0.8 1.4 0.5 0.5 0 0 {pose}\n" for k in range(frames))
    path.write_text("https://www.youtube.com/watch?v=xxxxxxxxxxx\n" + "".join(lines))


def csv(path: Path, frames: int) -> None:
    from syncam.cameras import hemisphere
    from syncam.cameras.formats import write_cameras

    write_cameras(path, hemisphere(views=1, radius=4.0, hw=(480, 832)).repeat_frames(2), format="csv")
    header, first, _ = path.read_text().splitlines()
    view, _, rest = first.split(",", 2)
    path.write_text(header + "\n" + "".join(f"{view},{k},{rest}\n" for k in range(frames)))


def syncamvideo(path: Path, frames: int) -> None:
    rows = '{"cam01": "[1 0 0 0] [0 1 0 0] [0 0 1 0] [0 0 0 1] "}'
    path.write_text("{" + ", ".join(f'"frame{k}": {rows}' for k in range(frames)) + "}")


if __name__ == "__main__":
    main()

"""How long `import syncam` and `syncam generate` take, and how much memory: the built-in model with the default rig.

python benchmarks/generate_speed.py           4 views x 17 frames, each run in a process of its own
python benchmarks/generate_speed.py --runs 5 --json
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import diffusers
import torch

PROMPT = "a red horse walks on green grass under a blue sky"
TARGETS = {"generate_seconds": 60.0, "peak_gigabytes": 4.0, "import_seconds": 0.3}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="generations; the median counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object in one line")
    arguments = parser.parse_args()
    imports = [timed([sys.executable, "-c", "import syncam"])[0] for _ in range(10)]
    nothing = [timed([sys.executable, "-c", ""])[0] for _ in range(10)]
    seconds, peaks, inside = [], [], []
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            took, peak = timed(
                [sys.executable, "-m", "syncam", "generate", PROMPT, "--out", str(out), "--device", "cpu"]
            )
            seconds.append(took)
            peaks.append(peak)
            inside.append(json.loads((out / "run.json").read_text(encoding="utf-8"))["seconds"])
    report = {
        "date": date.today().isoformat(),
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "import_seconds": round(statistics.median(imports), 3),
        "python_alone_seconds": round(statistics.median(nothing), 3),
        "generate_seconds": [round(value, 1) for value in seconds],
        "generate_stages": inside,
        "peak_gigabytes": round(max(peaks) / 1e9, 2),
        "targets": TARGETS,
    }
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))


def timed(command: Sequence[str]) -> tuple[float, int]:
    """Wall seconds of a command from start to end, and the most memory it held, in bytes."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    if status:
        raise SystemExit(f"{' '.join(command)} failed with status {status}")
    return took, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()

"""VBench, which has an environment of its own: run there as a program over the videos of a run, its results read.

Its packages are too old to stand beside ours. Huang et al., VBench: Comprehensive Benchmark Suite for Video Generative
Models, 2024.
"""

import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from syncam.data.footage import VideoFile
from syncam.data.scene import Scene
from syncam.errors import InputError
from syncam.evaluation.cache import Cache, content_hash
from syncam.evaluation.outcome import NotMeasurable

__all__ = ["DIMENSIONS", "Vbench", "VbenchScores", "find_vbench", "score_clips"]

logger = logging.getLogger(__name__)

VARIABLE = "SYNCAM_VBENCH"
DIMENSIONS = {
    "subject_consistency": 1.0,
    "background_consistency": 1.0,
    "motion_smoothness": 1.0,
    "dynamic_degree": 1.0,
    "aesthetic_quality": 1.0,
    "imaging_quality": 0.01,
}
"""Those that VBench takes of any video, and what it multiplies the numbers of single videos with in its own means."""
VERSION = "from importlib.metadata import version; print(version('vbench'))"
PROGRAM = """
import sys
import torch
from vbench import VBench
videos, out, dimension = sys.argv[1:]
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
VBench(device, "", out).evaluate(
    videos_path=videos, name="syncam", dimension_list=[dimension], mode="custom_input"
)
"""
RESULTS = "syncam_eval_results.json"

VbenchScores = dict[str, list[float] | str]
"""Of one clip, by dimension: the score of every view, or why there is none."""


@dataclass(frozen=True)
class Vbench:
    """The Python of an environment with VBench, and what rows say of it."""

    python: Path
    version: str
    sha256: str | None = None
    """VBench fetches its networks itself; its version fixes them."""
    resize: str = "VBench's own"

    @property
    def name(self) -> str:
        """As in "VBench 0.1.5"."""
        return f"VBench {self.version}"


def find_vbench(place: str | None) -> Vbench:
    """VBench in the environment, or beside the Python, that is named here or by SYNCAM_VBENCH.

    NotMeasurable where neither is; InputError where what is named has no VBench.
    """
    named = place or os.environ.get(VARIABLE)
    if not named:
        raise NotMeasurable(f"no VBench: give --vbench the python of an environment that has it, or set {VARIABLE}")
    inner = Path("Scripts", "python.exe") if sys.platform == "win32" else Path("bin", "python")
    python = (Path(named) / inner if Path(named).is_dir() else Path(named)).absolute()
    try:
        told = subprocess.run([python, "-c", VERSION], capture_output=True, text=True)
    except OSError as err:
        raise InputError(f"{named} is no python that starts ({err.strerror}); expected one with VBench") from err
    if told.returncode:
        raise InputError(f"{python} has no VBench; run: {python} -m pip install vbench")
    return Vbench(python, told.stdout.strip())


def score_clips(
    scenes: Mapping[tuple[str, str], Scene], dimensions: Sequence[str], vbench: Vbench, cache: Cache
) -> dict[tuple[str, str], VbenchScores]:
    """The scores of every view of clips under any names, each video once; VBench is started once for a dimension.

    What VBench cannot do, and views that are no files of their own, are reasons instead of scores.
    """
    contents: dict[tuple[str, str], list[str]] = {}
    videos: dict[str, Path] = {}
    scores: dict[tuple[str, str], VbenchScores] = {key: {} for key in scenes}
    for key, scene in scenes.items():
        try:
            footage = [one for one in scene.footage if isinstance(one, VideoFile) and one.member is None]
            if len(footage) < scene.num_views:
                scores[key] = dict.fromkeys(dimensions, "VBench reads videos that are files of their own only")
                continue
            contents[key] = [content_hash(one) for one in footage]
            videos |= dict(zip(contents[key], (one.path for one in footage), strict=True))
        except (InputError, OSError):
            continue  # every other metric says what is wrong with the clip
    for dimension in dimensions:
        try:
            found = _scores(videos, dimension, vbench, cache)
        except NotMeasurable as err:
            found = str(err)
        for key, views in contents.items():
            scores[key][dimension] = found if isinstance(found, str) else [found[view] for view in views]
    return scores


def _scores(videos: Mapping[str, Path], dimension: str, vbench: Vbench, cache: Cache) -> dict[str, float]:
    """By the content of the video; from the cache where it is known."""
    keys = {content: {"content": content, "vbench": vbench.version, "dimension": dimension} for content in videos}
    found = {content: cache.value(key) for content, key in keys.items()}
    missing = [content for content, value in found.items() if value is None]
    if missing:
        logger.info("VBench takes %s of %d videos", dimension, len(missing))
        for content, value in _run(vbench, dimension, {content: videos[content] for content in missing}).items():
            cache.store_value(keys[content], value)
            found[content] = value
    return found


def _run(vbench: Vbench, dimension: str, videos: Mapping[str, Path]) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="syncam-") as name:
        folder, results = Path(name, "videos"), Path(name, "results")
        folder.mkdir()
        for content, path in videos.items():
            (folder / f"{content}.mp4").symlink_to(path.resolve())
        command = [vbench.python, "-c", PROGRAM, folder, results, dimension]
        done = subprocess.run(command, cwd=name, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise NotMeasurable(f"{vbench.name} failed at {dimension}: {said}")
        try:
            _, rows = json.loads((results / RESULTS).read_text(encoding="utf-8"))[dimension]
            found = {Path(row["video_path"]).stem: float(row["video_results"]) for row in rows}
            return {content: DIMENSIONS[dimension] * found[content] for content in videos}
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise NotMeasurable(f"{vbench.name} wrote no results of {dimension} that can be read") from err

"""Evaluates runs: every metric over every clip, in several processes, into rows that say how they came about."""

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from syncam.data.scene import Scene
from syncam.errors import InputError
from syncam.evaluation.cache import Cache
from syncam.evaluation.clips import find_clips
from syncam.evaluation.material import Material
from syncam.evaluation.measures import MEASURES
from syncam.evaluation.outcome import NotMeasurable, Outcome
from syncam.evaluation.report import compare, markdown, metric_row
from syncam.evaluation.suites import chosen_metrics
from syncam.files import atomic_dir, write_json, write_text

__all__ = ["EvaluateConfig", "evaluate"]

SCHEMA, VERSION = "syncam-evaluation", 1
REVISION = 1
"""Of the metrics: raised when one gives other numbers, so that older ones in the cache do not count."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What is measured, of which runs, and how."""

    runs: tuple[Path, ...]
    """Folders that syncam generate wrote, folders of clips, or data sets."""
    suite: str = "own"
    metrics: str | None = None
    """Names with commas between, instead of a suite."""
    out: Path | None = None
    """Folder for results.json and results.md."""
    clips: int | None = None
    """Only the first clips of every run."""
    moments: int = 8
    """Frames of each clip that are matched between views."""
    threshold_px: float = 1.0
    """Noise of matched points, pixels."""
    lens: str = "known"
    """For trajectories: known takes the lens of the requested cameras, estimated does without."""
    cache: Path | None = None
    """Where features and results are kept by content; None keeps nothing."""
    workers: int | None = None
    """Processes; None: one for each CPU, and no more than clips."""

    def __post_init__(self) -> None:
        if not self.runs:
            raise InputError("evaluate needs a folder; expected what syncam generate wrote, or a data set")
        for name in ("clips", "moments", "workers"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.threshold_px > 0:
            raise InputError(f"threshold_px must be positive, got {self.threshold_px}")
        if self.lens not in ("known", "estimated"):
            raise InputError(f"lens must be known or estimated, got {self.lens!r}")
        names = [str(run) for run in self.runs]
        if len(set(names)) < len(names):
            raise InputError(f"{max(names, key=names.count)} is given twice; expected different runs")


def evaluate(config: EvaluateConfig, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """All rows of all runs, and of two runs or more the differences of each to the first.

    A clip that cannot be read, and a metric that means nothing for it, count as failures with their reasons. InputError
    if nothing could be measured at all. With `out`, the same goes to results.json and results.md, together.
    """
    names = chosen_metrics(config.suite, config.metrics)
    runs = {str(run): _clips(run, config.clips) for run in config.runs}
    tasks = [(run, name, scene) for run, clips in runs.items() for name, scene in clips.items()]
    found: dict[str, dict[str, dict[str, Outcome]]] = {run: {} for run in runs}
    for done, (index, outcomes) in enumerate(_outcomes([scene for _, _, scene in tasks], names, config), start=1):
        run, clip, _ = tasks[index]
        found[run][clip] = outcomes
        if progress is not None:
            progress(done, len(tasks))
    first = next(iter(runs))
    result = {
        "schema": SCHEMA,
        "version": VERSION,
        "suite": config.suite if config.metrics is None else None,
        "runs": [_run(run, clips, found[run], names, config) for run, clips in runs.items()],
        "comparisons": [
            {"first": first, "second": run, "rows": _differences(found[first], found[run], names)}
            for run in list(runs)[1:]
        ],
        "versions": _versions(),
    }
    rows = [row for run in result["runs"] for row in run["rows"]]
    if all(row["value"] is None for row in rows):
        reasons = [reason for row in rows for reason in row["failures"]]
        raise InputError(f"nothing could be measured: {'; '.join(dict.fromkeys(reasons)) or 'there are no samples'}")
    if config.out is not None:
        with atomic_dir(config.out) as folder:
            write_json(folder / "results.json", result)
            write_text(folder / "results.md", markdown(result))
    return result


def _clips(run: Path, most: int | None) -> dict[str, Scene]:
    return dict(list(find_clips(run).items())[:most])


def measure_clip(scene: Scene, names: Sequence[str], config: EvaluateConfig) -> dict[str, Outcome]:
    """The outcome of each metric of one clip; from the cache where the same has been measured of the same content."""
    try:
        material = Material(
            scene,
            Cache(config.cache),
            num_moments=config.moments,
            threshold_px=config.threshold_px,
            known_lens=config.lens == "known",
        )
        key = {"content": material.content, "revision": REVISION, "moments": material.moments}
    except (InputError, OSError) as err:
        return {name: Outcome(failures={str(err): 1}) for name in names}
    key |= {"threshold_px": config.threshold_px, "lens": config.lens}
    outcomes = {}
    for name in names:
        stored = material.cache.value(key | {"metric": name})
        if stored is not None:
            outcomes[name] = Outcome(**stored)
            continue
        try:
            outcomes[name] = MEASURES[name].take(material)
        except (InputError, NotMeasurable) as err:
            outcomes[name] = Outcome(failures={str(err): 1})
        else:
            material.cache.store_value(key | {"metric": name}, dataclasses.asdict(outcomes[name]))
    return outcomes


def _outcomes(
    scenes: list[Scene], names: Sequence[str], config: EvaluateConfig
) -> Iterator[tuple[int, dict[str, Outcome]]]:
    """The number of each clip with its outcomes, in the order in which they are finished."""
    workers = min(config.workers or os.cpu_count() or 1, len(scenes))
    if workers == 1:
        for index, scene in enumerate(scenes):
            yield index, measure_clip(scene, names, config)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        running = {pool.submit(measure_clip, scene, names, config): index for index, scene in enumerate(scenes)}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        except BrokenProcessPool as err:
            raise InputError("a process died while it measured clips; find the clip with --workers 1") from err
        finally:
            pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    """Processes that share the CPUs have one thread each."""
    import torch

    torch.set_num_threads(1)


def _run(
    run: str,
    clips: dict[str, Scene],
    outcomes: dict[str, dict[str, Outcome]],
    names: Sequence[str],
    config: EvaluateConfig,
) -> dict[str, Any]:
    facts = [_facts(scene) for scene in clips.values()]
    shape = {key: _common([fact[key] for fact in facts]) for key in ("views", "frames", "size")}
    settings = {"frames": shape["frames"], "size": shape["size"], "resize": "none"}
    settings |= {"threshold_px": config.threshold_px, "num_moments": config.moments, "lens": config.lens}
    rows = []
    for name in names:
        row = metric_row(MEASURES[name], {clip: outcomes[clip][name] for clip in clips}, settings)
        rows.append(row)
    return {"run": run, "num_clips": len(clips), **shape, "num_moments": config.moments, "rows": rows}


def _facts(scene: Scene) -> dict[str, str]:
    try:
        height, width = scene.hw
        return {"views": str(scene.num_views), "frames": str(scene.num_frames), "size": f"{height}x{width}"}
    except (InputError, OSError):
        return {"views": "?", "frames": "?", "size": "?"}


def _common(values: list[str]) -> str:
    """What all share, else each of the values."""
    return " or ".join(dict.fromkeys(values))


def _differences(
    first: dict[str, dict[str, Outcome]], second: dict[str, dict[str, Outcome]], names: Sequence[str]
) -> list[dict[str, Any]]:
    rows = []
    for name in names:
        sides = [{clip: outcomes[name] for clip, outcomes in run.items()} for run in (first, second)]
        row = compare(MEASURES[name], *sides)
        if row is not None:
            rows.append(row)
    return rows


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    from syncam import __version__

    found = {"syncam": __version__}
    for package in ("torch", "opencv-python-headless", "pycolmap", "torchmetrics"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

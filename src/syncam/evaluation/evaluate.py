"""Evaluates runs: every metric over every clip, in several processes, into rows that say how they came about."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncam.data.scene import Scene
from syncam.errors import InputError
from syncam.evaluation.benchmark_sets import recognised
from syncam.evaluation.breakdown import angles_between, breakdown
from syncam.evaluation.cache import PACKAGES, Cache
from syncam.evaluation.clips import find_clips
from syncam.evaluation.measures import Measure, mean_of_clips
from syncam.evaluation.measuring import Found, Settings, Task, measured, networks_of, one_line
from syncam.evaluation.network_measures import SET_MEASURES, VBENCH_MEASURES, SetMeasure, set_distance, set_spread
from syncam.evaluation.networks import Networks
from syncam.evaluation.outcome import NotMeasurable
from syncam.evaluation.plots import draw_results
from syncam.evaluation.report import compare, markdown, metric_row, set_row
from syncam.evaluation.suites import CLIP_WISE, chosen_metrics
from syncam.evaluation.vbench import VbenchScores, score_clips
from syncam.files import atomic_dir, write_json, write_text
from syncam.versions import versions

__all__ = ["EvaluateConfig", "evaluate"]

logger = logging.getLogger(__name__)

SCHEMA, VERSION = "syncam-evaluation", 1
RESULTS = ("results.json", "results.md", "results.png")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(Settings):
    """What is measured, of which runs, and how."""

    runs: tuple[Path, ...]
    """Folders that syncam generate wrote, folders of clips, or data sets."""
    suite: str = "own"
    metrics: str | None = None
    """Names with commas between, instead of a suite."""
    reference: Path | None = None
    """A run or data set of the truth: clips of the same names for PSNR and such, all of its clips for FID and such."""
    out: Path | None = None
    """Folder for results.json, results.md and results.png."""
    clips: int | None = None
    """Only the first clips of every run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.runs:
            raise InputError("evaluate needs a folder; expected what syncam generate wrote, or a data set")
        if self.clips is not None and self.clips < 1:
            raise InputError(f"clips must be at least 1, got {self.clips}")
        names = [str(run) for run in self.runs]
        if len(set(names)) < len(names):
            raise InputError(f"{max(names, key=names.count)} is given twice; expected different runs")


def evaluate(config: EvaluateConfig, progress: Callable[[int, int], None] | None = None) -> dict[str, Any]:
    """All rows of all runs, and of two runs or more the differences of each to the first.

    A clip that cannot be read, and a metric that means nothing for it, count as failures with their reasons. InputError
    if nothing could be measured at all. With `out`, the same goes to results.json and results.md, and as a
    picture to results.png, together.
    """
    names = chosen_metrics(config.suite, config.metrics)
    if config.out is not None:
        _check_out(config.out)
    runs = {str(run): _clips(run, config.clips) for run in config.runs}
    truth = {} if config.reference is None else find_clips(config.reference)
    networks = networks_of(config.networks)
    vbench = _vbench(runs, names, config, networks)
    tasks = [
        (run, clip, Task(scene=scene, names=names, reference=truth.get(clip), vbench=vbench.get((run, clip), {})))
        for run, clips in runs.items()
        for clip, scene in clips.items()
    ]
    of_sets = [name for name in names if name in SET_MEASURES and not SET_MEASURES[name].own]
    tasks += [("", clip, Task(scene=scene, names=of_sets)) for clip, scene in truth.items()]
    found: dict[str, dict[str, Found]] = {run: {} for run in ("", *runs)}
    for done, (index, one) in enumerate(measured([task for _, _, task in tasks], config), start=1):
        run, clip, _ = tasks[index]
        found[run][clip] = one
        if progress is not None:
            progress(done, len(tasks))
    first = next(iter(runs))
    result = {
        "schema": SCHEMA,
        "version": VERSION,
        "suite": config.suite if config.metrics is None else None,
        "reference": None if config.reference is None else str(config.reference),
        "reference_set": _reference_set(found[""]),
        "runs": [_run(run, clips, found[run], found[""], names, config, networks) for run, clips in runs.items()],
        "comparisons": [
            {"first": first, "second": run, "rows": _differences(found[first], found[run], names)}
            for run in list(runs)[1:]
        ],
        "versions": versions(*PACKAGES),
    }
    rows = [row for run in result["runs"] for row in run["rows"]]
    if all(row["value"] is None for row in rows):
        reasons = [reason for row in rows for reason in row["failures"]]
        raise InputError(f"nothing could be measured: {'; '.join(dict.fromkeys(reasons)) or 'there are no samples'}")
    if config.out is not None:
        with atomic_dir(config.out) as folder:
            write_json(folder / RESULTS[0], result)
            write_text(folder / RESULTS[1], markdown(result))
            try:
                draw_results(folder / RESULTS[2], result)
            except InputError as err:  # without matplotlib
                logger.warning("no picture of the results: %s", err)
    return result


def _vbench(
    runs: dict[str, dict[str, Scene]], names: Sequence[str], config: EvaluateConfig, networks: Networks
) -> dict[tuple[str, str], VbenchScores]:
    """What VBench says of every clip of every run, if it is asked for: one start for many videos."""
    dimensions = [VBENCH_MEASURES[name].metric for name in names if name in VBENCH_MEASURES]
    scenes = {(run, clip): scene for run, clips in runs.items() for clip, scene in clips.items()}
    if not dimensions:
        return {}
    try:
        return score_clips(scenes, dimensions, networks.vbench, Cache(config.cache))
    except (InputError, NotMeasurable) as err:
        return {key: dict.fromkeys(dimensions, one_line(err)) for key in scenes}


def _check_out(out: Path) -> None:
    """InputError before any work if the folder holds other things than results, which would be lost."""
    if out.is_file():
        raise InputError(f"{out} is a file; choose another --out")
    others = [path.name for path in out.iterdir() if path.name not in RESULTS] if out.is_dir() else []
    if others:
        raise InputError(f"{out} holds {min(others)}, which syncam evaluate did not write; choose another --out")


def _clips(run: Path, most: int | None) -> dict[str, Scene]:
    return dict(list(find_clips(run).items())[:most])


def _run(
    run: str,
    clips: dict[str, Scene],
    found: dict[str, Found],
    truth: dict[str, Found],
    names: Sequence[str],
    config: EvaluateConfig,
    networks: Networks,
) -> dict[str, Any]:
    facts = [_facts(scene) for scene in clips.values()]
    shape = {key: _common([fact[key] for fact in facts]) for key in ("views", "frames", "size")}
    settings = {"frames": shape["frames"], "size": shape["size"], "resize": "none"}
    settings |= {"threshold_px": config.threshold_px, "num_moments": config.moments, "lens": config.lens}
    angles = {clip: angles_between(scene) for clip, scene in clips.items()}
    rows = []
    for name in names:
        measure = CLIP_WISE.get(name) or SET_MEASURES[name]
        known = settings | _identity(measure, networks)
        known |= {"confidence": config.confidence} if measure.network == "matcher" else {}
        if isinstance(measure, SetMeasure):
            rows.append(_set_row(measure, [found[clip] for clip in clips], list(truth.values()), known))
        else:
            outcomes = {clip: found[clip].outcomes[name] for clip in clips}
            parts = breakdown(outcomes, angles) if measure.pool is mean_of_clips else {}
            rows.append(metric_row(measure, outcomes, known) | parts)
    about = {"run": run, "set": recognised(clips), "num_clips": len(clips), **shape, "num_moments": config.moments}
    return about | {"rows": rows}


def _reference_set(truth: dict[str, Found]) -> dict[str, Any] | None:
    """How many clips results are held against, and which, by content."""
    if not truth:
        return None
    digest = hashlib.sha256(" ".join(sorted(one.content for one in truth.values())).encode()).hexdigest()
    return {"num_clips": len(truth), "sha256": digest}


def _set_row(measure: SetMeasure, clips: list[Found], truth: list[Found], settings: dict[str, Any]) -> dict[str, Any]:
    """The row of a metric of the whole run."""
    sides = [[clip.features[measure.name] for clip in found] for found in (clips, [] if measure.own else truth)]
    failures: dict[str, int] = {}
    for one in (one for side in sides for one in side if isinstance(one, str)):
        failures[one] = failures.get(one, 0) + 1
    first, second = ([one for one in side if not isinstance(one, str)] for side in sides)
    value, spread = None, None
    try:
        if not measure.own and not truth:
            raise NotMeasurable("no reference; give --reference a run or data set of real videos")
        value = set_distance(measure, first, second) if first else None
        spread = None if value is None else set_spread(measure, value, first, second)
    except (InputError, NotMeasurable) as err:
        failures[one_line(err)] = failures.get(one_line(err), 0) + 1
    samples = sum(len(one["first"]) for one in first)
    return set_row(measure, value, spread, len(first), samples, failures, settings)


def _identity(measure: Measure | SetMeasure, networks: Networks) -> dict[str, Any]:
    """What a row says of the network behind it; of a probe, also what it reaches on held-out renders."""
    if measure.network is None:
        return {}
    try:
        loaded = getattr(networks, measure.network)
    except (InputError, NotMeasurable):
        return {"network": None}
    known = {"network": loaded.name, "network_sha256": loaded.sha256, "resize": loaded.resize}
    if isinstance(measure, Measure) and measure.held_out is not None:
        known["held_out"] = loaded.held_out.get(measure.held_out)
    return known


def _facts(scene: Scene) -> dict[str, str]:
    try:
        height, width = scene.hw
        return {"views": str(scene.num_views), "frames": str(scene.num_frames), "size": f"{height}x{width}"}
    except (InputError, OSError):
        return {"views": "?", "frames": "?", "size": "?"}


def _common(values: list[str]) -> str:
    """What all share, else each of the values."""
    return " or ".join(dict.fromkeys(values))


def _differences(first: dict[str, Found], second: dict[str, Found], names: Sequence[str]) -> list[dict[str, Any]]:
    """Of the metrics of single clips; distances of sets have no pairs."""
    rows = []
    for name in (name for name in names if name in CLIP_WISE):
        sides = [{clip: one.outcomes[name] for clip, one in run.items()} for run in (first, second)]
        row = compare(CLIP_WISE[name], *sides)
        if row is not None:
            rows.append(row)
    return rows

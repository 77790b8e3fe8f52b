"""One clip after the other, or several at once in processes of their own, measured by many metrics."""

import dataclasses
import functools
import itertools
import math
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from syncam.data.scene import Scene
from syncam.errors import InputError
from syncam.evaluation.cache import Cache
from syncam.evaluation.material import Material
from syncam.evaluation.network_measures import SET_MEASURES
from syncam.evaluation.networks import NetworkPaths, Networks
from syncam.evaluation.outcome import NotMeasurable, Outcome
from syncam.evaluation.suites import CLIP_WISE
from syncam.evaluation.vbench import VbenchScores
from syncam.optional import require

__all__ = ["Found", "Settings", "Task", "measure_clip", "measured", "networks_of", "one_line"]

REVISION = 3
"""Of the metrics: raised when one gives other numbers, so that older ones in the cache do not count."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the numbers of one clip, and how they are computed."""

    moments: int = 8
    """Frames of each clip that are matched between views."""
    threshold_px: float = 1.0
    """Noise of matched points, pixels."""
    confidence: float = 0.5
    """Of matched pixels: how sure the matcher has to be, 0 to 1."""
    lens: str = "known"
    """For trajectories: known takes the lens of the requested cameras, estimated does without."""
    networks: NetworkPaths = NetworkPaths()
    cache: Path | None = None
    """Where features and results are kept by content; None keeps nothing."""
    workers: int | None = None
    """Processes; None: one for each CPU, and no more than clips."""

    def __post_init__(self) -> None:
        for name in ("moments", "workers"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.threshold_px > 0:
            raise InputError(f"threshold_px must be positive, got {self.threshold_px}")
        if not 0 <= self.confidence < 1:
            raise InputError(f"confidence must lie in 0..1, below 1, got {self.confidence}")
        if self.lens not in ("known", "estimated"):
            raise InputError(f"lens must be known or estimated, got {self.lens!r}")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One clip and what is to be measured of it."""

    scene: Scene
    names: list[str]
    reference: Scene | None = None
    vbench: VbenchScores = field(default_factory=dict)


@dataclass
class Found:
    """What has been measured of one clip: outcomes and features by metric."""

    outcomes: dict[str, Outcome]
    features: dict[str, dict[str, np.ndarray] | str]
    """Of the metrics of whole sets; a text says why there are none."""
    content: str = ""
    """A hash of the clip; "" where it cannot be read."""


def measure_clip(task: Task, config: Settings) -> Found:
    """Every metric of one clip; from the cache where the same has been measured of the same content."""
    clip_wise = [name for name in task.names if name in CLIP_WISE]
    of_sets = [name for name in task.names if name in SET_MEASURES]
    try:
        material = Material(
            task.scene,
            Cache(config.cache),
            networks_of(config.networks),
            num_moments=config.moments,
            threshold_px=config.threshold_px,
            known_lens=config.lens == "known",
            confidence=config.confidence,
            reference=task.reference,
            vbench=task.vbench,
        )
        key = {"content": material.content, "revision": REVISION, "moments": material.moments}
    except (InputError, OSError) as err:
        lost = {name: Outcome(failures={one_line(err): 1}) for name in clip_wise}
        return Found(lost, {name: one_line(err) for name in of_sets})
    key |= {"threshold_px": config.threshold_px, "lens": config.lens}
    found = Found({}, {}, material.content)
    for name in clip_wise:
        found.outcomes[name] = _outcome(name, material, key | {"metric": name})
    for name in of_sets:
        try:
            features = SET_MEASURES[name].features(material)
            if not all(bool(torch.isfinite(tensor).all()) for tensor in features.values()):
                raise NotMeasurable("the network gave features that are not numbers")
            found.features[name] = {key: tensor.numpy() for key, tensor in features.items()}  # they change process
        except (InputError, NotMeasurable, OSError) as err:
            found.features[name] = one_line(err)
    return found


def _outcome(name: str, material: Material, key: dict[str, Any]) -> Outcome:
    """One metric. What networks and references give is not kept here: their features are, in a cache of their own."""
    measure = CLIP_WISE[name]
    kept = measure.network is None and not measure.uses_reference
    if kept and (stored := material.cache.value(key)) is not None:
        return Outcome(**stored)
    try:
        outcome = _numbers_only(measure.take(material))
    except (InputError, NotMeasurable, OSError) as err:
        return Outcome(failures={one_line(err): 1})
    if kept:
        material.cache.store_value(key, dataclasses.asdict(outcome))
    return outcome


def _numbers_only(outcome: Outcome) -> Outcome:
    """Without samples that are NaN or infinite, which count as failures."""
    good = [math.isfinite(value) for value in outcome.samples]
    for _ in range(good.count(False)):
        outcome.fail(NotMeasurable("it is not a finite number"))
    outcome.views = list(itertools.compress(outcome.views, good))
    outcome.samples = list(itertools.compress(outcome.samples, good))
    return outcome


@functools.cache
def networks_of(paths: NetworkPaths) -> Networks:
    """The networks, loaded once for each process."""
    return Networks(paths)


def one_line(error: Exception) -> str:
    """The message of an error without line breaks."""
    return " ".join(str(error).split())


def measured(tasks: list[Task], config: Settings) -> Iterator[tuple[int, Found]]:
    """The number of each clip with what was found, in the order in which they are finished."""
    workers = min(config.workers or os.cpu_count() or 1, len(tasks))
    if workers == 1:
        for index, task in enumerate(tasks):
            yield index, measure_clip(task, config)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        running = {pool.submit(measure_clip, task, config): index for index, task in enumerate(tasks)}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        except BrokenProcessPool as err:
            raise InputError("a process died while it measured clips; find the clip with --workers 1") from err
        finally:
            pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    """Processes that share the CPUs have one thread each."""
    torch.set_num_threads(1)
    try:
        require("cv2", extra="evaluate").setNumThreads(1)
    except InputError:  # what needs it will say so
        return

"""The metrics that need no network: how each is taken of a clip, by name and convention."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import torch

from syncam.cameras.epipolar import sampson_distance
from syncam.evaluation.camera_errors import (
    TRAJECTORY_CONVENTIONS,
    direction_error_deg,
    pose_auc,
    rotation_error_deg,
    unit_translation_error,
)
from syncam.evaluation.estimation import PAIR_ESTIMATOR, TRAJECTORY_ESTIMATOR
from syncam.evaluation.flow import FLOW, warp_error
from syncam.evaluation.matching import DETECTOR, MATCHER
from syncam.evaluation.material import Material
from syncam.evaluation.outcome import EstimateFailed, NotMeasurable, Outcome
from syncam.evaluation.pixels import temporal_flickering
from syncam.evaluation.timing import BARCODES, best_shift

__all__ = ["MEASURES", "Measure", "clip_value", "mean_of_clips"]

PRECISION_PX = 2.0
"""A match this near to the line of the requested cameras counts as right."""
LEAST_MATCHES = 8


def clip_value(outcome: Outcome) -> float:
    """The mean of the samples of one clip; NaN without any."""
    return statistics.fmean(outcome.samples) if outcome.samples else math.nan


def mean_of_clips(outcomes: Sequence[Outcome]) -> float:
    """The mean over the clips that could be measured of each clip's mean; NaN without any."""
    values = [clip_value(outcome) for outcome in outcomes if outcome.samples]
    return statistics.fmean(values) if values else math.nan


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A metric of single clips. `take` gives its samples of one clip, `pool` makes one number of all clips."""

    metric: str
    convention: str
    unit: str
    better: Literal["lower", "higher"]
    take: Callable[[Material], Outcome]
    pool: Callable[[Sequence[Outcome]], float] = mean_of_clips
    details: dict[str, str] = field(default_factory=dict)
    """What else decides the number: matcher, estimator, flow."""
    network: str | None = None
    """Which of the networks it needs."""
    held_out: str | None = None
    """Of probes: which figure says how good they are on held-out renders."""
    uses_reference: bool = False
    """Whether the clip is compared with the same clip of a reference."""

    @property
    def name(self) -> str:
        """By which it is asked for: metric, or metric:convention."""
        return f"{self.metric}:{self.convention}" if self.convention else self.metric


def _over_pairs(sample: Callable[[Material, int, int, int], float], material: Material) -> Outcome:
    """A sample for each pair of views at each moment."""
    outcome = Outcome()
    for first, second in material.pairs:
        for frame in material.moments:
            _note(outcome, [first, second], lambda pair=(first, second), frame=frame: sample(material, *pair, frame))
    return outcome


def _over_rig(sample: Callable[[Material, int, int, int | None], float], material: Material) -> Outcome:
    """A sample for each pair of views, from all moments together."""
    outcome = Outcome()
    for first, second in material.pairs:
        _note(outcome, [first, second], lambda pair=(first, second): sample(material, *pair, None))
    return outcome


def _over_views(sample: Callable[[Material, int], float], material: Material) -> Outcome:
    """A sample for each view."""
    outcome = Outcome()
    for view in range(material.scene.num_views):
        _note(outcome, [view], lambda view=view: sample(material, view))
    return outcome


def _note(outcome: Outcome, views: list[int], sample: Callable[[], float]) -> None:
    try:
        value = sample()
    except NotMeasurable as err:
        outcome.fail(err)
        return
    if math.isfinite(value):
        outcome.samples.append(value)
        outcome.views.append(views)
    else:
        outcome.fail(NotMeasurable("undefined for these cameras"))


def _pose_error(kind: str, material: Material, first: int, second: int, frame: int | None) -> float:
    pose = material.relative_pose(first, second, frame)
    requested = material.requested_pose(first, second, frame or 0)
    if kind == "rotation":
        return float(rotation_error_deg(pose.rotation, requested[:3, :3]))
    if kind == "radians":
        return math.radians(float(rotation_error_deg(pose.rotation, requested[:3, :3])))
    compare = unit_translation_error if kind == "unit" else direction_error_deg
    return float(compare(pose.direction, requested[:3, 3]))


def _pooled_auc(limit_deg: float, outcomes: Sequence[Outcome]) -> float:
    """The AUC over the samples of all clips; what could not be estimated counts as infinitely wrong."""
    errors = [error for outcome in outcomes for error in outcome.samples]
    return pose_auc([*errors, *[math.inf] * sum(outcome.num_lost for outcome in outcomes)], [limit_deg])[0]


def _trajectory_error(convention: str, part: int, material: Material, view: int) -> float:
    found = material.trajectory(view)
    placed, requested = found.registered, material.cameras.c2w[view]
    return TRAJECTORY_CONVENTIONS[convention].measure(found.c2w[placed], requested[placed])[part]


def _registered(material: Material, view: int) -> float:
    return float(material.trajectory(view).registered.double().mean())


def _matched(kind: str, material: Material, first: int, second: int, frame: int) -> float:
    count = float(material.inliers(first, second, frame).sum())
    if kind == "count":
        return count
    found = [len(material.keypoints(view, frame).uv) for view in (first, second)]
    if not all(found):
        raise EstimateFailed("no keypoints")
    return count / math.sqrt(found[0] * found[1])


def _distances(material: Material, first: int, second: int, frame: int, *, inliers: bool) -> torch.Tensor:
    """Sampson distances in pixels of the matches of one moment to the requested geometry."""
    matches = material.matches(first, second, frame)
    if inliers:
        matches = matches.at(material.inliers(first, second, frame))
    distances = sampson_distance(
        material.fundamental[first, second, frame], matches.first.double(), matches.second.double()
    )
    if len(distances) and bool(distances.isnan().all()):
        raise NotMeasurable("the cameras have one centre")
    return distances


def _sampson(material: Material, first: int, second: int, frame: int) -> float:
    distances = _distances(material, first, second, frame, inliers=True)
    if len(distances) < LEAST_MATCHES:
        raise EstimateFailed("too few matches")
    return float(distances.median())


def _precision(kind: str, material: Material, first: int, second: int, frame: int) -> float:
    distances = _distances(material, first, second, frame, inliers=False)
    right = float((distances < PRECISION_PX).sum())
    of = len(distances) if kind == "precision" else len(material.keypoints(first, frame).uv)
    if not of:
        raise EstimateFailed("no matches" if kind == "precision" else "no keypoints")
    return right / of


def _offset(material: Material, first: int, second: int, frame: int | None) -> float:
    return float(abs(best_shift(material.likeness(first, second))))


def _likeness(material: Material, first: int, second: int, frame: int | None) -> float:
    return material.likeness(first, second)[0]


def _flickering(material: Material, view: int) -> float:
    return temporal_flickering(material.video[view])


def _warp(material: Material, view: int) -> float:
    return float(warp_error(material.video[view]).nanmean())


_SIFT = {"matcher": f"{DETECTOR}; {MATCHER}"}
_PAIR = _SIFT | {"estimator": PAIR_ESTIMATOR}
_PATH = {"estimator": TRAJECTORY_ESTIMATOR}


def _pair_errors() -> list[Measure]:
    """Of the cameras of two views at one moment, scale-free."""
    found = []
    for over, convention, about in (
        (_over_pairs, "pair", "each pair of views at each moment"),
        (_over_rig, "rig", "each pair of views of a still rig, matches of all moments together"),
    ):
        details = _PAIR | {"samples": about}
        for metric, kind in (("rot_err", "rotation"), ("trans_err", "direction")):
            take = partial(over, partial(_pose_error, kind))
            found.append(
                Measure(metric=metric, convention=convention, unit="deg", better="lower", take=take, details=details)
            )
    details = _PAIR | {"samples": "each pair of views at each moment"}
    for metric, kind, unit in (("rot_err", "radians", "rad"), ("trans_err", "unit", "unit L2")):
        take = partial(_over_pairs, partial(_pose_error, kind))
        found.append(
            Measure(metric=metric, convention="syncam_pair", unit=unit, better="lower", take=take, details=details)
        )
    for metric, kind in (("rot_auc", "rotation"), ("trans_auc", "direction")):
        for limit in (5, 10, 20):
            found.append(
                Measure(
                    metric=f"{metric}@{limit}",
                    convention="cvd",
                    unit="share",
                    better="higher",
                    take=partial(_over_pairs, partial(_pose_error, kind)),
                    pool=partial(_pooled_auc, float(limit)),
                    details=details,
                )
            )
    return found


def _trajectory_errors() -> list[Measure]:
    found = []
    for name, convention in TRAJECTORY_CONVENTIONS.items():
        units = (convention.rotation_unit, convention.translation_unit)
        for part, metric in enumerate(("rot_err", "trans_err")):
            take = partial(_over_views, partial(_trajectory_error, name, part))
            details = _PATH | {"about": convention.about}
            found.append(
                Measure(metric=metric, convention=name, unit=units[part], better="lower", take=take, details=details)
            )
    take = partial(_over_views, _registered)
    return [
        *found,
        Measure(metric="registered", convention="", unit="share", better="higher", take=take, details=_PATH),
    ]


def _others() -> list[Measure]:
    def pairs(metric, convention, unit, better, sample, details) -> Measure:
        take = partial(_over_pairs, sample)
        return Measure(metric=metric, convention=convention, unit=unit, better=better, take=take, details=details)

    magsac = _SIFT | {"inliers": "fundamental matrix, OpenCV MAGSAC++"}
    near = _SIFT | {"right": f"within {PRECISION_PX:g} px (Sampson) of the requested cameras"}
    return [
        pairs("matched_points", "count", "points", "higher", partial(_matched, "count"), magsac),
        pairs("matched_points", "share", "share", "higher", partial(_matched, "share"), magsac),
        pairs("sampson", "", "px", "lower", _sampson, magsac),
        pairs("epipolar_precision", "cvd", "share", "higher", partial(_precision, "precision"), near),
        pairs("matching_score", "cvd", "share", "higher", partial(_precision, "score"), near),
        Measure(
            metric="sync_offset",
            convention="",
            unit="frames",
            better="lower",
            take=partial(_over_rig, _offset),
            details={"estimator": BARCODES},
        ),
        Measure(
            metric="sync_likeness",
            convention="",
            unit="correlation",
            better="higher",
            take=partial(_over_rig, _likeness),
            details={"estimator": BARCODES},
        ),
        Measure(
            metric="flicker",
            convention="vbench",
            unit="share",
            better="higher",
            take=partial(_over_views, _flickering),
        ),
        Measure(
            metric="warp_error",
            convention="lai",
            unit="MSE x 1000",
            better="lower",
            take=partial(_over_views, _warp),
            details={"flow": FLOW},
        ),
    ]


MEASURES: dict[str, Measure] = {one.name: one for one in (*_pair_errors(), *_trajectory_errors(), *_others())}

"""The metrics that need a network: of single clips by CLIP, matchers and VBench, of sets by Inception and I3D."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from syncam.evaluation.frechet import frechet_distance, kernel_distance, kernel_distance_without
from syncam.evaluation.i3d import LEAST_FRAMES
from syncam.evaluation.material import Material
from syncam.evaluation.measures import Measure
from syncam.evaluation.outcome import NotMeasurable, Outcome
from syncam.evaluation.similarity import clip_f, clip_t, clip_v, consistency
from syncam.evaluation.statistics import MOST_GROUPS, jackknife, left_out
from syncam.evaluation.vbench import DIMENSIONS

__all__ = ["NETWORK_MEASURES", "SET_MEASURES", "VBENCH_MEASURES", "SetMeasure", "views_as_frames"]

VIEW_FRAMES = 16
"""Frames of a video over the views: each view is repeated until there are as many."""


def _clip(kind: str, material: Material) -> Outcome:
    if kind == "clip_t":
        text = material.scene.caption
        if not text:
            raise NotMeasurable("no prompt; expected run.json or caption.txt beside the videos")
        values = clip_t(material.features("clip"), material.networks.clip.text(text))
    elif kind == "clip_f":
        values = clip_f(material.features("clip"))
    elif kind == "consistency":
        values = consistency(material.features("clip"))
    else:
        material.pairs  # noqa: B018  one view alone is not measurable
        values = clip_v(material.features("clip"))
    parts = [list(pair) for pair in material.pairs] if kind == "clip_v" else [[view] for view in range(len(values))]
    return Outcome(samples=values.flatten().tolist(), views=[views for views in parts for _ in values[0]])


def _vbench(dimension: str, material: Material) -> Outcome:
    """A sample for each view; VBench has measured the videos of all clips before."""
    scores = material.vbench.get(dimension, "VBench is run over whole runs, by syncam evaluate")
    if isinstance(scores, str):
        raise NotMeasurable(scores)
    return Outcome(samples=scores, views=[[view] for view in range(len(scores))])


def _matched_pixels(kind: str, material: Material) -> Outcome:
    """A sample for each pair of views at each moment."""
    pixels = math.prod(material.networks.matcher.size) if kind == "share" else 1
    outcome = Outcome()
    for first, second in material.pairs:
        for frame in material.moments:
            sure = material.confidences(first, second, frame) > material.confidence
            outcome.samples.append(float(sure.sum()) / pixels)
            outcome.views.append([first, second])
    return outcome


def _measure(
    name: str, unit: str, network: str, take: Callable[[Material], Outcome], details: dict[str, str] | None = None
) -> Measure:
    metric, _, convention = name.partition(":")
    return Measure(
        metric=metric,
        convention=convention,
        unit=unit,
        better="higher",
        take=take,
        network=network,
        details=details or {},
    )


VBENCH_MEASURES: dict[str, Measure] = {
    one.name: one
    for one in (_measure(f"{name}:vbench", "share", "vbench", partial(_vbench, name)) for name in DIMENSIONS)
}
_FORMULA = {"about": "VBench's formula on this CLIP"}
_OF_PIXELS = {"of": "pixels of the resized picture"}
NETWORK_MEASURES: dict[str, Measure] = VBENCH_MEASURES | {
    one.name: one
    for one in (
        *(_measure(name, "cosine x 100", "clip", partial(_clip, name)) for name in ("clip_t", "clip_f", "clip_v")),
        _measure("background_consistency:clip", "share", "clip", partial(_clip, "consistency"), _FORMULA),
        _measure("matched_pixels:count", "pixels", "matcher", partial(_matched_pixels, "count")),
        _measure("matched_pixels:share", "share", "matcher", partial(_matched_pixels, "share"), _OF_PIXELS),
    )
}


@dataclass(frozen=True, kw_only=True)
class SetMeasure:
    """A metric of a whole run. `features` gives those of one clip; `first` and, of the reference, `second`.

    Where `own` is True both sets come from the run itself, and no reference is needed.
    """

    metric: str
    convention: str
    unit: str = "distance"
    better: Literal["lower", "higher"] = "lower"
    network: str
    features: Callable[[Material], dict[str, Tensor]]
    distance: Callable[[Tensor, Tensor], float]
    own: bool = False
    least: int = 2
    """Samples of each set; below it, the metric is not measurable."""
    details: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """By which it is asked for: metric, or metric:convention."""
        return f"{self.metric}:{self.convention}" if self.convention else self.metric


def views_as_frames(video: Float[Tensor, "V F C H W"], length: int = VIEW_FRAMES) -> Float[Tensor, "F T C H W"]:
    """A video over the views for every moment, as SV4D's FVD-V has it: the views in their order are its frames.

    Every view is repeated, in place, until there are `length` frames or more, which are cut to `length`; more views
    than that are all kept.
    """
    if len(video) >= length:
        return rearrange(video, "V F C H W -> F V C H W")
    repeats = -(-length // len(video))
    return rearrange(video.repeat_interleave(repeats, dim=0)[:length], "T F C H W -> F T C H W")


def _frames(material: Material) -> dict[str, Tensor]:
    return {"first": material.features("inception").flatten(0, 1)}


def _videos(material: Material) -> dict[str, Tensor]:
    return {"first": material.features("i3d").flatten(0, 1)}


def _over_views(material: Material) -> dict[str, Tensor]:
    material.pairs  # noqa: B018  one view alone is not measurable
    network = material.networks.i3d
    content = " ".join(material.hashes)
    key = {"content": content, "network": network.sha256, "over": "views", "moments": material.moments}
    stored = material.cache.tensors(key)
    if stored is None:
        stored = {"first": network.videos(views_as_frames(material.video[:, material.moments]))}
        material.cache.store(key, stored)
    return stored


def _paired(material: Material) -> dict[str, Tensor]:
    material.pairs  # noqa: B018  one view alone is not measurable
    found = material.features("i3d")[:, 0]
    return {"first": found[1:], "second": found[:1]}


def _kid(first: Tensor, second: Tensor) -> float:
    return kernel_distance(first, second)[0]


_INTERVAL = {"interval": f"jackknife over clips, at most {MOST_GROUPS} groups"}
_FRECHET = {"distance": "Frechet, nuclear norm"} | _INTERVAL
_REFERENCE = {"reference": "--reference"}
SET_MEASURES: dict[str, SetMeasure] = {
    one.name: one
    for one in (
        SetMeasure(
            metric="fid",
            convention="tf1",
            network="inception",
            features=_frames,
            distance=frechet_distance,
            details=_FRECHET | _REFERENCE,
        ),
        SetMeasure(
            metric="kid",
            convention="tf1",
            network="inception",
            features=_frames,
            distance=_kid,
            details={"distance": "kernel, 100 subsets of at most 1000"} | _INTERVAL | _REFERENCE,
        ),
        SetMeasure(
            metric="fvd",
            convention="stylegan_v",
            network="i3d",
            features=_videos,
            distance=frechet_distance,
            details=_FRECHET | _REFERENCE | {"least_frames": str(LEAST_FRAMES)},
        ),
        SetMeasure(
            metric="fvd_v",
            convention="sv4d",
            network="i3d",
            features=_over_views,
            distance=frechet_distance,
            details=_FRECHET | _REFERENCE | {"samples": f"views as frames at each moment, repeated to {VIEW_FRAMES}"},
        ),
        SetMeasure(
            metric="fvd_v",
            convention="paired",
            network="i3d",
            features=_paired,
            distance=frechet_distance,
            own=True,
            details=_FRECHET | {"samples": "videos of the other views against those of view 1"},
        ),
    )
}


def set_distance(
    measure: SetMeasure, clips: list[dict[str, np.ndarray]], reference: list[dict[str, np.ndarray]]
) -> float:
    """The distance of all samples of a run to those of the reference, or within the run; NotMeasurable of too few."""
    others = [clip["second"] for clip in clips] if measure.own else [clip["first"] for clip in reference]
    sides = []
    for kind, found in (("the run", [clip["first"] for clip in clips]), ("what it is compared with", others)):
        sides.append(torch.from_numpy(np.concatenate(found)) if found else torch.zeros(0, 1))
        if len(sides[-1]) < measure.least:
            raise NotMeasurable(
                f"{kind} gives {len(sides[-1])} of the samples that {measure.metric} is taken of, from {len(found)} "
                f"clip{'' if len(found) == 1 else 's'}; {measure.least} or more are needed: measure more clips"
            )
    return measure.distance(*sides)


def set_spread(
    measure: SetMeasure, value: float, clips: list[dict[str, np.ndarray]], reference: list[dict[str, np.ndarray]]
) -> tuple[float, tuple[float, float]] | None:
    """Standard error and 95 % interval of such a distance over the clips of the run, for this reference.

    None of fewer than five clips. That few samples make a Frechet distance larger is no part of it.
    """
    groups = left_out(len(clips))
    if not groups:
        return None
    first, second = ([torch.from_numpy(clip[side]) for clip in clips if side in clip] for side in ("first", "second"))
    if measure.distance is _kid:
        truth = torch.from_numpy(np.concatenate([clip["first"] for clip in reference]))
        return jackknife(value, kernel_distance_without([torch.cat([first[i] for i in one]) for one in groups], truth))
    found = []
    for group in groups:
        kept = [index for index in range(len(clips)) if index not in group]
        others = [second[index] for index in kept] if measure.own else [torch.from_numpy(c["first"]) for c in reference]
        found.append(measure.distance(torch.cat([first[index] for index in kept]), torch.cat(others)))
    return jackknife(value, found)

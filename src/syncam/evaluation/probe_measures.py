"""The metrics of the small world: what the probes tell of a clip, against its prompt and its requested cameras."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from syncam.evaluation.material import Material
from syncam.evaluation.measures import Measure
from syncam.evaluation.outcome import NotMeasurable, Outcome
from syncam.evaluation.probe_network import MOMENTS, STILL_LABELS, probe_moments, shrunk, view_angles
from syncam.evaluation.probe_words import LABELS, UNSAID, said

__all__ = ["PROBE_MEASURES"]


def _told(material: Material) -> dict[str, Tensor]:
    """Everything that the probes tell of a clip: labels [V, M, classes], action [V, classes], pairs [P, M, ...]."""
    probes = material.networks.probes
    frames = probe_moments(material.scene.num_frames, material.scene.fps)
    key = {"content": " ".join(material.hashes), "network": probes.sha256, "frames": frames}
    stored = material.cache.tensors(key)
    if stored is None:
        with torch.inference_mode():
            pixels = shrunk(material.video[:, frames])  # [V, M, 3, S, S]
            cells = probes.module.encode(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2])
            labels = probes.module.labels(cells.flatten(0, 1))
            stored = {label: logits.unflatten(0, pixels.shape[:2]) for label, logits in labels.items()}
            if len(frames) == MOMENTS:
                stored["action"] = probes.module.action(cells)
            if len(cells) > 1:
                first, second = (torch.cat([cells[pair[side]] for pair in material.pairs]) for side in (0, 1))
                related = probes.module.relate(first, second)
                stored |= {name: found.unflatten(0, (-1, len(frames))) for name, found in related.items()}
        material.cache.store(key, stored)
    return stored


def _label(label: str, material: Material) -> Outcome:
    """1 for every picture, or clip of a view, that shows what the prompt says, 0 for others."""
    asked = said(material.scene.caption)[label]
    if asked == UNSAID:
        what = ", ".join(LABELS[label])
        raise NotMeasurable(f"the prompt names no {label} that the probes know, or several; they know {what}")
    told = _told(material)
    if label not in told:
        raise NotMeasurable(f"the action is told from {MOMENTS} moments half a second apart; the clip is shorter")
    right = (told[label].argmax(-1) == asked).double()  # [V, M] or, of the action, [V]
    views = [[view] for view in range(len(right)) for _ in range(right[view].numel())]
    return Outcome(samples=right.flatten().tolist(), views=views)


def _angle(which: str, material: Material) -> Outcome:
    """Degrees between the told and the requested angle from the first view to the second, for each pair and moment."""
    pairs, told = material.pairs, _told(material)
    frames = probe_moments(material.scene.num_frames, material.scene.fps)
    angles = view_angles(material.cameras.c2w[:, frames])[0 if which == "azimuth" else 1]  # [V, M]
    samples: list[float] = []
    for found, (first, second) in zip(told[which], pairs, strict=True):
        between = torch.atan2(found[..., 1], found[..., 0]) if which == "azimuth" else found
        off = between.double() - (angles[second] - angles[first])
        samples += torch.rad2deg(torch.atan2(off.sin(), off.cos()).abs()).tolist()
    return Outcome(samples=samples, views=[[*pair] for pair in pairs for _ in frames])


def _same(which: str, material: Material) -> Outcome:
    """1 for each pair of views and moment that passes for one scene, or one moment, 0 for others."""
    pairs = material.pairs
    passed = (_told(material)[which] > 0).double()  # [P, M]
    return Outcome(samples=passed.flatten().tolist(), views=[[*pair] for pair in pairs for _ in passed[0]])


def _measure(metric: str, take: Callable[[Material], Outcome], held_out: str, *, unit: str = "share") -> Measure:
    return Measure(
        metric=metric,
        convention="probe",
        unit=unit,
        better="lower" if unit == "deg" else "higher",
        take=take,
        network="probes",
        held_out=held_out,
    )


PROBE_MEASURES: dict[str, Measure] = {
    one.name: one
    for one in (
        *(_measure(label, partial(_label, label), label) for label in (*STILL_LABELS, "action")),
        _measure("azimuth_err", partial(_angle, "azimuth"), "azimuth_deg", unit="deg"),
        _measure("elevation_err", partial(_angle, "elevation"), "elevation_deg", unit="deg"),
        _measure("same_scene", partial(_same, "same_scene"), "same_scene"),
        _measure("same_moment", partial(_same, "same_moment"), "same_moment"),
    )
}
"""By name; all of the probes' own convention."""

"""The cameras a model was trained with: measured from its data, kept beside its weights, compared with a rig."""

import dataclasses
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import SENSOR_MM
from syncam.cameras.spherical import common_target, to_spherical
from syncam.cameras.trajectories import TARGET
from syncam.errors import InputError
from syncam.files import write_json

__all__ = ["TrainedRange", "load_trained_range", "measure_trained_range", "save_trained_range"]

FILE = "trained_range.json"


@dataclass(frozen=True, kw_only=True)
class TrainedRange:
    """The cameras a model was trained with; None where it does not say. Distances and angles are about the subject."""

    distance_m: tuple[float, float] | None = None
    elevation_deg: tuple[float, float] | None = None
    azimuth_from_first_deg: float | None = None
    """Largest azimuth between the first view and another at the same frame."""
    focal_mm: tuple[float, float] | None = None
    """On a sensor 23.76 mm wide."""
    travel_m: float | None = None
    """Longest way of a camera during a clip; 0: they stand still."""
    views: tuple[int, int] | None = None

    @property
    def lens_mm(self) -> float | None:
        """The focal length of all cameras; None where they had several, or nothing is said."""
        return self.focal_mm[0] if self.focal_mm is not None and self.focal_mm[0] == self.focal_mm[1] else None


def measure_trained_range(
    rigs: Iterable[Cameras],
    *,
    views: tuple[int, int] | None = None,
    azimuth_from_first_deg: float | None = None,
) -> TrainedRange:
    """The range of training rigs, rounded outwards to centimetres, tenths of degrees and of millimetres.

    Distance and elevation are about the point that a rig's cameras look at, or the target of rigs in words where they
    look at none. How many views, and how far apart, is the trainer's choice: given, not measured.
    """
    ranges: dict[str, list[float]] = {"distance_m": [], "elevation_deg": [], "focal_mm": []}
    travel = 0.0
    for rig in rigs:
        exact = rig.to(torch.float64)
        target, found = common_target(exact.c2w.flatten(0, 1))
        target = torch.where(found, target, torch.tensor(TARGET, dtype=torch.float64, device=target.device))
        _, elevation, distance = to_spherical(exact.c2w, target)
        focal = exact.K[..., 0, 0] / exact.hw[1] * SENSOR_MM
        for name, values in (("distance_m", distance), ("elevation_deg", elevation), ("focal_mm", focal)):
            ranges[name] += [float(values.min()), float(values.max())]
        travel = max(travel, float(exact.positions.diff(dim=1).norm(dim=-1).sum(1).max()))
    if not ranges["distance_m"]:
        raise InputError("a trained range needs at least one rig")
    return TrainedRange(
        distance_m=_outwards(ranges["distance_m"], 100),
        elevation_deg=_outwards(ranges["elevation_deg"], 10),
        focal_mm=_outwards(ranges["focal_mm"], 10),
        travel_m=_outwards([0.0, travel], 100)[1],
        views=views,
        azimuth_from_first_deg=azimuth_from_first_deg,
    )


def _outwards(values: list[float], steps: int) -> tuple[float, float]:
    """Least and greatest, rounded down and up to whole steps of a unit; rounding errors do not count."""
    return math.floor(min(values) * steps + 1e-3) / steps, math.ceil(max(values) * steps - 1e-3) / steps


def save_trained_range(folder: str | Path, trained: TrainedRange) -> None:
    """Writes trained_range.json into an adapter's folder; what is None is left out."""
    content = {name: value for name, value in dataclasses.asdict(trained).items() if value is not None}
    write_json(Path(folder) / FILE, content)


def load_trained_range(adapter: str | Path) -> TrainedRange | None:
    """What trained_range.json in an adapter's folder says; None where there is no such file."""
    path = Path(adapter) / FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in content.items()}
        return TrainedRange(**values)
    except (ValueError, TypeError, AttributeError) as err:
        raise InputError(f"{path} is damaged: {err}") from err

"""Several data sets as one: clips by number, drawn from a seed with a weight for each data set.

SynCamMaster is trained on such a mixture: of videos of several cameras, of frames of moving cameras as views of one
moment, and of videos from anywhere, 0.6 to 0.2 to 0.2.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import accumulate

import torch

from syncam.data.clip import MultiViewClip
from syncam.data.dataset import ClipStore, pick_views
from syncam.data.moments import frames_as_views, pick_frames
from syncam.data.scene import Scene
from syncam.data.sources import Dataset
from syncam.errors import InputError

__all__ = ["Draw", "Mix", "Part"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One data set of a mixture, and what is taken of its scenes."""

    dataset: Dataset | ClipStore
    weight: float
    """How often it is drawn, in proportion to the other parts."""
    num_views: int | None = 1
    """Views of a clip; None takes all of the scene in their order."""
    num_frames: int | None = 1
    """Frames of a clip, from a random one on; None takes all of the scene."""
    stride: int = 1
    """The distance of two frames of a clip in frames of the scene."""
    hw: tuple[int, int] | None = None
    """Height and width in pixels to crop and scale to; None keeps those of the scene."""
    moments: bool = False
    """Frames of one moving camera as the views of one moment, which is true of still scenes only."""
    max_gap: int = 100
    """Frames between the first and the last of those views, at most."""
    max_azimuth_deg: float | None = None
    """How far the views of a clip may be from the first of them, as in `pick_views`; None is no bound."""
    max_elevation_deg: float | None = None
    """As above, in degrees of elevation."""
    max_distance: float | None = None
    """As above, in metres of distance."""

    def __post_init__(self) -> None:
        counts = {"num_views": self.num_views, "num_frames": self.num_frames, "stride": self.stride}
        for name, count in counts.items():
            if count is not None and count < 1:
                raise InputError(f"{name} must be at least 1, got {count}")
        if not self.weight >= 0:
            raise InputError(f"weight must be a number from 0 up, got {self.weight}")
        if not len(self.dataset):
            raise InputError("the data set of a part has no scenes; leave the part out")
        bounded = any(b is not None for b in (self.max_azimuth_deg, self.max_elevation_deg, self.max_distance))
        if bounded and (self.moments or self.num_views in (None, 1)):
            raise InputError("bounds on views are for several views of many; they have no effect on this part")
        if self.moments and (self.num_frames != 1 or self.stride != 1 or self.num_views is None):
            raise InputError(
                f"views of one moment have one frame and a number: got num_frames {self.num_frames}, stride "
                f"{self.stride}, num_views {self.num_views}"
            )


@dataclass(frozen=True)
class Draw:
    """What a clip of a mixture is: of which part and scene (numbers), which views and frames."""

    part: int
    scene: int
    views: list[int]
    frames: list[int]


class Mix:
    """Clips of several data sets by number: any number from 0 up is one, always the same with the same seed.

    `batch_size` numbers in a row (0 to 7, 8 to 15, ... with 8) are of one part, so that their clips can be stacked
    where the scenes of the part are alike. Nothing that was read is kept. A broken scene, or one with too few views or
    frames, is an InputError that names it.

    Example:
        >>> rendered = Part(dataset=open_dataset("SynCamVideo"), weight=0.6, num_views=2, num_frames=81)
        >>> still = Part(dataset=open_dataset("RealEstate10K"), weight=0.2, num_views=2, moments=True)
        >>> mix = Mix([rendered, still], seed=0)
        >>> clip = mix[12_345]
    """

    def __init__(self, parts: Sequence[Part], *, seed: int, batch_size: int = 1) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        self.parts, self.seed, self.batch_size = list(parts), seed, batch_size
        self._ends = list(accumulate(part.weight for part in self.parts))
        if not self._ends or not 0 < self._ends[-1] < float("inf"):
            raise InputError(f"a mixture needs a part with a weight above 0, got {[p.weight for p in self.parts]}")

    def scene(self, index: int) -> tuple[int, int]:
        """Which part, and which scene of it, a number means: nothing is read for that."""
        if index < 0:
            raise InputError(f"clips of a mixture are numbered from 0 up, got {index}")
        drawn = torch.rand((), dtype=torch.float64, generator=self._generator("part", index // self.batch_size))
        part = min(bisect_right(self._ends, drawn.item() * self._ends[-1]), len(self.parts) - 1)
        number = torch.randint(len(self.parts[part].dataset), (1,), generator=self._generator("scene", index))
        return part, int(number)

    def draw(self, index: int) -> Draw:
        """What the clip of a number is; the headers of its scene are read, and its cameras where views are bounded."""
        part, number = self.scene(index)
        return self._draw(index, part, number, copy(self.parts[part].dataset[number]))

    def __getitem__(self, index: int) -> MultiViewClip:
        """The clip of a number."""
        part, number = self.scene(index)
        scene = copy(self.parts[part].dataset[number])  # handles keep what they have read
        draw = self._draw(index, part, number, scene)
        clip = scene.read(draw.views, draw.frames, self.parts[part].hw)
        return frames_as_views(clip) if self.parts[part].moments else clip

    def _draw(self, index: int, part_number: int, scene_number: int, scene: Scene) -> Draw:
        part, generator = self.parts[part_number], self._generator("clip", index)
        if part.moments:
            assert part.num_views is not None
            if scene.num_frames < part.num_views:
                raise InputError(f"{scene.path} has {scene.num_frames} frames for the {part.num_views} views of a clip")
            view = int(torch.randint(scene.num_views, (1,), generator=generator))
            frames = pick_frames(scene.num_frames, part.num_views, max_gap=part.max_gap, generator=generator)
            return Draw(part_number, scene_number, [view], frames)
        return Draw(part_number, scene_number, _views(part, scene, generator), _frames(part, scene, generator))

    def _generator(self, what: str, number: int) -> torch.Generator:
        digest = hashlib.blake2b(f"{self.seed}/{what}/{number}".encode(), digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "little") >> 1)


def _views(part: Part, scene: Scene, generator: torch.Generator) -> list[int]:
    total = scene.num_views
    if part.num_views is None:
        return list(range(total))
    if part.num_views > total:
        raise InputError(f"{scene.path} has {total} views where a clip takes {part.num_views}")
    bounds = {
        "max_azimuth_deg": part.max_azimuth_deg,
        "max_elevation_deg": part.max_elevation_deg,
        "max_distance": part.max_distance,
    }
    if all(bound is None for bound in bounds.values()):
        return torch.randperm(total, generator=generator)[: part.num_views].tolist()
    if scene.cameras is None:
        raise InputError(f"{scene.path} has no cameras, and its views cannot be chosen by where they stand")
    return pick_views(scene.cameras, part.num_views, **bounds, generator=generator)


def _frames(part: Part, scene: Scene, generator: torch.Generator) -> list[int]:
    total = scene.num_frames
    if part.num_frames is None:
        return list(range(0, total, part.stride))
    span = (part.num_frames - 1) * part.stride + 1
    if span > total:
        raise InputError(
            f"{scene.path} has {total} frames where a clip takes {part.num_frames} at a distance of {part.stride}"
        )
    start = int(torch.randint(total - span + 1, (1,), generator=generator))
    return list(range(start, start + span, part.stride))

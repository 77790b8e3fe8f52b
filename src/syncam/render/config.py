"""What a rendered data set is made of: its settings, checked when they are made."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from syncam.errors import InputError
from syncam.render.generate import CONTENTS
from syncam.render.labels import LABELS

__all__ = ["ENGINES", "LABEL_CHOICES", "SPLITS", "RenderConfig", "label_names", "scene_folder", "scene_seed"]

SPLITS = ("train", "val")
ENGINES = ("fast", "blender")
LABEL_CHOICES = (*LABELS, "visibility")


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """What to render; the same config always gives the same frames, whatever the number of processes."""

    out: Path
    """Folder of the data set."""
    num_scenes: int = 20
    """Scenes of the split."""
    num_views: int = 4
    """Synchronised cameras per scene."""
    num_frames: int = 17
    """Frames of every video."""
    fps: float = 8.0
    """Frames per second."""
    hw: tuple[int, int] = (128, 128)
    """Height and width, pixels."""
    seed: int = 0
    """Seed of the data set; its train and val splits never share a scene."""
    split: str = "train"
    """The part of the data set."""
    radius: tuple[float, float] = (3.5, 9.0)
    """Nearest and farthest camera, metres from the target."""
    elevation_deg: tuple[float, float] = (0.0, 45.0)
    """Lowest and highest camera, degrees above the horizon."""
    focal_mm: float = 24.0
    """Focal length on the data sets' 23.76 mm sensor, millimetres."""
    moving: float = 0.0
    """Fraction of the scenes whose cameras move."""
    content: str = "full"
    """What the scenes are made of: full, or basic, which the built-in model was trained on."""
    two_animals: float | None = None
    """Fraction of the scenes with more than one character; None: 0.5 of the full content, 0.2 of the basic one."""
    masks: bool = True
    """Also write where the characters are."""
    engine: str = "fast"
    """What draws: fast (OpenGL) or blender (Cycles). A data set has one engine."""
    samples: int | None = None
    """Light paths per pixel with Blender; None: its default."""
    num_workers: int = 1
    """Processes that render."""
    labels: tuple[str, ...] = ()
    """What else to write of every picture: some of LABEL_CHOICES."""
    crf: int = 10
    """Quality of the videos, from 0, the best, to 51."""
    licence: str = "CC0-1.0"
    """Licence of the data set as an SPDX identifier, for its card."""

    def __post_init__(self) -> None:
        for name in ("num_scenes", "num_views", "num_frames", "num_workers"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.split not in SPLITS:
            raise InputError(f"split must be one of {', '.join(SPLITS)}, got {self.split!r}")
        if not 0 < self.fps < math.inf or not 0 < self.focal_mm < math.inf or self.seed < 0:
            raise InputError(
                "fps and focal_mm must be positive and seed not negative, "
                f"got fps {self.fps:g}, focal_mm {self.focal_mm:g}, seed {self.seed}"
            )
        if min(self.hw) < 16 or any(side % 2 for side in self.hw):
            raise InputError(f"height and width must be even and at least 16 pixels, got {self.hw}")
        for name, lowest, highest in (("radius", 1.0, 100.0), ("elevation_deg", 0.0, 85.0)):
            low, high = getattr(self, name)
            if not lowest <= low <= high <= highest:
                raise InputError(f"{name} must be a rising range within {lowest:g}..{highest:g}, got {low:g}..{high:g}")
        if self.engine not in ENGINES:
            raise InputError(f"engine must be one of {', '.join(ENGINES)}, got {self.engine!r}")
        if self.samples is not None and (self.engine != "blender" or self.samples < 1):
            raise InputError(f"samples must be at least 1 and belongs to engine blender, got {self.samples}")
        if self.content not in CONTENTS:
            raise InputError(f"content must be one of {', '.join(CONTENTS)}, got {self.content!r}")
        for name in ("moving", "two_animals"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be a fraction from 0 to 1, got {getattr(self, name)}")
        if unknown := [label for label in self.labels if label not in LABEL_CHOICES]:
            raise InputError(f"there is no label {unknown[0]!r}; expected some of {', '.join(LABEL_CHOICES)}")
        object.__setattr__(self, "labels", tuple(label for label in LABEL_CHOICES if label in self.labels))
        if not 0 <= self.crf <= 51:
            raise InputError(f"crf must lie in 0..51, got {self.crf}")
        if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", self.licence):
            raise InputError(f"licence must be an SPDX identifier such as CC0-1.0, got {self.licence!r}")

    @property
    def folder(self) -> Path:
        """Where the scene folders of the split lie."""
        return Path(self.out) / self.split / f"f{self.focal_mm:g}_aperture5"


def label_names(text: str) -> tuple[str, ...]:
    """Labels out of words with commas between, such as depth,flow; all stands for every one."""
    return LABEL_CHOICES if text == "all" else tuple(name.strip() for name in text.split(",") if name.strip())


def scene_folder(config: RenderConfig, index: int) -> Path:
    """Where scene number `index` of the split lies."""
    return config.folder / f"scene{index + 1}"


def scene_seed(config: RenderConfig, index: int) -> int:
    """The seed of one scene: a function of the data set's seed, the split and the number of the scene."""
    entropy = np.random.SeedSequence([config.seed, SPLITS.index(config.split), index])
    return int(entropy.generate_state(1, np.uint64)[0] >> 1)

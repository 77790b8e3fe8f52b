"""What a rendered data set is made of: its settings, checked when they are made."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from syncam.errors import InputError
from syncam.render.generate import CONTENTS

__all__ = ["ENGINES", "SPLITS", "RenderConfig", "scene_seed"]

SPLITS = ("train", "val")
ENGINES = ("fast", "blender")


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
    assets: Path | None = None
    """A folder of models and panoramas of the user's own, with its assets.json, which take the place of ours."""
    assets_share: float | None = None
    """Fraction of the scenes that show the assets; None: all."""

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
        if self.assets is not None and (self.engine, self.content) != ("blender", "full"):
            raise InputError(
                "assets need engine blender, because the fast one draws no foreign models, and content full; "
                f"got engine {self.engine}, content {self.content}"
            )
        if self.assets_share is not None and self.assets is None:
            raise InputError("assets_share says how many scenes show assets; give assets, or leave it out")
        for name in ("moving", "two_animals", "assets_share"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be a fraction from 0 to 1, got {getattr(self, name)}")

    @property
    def folder(self) -> Path:
        """Where the scene folders of the split lie."""
        return Path(self.out) / self.split / f"f{self.focal_mm:g}_aperture5"


def scene_seed(config: RenderConfig, index: int) -> int:
    """The seed of one scene: a function of the data set's seed, the split and the number of the scene."""
    entropy = np.random.SeedSequence([config.seed, SPLITS.index(config.split), index])
    return int(entropy.generate_state(1, np.uint64)[0] >> 1)

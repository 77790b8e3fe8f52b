"""What a rendered data set is made of: its settings, checked when they are made."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from syncam.cameras.cameras import Cameras
from syncam.errors import InputError
from syncam.render.generate import CONTENTS
from syncam.render.labels import LABELS
from syncam.render.rules import OWN_RIG, RULES, Rule, choice, lens_folder
from syncam.render.shots import own_rig, own_rig_folder

__all__ = [
    "ATTEMPTS",
    "ENGINES",
    "LABEL_CHOICES",
    "SPLITS",
    "RenderConfig",
    "folder_number",
    "label_names",
    "scene_folder",
    "scene_seed",
    "settings_path",
]

SPLITS = ("train", "val")
HEMISPHERE: dict[str, Any] = {"radius": (3.5, 9.0), "elevation_deg": (0.0, 45.0), "focal_mm": 24.0, "moving": 0.0}
"""What belongs to cameras on a hemisphere, and in part to takes, with what it is unless it is said."""
ENGINES = ("fast", "blender")
ATTEMPTS = 3
"""Seeds that are tried for a scene, one after the other, where drawing it fails."""
LABEL_CHOICES = (*LABELS, "visibility")


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """What to render; the same config always gives the same frames, whatever the number of processes."""

    out: Path
    """Folder of the data set."""
    num_scenes: int = 20
    """Scenes of the split."""
    num_views: int | None = None
    """Synchronised cameras per scene; None: as many as the rule or the rig has, 4 on a hemisphere."""
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
    radius: tuple[float, float] | None = None
    """On a hemisphere and of takes: nearest and farthest start, metres from the target; None: 3.5 to 9."""
    elevation_deg: tuple[float, float] | None = None
    """On a hemisphere and of takes: lowest and highest start, degrees above the horizon; None: 0 to 45."""
    focal_mm: float | None = None
    """On a hemisphere and of takes: focal length on the data sets' 23.76 mm sensor, millimetres; None: 24."""
    moving: float | None = None
    """On a hemisphere: fraction of the scenes whose cameras move; None: 0."""
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
    num_workers: int | None = None
    """Processes that render; None: one, or all that the Ray cluster has room for."""
    ray: str | None = None
    """Address of the Ray cluster that renders; local starts one here, None renders without Ray."""
    assets: Path | None = None
    """A folder of models and panoramas of the user's own, with its assets.json, which take the place of ours."""
    assets_share: float | None = None
    """Fraction of the scenes that show the assets; None: all."""
    labels: tuple[str, ...] = ()
    """What else to write of every picture: some of LABEL_CHOICES."""
    crf: int = 10
    """Quality of the videos, from 0, the best, to 51."""
    licence: str = "CC0-1.0"
    """Licence of the data set as an SPDX identifier, for its card."""
    cameras: str = "hemisphere"
    """The rule by which cameras are drawn, one of rules.RULES; or a rig in words or in a file, for all scenes."""

    def __post_init__(self) -> None:
        for name, usual in HEMISPHERE.items():
            if name in self.rule.options and getattr(self, name) is None:
                object.__setattr__(self, name, usual)
            elif name not in self.rule.options and getattr(self, name) is not None:
                raise InputError(
                    f"{name} has no effect with cameras {self.cameras}; leave it out, or choose cameras hemisphere"
                )
        for name in ("num_scenes", "num_views", "num_frames", "num_workers"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.split not in SPLITS:
            raise InputError(f"split must be one of {', '.join(SPLITS)}, got {self.split!r}")
        focal_mm = 24.0 if self.focal_mm is None else self.focal_mm
        if not 0 < self.fps < math.inf or not 0 < focal_mm < math.inf or self.seed < 0:
            raise InputError(
                "fps and focal_mm must be positive and seed not negative, "
                f"got fps {self.fps:g}, focal_mm {focal_mm:g}, seed {self.seed}"
            )
        if min(self.hw) < 16 or any(side % 2 for side in self.hw):
            raise InputError(f"height and width must be even and at least 16 pixels, got {self.hw}")
        for name, lowest, highest in (("radius", 1.0, 100.0), ("elevation_deg", 0.0, 85.0)):
            if getattr(self, name) is None:
                continue
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
        self._check_files()
        self._count_views()

    def _check_files(self) -> None:
        """InputError for labels, quality and licence that cannot be; puts the labels in order."""
        if unknown := [label for label in self.labels if label not in LABEL_CHOICES]:
            raise InputError(f"there is no label {unknown[0]!r}; expected some of {', '.join(LABEL_CHOICES)}")
        object.__setattr__(self, "labels", tuple(label for label in LABEL_CHOICES if label in self.labels))
        if not 0 <= self.crf <= 51:
            raise InputError(f"crf must lie in 0..51, got {self.crf}")
        if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", self.licence):
            raise InputError(f"licence must be an SPDX identifier such as CC0-1.0, got {self.licence!r}")

    def _count_views(self) -> None:
        """Sets num_views; InputError where it contradicts the rule or the rig, and for rigs that cannot be."""
        rig = self.own_rig
        views = self.rule.views if rig is None else rig.num_views
        if self.num_views is None:
            object.__setattr__(self, "num_views", views)
        elif self.rule.fixed and self.num_views != views:
            raise InputError(
                f"cameras {self.cameras} are {views} but num_views is {self.num_views}; leave num_views (--views) out"
            )
        if self.num_frames < self.rule.least_frames:
            least = self.rule.least_frames
            raise InputError(f"cameras {self.cameras} move: num_frames must be at least {least}, got {self.num_frames}")

    @property
    def views(self) -> int:
        """num_views, once it is known."""
        assert self.num_views is not None
        return self.num_views

    @property
    def times_s(self) -> list[float]:
        """When the frames are."""
        return [frame / self.fps for frame in range(self.num_frames)]

    @property
    def rule(self) -> Rule:
        """How the cameras are drawn."""
        return RULES.get(self.cameras, OWN_RIG)

    @property
    def own_rig(self) -> Cameras | None:
        """The cameras of a rig in words or in a file; None where a rule draws them."""
        return None if self.cameras in RULES else own_rig(self.cameras, self.num_frames, self.hw, self.fps)

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders of the split in which its scenes lie, each scene in one of them."""
        if self.focal_mm is not None:
            return (lens_folder(self.focal_mm),)
        rig = self.own_rig
        return self.rule.folders if rig is None else (own_rig_folder(rig),)

    @property
    def folder(self) -> Path:
        """Where the scene folders of the split lie, directly or in folders of their lenses."""
        split = Path(self.out) / self.split
        return split / self.folders[0] if len(self.folders) == 1 else split


def scene_seed(config: RenderConfig, index: int, attempt: int = 0) -> int:
    """The seed of one scene: a function of the data set's seed, the split and the number of the scene.

    attempt: how many times this scene has failed to render; each has a seed of its own.
    """
    entropy = [config.seed, SPLITS.index(config.split), index, *([attempt] if attempt else [])]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1)


def folder_number(config: RenderConfig, index: int) -> int:
    """Which of the config's folders scene number `index` lies in, the same whatever the attempt."""
    return choice(scene_seed(config, index), len(config.folders)) if len(config.folders) > 1 else 0


def label_names(text: str) -> tuple[str, ...]:
    """Labels out of words with commas between, such as depth,flow; all stands for every one."""
    return LABEL_CHOICES if text == "all" else tuple(name.strip() for name in text.split(",") if name.strip())


def scene_folder(config: RenderConfig, index: int) -> Path:
    """Where scene number `index` lies: in the folder of its lens or rig. Numbers count through the whole split."""
    return Path(config.out) / config.split / config.folders[folder_number(config, index)] / f"scene{index + 1}"


def settings_path(config: RenderConfig) -> Path:
    """The file that says what the scenes of the split were rendered with."""
    return Path(config.out) / f"render-{config.split}.json"

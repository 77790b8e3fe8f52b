"""A folder of a user's own assets, described by its assets.json: characters, scenery and environments for Blender.

{
  "characters": [{"name": "fox", "file": "fox.glb", "words": "fox", "licence": "CC-BY-4.0", "clips": {"walk": "Walk"}}],
  "scenery": [{"name": "barn", "file": "barn.usdc", "words": "a barn", "licence": "CC0-1.0", "scale": 0.01}],
  "environments": [{"name": "dawn", "file": "dawn.hdr", "words": "a sky at dawn", "licence": "CC0-1.0"}]
}
"""

import dataclasses
import difflib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from syncam.errors import InputError
from syncam.render.path import on_path

__all__ = ["Assets", "Character", "Environment", "Placed", "Scenery", "read_assets"]

MANIFEST = "assets.json"
MODELS = (".glb", ".gltf", ".fbx", ".usd", ".usda", ".usdc", ".usdz", ".blend")
PANORAMAS = (".hdr", ".exr")


@dataclass(frozen=True, kw_only=True)
class _Asset:
    name: str
    """What it is called in the manifest; no two of a kind have the same."""
    file: Path
    """Below the folder of the manifest."""
    words: str
    """What captions call it."""
    licence: str
    """Under which it may be used, such as CC0-1.0."""

    suffixes = MODELS

    def __post_init__(self) -> None:
        for key in ("name", "words", "licence"):
            if not getattr(self, key).strip():
                raise InputError(f"{key} must be words, got {getattr(self, key)!r}")
        if self.file.suffix.lower() not in self.suffixes:
            raise InputError(f"file must end in one of {', '.join(self.suffixes)}, got {self.file.name}")
        if not self.file.is_file():
            raise InputError(f"there is no file {self.file}")


def _positive(asset: Any, key: str) -> None:
    if not 0 < getattr(asset, key) < math.inf:
        raise InputError(f"{key} must be a positive number, got {getattr(asset, key)!r}")


@dataclass(frozen=True, kw_only=True)
class _Model(_Asset):
    scale: float = 1.0
    """Metres per unit of the imported file."""
    up: str = "z"
    """The axis that points up after the import: z, or y for files that come in lying on their backs."""
    turn_deg: float = 0.0
    """Turns it so that its front looks along +x, counter-clockwise."""
    above: float = 0.0
    """Metres between the ground and its lowest point, where `syncam render` places it."""
    max_triangles: int = 1_000_000
    """A file with more is refused."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(self, "scale")
        _positive(self, "max_triangles")
        if self.up not in ("y", "z"):
            raise InputError(f"up must be y or z, got {self.up!r}")


@dataclass(frozen=True, kw_only=True)
class Scenery(_Model):
    """Something that stands still."""

    plural: str | None = None
    """What captions call several of it; without it there is at most one in a scene."""
    stage: bool = False
    """Whether it is all that is around the characters, with its middle at the origin and its floor at z = 0; then
    captions say words for where they are, such as "in a ruined church"."""
    ground: bool | None = None
    """Of a stage: whether the scene's ground is drawn below it; by default it has one of its own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ground is not None and not self.stage:
            raise InputError("ground belongs to scenery that is a stage; give stage true, or leave it out")
        if self.stage and (self.plural is not None or self.above):
            raise InputError("plural and above belong to scenery that is no stage; leave them out")


@dataclass(frozen=True, kw_only=True)
class Character(_Model):
    """Something that moves, with clips that repeat."""

    clips: dict[str, str] | None = None
    """Our word for a motion, such as walk -> the animation's name in the file; None: the animations' names say it."""
    speeds: dict[str, float] = field(default_factory=dict)
    """Word for a motion -> metres per second that it is made for, where its feet do not say."""
    fps: float | None = None
    """Frames per second of a USD file's clips, 24 if not given; other formats say it themselves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fps is not None:
            _positive(self, "fps")
            if not self.file.suffix.lower().startswith(".usd"):
                raise InputError(f"fps belongs to USD files only; {self.file.name} says it itself")
        if self.clips is not None and not self.clips:
            raise InputError('clips must name at least one animation of the file, such as {"walk": "Walk"}')
        if unknown := [word for word in self.speeds if self.clips is not None and word not in self.clips]:
            raise InputError(f"speeds names {unknown[0]!r}, which clips does not; it has {', '.join(self.clips or {})}")
        if wrong := [speed for speed in self.speeds.values() if not 0 < speed < math.inf]:
            raise InputError(f"speeds must be positive, metres per second, got {wrong[0]!r}")


@dataclass(frozen=True, kw_only=True)
class Placed:
    """An asset on the ground of a scene, at its first time."""

    asset: Scenery | Character
    clip: str | None = None
    """Our word for the motion of a character; None for scenery."""
    x: float = 0.0
    y: float = 0.0
    """Where it is, metres."""
    heading_deg: float = 0.0
    """Where it looks and goes: 0 = +x, counter-clockwise."""
    speed: float = 0.0
    """Metres per second."""
    z: float = 0.0
    """Metres that its origin is above the ground."""
    turn_deg_per_s: float = 0.0
    """Turns as it goes: on a circle, where it has a speed."""
    rate: float = 1.0
    """How fast the clip plays; 2 is twice as fast as the file says."""
    travel: tuple[float, float] = (0.0, 0.0)
    """Metres ahead and to the left that the clip itself goes each time, which are taken off."""

    def __post_init__(self) -> None:
        clips = (self.asset.clips or {}) if isinstance(self.asset, Character) else {}
        _positive(self, "rate")
        if isinstance(self.asset, Character) != (self.clip is not None) or (self.clip and self.clip not in clips):
            raise InputError(f"clip of {self.asset.name} must be one of {', '.join(clips) or None}, got {self.clip!r}")

    def places(self, times_s: np.ndarray) -> np.ndarray:
        """[F, 3]: x, y in metres and the heading in radians at each time."""
        seconds = np.asarray(times_s, dtype=np.float64) - times_s[0]
        place, heading = on_path(self.x, self.y, self.heading_deg, self.speed, self.turn_deg_per_s, seconds)
        return np.concatenate([place, np.broadcast_to(heading, seconds.shape)[:, None]], axis=-1)


@dataclass(frozen=True, kw_only=True)
class Environment(_Asset):
    """A panorama that lights the scene and is seen behind it, instead of the sky and the sun."""

    strength: float = 1.0
    turn_deg: float = 0.0

    suffixes = PANORAMAS

    def __post_init__(self) -> None:
        super().__post_init__()
        _positive(self, "strength")


@dataclass(frozen=True)
class Assets:
    """What a manifest lists, by name."""

    characters: dict[str, Character]
    scenery: dict[str, Scenery]
    environments: dict[str, Environment]


_KINDS = {"characters": Character, "scenery": Scenery, "environments": Environment}


def read_assets(folder: Path) -> Assets:
    """The assets of a folder, checked as far as that goes without Blender; InputError names the entry and the key."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(f"there is no {path}; docs/render.md shows what it says")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as err:
        raise InputError(f"{path} is not JSON ({err})") from err
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold an object with {', '.join(_KINDS)}")
    _known(content, list(_KINDS), str(path))
    return Assets(**{kind: _entries(path, kind, content.get(kind, [])) for kind in _KINDS})


def _entries(path: Path, kind: str, rows: Any) -> dict[str, Any]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{path}: {kind} must be a list of objects")
    found: dict[str, Any] = {}
    fields = {one.name: one for one in dataclasses.fields(_KINDS[kind])}
    for number, row in enumerate(rows):
        where = f"{path}: {kind}[{number}]" + (f" ({row['name']})" if isinstance(row.get("name"), str) else "")
        _known(row, list(fields), where)
        if lacking := [key for key in ("name", "file", "words", "licence") if key not in row]:
            raise InputError(f"{where} lacks {', '.join(lacking)}")
        for key, value in row.items():
            if not _fits(key, value):
                raise InputError(f"{where}: {key} must be {_TYPES.get(key, 'words')}, got {json.dumps(value)}")
        file = (path.parent / row["file"]).resolve()
        if not file.is_relative_to(path.parent.resolve()):
            raise InputError(f"{where}: file must lie below {path.parent}, got {row['file']}")
        try:
            asset = _KINDS[kind](**{**row, "file": file})
        except InputError as err:
            raise InputError(f"{where}: {err}") from err
        if asset.name in found:
            raise InputError(f"{where}: there are two of that name")
        found[asset.name] = asset
    return found


_TYPES = {
    **dict.fromkeys(("scale", "turn_deg", "strength", "fps", "above"), "a number"),
    **dict.fromkeys(("stage", "ground"), "true or false"),
    "max_triangles": "a whole number",
    "clips": "an object of words",
    "speeds": "an object of numbers",
}


def _fits(key: str, value: Any) -> bool:
    kind = _TYPES.get(key)
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if kind == "an object of words":
        return isinstance(value, dict) and all(isinstance(name, str) for name in value.values())
    if kind == "an object of numbers":
        return isinstance(value, dict) and all(_fits("scale", speed) for speed in value.values())
    if kind == "true or false":
        return isinstance(value, bool)
    if kind == "a whole number":
        return number and isinstance(value, int)
    return number if kind == "a number" else isinstance(value, str)


def _known(row: dict[str, Any], keys: list[str], where: str) -> None:
    for key in row:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"did you mean {near[0]}?" if near else f"expected {', '.join(keys)}"
            raise InputError(f"{where} has the unknown key {key!r}; {hint}")

"""What is known of a user's models once they are measured: how large they are, and how their clips move."""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from syncam.errors import InputError
from syncam.render.assets import Character, Scenery
from syncam.render.interactions import discs_along

__all__ = ["Clip", "Measure", "check_measure", "with_clips"]

MOVES = {"walk": 0.5, "trot": 0.85, "run": 1.15}
"""Words for motions that lead somewhere -> metres per second of those whose feet do not say, per metre of height."""
_WORDS = {
    "walk": ("walk", "stroll", "stride"),
    "run": ("run", "sprint", "gallop", "jog", "dash"),
    "trot": ("trot",),
    "stand": ("idle", "stand", "rest", "breath", "wait"),
    "eat": ("eat", "graze", "grazing"),
    "wave": ("wave", "waving", "greet"),
    "dance": ("danc",),
    "sit": ("sit",),
    "jump": ("jump", "hop"),
    "sleep": ("sleep",),
    "swim": ("swim",),
    "fly": ("fly", "flight"),
}
"""Our word -> how a word in the names of animations that mean it begins; the first that fits counts."""
_SMALLEST, _LARGEST = 0.05, 12.0
"""Metres of characters; beyond, the scale is wrong."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """An animation: metres, seconds; low and high: corners of what it covers on the spot; travel: metres along x and y
    that it goes by itself each time; way: metres per second along x and y at which its feet stand still."""

    seconds: float
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    travel: tuple[float, float]
    way: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A model, scaled and turned: its corners in metres, its clips by the animation's name and, of a stage, how far one
    sees from the point that cameras look at: metres by elevation and direction, and the elevations in degrees."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]
    clips: dict[str, Clip]
    sight: dict[str, list]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Measure":
        """What the worker wrote."""
        clips = {
            name: Clip(
                seconds=float(clip["seconds"]),
                low=tuple(clip["low"]),
                high=tuple(clip["high"]),
                travel=tuple(clip["travel"]),
                way=tuple(clip["way"]),
            )
            for name, clip in data["clips"].items()
        }
        return cls(low=tuple(data["low"]), high=tuple(data["high"]), clips=clips, sight=dict(data["sight"] or {}))

    @property
    def radius(self) -> float:
        """Metres from the middle of its base to its farthest corner on the ground."""
        return 0.5 * math.hypot(self.high[0] - self.low[0], self.high[1] - self.low[1])

    def clear_of(self, eyes: np.ndarray, eye_metres: float = 0.8) -> np.ndarray:
        """[N] whether cameras at eyes [N, 3] see the middle of a stage, with a margin."""
        metres = np.array(self.sight["metres"])
        elevations = np.array(self.sight["elevations_deg"])
        apart = eyes - [0.0, 0.0, eye_metres]
        across = np.hypot(apart[:, 0], apart[:, 1])
        column = np.rad2deg(np.arctan2(apart[:, 1], apart[:, 0])) % 360 / 360 * metres.shape[1]
        row = np.interp(np.rad2deg(np.arctan2(apart[:, 2], across)), elevations, np.arange(len(elevations)))
        rows = np.stack([np.floor(row), np.ceil(row)]).astype(int)
        columns = np.stack([np.floor(column), np.floor(column) + 1]).astype(int) % metres.shape[1]
        nearest = metres[rows[:, None], columns[None]].min(axis=(0, 1))
        return np.linalg.norm(apart, axis=-1) + 0.3 < nearest


def with_clips(asset: Character, measure: Measure) -> Character:
    """The character with words for its clips: the manifest's, or those that the names of its animations say."""
    if asset.clips is not None:
        return asset
    found: dict[str, str] = {}
    for name in measure.clips:
        parts = re.findall("[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
        word = next((word for word, begun in _WORDS.items() if any(part.startswith(begun) for part in parts)), None)
        if word is not None:
            found.setdefault(word, name)
    if not found:
        names = ", ".join(measure.clips)
        raise InputError(
            f"{asset.name}: the names of its animations ({names}) do not say what they are; "
            f'give clips in the manifest, such as {{"walk": "{next(iter(measure.clips))}"}}'
        )
    if unknown := [word for word in asset.speeds if word not in found]:
        raise InputError(f"{asset.name}: speeds names {unknown[0]!r}, but its clips are {', '.join(found)}")
    return replace(asset, clips=found)


def speed_of(asset: Character, measure: Measure, word: str) -> float:
    """Metres per second at which a clip leads somewhere as the file plays it; 0 if it is one on the spot."""
    assert asset.clips is not None
    clip = measure.clips[asset.clips[word]]
    if word in asset.speeds:
        return asset.speeds[word]
    natural = float(np.hypot(*clip.way))
    if any(clip.travel):
        return natural
    if word.split()[0] not in MOVES:
        return 0.0
    height = clip.high[2] - clip.low[2]
    return natural if natural > 0.15 * height else MOVES[word.split()[0]] * height


def discs_of(measure: Measure, clip: Clip) -> tuple[tuple[float, float], ...]:
    """Discs on the ground that hold a character in a clip, as `interactions.bounding_discs` has them."""
    wide = max(abs(clip.low[1]), abs(clip.high[1]), 0.02)
    return discs_along(clip.low[0], max(clip.high[0], clip.low[0] + 0.04), wide)


def check_measure(asset: Character | Scenery, measure: Measure) -> None:
    """InputError for a character whose size or direction can hardly be meant."""
    if not isinstance(asset, Character):
        return
    size = max(high - low for low, high in zip(measure.low, measure.high, strict=True))
    if not _SMALLEST <= size <= _LARGEST:
        raise InputError(
            f"{asset.name} is {size:.3g} m large; characters are {_SMALLEST:g} to {_LARGEST:g} m: its scale, "
            f"metres per unit of {asset.file.name}, is {asset.scale:g}"
        )
    for word, name in (asset.clips or {}).items():
        clip = measure.clips[name]
        ahead, left = clip.way
        fast = math.hypot(ahead, left) > 0.2 * (clip.high[2] - clip.low[2])
        if fast and word.split()[0] in MOVES and word not in asset.speeds and ahead < 0.5 * math.hypot(ahead, left):
            towards = round(math.degrees(math.atan2(left, ahead)) / 45) * 45
            turn = (asset.turn_deg - towards + 180) % 360 - 180
            raise InputError(
                f"{asset.name}: its clip {name} goes sideways or backwards; set its turn_deg to {turn:g} "
                f"(it is {asset.turn_deg:g}), so that its front looks along +x"
            )

"""The words that name camera rigs, and their keys: the one table that parse_rig reads and --help shows.

Apart from syncam.cameras, so that --help needs no torch.
"""

from dataclasses import dataclass

__all__ = ["DEFAULT_RIG", "RIG_KEYS", "RIG_WORDS", "RigKey", "RigWord", "rig_help"]

DEFAULT_RIG = "hemisphere:views=4,radius=5,elevation=15,span=90"


@dataclass(frozen=True)
class RigKey:
    """What a key sets: an argument of the builders, and what it means."""

    argument: str
    about: str


@dataclass(frozen=True)
class RigWord:
    """A rig that has a name, which is also that of its builder in syncam.cameras.trajectories: keys with defaults."""

    about: str
    keys: dict[str, float]


RIG_KEYS = {
    "views": RigKey("views", "number of cameras"),
    "radius": RigKey("radius", "distance to the target, metres"),
    "elevation": RigKey("elevation_deg", "height above the horizon seen from the target, degrees"),
    "azimuth": RigKey(
        "azimuth_deg", "middle of the rig (of a full circle: its first camera), degrees counter-clockwise from +x"
    ),
    "focal": RigKey("focal_mm", "focal length, millimetres"),
    "sensor": RigKey("sensor_mm", "sensor width, millimetres"),
    "span": RigKey("span_deg", "azimuth between the first and the last camera, degrees"),
    "move": RigKey("move_deg", "azimuth that every camera travels during the clip, degrees"),
}
_PLACE = {"views": 4, "radius": 5.0, "elevation": 15.0, "azimuth": 0.0, "focal": 24.0, "sensor": 23.76}
RIG_WORDS = {
    "hemisphere": RigWord("still cameras side by side on a hemisphere, aimed at the target", {**_PLACE, "span": 90.0}),
    "arc": RigWord(
        "the same, but every camera travels on its circle during the clip", {**_PLACE, "span": 90.0, "move": 30.0}
    ),
    "orbit": RigWord("cameras around the whole circle that travel along it during the clip", {**_PLACE, "move": 360.0}),
}


def rig_help() -> str:
    """A paragraph for --help: every word with its keys and their defaults, and what the keys mean."""
    lines = ["Rigs in words: a word, then keys, of which any may be left out. With all keys at their defaults:"]
    for name, word in RIG_WORDS.items():
        lines += [f"  {name}:{','.join(f'{key}={default:g}' for key, default in word.keys.items())}"]
        lines += [f"      {word.about}"]
    width = max(map(len, RIG_KEYS))
    return "\n".join([*lines, *(f"  {name:{width}}  {key.about}" for name, key in RIG_KEYS.items())])

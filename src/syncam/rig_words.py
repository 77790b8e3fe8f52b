"""The words that name camera rigs and moves, and their keys: the one table that parse_rig reads and --help shows.

Apart from syncam.cameras, so that --help needs no torch.
"""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "DEFAULT_RIG",
    "MOVE_KEYS",
    "MOVE_WORDS",
    "PRESETS",
    "RIG_KEYS",
    "RIG_WORDS",
    "UNITS",
    "MoveWord",
    "RigKey",
    "RigWord",
    "meant",
    "rig_help",
]

DEFAULT_RIG = "hemisphere:views=4,radius=5,elevation=15,span=90"


@dataclass(frozen=True)
class RigKey:
    """What a key sets: an argument of the builder or move, what it means, and the kind of value it takes."""

    argument: str
    about: str
    kind: Literal["number", "whole", "point", "views", "word"] = "number"


@dataclass(frozen=True)
class RigWord:
    """A rig that has a name, which is also that of its builder in syncam.cameras: keys with defaults."""

    about: str
    keys: dict[str, float]


@dataclass(frozen=True)
class MoveWord:
    """A move that has a name, which is also that of its function in syncam.cameras.moves.

    unit: the key in UNITS of its amount; "preset" for the name of one; None where a move has no amount.
    amount: what --help shows, and the amount where none is given if `optional`.
    keys: with their defaults; None where a key may be left out and has no number then.
    """

    about: str
    unit: str | None
    amount: str
    keys: dict[str, float | None] = field(default_factory=dict)
    optional: bool = False


RIG_KEYS = {
    "views": RigKey("views", "number of cameras", "whole"),
    "radius": RigKey("radius", "distance to the target, metres"),
    "elevation": RigKey("elevation_deg", "height above the horizon seen from the target, degrees"),
    "azimuth": RigKey(
        "azimuth_deg", "middle of the rig (of a full circle: its first camera), degrees counter-clockwise from +x"
    ),
    "focal": RigKey("focal_mm", "focal length, millimetres"),
    "sensor": RigKey("sensor_mm", "sensor width, millimetres"),
    "span": RigKey("span_deg", "azimuth between the first and the last camera, degrees"),
    "move": RigKey("move_deg", "azimuth that every camera travels during the clip, degrees"),
    "spacing": RigKey("spacing", "distance between neighbours, metres"),
    "baseline": RigKey("baseline", "distance between the two cameras, metres"),
    "converge": RigKey("converge", "metres ahead at which the optical axes cross; 0: parallel"),
    "subjects": RigKey("subjects", "number of people or animals in the scene, 1 or 2", "whole"),
    "apart": RigKey("apart", "distance between the two subjects, metres"),
    "spread": RigKey("spread", "how far the cameras travel, in distances to the target"),
}
_LENS = {"focal": 24.0, "sensor": 23.76}
_PLACE = {"radius": 5.0, "elevation": 15.0, "azimuth": 0.0, **_LENS}
_LEVEL = {**_PLACE, "radius": 4.0, "elevation": 0.0}
RIG_WORDS = {
    "hemisphere": RigWord(
        "still cameras side by side on a hemisphere, aimed at the target", {"views": 4, **_PLACE, "span": 90.0}
    ),
    "arc": RigWord(
        "the same, but every camera travels on its circle during the clip",
        {"views": 4, **_PLACE, "span": 90.0, "move": 30.0},
    ),
    "orbit": RigWord(
        "cameras around the whole circle that travel along it during the clip", {"views": 4, **_PLACE, "move": 360.0}
    ),
    "still": RigWord("one level camera that stands still, to be moved", _LEVEL),
    "linear": RigWord(
        "still cameras in a straight row, from left to right", {"views": 4, "spacing": 0.5, "converge": 0.0, **_PLACE}
    ),
    "stereo": RigWord("a left and a right eye", {"baseline": 0.065, "converge": 0.0, **_LEVEL}),
    "film": RigWord(
        "a film set: master, over the left and over the right shoulder, close-up",
        {"subjects": 2, "apart": 1.5, **_PLACE, "elevation": 10.0},
    ),
    "hemi36": RigWord(
        "the 36 still cameras of SynCamVideo's first validation set, all around",
        {**_PLACE, "radius": 4.0, "focal": 18.0},
    ),
    "az": RigWord(
        "still cameras side by side, every 20 degrees counter-clockwise (SynCamMaster on CogVideoX)",
        {"views": 2, **_PLACE, "radius": 4.0, "focal": 18.0},
    ),
    "el": RigWord(
        "still cameras above each other, every 15 degrees upwards (SynCamMaster on CogVideoX)",
        {"views": 2, **_PLACE, "elevation": 0.0, "focal": 18.0},
    ),
    "dis": RigWord(
        "still cameras behind each other, every metre (SynCamMaster on CogVideoX)",
        {"views": 2, **_PLACE, "radius": 4.0, "focal": 18.0},
    ),
    "circle": RigWord(
        "cameras that leave one place in all directions, aimed at the target (CVD)",
        {"views": 4, "spread": 0.5, **_LEVEL},
    ),
    "upper_hemi": RigWord(
        "cameras that leave one place leftwards, upwards and rightwards (CVD)", {"views": 4, "spread": 0.5, **_LEVEL}
    ),
    "interpolate": RigWord(
        "cameras that leave one place for a row from right to left (CVD)", {"views": 4, "spread": 0.5, **_LEVEL}
    ),
}

UNITS = {
    "degrees": {"deg": 1.0, "°": 1.0, "degree": 1.0, "degrees": 1.0},
    "metres": {"m": 1.0, "cm": 0.01, "mm": 0.001, "metre": 1.0, "metres": 1.0},
    "a factor": {"x": 1.0},
    "turns": {"turn": 1.0, "turns": 1.0},
}
"""Units of amounts by what they measure, each with its size in what the moves take."""
PRESETS = (
    "pan_right",
    "pan_left",
    "tilt_up",
    "tilt_down",
    "zoom_in",
    "zoom_out",
    "translate_up",
    "translate_down",
    "arc_left",
    "arc_right",
)
"""ReCamMaster's ten basic trajectories, in the order of their numbers 1 to 10."""
MOVE_KEYS = {
    "for": RigKey("share", "share of the clip that this step takes; the other steps share the rest"),
    "speed": RigKey("speed", "constant, or ease: from rest to rest", "word"),
    "a": RigKey("a", "exponential speed: above 0 fast at first, below 0 fast at last"),
    "view": RigKey("views", "the only cameras that move, such as view=2 or view=1,3", "views"),
    "at": RigKey("target", "the subject, a point x,y,z in metres; 0,0,0.8 where not given", "point"),
    "distance": RigKey("distance", "the subject instead: so many metres ahead of each camera"),
    "to": RigKey("to", "where the subject goes, a point x,y,z in metres", "point"),
    "closer": RigKey("closer", "metres that the cameras come closer to the subject"),
    "rise": RigKey("rise", "metres that the cameras rise"),
    "shift": RigKey("shift", "the largest shift of the camera, metres"),
    "sways": RigKey("sways", "about how often the hand goes back and forth"),
    "points": RigKey("points", "number of points that the path goes through", "whole"),
    "seed": RigKey("seed", "the seed of what is drawn", "whole"),
}
SHARED_KEYS: dict[str, float | None] = {"for": None, "speed": None, "a": None, "view": None}
_SUBJECT: dict[str, float | None] = {"at": None, "distance": None}
MOVE_WORDS = {  # moves at the same time are applied in this order
    "arc": MoveWord("on a level circle about the subject, to the right", "degrees", "30deg", _SUBJECT),
    "orbit": MoveWord("the same, counted in turns", "turns", "1turn", _SUBJECT, optional=True),
    "spiral": MoveWord(
        "an arc that comes closer or rises", "degrees", "90deg", {"closer": 0.0, "rise": 0.0, **_SUBJECT}
    ),
    "elevate": MoveWord("on an upright circle about the subject, upwards", "degrees", "20deg", _SUBJECT),
    "crane": MoveWord("up, keeping the subject in its place in the picture", "metres", "1m", _SUBJECT),
    "truck": MoveWord("to the right", "metres", "1m"),
    "pedestal": MoveWord("up", "metres", "1m"),
    "wander": MoveWord("along a random smooth path", "metres", "1m", {"points": 2, "seed": 0}),
    "dolly": MoveWord("forwards", "metres", "1m"),
    "dolly_zoom": MoveWord("forwards, while the lens keeps the subject's size", "metres", "1m", _SUBJECT),
    "track": MoveWord("turn after a subject that goes from at to to", None, "", {"to": None, "at": None}),
    "pan": MoveWord("turn to the right", "degrees", "20deg"),
    "tilt": MoveWord("turn upwards", "degrees", "10deg"),
    "roll": MoveWord("turn clockwise about the optical axis", "degrees", "10deg"),
    "handheld": MoveWord(
        "shake as in a hand, by at most so much", "degrees", "1deg", {"shift": 0.0, "sways": 3.0, "seed": 0}
    ),
    "zoom": MoveWord("multiply the focal length", "a factor", "2x"),
    "preset": MoveWord(
        "a basic trajectory of ReCamMaster, 1 to 10 or by name", "preset", "pan_right", {"distance": 4.0}
    ),
}


def meant(word: str, known: Iterable[str]) -> str:
    """A question after an unknown word, as in " (did you mean 'orbit'?)"; empty where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def rig_help() -> str:
    """Paragraphs for --help: every rig and move with its keys and their defaults, and what the keys mean."""
    lines = ["Rigs in words: a word, then keys, of which any may be left out. With all keys at their defaults:"]
    for name, word in RIG_WORDS.items():
        lines += [f"  {name}:{','.join(f'{key}={default:g}' for key, default in word.keys.items())}"]
        lines += [f"      {word.about}"]
    lines += [*_key_lines(RIG_KEYS), ""]
    lines += ["Moves: RIG then MOVE AMOUNT KEY=VALUE then MOVE and MOVE ..., or moves alone, of a still camera."]
    lines += ["then: one after the other; and: at the same time. Negative amounts go the other way."]
    for name, move in MOVE_WORDS.items():
        defaults = (f"{key}={'...' if value is None else f'{value:g}'}" for key, value in move.keys.items())
        lines += [f"  {' '.join(filter(None, (name, move.amount, *defaults)))}", f"      {move.about}"]
    lines += [*_key_lines(MOVE_KEYS), f"  presets 1 to {len(PRESETS)}: {', '.join(PRESETS)}"]
    return "\n".join(lines)


def _key_lines(keys: dict[str, RigKey]) -> list[str]:
    width = max(map(len, keys))
    return [f"  {name:{width}}  {key.about}" for name, key in keys.items()]

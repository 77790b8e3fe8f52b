"""A scene as plain values, its controlled vocabulary, and JSON both ways."""

from dataclasses import asdict, dataclass
from typing import Any

from syncam.errors import InputError

Rgb = tuple[float, float, float]
"""sRGB in [0, 1]."""


@dataclass(frozen=True)
class Ground:
    """A ground: its two mottled colours and the words for it in a caption."""

    light: Rgb
    dark: Rgb
    words: str


@dataclass(frozen=True)
class Sky:
    """A sky and its light: sRGB colours, brightness factors, and the words for it in a caption."""

    zenith: Rgb
    horizon: Rgb
    sunlight: Rgb
    sun_strength: float
    """Direct light on a surface that faces the sun, relative to full white."""
    ambient: Rgb
    ambient_strength: float
    sun_elevation_deg: tuple[float, float]
    words: str


COLOURS: dict[str, Rgb] = {
    "red": (0.80, 0.10, 0.09),
    "yellow": (0.95, 0.77, 0.10),
    "blue": (0.10, 0.27, 0.82),
    "purple": (0.46, 0.16, 0.66),
    "pink": (0.95, 0.48, 0.66),
    "white": (0.95, 0.95, 0.94),
    "black": (0.13, 0.13, 0.145),
}
"""Coat colours: caption word -> sRGB of the coat itself (before light falls on it)."""

GROUNDS: dict[str, Ground] = {
    "grass": Ground((0.47, 0.66, 0.27), (0.34, 0.54, 0.20), "green grass"),
    "sand": Ground((0.90, 0.81, 0.62), (0.82, 0.71, 0.51), "pale sand"),
    "snow": Ground((0.92, 0.95, 0.99), (0.82, 0.87, 0.95), "white snow"),
    "dirt": Ground((0.56, 0.41, 0.29), (0.45, 0.32, 0.22), "brown dirt"),
    "stone": Ground((0.60, 0.60, 0.61), (0.49, 0.49, 0.51), "grey stone"),
}

SKIES: dict[str, Sky] = {
    "blue": Sky(
        (0.22, 0.47, 0.86), (0.68, 0.84, 0.97), (1.0, 0.97, 0.91), 0.86, (0.80, 0.89, 1.0), 0.42, (35, 60), "a blue sky"
    ),
    "sunset": Sky(
        (0.42, 0.38, 0.62),
        (0.99, 0.62, 0.32),
        (1.0, 0.86, 0.68),
        0.80,
        (0.96, 0.86, 0.86),
        0.40,
        (22, 34),
        "a sunset sky",
    ),
    "overcast": Sky(
        (0.64, 0.67, 0.71),
        (0.83, 0.85, 0.87),
        (1.0, 1.0, 1.0),
        0.42,
        (1.0, 1.0, 1.0),
        0.66,
        (45, 70),
        "an overcast sky",
    ),
    "dusk": Sky(
        (0.10, 0.12, 0.34), (0.52, 0.38, 0.62), (0.92, 0.90, 1.0), 0.56, (0.82, 0.82, 1.0), 0.34, (28, 45), "a dusk sky"
    ),
}

PROPS: dict[str, str] = {
    "conifer": "trees",
    "tree": "trees",
    "rock": "rocks",
    "bush": "bushes",
    "crate": "crates",
    "fence": "fences",
}
"""Kind of prop -> its word in a caption."""

GAITS: dict[str, tuple[str, str]] = {"walk": ("walks", "walk"), "trot": ("trots", "trot"), "turn": ("turns", "turn")}
"""Gait -> its verb for one animal and for two."""


@dataclass(frozen=True)
class Sun:
    """Direction towards the sun."""

    azimuth_deg: float
    elevation_deg: float


@dataclass(frozen=True)
class Animal:
    """An animal on its path: a straight line, or a circle when turn_deg_per_s is not zero."""

    species: str
    colour: str
    gait: str
    speed: float
    """Metres per second along the path."""
    heading_deg: float
    """Direction of travel at mid-clip: 0 = +x, counter-clockwise."""
    x: float = 0.0
    y: float = 0.0
    """Where the animal is at mid-clip, metres."""
    turn_deg_per_s: float = 0.0
    scale: float = 1.0
    phase: float = 0.0
    """Where in its stride the animal is at mid-clip, in cycles."""


@dataclass(frozen=True)
class Prop:
    """A thing that stands still on the ground."""

    kind: str
    x: float
    y: float
    yaw_deg: float
    scale: float


@dataclass(frozen=True)
class Scene:
    """Everything a renderer needs besides cameras and times."""

    seed: int
    ground: str
    sky: str
    sun: Sun
    animals: tuple[Animal, ...]
    props: tuple[Prop, ...]
    caption: str
    middle_s: float
    """Time in seconds at which the animals pass the middle of their paths."""
    ground_shift: tuple[float, float] = (0.0, 0.0)
    """Offset of the ground's pattern, metres."""

    def __post_init__(self) -> None:
        _require("ground", self.ground, GROUNDS)
        _require("sky", self.sky, SKIES)
        for animal in self.animals:
            _require("colour", animal.colour, COLOURS)
            _require("gait", animal.gait, GAITS)
        for prop in self.props:
            _require("prop", prop.kind, PROPS)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary; `Scene.from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Scene":
        """The scene that `to_json` described."""
        try:
            fields = dict(data)
            fields["sun"] = Sun(**data["sun"])
            fields["animals"] = tuple(Animal(**animal) for animal in data["animals"])
            fields["props"] = tuple(Prop(**prop) for prop in data["props"])
            fields["ground_shift"] = tuple(data["ground_shift"])
            return cls(**fields)
        except (KeyError, TypeError) as err:
            raise InputError(
                f"this is not a scene as Scene.to_json writes it: {err!r}; render the scene again"
            ) from err


def _require(what: str, name: str, table: dict) -> None:
    if name not in table:
        raise InputError(f"{what} is {name!r}; expected one of {', '.join(table)}")

"""A scene as plain values, its controlled vocabulary, and JSON both ways."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from syncam.errors import InputError
from syncam.render.environments import ENVIRONMENTS

Rgb = tuple[float, float, float]
"""sRGB in [0, 1]."""


@dataclass(frozen=True)
class Ground:
    """A ground: its two colours, the words for it in a caption, and the pattern the colours make."""

    light: Rgb
    dark: Rgb
    words: str
    pattern: str = "mottled"
    """One of grounds.PATTERNS."""
    third: Rgb = (0.5, 0.5, 0.5)
    """Colour of flowers, leaves, joints and lines, where the pattern has them."""


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
    time: str = ""
    """The time of day, as captions of the full content say it; empty indoors."""


COLOURS: dict[str, Rgb] = {
    "red": (0.80, 0.10, 0.09),
    "yellow": (0.95, 0.77, 0.10),
    "blue": (0.10, 0.27, 0.82),
    "purple": (0.46, 0.16, 0.66),
    "pink": (0.95, 0.48, 0.66),
    "white": (0.95, 0.95, 0.94),
    "black": (0.13, 0.13, 0.145),
    "orange": (0.93, 0.45, 0.10),
    "brown": (0.42, 0.25, 0.13),
    "grey": (0.52, 0.53, 0.55),
    "green": (0.16, 0.55, 0.22),
    "cream": (0.90, 0.80, 0.60),
}
"""Coat colours: caption word -> sRGB of the coat itself (before light falls on it)."""
BASIC_COLOURS = tuple(COLOURS)[:7]

GROUNDS: dict[str, Ground] = {
    "grass": Ground((0.47, 0.66, 0.27), (0.34, 0.54, 0.20), "green grass"),
    "sand": Ground((0.90, 0.81, 0.62), (0.82, 0.71, 0.51), "pale sand"),
    "snow": Ground((0.92, 0.95, 0.99), (0.82, 0.87, 0.95), "white snow"),
    "dirt": Ground((0.56, 0.41, 0.29), (0.45, 0.32, 0.22), "brown dirt"),
    "stone": Ground((0.60, 0.60, 0.61), (0.49, 0.49, 0.51), "grey stone"),
    "flower meadow": Ground((0.45, 0.66, 0.26), (0.30, 0.52, 0.18), "a meadow", "flowers", (0.97, 0.86, 0.35)),
    "lawn": Ground((0.44, 0.66, 0.27), (0.37, 0.59, 0.23), "a lawn", "stripes"),
    "beach sand": Ground((0.93, 0.85, 0.66), (0.84, 0.74, 0.53), "sand", "ripples"),
    "snow field": Ground((0.94, 0.96, 1.0), (0.80, 0.86, 0.95), "snow", "ripples"),
    "dunes": Ground((0.90, 0.67, 0.40), (0.78, 0.54, 0.29), "red sand", "ripples"),
    "forest floor": Ground((0.36, 0.34, 0.18), (0.22, 0.24, 0.12), "a forest floor", "flowers", (0.55, 0.38, 0.16)),
    "road": Ground((0.66, 0.64, 0.61), (0.27, 0.27, 0.29), "a road", "road", (0.93, 0.92, 0.86)),
    "paving": Ground((0.74, 0.66, 0.56), (0.62, 0.55, 0.47), "paving", "tiles", (0.42, 0.38, 0.34)),
    "marble": Ground((0.86, 0.83, 0.77), (0.40, 0.37, 0.37), "a marble floor", "chequered", (0.6, 0.6, 0.6)),
    "planks": Ground((0.69, 0.48, 0.29), (0.55, 0.36, 0.20), "a wooden floor", "planks", (0.30, 0.19, 0.11)),
    "carpet": Ground((0.60, 0.22, 0.22), (0.50, 0.16, 0.18), "a carpet", "carpet", (0.85, 0.68, 0.38)),
    "scree": Ground((0.68, 0.68, 0.65), (0.50, 0.52, 0.50), "rocky ground", "flowers", (0.30, 0.36, 0.22)),
    "field": Ground((0.58, 0.43, 0.27), (0.38, 0.27, 0.16), "a field", "furrows", (0.42, 0.56, 0.22)),
    "cobbles": Ground((0.60, 0.59, 0.58), (0.46, 0.45, 0.45), "cobbles", "cobbles", (0.30, 0.29, 0.28)),
}
"""Grounds: the first five of the basic content, the others of the full one."""
BASIC_GROUNDS = tuple(GROUNDS)[:5]

SKIES: dict[str, Sky] = {
    "blue": Sky(
        (0.22, 0.47, 0.86),
        (0.68, 0.84, 0.97),
        (1.0, 0.97, 0.91),
        0.86,
        (0.80, 0.89, 1.0),
        0.42,
        (35, 60),
        "a blue sky",
        "at noon",
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
        "at sunset",
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
        (0.10, 0.12, 0.34),
        (0.52, 0.38, 0.62),
        (0.92, 0.90, 1.0),
        0.56,
        (0.82, 0.82, 1.0),
        0.34,
        (28, 45),
        "a dusk sky",
        "at dusk",
    ),
    "dawn": Sky(
        (0.50, 0.62, 0.86),
        (0.99, 0.80, 0.74),
        (1.0, 0.90, 0.80),
        0.74,
        (0.90, 0.86, 0.98),
        0.42,
        (16, 26),
        "a dawn sky",
        "at dawn",
    ),
    "night": Sky(
        (0.03, 0.045, 0.14),
        (0.17, 0.22, 0.42),
        (0.74, 0.82, 1.0),
        0.48,
        (0.62, 0.70, 1.0),
        0.46,
        (35, 55),
        "a night sky",
        "at night",
    ),
    "indoors": Sky(
        (0.80, 0.76, 0.70), (0.86, 0.82, 0.76), (1.0, 0.95, 0.86), 0.50, (1.0, 0.97, 0.92), 0.58, (50, 75), "a ceiling"
    ),
}
"""Skies: the first four of the basic content."""
BASIC_SKIES = tuple(SKIES)[:4]

WEATHERS: dict[str, str] = {
    "clear": "",
    "overcast": "under grey clouds",
    "fog": "in fog",
    "rain": "in the rain",
    "snowfall": "in falling snow",
}
"""Weather of the full content -> its words in a caption."""

PROPS: dict[str, str] = {
    "conifer": "trees",
    "tree": "trees",
    "rock": "rocks",
    "bush": "bushes",
    "crate": "crates",
    "fence": "fences",
    "palm tree": "palm trees",
    "cactus": "cacti",
    "stump": "tree stumps",
    "mushroom": "mushrooms",
    "flower bed": "flower beds",
    "haystack": "haystacks",
    "snowman": "snowmen",
    "boulder": "boulders",
    "column": "columns",
    "broken column": "columns",
    "red house": "houses",
    "yellow house": "houses",
    "white house": "houses",
    "barn": "barns",
    "fountain": "fountains",
    "lamp post": "lamp posts",
    "bench": "benches",
    "parasol": "parasols",
    "car": "cars",
    "table": "tables",
    "chair": "chairs",
    "stool": "stools",
    "bookshelf": "bookshelves",
    "box": "boxes",
    "potted plant": "potted plants",
    "ball": "balls",
    "windmill": "windmills",
    "sign": "signs",
    "flag": "flags",
    "cloud": "clouds",
    "rain": "rain",
    "snowflakes": "snowflakes",
    "sea": "sea",
    "room": "walls",
    "green hills": "hills",
    "dune hills": "dunes",
    "snowy mountains": "mountains",
    "grey mountains": "mountains",
    "tree line": "trees",
}
"""Kind of prop -> its word in a caption, for several of it."""
BASIC_PROPS = tuple(PROPS)[:6]

GAITS: dict[str, tuple[str, str]] = {
    "walk": ("walks", "walk"),
    "trot": ("trots", "trot"),
    "turn": ("turns", "turn"),
    "run": ("runs", "run"),
    "stand": ("stands", "stand"),
    "eat": ("eats", "eat"),
    "wave": ("waves", "wave"),
    "dance": ("dances", "dance"),
    "sit": ("sits", "sit"),
}
"""Action -> its verb for one character and for several."""

PATTERNS: dict[str, str] = {
    "plain": "",
    "spots": "spots",
    "stripes": "stripes",
    "patches": "patches",
    "socks": "socks",
    "belly": "belly",
    "saddle": "saddle",
}
"""Coat pattern, drawn in a second colour -> its word in a caption."""


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
    pattern: str = "plain"
    """How the second colour lies on the coat."""
    second: str = ""
    """Colour of the pattern, of a man's and a child's trousers; empty where there is none."""
    tone: int = 0
    """Skin and hair of people: a row of coats.TONES."""
    stop_s: float | None = None
    """When it has come to a stop, seconds from mid-clip; None: never."""


@dataclass(frozen=True)
class Prop:
    """A thing on the ground that is no character; some kinds move (prop_motion.MOVING)."""

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
    environment: str = ""
    """One of ENVIRONMENTS; empty in the basic content, which draws plainer grounds and skies."""
    weather: str = "clear"
    interaction: str = ""
    """What several characters do together: one of interactions.INTERACTIONS, or empty."""

    def __post_init__(self) -> None:
        _require("ground", self.ground, GROUNDS)
        _require("sky", self.sky, SKIES)
        _require("weather", self.weather, WEATHERS)
        if self.environment:
            _require("environment", self.environment, ENVIRONMENTS)
        for animal in self.animals:
            _require("colour", animal.colour, COLOURS)
            _require("gait", animal.gait, GAITS)
            _require("pattern", animal.pattern, PATTERNS)
            if animal.second:
                _require("second colour", animal.second, COLOURS)
            elif animal.pattern != "plain":
                raise InputError(f"the pattern {animal.pattern!r} of the {animal.species} needs a second colour")
        for prop in self.props:
            _require("prop", prop.kind, PROPS)

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready dictionary; `Scene.from_json` is its inverse.

        What the basic content does not have is left out where it has its default.
        """
        data = _without_defaults(self, ("environment", "weather", "interaction"))
        data["animals"] = tuple(_without_defaults(a, ("pattern", "second", "tone", "stop_s")) for a in self.animals)
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Scene":
        """The scene that `to_json` described."""
        try:
            values = dict(data)
            values["sun"] = Sun(**data["sun"])
            values["animals"] = tuple(Animal(**animal) for animal in data["animals"])
            values["props"] = tuple(Prop(**prop) for prop in data["props"])
            values["ground_shift"] = tuple(data["ground_shift"])
            return cls(**values)
        except (KeyError, TypeError) as err:
            raise InputError(
                f"this is not a scene as Scene.to_json writes it: {err!r}; render the scene again"
            ) from err


def _without_defaults(value: Any, names: tuple[str, ...]) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(value)}
    return {name: v for name, v in asdict(value).items() if name not in names or v != defaults[name]}


def _require(what: str, name: str, table: dict) -> None:
    if name not in table:
        raise InputError(f"{what} is {name!r}; expected one of {', '.join(table)}")

"""The places of the full content: ground, sky, weather, what stands there, and the words for it."""

from dataclasses import dataclass

_OUTDOORS = ("blue", "blue", "dawn", "sunset", "dusk", "night")


@dataclass(frozen=True)
class Environment:
    """A place.

    words: in a caption; grounds: keys of scene.GROUNDS; props: kinds that may stand around, the likelier the more
    often named; many: how many of them there are, least and most; far: scenery all around, always there; skies: keys
    of scene.SKIES; weathers: keys of scene.WEATHERS; both the likelier the more often named.
    """

    words: str
    grounds: tuple[str, ...]
    props: tuple[str, ...]
    many: tuple[int, int] = (5, 10)
    far: tuple[str, ...] = ()
    skies: tuple[str, ...] = _OUTDOORS
    weathers: tuple[str, ...] = ("clear", "clear", "clear", "overcast", "fog", "rain")

    @property
    def indoors(self) -> bool:
        """Whether there are walls and a ceiling."""
        return "room" in self.far


ENVIRONMENTS: dict[str, Environment] = {
    "meadow": Environment(
        "on a meadow", ("flower meadow",), ("tree", "bush", "fence", "windmill", "boulder"), far=("green hills",)
    ),
    "park": Environment(
        "in a park",
        ("lawn",),
        ("bench", "tree", "lamp post", "flower bed", "bush", "ball", "fountain"),
        (6, 12),
        ("tree line",),
    ),
    "beach": Environment(
        "on a beach",
        ("beach sand",),
        ("palm tree", "palm tree", "parasol", "ball", "rock"),
        far=("sea",),
        weathers=("clear", "clear", "clear", "overcast", "fog"),
    ),
    "snow": Environment(
        "in the snow",
        ("snow field",),
        ("conifer", "conifer", "snowman", "stump", "boulder"),
        far=("snowy mountains",),
        weathers=("clear", "clear", "overcast", "fog", "snowfall", "snowfall"),
    ),
    "desert": Environment(
        "in a desert",
        ("dunes",),
        ("cactus", "cactus", "boulder", "rock"),
        far=("dune hills",),
        weathers=("clear",),
    ),
    "forest": Environment(
        "in a forest",
        ("forest floor",),
        ("conifer", "tree", "stump", "mushroom", "mushroom", "boulder"),
        (12, 20),
        ("tree line",),
        weathers=("clear", "clear", "fog", "fog", "rain"),
    ),
    "street": Environment(
        "on a street",
        ("road",),
        ("lamp post", "lamp post", "tree", "car", "sign", "bench", "box"),
        (5, 9),
        ("red house", "yellow house", "white house"),
    ),
    "square": Environment(
        "on a town square",
        ("paving", "cobbles"),
        ("fountain", "bench", "lamp post", "flag", "flower bed", "tree", "potted plant"),
        (6, 10),
        ("white house", "red house", "yellow house"),
    ),
    "room": Environment(
        "in a room",
        ("planks", "carpet", "marble"),
        ("table", "chair", "bookshelf", "box", "potted plant", "stool", "ball"),
        (6, 11),
        ("room",),
        ("indoors",),
        ("clear",),
    ),
    "mountains": Environment(
        "in the mountains",
        ("scree",),
        ("boulder", "boulder", "conifer", "rock", "flag"),
        far=("grey mountains",),
        weathers=("clear", "clear", "overcast", "fog", "snowfall"),
    ),
    "farm": Environment(
        "on a farm",
        ("field",),
        ("haystack", "haystack", "fence", "barn", "windmill", "tree", "crate"),
        far=("green hills",),
    ),
    "ruins": Environment(
        "among ruins",
        ("cobbles", "paving"),
        ("column", "column", "broken column", "boulder", "bush"),
        (7, 12),
        ("dune hills",),
        weathers=("clear", "clear", "overcast", "fog"),
    ),
}
"""Name -> place."""

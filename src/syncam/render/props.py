"""The things that stand around: their meshes, colours and sizes by kind."""

from functools import cache

import numpy as np

from syncam.render import buildings, landscape, plants
from syncam.render.light import linear
from syncam.render.meshes import Mesh

_HOUSE = ((0.42, 0.22, 0.18), (0.52, 0.62, 0.72), (0.93, 0.91, 0.86))

PALETTES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "conifer": ((0.13, 0.33, 0.19), (0.36, 0.25, 0.17), (0.16, 0.38, 0.22)),
    "tree": ((0.25, 0.45, 0.16), (0.38, 0.27, 0.18), (0.29, 0.50, 0.19)),
    "rock": ((0.50, 0.49, 0.48), (0.44, 0.43, 0.42), (0.55, 0.54, 0.53)),
    "bush": ((0.24, 0.42, 0.16), (0.20, 0.37, 0.14), (0.28, 0.46, 0.18)),
    "crate": ((0.62, 0.45, 0.27), (0.46, 0.32, 0.18), (0.70, 0.52, 0.32)),
    "fence": ((0.66, 0.52, 0.38), (0.56, 0.43, 0.30), (0.70, 0.56, 0.42)),
    "palm tree": ((0.24, 0.52, 0.20), (0.55, 0.42, 0.28), (0.32, 0.60, 0.24)),
    "cactus": ((0.22, 0.48, 0.26), (0.30, 0.56, 0.32), (0.93, 0.35, 0.50)),
    "stump": ((0.80, 0.64, 0.43), (0.40, 0.28, 0.18), (0.66, 0.49, 0.30)),
    "mushroom": ((0.82, 0.13, 0.11), (0.92, 0.88, 0.80), (0.96, 0.95, 0.92)),
    "flower bed": ((0.90, 0.22, 0.32), (0.36, 0.26, 0.17), (0.24, 0.48, 0.20), (0.97, 0.82, 0.20)),
    "haystack": ((0.87, 0.72, 0.34), (0.72, 0.56, 0.24)),
    "snowman": ((0.96, 0.97, 1.0), (0.12, 0.12, 0.14), (0.95, 0.50, 0.12), (0.36, 0.25, 0.16)),
    "boulder": ((0.52, 0.50, 0.48), (0.45, 0.44, 0.43)),
    "column": ((0.90, 0.86, 0.77), (0.82, 0.77, 0.68), (0.86, 0.82, 0.73)),
    "broken column": ((0.90, 0.86, 0.77), (0.82, 0.77, 0.68), (0.86, 0.82, 0.73)),
    "red house": ((0.66, 0.38, 0.31), *_HOUSE),
    "yellow house": ((0.92, 0.76, 0.44), *_HOUSE),
    "white house": ((0.88, 0.87, 0.83), (0.30, 0.34, 0.40), *_HOUSE[1:]),
    "barn": ((0.66, 0.17, 0.14), (0.34, 0.32, 0.33), (0.93, 0.91, 0.88)),
    "fountain": ((0.72, 0.70, 0.67), (0.36, 0.62, 0.78), (0.80, 0.92, 0.98)),
    "lamp post": ((0.16, 0.20, 0.19), (1.0, 0.96, 0.78)),
    "bench": ((0.60, 0.38, 0.20), (0.20, 0.21, 0.22)),
    "parasol": ((0.93, 0.25, 0.22), (0.97, 0.96, 0.92), (0.75, 0.73, 0.70)),
    "car": ((0.16, 0.42, 0.66), (0.62, 0.74, 0.82), (0.12, 0.12, 0.13), (0.88, 0.88, 0.84)),
    "table": ((0.60, 0.38, 0.21), (0.46, 0.28, 0.15), (0.28, 0.50, 0.72)),
    "chair": ((0.72, 0.48, 0.26), (0.50, 0.32, 0.18)),
    "stool": ((0.80, 0.58, 0.34), (0.52, 0.35, 0.20)),
    "bookshelf": (
        (0.50, 0.32, 0.18),
        (0.36, 0.23, 0.13),
        (0.72, 0.20, 0.18),
        (0.18, 0.36, 0.58),
        (0.86, 0.70, 0.28),
        (0.24, 0.50, 0.32),
    ),
    "box": ((0.74, 0.57, 0.37), (0.88, 0.80, 0.62), (0.68, 0.51, 0.32)),
    "potted plant": ((0.20, 0.48, 0.22), (0.76, 0.40, 0.26), (0.30, 0.58, 0.28)),
    "ball": ((0.92, 0.20, 0.18), (0.97, 0.96, 0.93), (0.16, 0.42, 0.86)),
    "windmill": ((0.90, 0.87, 0.80), (0.42, 0.28, 0.18), (0.97, 0.96, 0.92), (0.62, 0.24, 0.18)),
    "sign": ((0.20, 0.44, 0.32), (0.22, 0.20, 0.20), (0.95, 0.91, 0.78)),
    "flag": ((0.86, 0.18, 0.18), (0.97, 0.96, 0.93), (0.12, 0.30, 0.68), (0.72, 0.72, 0.70)),
    "cloud": ((0.97, 0.97, 0.98),),
    "rain": ((0.80, 0.85, 0.92),),
    "snowflakes": ((0.98, 0.98, 1.0),),
    "sea": ((0.10, 0.44, 0.62), (0.95, 0.98, 0.98), (0.40, 0.70, 0.80)),
    "room": (
        (0.83, 0.78, 0.68),
        (0.44, 0.29, 0.18),
        (0.95, 0.93, 0.88),
        (0.94, 0.93, 0.90),
        (0.62, 0.80, 0.95),
        (0.35, 0.55, 0.42),
    ),
    "green hills": ((0.36, 0.56, 0.26), (0.42, 0.60, 0.30)),
    "dune hills": ((0.82, 0.60, 0.36), (0.88, 0.66, 0.42)),
    "snowy mountains": ((0.50, 0.56, 0.66), (0.95, 0.97, 1.0)),
    "grey mountains": ((0.44, 0.43, 0.44), (0.92, 0.94, 0.97)),
    "tree line": ((0.20, 0.38, 0.17), (0.24, 0.43, 0.19), (0.16, 0.33, 0.18)),
}
"""Kind -> sRGB palette."""

RADII = {
    "conifer": 1.0,
    "tree": 1.2,
    "rock": 0.65,
    "bush": 0.7,
    "crate": 0.65,
    "fence": 1.25,
    "palm tree": 2.15,
    "cactus": 0.7,
    "stump": 0.45,
    "mushroom": 0.5,
    "flower bed": 0.93,
    "haystack": 1.03,
    "snowman": 0.9,
    "boulder": 1.15,
    "column": 0.75,
    "broken column": 1.3,
    "barn": 3.15,
    "fountain": 1.35,
    "lamp post": 0.28,
    "bench": 0.95,
    "parasol": 1.4,
    "car": 1.75,
    "table": 1.0,
    "chair": 0.4,
    "stool": 0.4,
    "bookshelf": 0.8,
    "box": 0.5,
    "potted plant": 0.6,
    "ball": 0.34,
    "windmill": 2.6,
    "sign": 1.15,
    "flag": 2.0,
}
"""Kind -> radius in metres of the circle it covers, at scale 1; scenery has none."""

SHADOWLESS = frozenset(
    {"cloud", "rain", "snowflakes", "sea", "room", "green hills", "dune hills", "snowy mountains", "grey mountains"}
    | {"tree line", "red house", "yellow house", "white house"}
)
"""Kinds that cast no shadow: they are far away, or would darken everything."""


@cache
def prop_mesh(kind: str) -> Mesh:
    """The mesh of a kind of prop, standing on z = 0."""
    return _BUILDERS[kind]()


@cache
def prop_colours(kind: str) -> np.ndarray:
    """Linear colours [N, 3], float32, of the mesh's vertices."""
    palette = np.array([linear(colour) for colour in PALETTES[kind]]).astype(np.float32)
    return palette[prop_mesh(kind).material]


_BUILDERS = {
    "conifer": plants.conifer,
    "tree": plants.tree,
    "rock": plants.rock,
    "bush": plants.bush,
    "palm tree": plants.palm_tree,
    "cactus": plants.cactus,
    "stump": plants.stump,
    "mushroom": plants.mushroom,
    "flower bed": plants.flower_bed,
    "haystack": plants.haystack,
    "snowman": plants.snowman,
    "boulder": plants.boulder,
    "crate": buildings.crate,
    "fence": buildings.fence,
    "column": buildings.column,
    "broken column": buildings.broken_column,
    "red house": buildings.house,
    "yellow house": buildings.house,
    "white house": buildings.house,
    "barn": buildings.barn,
    "fountain": buildings.fountain,
    "lamp post": buildings.lamp_post,
    "bench": buildings.bench,
    "parasol": buildings.parasol,
    "car": buildings.car,
    "table": buildings.table,
    "chair": buildings.chair,
    "stool": buildings.stool,
    "bookshelf": buildings.bookshelf,
    "box": buildings.cardboard_box,
    "potted plant": buildings.potted_plant,
    "ball": buildings.ball,
    "windmill": buildings.windmill,
    "sign": buildings.sign,
    "flag": buildings.flag,
    "cloud": landscape.cloud,
    "rain": landscape.rain,
    "snowflakes": landscape.snowflakes,
    "sea": landscape.sea,
    "room": landscape.room,
    "green hills": landscape.hills,
    "dune hills": landscape.hills,
    "snowy mountains": landscape.mountains,
    "grey mountains": landscape.mountains,
    "tree line": landscape.tree_line,
}

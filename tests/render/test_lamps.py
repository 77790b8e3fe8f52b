"""Lamp posts give warm light at dusk and at night, around them, and none by day."""

import numpy as np
import pytest

from render.examples import animal, arrays, rig, scene
from syncam.render.light import lamps
from syncam.render.rasterizer import Renderer
from syncam.render.scene import Prop, Scene
from syncam.render.shaders import MAX_LAMPS
from syncam.render.world import build_world

POST = Prop("lamp post", 0.0, 0.0, 0.0, 1.0)


def lit(sky: str, *props: Prop, **change: object) -> Scene:
    values = {"sky": sky, "ground": "paving", "environment": "square", "props": props, "ground_shift": (3.0, 5.0)}
    return scene(**(values | change))


@pytest.mark.parametrize("sky", ["dusk", "night"])
def test_light_falls_around_a_lamp(renderer: Renderer, sky: str) -> None:
    """Seen from above, what a lamp adds is warm and less the farther away it is."""
    cameras = rig(1, radius=12.0, elevation_deg=85.0)
    bare = renderer.render(lit(sky), *arrays(cameras), [0.0], labels=("depth",))
    post = renderer.render(lit(sky, POST), *arrays(cameras), [0.0])
    added = post.rgb[0, 0].astype(float) - bare.rgb[0, 0]
    rows, columns = np.mgrid[:64, :64] - 31.5
    pixels = np.hypot(rows, columns)  # a pixel is about 0.2 m
    rings = [added[(pixels > low) & (pixels < low + 5)].mean(0) for low in (9, 16, 23)]
    assert rings[0][0] > rings[1][0] > rings[2][0] > 0 and rings[0][0] > 12
    assert rings[0][0] > rings[0][1] > rings[0][2]


def test_by_day_and_in_the_basic_content_lamps_are_off() -> None:
    assert len(lamps(lit("blue", POST))) == 0
    assert len(lamps(scene(sky="dusk", props=(POST,)))) == 0
    dark = build_world(lit("night", POST, Prop("bench", 2.0, 0.0, 0.0, 1.0)), [0.0])
    glass, bench = dark.solids[0].glow, dark.solids[1].glow
    assert glass is not None and 0 < glass.mean() < 1 and bench is None
    assert build_world(lit("blue", POST), [0.0]).solids[0].glow is None


def test_the_nearest_lamps_count(renderer: Renderer) -> None:
    row = [Prop("lamp post", float(x), 0.0, 0.0, 1.0) for x in range(30, 30 - MAX_LAMPS - 4, -1)]
    found = lamps(lit("night", *row))
    assert len(found) == MAX_LAMPS + 4 and (np.diff(found[:, 0]) > 0).all()
    made = lit("night", *row, animals=(animal("pig"),))
    assert renderer.render(made, *arrays(rig(1)), [0.0]).rgb.any()

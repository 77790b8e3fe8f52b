"""Users' models in a scene: the same from every format, in their place, moved by their clips; panoramas give light."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from render.examples import arrays, rig, scene
from syncam.errors import InputError
from syncam.render.assets import MANIFEST, Assets, Placed, read_assets
from syncam.render.blender.engine import BlenderRenderer
from syncam.render.blender.environment import Blender
from syncam.render.blender.job import Settings

FORMATS = ("glb", "fbx", "usdc", "blend")
MAKER = Path(__file__).with_name("make_assets.py")


@pytest.fixture(scope="module")
def assets(blender: Blender, tmp_path_factory: pytest.TempPathFactory) -> Assets:
    """A post of 2 m that nods, in every format; a stone that has no animation; an all-green panorama."""
    folder = tmp_path_factory.mktemp("assets")
    command = blender.command(MAKER, folder)
    subprocess.run(command, env=blender.environment(), check=True, capture_output=True)
    rest = {"words": "a thing", "licence": "CC0-1.0"}
    posts = [{"name": k, "file": f"post.{k}", "clips": {"greet": "nod", "run": "run"}, **rest} for k in FORMATS]
    stone = {"name": "stone", "file": "stone.glb", "clips": {"greet": "nod"}, **rest}
    content = {
        "characters": [*posts, stone],
        "scenery": [{"name": "stone", "file": "stone.glb", "scale": 0.5, **rest}],
        "environments": [{"name": "green", "file": "green.hdr", **rest}],
    }
    (folder / MANIFEST).write_text(json.dumps(content))
    return read_assets(folder)


@pytest.fixture(scope="module")
def renderer(blender: Blender) -> BlenderRenderer:
    return BlenderRenderer((64, 64), Settings(samples=1), blender=blender)


def test_every_format_gives_the_same_moving_character(assets: Assets, renderer: BlenderRenderer) -> None:
    cameras = rig(1, 2, radius=7.0, azimuth_deg=0.0)
    places = {kind: 1.5 * index - 2.25 for index, kind in enumerate(FORMATS)}
    placed = [Placed(asset=assets.characters[kind], clip="greet", y=y) for kind, y in places.items()]
    stone = Placed(asset=assets.scenery["stone"], x=1.0)
    found = renderer.render(scene(), *arrays(cameras), [0.0, 0.5], placed=[*placed, stone])
    assert found.solids is not None
    areas = np.array([(found.solids == 2 + index).sum((0, 2, 3)) for index in range(4)])  # 1 is the ground
    assert areas.min() > 20 and np.ptp(areas, axis=0).max() <= 0.15 * areas.max()
    columns = [np.nonzero(found.solids[0, 0] == 2 + index)[1].mean() for index in range(4)]
    assert (np.diff(columns) > 5).all() or (np.diff(columns) < -5).all()
    for index in range(4):
        one = found.solids[0] == 2 + index
        assert (one[0] != one[1]).any(), "the clip moves it"
    assert (found.solids == 6).any() and not (found.mask & (found.solids == 6)).any(), "scenery is no subject"
    assert (found.mask == ((found.solids >= 2) & (found.solids <= 5))).all()


def test_what_an_asset_lacks_is_one_line(assets: Assets, renderer: BlenderRenderer) -> None:
    cameras = arrays(rig(1))
    with pytest.raises(InputError, match=r"stone\.glb has no animation; a character needs one; its log is"):
        renderer.render(scene(), *cameras, [0.0], placed=[Placed(asset=assets.characters["stone"], clip="greet")])
    with pytest.raises(InputError, match=r"post\.fbx has no animation 'run'; it has nod; its log is"):
        renderer.render(scene(), *cameras, [0.0], placed=[Placed(asset=assets.characters["fbx"], clip="run")])


def test_a_panorama_lights_the_scene_and_is_seen(assets: Assets, renderer: BlenderRenderer) -> None:
    found = renderer.render(
        scene(), *arrays(rig(1)), [0.0], environment=assets.environments["green"], labels=("depth",)
    )
    assert found.depth is not None
    for part in (np.isinf(found.depth), np.isfinite(found.depth)):
        red, green, blue = found.rgb[part].mean(0)
        assert green > 60 and max(red, blue) < 0.4 * green

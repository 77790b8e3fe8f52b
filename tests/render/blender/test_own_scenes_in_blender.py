"""A user's folder through Blender: measured once, moved as it should, drawn, and written down."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from render.examples import arrays, rig, scene
from syncam import cli
from syncam.data.dataset import ClipStore
from syncam.errors import InputError
from syncam.render.assets import MANIFEST, Assets, Placed, read_assets
from syncam.render.blender.engine import BlenderRenderer
from syncam.render.blender.environment import Blender
from syncam.render.blender.job import Settings
from syncam.render.blender.measure import measure_models
from syncam.render.own_scenes import OwnScene

MAKER = Path(__file__).with_name("make_fox.py")
REST = {"licence": "CC0-1.0"}
FOX = {"name": "fox", "file": "fox.glb", "words": "fox", "turn_deg": 90, **REST}
GOES = {"name": "goes", "file": "goes.glb", "words": "fox", "turn_deg": 90, "clips": {"walk": "Fox_Walk"}, **REST}
HUT = {"name": "hut", "file": "hut.glb", "words": "hut", **REST}
HALL = {"name": "hall", "file": "hall.glb", "words": "in a hall", "stage": True, **REST}
SCRIPTED = {"name": "scripted", "file": "scripted.blend", "words": "boxes", **REST}
QUICK = Settings(samples=1, denoise=False)


@pytest.fixture(scope="module")
def folder(blender: Blender, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fox that walks at 0.6 m/s and runs at 1.2 m/s, one that goes by itself, a hut, a hall and a .blend."""
    made = tmp_path_factory.mktemp("fox")
    subprocess.run(blender.command(MAKER, made), env=blender.environment(), check=True, capture_output=True)
    content = {"characters": [FOX, GOES], "scenery": [HUT, HALL, SCRIPTED]}
    (made / MANIFEST).write_text(json.dumps(content))
    return made


@pytest.fixture(scope="module")
def assets(folder: Path) -> Assets:
    return read_assets(folder)


def test_measures(blender: Blender, folder: Path, assets: Assets, tmp_path: Path) -> None:
    """Sizes, the speeds at which paws stand still, and what a clip goes by itself; only once; no script is run."""
    models = [*assets.characters.values(), *assets.scenery.values()]
    done: list[tuple[int, int]] = []
    found = measure_models(models, blender=blender, cache=tmp_path, progress=lambda *so_far: done.append(so_far))
    fox, goes, hut, hall, scripted = found
    assert done == [(number, 5) for number in range(6)]
    assert (
        measure_models(models, blender=blender, cache=tmp_path, progress=lambda *so_far: done.append(so_far)) == found
    )
    assert len(done) == 6, "nothing was measured again"
    assert set(fox.clips) == {"Fox_Walk", "Fox_Run", "Fox_Idle"}
    for clip, speed, seconds in (("Fox_Walk", 0.6, 1.0), ("Fox_Run", 1.2, 0.5), ("Fox_Idle", 0.0, 2.0)):
        np.testing.assert_allclose(fox.clips[clip].way, [speed, 0.0], atol=0.01)
        assert fox.clips[clip].seconds == pytest.approx(seconds, abs=0.01) and fox.clips[clip].travel == (0.0, 0.0)
    np.testing.assert_allclose(fox.low, [-0.7, -0.13, 0.0], atol=1e-4)
    np.testing.assert_allclose(fox.high, [0.64, 0.13, 0.68], atol=1e-4)
    np.testing.assert_allclose(goes.clips["Fox_Walk"].travel, [0.6, 0.0], atol=1e-4)
    np.testing.assert_allclose(goes.clips["Fox_Walk"].high, [0.64, 0.13, 0.66], atol=0.01)
    np.testing.assert_allclose([*hut.low, *hut.high], [1, 0, -1, 3, 1.5, 1], atol=1e-4)
    assert hall.clear_of(np.array([[8.0, 0, 1.0], [16.0, 0, 1.0], [0, 3.0, 8.0]])).tolist() == [True, False, True]
    assert scripted.high[1] == pytest.approx(3.2), "what is shown three times counts"
    assert scripted.low[1] == pytest.approx(-0.2), "where it is only kept it does not"
    assert not list(folder.glob("*-ran")), "neither the script nor the driver has written its file"


def test_a_damaged_memory_is_made_anew(blender: Blender, assets: Assets, tmp_path: Path) -> None:
    (before,) = measure_models([assets.scenery["hut"]], blender=blender, cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    kept.write_text("{")
    assert measure_models([assets.scenery["hut"]], blender=blender, cache=tmp_path) == [before]


def test_clips_play_at_their_rate_and_go_nowhere_by_themselves(blender: Blender, assets: Assets) -> None:
    """From the side: after a whole turn at double rate all is as before, but for the way; the one that goes by itself
    is where the other one is."""
    cameras = rig(1, 3, radius=4.0, azimuth_deg=-90.0)
    renderer = BlenderRenderer((64, 64), QUICK, blender=blender)
    masks = []
    for name, travel in (("fox", (0.0, 0.0)), ("goes", (0.6, 0.0))):
        asset = assets.characters[name]
        clips = {"walk": "Fox_Walk"}
        asset = type(asset)(**{**vars(asset), "clips": clips})
        placed = Placed(asset=asset, clip="walk", rate=2.0, travel=travel)
        masks.append(renderer.render(scene(), *arrays(cameras), [0.0, 0.25, 0.5], placed=[placed]).mask[0])
    for mask in masks:
        assert mask[0].sum() > 100 and (mask[0] != mask[2]).sum() <= 4 and (mask[0] != mask[1]).sum() > 8
    assert (masks[0] != masks[1]).mean() < 0.01


def test_objects_that_show_a_collection_have_labels(blender: Blender, assets: Assets) -> None:
    cameras = rig(1, radius=9.0, azimuth_deg=0.0)
    renderer = BlenderRenderer((64, 64), QUICK, blender=blender)
    found = renderer.render(scene(), *arrays(cameras), [0.0], placed=[Placed(asset=assets.scenery["scripted"])])
    assert found.solids is not None
    columns = np.flatnonzero((found.solids[0, 0] == 2).any(axis=0))
    assert (np.diff(columns) > 1).sum() == 3, "four things beside each other"


def test_a_stage_has_its_own_ground(blender: Blender, assets: Assets) -> None:
    renderer = BlenderRenderer((64, 64), QUICK, blender=blender)
    hall = Placed(asset=assets.scenery["hall"])
    found = renderer.render(scene(), *arrays(rig(1)), [0.0], placed=[hall], ground=False, labels=("depth",))
    assert found.solids is not None and (found.solids == 1).all() and found.depth is not None
    assert np.isfinite(found.depth).all() and not found.mask.any()


def test_what_is_imported_fades_into_the_fog(blender: Blender, assets: Assets) -> None:
    renderer = BlenderRenderer((64, 64), QUICK, blender=blender)
    hut = Placed(asset=assets.scenery["hut"], x=-20.0, z=1.0)
    seen = []
    for weather in ("clear", "fog"):
        made = scene(ground="paving", environment="square", weather=weather)
        found = renderer.render(made, *arrays(rig(1, azimuth_deg=0.0)), [0.0], placed=[hut], labels=("depth",))
        assert found.solids is not None and found.depth is not None
        here, sky = found.rgb[found.solids == 2], found.rgb[np.isinf(found.depth)]
        assert len(here) > 10 and len(sky) > 10
        seen.append(np.abs(here.mean(0) - sky.mean(0)).mean())
    assert seen[1] < 0.35 * seen[0]


def test_syncam_render_with_assets(
    blender: Blender, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures, captions and masks; scene.json and the folder give them again; other content is refused."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SYNCAM_BLENDER", str(blender.path))
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("fox.glb", "hut.glb"):
        shutil.copy(folder / name, mine)
    (mine / MANIFEST).write_text(json.dumps({"characters": [FOX], "scenery": [HUT]}))
    options = "--scenes 1 --views 2 --frames 2 --size 32x48 --engine blender --samples 1"
    command = ["render", "--out", str(tmp_path / "data"), "--assets", str(mine), *options.split()]
    cli.main(command)
    (stored,) = ClipStore(tmp_path / "data", "train").scenes
    clip = stored.read()
    assert clip.caption.startswith("a fox ") and clip.masks is not None and clip.masks.any()
    told = json.loads((stored.path / "scene.json").read_text())
    assert told["assets"]["placed"][0]["animation"].startswith("Fox_") and told["scene"]["animals"] == []
    assert {one["licence"] for one in told["assets"]["placed"]} == {"CC0-1.0"}
    again = OwnScene.from_json(told, read_assets(mine))
    renderer = BlenderRenderer((32, 48), Settings(samples=1), blender=blender)
    drawn = renderer.render(again.scene, *arrays(clip.cameras), [0.0, 0.125], **again.added)
    np.testing.assert_array_equal(drawn.mask, clip.masks.numpy())
    (mine / MANIFEST).write_text(json.dumps({"characters": [FOX | {"scale": 1.1}]}))
    with pytest.raises(SystemExit, match="2"):
        cli.main(command)


def test_what_a_folder_lacks_is_one_line(blender: Blender, folder: Path, assets: Assets, tmp_path: Path) -> None:
    fox = assets.characters["fox"]
    wrong = type(fox)(**{**vars(fox), "clips": {"walk": "Trot"}})
    with pytest.raises(InputError, match="did not measure: .*fox.glb has no animation 'Trot'; it has Fox_"):
        measure_models([wrong], blender=blender, cache=tmp_path)
    hut = assets.scenery["hut"]
    bare = type(hut)(**{**vars(hut), "file": folder / "bare.blend"})
    with pytest.raises(InputError, match=r"bare\.blend lacks the texture .*fur\.png; its log is"):
        measure_models([bare], blender=blender, cache=tmp_path)
    few = type(hut)(**{**vars(assets.scenery["scripted"]), "max_triangles": 20})
    with pytest.raises(InputError, match="scripted.blend has 36 triangles, more than 20; make it simpler, or raise"):
        measure_models([few], blender=blender, cache=tmp_path)

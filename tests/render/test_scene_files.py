"""A rendered scene on disk: labels are those of the engine, pairs those of SynCamMaster, the record is complete."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from render.examples import arrays
from syncam import __version__, cli
from syncam.cameras import hemisphere
from syncam.data.dataset import ClipStore, SceneFolder
from syncam.data.labels import KINDS
from syncam.errors import InputError
from syncam.render.blender.environment import find_blender
from syncam.render.clip import compose, drawn_for, filmed, render_clip
from syncam.render.config import LABEL_CHOICES, RenderConfig, scene_folder
from syncam.render.labels import LABELS, characters_seen, pair_visibility, shares_seen
from syncam.render.rasterizer import Renderer
from syncam.render.scene import Scene
from syncam.render.scene_files import PAIRS, near_pairs, scene_record, write_scene

HW = (64, 64)


def config(out: Path, **change: Any) -> RenderConfig:
    values: dict[str, Any] = {"out": out, "num_scenes": 1, "num_views": 2, "num_frames": 3, "hw": HW, "moving": 1.0}
    return RenderConfig(**(values | change))


def write(config: RenderConfig, renderer: Renderer) -> None:
    take = compose(config, 0)
    write_scene(config, 0, take, filmed(config, take, renderer))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, renderer: Renderer) -> SceneFolder:
    asked = config(tmp_path_factory.mktemp("data"), labels=LABEL_CHOICES, two_animals=1.0)
    write(asked, renderer)
    return SceneFolder(scene_folder(asked, 0))


def test_labels_are_those_of_the_engine(written: SceneFolder, renderer: Renderer) -> None:
    assert set(written.labels) == set(KINDS)
    made = Scene.from_json(json.loads((written.path / "scene.json").read_text())["scene"])
    c2w, K = arrays(written.cameras)
    found = renderer.render(made, c2w, K, [frame / written.fps for frame in range(3)], labels=LABELS)
    bounds = {"depth": 1e-3, "normals": 1e-3, "flow_forward": 1 / 128, "flow_backward": 1 / 128}
    for kind in KINDS[:-1]:
        expected = getattr(found, kind)
        for view in range(2):
            read = written.read_label(kind, view).numpy()
            whole = expected if kind == "joints_world" else expected[view]
            near = np.isfinite(whole) if kind != "depth" else whole < 9
            assert np.array_equal(np.isfinite(read), np.isfinite(whole)) and near.any()
            assert np.abs(read[near] - whole[near]).max() <= bounds.get(kind, 0.0)
    assert found.depth is not None and found.instances is not None
    share = pair_visibility(found.depth, found.instances, c2w, K)
    stored = written.read_label("visibility").numpy()
    np.testing.assert_allclose(stored[:, : share.shape[1]], share, atol=1e-6)
    assert stored.shape == (3, len(made.animals), 2, 2)


def test_labels_change_nothing_else(tmp_path: Path, renderer: Renderer) -> None:
    plain, asked = config(tmp_path / "plain"), config(tmp_path / "asked", labels=("joints", "visibility"))
    for one in (plain, asked):
        write(one, renderer)
    assert torch.equal(render_clip(plain, 0, renderer)[0].video, render_clip(asked, 0, renderer)[0].video)
    folders = [scene_folder(one, 0) for one in (plain, asked)]
    names = [{p.relative_to(f).as_posix() for p in f.rglob("*") if p.is_file()} for f in folders]
    assert names[1] - names[0] == {"labels/joints.npz", "labels/visibility.npz"}
    for name in names[0] - {"record.json"}:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


@pytest.mark.parametrize(
    ("labels", "drawn"),
    [
        ((), ()),
        (("depth", "flow"), ("depth", "flow")),
        (("visibility",), ("depth", "instances")),
        (("instances", "joints", "visibility"), ("instances", "depth")),
    ],
)
def test_what_the_engine_has_to_draw(labels: tuple[str, ...], drawn: tuple[str, ...]) -> None:
    assert drawn_for(labels) == drawn


def test_visibility_has_room_for_characters_that_are_never_seen() -> None:
    c2w, K = arrays(hemisphere(views=2, radius=5, num_frames=3, hw=(4, 4)))
    instances = np.zeros((2, 3, 4, 4), dtype=np.uint8)
    instances[0, 0, 1, 1] = 1
    seen = [characters_seen(np.ones((4, 4), np.float32), instances[view, 0]) for view in range(2)]
    share = shares_seen(seen, c2w[:, 0], K[:, 0], (4, 4), 3)
    assert share.shape == (3, 2, 2)
    assert share[0, 0, 0] == 1 and np.isnan(share[:, 1]).all() and np.isnan(share[1:]).all()


def test_pairs_of_near_views() -> None:
    """As SynCamMaster's trainer wants them: numbers from 1, both orders, across 180 degrees too."""
    row = hemisphere(views=4, radius=5, span_deg=87, elevation_deg=10, azimuth_deg=180, hw=(16, 16))
    steps = {(1, 2), (2, 3), (3, 4)}
    assert {tuple(pair) for pair in near_pairs(row).tolist()} == steps | {(j, i) for i, j in steps}
    wide = hemisphere(views=4, radius=5, span_deg=93, elevation_deg=10, hw=(16, 16))
    assert near_pairs(wide).shape == (0, 2) and near_pairs(wide).dtype == np.int64
    low, high = (hemisphere(views=1, radius=5, elevation_deg=e, hw=(16, 16)) for e in (5.0, 21.0))
    stacked = type(low)(torch.cat([low.c2w, high.c2w]), torch.cat([low.K, high.K]), hw=low.hw)
    assert near_pairs(stacked).shape == (0, 2) and near_pairs(low).shape == (0, 2)


def test_pairs_lie_where_the_trainer_looks(written: SceneFolder) -> None:
    pairs = np.load(written.path / PAIRS, allow_pickle=False)
    assert np.array_equal(pairs, near_pairs(written.cameras))


def test_the_record_has_every_file(written: SceneFolder) -> None:
    record = scene_record(written.path)
    found = {p.relative_to(written.path).as_posix(): p for p in written.path.rglob("*") if p.is_file()}
    assert set(record["files"]) == set(found) - {"record.json"}
    for name, (size, digest) in record["files"].items():
        content = found[name].read_bytes()
        assert (size, digest) == (len(content), hashlib.sha256(content).hexdigest())
    assert (record["caption"], record["syncam"], record["attempt"]) == (written.caption, __version__, 0)
    assert record["seed"] == json.loads((written.path / "scene.json").read_text())["scene"]["seed"]
    assert record["assets"] == []


def test_records_of_scenes_that_have_none_and_of_new_captions(tmp_path: Path, renderer: Renderer) -> None:
    one = config(tmp_path, num_frames=1)
    write(one, renderer)
    folder = scene_folder(one, 0)
    before = scene_record(folder)
    (folder / "record.json").unlink()
    assert scene_record(folder) == before and (folder / "record.json").is_file()
    (folder / "caption.txt").write_text("two horses\n")
    after = scene_record(folder)
    assert after["caption"] == "two horses" and after["files"]["caption.txt"][0] == 11
    assert {name for name in after["files"] if after["files"][name] != before["files"][name]} == {"caption.txt"}
    for damaged in ("{", "[]", "7"):
        (folder / "record.json").write_text(damaged)
        with pytest.raises(InputError, match=r"record\.json or scene\.json is damaged .*; remove the folder to render"):
            scene_record(folder)


def test_assets_of_others_are_recorded_once(tmp_path: Path, renderer: Renderer) -> None:
    one = config(tmp_path, num_frames=1)
    take = compose(one, 0)
    pictures = filmed(one, take, renderer)
    fox = {"name": "fox", "words": "a fox", "licence": "CC-BY-4.0", "file": "fox.glb", "x": 1.0}
    sky = {"name": "dawn", "words": "a sky", "licence": "CC0-1.0", "file": "dawn.hdr"}
    take.made_by["assets"] = {"placed": [fox, fox | {"x": 2.0}], "environment": sky}
    write_scene(one, 0, take, pictures, attempt=2)
    record = scene_record(scene_folder(one, 0))
    assert [asset["name"] for asset in record["assets"]] == ["fox", "dawn"] and record["attempt"] == 2


def test_labels_through_blender(tmp_path: Path) -> None:
    """The same names, shapes and, on the ground, depths as through the fast engine."""
    try:
        find_blender()
    except InputError as err:
        pytest.skip(f"needs Blender: {err}")
    shape = "--scenes 1 --views 2 --frames 2 --size 32x48 --labels all"
    cli.main(f"render --out {tmp_path / 'fine'} {shape} --engine blender --samples 1".split())
    cli.main(f"render --out {tmp_path / 'fast'} {shape}".split())
    (fine,), (fast,) = (ClipStore(tmp_path / name, "train").scenes for name in ("fine", "fast"))
    assert fine.labels == fast.labels == KINDS
    for kind in KINDS:
        one, other = fine.read_label(kind, 0), fast.read_label(kind, 0)
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
    one, other = fine.read_label("depth", 0), fast.read_label("depth", 0)
    assert ((one / other - 1).abs() < 1e-2)[torch.isfinite(one) & torch.isfinite(other)].float().mean() > 0.9

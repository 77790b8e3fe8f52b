"""Scenes with a user's own content, planned without Blender: seeded, nobody touches anybody, words that fit."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncam import cli
from syncam.errors import InputError
from syncam.render.assets import MANIFEST, Character, Placed, Scenery, read_assets
from syncam.render.clip import compose
from syncam.render.config import RenderConfig
from syncam.render.framing import Framing, cast_of_placed, faults_of_cast
from syncam.render.generate import generate_scene, sample_cameras
from syncam.render.interactions import clearance, disc_places
from syncam.render.measures import Clip, Measure
from syncam.render.own_scenes import OwnScene, asset_credits, own_scene, prepare_assets
from syncam.render.props import RADII
from syncam.render.stage import KEEP_OUT, distance_to_segments

REST = {"licence": "CC0-1.0"}
FOX = {"name": "fox", "file": "fox.fbx", "words": "fox", **REST}
OWL = {
    "name": "owl",
    "file": "owl.fbx",
    "words": "owl",
    "clips": {"look around": "A", "walk": "B"},
    "above": 0.5,
    **REST,
}
CAR = {"name": "car", "file": "car.fbx", "words": "a car", "clips": {"drive": "Go"}, "speeds": {"drive": 9.0}, **REST}
HUT = {"name": "hut", "file": "hut.fbx", "words": "hut", "plural": "huts", **REST}
TOWER = {"name": "tower", "file": "tower.fbx", "words": "the tall tower", **REST}
HALL = {"name": "hall", "file": "hall.fbx", "words": "in a hall", "stage": True, **REST}
DAWN = {"name": "dawn", "file": "dawn.hdr", "words": "a sky at dawn", **REST}


def clip(length: float, wide: float, high: float, way: tuple[float, float] = (0.0, 0.0)) -> Clip:
    low, top = (-0.5 * length, -0.5 * wide, -0.1), (0.5 * length, 0.5 * wide, high - 0.1)
    return Clip(seconds=1.0, low=low, high=top, travel=(0.0, 0.0), way=way)


def measured(models: Sequence[Character | Scenery], **_: Any) -> list[Measure]:
    """What Blender would say of the models above."""
    clips = {
        "fox": {
            "Fox|Walk": clip(1.0, 0.3, 0.6, way=(0.7, 0.0)),
            "FoxGallop": clip(1.2, 0.3, 0.6, way=(3.5, 0.1)),
            "Fox_idle.1": clip(1.0, 0.3, 0.6),
            "CreatureTransition": clip(1.0, 0.3, 0.6),
        },
        "owl": {"A": clip(0.3, 0.4, 0.5), "B": clip(0.3, 0.4, 0.5)},
        "car": {"Go": clip(2.0, 1.0, 1.2)},
    }
    sizes = {"hut": 1.5, "tower": 3.0, "hall": 15.0}
    far = {"elevations_deg": [-4.0, 20.0, 80.0], "metres": [[12.0] * 36] * 3}
    found = []
    for one in models:
        size = sizes.get(one.name, 0.5)
        sight = far if isinstance(one, Scenery) and one.stage else {}
        corners = {"low": (0.0, -size, -1.0), "high": (2 * size, size, 3.0)}
        found.append(Measure(**corners, clips=clips.get(one.name, {}), sight=sight))
    return found


@pytest.fixture(autouse=True)
def no_blender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncam.render.blender.measure.measure_models", measured)


def config(tmp_path: Path, change: dict[str, Any] | None = None, **content: Any) -> RenderConfig:
    folder = tmp_path / "mine"
    folder.mkdir(exist_ok=True)
    for rows in content.values():
        for row in rows:
            (folder / row["file"]).write_text(row["name"])
    (folder / MANIFEST).write_text(json.dumps(content))
    values: dict[str, Any] = {"out": tmp_path, "assets": folder, "engine": "blender", "two_animals": 0.7}
    return RenderConfig(**(values | (change or {})))


def made(settings: RenderConfig, seed: int) -> tuple[OwnScene, np.ndarray]:
    eyes = sample_cameras(seed, 4, settings.num_frames, (48, 64), moving=0.5).positions.numpy()
    duration_s = (settings.num_frames - 1) / settings.fps
    return own_scene(settings, seed, generate_scene(seed, duration_s=duration_s, camera_positions=eyes), eyes), eyes


def test_the_same_seed_gives_the_same_scene_and_json_gives_it_again(tmp_path: Path) -> None:
    settings = config(tmp_path, characters=[FOX, OWL, CAR], scenery=[HUT, TOWER, HALL], environments=[DAWN])
    assert settings.assets is not None
    for seed in range(12):
        one, two = made(settings, seed)[0], made(settings, seed)[0]
        text = json.dumps(one.to_json(), allow_nan=False)
        assert text == json.dumps(two.to_json())
        again = OwnScene.from_json(json.loads(text), read_assets(settings.assets))
        assert json.dumps(again.to_json()) == text and again.scene == one.scene and again.ground == one.ground
        times = np.array([0.0, 0.5, 2.0])
        for placed, back in zip(one.placed, again.placed, strict=True):
            np.testing.assert_array_equal(placed.places(times), back.places(times))
    shown = [made(settings, seed)[0] for seed in range(12)]
    told = next(one.to_json() for one in shown if any(placed.asset.name == "fox" for placed in one.placed))
    larger = config(tmp_path, characters=[FOX | {"scale": 2.0}, OWL, CAR], scenery=[HUT, TOWER, HALL])
    content = json.loads((tmp_path / "mine" / MANIFEST).read_text()) | {"environments": [DAWN]}
    (tmp_path / "mine" / MANIFEST).write_text(json.dumps(content))
    assert larger.assets is not None
    assert OwnScene.from_json(told, read_assets(larger.assets)).to_json() == told, "the scale is that of the scene"
    (settings.assets / "fox.fbx").write_text("another fox")
    with pytest.raises(InputError, match=r"fox\.fbx is not the file that the scene was rendered with"):
        OwnScene.from_json(told, read_assets(settings.assets))
    with pytest.raises(InputError, match="give the folder"):
        OwnScene.from_json(told)


@pytest.mark.parametrize("frames", [9, 81])
def test_nobody_touches_anybody_or_comes_near_a_camera(tmp_path: Path, frames: int, monkeypatch) -> None:
    """As planned, and as the engine gets it."""
    import syncam.render.own_scenes as own_scenes

    plans: list[Any] = []
    plan = own_scenes.plan_cast
    monkeypatch.setattr(own_scenes, "plan_cast", lambda *a, **k: plans.append(plan(*a, **k)) or plans[-1])
    settings = config(tmp_path, {"num_frames": frames}, characters=[FOX, OWL, CAR])
    duration_s = (frames - 1) / settings.fps
    times = np.linspace(0, duration_s, frames)
    kinds: Counter = Counter()
    for seed in range(40):
        found, eyes = made(settings, seed)
        actors, kind = plans[-1]
        kinds[kind, len(actors)] += 1
        assert len(actors) == 1 or clearance(actors, duration_s) > 0
        for actor, placed in zip(actors, found.placed, strict=True):
            centres, radii = disc_places(actor, times, 0.5 * duration_s)
            ahead = placed.places(times)
            assert placed.z == pytest.approx(0.1 + placed.asset.above), "the lowest point is on the ground"
            np.testing.assert_allclose(centres.mean(1), ahead[:, :2], atol=1e-6)
            assert placed.rate == pytest.approx(placed.speed / actor.natural if placed.speed else 1.0)
            apart = np.linalg.norm(eyes[:, :, None, :2] - centres, axis=-1) - radii
            assert (apart[eyes[..., 2] < 1.0] > 0.3).all()
            assert np.linalg.norm(ahead[-1, :2] - ahead[0, :2]) < 4.5
        assert not found.scene.animals
    assert len(kinds) >= (6 if frames == 9 else 3) and {count for _, count in kinds} == {1, 2, 3}


def test_captions_name_what_is_there(tmp_path: Path) -> None:
    settings = config(tmp_path, characters=[FOX, OWL, CAR], scenery=[HUT, TOWER], environments=[DAWN])
    captions = []
    for seed in range(60):
        found, _ = made(settings, seed)
        captions.append(found.scene.caption)
        for placed in found.placed:
            words, plural = placed.asset.words, placed.asset.plural if isinstance(placed.asset, Scenery) else None
            assert words in found.scene.caption or (plural is not None and plural in found.scene.caption)
        assert "under a sky at dawn" in found.scene.caption and found.environment is not None
        assert all(prop.kind in RADII for prop in found.scene.props), "the panorama shows what is far"
    text = "\n".join(captions)
    for part in (
        "a fox walks",
        "an owl looks around",
        "a car drives",
        "side by side",
        "a hut",
        "huts",
        "the tall tower",
    ):
        assert part in text, part
    assert "a the" not in text and "a a " not in text


def test_scenery_stands_clear(tmp_path: Path) -> None:
    """Of cameras and of what they look at, of the scene's own animals, and of each other."""
    settings = config(tmp_path, scenery=[HUT, TOWER])
    counts: Counter = Counter()
    for seed in range(40):
        found, eyes = made(settings, seed)
        assert found.scene.animals and all(isinstance(one.asset, Scenery) for one in found.placed)
        counts.update([len(found.placed)])
        spots = []
        for one in found.placed:
            size = {"hut": 1.5, "tower": 3.0}[one.asset.name]
            turn = np.deg2rad(one.heading_deg)
            spots.append((np.array([one.x, one.y]) + size * np.array([np.cos(turn), np.sin(turn)]), size))
            assert one.z == 1.0
        ends = eyes.reshape(-1, 3)[:, :2]
        times = np.linspace(0, 2.0, 9)
        for index, (spot, size) in enumerate(spots):
            assert distance_to_segments(spot, ends).min() > KEEP_OUT + size
            assert all(np.linalg.norm(spot - other) > size + more for other, more in spots[:index])
            for animal in found.scene.animals:
                centres, radii = disc_places(animal, times, 1.0)
                assert (np.linalg.norm(centres - spot, axis=-1) - radii - size).min() > 0
        kinds = {prop.kind for prop in found.scene.props}
        sits = any(animal.gait == "sit" for animal in found.scene.animals)
        assert kinds.isdisjoint(set(RADII) - {"stool"}) and ("stool" in kinds) == sits
    assert max(counts) >= 3


def test_a_stage_takes_the_place_of_everything_around(tmp_path: Path) -> None:
    settings = config(tmp_path, characters=[OWL], scenery=[HALL])
    assert prepare_assets(settings)
    for seed in range(10):
        found, _ = made(settings, seed)
        assert [one.asset.name for one in found.placed] == ["owl", "hall"]
        assert not found.ground and not found.scene.props and " in a hall" in found.scene.caption
    small = config(tmp_path, {"radius": (12.5, 13.0)}, characters=[OWL], scenery=[HALL])
    with pytest.raises(
        InputError, match="hall: one sees at most 12 m from its middle, but the nearest camera is 12.5 m"
    ):
        prepare_assets(small)


def test_stages_are_only_used_where_all_cameras_see_the_middle() -> None:
    metres = [[20.0] * 36 for _ in range(3)]
    metres[0][9] = metres[1][9] = 2.0  # a pillar at +y
    pillar = {"elevations_deg": [0.0, 20.0, 80.0], "metres": metres}
    measure = Measure(low=(0, 0, 0), high=(1, 1, 1), clips={}, sight=pillar)
    eyes = np.array(
        [[5.0, 0.0, 1.0], [0.0, 5.0, 1.0], [0.0, 1.0, 0.8], [0.0, 0.5, 12.0], [-19.0, 0.0, 1.0], [-21, 0, 1]]
    )
    assert measure.clear_of(eyes).tolist() == [True, False, True, True, True, False]


def test_a_share_of_the_scenes(tmp_path: Path) -> None:
    """The others are exactly those without assets."""
    settings = config(tmp_path, {"assets_share": 0.4}, characters=[FOX])
    shown = 0
    for seed in range(60):
        found, eyes = made(settings, seed)
        shown += bool(found.placed)
        if not found.placed:
            assert found.scene == generate_scene(seed, duration_s=2.0, camera_positions=eyes)
            assert found.added == {} and set(found.to_json()) == {"scene"}
    assert 12 < shown < 36


def test_credits(tmp_path: Path) -> None:
    settings = config(tmp_path, characters=[FOX], environments=[DAWN])
    assert asset_credits(settings) == [
        ("fox", "fox", "CC0-1.0", "fox.fbx"),
        ("dawn", "a sky at dawn", "CC0-1.0", "dawn.hdr"),
    ]
    assert asset_credits(RenderConfig(out=tmp_path)) == []


def test_the_name_of_a_folder_is_that_of_its_content(tmp_path: Path) -> None:
    names = {prepare_assets(config(tmp_path, characters=[FOX])), prepare_assets(config(tmp_path, characters=[OWL]))}
    names.add(prepare_assets(config(tmp_path, characters=[FOX | {"licence": "CC-BY-4.0"}])))
    assert len(names) == 3
    (tmp_path / "elsewhere").mkdir()
    assert prepare_assets(config(tmp_path / "elsewhere", characters=[OWL])) in names
    assert prepare_assets(RenderConfig(out=tmp_path)) is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (FOX | {"name": "owl"}, "owl: the names of its animations (A, B) do not say what they are; give clips in the"),
        (FOX | {"name": "sideways"}, "its clip Walk goes sideways or backwards; set its turn_deg to 90 (it is 0)"),
        (FOX | {"name": "huge", "scale": 2.5}, "huge is 60 m large; characters are 0.05 to 12 m: its scale"),
        (FOX | {"speeds": {"swim": 1.0}}, "speeds names 'swim', but its clips are walk, run, stand"),
    ],
)
def test_what_measuring_finds(tmp_path: Path, row: dict, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(models: Sequence[Any], **_: Any) -> list[Measure]:
        if models[0].name in ("owl", "fox"):
            return measured(models)
        large = 60.0 if models[0].name == "huge" else 1.0
        walk = clip(large, 0.3, 0.6, way=(0.02, -0.7))
        return [Measure(low=(0, 0, 0), high=(large, 1, 1), clips={"Walk": walk}, sight={})]

    monkeypatch.setattr("syncam.render.blender.measure.measure_models", found)
    with pytest.raises(InputError) as caught:
        prepare_assets(config(tmp_path, characters=[row]))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_no_room(tmp_path: Path) -> None:
    settings = config(tmp_path, {"radius": (1.0, 1.2)}, characters=[CAR])
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    eyes = np.concatenate([radius * np.stack([np.cos(angles), np.sin(angles)], -1) for radius in (0.6, 2.3)])
    eyes = np.repeat(np.concatenate([eyes, np.full((48, 1), 0.8)], -1)[:, None], settings.num_frames, axis=1)
    message = r"there is no room for car among cameras 0\.6 m from the middle; give a larger radius"
    with pytest.raises(InputError, match=message):
        own_scene(settings, 0, generate_scene(0), eyes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--assets mine", "assets need engine blender, because the fast one draws no foreign models"),
        ("--assets mine --engine blender --content basic", "and content full; got engine blender, content basic"),
        ("--assets-share 0.5", "assets_share says how many scenes show assets; give assets"),
        ("--assets mine --engine blender --assets-share 2", "assets_share must be a fraction from 0 to 1, got 2"),
        ("--assets missing --engine blender", "missing/assets.json; docs/render.md shows"),
    ],
)
def test_options_that_do_not_go_together(
    tmp_path: Path, options: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config(tmp_path, characters=[FOX])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("syncam.render.dataset._engine_version", lambda config: "4.5.15")
    with pytest.raises(SystemExit, match="2"):
        cli.main(["render", "--out", "data", *options.split()])
    error = capsys.readouterr().err.strip()
    assert message in error and "\n" not in error


def test_cameras_show_own_characters_and_are_in_nothing_that_is_placed(tmp_path: Path) -> None:
    """A character that stays at the middle is seen by whom looks there; one aside is not; scenery is kept away from."""
    cameras = sample_cameras(2, 2, 3, (64, 96), radius_m=(5.0, 5.0))
    c2w, K, times = cameras.c2w.double().numpy(), cameras.K.double().numpy(), [0.0, 0.1, 0.2]
    framing = Framing(joints=0.5, frames=1.0)
    box = ((-0.4, -0.2, 0.0), (0.4, 0.2, 0.8))
    for name in ("fox.glb", "hut.glb"):
        (tmp_path / name).touch()
    fox = Character(name="fox", file=tmp_path / "fox.glb", words="fox", licence="CC0-1.0", clips={"idle": "Idle"})
    hut = Scenery(name="hut", file=tmp_path / "hut.glb", words="hut", licence="CC0-1.0")

    def faults(*placed: Placed) -> dict[int, str]:
        cast = cast_of_placed(placed, [box] * len(placed), times)
        assert cast is not None
        return faults_of_cast(cast, c2w, K, cameras.hw, framing)

    assert faults(Placed(asset=fox, clip="idle", heading_deg=70.0)) == {}
    away = faults(Placed(asset=fox, clip="idle", x=300.0, y=300.0))
    assert set(away.values()) == {"the subject is out of the picture"} and len(away) == 2
    x, y, z = c2w[1, 0, :3, 3]
    inside = Placed(asset=hut, x=float(x), y=float(y), z=float(z) - 0.4, heading_deg=30.0)
    assert faults(Placed(asset=fox, clip="idle"), inside) == {1: "within 0.25 m of the hut"}
    assert cast_of_placed([inside], [box], times) is None, "nobody to look at"


def test_a_planned_scene_films_its_own_characters(tmp_path: Path) -> None:
    settings = config(tmp_path, {"num_frames": 5, "num_views": 2}, characters=[FOX], scenery=[HUT])
    for index in range(3):
        take = compose(settings, index)
        assert len(take.own.boxes) == len(take.own.placed) > 0
        times = [frame / settings.fps for frame in range(5)]
        cast = cast_of_placed(take.own.placed, take.own.boxes, times)
        c2w, K = take.cameras.c2w.double().numpy(), take.cameras.K.double().numpy()
        assert cast is not None and faults_of_cast(cast, c2w, K, settings.hw, settings.rule.framing) == {}

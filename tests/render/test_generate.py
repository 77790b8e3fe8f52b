"""Seeded scenes of the basic content and rigs: reproducible, varied, named rightly, and nothing stands in the way."""

import dataclasses
import json
import re
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from render.examples import skinned
from syncam.cameras import Cameras
from syncam.errors import InputError
from syncam.render import generate
from syncam.render.basic import basic_caption
from syncam.render.generate import sample_cameras
from syncam.render.props import RADII, prop_mesh
from syncam.render.scene import (
    BASIC_COLOURS,
    BASIC_GROUNDS,
    BASIC_PROPS,
    BASIC_SKIES,
    GAITS,
    GROUNDS,
    PROPS,
    SKIES,
    Scene,
)
from syncam.render.species import BASIC_SPECIES

HW = (48, 64)
generate_scene = partial(generate.generate_scene, content="basic")
SEEDS = range(40)
DURATION_S = 2.0
TIMES = np.linspace(0, DURATION_S, 5)


def complete(seed: int, moving: float = 0.5) -> tuple[Scene, Cameras]:
    """A scene with all it may have, and the rig it was made for."""
    cameras = sample_cameras(seed, 4, 5, HW, moving=moving)
    made = generate_scene(
        seed, duration_s=DURATION_S, two_animals=0.5, props=1.0, camera_positions=cameras.positions.numpy()
    )
    return made, cameras


def test_the_same_seed_gives_the_same_scene_and_rig() -> None:
    for seed in SEEDS:
        (made, cameras), (again, same) = complete(seed), complete(seed)
        assert json.dumps(made.to_json()) == json.dumps(again.to_json())
        assert torch.equal(cameras.c2w, same.c2w) and torch.equal(cameras.K, same.K)


def test_other_seeds_give_other_scenes_and_rigs() -> None:
    scenes = {json.dumps(dataclasses.asdict(generate_scene(seed)) | {"seed": 0}) for seed in range(300)}
    assert len(scenes) == 300
    assert len({sample_cameras(seed, 1, 1, HW).c2w.numpy().tobytes() for seed in range(50)}) == 50


def test_nothing_depends_on_what_else_was_generated() -> None:
    alone = generate_scene(7)
    np.random.seed(3)
    generate_scene(8)
    assert generate_scene(7) == alone


def test_cameras_only_move_props() -> None:
    for seed in SEEDS:
        with_rig, without = generate_scene(seed, camera_positions=np.array([[4.0, 0, 1]])), generate_scene(seed)
        assert (with_rig.animals, with_rig.ground, with_rig.sky, with_rig.sun) == (
            without.animals,
            without.ground,
            without.sky,
            without.sun,
        )


def test_everything_occurs_about_as_often_as_it_should() -> None:
    scenes = [generate_scene(seed) for seed in range(600)]
    found = {
        "species": (BASIC_SPECIES, Counter(one.species for made in scenes for one in made.animals)),
        "colour": (BASIC_COLOURS, Counter(one.colour for made in scenes for one in made.animals)),
        "ground": (BASIC_GROUNDS, Counter(made.ground for made in scenes)),
        "sky": (BASIC_SKIES, Counter(made.sky for made in scenes)),
        "gait": (("walk", "trot", "turn"), Counter(made.animals[0].gait for made in scenes)),
    }
    for what, (table, counts) in found.items():
        assert set(counts) == set(table), what
        assert min(counts.values()) > 0.6 * sum(counts.values()) / len(table), (what, counts)
    assert {made.props[0].kind for made in scenes if made.props} == set(BASIC_PROPS)
    assert np.mean([len(made.animals) == 2 for made in scenes]) == pytest.approx(0.2, abs=0.06)
    assert np.mean([bool(made.props) for made in scenes]) == pytest.approx(0.6, abs=0.08)


def test_probabilities_of_zero_and_one() -> None:
    for seed in SEEDS:
        bare, full = (generate_scene(seed, two_animals=p, props=p) for p in (0.0, 1.0))
        assert len(bare.animals) == 1 and not bare.props
        assert len(full.animals) == 2 and full.props
        assert full.animals[0].species != full.animals[1].species
        assert full.animals[0].colour != full.animals[1].colour


def test_numbers_lie_in_their_ranges() -> None:
    for seed in SEEDS:
        made = generate_scene(seed, duration_s=3.0)
        low, high = SKIES[made.sky].sun_elevation_deg
        assert low <= made.sun.elevation_deg <= high and 0 <= made.sun.azimuth_deg < 360
        assert made.middle_s == 1.5 and made.seed == seed
        for one in made.animals:
            assert 0.3 < one.speed < 1.2
            assert (one.turn_deg_per_s != 0) == (one.gait == "turn")


def test_captions_name_what_is_there_in_known_words() -> None:
    vocabulary = {"a", "and", "on", "under", "with", *BASIC_COLOURS, *BASIC_SPECIES, *PROPS.values()}
    vocabulary |= {verb for verbs in GAITS.values() for verb in verbs}
    vocabulary |= {word for thing in (*GROUNDS.values(), *SKIES.values()) for word in thing.words.split()}
    for seed in range(200):
        made = generate_scene(seed, two_animals=0.5)
        words = made.caption.replace(",", "").split()
        assert set(words) <= vocabulary | {"an"}
        names = " and ".join(f"an? {one.colour} {one.species}" for one in made.animals)
        verb = GAITS[made.animals[0].gait][len(made.animals) - 1]
        place = f"on {GROUNDS[made.ground].words} under {SKIES[made.sky].words}"
        things = f", with {PROPS[made.props[0].kind]}" if made.props else ""
        assert re.fullmatch(f"{names} {verb} {place}{things}", made.caption), made.caption
        assert made.caption == basic_caption(made.animals, made.ground, made.sky, made.props)
        assert len({one.gait for one in made.animals}) == len({prop.kind for prop in made.props} or {0}) == 1


def test_two_animals_do_not_touch() -> None:
    """Between their paths lies a line that neither crosses."""
    for seed in range(25):
        made = generate_scene(seed, duration_s=DURATION_S, two_animals=1.0)
        heading = np.deg2rad(made.animals[0].heading_deg)
        left = np.array([-np.sin(heading), np.cos(heading), 0.0])
        first, second = (skinned(one, TIMES, made.middle_s) @ left for one in made.animals)
        assert first.min() - second.max() > 0.02, seed


def test_props_stand_clear_of_each_other_and_of_the_animals() -> None:
    for seed in range(25):
        made, _ = complete(seed)
        for i, prop in enumerate(made.props):
            for other in made.props[:i]:
                apart = np.hypot(prop.x - other.x, prop.y - other.y)
                assert apart > RADII[prop.kind] * prop.scale + RADII[other.kind] * other.scale
            for one in made.animals:
                place = skinned(one, TIMES, made.middle_s)[..., :2] - [prop.x, prop.y]
                assert np.hypot(*place.reshape(-1, 2).T).min() > RADII[prop.kind] * prop.scale, seed


def test_cameras_are_in_the_open() -> None:
    """Above the ground, outside of animals and props, and no prop is on the line to the target."""
    for seed in range(25):
        made, cameras = complete(seed)
        eyes = cameras.positions.reshape(-1, 3).numpy()
        assert eyes[:, 2].min() > 0.2
        for one in made.animals:
            vertices = skinned(one, TIMES, made.middle_s).reshape(-1, 3)[::3]
            assert np.linalg.norm(vertices[:, None] - eyes[None], axis=-1).min() > 0.5, seed
        lines = (np.linspace(0, 1, 9)[:, None, None] * eyes[:, :2]).reshape(-1, 2)
        for prop in made.props:
            reach = np.hypot(*prop_mesh(prop.kind).position[:, :2].T).max() * prop.scale
            assert np.hypot(*(lines - [prop.x, prop.y]).T).min() > reach + 0.5, seed


def test_the_animal_is_in_every_picture() -> None:
    """Most of its vertices are in view at mid-clip, and some of them in every frame."""
    for seed in SEEDS:
        made, cameras = complete(seed)
        for one in made.animals:
            vertices = skinned(one, TIMES, made.middle_s)[:, ::7]
            for frame in range(len(TIMES)):
                uv, depth = cameras.frames(frame).project(torch.from_numpy(vertices[frame]))
                size = torch.tensor([HW[1], HW[0]])
                seen = ((uv > 0) & (uv < size)).all(-1) & (depth > 0)
                share = seen.double().mean(-1)
                assert share.min() > (0.5 if frame == 2 else 0.1), (seed, frame, share)


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 3])
def test_rigs(views: int, frames: int) -> None:
    for seed in range(10):
        cameras = sample_cameras(
            seed, views, frames, HW, radius_m=(4.0, 5.0), elevation_deg=(10.0, 20.0), target=(0.1, 0.2, 0.9)
        )
        assert (cameras.num_views, cameras.num_frames, cameras.hw) == (views, frames, HW)
        assert cameras.is_static
        away = cameras.positions - torch.tensor([0.1, 0.2, 0.9])
        radius = away.norm(dim=-1)
        elevation = torch.rad2deg(torch.asin(away[..., 2] / radius))
        assert radius.min() >= 4 - 1e-6 and radius.max() <= 5 + 1e-6
        assert elevation.min() >= 10 - 1e-4 and elevation.max() <= 20 + 1e-4
        uv, depth = cameras.project(torch.tensor([[0.1, 0.2, 0.9], [0.1, 0.2, 1.4]]))
        torch.testing.assert_close(uv[..., 0, :], torch.tensor([32.0, 24.0]).expand(views, frames, 2).to(uv))
        torch.testing.assert_close(depth[..., 0], radius)
        assert (uv[..., 1, 1] < 24).all(), "up in the world is up in the picture"
        torch.testing.assert_close(uv[..., 1, 0], torch.full((views, frames), 32.0).to(uv))
        assert cameras.K[0, 0, 0, 0].item() == pytest.approx(24 / 23.76 * 64)


@pytest.mark.parametrize(("views", "frames"), [(0, 1), (1, 0)])
def test_rigs_without_cameras_are_refused(views: int, frames: int) -> None:
    with pytest.raises(InputError, match="at least one view and one frame"):
        sample_cameras(0, views, frames, HW)


def test_views_may_share_their_distance_and_elevation() -> None:
    together, apart = (sample_cameras(0, 3, 1, HW, independent=value) for value in (False, True))
    assert together.positions[..., 2].std() < 1e-9 < 1e-2 < apart.positions[..., 2].std()


def test_moving_rigs_move_smoothly_and_stay_in_range() -> None:
    kinds = set()
    for seed in range(30):
        cameras = sample_cameras(seed, 2, 9, HW, moving=1.0, radius_m=(3.5, 9.0))
        assert not cameras.is_static
        steps = cameras.positions.diff(dim=1).norm(dim=-1)
        assert 0 < steps.max() < 0.8
        radius = (cameras.positions - torch.tensor([0.0, 0.0, 0.8])).norm(dim=-1)
        assert radius.min() > 3.4 and radius.max() < 9.3
        for view in range(2):
            turns = cameras.c2w[view, :, :3, :3].diff(dim=0).abs().max() > 1e-6
            nears = radius[view].diff().abs().max() > 0.02
            kinds.add((bool(turns), bool(nears)))
    assert len(kinds) >= 2


def test_the_basic_content_never_changes() -> None:
    """Scenes that the built-in model was trained on, as they were before there was any other content."""
    for stored in json.loads((Path(__file__).parent / "basic_scenes.json").read_text()):
        cameras = sample_cameras(stored["seed"], 4, 5, (64, 64), moving=0.3)
        made = generate_scene(stored["seed"], two_animals=0.3, camera_positions=cameras.positions.numpy())
        assert json.loads(json.dumps(made.to_json())) == stored

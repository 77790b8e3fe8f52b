"""Scenes of the full content: varied, named rightly, nobody touches anybody, nothing stands in the way."""

import json
from collections import Counter

import numpy as np
import pytest

from render.examples import skinned
from syncam.errors import InputError
from syncam.render.captions import caption
from syncam.render.environments import ENVIRONMENTS
from syncam.render.gait import seat_place
from syncam.render.generate import generate_scene, sample_cameras
from syncam.render.interactions import INTERACTIONS, clearance, disc_places
from syncam.render.prop_motion import MOVING, prop_bones
from syncam.render.props import PALETTES, RADII, prop_mesh
from syncam.render.scene import GROUNDS, PATTERNS, PROPS, SKIES, WEATHERS, Prop, Scene
from syncam.render.species import SPECIES

DURATION_S = 2.0
TIMES = np.linspace(0, DURATION_S, 9)


def complete(seed: int) -> tuple[Scene, np.ndarray]:
    """A scene with props, and the camera positions [V, F, 3] it was made for."""
    eyes = sample_cameras(seed, 4, 5, (48, 64), moving=0.5).positions.numpy()
    return generate_scene(seed, duration_s=DURATION_S, props=1.0, two_animals=0.8, camera_positions=eyes), eyes


def test_the_same_seed_gives_the_same_scene() -> None:
    for seed in range(12):
        assert json.dumps(complete(seed)[0].to_json()) == json.dumps(complete(seed)[0].to_json())


def test_json_there_and_back() -> None:
    for seed in range(40):
        made, _ = complete(seed)
        text = json.dumps(made.to_json(), allow_nan=False)
        assert Scene.from_json(json.loads(text)) == made


def test_there_is_everything() -> None:
    scenes = [generate_scene(seed, two_animals=0.7) for seed in range(500)]
    cast = [one for made in scenes for one in made.animals]
    assert {one.species for one in cast} == set(SPECIES)
    assert {one.pattern for one in cast} == set(PATTERNS)
    assert {made.environment for made in scenes} == set(ENVIRONMENTS)
    assert {made.weather for made in scenes} == set(WEATHERS)
    assert {made.sky for made in scenes} == set(SKIES) - {"overcast"}
    assert {made.interaction for made in scenes} == {"", *INTERACTIONS}
    assert {one.gait for one in cast} >= {"walk", "run", "wave", "dance", "sit", "eat", "stand", "turn", "trot"}
    assert {prop.kind for made in scenes for prop in made.props} == set(PROPS)
    assert set(Counter(len(made.animals) for made in scenes)) == {1, 2, 3}
    assert len({made.caption for made in scenes}) > 490


def test_environments_name_things_that_exist() -> None:
    assert len(ENVIRONMENTS) >= 10
    for place in ENVIRONMENTS.values():
        assert set(place.grounds) <= set(GROUNDS) and set(place.skies) <= set(SKIES)
        assert set(place.weathers) <= set(WEATHERS) and set(place.props) <= set(RADII)
        assert set(place.far) <= set(PALETTES)


def test_nobody_runs_through_anybody() -> None:
    for seed in range(60):
        made, _ = complete(seed)
        if len(made.animals) > 1:
            assert clearance(made.animals, DURATION_S) > 0, (seed, made.interaction)


def test_discs_hold_the_characters() -> None:
    """Seen from above, nothing but tails and arms reaches out of a character's discs, and that not far."""
    for seed in range(25):
        made, _ = complete(seed)
        for one in made.animals:
            vertices = skinned(one, TIMES, made.middle_s)[..., :2]
            places, radii = disc_places(one, TIMES, made.middle_s)
            out = np.linalg.norm(vertices[:, :, None] - places[:, None], axis=-1) - radii
            assert out.min(axis=2).max() < 0.12, (seed, one.species, one.gait)


def test_those_who_meet_come_near_and_stop() -> None:
    found = 0
    for seed in range(200):
        made = generate_scene(seed, duration_s=DURATION_S, two_animals=1.0)
        if made.interaction != "meet":
            continue
        found += 1
        a, b = (disc_places(one, np.array([0.0, 9.0, 10.0]), made.middle_s)[0].mean(axis=1) for one in made.animals)
        apart = np.linalg.norm(a - b, axis=1)
        assert apart[0] > apart[1] + 0.3 and apart[1] == apart[2]
    assert found > 10


def test_props_stand_clear_of_characters_cameras_and_lines_of_sight() -> None:
    for seed in range(40):
        made, eyes = complete(seed)
        flat = eyes.reshape(-1, 3)[:, :2]
        lines = (np.linspace(0, 1, 9)[:, None, None] * flat).reshape(-1, 2)
        seats = {seat_place(one)[:2] for one in made.animals if one.gait == "sit"}
        around = [p for p in made.props if p.kind in RADII and (p.x, p.y) not in seats]
        bodies = [disc_places(one, TIMES, made.middle_s) for one in made.animals]
        for prop in around:
            for place in positions(prop, made.middle_s):
                radius = RADII[prop.kind] * prop.scale
                assert np.hypot(*(lines - place).T).min() > radius + 1.0, (seed, prop)
                for places, radii in bodies:
                    assert (np.linalg.norm(places - place, axis=-1) - radii).min() > radius, (seed, prop)


def positions(prop: Prop, middle_s: float) -> np.ndarray:
    """Where a prop is, [F, 2], in the course of the clip."""
    if prop.kind != "ball":
        return np.array([[prop.x, prop.y]])
    return (prop_bones(prop, TIMES, middle_s)[:, 1] @ [0.0, 0.0, 0.34, 1.0])[:, :2]


def test_cameras_are_inside_of_the_scenery() -> None:
    for seed in range(60):
        made, eyes = complete(seed)
        flat = eyes.reshape(-1, 3)
        away = np.hypot(flat[:, 0], flat[:, 1]).max()
        for prop in made.props:
            if prop.kind == "room":
                assert np.abs(flat[:, :2]).max() < prop.scale - 0.5 and flat[:, 2].max() < 0.62 * prop.scale
            if prop.kind.endswith("house"):
                front = np.deg2rad(prop.yaw_deg)
                to_eyes = (flat[:, :2] - [prop.x, prop.y]) @ [np.cos(front), np.sin(front)]
                assert to_eyes.min() > 0.3, (seed, prop)
            if prop.kind == "sea":
                assert away < 9.6 * prop.scale


def test_captions() -> None:
    for seed in range(60):
        made, _ = complete(seed)
        assert made.caption == caption(made)
        for one in made.animals:
            assert one.species in made.caption and one.colour in made.caption
            if one.pattern != "plain":
                assert f"{one.second} {PATTERNS[one.pattern]}" in made.caption
        assert ENVIRONMENTS[made.environment].words in made.caption
        assert SKIES[made.sky].time in made.caption and WEATHERS[made.weather] in made.caption
        assert " a orange" not in made.caption and "  " not in made.caption


@pytest.mark.parametrize("kind", MOVING)
def test_moving_props_move_and_keep_their_fixed_part(kind: str) -> None:
    prop = Prop(kind, 3.0, -1.0, 40.0, 1.1)
    bones = prop_bones(prop, TIMES, 1.0)
    assert bones.shape == (9, 2, 4, 4) and np.ptp(bones[:, 0], axis=0).max() == 0
    assert np.ptp(bones[:, 1], axis=0).max() > 0.05
    assert set(np.unique(prop_mesh(kind).bones)) <= {0, 1}
    rotation = bones[..., :3, :3] / 1.1
    square = rotation @ np.swapaxes(rotation, -1, -2)
    np.testing.assert_allclose(square, np.broadcast_to(np.eye(3), square.shape), atol=1e-9)


def test_a_ball_rolls_without_sliding() -> None:
    """The point of it that touches the ground does not move."""
    step = 1e-5
    bones = prop_bones(Prop("ball", 3.0, -1.0, 40.0, 1.1), np.array([1.3, 1.3 + step]), 1.0)[:, 1]
    touching = np.linalg.inv(bones[0]) @ [*(bones[0] @ [0, 0, 0.34, 1.0])[:2], 0.0, 1.0]
    assert np.linalg.norm((bones[1] - bones[0]) @ touching) / step < 1e-3


def test_unknown_content() -> None:
    with pytest.raises(InputError, match="content is 'fancy'; expected one of full, basic"):
        generate_scene(0, content="fancy")

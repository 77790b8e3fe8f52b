"""A scene as a value: JSON there and back, and only known words."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from render.examples import animal, scene
from syncam.errors import InputError
from syncam.render.generate import generate_scene
from syncam.render.scene import BASIC_COLOURS, COLOURS, GROUNDS, SKIES, Prop, Scene


@pytest.mark.parametrize("seed", range(8))
def test_json_there_and_back(seed: int) -> None:
    made = generate_scene(seed, two_animals=0.5)
    text = json.dumps(made.to_json(), allow_nan=False)
    again = Scene.from_json(json.loads(text))
    assert again == made
    assert json.dumps(again.to_json()) == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ground": "lava"}, "ground is 'lava'; expected one of grass, sand"),
        ({"sky": "green"}, "sky is 'green'; expected one of blue"),
        ({"animals": (animal(colour="mauve"),)}, "colour is 'mauve'; expected one of red"),
        ({"animals": (dataclasses.replace(animal(), gait="fly"),)}, "gait is 'fly'; expected one of walk, trot, turn"),
        ({"animals": (animal(pattern="paisley"),)}, "pattern is 'paisley'; expected one of plain, spots"),
        ({"animals": (animal(pattern="spots"),)}, "the pattern 'spots' of the horse needs a second colour"),
        ({"animals": (animal(second="beige"),)}, "second colour is 'beige'; expected one of red"),
        ({"environment": "moon"}, "environment is 'moon'; expected one of meadow"),
        ({"weather": "hail"}, "weather is 'hail'; expected one of clear"),
        ({"props": (Prop("piano", 5.0, 0.0, 0.0, 1.0),)}, "prop is 'piano'; expected one of conifer"),
    ],
)
def test_unknown_words_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scene(**change)


@pytest.mark.parametrize(
    "change",
    [{"sun": None}, {"sun": {"azimuth": 3}}, {"animals": [{"species": "horse"}]}, {"mood": "glad"}, {"props": 7}],
    ids=str,
)
def test_other_json_is_refused_in_one_line(change: dict[str, Any]) -> None:
    data = scene(animal()).to_json() | change
    with pytest.raises(InputError, match=r"^this is not a scene as Scene\.to_json writes it: .*; render .* again$"):
        Scene.from_json(data)


def test_a_missing_part_is_named() -> None:
    data = scene(animal()).to_json()
    del data["sun"]
    with pytest.raises(InputError, match="KeyError.'sun'."):
        Scene.from_json(data)


def test_scenes_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        scene().ground = "sand"  # type: ignore[misc]


def test_colours_are_colours() -> None:
    """All in [0, 1], and coats far enough apart to be told from each other."""
    table = [*COLOURS.values()]
    for ground in GROUNDS.values():
        table += [ground.light, ground.dark]
    for sky in SKIES.values():
        table += [sky.zenith, sky.horizon, sky.sunlight, sky.ambient]
        low, high = sky.sun_elevation_deg
        assert 0 < low < high < 90
    assert np.min(table) >= 0 and np.max(table) <= 1
    coats = np.array([COLOURS[name] for name in BASIC_COLOURS])
    apart = np.linalg.norm(coats[:, None] - coats[None], axis=-1)
    assert apart[~np.eye(len(coats), dtype=bool)].min() > 0.3

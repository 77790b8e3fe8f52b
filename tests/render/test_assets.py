"""A folder of assets: what its manifest may say, and what is said where it is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncam.errors import InputError
from syncam.render.assets import MANIFEST, Placed, read_assets

FOX = {"name": "fox", "file": "fox.glb", "words": "fox", "licence": "CC0-1.0", "clips": {"walk": "Walk"}}
BARN = {"name": "barn", "file": "in/barn.usdc", "words": "a barn", "licence": "CC0-1.0", "scale": 0.01, "up": "y"}
DAWN = {"name": "dawn", "file": "dawn.hdr", "words": "a sky at dawn", "licence": "CC0-1.0", "strength": 2.0}


def folder(tmp_path: Path, **content: Any) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("fox.glb", "in/barn.usdc", "dawn.hdr", "fox.obj"):
        (tmp_path / name).write_text("")
    (tmp_path / MANIFEST).write_text(json.dumps(content))
    return tmp_path


def test_a_manifest(tmp_path: Path) -> None:
    assets = read_assets(folder(tmp_path, characters=[FOX], scenery=[BARN], environments=[DAWN]))
    assert assets.characters["fox"].clips == {"walk": "Walk"}
    assert assets.scenery["barn"].file == tmp_path.resolve() / "in" / "barn.usdc"
    assert assets.environments["dawn"].strength == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licens": "x"}, r"characters\[0\] \(fox\) has the unknown key 'licens'; did you mean licence\?"),
        ({"file": "wolf.glb"}, r"\(fox\): there is no file .*wolf\.glb"),
        ({"file": "fox.obj"}, r"file must end in one of \.glb, .*, got fox\.obj"),
        ({"file": "../fox.glb"}, "file must lie below"),
        ({"file": 3}, "file must be words, got 3"),
        ({"scale": 0}, "scale must be a positive number, got 0"),
        ({"scale": "1"}, "scale must be a number, got .1."),
        ({"up": "x"}, "up must be y or z, got 'x'"),
        ({"turn_deg": None}, "turn_deg must be a number, got null"),
        ({"fps": 30}, r"fps belongs to USD files only; fox\.glb says it itself"),
        ({"clips": ["Walk"]}, "clips must be an object of words"),
        ({"clips": {}}, "clips must name at least one animation"),
        ({"words": " "}, "words must be words, got ' '"),
        ({"max_triangles": 1.5}, "max_triangles must be a whole number, got 1.5"),
        ({"max_triangles": 0}, "max_triangles must be a positive number, got 0"),
        ({"speeds": {"walk": "fast"}}, "speeds must be an object of numbers"),
        ({"speeds": {"walk": 0}}, "speeds must be positive, metres per second, got 0"),
        ({"speeds": {"run": 3}}, "speeds names 'run', which clips does not; it has walk"),
        ({"stage": True}, r"\(fox\) has the unknown key 'stage'"),
    ],
)
def test_bad_entries(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_assets(folder(tmp_path, characters=[FOX | change]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage": "yes"}, "stage must be true or false, got .yes."),
        ({"ground": True}, "ground belongs to scenery that is a stage"),
        ({"stage": True, "plural": "barns"}, "plural and above belong to scenery that is no stage"),
    ],
)
def test_bad_scenery(tmp_path: Path, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_assets(folder(tmp_path, scenery=[BARN | change]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"character": []}, "unknown key 'character'; did you mean characters"),
        ({"characters": {}}, "characters must be a list of objects"),
        ({"characters": [FOX, FOX]}, r"characters\[1\] \(fox\): there are two of that name"),
        ({"characters": [{"name": "fox"}]}, "lacks file, words, licence"),
    ],
)
def test_bad_manifests(tmp_path: Path, content: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_assets(folder(tmp_path, **content))


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no .*assets.json"):
        read_assets(tmp_path)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_assets(tmp_path)


def test_places_follow_the_heading(tmp_path: Path) -> None:
    assets = read_assets(folder(tmp_path, characters=[FOX], scenery=[BARN]))
    fox = Placed(asset=assets.characters["fox"], clip="walk", x=1.0, heading_deg=90.0, speed=2.0)
    np.testing.assert_allclose(fox.places(np.array([3.0, 3.5])), [[1, 0, np.pi / 2], [1, 1, np.pi / 2]], atol=1e-12)
    round_ = Placed(
        asset=assets.characters["fox"], clip="walk", x=2.0, heading_deg=90.0, speed=np.pi, turn_deg_per_s=90
    )
    np.testing.assert_allclose(round_.places(np.array([1.0, 2.0, 5.0]))[:, :2], [[2, 0], [0, 2], [2, 0]], atol=1e-12)
    with pytest.raises(InputError, match="rate must be a positive number, got 0"):
        Placed(asset=assets.characters["fox"], clip="walk", rate=0)
    with pytest.raises(InputError, match="clip of fox must be one of walk, got 'run'"):
        Placed(asset=assets.characters["fox"], clip="run")
    with pytest.raises(InputError, match="clip of barn must be one of None, got 'walk'"):
        Placed(asset=assets.scenery["barn"], clip="walk")

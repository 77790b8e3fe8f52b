"""Rigs in words: every key has its effect, every mistake its line; and the table that shows a rig."""

import inspect
import re
from pathlib import Path

import pytest
import torch

from cameras.examples import DATA, random_cameras
from syncam.cameras import (
    DEFAULT_RIG,
    RIG_WORDS,
    Cameras,
    arc,
    describe,
    film,
    hemi36,
    hemisphere,
    linear,
    orbit,
    parse_rig,
    save_rig,
    spread_out,
    stereo,
    still,
    write_cameras,
)
from syncam.cameras.rig import BUILDERS
from syncam.errors import InputError
from syncam.rig_words import RIG_KEYS, rig_help

SHAPE = {"num_frames": 5, "hw": (48, 80)}
FILE = DATA / "camera_extrinsics.json"
PAGE = Path(__file__).parents[2] / "docs" / "rig.md"


def same(one: Cameras, other: Cameras) -> bool:
    return torch.equal(one.c2w, other.c2w) and torch.equal(one.K, other.K) and one.hw == other.hw


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (DEFAULT_RIG, hemisphere(views=4, radius=5.0, elevation_deg=15.0, span_deg=90.0, **SHAPE)),
        ("hemisphere", hemisphere(views=4, radius=5.0, **SHAPE)),
        ("hemisphere:views=1", hemisphere(views=1, radius=5.0, **SHAPE)),
        (" hemisphere : views = 2 , radius = 3.5 ,", hemisphere(views=2, radius=3.5, **SHAPE)),
        (
            "hemisphere:views=3,span=360,azimuth=20",
            hemisphere(views=3, radius=5, span_deg=360, azimuth_deg=20, **SHAPE),
        ),
        ("hemisphere:focal=35,sensor=36", hemisphere(views=4, radius=5.0, focal_mm=35.0, sensor_mm=36.0, **SHAPE)),
        ("orbit:views=1,elevation=30,move=-90", orbit(views=1, radius=5, elevation_deg=30, move_deg=-90, **SHAPE)),
        ("arc:views=2,span=40,move=10", arc(views=2, radius=5.0, span_deg=40.0, move_deg=10.0, **SHAPE)),
        ("still:azimuth=30", still(azimuth_deg=30, **SHAPE)),
        ("linear:views=3,spacing=0.2,converge=5", linear(views=3, spacing=0.2, converge=5, **SHAPE)),
        ("stereo:baseline=0.1", stereo(baseline=0.1, **SHAPE)),
        ("film:subjects=1", film(subjects=1, **SHAPE)),
        ("hemi36:radius=7,elevation=45", hemi36(radius=7, elevation_deg=45, **SHAPE)),
        ("upper_hemi:views=3", spread_out(pattern="upper_hemi", views=3, **SHAPE)),
    ],
)
def test_words(spec: str, expected: Cameras) -> None:
    assert same(parse_rig(spec, **SHAPE), expected)


@pytest.mark.parametrize(("word", "key"), [(word, key) for word, entry in RIG_WORDS.items() for key in entry.keys])
def test_every_key_has_an_effect(word: str, key: str) -> None:
    number = {"views": "3", "focal": "50", "sensor": "30", "subjects": "1", "spread": "0.2"}.get(key, "7")
    assert not same(parse_rig(f"{word}:{key}={number}", **SHAPE), parse_rig(word, **SHAPE))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "unknown rig ''; known rigs: hemisphere, arc, orbit, still, linear"),
        ("", "upper_hemi, interpolate, or a camera file such as rig.json; known moves: arc, orbit, spiral"),
        ("hemisfere", "unknown rig 'hemisfere' (did you mean 'hemisphere'?); known rigs: hemisphere, arc, orbit"),
        ("pann 20", "unknown rig 'pann 20' (did you mean 'pan'?)"),
        ("hemisphere views=2", "rig hemisphere is followed by 'views=2'; keys come after a colon, moves after then"),
        ("Orbit:views=2", "unknown rig 'Orbit' (did you mean 'orbit'?)"),
        ("spiral:views=2", "spiral is a move, not a rig; expected a move such as 'spiral 90deg'"),
        ("hemi36:views=2", "rig hemi36 has no key 'views'"),
        ("film:subjects=1.5", "subjects must be a whole number (number of people or animals"),
        (
            "hemisphere:view=2",
            "rig hemisphere has no key 'view' (did you mean 'views'?); "
            "its keys: views, radius, elevation, azimuth, focal, sensor, span",
        ),
        ("hemisphere:move=30", "rig hemisphere has no key 'move'; its keys: views"),
        ("orbit:span=30", "rig orbit has no key 'span'"),
        ("orbit:views=2,views=3", "rig orbit: views stands there twice, as 2 and as 3; keep one"),
        ("orbit:views=many", "rig orbit: views must be a whole number (number of cameras), got 'many'"),
        ("orbit:views=2.5", "rig orbit: views must be a whole number (number of cameras), got '2.5'"),
        ("orbit:radius=", "rig orbit: radius must be a number (distance to the target, metres), got ''"),
        ("orbit:radius", "rig orbit: radius must be a number (distance to the target, metres), got 'nothing'"),
        ("orbit:radius=5m", "got '5m'"),
        ("orbit:views=2;radius=5", "views must be a whole number (number of cameras), got '2;radius=5'"),
        ("hemisphere:views=0", "a rig needs at least one view and one frame, got views=0"),
        ("hemisphere:radius=-2", "rig: radius must be positive, got -2"),
        ("hemisphere:radius=inf", "rig: radius must be a finite number, got inf"),
        ("hemisphere:span=400", "rig: span must lie in 0..360 degrees, got 400"),
        ("hemisphere:elevation=-60", "puts the cameras under the ground; raise it"),
        ("none.json", "camera file none.json does not exist"),
        ("none.json#cam01", "camera file none.json does not exist"),
    ],
)
def test_mistakes(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        parse_rig(spec, **SHAPE)
    assert "\n" not in str(caught.value)


def test_files_and_choices_of_cameras() -> None:
    everything = parse_rig(str(FILE), num_frames=9, hw=(48, 80))
    assert everything.c2w.shape == (3, 9, 4, 4) and everything.hw == (48, 80)
    assert same(parse_rig(f"{FILE}#cam03, cam01", num_frames=9, hw=(48, 80)), everything.view([2, 0]))
    assert same(parse_rig(f"{FILE}#", num_frames=9, hw=(48, 80)), everything)
    with pytest.raises(InputError, match="lacks camera cam11"):
        parse_rig(f"{FILE}#cam11", num_frames=9, hw=(48, 80))


def test_still_files_last_as_long_as_the_video() -> None:
    ring = parse_rig(str(DATA / "ring_first_release.json"), num_frames=7, hw=(48, 80))
    assert ring.c2w.shape == (4, 7, 4, 4) and ring.is_static


def test_moving_files_have_to_be_as_long_as_the_video() -> None:
    with pytest.raises(InputError, match="has 9 frames but the video has 5; ask for 9 frames or give a rig of 5"):
        parse_rig(str(FILE), **SHAPE)


def test_files_say_themselves_how_long_and_how_large_they_are(tmp_path: Path) -> None:
    cameras = random_cameras(2)
    save_rig(tmp_path / "rig.json", cameras)
    assert same(parse_rig(str(tmp_path / "rig.json")), cameras)
    assert parse_rig(str(FILE), hw=(48, 80)).num_frames == 9
    with pytest.raises(InputError, match=r"does not say how large the pictures are; give their height and width"):
        parse_rig(str(FILE))
    with pytest.raises(InputError, match=r"rig orbit needs num_frames and hw: words do not say how long"):
        parse_rig("orbit", hw=(48, 80))


def test_the_help_names_every_key_with_the_default_that_counts() -> None:
    for word, entry in RIG_WORDS.items():
        spelled = re.search(rf"^  ({word}:\S+)$", rig_help(), re.MULTILINE)
        assert spelled and set(re.findall(r"(\w+)=", spelled.group(1))) == set(entry.keys)
        assert same(parse_rig(spelled.group(1), **SHAPE), parse_rig(word, **SHAPE))
        builder = inspect.signature(BUILDERS[word]).parameters
        for key, default in entry.keys.items():
            assert key in RIG_KEYS and RIG_KEYS[key].about in rig_help()
            assert builder[RIG_KEYS[key].argument].default in (default, inspect.Parameter.empty), (word, key)


def test_paths_with_a_hash_sign_and_without_a_suffix(tmp_path: Path) -> None:
    cameras = random_cameras(2)
    for name in ("a#b.json", "rig"):
        save_rig(tmp_path / name, cameras)
        assert same(parse_rig(str(tmp_path / name), **SHAPE), cameras)
        assert same(parse_rig(f"{tmp_path / name}#cam02", **SHAPE), cameras.view(1))


@pytest.mark.parametrize(
    ("name", "format"), [("shots", "realestate10k"), ("sparse", "colmap"), ("rig.gltf", "gltf"), ("rig.npz", "npz")]
)
def test_files_and_folders_of_other_programs(name: str, format: str, tmp_path: Path) -> None:
    cameras = orbit(views=2, radius=4.0, **SHAPE)
    write_cameras(tmp_path / name, cameras, format=format)
    loaded = parse_rig(f"{tmp_path / name}#cam02", **SHAPE)
    torch.testing.assert_close(loaded.c2w, cameras.c2w[1:], rtol=0, atol=1e-6)
    torch.testing.assert_close(loaded.K, cameras.K[1:], rtol=0, atol=1e-6)


def test_a_folder_called_like_a_rig_does_not_hide_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "orbit").mkdir()
    monkeypatch.chdir(tmp_path)
    assert same(parse_rig("orbit", **SHAPE), orbit(views=4, radius=5.0, **SHAPE))


def test_describe_a_hemisphere() -> None:
    rows = describe(parse_rig("hemisphere:views=3,radius=4,elevation=20,span=60,azimuth=150", **SHAPE))
    assert [row["view"] for row in rows] == [1, 2, 3]
    assert [row["azimuth_deg"] for row in rows] == [120, 150, 180]
    assert {(row["elevation_deg"], row["distance_m"], row["travels_m"]) for row in rows} == {(20, 4, 0)}
    assert rows[0]["fov_deg"] == pytest.approx(52.671, abs=1e-3)


@pytest.mark.parametrize("spec", ["hemisphere:views=1", "orbit:views=1,move=0"])
def test_describe_one_camera(spec: str) -> None:
    """One camera has no common point with others: the target of the builders stands in."""
    [row] = describe(parse_rig(spec, **SHAPE))
    assert (row["azimuth_deg"], row["elevation_deg"], row["distance_m"]) == (0, 15, 5)


def test_describe_motion_and_files() -> None:
    [row] = describe(parse_rig("orbit:views=1,radius=4,elevation=0", num_frames=721, hw=(48, 80)))
    assert row["travels_m"] == pytest.approx(2 * torch.pi * 4, abs=1e-3)
    assert len(describe(parse_rig(str(FILE), num_frames=9, hw=(48, 80)))) == 3


def test_describe_cameras_that_look_outwards() -> None:
    """The point nearest to their axes lies behind them and is nothing they look at."""
    rig = hemisphere(views=3, radius=2.0, elevation_deg=0.0, target=(9.0, 0.0, 0.8))
    turn = torch.diag(torch.tensor([-1.0, 1, -1, 1], dtype=torch.float64))
    rows = describe(Cameras(rig.c2w @ turn, rig.K, rig.hw))
    expected = (rig.positions[:, 0] - torch.tensor([0, 0, 0.8])).norm(dim=-1)
    assert [row["distance_m"] for row in rows] == pytest.approx(expected.tolist(), abs=1e-3)


def test_describe_shows_one_scene() -> None:
    with pytest.raises(InputError, match=r"describe shows one scene, got cameras with batch dims \(2,\)"):
        describe(random_cameras(2, batch=(2,)))


def test_page_documents_every_word_key_and_default() -> None:
    section = PAGE.read_text().partition("## Rigs")[2].partition("## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", section, re.MULTILINE)) == set(RIG_WORDS) == set(BUILDERS)
    rows = re.findall(r"^\| (`\w+`.*) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    documented = set()
    for names, _, defaults, words in rows:
        for key, default in zip(re.findall(r"`(\w+)`", names), defaults.split("; "), strict=False):
            having = [word for word in RIG_WORDS if key in RIG_WORDS[word].keys]
            for word in having if words == "all" else words.split(", "):
                own = re.search(rf"\b{word} ([\d.]+)", default)  # "30, orbit 360"
                assert RIG_WORDS[word].keys[key] == float(own.group(1) if own else default.split(",")[0]), (word, key)
                documented.add((word, key))
    assert documented == {(word, key) for word, entry in RIG_WORDS.items() for key in entry.keys}
    assert DEFAULT_RIG in PAGE.read_text()

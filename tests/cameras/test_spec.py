"""Rigs followed by moves, in words: what they mean, every word and key, every mistake, every example of the page."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
import torch

from cameras.examples import DATA, random_cameras
from syncam.cameras import Cameras, hemisphere, moves, orbit, parse_rig, save_rig, still
from syncam.cameras.moves import Timing
from syncam.cameras.moves.perform import MOVES
from syncam.cameras.rig import rig_file
from syncam.cameras.spec import read_spec
from syncam.errors import InputError
from syncam.rig_words import MOVE_KEYS, MOVE_WORDS, SHARED_KEYS, rig_help

FRAMES, HW = 9, (48, 80)
SHAPE = {"num_frames": FRAMES, "hw": HW}
FILE = DATA / "camera_extrinsics.json"
PAGE = (Path(__file__).parents[2] / "docs" / "rig.md").read_text()
START = still(**SHAPE)
EXAMPLE = {
    "at": "0.5,0,1",
    "distance": "3",
    "to": "2,0,0.8",
    "speed": "ease",
    "a": "2",
    "for": "0.4",
    "view": "2",
    "sways": "5",
}


def rig(spec: str) -> Cameras:
    return parse_rig(spec, **SHAPE)


def same(one: Cameras, other: Cameras) -> bool:
    return (
        torch.allclose(one.c2w, other.c2w, atol=1e-12, rtol=0) and torch.allclose(one.K, other.K) and one.hw == other.hw
    )


def spelled(word: str) -> str:
    return f"{word} {MOVE_WORDS[word].amount}" + (" to=1,1,0.8" if word == "track" else "")


LINE = torch.linspace(0, 1, FRAMES, dtype=torch.float64)
FIRST, SECOND = Timing(end=0.5), Timing(start=0.5)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("pan 20", moves.pan(START, 20.0)),
        ("still then pan 20deg", moves.pan(START, 20.0)),
        ("still:radius=4 then pan -20 °", moves.pan(START, -20.0)),
        ("dolly 50cm", moves.dolly(START, 0.5)),
        ("dolly .5", moves.dolly(START, 0.5)),
        ("zoom 2x", moves.zoom(START, 2.0)),
        ("arc 30", moves.arc(START, 30.0)),
        ("arc 30 distance=2", moves.arc(START, 30.0, target=moves.ahead(START, 2.0))),
        ("crane 1m at=1,0,0.5", moves.crane(START, 1.0, target=(1.0, 0.0, 0.5))),
        ("still then orbit", moves.orbit(START)),
        ("orbit:views=1,radius=4 then orbit", moves.orbit(orbit(views=1, radius=4.0, **SHAPE))),
        ("orbit 0.5turns", moves.orbit(START, 0.5)),
        ("spiral 90 closer=1 rise=0.5", moves.spiral(START, 90.0, closer=1.0, rise=0.5)),
        ("handheld 1deg seed=4 shift=0.02", moves.handheld(START, 1.0, seed=4, shift=0.02)),
        ("wander 1m points=3", moves.wander(START, 1.0, seed=0, points=3)),
        ("pan 20 speed=ease", moves.pan(START, 20.0, timing=Timing(speed="ease"))),
        ("pan 20 a=-2", moves.pan(START, 20.0, timing=Timing(a=-2.0))),
        ("pan 20 then dolly 1m", moves.dolly(moves.pan(START, 20.0, timing=FIRST), 1.0, timing=SECOND)),
        ("pan 20 and dolly 1m", moves.pan(moves.dolly(START, 1.0), 20.0)),
        ("dolly 1m with pan 20", moves.pan(moves.dolly(START, 1.0), 20.0)),
        ("still with pan 20", moves.pan(START, 20.0)),
        ("pan 20 for=0.5", moves.pan(START, 20.0, timing=FIRST)),
        (
            "pan 20 for=0.25 then dolly 1m then tilt 5",
            moves.tilt(
                moves.dolly(moves.pan(START, 20.0, timing=Timing(end=0.25)), 1.0, timing=Timing(start=0.25, end=0.625)),
                5.0,
                timing=Timing(start=0.625),
            ),
        ),
        (
            "track to=0,2,0.8",
            moves.track(START, torch.stack([0 * LINE, 2 * LINE, 0 * LINE + 0.8], -1)),
        ),
    ],
)
def test_what_words_mean(spec: str, expected: Cameras) -> None:
    assert same(rig(spec), expected)


def test_moves_at_the_same_time_may_stand_in_any_order() -> None:
    words = ["pan 20", "arc 30", "truck 0.5m", "tilt 5", "zoom 1.5x", "roll 4"]
    assert same(rig(" and ".join(words)), rig(" and ".join(reversed(words))))


def test_a_move_for_some_of_the_views() -> None:
    start = hemisphere(views=3, radius=5.0, **SHAPE)
    moved = rig("hemisphere:views=3 then pan 20 view=1,3")
    assert same(moved.view([0, 2]), moves.pan(start, 20.0).view([0, 2])) and same(moved.view(1), start.view(1))
    each = rig("hemisphere:views=3 then pan 20 view=1 and dolly 1m view=2 and zoom 2x view=3")
    assert same(each.view(1), moves.dolly(start, 1.0).view(1)) and same(each.view(2), moves.zoom(start, 2.0).view(2))


def test_files_are_followed_by_moves_too(tmp_path: Path) -> None:
    file = parse_rig(str(FILE), hw=HW)
    assert same(parse_rig(f"{FILE} then pan 20", hw=HW), moves.pan(file, 20.0))
    assert same(
        rig(f"{FILE}#cam03 and pan 20 then dolly 1m").view(0).frames(-1),
        rig(f"{FILE}#cam03 then pan 20 then dolly 1m").frames(-1),
    )
    assert rig_file(f"{FILE}#cam03 then pan 20") == (str(FILE), ["cam03"])
    assert rig_file("pan 20") is None and rig_file("hemisphere then pan 20") is None
    name = tmp_path / "now and then pan 20.json"
    save_rig(name, random_cameras(2, frames=FRAMES))
    assert same(rig(str(name)), random_cameras(2, frames=FRAMES))
    save_rig(tmp_path / "this and that.json", random_cameras(2, frames=FRAMES))
    assert same(rig(f"{tmp_path}/this and that.json then pan 20"), moves.pan(random_cameras(2, frames=FRAMES), 20.0))


def test_a_single_frame_does_not_move(tmp_path: Path) -> None:
    save_rig(tmp_path / "one.json", still(hw=HW))
    with pytest.raises(InputError, match="has a single frame: say over how many frames it moves"):
        parse_rig(f"{tmp_path}/one.json then pan 20")
    assert same(rig(f"{tmp_path}/one.json then pan 20"), rig("pan 20"))


@pytest.mark.parametrize("word", MOVE_WORDS)
def test_every_move_does_something_and_every_key_has_an_effect(word: str) -> None:
    start = "hemisphere:views=2,radius=4,elevation=20"
    plain = rig(f"{start} then {spelled(word)}")
    assert not same(plain, rig(start)) and same(plain.frames(0), rig(start).frames(0))
    for key in {**MOVE_WORDS[word].keys, **SHARED_KEYS} if word != "track" else ("at", *SHARED_KEYS):
        if word == "preset" and key == "distance":
            assert not same(rig("preset arc_left distance=3"), rig("preset arc_left"))
            continue
        value = EXAMPLE.get(key, "3")
        assert not same(rig(f"{start} then {spelled(word)} {key}={value}"), plain), key


def test_the_table_fits_the_functions() -> None:
    assert list(MOVES) == list(MOVE_WORDS)
    for word, entry in MOVE_WORDS.items():
        arguments = inspect.signature(MOVES[word]).parameters
        assert word in ("track", "preset") or MOVES[word] is getattr(moves, word)
        assert word == "track" or "timing" in arguments
        for key, default in entry.keys.items():
            assert key in MOVE_KEYS
            if default is not None:
                own = arguments[MOVE_KEYS[key].argument].default
                assert own in (default, inspect.Parameter.empty), (word, key)  # a seed has no default in Python


def test_help_names_every_move_and_key() -> None:
    shown = rig_help()
    for word, entry in MOVE_WORDS.items():
        [line] = re.findall(rf"^  ({word} .*)$", shown.partition("Moves:")[2], re.MULTILINE)
        assert entry.about in shown and all(f" {key}=" in line for key in entry.keys)
    assert all(f"  {key} " in shown and entry.about in shown for key, entry in MOVE_KEYS.items())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("still then pann 20", "unknown move 'pann' (did you mean 'pan'?); known moves: arc, orbit, spiral"),
        ("still then hemisphere", "unknown move 'hemisphere'; hemisphere is a rig, which comes first; known moves"),
        ("pan 20 then still:radius=3", "still is a rig, which comes first"),
        ("pan", "move pan needs an amount (degrees), such as 'pan 20deg'"),
        ("still then dolly speed=ease", "move dolly needs an amount (metres), such as 'dolly 1m'"),
        ("preset", "move preset needs a preset, 1 to 10 or by name, such as 'preset pan_right'"),
        ("preset 11", "unknown preset '11'; expected 1..10 or one of pan_right"),
        ("recam:pan_righ", "unknown preset 'pan_righ' (did you mean 'pan_right'?)"),
        ("pan 20m", "move pan takes degrees (deg, °, degree, degrees), got the unit 'm' in '20m'"),
        ("dolly 1 deg", "move dolly takes metres (m, cm, mm, metre, metres), got the unit 'deg' in '1deg'"),
        ("pan right", "move pan takes one number in degrees (deg, °, degree, degrees), got 'right'"),
        (
            "pan 20 dolly 1m",
            "move pan takes one number in degrees (deg, °, degree, degrees), got '20 dolly 1m'; moves are",
        ),
        ("pan 1e999", "move pan: the amount must be a finite number, got '1e999'"),
        ("pan nan", "move pan takes one number in degrees"),
        ("track 20 to=1,1,1", "move track takes no amount, got '20'; its keys: to, at"),
        ("track", "move track needs to=x,y,z, where the subject goes, such as 'track to=2,0,0.8'"),
        ("track to=1,2", "move track: to must be three numbers x,y,z (where the subject goes, a point x,y,z"),
        ("pan 20 sped=ease", "move pan has no key 'sped' (did you mean 'speed'?); its keys: for, speed, a, view"),
        ("pan 20 seed=1", "move pan has no key 'seed'"),
        (
            "pan 20 speed=slow",
            "move pan: speed must be constant or ease (constant, or ease: from rest to rest), got 'slow'",
        ),
        ("pan 20 speed=ease a=1", "timing: speed=ease and a=1 contradict each other; give one of them"),
        ("pan 20 a=fast", "move pan: a must be a number (exponential speed"),
        ("pan 20 a=1 a=2", "move pan: a stands there twice; keep one"),
        ("handheld 1 seed=x", "move handheld: seed must be a whole number (the seed of what is drawn), got 'x'"),
        ("pan 20 view=0", "move pan: view must be 1 or more"),
        ("pan 20 view=2", "move pan: view=2 is not there; the rig has 1 views"),
        ("arc 20 at=0,0,1 distance=3", "move arc: at and distance both say where the subject is; keep one"),
        ("pan 20 for=0", "for=... are shares of the clip: positive and at most 1 in sum, got 0"),
        (
            "pan 20 for=0.7 then tilt 5 for=0.6",
            "for=... are shares of the clip: positive and at most 1 in sum, got 1.3",
        ),
        ("pan 20 for=1 then tilt 5", "for=... take up the whole clip and leave no time for 1 more; lower them"),
        ("pan 20 for=0.5 and tilt 5 for=0.4", "moves at the same time take the same time, got for=0.4 and for=0.5"),
        ("still then", "a move is missing beside 'then' or 'and'; expected one such as 'pan 20'"),
        ("pan 20 and", "a move is missing beside 'then' or 'and'"),
        ("none.json then pan 20", "camera file none.json does not exist"),
        ("zoom 0x", "zoom: factor must be positive"),
    ],
)
def test_mistakes(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        rig(spec)
    assert "\n" not in str(caught.value)


def test_words_of_moves_need_frames_and_a_size() -> None:
    with pytest.raises(InputError, match="rig still needs num_frames and hw"):
        parse_rig("pan 20")


def test_page_documents_every_move_and_key() -> None:
    section = PAGE.partition("## Moves")[2].partition("## Presets")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert [row[0] for row in rows] == list(MOVE_WORDS)
    for word, amount, _, keys in rows:
        assert re.findall(r"`([^`]+)`", amount) == [MOVE_WORDS[word].amount] * bool(MOVE_WORDS[word].amount)
        assert re.findall(r"`(\w+)`", keys) == list(MOVE_WORDS[word].keys), word
    keys = re.findall(r"^\| `(\w+)` \| [^|]+ \|$", section, re.MULTILINE)
    assert keys == list(MOVE_KEYS)


def test_examples_of_the_page_run() -> None:
    lines = re.findall(r"^syncam rig (?:show|make) (.*?)(?: --|$)", PAGE, re.MULTILINE)
    specs = [shlex.split(line, comments=True)[0] for line in lines]
    assert len(specs) > 10
    for spec in specs:
        if rig_file(spec) is None:
            assert rig(spec).num_frames == FRAMES
    assert {step.move for spec in specs for step in read_spec(spec).steps} >= {
        "arc",
        "dolly",
        "preset",
        "pan",
        "handheld",
    }

"""The checks of a rig: each finds its fault, at its place, and nothing in a sound rig."""

import json
from pathlib import Path

import pytest
import torch

from syncam.cameras import Cameras, arc, hemisphere, look_at
from syncam.cameras.check import Finding, check_rig, stretches
from syncam.cameras.trained_range import TrainedRange, load_trained_range
from syncam.errors import InputError


def rig() -> Cameras:
    return arc(views=3, radius=5.0, elevation_deg=20.0, span_deg=90.0, move_deg=20.0, num_frames=9, hw=(96, 128))


def changed(cameras: Cameras, view: int, frames: slice, position: tuple[float, float, float]) -> Cameras:
    c2w = cameras.c2w.clone()
    c2w[view, frames, :3, 3] = torch.tensor(position, dtype=c2w.dtype)
    return Cameras(c2w, cameras.K, cameras.hw)


def kinds(found: list[Finding]) -> set[str]:
    return {finding.kind for finding in found}


def test_a_sound_rig_has_no_findings() -> None:
    assert check_rig(rig()) == []
    assert check_rig(hemisphere(views=4, radius=5.0)) == []


def test_under_the_ground() -> None:
    found = check_rig(changed(rig(), 1, slice(3, 6), (4.0, 0.0, -0.5)))
    assert found[0].kind == "ground" and found[0].severity == "error"
    assert found[0].view == 2 and found[0].frames == (3, 5)
    assert found[0].message == "view 2 is under the ground, 0.50 m deep (frames 3 to 5)"


def test_inside_the_subject_and_a_jump_to_there() -> None:
    found = check_rig(changed(rig(), 0, slice(4, 5), (0.1, 0.0, 0.9)))
    assert found[0].message == "view 1 is inside the subject (frame 4)"
    jumps = [finding.frames for finding in found if finding.kind == "jump"]
    assert jumps == [(3, 4), (4, 5)]


def test_turned_away() -> None:
    one = rig()
    c2w = one.c2w.clone()
    c2w[2, 5:] = look_at(one.positions[2, 5:], one.positions[2, 5:] * 2)
    found = check_rig(Cameras(c2w, one.K, one.hw))
    unseen = [finding for finding in found if finding.kind == "unseen"]
    assert [(finding.view, finding.frames) for finding in unseen] == [(3, (5, 8))]
    turns = [finding for finding in found if finding.kind == "turn"]
    assert [(finding.view, finding.frames) for finding in turns] == [(3, (4, 5))]
    assert "turns by 1" in turns[0].message and "degrees in one frame" in turns[0].message


def test_a_lens_that_jumps() -> None:
    one = rig()
    K = one.K.clone()
    K[0, 6:, :2, :2] *= 2
    found = check_rig(Cameras(one.c2w, K, one.hw))
    assert [(finding.kind, finding.view, finding.frames) for finding in found] == [("zoom", 1, (5, 6))]
    assert "by 1.00 octaves of focal length" in found[0].message


def test_views_from_opposite_sides_have_nothing_in_common() -> None:
    found = check_rig(hemisphere(views=2, radius=5.0, elevation_deg=0.0, span_deg=180.0))
    assert [(finding.kind, finding.view) for finding in found] == [("alone", 1), ("alone", 2)]


@pytest.mark.parametrize(
    ("trained", "message"),
    [
        ({"distance_m": (3.5, 4.5)}, "has distance 5.0 m; the model was trained with 3.5 to 4.5"),
        ({"elevation_deg": (0.0, 15.0)}, "has elevation 20.0 degrees; the model was trained with 0 to 15"),
        ({"focal_mm": (35.0, 50.0)}, "has focal length 24.0 mm; the model was trained with 35 to 50"),
        ({"azimuth_from_first_deg": 60.0}, "view 3 has azimuth from view 1 90.0 degrees"),
        ({"travel_m": 0.0}, "view 1 travels 1.64 m; the model was trained with at most 0 m"),
        ({"views": (1, 2)}, "view 1 is one of 3; the model was trained with 1 to 2 views"),
    ],
)
def test_outside_the_trained_range(trained: dict, message: str) -> None:
    found = check_rig(rig(), trained=TrainedRange(**trained))
    assert kinds(found) == {"trained"} and any(message in finding.message for finding in found)


def test_inside_the_trained_range() -> None:
    trained = TrainedRange(
        distance_m=(4.9, 5.1),
        elevation_deg=(0, 30),
        azimuth_from_first_deg=90,
        focal_mm=(24, 24),
        travel_m=2,
        views=(2, 4),
    )
    assert check_rig(rig(), trained=trained) == []


def test_errors_come_first() -> None:
    one = changed(rig(), 2, slice(8, 9), (4.0, 0.0, -0.5))
    found = check_rig(one, trained=TrainedRange(distance_m=(1.0, 2.0)))
    severities = [finding.severity for finding in found]
    assert severities == sorted(severities) and set(severities) == {"error", "warning"}


def test_trained_ranges_from_a_folder(tmp_path: Path) -> None:
    assert load_trained_range(tmp_path) is None
    (tmp_path / "trained_range.json").write_text(json.dumps({"distance_m": [1, 2], "travel_m": 0}))
    assert load_trained_range(tmp_path) == TrainedRange(distance_m=(1, 2), travel_m=0)
    for damage in ("{", "[1]", '{"speed": 3}'):
        (tmp_path / "trained_range.json").write_text(damage)
        with pytest.raises(InputError, match="trained_range.json is damaged"):
            load_trained_range(tmp_path)


def test_one_rig_at_a_time() -> None:
    one = rig()
    with pytest.raises(InputError, match=r"one rig, got cameras with batch dims \(1,\)"):
        check_rig(Cameras(one.c2w[None], one.K[None], one.hw))


def test_stretches() -> None:
    flags = torch.tensor([1, 1, 0, 1, 0, 0, 1], dtype=torch.bool)
    assert stretches(flags) == [(0, 1), (3, 3), (6, 6)]
    assert stretches(~flags) == [(2, 2), (4, 5)] and stretches(flags[2:3]) == []

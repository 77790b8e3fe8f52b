"""The range of cameras a model was trained with: measured, written and read."""

from pathlib import Path

import pytest
import torch

from syncam.cameras import Cameras, arc, hemisphere
from syncam.cameras.check import check_rig
from syncam.cameras.trained_range import TrainedRange, load_trained_range, measure_trained_range, save_trained_range
from syncam.errors import InputError


def rigs() -> list[Cameras]:
    return [
        hemisphere(views=4, radius=radius, elevation_deg=elevation, span_deg=120.0, hw=(96, 128))
        for radius, elevation in ((4.0, 10.0), (6.5, 35.0))
    ]


def test_measured_about_what_the_cameras_look_at() -> None:
    trained = measure_trained_range(rigs(), views=(2, 4))
    assert trained == TrainedRange(
        distance_m=(4.0, 6.5), elevation_deg=(10.0, 35.0), focal_mm=(24.0, 24.0), travel_m=0.0, views=(2, 4)
    )
    world = torch.eye(4, dtype=torch.float64)
    world[:3, 3] = torch.tensor([100.0, -30.0, 0.0])  # where in the world the scene stands does not matter
    moved = [rig.to(torch.float64).transformed(world) for rig in rigs()]
    assert measure_trained_range(moved, views=(2, 4)) == trained


def test_the_rigs_it_was_measured_from_lie_inside() -> None:
    trained = measure_trained_range(rigs())
    for rig in rigs():
        assert check_rig(rig, trained=trained) == []
    outside = hemisphere(views=4, radius=7.0, elevation_deg=40.0)
    messages = " ".join(finding.message for finding in check_rig(outside, trained=trained))
    assert "has distance 7.0 m" in messages and "has elevation 40.0 degrees" in messages


def test_moving_cameras_are_measured_along_their_way() -> None:
    rig = arc(views=2, radius=5.0, elevation_deg=0.0, span_deg=60.0, move_deg=20.0, num_frames=9, hw=(96, 128))
    trained = measure_trained_range([rig], azimuth_from_first_deg=60.0)
    assert trained.travel_m == pytest.approx(1.75)  # 5 m times 20 degrees, up to the next centimetre
    assert trained.azimuth_from_first_deg == 60.0 and trained.views is None


def test_there_and_back_through_a_folder(tmp_path: Path) -> None:
    trained = measure_trained_range(rigs(), views=(2, 4))
    save_trained_range(tmp_path, trained)
    assert load_trained_range(tmp_path) == trained


def test_no_rigs_have_no_range() -> None:
    with pytest.raises(InputError, match="at least one rig"):
        measure_trained_range([])

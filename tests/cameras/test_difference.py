"""Differences between two rigs: zero for equal ones, the known ones for known changes."""

import pytest
import torch

from syncam.cameras import Cameras, arc, hemisphere
from syncam.cameras.difference import difference
from syncam.errors import InputError


def rig(**change: float) -> Cameras:
    return arc(**{"views": 3, "radius": 5.0, "num_frames": 5, "hw": (96, 128)} | change)


def moved(cameras: Cameras, metres: float, turn: torch.Tensor | None = None) -> Cameras:
    change = torch.eye(4, dtype=torch.float64)
    change[0, 3] = metres
    if turn is not None:
        change[:3, :3] = turn
    return Cameras(change @ cameras.c2w, cameras.K, cameras.hw)


@pytest.mark.parametrize("relative", [False, True])
def test_equal_rigs(relative: bool) -> None:
    for row in difference(rig(), rig(), relative=relative):
        assert all(abs(value) < 1e-12 for key, value in row.items() if key != "view")


def test_farther_cameras_and_longer_lenses() -> None:
    for row in difference(rig(), rig(radius=5.5, focal_mm=30.0)):
        assert row["largest_m"] == pytest.approx(0.5) and row["mean_m"] == pytest.approx(0.5)
        assert row["largest_deg"] < 1e-6 and row["largest_focal"] == pytest.approx(0.25)


def test_pictures_of_another_size_are_no_difference() -> None:
    rows = difference(rig(), rig().resized((48, 64)))
    assert max(row["largest_focal"] for row in rows) < 1e-12


def test_moving_a_whole_rig_is_no_relative_difference() -> None:
    quarter = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    other = moved(rig(), 3.0, quarter)
    assert difference(rig(), other)[0]["largest_deg"] == pytest.approx(90.0)
    for row in difference(rig(), other, relative=True):
        assert row["largest_m"] < 1e-12 and row["largest_deg"] < 1e-6


def test_a_still_rig_against_a_moving_one() -> None:
    still = hemisphere(views=3, radius=5.0, hw=(96, 128))
    row = difference(still, rig(move_deg=60.0))[1]
    assert row["largest_deg"] == pytest.approx(row["largest_deg"]) and row["largest_m"] > row["mean_m"] > 0


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (rig(views=2), "the rigs have 3 and 2 views"),
        (rig(num_frames=9), "the rigs have 5 and 9 frames"),
        (Cameras(rig().c2w[None], rig().K[None], (96, 128)), r"two rigs are compared, got .* batch dims \(1,\)"),
    ],
)
def test_rigs_that_cannot_be_compared(other: Cameras, message: str) -> None:
    with pytest.raises(InputError, match=message):
        difference(rig(), other)

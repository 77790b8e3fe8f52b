"""The stand-in subject: its surface, what cameras see of it, what pairs of cameras share."""

import math

import pytest
import torch

from syncam.cameras import Cameras, hemisphere, look_at
from syncam.cameras.conventions import intrinsics
from syncam.cameras.subject import Subject, seen, shared_surface
from syncam.errors import InputError

BALL = Subject(centre=(1.0, -2.0, 3.0), half_axes=(0.5, 0.5, 0.5))
LONG = Subject(centre=(0.0, 0.0, 1.0), half_axes=(2.0, 0.5, 1.0))


def watching(subject: Subject, eyes: list[tuple[float, float, float]], focal_mm: float = 24.0) -> Cameras:
    c2w = look_at(torch.tensor(eyes, dtype=torch.float64), torch.tensor(subject.centre, dtype=torch.float64))
    K = intrinsics(focal_mm, (96, 128)).expand(len(eyes), 1, 3, 3).contiguous()
    return Cameras(c2w[:, None], K, (96, 128))


@pytest.mark.parametrize("subject", [BALL, LONG])
def test_surface_lies_on_the_ellipsoid_with_normals_outward(subject: Subject) -> None:
    points, normals, areas = subject.surface(4000)
    torch.testing.assert_close(subject.depth_inside(points), torch.zeros(4000, dtype=torch.float64), atol=1e-12, rtol=0)
    assert torch.all(subject.depth_inside(points + 1e-3 * normals) < 0)
    assert areas.sum().item() == pytest.approx(1)
    # Gauss: the flux of x through the surface is three times the volume.
    a, b, c = subject.half_axes
    p = 1.6075  # Thomsen's formula for the area of an ellipsoid, right within 1.1 %
    area = 4 * math.pi * (((a * b) ** p + (a * c) ** p + (b * c) ** p) / 3) ** (1 / p)
    flux = area * ((points - torch.tensor(subject.centre)) * normals).sum(-1) @ areas
    assert flux.item() == pytest.approx(4 * math.pi * a * b * c, rel=0.015)


def test_depth_inside() -> None:
    points = torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [2.0, 0.0, 1.0], [4.0, 0.0, 1.0]])
    assert LONG.depth_inside(points).tolist() == pytest.approx([1.0, 0.5, 0.0, -1.0])


def test_a_camera_sees_the_near_cap_of_a_ball() -> None:
    for distance in (1.0, 3.0, 100.0):
        cameras = watching(BALL, [(1.0 + distance, -2.0, 3.0)], focal_mm=5.0)
        share = shared_surface(cameras, BALL)
        assert share.item() == pytest.approx((1 - 0.5 / distance) / 2, abs=0.005)


def test_views_from_opposite_sides_share_nothing_and_equal_ones_all() -> None:
    cameras = watching(BALL, [(5.0, -2.0, 3.0), (-3.0, -2.0, 3.0), (5.0, -2.0, 3.0)])
    share = shared_surface(cameras, BALL)
    assert share[0, 1] == 0 and share[0, 2] == share[0, 0] > 0.3
    assert torch.equal(share, share.mT)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_shares_of_batches_and_moving_cameras(batch: tuple[int, ...]) -> None:
    one = hemisphere(views=3, radius=4.0, num_frames=2)
    many = Cameras(one.c2w.expand(*batch, 3, 2, 4, 4), one.K.expand(*batch, 3, 2, 3, 3), one.hw)
    share = shared_surface(many, Subject())
    assert share.shape == (*batch, 3, 3)
    torch.testing.assert_close(share, shared_surface(one, Subject()).expand_as(share))


def test_nothing_is_seen_outside_the_picture_or_behind() -> None:
    narrow = watching(BALL, [(5.0, -2.0, 3.0)], focal_mm=200.0)
    assert 0 < seen(narrow, BALL).sum() < seen(watching(BALL, [(5.0, -2.0, 3.0)]), BALL).sum()
    away = look_at(torch.tensor([[5.0, -2.0, 3.0]]), torch.tensor([9.0, -2.0, 3.0]))[:, None]
    assert not seen(Cameras(away, narrow.K, narrow.hw), BALL).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"half_axes": (1.0, 0.0, 1.0)}, "half_axes must be positive metres"),
        ({"half_axes": (1.0, math.nan, 1.0)}, "half_axes must be positive metres"),
        ({"centre": (0.0, math.inf, 1.0)}, "the centre of a subject must be finite"),
    ],
)
def test_bad_subjects(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Subject(**change)

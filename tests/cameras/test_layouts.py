"""Layouts of still cameras and CVD's spreads: where they stand, what they look at, what they refuse."""

import math
from collections.abc import Callable

import pytest
import torch

from golden import golden
from syncam.cameras import (
    Cameras,
    film,
    hemi36,
    hemisphere,
    linear,
    parse_rig,
    read_extrinsics_json,
    spread_out,
    stereo,
    still,
)
from syncam.cameras.rigid import relative_c2w
from syncam.cameras.rotations import rotation_log
from syncam.cameras.trajectories import TARGET
from syncam.errors import InputError

HW = (48, 80)
CENTRE = torch.tensor(TARGET, dtype=torch.float64)
MIDDLE = torch.tensor([40.0, 24.0], dtype=torch.float64)


def pixel(cameras: Cameras, point: torch.Tensor) -> torch.Tensor:
    """Where the point is in the first frame of every view, [V, 2]."""
    uv, depth = cameras.project(point[None])
    assert (depth > 0).all()
    return uv[:, 0, 0]


def test_still_is_a_hemisphere_of_one() -> None:
    one = hemisphere(views=1, radius=3.0, elevation_deg=10.0, azimuth_deg=40.0, num_frames=3, hw=HW)
    assert still(radius=3.0, elevation_deg=10.0, azimuth_deg=40.0, num_frames=3, hw=HW).c2w.equal(one.c2w)
    assert still().positions[0, 0].tolist() == [4.0, 0.0, 0.8]


@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("converge", [0.0, 3.0])
def test_linear_is_a_level_row_from_left_to_right(views: int, converge: float) -> None:
    cameras = linear(views=views, spacing=0.4, converge=converge, radius=5.0, azimuth_deg=30.0, num_frames=2, hw=HW)
    assert cameras.c2w.shape == (views, 2, 4, 4) and cameras.is_static
    middle = still(radius=5.0, elevation_deg=15.0, azimuth_deg=30.0, hw=HW)
    right, forward = middle.c2w[0, 0, :3, 0], middle.c2w[0, 0, :3, 2]
    aside = (cameras.positions[:, 0] - middle.positions[0]) @ right
    torch.testing.assert_close(aside, 0.4 * (torch.arange(views) - (views - 1) / 2).double())
    torch.testing.assert_close(cameras.positions[:, 0].mean(0), middle.positions[0, 0])
    if converge:
        aim = middle.positions[0, 0] + converge * forward
        torch.testing.assert_close(pixel(cameras, aim), MIDDLE.expand(views, 2))
    else:
        torch.testing.assert_close(cameras.c2w[:, 0, :3, :3], middle.c2w[0, :, :3, :3].expand(views, 3, 3))


def test_stereo_sees_near_points_apart() -> None:
    left, right = pixel(stereo(baseline=0.1, radius=4.0, hw=HW), CENTRE)
    focal = 24 / 23.76 * 80
    assert float(left[0] - right[0]) == pytest.approx(focal * 0.1 / 4) and float(left[1]) == pytest.approx(24)
    torch.testing.assert_close(pixel(stereo(converge=4.0, radius=4.0, hw=HW), CENTRE), MIDDLE.expand(2, 2))


@pytest.mark.parametrize("subjects", [1, 2])
@pytest.mark.parametrize("azimuth", [0.0, 130.0])
def test_film_sets_stay_on_the_masters_side(subjects: int, azimuth: float) -> None:
    cameras = film(subjects=subjects, apart=1.6, radius=4.0, azimuth_deg=azimuth, num_frames=2, hw=HW)
    assert cameras.c2w.shape == (4, 2, 4, 4)
    near = torch.tensor([math.cos(math.radians(azimuth)), math.sin(math.radians(azimuth)), 0.0]).double()
    side = torch.tensor([-near[1], near[0], 0.0]).double()
    assert ((cameras.positions[:, 0] - CENTRE) @ near > 0.1).all()
    left, right = CENTRE - 0.8 * side * (subjects - 1), CENTRE + 0.8 * side * (subjects - 1)
    assert pixel(cameras, CENTRE)[0].tolist() == pytest.approx(MIDDLE.tolist())
    for view, subject in ((1, right), (2, left), (3, left)):
        torch.testing.assert_close(pixel(cameras.view(view), subject)[0], MIDDLE, atol=1e-5, rtol=0)
    if subjects == 2:
        assert (pixel(cameras, left)[:, 0] < pixel(cameras, right)[:, 0] + 1e-9).all(), "left stays left in every cut"
        assert (cameras.positions[1, 0] - left).norm() < 1.5 < (cameras.positions[1, 0] - right).norm()


@pytest.mark.parametrize("radius", [4, 5, 6, 7])
@pytest.mark.parametrize("elevation", [0, 15, 30, 45])
def test_hemi36_is_the_published_ring(radius: int, elevation: int) -> None:
    path = golden(f"hemi36/Hemi36_{radius}m_{elevation}.json")
    if path is None:
        pytest.skip("no golden folder hemi36: set SYNCAM_GOLDEN to the folder that has it")
    published = read_extrinsics_json(path, hw=HW)
    cameras = hemi36(radius=float(radius), elevation_deg=float(elevation), hw=HW, target=(0.0, 0.0, 0.0))
    torch.testing.assert_close(cameras.c2w, published.c2w, rtol=0, atol=1e-12)
    torch.testing.assert_close(cameras.K, published.K)


@pytest.mark.parametrize(
    ("word", "files"),
    [
        ("az", [(4, 15, "C_05_18mm"), (4, 15, "C_03_18mm"), (4, 15, "C_01_18mm")]),
        ("el", [(5, 0, "C_01_18mm"), (5, 15, "C_01_18mm"), (5, 30, "C_01_18mm")]),
        ("dis", [(4, 15, "C_01_18mm"), (5, 15, "C_01_18mm"), (6, 15, "C_01_18mm")]),
    ],
)
def test_published_rigs_are_those_cameras_of_hemi36(word: str, files: list[tuple[int, int, str]]) -> None:
    paths = [(golden(f"hemi36/Hemi36_{radius}m_{elevation}.json"), name) for radius, elevation, name in files]
    if None in [path for path, _ in paths]:
        pytest.skip("no golden folder hemi36: set SYNCAM_GOLDEN to the folder that has it")
    theirs = torch.cat([parse_rig(f"{path}#{name}", hw=HW).c2w for path, name in paths])
    ours = parse_rig(f"{word}:views=3", num_frames=1, hw=HW).c2w
    torch.testing.assert_close(relative_c2w(ours), relative_c2w(theirs), rtol=0, atol=1e-6)


def test_hemi36_goes_around_clockwise() -> None:
    cameras = hemi36(azimuth_deg=40.0)
    offset = cameras.positions[:, 0] - CENTRE
    azimuth = torch.rad2deg(torch.atan2(offset[:, 1], offset[:, 0]))
    expected = 40 - 10.0 * torch.arange(1, 37)
    assert ((azimuth - expected + 180) % 360 - 180).abs().max() < 1e-9
    torch.testing.assert_close(offset.norm(dim=-1), torch.full((36,), 4.0).double())


CVD_ENDS = {  # x, y, z of the last frame in the first camera, by the formulas of the paper's code, for spread 0.5
    ("circle", 4): [(0.5, 0, 0), (0, 0.5, 0), (-0.5, 0, 0), (0, -0.5, 0)],
    ("upper_hemi", 3): [(-0.5, 0, 0), (0, -0.5, 0), (0.5, 0, 0)],
    ("interpolate", 3): [
        (0.5, 0.15 * math.cos(0.5), 0),
        (0, -0.15 * math.sin(0.5), -0.1),
        (-0.5, -0.15 * math.cos(0.5), 0),
    ],
    ("circle", 1): [(0.5, 0, 0)],
    ("upper_hemi", 1): [(-0.5, 0, 0)],
}


@pytest.mark.parametrize(("pattern", "views"), CVD_ENDS)
def test_spreads_leave_one_place_for_cvds_ends(pattern: str, views: int) -> None:
    cameras = spread_out(pattern=pattern, views=views, radius=1.0, elevation_deg=25.0, num_frames=5, hw=HW)
    relative = cameras.relative_to(view=0, frame=0)
    torch.testing.assert_close(relative[:, 0], torch.eye(4).double().expand(views, 4, 4))
    torch.testing.assert_close(
        relative[:, -1, :3, 3], torch.tensor(CVD_ENDS[pattern, views]).double(), atol=1e-7, rtol=0
    )
    steps = relative[..., :3, 3].diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps))
    uv, _ = cameras.project(CENTRE[None])
    torch.testing.assert_close(uv[:, -1, 0], MIDDLE.expand(views, 2))
    turns = rotation_log(relative[:, :-1, :3, :3].mT @ relative[:, 1:, :3, :3])
    torch.testing.assert_close(turns, turns[:, :1].expand_as(turns))
    assert (relative[:, -1, 1, 0].abs() < 1e-9).all() or pattern == "interpolate" or views > 1


def test_spreads_scale_with_the_distance() -> None:
    far, near = (
        spread_out(pattern="circle", views=3, radius=r, elevation_deg=25.0, num_frames=3, hw=HW) for r in (4.0, 1.0)
    )
    torch.testing.assert_close(far.relative_to(0, 0)[..., :3, 3], 4 * near.relative_to(0, 0)[..., :3, 3])
    still_ones = spread_out(pattern="circle", views=3, spread=0.0, num_frames=3, hw=HW)
    torch.testing.assert_close(still_ones.c2w, still(num_frames=3, hw=HW).c2w.expand(3, 3, 4, 4))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: linear(views=0), "at least one view and one frame, got views=0"),
        (lambda: linear(views=2, spacing=0.0), "rig: spacing must be positive, got 0"),
        (lambda: linear(views=2, converge=-1.0), r"rig: converge must not be negative \(0: parallel\), got -1"),
        (lambda: linear(views=2, elevation_deg=-50.0), "under the ground"),
        (lambda: stereo(baseline=-0.1), "rig: baseline must be positive, got -0.1"),
        (lambda: film(subjects=3), "rig: subjects must be 1 or 2, got 3"),
        (lambda: film(apart=0.0), "rig: apart must be positive, got 0"),
        (lambda: hemi36(elevation_deg=-1.0), r"rig: elevation of hemi36 must lie in 0\.\.89 degrees, got -1"),
        (lambda: hemi36(radius=float("nan")), "rig: radius must be a finite number, got nan"),
        (lambda: parse_rig("el:views=7", num_frames=1, hw=HW), "over the top with 7 views; give 6 at most"),
        (lambda: parse_rig("dis:radius=4,elevation=-30", num_frames=1, hw=HW), "puts the cameras under the ground"),
        (lambda: spread_out(pattern="circle", views=0, num_frames=2), "at least one view"),
        (
            lambda: spread_out(pattern="circle", views=2, num_frames=2, spread=1.0),
            "spread must lie in 0..1 and below 1",
        ),
        (lambda: spread_out(pattern="square", views=2, num_frames=2), "pattern must be one of circle, upper_hemi"),
    ],
)
def test_what_layouts_refuse(build: Callable[[], Cameras], message: str, unchecked: None) -> None:
    with pytest.raises(InputError, match=message):
        build()

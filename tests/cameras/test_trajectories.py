"""Builders: where their cameras stand, what they look at, how they move, and what they refuse."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from syncam.cameras import Cameras, arc, hemisphere, look_at, orbit
from syncam.cameras.trajectories import TARGET
from syncam.errors import InputError

BUILDERS = pytest.mark.parametrize("build", [hemisphere, orbit, arc])
CENTRE = torch.tensor(TARGET, dtype=torch.float64)


def azimuths(cameras: Cameras) -> Tensor:
    """Azimuths [V, F] about the target, degrees."""
    offset = cameras.positions - CENTRE
    return torch.rad2deg(torch.atan2(offset[..., 1], offset[..., 0]))


def same_angles(found: Tensor, expected: list[float]) -> bool:
    difference = found - torch.tensor(expected, dtype=torch.float64)
    return bool(((difference + 180) % 360 - 180).abs().max() < 1e-9)


@BUILDERS
@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("hw", [(48, 80), (96, 64)], ids=str)
def test_every_camera_stands_at_its_distance_and_looks_at_the_target(
    build: Callable[..., Cameras], views: int, hw: tuple[int, int]
) -> None:
    cameras = build(views=views, radius=4.0, elevation_deg=20.0, num_frames=5, hw=hw)
    assert cameras.c2w.shape == (views, 5, 4, 4)
    uv, depth = cameras.project(CENTRE[None])
    torch.testing.assert_close(uv, torch.tensor([hw[1] / 2, hw[0] / 2]).expand_as(uv).double())
    torch.testing.assert_close(depth, torch.full_like(depth, 4.0))
    height = TARGET[2] + 4 * math.sin(math.radians(20))
    torch.testing.assert_close(cameras.positions[..., 2], torch.full((views, 5), height, dtype=torch.float64))
    above, _ = cameras.project((CENTRE + torch.tensor([0, 0, 0.5]))[None])
    assert (above[..., 1] < uv[..., 1]).all(), "up in the world is up in the picture"
    torch.testing.assert_close(above[..., 0], uv[..., 0])


def test_azimuth_0_stands_on_plus_x_and_grows_counter_clockwise() -> None:
    at = {a: hemisphere(views=1, radius=2.0, elevation_deg=0.0, azimuth_deg=a).positions[0, 0] for a in (0.0, 90.0)}
    torch.testing.assert_close(at[0.0], torch.tensor([2.0, 0, 0.8], dtype=torch.float64))
    torch.testing.assert_close(at[90.0], torch.tensor([0.0, 2, 0.8], dtype=torch.float64))


@pytest.mark.parametrize(
    ("views", "span", "expected"),
    [
        (1, 90, [10]),
        (2, 90, [-35, 55]),
        (3, 60, [-20, 10, 40]),
        (4, 90, [-35, -5, 25, 55]),
        (3, 0, [10, 10, 10]),
        (1, 360, [10]),
        (2, 360, [10, 190]),
        (3, 360, [10, 130, 250]),
        (4, 360, [10, 100, 190, 280]),
    ],
)
def test_hemisphere_spreads_evenly_and_never_doubles_a_camera(views: int, span: float, expected: list[float]) -> None:
    cameras = hemisphere(views=views, radius=3.0, span_deg=span, azimuth_deg=10.0, num_frames=2)
    assert cameras.is_static
    assert same_angles(azimuths(cameras)[:, 0], expected)


def test_orbit_goes_around_and_comes_back() -> None:
    cameras = orbit(views=3, radius=4.0, num_frames=5)
    assert same_angles(azimuths(cameras)[0], [0, 90, 180, 270, 360])
    assert same_angles(azimuths(cameras)[:, 0], [0, 120, 240])
    torch.testing.assert_close(cameras.c2w[:, 0], cameras.c2w[:, -1])
    assert same_angles(azimuths(orbit(views=1, radius=4.0, move_deg=-40.0, num_frames=3))[0], [0, -20, -40])


def test_arc_starts_on_the_hemisphere() -> None:
    still = hemisphere(views=3, radius=4.0, span_deg=80.0, num_frames=5)
    moving = arc(views=3, radius=4.0, span_deg=80.0, move_deg=20.0, num_frames=5)
    assert torch.equal(still.c2w[:, 0], moving.c2w[:, 0]) and not moving.is_static
    assert same_angles(azimuths(moving)[1], [0, 5, 10, 15, 20])
    assert same_angles(azimuths(arc(views=1, radius=4.0, move_deg=20.0, num_frames=1))[0], [0])


def test_lens_and_target() -> None:
    cameras = hemisphere(views=1, radius=3.0, hw=(30, 50), focal_mm=35.0, sensor_mm=36.0, target=(5.0, -2.0, 1.0))
    assert cameras.K[0, 0].tolist() == [[35 / 36 * 50, 0, 25], [0, 35 / 36 * 50, 15], [0, 0, 1]]
    uv, depth = cameras.project(torch.tensor([[5.0, -2.0, 1.0]]))
    assert uv[0, 0, 0].tolist() == pytest.approx([25, 15]) and float(depth) == pytest.approx(3)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    views=st.integers(1, 6),
    radius=st.floats(0.5, 50),
    elevation=st.floats(0, 89),
    span=st.floats(0, 360),
    azimuth=st.floats(-720, 720),
    move=st.floats(-720, 720),
    num_frames=st.integers(1, 4),
)
def test_neighbours_are_equally_far_apart(
    views: int, radius: float, elevation: float, span: float, azimuth: float, move: float, num_frames: int
) -> None:
    cameras = arc(
        views=views,
        radius=radius,
        elevation_deg=elevation,
        span_deg=span,
        azimuth_deg=azimuth,
        move_deg=move,
        num_frames=num_frames,
    )
    distance = (cameras.positions - CENTRE).norm(dim=-1)
    torch.testing.assert_close(distance, torch.full_like(distance, radius))
    for steps in (cameras.positions.diff(dim=0).norm(dim=-1), cameras.positions.diff(dim=1).norm(dim=-1)):
        if steps.numel():
            torch.testing.assert_close(steps, steps[:1, :1].expand_as(steps), rtol=1e-9, atol=1e-9 * radius)
    assert (cameras.positions[..., 2] > 0).all()


@pytest.mark.parametrize("eyes", [1, 2, 3, 4])
def test_look_at_treats_every_camera_alike(eyes: int) -> None:
    """With three cameras a cross product along the wrong axis would still run."""
    eye = torch.randn(eyes, 3, dtype=torch.float64) + 3
    together = look_at(eye, CENTRE)
    for one, c2w in zip(eye, together, strict=True):
        assert torch.equal(look_at(one, CENTRE), c2w)
        assert torch.equal(c2w[:3, 3], one)
        forward = (CENTRE - one) / (CENTRE - one).norm()
        torch.testing.assert_close(c2w[:3, 2], forward)
        assert c2w[2, 0].abs() < 1e-12 and c2w[2, 1] < 0, "the right axis is level, the down axis points down"
    assert look_at(eye.reshape(1, eyes, 1, 3), CENTRE).shape == (1, eyes, 1, 4, 4)


def test_look_at_refuses_views_without_an_up() -> None:
    with pytest.raises(InputError, match="a camera stands on its target; move one of them"):
        look_at(CENTRE, CENTRE)
    with pytest.raises(InputError, match="looks straight up or down; keep its elevation below 90 degrees"):
        look_at(CENTRE + torch.tensor([0, 0, 2.0]), CENTRE)


@BUILDERS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": 0}, "at least one view and one frame, got views=0 and 2 frames"),
        ({"views": -3}, "at least one view and one frame, got views=-3 and 2 frames"),
        ({"num_frames": 0}, "at least one view and one frame, got views=2 and 0 frames"),
        ({"radius": -1.0}, "rig: radius must be positive, got -1"),
        ({"radius": 0.0}, "rig: radius must be positive, got 0"),
        ({"radius": float("nan")}, "rig: radius must be a finite number, got nan"),
        ({"azimuth_deg": float("inf")}, "rig: azimuth must be a finite number, got inf"),
        ({"focal_mm": 0.0}, "rig: focal must be positive, got 0"),
        ({"sensor_mm": -1.0}, "rig: sensor must be positive, got -1"),
        ({"elevation_deg": 90.0}, r"rig: elevation must lie in -89\.\.89 degrees, got 90"),
        ({"elevation_deg": -30.0}, "rig: elevation -30 at radius 5 m puts the cameras under the ground; raise it"),
    ],
)
def test_what_builders_refuse(build: Callable[..., Cameras], change: dict, message: str) -> None:
    arguments = {"views": 2, "radius": 5.0, "num_frames": 2} | change
    with pytest.raises(InputError, match=message):
        build(**arguments)


@pytest.mark.parametrize("span", [-1.0, 361.0])
def test_spans_are_at_most_a_circle(span: float) -> None:
    with pytest.raises(InputError, match=rf"rig: span must lie in 0\.\.360 degrees, got {span:g}"):
        hemisphere(views=2, radius=5.0, span_deg=span)

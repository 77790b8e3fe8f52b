"""Moves: laws that hold for all of them, where each of them goes, and what they refuse."""

import math
import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cameras.examples import HW, random_cameras, random_rotations
from syncam.cameras import Cameras, hemisphere, moves, still
from syncam.cameras.moves import Timing
from syncam.cameras.posed import posed
from syncam.cameras.rotations import rotation_about, rotation_log
from syncam.cameras.trajectories import TARGET
from syncam.errors import InputError

CENTRE = torch.tensor(TARGET, dtype=torch.float64)
SUBJECT = (0.3, -0.2, 1.1)
Move = Callable[..., Cameras]

ABOUT = {
    "arc": moves.arc,
    "orbit": moves.orbit,
    "spiral": lambda c, x, **k: moves.spiral(c, 10 * x, closer=0.2 * x, rise=0.3 * x, **k),
    "elevate": moves.elevate,
    "crane": moves.crane,
    "dolly_zoom": lambda c, x, **k: moves.dolly_zoom(c, 0.1 * x, **k),
}
OWN = {
    "dolly": moves.dolly,
    "truck": moves.truck,
    "tilt": moves.tilt,
    "roll": moves.roll,
    "zoom": lambda c, x, **k: moves.zoom(c, 1.5**x, **k),
    "handheld": lambda c, x, **k: moves.handheld(c, x, seed=3, shift=0.1 * x, **k),
    "wander": lambda c, x, **k: moves.wander(c, x, seed=3, **k),
}
LEVEL = {"pan": moves.pan, "pedestal": moves.pedestal}
ALL = {**ABOUT, **OWN, **LEVEL}


def each(table: dict[str, Move]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("move", table.values(), ids=table.keys())


def rig(views: int = 2, frames: int = 5) -> Cameras:
    return hemisphere(views=views, radius=4.0, elevation_deg=20.0, span_deg=70.0, num_frames=frames, hw=HW)


def close(one: Cameras, other: Cameras, atol: float = 1e-12) -> None:
    torch.testing.assert_close(one.c2w, other.c2w, rtol=0, atol=atol)
    torch.testing.assert_close(one.K, other.K, rtol=1e-12, atol=atol)


def turned_deg(cameras: Cameras) -> Tensor:
    """How far every camera has turned since frame 0, [V, F] degrees."""
    rotation = cameras.c2w[..., :3, :3]
    return torch.rad2deg(rotation_log(rotation[..., :1, :, :].mT @ rotation).norm(dim=-1))


def way(cameras: Cameras) -> Tensor:
    """The displacement of every camera since frame 0 in the axes that it had there, [V, F, 3]."""
    shift = cameras.positions - cameras.positions[..., :1, :]
    return (cameras.c2w[..., :1, :3, :3].mT @ shift[..., None])[..., 0]


@each(ALL)
@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_nothing_happens_at_amount_0_and_at_frame_0(move: Move, views: int, frames: int) -> None:
    start = rig(views, frames)
    close(move(start, 0.0), start)
    moved = move(start, 3.0)
    close(moved.frames(0), start.frames(0))
    assert (moved.c2w.shape, moved.hw, moved.c2w.dtype) == (start.c2w.shape, start.hw, start.c2w.dtype)
    assert frames == 1 or not moved.is_static


@each(ALL)
def test_rotations_stay_proper_and_batches_are_moved_scene_by_scene(move: Move) -> None:
    one, other = rig(3), hemisphere(views=3, radius=3.0, num_frames=5, hw=HW)
    both = Cameras(torch.stack([one.c2w, other.c2w]), torch.stack([one.K, other.K]), HW)
    moved = move(both, 2.0)
    rotation = moved.c2w[..., :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3).double().expand_as(rotation), rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(2, 3, 5).double())
    if move not in (OWN["handheld"], OWN["wander"]):  # which draw anew for every camera
        close(Cameras(moved.c2w[1], moved.K[1], HW), move(other, 2.0))


@each(OWN)
def test_moves_in_the_cameras_own_axes_go_with_a_rig_that_is_moved_rigidly(move: Move) -> None:
    start = rig(3)
    motion = torch.eye(4, dtype=torch.float64)
    motion[:3, :3], motion[:3, 3] = random_rotations(1, seed=4)[0], torch.tensor([1.0, -2, 3])
    carried = Cameras(motion @ start.c2w, start.K, HW)
    close(move(carried, 2.0), Cameras(motion @ move(start, 2.0).c2w, move(start, 2.0).K, HW))


@each({**LEVEL, **ABOUT})
def test_the_other_moves_go_with_a_rig_and_subject_that_are_turned_about_the_vertical(move: Move) -> None:
    start, angle = rig(3), torch.tensor(0.7, dtype=torch.float64)
    motion = torch.eye(4, dtype=torch.float64)
    motion[:3, :3] = rotation_about(torch.tensor([0.0, 0, 1]), angle)
    motion[:3, 3] = torch.tensor([1.0, -2, 3])
    carried = Cameras(motion @ start.c2w, start.K, HW)
    options = {} if move in LEVEL.values() else {"target": SUBJECT}
    other = {"target": motion[:3, :3] @ torch.tensor(SUBJECT, dtype=torch.float64) + motion[:3, 3]} if options else {}
    moved = move(start, 2.0, **options)
    close(move(carried, 2.0, **other), Cameras(motion @ moved.c2w, moved.K, HW))


@each({name: move for name, move in ABOUT.items() if name != "dolly_zoom"})
def test_moves_about_a_subject_keep_it_in_its_place_in_the_picture(move: Move) -> None:
    start = moves.roll(moves.pan(rig(3), 8.0, timing=Timing(end=0.01)), 5.0, timing=Timing(end=0.01))
    subject = torch.tensor(SUBJECT, dtype=torch.float64)
    uv, _ = move(start, 3.0, target=SUBJECT).project(subject[None])
    expected, _ = start.project(subject[None])
    torch.testing.assert_close(uv, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("amount", [40.0, -40.0])
def test_angles_add_up_to_the_amount(amount: float) -> None:
    level = still(num_frames=5, hw=HW)
    share = torch.linspace(0, 1, 5).double()
    for move in (moves.pan, moves.tilt, moves.roll, moves.arc, moves.elevate):
        torch.testing.assert_close(turned_deg(move(level, amount))[0], abs(amount) * share)
    pitched = still(elevation_deg=30.0, num_frames=5, hw=HW)
    assert (moves.pan(pitched, amount).c2w[..., 2, 0].abs() < 1e-12).all(), "the right axis stays level"
    close(moves.pan(moves.tilt(pitched, 5.0), amount), moves.tilt(moves.pan(pitched, amount), 5.0))


def test_directions_of_turns() -> None:
    camera = still(num_frames=3, hw=HW)  # on +x, looks to -x
    right, down, forward = (camera.c2w[0, 0, :3, axis] for axis in range(3))
    assert moves.pan(camera, 10.0).c2w[0, -1, :3, 2] @ right > 0.1
    assert moves.tilt(camera, 10.0).c2w[0, -1, :3, 2] @ down < -0.1
    assert moves.roll(camera, 10.0).c2w[0, -1, :3, 0] @ down > 0.1
    assert moves.arc(camera, 10.0).positions[0, -1] @ right > 0.1
    assert moves.elevate(camera, 10.0).positions[0, -1, 2] > camera.positions[0, 0, 2] + 0.1
    assert forward.tolist() == pytest.approx([-1, 0, 0])


@pytest.mark.parametrize("amount", [0.75, -0.75])
def test_distances_add_up_to_the_amount_along_an_axis(amount: float) -> None:
    start, share = rig(), torch.linspace(0, 1, 5).double()[:, None]
    for move, axis in ((moves.truck, [1.0, 0, 0]), (moves.dolly, [0, 0, 1.0])):
        expected = amount * share * torch.tensor(axis).double()
        torch.testing.assert_close(way(move(start, amount)), expected.expand(2, 5, 3), atol=1e-12, rtol=0)
        assert turned_deg(move(start, amount)).max() < 1e-9
    rise = moves.pedestal(start, amount).positions - start.positions
    torch.testing.assert_close(rise, (amount * share * torch.tensor([0.0, 0, 1])).expand(2, 5, 3), atol=1e-12, rtol=0)
    assert moves.crane(start, amount).positions.equal(moves.pedestal(start, amount).positions)


def test_arc_orbit_and_elevate_keep_the_distance() -> None:
    start = rig(3, 9)
    for move, amount in ((moves.arc, 77.0), (moves.orbit, -1.5), (moves.elevate, 50.0)):
        distance = (move(start, amount).positions - CENTRE).norm(dim=-1)
        torch.testing.assert_close(distance, torch.full_like(distance, 4.0))
    close(moves.orbit(start, 0.25), moves.arc(start, 90.0))
    close(moves.orbit(start).frames(-1), start.frames(0))
    heights = moves.arc(start, 77.0).positions[..., 2]
    torch.testing.assert_close(heights, start.positions[..., 2])


def test_arc_is_the_arc_of_the_builders() -> None:
    from syncam.cameras import arc

    close(moves.arc(rig(3, 9), 30.0), arc(views=3, radius=4.0, elevation_deg=20.0, span_deg=70.0, num_frames=9, hw=HW))


def test_spiral_comes_closer_and_rises() -> None:
    moved = moves.spiral(rig(), 180.0, closer=1.0, rise=0.5)
    offset = moved.positions[:, -1] - CENTRE
    low = offset - torch.tensor([0.0, 0, 0.5])
    torch.testing.assert_close(low.norm(dim=-1), torch.full((2,), 3.0).double())
    torch.testing.assert_close(low[:, 2], torch.full((2,), 3 * math.sin(math.radians(20))).double())


@pytest.mark.parametrize("amount", [2.5, -3.0])
def test_dolly_zoom_keeps_the_size_of_the_plane_at_the_subject(amount: float) -> None:
    start = moves.pan(rig(), 10.0, timing=Timing(end=0.01))
    moved = moves.dolly_zoom(start, amount)
    depth = start.project(CENTRE[None])[1][:, -1]  # [V, 1]
    side = start.c2w[:, -1, :3, :2]
    axis = start.positions[:, -1] + depth * start.c2w[:, -1, :3, 2]
    corners = axis[:, None] + torch.stack([side[..., 0], side[..., 1], -side[..., 0] + side[..., 1]], 1)
    uv, _ = moved.project(corners[0])
    for frame in range(1, 5):
        torch.testing.assert_close(uv[0, frame], uv[0, 1], rtol=0, atol=1e-9)
    behind = moved.project(corners[0] + start.c2w[0, -1, :3, 2])[0]
    assert (behind[0, 1] - behind[0, -1]).abs().max() > 0.5, "what lies behind changes its size"


def test_zoom_multiplies_the_lens_and_nothing_else() -> None:
    start = random_cameras(2)
    moved = moves.zoom(start, 4.0)
    assert moved.c2w.equal(start.c2w) and moved.K[..., :2, 2].equal(start.K[..., :2, 2])
    factor = moved.K[0, :, 0, 0] / start.K[0, :, 0, 0]
    torch.testing.assert_close(factor, 4 ** torch.linspace(0, 1, 5).double())


def test_track_follows_a_subject() -> None:
    path = CENTRE + torch.linspace(0, 2, 5).double()[:, None] * torch.tensor([0.3, 1.0, 0.2])
    start = rig(3)
    moved = moves.track(start, path)
    assert moved.positions.equal(start.positions)
    uv = torch.stack([moved.project(path[frame, None])[0][:, frame, 0] for frame in range(5)])
    torch.testing.assert_close(uv, torch.tensor([HW[1] / 2, HW[0] / 2]).double().expand_as(uv))
    aside = moves.pan(start, 9.0, timing=Timing(end=0.01)).frames([1] * 5)  # not aimed at the subject
    held = moves.track(aside, path)
    uv = torch.stack([held.project(path[frame, None])[0][:, frame, 0] for frame in range(5)])
    torch.testing.assert_close(uv, aside.project(path[:1])[0][:, 0].transpose(0, 1).expand_as(uv))
    close(moves.track(start, path[:1].expand(5, 3)), start)
    with pytest.raises(InputError, match="path has 4 points but the cameras have 5 frames"):
        moves.track(start, path[:4])


def test_ahead_is_on_the_optical_axis() -> None:
    points = moves.ahead(rig(2, 3), 4.0)
    torch.testing.assert_close(points, CENTRE.expand(2, 3, 3))
    close(moves.arc(rig(), 30.0, target=moves.ahead(rig(), 4.0)), moves.arc(rig(), 30.0))


def test_a_moving_rig_moves_on_top_of_its_own_motion() -> None:
    both = moves.dolly(moves.arc(rig(), 60.0), 1.0)
    distance = (both.positions - CENTRE).norm(dim=-1)
    torch.testing.assert_close(distance, (4 - torch.linspace(0, 1, 5).double()).expand(2, 5))
    uv, _ = both.project(CENTRE[None])
    torch.testing.assert_close(uv, torch.tensor([HW[1] / 2, HW[0] / 2]).double().expand_as(uv))


@pytest.mark.parametrize("points", [1, 2, 3])
def test_wander_goes_as_far_as_it_should_and_turns_nowhere(points: int) -> None:
    start = hemisphere(views=3, radius=4.0, num_frames=401, hw=HW)
    moved = moves.wander(start, 1.5, seed=5, points=points)
    steps = moved.positions.diff(dim=1).norm(dim=-1)
    torch.testing.assert_close(steps.sum(1), torch.full((3,), 1.5).double(), rtol=1e-3, atol=0)
    assert steps.max() < 1.01 * 1.5 / 400, "at even speed"
    assert turned_deg(moved).max() < 1e-9
    bend = moved.positions.diff(dim=1).diff(dim=1).norm(dim=-1).amax(1)
    assert (bend < 1e-12).all() if points == 1 else (bend < 0.3 * 1.5 / 400).all(), "without corners"


def test_handheld_reaches_its_bounds_and_keeps_to_them() -> None:
    start = hemisphere(views=3, radius=4.0, num_frames=81, hw=HW)
    moved = moves.handheld(start, 2.0, seed=5, shift=0.05)
    torch.testing.assert_close(turned_deg(moved).amax(1), torch.full((3,), 2.0).double())
    torch.testing.assert_close(way(moved).norm(dim=-1).amax(1), torch.full((3,), 0.05).double())
    assert turned_deg(moved).diff(dim=1).abs().max() < 1.2, "it shakes smoothly"


@pytest.mark.parametrize("name", ["handheld", "wander"])
def test_seeds_give_the_same_again_and_another_seed_something_else(name: str) -> None:
    move, start = getattr(moves, name), rig()
    assert move(start, 1.0, seed=7).c2w.equal(move(start, 1.0, seed=7).c2w)
    assert not torch.allclose(move(start, 1.0, seed=7).c2w, move(start, 1.0, seed=8).c2w, atol=1e-3)
    one, other = move(start.view([0, 0]), 1.0, seed=7).c2w
    assert not torch.allclose(one, other, atol=1e-3), "every camera draws its own"


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        (Timing(), [0, 0.25, 0.5, 0.75, 1]),
        (Timing(speed="ease"), [0, 0.15625, 0.5, 0.84375, 1]),
        (Timing(a=2.0), [(1 - math.exp(-2 * i / 4)) / (1 - math.exp(-2)) for i in range(5)]),
        (Timing(a=-3.0), [(1 - math.exp(3 * i / 4)) / (1 - math.exp(3)) for i in range(5)]),
        (Timing(start=0.25, end=0.75), [0, 0, 0.5, 1, 1]),
        (Timing(start=0.5), [0, 0, 0, 0.5, 1]),
    ],
    ids=str,
)
def test_speeds(timing: Timing, expected: list[float]) -> None:
    torch.testing.assert_close(timing.progress(rig()), torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(turned_deg(moves.pan(rig(1), 10.0, timing=timing))[0], 10 * timing.progress(rig()))
    assert timing.progress(rig(1, 1)).tolist() == [0]


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Timing(speed="slow"), "timing: speed must be constant or ease, got 'slow'"),
        (lambda: Timing(a=float("nan")), "timing: a must lie in -50..50, got nan"),
        (lambda: Timing(a=1.0, speed="ease"), "speed=ease and a=1 contradict each other"),
        (lambda: Timing(start=0.5, end=0.5), "expected 0 <= start < end <= 1, got start=0.5 and end=0.5"),
        (lambda: moves.pan(rig(), math.inf), "pan: amount_deg must be a finite number, got inf"),
        (lambda: moves.dolly(rig(), math.nan), "dolly: amount_m must be a finite number, got nan"),
        (lambda: moves.zoom(rig(), 0.0), "zoom: factor must be positive (2 doubles the focal length), got 0"),
        (lambda: moves.ahead(rig(), 0.0), "distance to the subject must be positive, in metres, got 0"),
        (lambda: moves.elevate(rig(), 70.0), "elevate: a camera comes to 90 degrees of elevation; keep it in -89..89"),
        (lambda: moves.spiral(rig(), 9.0, closer=4.0), "closer must be less than the 4 m between camera and target"),
        (
            lambda: moves.dolly_zoom(rig(), 4.0),
            "the target must stay before the cameras; it is 4 m before them and they travel 4 m",
        ),
        (lambda: moves.handheld(rig(), -1.0, seed=0), "amount_deg and shift must not be negative"),
        (lambda: moves.wander(rig(), 1.0, seed=0, points=0), "points must lie in 1..10, got amount_m=1 and points=0"),
    ],
)
def test_what_moves_refuse(act: Callable[[], object], message: str, unchecked: None) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        act()


def test_rotation_vectors_are_the_inverse_of_rotations() -> None:
    vector = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    angle = vector.norm(dim=-1)
    torch.testing.assert_close(rotation_log(rotation_about(vector / angle[:, None], angle)), vector)
    assert rotation_log(torch.eye(3)).tolist() == [0, 0, 0]
    quarter = rotation_about(torch.tensor([0.0, 0, 1]), torch.tensor(math.pi / 2))
    torch.testing.assert_close(quarter @ torch.tensor([1.0, 0, 0]).double(), torch.tensor([0.0, 1, 0]).double())


def test_posed_changes_what_it_is_given() -> None:
    start = random_cameras(2)
    other = random_cameras(2, seed=9)
    moved = posed(start, position=other.positions)
    assert moved.positions.equal(other.positions) and moved.c2w[..., :3, :3].equal(start.c2w[..., :3, :3])
    assert posed(start, K=other.K).K.equal(other.K) and posed(start.to(torch.float32)).c2w.dtype == torch.float32

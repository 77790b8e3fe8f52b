"""Samplers: within the published ranges, different in every scene, the same for a seed."""

import math
from collections.abc import Callable

import pytest
import torch

from syncam.cameras import Cameras, sample_multicam, sample_syncam, sample_takes
from syncam.cameras.rotations import rotation_log
from syncam.cameras.samplers import MULTICAM_FAMILIES, MULTICAM_FOCALS_MM, MULTICAM_RADII
from syncam.cameras.trajectories import TARGET
from syncam.errors import InputError

CENTRE = torch.tensor(TARGET, dtype=torch.float64)
SAMPLERS = pytest.mark.parametrize("sample", [sample_syncam, sample_multicam, sample_takes])


def distance(cameras: Cameras) -> torch.Tensor:
    return (cameras.positions - CENTRE).norm(dim=-1)


def elevation_deg(cameras: Cameras) -> torch.Tensor:
    return torch.rad2deg(torch.asin((cameras.positions - CENTRE)[..., 2] / distance(cameras)))


def turned_deg(cameras: Cameras) -> torch.Tensor:
    rotation = cameras.c2w[..., :3, :3]
    return torch.rad2deg(rotation_log(rotation[:, :1].mT @ rotation).norm(dim=-1))


@SAMPLERS
@pytest.mark.parametrize("views", [1, 2, 3])
def test_seeds(sample: Callable[..., Cameras], views: int) -> None:
    one = sample(5, views=views, num_frames=3, hw=(48, 80))
    assert one.c2w.shape == (views, 3, 4, 4) and one.hw == (48, 80)
    assert sample(5, views=views, num_frames=3, hw=(48, 80)).c2w.equal(one.c2w)
    assert not torch.allclose(sample(6, views=views, num_frames=3, hw=(48, 80)).c2w, one.c2w)


def test_syncam_covers_its_hemisphere_and_stands_still() -> None:
    cameras = sample_syncam(0, views=200, num_frames=2)
    assert cameras.is_static
    for values, low, high in ((distance(cameras), 3.5, 9.0), (elevation_deg(cameras), 0.0, 45.0)):
        tenth = (high - low) / 10
        assert low - 1e-9 <= values.min() < low + tenth and high - tenth < values.max() <= high + 1e-9
    offset = (cameras.positions - CENTRE)[:, 0]
    counts = torch.histc(torch.atan2(offset[:, 1], offset[:, 0]), 4, -math.pi, math.pi)
    assert counts.min() > 25
    uv, _ = cameras.project(CENTRE[None])
    torch.testing.assert_close(uv, torch.full_like(uv, 64.0))


def within(values: torch.Tensor, low: float, high: float) -> bool:
    return bool(((values >= low - 1e-6) & (values <= high + 1e-6)).all())


def family(name: str, frames: int = 41) -> Cameras:
    return sample_multicam(3, views=60, num_frames=frames, families=(name,))


def test_multicam_starts_in_its_hemisphere_and_looks_at_the_character() -> None:
    lenses, radii = set(), []
    for seed in range(30):
        cameras = sample_multicam(seed, views=4, num_frames=5)
        lenses.add(round(float(cameras.K[0, 0, 0, 0]) / 128 * 23.76, 6))
        radii.append(float(distance(cameras)[:, 0].max()))
        start = cameras.frames(0)
        assert within(distance(start), 0.5, 10) and within(elevation_deg(start), 0, 45)
        torch.testing.assert_close(start.project(CENTRE[None])[0], torch.full((4, 1, 1, 2), 64.0).double())
        assert distance(cameras).min() >= 0.5 - 1e-9 and cameras.positions[..., 2].min() >= 0.05
    assert lenses == set(MULTICAM_FOCALS_MM)
    assert max(radii) > 7 and any(radius <= 3 for radius in radii) and max(MULTICAM_RADII) == 10


def test_multicam_static_and_pan_tilt() -> None:
    assert family("static").is_static
    turning = family("pan_tilt")
    assert (turning.positions == turning.positions[:, :1]).all()
    final = turning.c2w[:, -1, :3, :3]
    start = turning.c2w[:, 0, :3, :3]
    heading = [torch.rad2deg(torch.atan2(r[:, 1, 2], r[:, 0, 2])) for r in (start, final)]
    pitch = [torch.rad2deg(torch.asin(r[:, 2, 2])) for r in (start, final)]
    pan = (heading[1] - heading[0] + 180) % 360 - 180
    assert within(pan.abs(), 5, 45) and pan.min() < 0 < pan.max()
    tilt = pitch[1] - pitch[0]
    assert within(tilt.abs(), 5, 30) and tilt.min() < 0 < tilt.max()


@pytest.mark.parametrize("name", ["translation", "polyline"])
def test_multicam_travels(name: str) -> None:
    cameras = family(name, 161)
    assert turned_deg(cameras).max() < 1e-6
    length = cameras.positions.diff(dim=1).norm(dim=-1).sum(1) / distance(cameras)[:, 0]
    assert within(length, 0.249, 1.001)
    if name == "translation":
        step = cameras.positions[:, -1] - cameras.positions[:, 0]
        along = (step[:, None] @ cameras.c2w[:, 0, :3, :3])[:, 0] / step.norm(dim=-1, keepdim=True)
        upright = (step[:, 2].abs() / step.norm(dim=-1)) > 1 - 1e-9
        assert torch.isclose(along.abs().amax(-1)[~upright], torch.ones(1).double()).all() and 0 < upright.sum() < 60


def test_multicam_arcs_and_speeds() -> None:
    cameras = family("arc")
    assert (distance(cameras) - distance(cameras)[:, :1]).abs().max() < 1e-9
    assert within(turned_deg(cameras)[:, -1], 15, 75)
    steps = turned_deg(cameras).diff(dim=1)
    constant = (steps - steps[:, :1]).abs().amax(1) < 1e-6
    assert 18 < constant.sum() < 42, "half of the moves have constant speed"
    ratio = steps[:, 1:] / steps[:, :-1]
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), atol=1e-6, rtol=0)  # exponential


def test_all_families_occur() -> None:
    cameras = sample_multicam(1, views=60, num_frames=5)
    moving = (cameras.positions - cameras.positions[:, :1]).norm(dim=-1).amax(1) > 1e-6
    turning = turned_deg(cameras).amax(1) > 1e-6
    kinds = {(bool(m), bool(t)) for m, t in zip(moving, turning, strict=True)}
    assert kinds == {(False, True), (True, False), (True, True), (False, False)} and len(MULTICAM_FAMILIES) == 5


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (lambda: sample_syncam(0, views=0, num_frames=1), "at least one view"),
        (lambda: sample_syncam(0, views=1, num_frames=1, radius=(5.0, 4.0)), "radius must be a range from low to high"),
        (lambda: sample_multicam(0, views=1, num_frames=0), "at least one view and one frame"),
        (lambda: sample_multicam(0, views=1, num_frames=1, families=("zoom",)), "families must be some of pan_tilt"),
        (lambda: sample_multicam(0, views=1, num_frames=1, families=()), "got none"),
    ],
)
def test_what_samplers_refuse(sample: Callable[[], Cameras], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sample()


def test_a_scene_may_say_its_radius_and_lens() -> None:
    """All else that is drawn stays the same."""
    free = sample_multicam(2, views=3, num_frames=3)
    for seen in MULTICAM_FOCALS_MM:
        given = sample_multicam(2, views=3, num_frames=3, focal_mm=seen)
        assert given.c2w.equal(free.c2w) and float(given.K[0, 0, 0, 0]) == pytest.approx(seen / 23.76 * 128)
    near = sample_multicam(2, views=8, num_frames=3, radius=2.0)
    assert within(distance(near.frames(0)), 0.5, 2.0)
    with pytest.raises(
        InputError, match=r"^radius must be larger than 0\.5, the least distance of a camera, got 0\.5$"
    ):
        sample_multicam(2, views=3, num_frames=3, radius=0.5)
    with pytest.raises(InputError, match="focal must be positive"):
        sample_multicam(2, views=3, num_frames=3, focal_mm=0.0)


def test_takes_begin_together_but_for_a_fifth() -> None:
    apart, still, aims = 0, 0, []
    for seed in range(150):
        cameras = sample_takes(seed, views=4, num_frames=9, radius=(4.0, 6.0), elevation_deg=(5.0, 30.0))
        start = cameras.frames(0)
        assert within(distance(start), 4, 6) and within(elevation_deg(start), 5, 30)
        torch.testing.assert_close(start.project(CENTRE[None])[0], torch.full((4, 1, 1, 2), 64.0).double())
        stands = (cameras.c2w == cameras.c2w[:, :1]).flatten(1).all(1)
        still += int(stands[0])
        assert not stands[1:].any()
        offset = (start.positions - CENTRE)[:, 0]
        azimuth = torch.atan2(offset[:, 1], offset[:, 0])
        between = torch.rad2deg((azimuth[:, None] - azimuth).sin().asin().abs())
        if float((start.c2w - start.c2w[:1]).abs().max()) > 1e-9:
            apart += 1
            assert 1 < between.max() <= 60 + 1e-6
        assert turned_deg(cameras).max() <= 60 + 1e-6 and cameras.positions[..., 2].min() >= 0.05
        assert (cameras.positions - cameras.positions[:, :1]).norm(dim=-1).max() <= 6.0 + 1e-6  # an arc of 60 degrees
        uv, _ = cameras.project(CENTRE[None])
        aims.append(float(((uv - 64.0).abs() < 64.0).all(-1).double().mean()))
    assert 0.12 < apart / 150 < 0.28 and 0.65 < still / 150 < 0.85
    assert sum(aims) / len(aims) > 0.9


def test_takes_are_among_others_the_basic_trajectories() -> None:
    """Every kind of move occurs: those that turn in place, that travel, and that keep the subject where it is."""
    turning, travelling, keeping = 0, 0, 0
    for seed in range(60):
        cameras = sample_takes(seed, views=4, num_frames=5)
        moved = (cameras.positions - cameras.positions[:, :1]).norm(dim=-1).amax(1) > 1e-6
        turned = turned_deg(cameras).amax(1) > 1e-3
        aimed = ((cameras.project(CENTRE[None])[0] - 64.0).norm(dim=-1) < 1e-6).flatten(1).all(1)
        turning += int((turned & ~moved).sum())
        travelling += int((moved & ~turned).sum())
        keeping += int((moved & turned).sum())
        assert (aimed | ~(moved & turned)).all()
    assert min(turning, travelling, keeping) > 20


def test_takes_drawn_again_begin_where_the_scene_does() -> None:
    for scene in range(5):
        first, again = (
            sample_takes(scene, scene=scene, views=2, num_frames=3),
            sample_takes(99, scene=scene, views=2, num_frames=3),
        )
        assert first.c2w.equal(sample_takes(scene, views=2, num_frames=3).c2w)
        assert not first.c2w.equal(again.c2w)
        assert not again.view([0]).is_static
        together = bool((first.c2w[0, 0] - first.c2w[1, 0]).abs().max() < 1e-9)
        assert together == bool((again.c2w[0, 0] - first.c2w[0, 0]).abs().max() < 1e-9)


def test_takes_refuse() -> None:
    with pytest.raises(InputError, match="radius must be a range from low to high, got 5..4"):
        sample_takes(0, views=1, num_frames=3, radius=(5.0, 4.0))
    with pytest.raises(InputError, match="puts the cameras under the ground; raise it"):
        sample_takes(0, views=1, num_frames=3, target=(0.0, 0.0, -20.0))

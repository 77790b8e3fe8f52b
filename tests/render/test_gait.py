"""How animals move: planted feet, whole limbs, the path that the scene says."""

import numpy as np
import pytest

from render.examples import SPEED, animal, skinned
from syncam.render.actions import actions
from syncam.render.gait import bone_matrices, foot_positions, stride_period
from syncam.render.skeleton import BODY, NUM_BONES, Leg, leg_bone
from syncam.render.species import SPECIES, species

ALL = pytest.mark.parametrize("kind", SPECIES)
MOVES = [
    (kind, gait, turn)
    for kind in SPECIES
    for gait, turn in (("walk", 0.0), ("trot", 0.0), ("run", 0.0), ("turn", 40.0), ("turn", -40.0))
    if gait in actions(species(kind))
]
MOVING = pytest.mark.parametrize(("kind", "gait", "turn"), MOVES)
TIMES = np.arange(150) / 60


def legs(kind: str) -> dict[int, Leg]:
    """Every leg of a species by its number, right legs mirrored."""
    found = {}
    for leg in species(kind).legs:
        first = 0 if leg.front else 2
        found[first] = leg
        hip, knee, ankle = ((x, -y, z) for x, y, z in (leg.hip, leg.knee, leg.ankle))
        found[first + 1] = Leg(hip, knee, ankle, leg.front)
    return found


def moved(matrices: np.ndarray, point: tuple[float, float, float]) -> np.ndarray:
    """Where bones [F, 4, 4] carry a point of the rest pose, [F, 3]."""
    return (matrices @ np.array([*point, 1.0]))[:, :3]


@MOVING
def test_feet_on_the_ground_stay_where_they_are(kind: str, gait: str, turn: float) -> None:
    one = animal(kind, gait=gait, turn_deg_per_s=turn, heading_deg=30.0, scale=0.85)
    ankles, planted = foot_positions(one, TIMES, 1.0)
    steps = np.linalg.norm(np.diff(ankles, axis=0), axis=-1)
    both = planted[1:] & planted[:-1]
    assert both.any(axis=0).all() and (~planted).any(axis=0).all()
    assert steps[both].max() < 1e-3
    assert steps[~planted[1:] & ~planted[:-1]].max() > 1e-2


@MOVING
def test_feet_touch_the_ground_and_nothing_goes_below(kind: str, gait: str, turn: float) -> None:
    one = animal(kind, gait=gait, turn_deg_per_s=turn)
    mesh = species(kind).mesh
    vertices = skinned(one, TIMES)
    ankles, planted = foot_positions(one, TIMES, 0.0)
    for leg in range(planted.shape[1]):
        sole = vertices[:, (mesh.bones == leg_bone(leg, 2)).all(axis=1), 2].min(axis=1)
        assert np.abs(sole[planted[:, leg]]).max() < 0.025
        assert np.ptp(sole[planted[:, leg]]) < 1e-9
        assert ankles[:, leg, 2].max() > ankles[planted[:, leg], leg, 2].max() + 0.04
    assert vertices[..., 2].min() > -0.025


@MOVING
def test_limbs_are_whole(kind: str, gait: str, turn: float) -> None:
    """Thigh and shank meet in the knee, shank and foot in the ankle, the thigh hangs on the hip."""
    one = animal(kind, gait=gait, turn_deg_per_s=turn)
    bones = bone_matrices(one, TIMES, 0.0)
    for index, leg in legs(kind).items():
        upper, lower, foot = (bones[:, leg_bone(index, segment)] for segment in range(3))
        np.testing.assert_allclose(moved(bones[:, BODY], leg.hip), moved(upper, leg.hip), atol=1e-3)
        np.testing.assert_allclose(moved(upper, leg.knee), moved(lower, leg.knee), atol=1e-3)
        np.testing.assert_allclose(moved(lower, leg.ankle), moved(foot, leg.ankle), atol=1e-3)


@ALL
@pytest.mark.parametrize("scale", [0.85, 1.0])
def test_bones_are_rigid(kind: str, scale: float) -> None:
    bones = bone_matrices(animal(kind, scale=scale), TIMES[:20], 0.0)
    assert bones.shape == (20, NUM_BONES, 4, 4)
    rotation = bones[..., :3, :3] / scale
    square = rotation @ np.swapaxes(rotation, -1, -2)
    np.testing.assert_allclose(square, np.broadcast_to(np.eye(3), square.shape), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(rotation), 1.0)


@MOVING
def test_nobody_floats(kind: str, gait: str, turn: float) -> None:
    """Half of the feet or more are on the ground unless it runs, and each foot for the same share of the stride."""
    one = animal(kind, gait=gait, turn_deg_per_s=turn)
    times = np.linspace(0, 2 * stride_period(one), 400, endpoint=False)
    _, planted = foot_positions(one, times, 0.0)
    assert planted.shape[1] == 2 * len(species(kind).legs)
    assert planted.sum(axis=1).min() >= (0 if gait == "run" else planted.shape[1] / 2)
    assert np.ptp(planted.mean(axis=0)) < 0.02


def test_the_order_of_the_feet() -> None:
    """A trot moves diagonal pairs; in a walk each foot starts a quarter of a stride after another one."""
    trot, walk = animal(gait="trot"), animal(gait="walk")
    _, planted = foot_positions(trot, TIMES, 0.0)
    assert np.array_equal(planted[:, 0], planted[:, 3]) and np.array_equal(planted[:, 1], planted[:, 2])
    assert not np.array_equal(planted[:, 0], planted[:, 1])
    times = np.linspace(0, stride_period(walk), 4000, endpoint=False)
    _, planted = foot_positions(walk, times, 0.0)
    touches = [np.flatnonzero(foot & ~np.roll(foot, 1))[0] / 4000 for foot in planted.T]
    np.testing.assert_allclose(np.diff(sorted(touches)), 0.25, atol=2e-3)


@pytest.mark.parametrize(("kind", "gait"), [(kind, gait) for kind, gait, turn in MOVES if turn == 0])
def test_straight_paths(kind: str, gait: str) -> None:
    """The animal is at its place at mid-clip, goes where it heads at its speed, and repeats its stride."""
    one = animal(kind, gait=gait, heading_deg=120.0, x=0.4, y=-0.3, scale=0.9)
    period = stride_period(one)
    bones = bone_matrices(one, np.array([2.0, 3.0, 3.0 + period]), 2.0)
    place = moved(bones[:, BODY], (0.0, 0.0, 0.8))[:, :2]
    ahead = np.array([np.cos(np.deg2rad(120)), np.sin(np.deg2rad(120))])
    np.testing.assert_allclose(place[0], [0.4, -0.3], atol=1e-9)
    np.testing.assert_allclose(place[1] - place[0], SPEED[gait] * ahead, atol=1e-9)
    again = bones[2].copy()
    again[:, :2, 3] -= SPEED[gait] * period * ahead
    np.testing.assert_allclose(again, bones[1], atol=1e-9)


def test_turns_follow_a_circle() -> None:
    one = animal(gait="turn", turn_deg_per_s=40.0)
    bones = bone_matrices(one, np.arange(9.0), 0.0)
    place = moved(bones[:, BODY], (0.0, 0.0, 0.8))
    centre = np.array([0.0, one.speed / np.deg2rad(40)])
    np.testing.assert_allclose(np.linalg.norm(place[:, :2] - centre, axis=1), centre[1], atol=1e-9)
    np.testing.assert_allclose(place[0, :2], 0, atol=1e-9)
    assert place[1, 1] > 0.1, "a positive turn is to the left"
    rolled = bones[:, BODY, :2, 0]
    heading = np.unwrap(np.arctan2(rolled[:, 1], rolled[:, 0]))
    np.testing.assert_allclose(np.rad2deg(np.diff(heading)), 40.0, atol=1e-6)


@ALL
def test_the_same_motion_in_another_direction(kind: str) -> None:
    one, turned = animal(kind, heading_deg=0.0), animal(kind, heading_deg=90.0)
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(skinned(one, TIMES[:9]) @ quarter.T, skinned(turned, TIMES[:9]), atol=1e-9)


def test_a_frame_does_not_depend_on_the_others() -> None:
    one = animal(gait="turn")
    together = bone_matrices(one, TIMES, 0.7)
    for frame in (0, 31, 149):
        np.testing.assert_array_equal(bone_matrices(one, TIMES[frame : frame + 1], 0.7)[0], together[frame])
    np.testing.assert_allclose(bone_matrices(one, TIMES + 5, 5.7), together, atol=1e-9)


def test_motion_is_smooth() -> None:
    """No vertex jumps: at 30 frames a second none moves faster than 8 m/s."""
    for kind in SPECIES:
        for gait in actions(species(kind)):
            steps = np.diff(skinned(animal(kind, gait=gait), TIMES[::2][:60]), axis=0)
            assert np.linalg.norm(steps, axis=-1).max() * 30 < 8.0, (kind, gait)

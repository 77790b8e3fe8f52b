"""Characters that stand, wave, dance, sit and stop: planted feet here too."""

import numpy as np
import pytest

from render.examples import animal, skinned
from syncam.errors import InputError
from syncam.render.actions import actions
from syncam.render.gait import bone_matrices, foot_positions, own_time, root_path, seat_place
from syncam.render.scene import GAITS
from syncam.render.skeleton import BODY, CHEST, arm_bone, leg_bone
from syncam.render.species import SPECIES, species

TIMES = np.arange(90) / 30
STILL = [(kind, gait) for kind in SPECIES for gait, action in actions(species(kind)).items() if action.still]


def test_everybody_can_do_what_has_a_word() -> None:
    found = {gait for kind in SPECIES for gait in actions(species(kind))}
    assert found == set(GAITS)
    assert set(actions(species("woman"))) >= {"walk", "run", "wave", "dance", "sit"}


@pytest.mark.parametrize(("kind", "gait"), STILL)
def test_who_stands_keeps_its_feet_still_and_on_the_ground(kind: str, gait: str) -> None:
    one = animal(kind, gait=gait)
    ankles, planted = foot_positions(one, TIMES, 1.0)
    assert planted.all() and np.abs(np.diff(ankles, axis=0)).max() == 0
    mesh, vertices = species(kind).mesh, skinned(one, TIMES[::6])
    for leg in range(2 * len(species(kind).legs)):
        sole = vertices[:, (mesh.bones == leg_bone(leg, 2)).all(axis=1), 2].min(axis=1)
        assert np.abs(sole).max() < 0.026
    assert vertices[..., 2].min() > (-0.35 if gait == "eat" else -0.03)
    assert np.ptp(vertices, axis=0).max() > 0.01, "something moves"


@pytest.mark.parametrize("kind", SPECIES)
def test_who_stops_does_not_slide(kind: str) -> None:
    """Feet come down as it slows: what is near the ground is slow, and in the end nothing moves but heads and tails."""
    one = animal(kind, stop_s=0.6)
    times = np.arange(0, 2.4, 1 / 120)
    ankles, planted = foot_positions(one, times, 1.0)
    steps = np.linalg.norm(np.diff(ankles[..., :2], axis=0), axis=-1) * 120
    both = planted[1:] & planted[:-1]
    assert steps[both].max() < 1e-6
    stopped = times > 1.6
    assert planted[stopped].all() and np.ptp(ankles[stopped], axis=0).max() < 1e-9
    rest = np.array([leg.ankle[2] for leg in species(kind).legs for _ in range(2)])
    np.testing.assert_allclose(ankles[-1, :, 2], rest, atol=1e-6)
    assert np.abs(np.diff(ankles[..., 2], axis=0)).max() * 120 < 3.0
    place, _ = root_path(one, times, 1.0)
    speed = np.diff(place[:, 0]) * 120
    assert speed[0] == pytest.approx(one.speed) and speed[-1] == 0 and np.diff(speed).max() < 1e-6


def test_own_time() -> None:
    own, rate = own_time(animal(stop_s=0.5), np.array([-2.0, -0.2, 0.15, 0.5, 3.0]))
    np.testing.assert_allclose(own, [-2.0, -0.2, 0.15 - 0.0875, 0.15, 0.15])
    np.testing.assert_allclose(rate, [1, 1, 0.5, 0, 0])


@pytest.mark.parametrize("kind", [kind for kind in SPECIES if species(kind).family == "person"])
def test_sitting(kind: str) -> None:
    """Hips are behind the feet and as high as the knees; arms stay on their shoulders."""
    one = animal(kind, gait="sit", heading_deg=90.0, x=0.3, scale=0.9)
    bones = bone_matrices(one, np.array([0.0, 0.4]), 0.0)
    leg = species(kind).legs[0]
    hip = (bones[:, BODY] @ [leg.hip[0], 0.0, leg.hip[2], 1.0])[:, :3]
    knee = (bones[:, leg_bone(0, 0)] @ [*leg.knee, 1.0])[:, :3]
    assert np.abs(hip[:, 2] - knee[:, 2]).max() < 0.05
    x, y, height = seat_place(one)
    np.testing.assert_allclose(hip, np.broadcast_to([x, y, height], hip.shape), atol=0.03)
    assert y < -0.2 and x == pytest.approx(0.3)


def test_arms_swing_against_the_legs_and_wave_above_the_head() -> None:
    kind = species("man")
    hand = next(joint.pivot for joint in kind.joints if joint.bone == arm_bone(1, 2))
    walk = bone_matrices(animal("man"), TIMES, 1.0)
    reach = (walk[:, arm_bone(1, 1)] @ [*hand, 1.0])[:, 0] - walk[:, CHEST, 0, 3]
    foot = (walk[:, leg_bone(0, 2)] @ [*kind.legs[0].ankle, 1.0])[:, 0] - walk[:, BODY, 0, 3]
    assert np.corrcoef(reach, foot)[0, 1] > 0.7, "the right arm goes with the left leg"
    wave = bone_matrices(animal("man", gait="wave"), TIMES, 1.0)
    assert (wave[:, arm_bone(1, 1)] @ [*hand, 1.0])[:, 2].min() > 1.55


def test_what_a_species_cannot_do() -> None:
    with pytest.raises(InputError, match="a horse cannot dance; it can walk, turn, trot, stand, eat"):
        bone_matrices(animal("horse", gait="dance"), TIMES, 0.0)

"""Scale rules: the length becomes 1, once is enough, and units and places do not matter."""

from typing import get_args

import pytest
import torch

from cameras.examples import random_cameras
from syncam.cameras import Cameras, hemisphere, normalise_scale
from syncam.cameras.normalise import ScaleRule
from syncam.errors import InputError

RULES = pytest.mark.parametrize("rule", get_args(ScaleRule))
BATCH = pytest.mark.parametrize("batch", [(), (2,), (2, 3)], ids=str)


@RULES
@BATCH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_once_is_enough_and_the_length_undoes_it(rule: ScaleRule, batch: tuple[int, ...], dtype: torch.dtype) -> None:
    cameras = random_cameras(3, 4, batch).to(dtype)
    normal, length = normalise_scale(cameras, rule)
    assert length.shape == batch and length.dtype == dtype and normal.c2w.dtype == dtype
    _, again = normalise_scale(normal, rule)
    torch.testing.assert_close(again, torch.ones_like(again), rtol=0, atol=1e-4 if dtype == torch.float32 else 1e-9)
    back = normal.transformed(torch.eye(4, dtype=dtype), length)
    torch.testing.assert_close(back.c2w, cameras.c2w)
    assert torch.equal(normal.c2w[..., :3, :3], cameras.c2w[..., :3, :3]) and torch.equal(normal.K, cameras.K)


@RULES
def test_neither_units_nor_places_matter(rule: ScaleRule) -> None:
    cameras, world = random_cameras(3, 4), random_cameras(1, 1, seed=9).c2w[0, 0]
    elsewhere = cameras.transformed(world, 100.0)
    (one, length), (other, longer) = normalise_scale(cameras, rule), normalise_scale(elsewhere, rule)
    torch.testing.assert_close(longer, 100 * length)
    torch.testing.assert_close(other.relative_to(0, 0), one.relative_to(0, 0), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("view", "frame"), [(0, 0), (1, 2)])
def test_gaps_and_distances_by_hand(view: int, frame: int) -> None:
    cameras = random_cameras(3, 4)
    position = cameras.positions
    here = position[view, frame]
    expected = {
        "frame gap": (position[view, frame + 1] - here).norm(),
        "view gap": (position[view + 1, frame] - here).norm(),
        "largest distance": torch.stack([(p - here).norm() for p in position.flatten(0, 1)]).max(),
    }
    for rule, length in expected.items():
        torch.testing.assert_close(normalise_scale(cameras, rule, view=view, frame=frame)[1], length)


def test_the_radius_of_a_scene_is_the_distance_to_what_all_look_at() -> None:
    cameras = hemisphere(views=3, radius=4.0, span_deg=60.0)
    assert float(normalise_scale(cameras, "scene radius")[1]) == pytest.approx(4.0)
    parallel = cameras.view([0, 0])
    c2w = parallel.c2w.clone()
    c2w[1, :, 0, 3] += 3.0  # they look at nothing in common: half their distance is the radius about their middle
    assert float(normalise_scale(Cameras(c2w, parallel.K, parallel.hw), "scene radius")[1]) == pytest.approx(1.5)


@pytest.mark.parametrize("rule", ["frame gap", "largest distance"])
def test_a_still_camera_has_no_scale(rule: ScaleRule) -> None:
    still = random_cameras(1, 1).repeat_frames(3)
    with pytest.raises(InputError, match=rf"the {rule} of the rig is 0, which cannot become 1: got 0.0"):
        normalise_scale(still, rule)


def test_gaps_need_a_next_one() -> None:
    cameras = random_cameras(2, 3)
    with pytest.raises(InputError, match="the frame gap needs a frame after number 2, but the rig has 3"):
        normalise_scale(cameras, "frame gap", frame=2)
    with pytest.raises(InputError, match="the view gap needs a view after number 1, but the rig has 2"):
        normalise_scale(cameras, "view gap", view=1)
    with pytest.raises(InputError, match=r"view index must lie in 0\.\.1, got \[5\]"):
        normalise_scale(cameras, "largest distance", view=5)


def test_new_numbers_take_the_device_of_the_cameras() -> None:
    cameras = random_cameras(3)
    expected = normalise_scale(cameras, "scene radius")[0].c2w
    with torch.device("meta"):
        assert torch.equal(normalise_scale(cameras, "scene radius")[0].c2w, expected)

"""Frames of one moving camera as views."""

import pytest
import torch

from data_package.layouts import ramp, rig
from syncam.data.clip import MultiViewClip
from syncam.data.moments import frames_as_views, pick_frames
from syncam.errors import InputError


def test_frames_are_near_each_other_and_reach_everywhere() -> None:
    generator = torch.Generator().manual_seed(0)
    picks = [pick_frames(300, 3, max_gap=100, generator=generator) for _ in range(300)]
    assert all(len(set(pick)) == 3 and max(pick) - min(pick) <= 100 for pick in picks)
    numbers = {number for pick in picks for number in pick}
    assert min(numbers) < 20 and max(numbers) > 280
    with pytest.raises(InputError, match=r"1\.\.2"):
        pick_frames(2, 3, generator=generator)


@pytest.mark.parametrize("cameras", [True, False])
def test_frames_become_views(cameras: bool) -> None:
    clip = MultiViewClip(ramp(1, 5), rig(1, 5) if cameras else None, "", 8)
    views = frames_as_views(clip)
    assert views.video.shape[:2] == (5, 1) and torch.equal(views.video[:, 0], clip.video[0])
    if cameras:
        assert torch.equal(views.cameras.c2w[:, 0], clip.cameras.c2w[0])
    with pytest.raises(InputError, match="has 2"):
        frames_as_views(MultiViewClip(ramp(2, 5), None, "", 8))

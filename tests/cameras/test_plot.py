"""The picture of a rig: frusta where the cameras look, drawn for still, moving and single cameras."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from syncam.cameras import Cameras, arc, hemisphere
from syncam.cameras.plot import draw_rig, frusta, spread
from syncam.errors import InputError


def test_frusta_are_the_pictures_corners() -> None:
    cameras = arc(views=2, radius=5.0, num_frames=3, hw=(96, 128))
    corners = frusta(cameras, depth=0.7)
    assert corners.shape == (2, 3, 6, 3)
    torch.testing.assert_close(corners[:, :, 0], cameras.positions)
    for view in range(2):
        for frame in range(3):
            pixels, depth = cameras.view(view).frames(frame).project(corners[view, frame, 1:5])
            expected = torch.tensor([[0.0, 0], [128, 0], [128, 96], [0, 96]], dtype=torch.float64)
            torch.testing.assert_close(pixels[0, 0], expected, atol=1e-9, rtol=0)
            torch.testing.assert_close(depth[0, 0], torch.full((4,), 0.7, dtype=torch.float64))


@pytest.mark.parametrize(("views", "frames"), [(1, 1), (4, 1), (3, 17), (12, 5)])
def test_every_view_has_its_colour_in_the_picture(tmp_path: Path, views: int, frames: int) -> None:
    still = hemisphere(views=views, radius=5.0)
    draw_rig(tmp_path / "rig.png", still if frames == 1 else arc(views=views, radius=5.0, num_frames=frames))
    picture = np.asarray(Image.open(tmp_path / "rig.png").convert("RGB")).reshape(-1, 3).astype(int)
    tableau = [(31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40)]
    for number, colour in enumerate(tableau):
        drawn = bool((np.abs(picture - np.array(colour)).max(axis=1) < 12).any())
        assert drawn == (number < views)


def test_spread() -> None:
    assert spread(3, 5) == [0, 1, 2] and spread(1, 5) == [0]
    assert spread(81, 5) == [0, 20, 40, 60, 80]


def test_one_rig_at_a_time(tmp_path: Path) -> None:
    one = hemisphere(views=2, radius=5.0)
    with pytest.raises(InputError, match=r"one rig, got cameras with batch dims \(1,\)"):
        draw_rig(tmp_path / "rig.png", Cameras(one.c2w[None], one.K[None], one.hw))
    assert not list(tmp_path.iterdir())

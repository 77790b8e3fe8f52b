"""The first release: cameras by the names of the videos."""

from pathlib import Path

import pytest
import torch

from data_package.layouts import HW, make_first_release, rig
from syncam.data.sources import open_dataset
from syncam.errors import InputError


def test_still_cameras_for_all_frames_with_the_lens_of_their_names(tmp_path: Path) -> None:
    scene = open_dataset(make_first_release(tmp_path), "train")[0]
    cameras = scene.cameras
    assert cameras is not None and cameras.num_frames == 5
    torch.testing.assert_close(cameras.c2w[:, 3], rig(2, 1).c2w[:, 0], atol=1e-6, rtol=0)
    torch.testing.assert_close(cameras.K[0, 0, 0, 0].item(), 18 / 23.76 * HW[1])


def test_a_video_without_a_camera(tmp_path: Path) -> None:
    folder = make_first_release(tmp_path) / "train/videos/scene1"
    (folder / "C_02.mp4").rename(folder / "D_02.mp4")
    with pytest.raises(InputError, match=r"scene1\.json has 0 cameras for the video D_02\.mp4"):
        open_dataset(tmp_path)[0].read()
    (tmp_path / "train/cameras/scene2/scene2.json").unlink()
    with pytest.raises(InputError, match="holds 0 JSON files"):
        open_dataset(tmp_path)[1].read()

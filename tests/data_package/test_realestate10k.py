"""RealEstate10K: where pictures are looked for, and that they are those of the poses."""

from pathlib import Path

import pytest

from data_package.layouts import make_realestate, ramp
from syncam.data.sources import open_dataset
from syncam.data.video import write_video
from syncam.errors import InputError


def test_the_rate_is_that_of_the_poses(tmp_path: Path) -> None:
    assert [scene.fps for scene in open_dataset(make_realestate(tmp_path))] == [pytest.approx(10)] * 2


def test_clips_in_folders_of_their_videos(tmp_path: Path) -> None:
    make_realestate(tmp_path)
    poses = tmp_path / "train" / "aaa.txt"
    (tmp_path / "pose_files").mkdir()
    text = poses.read_text().replace("syncam:aaa", "https://www.youtube.com/watch?v=x_Y-1", 1)
    (tmp_path / "pose_files" / "aaa.txt").write_text(text)
    write_video(tmp_path / "video_clips" / "x_Y-1" / "aaa.mp4", ramp()[0], 30)
    assert open_dataset(tmp_path, "pose_files")[0].read().num_frames == 5


def test_pictures_of_other_times_are_refused(tmp_path: Path) -> None:
    frames = make_realestate(tmp_path) / "frames/train/bbb"
    (frames / "300000.png").rename(frames / "310000.png")
    with pytest.raises(InputError, match="a picture 310000 where .* the time 300000"):
        open_dataset(tmp_path)[1].read()


def test_poses_without_pictures(tmp_path: Path) -> None:
    (make_realestate(tmp_path) / "train/aaa.mp4").unlink()
    with pytest.raises(InputError, match=r"aaa\.txt has no pictures"):
        open_dataset(tmp_path)[0].read()

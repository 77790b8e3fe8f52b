"""Every layout is told apart, and gives clips of any views and frames with the cameras that belong to them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from data_package.layouts import HW, MAKERS, make_realestate, make_syncamvideo, make_videos, ramp
from syncam.data.sources import open_dataset
from syncam.data.video import write_video
from syncam.errors import InputError


@pytest.mark.parametrize(("kind", "make"), MAKERS.items(), ids=MAKERS)
def test_every_kind_is_told_and_read(tmp_path: Path, kind: str, make: Callable[[Path], Path]) -> None:
    dataset = open_dataset(make(tmp_path))
    assert dataset.kind == kind
    for scene in dataset:
        clip = scene.read()
        assert clip.hw == scene.hw == HW and clip.num_views == scene.num_views and clip.num_frames == scene.num_frames
        assert (clip.cameras is None) == (kind == "videos")
        part = scene.read(frames=[3, 1], hw=(8, 8))
        assert part.video.shape == (scene.num_views, 2, 3, 8, 8)
        assert part.video[:, 0].mean() > part.video[:, 1].mean()
        if part.cameras is not None:
            assert part.cameras.hw == (8, 8)
            assert torch.equal(part.cameras.c2w, clip.cameras.frames([3, 1]).c2w)


def test_names_splits_and_captions(tmp_path: Path) -> None:
    dataset = open_dataset(make_syncamvideo(tmp_path))
    names = [dataset.name(scene) for scene in dataset]
    assert names == ["train/f24_aperture5/scene1", "train/f24_aperture5/scene2", "val/basic"]
    assert [dataset.name(scene) for scene in open_dataset(tmp_path, "val")] == ["val/basic"]
    assert dataset[0].caption == dataset[0].read().caption == ""
    (tmp_path / names[0] / "caption.txt").write_text("a dance\n")
    assert open_dataset(tmp_path)[0].caption == "a dance"
    assert [scene.caption for scene in open_dataset(make_videos(tmp_path / "own"))] == ["a cat, asleep", "a dog"]


def test_the_lens_comes_from_the_folder(tmp_path: Path) -> None:
    cameras = open_dataset(make_syncamvideo(tmp_path), "train")[0].cameras
    assert cameras is not None
    torch.testing.assert_close(cameras.K[0, 0, 0, 0].item(), 24 / 23.76 * HW[1])


def test_the_rate_follows_the_frames(tmp_path: Path) -> None:
    scene = open_dataset(make_realestate(tmp_path))[0]
    assert scene.read(frames=range(0, 5, 2)).fps == pytest.approx(5)
    assert scene.read(frames=[4, 1, 0]).fps == pytest.approx(10)


def test_nothing_and_several(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        open_dataset(tmp_path / "none")
    with pytest.raises(InputError, match="no data set that is known"):
        open_dataset(tmp_path)
    make_syncamvideo(tmp_path)
    make_realestate(tmp_path)
    with pytest.raises(InputError, match="syncamvideo or realestate10k"):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path, kind="realestate10k")) == 2
    with pytest.raises(InputError, match="holds no scenes of dl3dv"):
        open_dataset(tmp_path, kind="dl3dv")


def test_videos_of_other_lengths_and_sizes_are_named(tmp_path: Path) -> None:
    folder = make_syncamvideo(tmp_path, scenes=1) / "train/f24_aperture5/scene1/videos"
    write_video(folder / "cam02.mp4", ramp(frames=4)[0], 15)
    with pytest.raises(InputError, match=r"cam02\.mp4 has 4 frames but the cameras .* 5"):
        open_dataset(tmp_path, "train")[0].read()
    write_video(folder / "cam02.mp4", ramp(hw=(32, 32))[0], 15)
    with pytest.raises(InputError, match=r"cam02\.mp4 is \(32, 32\)"):
        open_dataset(tmp_path, "train")[0].read(hw=(8, 8))
    with pytest.raises(InputError, match=r"0\.\.1"):
        open_dataset(tmp_path, "train")[0].read(views=[2])

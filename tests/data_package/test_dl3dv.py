"""DL3DV: frames with poses only, pictures smaller than stated, and distortion undone."""

from pathlib import Path

import pytest
import torch

from data_package.layouts import HW, make_dl3dv, pinhole, rig
from syncam.cameras import read_cameras
from syncam.data.sources import open_dataset
from syncam.data.undistort import undistort
from syncam.errors import InputError


def test_frames_without_pose_are_left_out(tmp_path: Path) -> None:
    scene = open_dataset(make_dl3dv(tmp_path))[0]
    assert [path.stem[-1] for path in scene.footage[0].paths] == ["1", "2", "4", "5"]
    expected = rig(1).frames([0, 1, 3, 4])
    assert scene.cameras is not None
    torch.testing.assert_close(scene.cameras.c2w, expected.c2w)
    torch.testing.assert_close(scene.cameras.K, expected.K)


def test_distorted_lenses_are_read_here_and_refused_elsewhere(tmp_path: Path) -> None:
    scene = open_dataset(make_dl3dv(tmp_path, distortion=-0.1))[0]
    assert scene.read().video.shape == (1, 4, 3, *HW)
    with pytest.raises(InputError, match="k1"):
        read_cameras(tmp_path / "1K/0a1b/transforms.json")


def test_undistorted_points_lie_where_the_pinhole_sees_them() -> None:
    hw, k1, p1 = (120, 160), 0.08, 0.01
    K = pinhole(hw)
    x, y = 0.3, -0.2  # a point in front of the camera at depth 1
    r2 = x * x + y * y
    seen_x, seen_y = x * (1 + k1 * r2) + 2 * p1 * x * y, y * (1 + k1 * r2) + p1 * (r2 + 2 * y * y)
    rows, columns = torch.meshgrid(torch.arange(hw[0]) + 0.5, torch.arange(hw[1]) + 0.5, indexing="ij")
    centre = (seen_x * K[0, 0] + K[0, 2], seen_y * K[1, 1] + K[1, 2])
    blob = torch.exp(-((columns - centre[0]) ** 2 + (rows - centre[1]) ** 2) / 8)
    picture = (blob * 255).round().to(torch.uint8).expand(3, *hw)
    weights = undistort(picture, K, (k1, 0.0, p1, 0.0))[0].double()
    found = ((columns * weights).sum() / weights.sum(), (rows * weights).sum() / weights.sum())
    assert found[0] == pytest.approx(float(x * K[0, 0] + K[0, 2]), abs=0.1)
    assert found[1] == pytest.approx(float(y * K[1, 1] + K[1, 2]), abs=0.1)
    assert torch.equal(undistort(picture, K, (0.0, 0.0, 0.0, 0.0)), picture)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    folder = make_dl3dv(tmp_path) / "1K/0a1b"
    (folder / "images_4/frame_00004.png").unlink()
    with pytest.raises(InputError, match=r"frame_00004\.png does not exist"):
        open_dataset(tmp_path)[0].read()
    (folder / "transforms.json").unlink()
    with pytest.raises(InputError, match=r"transforms\.json"):
        open_dataset(tmp_path)[0].read()

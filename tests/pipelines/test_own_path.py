"""The path of a video's own camera: smoothed without bias, found where it can be found, or one line."""

from pathlib import Path

import pytest
import torch

from syncam.cameras.curve import curve_through
from syncam.cameras.rigid import compose_rigid, invert_rigid, rigid_exp
from syncam.cameras.rotations import angle_deg, rotation_about
from syncam.data.frame_stream import open_stream
from syncam.data.video import write_video
from syncam.errors import InputError
from syncam.pipelines.own_path import estimate_path, smoothed

PYCOLMAP = "pycolmap is part of syncam[stabilise]"


def shaky(frames: int = 40, shake: float = 0.02) -> tuple[torch.Tensor, torch.Tensor]:
    """An even way with and without shake, [F, 4, 4]."""
    screw = torch.tensor([0.1, 0.2, 0.0, 1.0, 0.0, 0.3], dtype=torch.float64)
    even = rigid_exp(torch.linspace(0, 1, frames, dtype=torch.float64)[:, None] * screw)
    noise = shake * torch.randn(frames, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return compose_rigid(even, rigid_exp(noise)), even


def test_smoothing_takes_the_shake_and_keeps_ends_and_even_ways() -> None:
    path, even = shaky()
    smooth = smoothed(path, 5.0)
    assert torch.allclose(smooth[[0, -1]], path[[0, -1]], atol=1e-9)
    assert torch.allclose(smooth[:, :3, :3] @ smooth[:, :3, :3].mT, torch.eye(3).double(), atol=1e-9)
    assert bool((torch.linalg.det(smooth[:, :3, :3]) > 0).all())

    def shake(poses: torch.Tensor) -> float:
        return float(poses[:, :3].diff(n=2, dim=0).square().mean().sqrt())

    assert shake(smooth) < 0.1 * shake(path)
    assert (smoothed(even, 5.0) - even).abs().max() < 0.02


def test_nothing_to_smooth() -> None:
    path, _ = shaky(5)
    assert torch.equal(smoothed(path, 0.1), path)
    assert torch.equal(smoothed(path[:1], 5.0), path[:1])


def test_smoothing_does_not_depend_on_the_world() -> None:
    path, _ = shaky()
    carried = rigid_exp(torch.tensor([[0.3, -1.0, 0.5, 2.0, 1.0, -4.0]], dtype=torch.float64))
    torch.testing.assert_close(smoothed(compose_rigid(carried, path), 4.0), compose_rigid(carried, smoothed(path, 4.0)))


def test_a_video_without_detail_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pycolmap", reason=PYCOLMAP)
    write_video(tmp_path / "a.mp4", torch.full((4, 3, 64, 96), 0.5), 10.0)
    with pytest.raises(InputError, match="path of its camera cannot be found .0 of 4 frames placed.; stabilise needs"):
        estimate_path(open_stream(tmp_path / "a.mp4"), 4.0)


def textured(c2w: torch.Tensor, hw: tuple[int, int], focal: float) -> torch.Tensor:
    """Frames of two crossing walls with smooth random patterns, [F, 3, H, W]."""
    generator = torch.Generator().manual_seed(0)
    pattern = torch.rand(1, 3, 160, 160, generator=generator)
    y, x = torch.meshgrid(torch.arange(hw[0]) + 0.5, torch.arange(hw[1]) + 0.5, indexing="ij")
    rays = torch.stack([(x - hw[1] / 2) / focal, (y - hw[0] / 2) / focal, torch.ones_like(x)], -1).double()
    frames = []
    for pose in c2w:
        directions = rays @ pose[:3, :3].mT
        depths, colours = [], []
        for normal, offset, shift in (([0.5, 0.0, 1.0], 4.0, 0.0), ([-0.5, 0.0, 1.0], 4.0, 1.3)):
            normal = torch.tensor(normal, dtype=torch.float64)
            depth = (offset - pose[:3, 3] @ normal) / (directions @ normal)
            points = pose[:3, 3] + depth[..., None] * directions
            grid = ((points[..., :2] + shift) / 5).remainder(2) - 1
            colours.append(torch.nn.functional.grid_sample(pattern, grid[None].float(), align_corners=False)[0])
            depths.append(depth.float())
        frames.append(torch.where(depths[0] < depths[1], colours[0], colours[1]))
    return torch.stack(frames)


@pytest.mark.slow
@pytest.mark.parametrize(("turn", "focal"), [(0.0, 300.0), (25.0, 480.0)])
def test_a_path_is_found_up_to_noise(tmp_path: Path, turn: float, focal: float) -> None:
    """With a lens that is thought to have 384 pixels, which a camera that only travels cannot correct."""
    pytest.importorskip("pycolmap", reason=PYCOLMAP)
    knots = torch.tensor([[0.0, 0, 0], [0.4, 0.1, 0], [0.9, 0, 0.2], [1.3, -0.1, 0.2]]).double()
    c2w = torch.eye(4, dtype=torch.float64).repeat(16, 1, 1)
    c2w[:, :3, 3] = curve_through(knots, torch.arange(4).double(), torch.linspace(0, 3, 16).double())
    up = torch.tensor([0.0, -1, 0]).double()
    c2w[:, :3, :3] = rotation_about(up.expand(16, 3), torch.linspace(0, turn, 16).double().deg2rad())
    write_video(tmp_path / "a.mp4", textured(c2w, (240, 320), focal), 10.0, crf=8)
    found = estimate_path(open_stream(tmp_path / "a.mp4"), 4.0)
    assert found.shape == (16, 4, 4)
    away = compose_rigid(invert_rigid(found[:1]), found)[:, :3, 3]
    scale = float(away[-1].norm() / c2w[-1, :3, 3].norm())
    assert 0.7 < scale < 1.4, "the walls are about 4 m away"
    assert (away / scale - c2w[:, :3, 3]).norm(dim=-1).max() < 0.15
    assert abs(float(angle_deg(found[-1, :3, :3])) - turn) < 1.5
    if turn:
        torch.testing.assert_close(found, estimate_path(open_stream(tmp_path / "a.mp4"), 4.0), msg="the same each time")

"""Trajectories of several files as one rig: a shared first pose, their own ways, and the lens of the middle part."""

import json
from pathlib import Path

import pytest
import torch

from syncam import cli
from syncam.cameras import hemisphere, load_rig, moves, still, write_cameras
from syncam.cameras.conventions import fov_deg
from syncam.data.joined import join_trajectories
from syncam.errors import InputError

FRAMES = 5
LENS = "0.474812 0.844111 0.5 0.5"
"""Of a file of RealEstate10K, as shares of 1280 and 720: pixels are square."""


def trajectory(path: Path, step: tuple[float, float, float], lens: str = LENS, frames: int = FRAMES) -> Path:
    """A file of RealEstate10K: a camera that starts somewhere and moves that far per frame, without turning."""
    rows = []
    for frame in range(frames):
        centre = [3.0 + frame * step[0], -1.0 + frame * step[1], 2.0 + frame * step[2]]
        rows.append(f"{frame * 40000} {lens} 0 0 1 0 0 {-centre[0]} 0 1 0 {-centre[1]} 0 0 1 {-centre[2]}")
    path.write_text("https://example.org/watch\n" + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [trajectory(tmp_path / "right.txt", (0.1, 0, 0)), trajectory(tmp_path / "ahead.txt", (0, 0, 0.2))]


def test_all_start_at_one_place_and_go_their_own_ways(files: list[Path]) -> None:
    named = join_trajectories(files, hw=(256, 256), source_hw=(720, 1280))
    cameras = named.cameras
    assert named.names == ("right", "ahead") and cameras.c2w.shape == (2, FRAMES, 4, 4)
    start = still(num_frames=1, hw=(256, 256)).c2w[0, 0].double()
    torch.testing.assert_close(cameras.c2w[:, 0], start.expand(2, 4, 4), atol=1e-12, rtol=0)
    ways = cameras.relative(view=0, frame=0).positions[:, -1]
    torch.testing.assert_close(ways, torch.tensor([[0.4, 0, 0], [0, 0, 0.8]], dtype=torch.float64), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("hw", "across", "down"), [((256, 256), 61.3, 61.3), ((256, 384), 83.2, 61.3)])
def test_lenses_are_those_of_the_middle_part(
    files: list[Path], hw: tuple[int, int], across: float, down: float
) -> None:
    cameras = join_trajectories(files, hw=hw, source_hw=(720, 1280)).cameras
    K = cameras.K[0, 0]
    assert fov_deg(float(K[0, 0]), hw[1]) == pytest.approx(across, abs=0.1)
    assert fov_deg(float(K[1, 1]), hw[0]) == pytest.approx(down, abs=0.1)
    assert K[:2, 2].tolist() == [hw[1] / 2, hw[0] / 2]
    assert float(K[0, 0]) == pytest.approx(0.474812 * 1280 * 256 / 720)


def test_files_of_any_format_with_several_views(tmp_path: Path, files: list[Path]) -> None:
    rig = moves.dolly(hemisphere(views=2, radius=4, num_frames=7, hw=(48, 64)), 1.0)
    write_cameras(tmp_path / "rig.json", rig)
    named = join_trajectories([tmp_path / "rig.json"] * 2, hw=(48, 64), num_frames=4)
    assert named.names == ("cam01", "cam02", "cam03", "cam04") and named.cameras.num_frames == 4
    torch.testing.assert_close(named.cameras.c2w[0], named.cameras.c2w[3], atol=1e-6, rtol=0)  # both go straight ahead
    torch.testing.assert_close(named.cameras.K[0, 0].float(), rig.K[0, 0].float())


def test_what_does_not_go_together_is_refused(files: list[Path], tmp_path: Path) -> None:
    short = trajectory(tmp_path / "short.txt", (0, 0.1, 0), frames=3)
    with pytest.raises(InputError, match=r"short.txt has 3 frames, but .*right.txt has 5; say how many"):
        join_trajectories([files[0], short], hw=(64, 64), source_hw=(720, 1280))
    with pytest.raises(InputError, match=r"short.txt has 3 frames, expected 4 or more"):
        join_trajectories([files[0], short], hw=(64, 64), source_hw=(720, 1280), num_frames=4)
    with pytest.raises(InputError, match=r"right.txt does not say how large its pictures are"):
        join_trajectories(files, hw=(64, 64))
    with pytest.raises(InputError, match="at least one trajectory"):
        join_trajectories([], hw=(64, 64))


def test_command(files: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "pair.json"
    cli.main(
        ["rig", "join", *map(str, files), "--source-size", "720x1280", "--size", "64x64", "--frames", "3"]
        + ["--out", str(out), "--json"]
    )
    assert json.loads(capsys.readouterr().out) == {"file": str(out), "views": 2, "frames": 3}
    assert load_rig(out).hw == (64, 64)

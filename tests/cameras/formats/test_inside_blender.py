"""blender_script.py in Blender itself: cameras go in and come out, and Blender draws where `Cameras.project` says."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import syncam.cameras.formats
from cameras.formats.examples import rig
from syncam.cameras import Cameras, parse_rig, read_named_cameras, write_cameras

BPY_PYTHON = os.environ.get("SYNCAM_BPY_PYTHON")
SCRIPT = Path(syncam.cameras.formats.__file__).with_name("blender_script.py")
POINTS = torch.tensor([[0.0, 0, 0], [0.6, 0.1, 1.4], [-0.5, 0.2, 0.3], [0.2, -0.7, 0.9]], dtype=torch.float64)
PIXEL = 0.01
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BPY_PYTHON is None, reason="needs a Python with bpy, its path in SYNCAM_BPY_PYTHON"),
]


def inside(folder: Path, verb: str, **job: Any) -> dict[str, Any]:
    """What inside_blender.py answers."""
    (folder / "job.json").write_text(json.dumps(job))
    files = [Path(__file__).with_name("inside_blender.py"), SCRIPT, verb, folder / "job.json", folder / "result.json"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run(
        [str(BPY_PYTHON), *map(str, files)], env=environment, capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads((folder / "result.json").read_text())


def assert_drawn_there(cameras: Cameras, found: list[Any], points: Tensor) -> None:
    """`found`: of every view, the pixels and depths by bpy_extras, and the pixels by Blender's own matrices."""
    pixels, depth = cameras.project(points)
    assert bool((depth > 0).all())
    for view, (seen, drawn) in enumerate(found):
        seen, drawn = torch.tensor(seen, dtype=torch.float64), torch.tensor(drawn, dtype=torch.float64)
        torch.testing.assert_close(seen[..., :2], pixels[view], rtol=0, atol=PIXEL)
        torch.testing.assert_close(drawn, pixels[view], rtol=0, atol=PIXEL)


def moving_rig(hw: tuple[int, int]) -> Cameras:
    """Three cameras that travel, zoom and roll over more than half a turn, with principal points that wander."""
    spec = "arc:views=3,radius=4,move=140,elevation=35 then zoom 2.5x and roll 200"
    cameras = parse_rig(spec, num_frames=9, hw=hw)
    K = cameras.K.clone()
    K[1, :, 0, 2] += torch.linspace(-60, 45, 9)
    K[1:, :, 1, 2] -= 33.25
    return Cameras(cameras.c2w, K, hw)


@pytest.mark.parametrize("hw", [(480, 832), (832, 480)])
def test_there_and_back(hw: tuple[int, int], tmp_path: Path) -> None:
    """Through a saved .blend file too. Blender holds single precision."""
    cameras = moving_rig(hw)
    path, out = tmp_path / "rig.blender.json", tmp_path / "out.blender.json"
    write_cameras(path, cameras, fps=23.976)
    files = {"in": str(path), "blend": str(tmp_path / "rig.blend"), "out": str(out)}
    answer = inside(tmp_path, "rig", points=POINTS.tolist(), **files)
    before, after = read_named_cameras(path), read_named_cameras(out)
    assert answer["frames"] == [1, 9]
    assert after.names == before.names and after.cameras.hw == hw
    assert after.fps == pytest.approx(23.976, rel=1e-6)
    torch.testing.assert_close(after.cameras.c2w, cameras.c2w, rtol=0, atol=1e-5)
    torch.testing.assert_close(after.cameras.K, cameras.K, rtol=1e-5, atol=1e-5)
    assert_drawn_there(cameras, [answer["pixels"][name] for name in before.names], POINTS)


@pytest.mark.parametrize("size", [(400, 300, 100), (300, 400, 100), (402, 300, 50)])
def test_cameras_made_in_blender(size: tuple[int, int, int], tmp_path: Path) -> None:
    """Of a scene in centimetres: scaled parents, constraints, every sensor fit, shifts, a share of the size."""
    out = tmp_path / "out.json"
    answer = inside(tmp_path, "scene", size=size, points=(100 * POINTS).tolist(), out=str(out))
    named = read_named_cameras(out)
    assert named.names == ("hung", "wide", "high", "auto")
    assert named.cameras.num_frames == 4
    assert named.cameras.hw == (size[1] * size[2] // 100, size[0] * size[2] // 100)
    assert_drawn_there(named.cameras, [answer["pixels"][name] for name in named.names], POINTS)


def test_what_is_refused(tmp_path: Path) -> None:
    short = tmp_path / "short.blender.json"
    cameras = rig()
    K = cameras.K.clone()
    K[..., :2, :2] /= 100
    write_cameras(short, Cameras(cameras.c2w, K, cameras.hw))
    said = inside(tmp_path, "refused", short=str(short), out=str(tmp_path / "out.json"))
    assert "mirrored is mirrored or sheared" in said["mirrored"]
    assert "sheared is mirrored or sheared" in said["sheared"]
    assert "disabled in viewports; enable or delete ['disabled']" in said["disabled"]
    assert "not perspective: ['parallel']" in said["parallel"]
    assert said["<lambda>"] == "the view layer has no cameras"
    assert "lens is 0.36" in said["short"] and "Blender takes 1 to" in said["short"]
    assert said["short leaves"] == 0, "nothing is added before all numbers are known to be held"
    assert not (tmp_path / "out.json").exists()

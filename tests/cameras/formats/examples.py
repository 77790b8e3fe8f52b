"""Cameras and files that the tests of the formats share."""

from collections.abc import Callable
from pathlib import Path

import torch
from hypothesis import settings
from hypothesis import strategies as st

from cameras.examples import random_cameras
from syncam.cameras import FORMATS, Cameras, arc, read_named_cameras, write_cameras
from syncam.cameras.formats import NamedCameras

HW = (48, 80)
FOCAL_MM = 24.0
laws = settings(max_examples=10, deadline=None, derandomize=True)


@st.composite
def any_cameras(draw: Callable, *, zooms: bool = True, centred: bool = False, square: bool = False) -> Cameras:
    """Cameras in any place, with any lens that the format at hand holds, of views that differ."""
    hw = (draw(st.integers(1, 2000)), draw(st.integers(1, 2000)))
    views, frames = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    cameras = random_cameras(views, frames, hw=hw, seed=draw(st.integers(0, 99)))
    c2w, K = cameras.c2w.clone(), cameras.K.clone()
    c2w[..., :3, 3] *= draw(st.floats(0.001, 100.0))
    K[..., :2, :2] *= draw(st.floats(0.01, 100.0))
    if not square:
        K[..., 1, 1] *= draw(st.floats(0.5, 2.0))
    if not centred:
        K[..., 0, 2] += draw(st.floats(-50.0, 50.0))
        K[..., 1, 2] += draw(st.floats(-50.0, 50.0))
    return Cameras(c2w, K if zooms else K[:, :1].expand_as(K).contiguous(), hw)


@st.composite
def aimed_cameras(draw: Callable) -> Cameras:
    """Cameras that look at the target of rigs, which is all that spherical holds; with the lens of FOCAL_MM."""
    return arc(
        views=draw(st.integers(1, 3)),
        radius=draw(st.floats(1.0, 50.0)),
        elevation_deg=draw(st.floats(0.0, 88.0)),
        azimuth_deg=draw(st.floats(-360.0, 360.0)),
        move_deg=draw(st.floats(-200.0, 200.0)),
        num_frames=draw(st.integers(1, 4)),
        hw=HW,
        focal_mm=FOCAL_MM,
    )


def rig(views: int = 2, frames: int = 3) -> Cameras:
    """Cameras that every format holds: aimed, centred, with one lens and square pixels."""
    return arc(views=views, radius=4.0, num_frames=frames, hw=HW, focal_mm=FOCAL_MM)


def written(folder: Path, cameras: Cameras, name: str, fps: float | None = None) -> Path:
    """The file or folder that the format writes, named as its files are."""
    kind = FORMATS[name]
    path = folder / "rig"
    if kind.layout == "one file":
        path = folder / ("rig" + kind.suffixes[0] if kind.suffixes[0].startswith(".") else kind.suffixes[0])
    write_cameras(path, cameras, format=name, fps=fps)
    return path


def one_file(folder: Path, name: str, frames: int = 3) -> Path:
    """One view in one file of a format that holds one."""
    path = folder / f"cam{FORMATS[name].ending}"
    write_cameras(path, rig(1, frames), format=name)
    return path


def read_back(path: Path, cameras: Cameras, name: str) -> NamedCameras:
    """The file read again, with what the format does not keep given by the caller."""
    keeps = FORMATS[name].keeps
    needs_lens = "lens" not in keeps and name != "syncamvideo"
    hw = None if "size" in keeps else cameras.hw
    return read_named_cameras(path, format=name, hw=hw, focal_mm=FOCAL_MM if needs_lens else None)


def edit(path: Path, old: str, new: str) -> Path:
    """The file with one place changed."""
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new, 1))
    return path


def edit_line(path: Path, line: int, change: Callable[[list[str]], list[str]]) -> Path:
    """The file with the words of one line (from 1) changed."""
    lines = path.read_text().split("\n")
    lines[line - 1] = " ".join(change(lines[line - 1].split()))
    path.write_text("\n".join(lines))
    return path


def close(actual: torch.Tensor, expected: torch.Tensor, scale: float = 1.0) -> None:
    """Equal within a millionth: of a metre or pixel, or of the number where that is larger."""
    torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6 * scale)

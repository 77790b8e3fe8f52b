"""Why the metrics can be trusted: renders give ideal values, and damage makes them worse, step by step."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import avg_pool2d

from evaluation.scenes import late, material, rendered, rig, turned
from syncam.cameras import arc
from syncam.data.clip import MultiViewClip
from syncam.evaluation.measures import MEASURES, clip_value
from syncam.evaluation.timing import best_shift, likeness_by_shift

FRAMES = 25


@pytest.fixture(scope="module")
def clip() -> MultiViewClip:
    """Two still cameras 15 degrees apart; a textured town with somebody who moves."""
    return rendered(1, rig(FRAMES))


def values(folder: Path, clip: MultiViewClip, *names: str, moments: int = 3) -> dict[str, float]:
    opened = material(folder, clip, num_moments=moments)
    return {name: clip_value(MEASURES[name].take(opened)) for name in names}


def test_ideal_values(tmp_path: Path, clip: MultiViewClip) -> None:
    found = values(
        tmp_path / "clip", clip, "rot_err:pair", "rot_err:rig", "sampson", "sync_offset", "epipolar_precision:cvd"
    )
    assert found["rot_err:pair"] < 0.5 and found["rot_err:rig"] < 0.5
    assert found["sampson"] < 1.0 and found["epipolar_precision:cvd"] > 0.7
    assert found["sync_offset"] == 0


def test_turned_cameras(tmp_path: Path, clip: MultiViewClip) -> None:
    """The error is the angle; matches leave their lines further and further."""
    assert clip.cameras is not None
    rows = []
    for degrees in (0, 1, 5, 20):
        spoilt = MultiViewClip(clip.video, turned(clip.cameras, degrees), "", clip.fps)
        rows.append(values(tmp_path / str(degrees), spoilt, "rot_err:pair", "sampson", "epipolar_precision:cvd"))
        assert rows[-1]["rot_err:pair"] == pytest.approx(degrees, abs=0.5)
    assert all(a["sampson"] < b["sampson"] for a, b in zip(rows, rows[1:], strict=False))
    assert all(a["epipolar_precision:cvd"] >= b["epipolar_precision:cvd"] for a, b in zip(rows, rows[1:], strict=False))


@pytest.mark.parametrize("seed", [1, 3])
def test_late_views(seed: int) -> None:
    """The offset is found to the frame, both ways, and the likeness of the motion falls."""
    cameras = rig(FRAMES, span_deg=40.0, hw=(128, 160))
    video = rendered(seed, cameras).video
    now = []
    for frames in (0, 1, 2, 4, 8):
        spoilt = late(video, frames)
        likeness = likeness_by_shift(spoilt, cameras.frames(slice(spoilt.shape[1])))
        assert best_shift(likeness) == frames
        back = likeness_by_shift(spoilt.flip(0), cameras.frames(slice(spoilt.shape[1])).view([1, 0]))
        assert best_shift(back) == -frames
        now.append(likeness[0])
    assert now[0] > 0.8 and max(now[1:]) < now[0] - 0.1 and now[-1] < 0.4


@pytest.mark.parametrize("degrees", [-4.0, 2.0])
def test_late_views_of_turned_cameras(degrees: float) -> None:
    """A camera that is not where it was asked for does not change when things happen."""
    cameras = rig(FRAMES, span_deg=60.0, hw=(128, 160))
    video = rendered(5, cameras).video
    for frames in (0, 3):
        spoilt = late(video, frames)
        asked = turned(cameras.frames(slice(spoilt.shape[1])), degrees)
        likeness = likeness_by_shift(spoilt, asked)
        assert best_shift(likeness) == frames and likeness[frames] > 0.7


def test_scenes_with_few_points(tmp_path: Path) -> None:
    """Night and a bare field, in small pictures: there is an estimate at every moment, though not the best one."""
    cameras = rig(3, hw=(216, 288))
    for seed in (2, 3):
        opened = material(tmp_path / str(seed), rendered(seed, cameras))
        outcome = MEASURES["rot_err:pair"].take(opened)
        assert not outcome.failures and clip_value(outcome) < 1.0


def test_the_view_of_another_scene(tmp_path: Path, clip: MultiViewClip) -> None:
    assert clip.cameras is not None
    other = rendered(3, clip.cameras)
    swapped = MultiViewClip(torch.stack([clip.video[0], other.video[1]]), clip.cameras, "", clip.fps)
    names = ("matched_points:count", "epipolar_precision:cvd", "sync_likeness", "rot_auc@10:cvd")
    good, bad = values(tmp_path / "good", clip, *names), values(tmp_path / "bad", swapped, *names)
    assert bad["matched_points:count"] < good["matched_points:count"] / 5
    assert bad["epipolar_precision:cvd"] < good["epipolar_precision:cvd"] / 2
    assert bad["sync_likeness"] < good["sync_likeness"] - 0.3


def test_blur_takes_matches(tmp_path: Path, clip: MultiViewClip) -> None:
    counts = []
    for width in (1, 5, 11):  # a slight blur takes noise, not points
        soft = avg_pool2d(clip.video.flatten(0, 1), width, stride=1, padding=width // 2, count_include_pad=False)
        spoilt = MultiViewClip(soft.unflatten(0, clip.video.shape[:2]), clip.cameras, "", clip.fps)
        counts.append(values(tmp_path / str(width), spoilt, "matched_points:count")["matched_points:count"])
    assert counts[0] > counts[1] > counts[2]


@pytest.mark.parametrize("kind", ["noise", "flicker"])
def test_noise_and_flicker(tmp_path: Path, clip: MultiViewClip, kind: str) -> None:
    short = clip.video[:, :5]
    assert clip.cameras is not None
    cameras = clip.cameras.frames(slice(5))
    pulse = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0]).view(1, -1, 1, 1, 1)
    rows = []
    for size in (0.0, 0.03, 0.1):
        added = torch.randn(short.shape) if kind == "noise" else pulse
        spoilt = MultiViewClip((short + size * added).clamp(0, 1), cameras, "", clip.fps)
        rows.append(values(tmp_path / str(size), spoilt, "flicker:vbench", "warp_error:lai"))
    assert all(a["flicker:vbench"] > b["flicker:vbench"] for a, b in zip(rows, rows[1:], strict=False))
    assert all(a["warp_error:lai"] < b["warp_error:lai"] for a, b in zip(rows, rows[1:], strict=False))


@pytest.mark.slow
def test_a_moving_camera(tmp_path: Path) -> None:
    """The path comes back from the pictures alone, with its lens known or not, and as wrong as the request is."""
    cameras = arc(views=1, radius=5.0, move_deg=20.0, num_frames=9, hw=(240, 320))
    clip = rendered(1, cameras, actors=False)
    found = values(tmp_path / "clip", clip, "rot_err:mean", "trans_err:mean", "registered")
    assert found["registered"] == 1.0 and found["rot_err:mean"] < 0.5 and found["trans_err:mean"] < 0.05
    narrow = arc(views=1, radius=5.0, move_deg=10.0, num_frames=9, hw=(240, 320))
    asked = MultiViewClip(clip.video, narrow, "", clip.fps)
    assert values(tmp_path / "narrow", asked, "rot_err:mean")["rot_err:mean"] == pytest.approx(5.6, abs=1.0)

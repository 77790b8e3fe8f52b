"""What is wrong with clips is said in one line for each reason, and the rest is measured."""

import dataclasses
from pathlib import Path

import pytest
import torch

from evaluation.scenes import FPS, write_clip
from evaluation.test_evaluate import clip, config
from syncam.cameras import save_rig
from syncam.data.footage import VideoFile
from syncam.data.video import write_video
from syncam.evaluation import measuring
from syncam.evaluation.evaluate import evaluate
from syncam.evaluation.outcome import Outcome


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two clips."""
    for number in range(2):
        write_clip(tmp_path / "run" / f"clip{number}", clip(number))
    return tmp_path / "run"


def failures(run: Path, metrics: str, **change) -> dict[str, list[str]]:
    rows = evaluate(config(run, metrics=metrics, **change))["runs"][0]["rows"]
    return {row["metric"]: list(row["failures"]) for row in rows}


def test_views_of_unequal_sizes(run: Path) -> None:
    write_video(run / "clip1" / "view02.mp4", clip().video[0, ..., :32, :], FPS)
    [reason] = failures(run, "flicker")["flicker:vbench"]
    assert "view02.mp4 is (32, 64) (height, width) but view01.mp4 is (48, 64); every view needs the same size" in reason


def test_views_of_unequal_lengths_without_cameras(run: Path) -> None:
    (run / "clip1" / "cameras.json").unlink()
    write_video(run / "clip1" / "view02.mp4", clip(frames=3).video[0], FPS)
    [reason] = failures(run, "flicker")["flicker:vbench"]
    assert "view02.mp4 has 3 frames but view01.mp4 has 5" in reason


def test_cameras_of_another_size(run: Path) -> None:
    cameras = clip().cameras
    assert cameras is not None
    save_rig(run / "clip1" / "cameras.json", cameras.resized((96, 128)), fps=FPS)
    [reason] = failures(run, "flicker")["flicker:vbench"]
    assert "are for (96, 128) (height, width) but its videos (48, 64)" in reason


def test_a_damaged_video_and_none_at_all(run: Path) -> None:
    (run / "clip1" / "view02.mp4").write_bytes(b"no video")
    [reason] = failures(run, "flicker")["flicker:vbench"]
    assert "view02.mp4" in reason and "\n" not in reason
    for path in (run / "clip1").glob("*.mp4"):
        path.unlink()
    assert failures(run, "flicker") == {"flicker:vbench": []}  # a folder without videos is no clip


def test_frames_that_are_no_numbers(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = VideoFile.read

    def spoilt(self: VideoFile, *where) -> torch.Tensor:
        pixels = read(self, *where)
        if self.path.parent.name == "clip1" and self.path.stem == "view02":
            pixels[3, 0, 5, 5] = torch.nan
        return pixels

    monkeypatch.setattr(VideoFile, "read", spoilt)
    reasons = ["video must lie in [0, 1], got values from nan to nan"]
    assert failures(run, "flicker,matched_points:count") == {
        "flicker:vbench": reasons,
        "matched_points:count": reasons,
    }


def test_features_that_are_no_numbers(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a network in half precision: the clip fails, and the others count."""

    def broken(_) -> Outcome:
        return Outcome(samples=[1.0, float("nan"), 3.0], views=[[0], [0], [1]])

    known = measuring.CLIP_WISE
    spoilt = {"flicker:vbench": dataclasses.replace(known["flicker:vbench"], take=broken)}
    monkeypatch.setattr(measuring, "CLIP_WISE", known | spoilt)
    row = evaluate(config(run, metrics="flicker", cache=None))["runs"][0]["rows"][0]
    assert row["value"] == 2.0 and row["failures"] == {"it is not a finite number": 2} and row["num_samples"] == 4
    assert row["by_view"] == {"1": 1.0, "2": 3.0}
    fid = dataclasses.replace(
        measuring.SET_MEASURES["fid:tf1"], features=lambda _: {"first": torch.tensor([[torch.nan, 1.0]])}
    )
    monkeypatch.setattr(measuring, "SET_MEASURES", {"fid:tf1": fid})
    found = failures(run, "fid,flicker", reference=run)
    assert "the network gave features that are not numbers" in found["fid:tf1"]


def test_a_reference_of_another_size_or_of_one_clip(run: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "real" / "clip0", clip(frames=3))
    found = failures(run, "psnr,flicker", reference=tmp_path / "real")
    assert found["psnr"] == [
        "the reference has shape [2, 3, 3, 48, 64], the clip [2, 5, 3, 48, 64] [V, F, C, H, W]",
        "no reference clip of that name; give --reference a run with the true videos",
    ]


def test_cameras_absent(run: Path) -> None:
    for number in range(2):
        (run / f"clip{number}" / "cameras.json").unlink()
    found = failures(run, "flicker,sync_offset,sampson,rot_err:pair,rot_err:mean,registered")
    assert found.pop("flicker:vbench") == []
    assert set(map(tuple, found.values())) == {("no cameras; expected cameras.json beside the videos",)}

"""Metrics by view, by pair and over the angle between views, and the picture of them."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from evaluation.scenes import FPS, write_clip
from syncam.cameras import hemisphere
from syncam.data.clip import MultiViewClip
from syncam.errors import InputError
from syncam.evaluation import plots
from syncam.evaluation.breakdown import angles_between, breakdown
from syncam.evaluation.clips import RunClip
from syncam.evaluation.evaluate import EvaluateConfig, evaluate
from syncam.evaluation.outcome import Outcome
from syncam.evaluation.plots import draw_results

HW = (48, 64)
ANGLES = [[0.0, 20.0, 50.0], [20.0, 0.0, 29.0], [50.0, 29.0, 0.0]]


def run(folder: Path, seeds: range) -> Path:
    cameras = hemisphere(views=3, radius=5.0, elevation_deg=0.0, span_deg=80.0, num_frames=4, hw=HW)
    for seed in seeds:
        video = torch.rand(3, 4, 3, *HW, generator=torch.Generator().manual_seed(seed))
        video[1] = 0.5  # a view in which nothing flickers
        write_clip(folder / f"clip{seed}", MultiViewClip(video, cameras, "a", FPS))
    return folder


def test_angles_are_those_between_the_cameras(tmp_path: Path) -> None:
    run(tmp_path, range(1))
    found = torch.tensor(angles_between(RunClip(tmp_path / "clip0")))
    expected = torch.tensor([[0.0, 40.0, 80.0], [40.0, 0.0, 40.0], [80.0, 40.0, 0.0]])
    assert torch.allclose(found, expected, atol=1e-3)
    (tmp_path / "clip0" / "cameras.json").unlink()
    assert angles_between(RunClip(tmp_path / "clip0")) is None


def test_every_clip_counts_once() -> None:
    outcomes = {
        "a": Outcome(samples=[1.0, 3.0, 5.0], views=[[0, 1], [0, 1], [0, 2]]),
        "b": Outcome(samples=[4.0, 8.0], views=[[0, 1], [1, 2]]),
        "lost": Outcome(failures={"dark": 2}),
    }
    found = breakdown(outcomes, dict.fromkeys(outcomes, ANGLES))
    assert found["by_pair"] == {"1-2": 3.0, "1-3": 5.0, "2-3": 8.0}
    assert found["by_angle"] == [
        {"from_deg": 15, "to_deg": 30, "value": pytest.approx((2.0 + 6.0) / 2), "num_clips": 2},
        {"from_deg": 45, "to_deg": 60, "value": 5.0, "num_clips": 1},
    ]
    assert breakdown(outcomes, {})["by_angle"] == []


def test_views_have_no_angle_and_other_samples_no_parts() -> None:
    views = {"a": Outcome(samples=[1.0, 2.0, 3.0], views=[[0], [1], [1]])}
    assert breakdown(views, {"a": ANGLES}) == {"by_view": {"1": 1.0, "2": 2.5}}
    assert breakdown({"a": Outcome(samples=[1.0, 2.0])}, {"a": ANGLES}) == {}


def test_results_are_drawn(tmp_path: Path) -> None:
    runs = (run(tmp_path / "ours", range(2)), run(tmp_path / "theirs", range(1, 3)))
    names = "flicker,matched_points:count,rot_auc@5"
    result = evaluate(EvaluateConfig(runs=runs, metrics=names, workers=1, out=tmp_path / "out"))
    rows = {row["metric"]: row for row in result["runs"][0]["rows"]}
    flicker = rows["flicker:vbench"]
    assert flicker["by_view"]["2"] == pytest.approx(1.0, abs=0.01) and flicker["by_view"]["1"] < 0.8
    assert sum(flicker["by_view"].values()) / 3 == pytest.approx(flicker["value"])
    assert set(rows["matched_points:count"]["by_pair"]) == {"1-2", "1-3", "2-3"}
    assert [one["from_deg"] for one in rows["matched_points:count"]["by_angle"]][-1] in (75, 60)
    assert "by_pair" not in rows["rot_auc@5:cvd"]  # no mean of samples
    picture = tmp_path / "out" / "results.png"
    with Image.open(picture) as image:
        assert image.width > 500 and len(image.convert("L").getcolors() or []) > 10
    assert picture.stat().st_size < 1e6
    evaluate(EvaluateConfig(runs=runs[:1], metrics=names, workers=1, out=tmp_path / "out"))  # over older results


def test_without_parts_or_matplotlib_there_is_no_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert not draw_results(tmp_path / "a.png", {"runs": [{"run": "a", "rows": [{"metric": "fid:tf1"}]}]})
    assert not (tmp_path / "a.png").exists()

    def missing(module: str, *, extra: str):
        raise InputError(f"{module} is not installed; run: pip install 'syncam[{extra}]'")

    monkeypatch.setattr(plots, "require", missing)
    evaluate(
        EvaluateConfig(runs=(run(tmp_path / "run", range(1)),), metrics="flicker", workers=1, out=tmp_path / "out")
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["results.json", "results.md"]
    assert "no picture of the results: matplotlib.figure is not installed" in caplog.text

"""`syncam evaluate` over folders: rows, pages, differences of runs, the cache, and one clear line for what is wrong."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from evaluation.scenes import FPS, rig, write_clip
from syncam import cli
from syncam.data import scene as scene_module
from syncam.data.clip import MultiViewClip
from syncam.data.video import write_video
from syncam.errors import InputError
from syncam.evaluation.clips import find_clips
from syncam.evaluation.evaluate import EvaluateConfig, evaluate
from syncam.evaluation.outcome import Outcome
from syncam.evaluation.report import aligned
from syncam.evaluation.statistics import bootstrap
from syncam.evaluation.suites import CLIP_WISE, SUITES, chosen_metrics

HW = (48, 64)


def clip(seed: int = 0, frames: int = 5, views: int = 2, noise: float = 0.0) -> MultiViewClip:
    """A texture that slides past."""
    generator = torch.Generator().manual_seed(seed)
    wide = F.interpolate(torch.rand(1, 3, 8, 16, generator=generator), (HW[0], HW[1] + 32), mode="bicubic")[0]
    video = torch.stack([wide[..., 2 * frame : 2 * frame + HW[1]] for frame in range(frames)]).clamp(0, 1)
    video = video + noise * torch.randn(video.shape, generator=generator)
    cameras = rig(frames, hw=HW)
    return MultiViewClip(video.clamp(0, 1).expand(views, -1, -1, -1, -1), cameras.view(list(range(views))), "a", FPS)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Three clips."""
    for number in range(3):
        write_clip(tmp_path / "run" / f"clip{number}", clip(number))
    return tmp_path / "run"


def config(*runs: Path, **change) -> EvaluateConfig:
    values = {"runs": runs, "metrics": "flicker,warp_error", "workers": 1}
    return EvaluateConfig(**(values | change))


def test_rows_say_how_they_came_about(run: Path, tmp_path: Path) -> None:
    result = evaluate(config(run, out=tmp_path / "results"))
    [row, _] = result["runs"][0]["rows"]
    assert (row["metric"], row["convention"], row["num_clips"], row["num_samples"]) == (
        "flicker:vbench",
        "vbench",
        3,
        6,
    )
    assert row["value"] == pytest.approx(sum(row["clips"].values()) / 3) and set(row["clips"]) == {
        "clip0",
        "clip1",
        "clip2",
    }
    assert row["interval_95"][0] <= row["value"] <= row["interval_95"][1] and row["standard_error"] > 0
    assert (row["frames"], row["size"], row["resize"], row["threshold_px"]) == ("5", "48x64", "none", 1.0)
    assert json.loads((tmp_path / "results" / "results.json").read_text()) == result
    page = (tmp_path / "results" / "results.md").read_text()
    assert "| flicker:vbench |" in page and "3 clips of 2 views, 5 frames, 48x64 pixels" in page


def test_the_verb_prints_a_table_and_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["evaluate", str(run), "--metrics", "flicker,rot_err:pair", "--no-cache", "--workers", "1"])
    shown = capsys.readouterr().out
    assert "flicker:vbench" in shown and "not measurable: " in shown and ": rot_err:pair (15)" in shown
    cli.main(["evaluate", str(run), "--metrics", "flicker", "--no-cache", "--workers", "1", "--clips", "1", "--json"])
    assert json.loads(capsys.readouterr().out)["runs"][0]["num_clips"] == 1


def test_runs_are_compared_clip_by_clip(run: Path, tmp_path: Path) -> None:
    for number in range(3):
        write_clip(tmp_path / "noisy" / f"clip{number}", clip(number, noise=0.05))
    shutil.rmtree(tmp_path / "noisy" / "clip2")
    result = evaluate(config(run, tmp_path / "noisy", out=tmp_path / "results"))
    rows = {row["metric"]: row for row in result["comparisons"][0]["rows"]}
    first, second = (one["rows"][0]["clips"] for one in result["runs"])
    expected = sum(second[name] - first[name] for name in second) / 2
    assert rows["flicker:vbench"]["difference"] == pytest.approx(expected) and expected < 0
    assert (rows["flicker:vbench"]["num_clips"], rows["flicker:vbench"]["better"]) == (2, "first")
    assert f"## {tmp_path / 'noisy'} less {run}" in (tmp_path / "results" / "results.md").read_text()


def test_single_clips_are_compared_with_each_other(run: Path) -> None:
    result = evaluate(config(run / "clip0", run / "clip1"))
    assert result["comparisons"][0]["rows"][0]["num_clips"] == 1
    assert result["comparisons"][0]["rows"][0]["better"] == "undecided"


@pytest.mark.slow
def test_several_processes_give_the_same(run: Path) -> None:
    one, two = evaluate(config(run)), evaluate(config(run, workers=2))
    assert one == two


def test_nothing_is_decoded_twice(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = "matched_points,flicker"
    first = evaluate(config(run, metrics=names, cache=tmp_path / "cache"))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(scene_module.Scene, "read", refuse)
    assert evaluate(config(run, metrics=names, cache=tmp_path / "cache")) == first
    evaluate(config(run, metrics="epipolar_precision", cache=tmp_path / "cache"))  # from the keypoints
    with pytest.raises(AssertionError, match="decoded"):
        evaluate(config(run, metrics=names, moments=2, cache=tmp_path / "cache"))


def test_a_bad_clip_does_not_stop_the_others(run: Path) -> None:
    (run / "clip1" / "view02.mp4").unlink()
    write_video(run / "clip2" / "view02.mp4", clip(frames=3).video[0], FPS)
    [row, _] = evaluate(config(run))["runs"][0]["rows"]
    assert row["num_clips"] == 1 and row["clips"]["clip1"] is None
    reasons = " ".join(row["failures"])
    assert "has 2 views but" in reasons and "1 videos" in reasons and "view02.mp4 has 3 frames" in reasons


def test_one_view_and_no_cameras(tmp_path: Path) -> None:
    write_clip(tmp_path / "clip", clip(views=1))
    (tmp_path / "clip" / "cameras.json").unlink()
    rows = evaluate(config(tmp_path / "clip", metrics="flicker,matched_points,rot_err:mean"))["runs"][0]["rows"]
    failures = {row["metric"]: list(row["failures"]) for row in rows}
    assert failures["flicker:vbench"] == []
    assert failures["matched_points:count"] == ["one view alone; expected two or more"]
    assert failures["rot_err:mean"] == ["no cameras; expected cameras.json beside the videos"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "nowhere is not a folder; expected what syncam generate writes, or a data set"),
        (["empty"], "empty holds no clips: expected folders with an mp4 for every view"),
        (["run", "--metrics", "beauty"], "there is no metric 'beauty'; expected some of rot_err:pair"),
        (["run", "--moments", "0"], "moments must be at least 1, got 0"),
        (["run", "run"], "run is given twice; expected different runs"),
        (["run", "--metrics", "psnr"], "nothing could be measured: no reference clip of that name"),
        (["run", "--metrics", "fid"], "nothing could be measured: no network: give --inception"),
        (["run", "--metrics", "flicker", "--out", "run"], "run holds clip0, which syncam evaluate did not write"),
        (["run", "--cache", "x", "--no-cache"], "--no-cache keeps nothing and --cache says where"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line(
    run: Path,
    arguments: list[str],
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(run.parent)
    monkeypatch.setenv("SYNCAM_CACHE", str(run.parent / "cache"))
    (run.parent / "empty").mkdir()
    with pytest.raises(SystemExit) as left:
        cli.main(["evaluate", *arguments, "--workers", "1"])
    shown = capsys.readouterr().err
    assert left.value.code == 2 and line in shown and shown.count("\n") == 1


def test_clips_are_found_where_they_are(run: Path) -> None:
    assert list(find_clips(run)) == ["clip0", "clip1", "clip2"] and list(find_clips(run / "clip0")) == ["."]
    (run / "clip0" / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run.json is damaged; expected a JSON object with settings.prompt"):
        _ = find_clips(run)["clip0"].caption
    (run / "clip1" / "run.json").unlink()
    (run / "clip1" / "caption.txt").write_text("a fox\n")
    assert find_clips(run)["clip1"].caption == "a fox"


def test_every_suite_has_metrics_that_are_there() -> None:
    for suite in SUITES:
        assert chosen_metrics(suite) == chosen_metrics("own", ",".join(SUITES[suite]))
    assert chosen_metrics("own", "rot_err")[:2] == ["rot_err:pair", "rot_err:rig"]
    assert all(name == one.name for name, one in CLIP_WISE.items())


def test_bootstrap_finds_the_error_of_a_mean() -> None:
    values = torch.randn(200, generator=torch.Generator().manual_seed(0)).tolist()
    error, (low, high) = bootstrap(values, lambda chosen: sum(chosen) / len(chosen)) or (0.0, (0.0, 0.0))
    assert error == pytest.approx(1 / 200**0.5, rel=0.15) and high - low == pytest.approx(3.92 * error, rel=0.1)
    assert bootstrap([Outcome()], lambda chosen: 0.0) is None


def test_aligned_columns() -> None:
    assert aligned([{"a": "1", "b": "22"}, {"a": "333", "b": "4"}]) == "a    b\n1    22\n333  4"

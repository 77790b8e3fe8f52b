"""VBench in an environment of its own, by a stand-in with the same interface; and what of it is computed here."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation.scenes import write_clip
from evaluation.test_evaluate import clip
from syncam import cli
from syncam.errors import InputError
from syncam.evaluation.evaluate import EvaluateConfig, evaluate
from syncam.evaluation.networks import NetworkPaths
from syncam.evaluation.outcome import NotMeasurable
from syncam.evaluation.similarity import consistency
from syncam.evaluation.suites import SUITES
from syncam.evaluation.vbench import find_vbench

STAND_IN = """
import json, os, pathlib

class VBench:
    def __init__(self, device, full_info_dir, output_path):
        self.out = pathlib.Path(output_path)
        self.out.mkdir()

    def evaluate(self, videos_path, name, prompt_list=[], dimension_list=None, mode="vbench_standard", **more):
        assert mode == "custom_input"
        [dimension] = dimension_list
        if dimension == "aesthetic_quality":
            raise RuntimeError("the weights of the aesthetic head cannot be fetched")
        rows = []
        for file in os.listdir(videos_path):
            path = os.path.join(videos_path, file)
            score = os.path.getsize(path) % 97 / 97
            score = score > 0.5 if dimension == "dynamic_degree" else score
            rows.append({"video_path": path, "video_results": 100 * score if dimension == "imaging_quality" else score})
        with open(os.path.join(os.environ["STAND_IN"], "log"), "a") as log:
            log.write(f"{dimension} {len(rows)}\\n")
        if dimension == "motion_smoothness":
            rows = [{"path": row["video_path"]} for row in rows]
        (self.out / f"{name}_eval_results.json").write_text(json.dumps({dimension: [0.5, rows]}))
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with bin/python, as of a virtual environment, in which `vbench` is the stand-in."""
    folder = tmp_path / "vbench-env"
    site = folder / "site"
    for inner in ("bin", "site/vbench", "site/vbench-0.1.5.dist-info"):
        (folder / inner).mkdir(parents=True)
    (site / "vbench" / "__init__.py").write_text(STAND_IN)
    (site / "vbench-0.1.5.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: vbench\nVersion: 0.1.5\n")
    (site / "torch.py").write_text("class cuda:\n    is_available = staticmethod(lambda: False)\n\ndevice = str\n")
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{site}" STAND_IN="{folder}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.delenv("SYNCAM_VBENCH", raising=False)
    return folder


def config(run: Path, cache: Path, **change) -> EvaluateConfig:
    return EvaluateConfig(**({"runs": (run,), "suite": "vbench-lite", "workers": 1, "cache": cache} | change))


def test_the_scores_of_vbench_are_read(tmp_path: Path, environment: Path) -> None:
    for number in range(2):
        write_clip(tmp_path / "run" / f"clip{number}", clip(number))
    names = "flicker,subject_consistency,imaging_quality,dynamic_degree,aesthetic_quality,motion_smoothness"
    asked = config(tmp_path / "run", tmp_path / "cache", metrics=names, networks=NetworkPaths(vbench=str(environment)))
    rows = {row["metric"]: row for row in evaluate(asked)["runs"][0]["rows"]}
    sizes = [(tmp_path / f"run/clip0/view0{view}.mp4").stat().st_size % 97 / 97 for view in (1, 2)]
    row = rows["subject_consistency:vbench"]
    assert row["clips"]["clip0"] == pytest.approx(np.mean(sizes)) and row["num_samples"] == 4
    assert (row["network"], row["network_sha256"], row["resize"]) == ("VBench 0.1.5", None, "VBench's own")
    assert set(row["by_view"]) == {"1", "2"}
    assert rows["imaging_quality:vbench"]["value"] == pytest.approx(row["value"])  # of 100, in single videos
    assert rows["dynamic_degree:vbench"]["clips"]["clip0"] == np.mean([size > 0.5 for size in sizes])
    assert list(rows["aesthetic_quality:vbench"]["failures"]) == [
        "VBench 0.1.5 failed at aesthetic_quality: RuntimeError: the weights of the aesthetic head cannot be fetched"
    ]
    assert "wrote no results of motion_smoothness" in next(iter(rows["motion_smoothness:vbench"]["failures"]))
    assert rows["flicker:vbench"]["value"] is not None
    log = (environment / "log").read_text().splitlines()
    assert log[0].startswith("subject_consistency ") and len(log) == 4  # every video of the run at once
    evaluate(asked)
    again = (environment / "log").read_text().splitlines()[4:]
    assert [line.split()[0] for line in again] == ["motion_smoothness"]  # the others are in the cache


def test_without_vbench_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SYNCAM_VBENCH", raising=False)
    write_clip(tmp_path / "run", clip())
    words = ["--suite", "vbench-lite", "--clip", str(tmp_path / "none"), "--no-cache", "--workers", "1"]
    cli.main(["evaluate", str(tmp_path / "run"), *words, "--json"])
    rows = {row["metric"]: row for row in json.loads(capsys.readouterr().out)["runs"][0]["rows"]}
    assert list(rows) == list(SUITES["vbench-lite"]) and rows["flicker:vbench"]["value"] is not None
    assert list(rows["imaging_quality:vbench"]["failures"]) == [
        "no VBench: give --vbench the python of an environment that has it, or set SYNCAM_VBENCH"
    ]


def test_environments_are_found_and_checked(tmp_path: Path, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotMeasurable, match="no VBench: give --vbench"):
        find_vbench(None)
    monkeypatch.setenv("SYNCAM_VBENCH", str(environment / "bin" / "python"))
    assert find_vbench(None).name == "VBench 0.1.5"
    with pytest.raises(InputError, match=r"has no VBench; run: .* -m pip install vbench"):
        find_vbench(sys.executable)
    with pytest.raises(InputError, match="nothing is no python that starts"):
        find_vbench(str(tmp_path / "nothing"))


def test_consistency_by_its_formula() -> None:
    frames = torch.randn(2, 4, 5)
    found = consistency(frames)
    for view, video in enumerate(frames.numpy()):
        unit = video / np.linalg.norm(video, axis=1, keepdims=True)
        for frame in range(1, 4):
            expected = (max(0, unit[frame] @ unit[frame - 1]) + max(0, unit[frame] @ unit[0])) / 2
            assert found[view, frame - 1].item() == pytest.approx(expected, abs=1e-6)
    with pytest.raises(InputError, match="two frames or more, got 1"):
        consistency(frames[:, :1])

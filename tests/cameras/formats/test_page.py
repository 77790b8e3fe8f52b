"""docs/camera-formats.md: its table has every format, its first example runs, and its samples are read."""

import re
from pathlib import Path

import pytest

from syncam.cameras import FORMATS, detect_format, read_cameras

PAGE = (Path(__file__).parents[3] / "docs" / "camera-formats.md").read_text()
ROWS = {cells[1].strip(" `"): cells for line in PAGE.splitlines() if len(cells := line.split("|")) == 10}
SAMPLES = [text for language, text in re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL) if language in ("", "json")]


@pytest.mark.parametrize("name", FORMATS)
def test_the_table_says_what_the_code_says(name: str) -> None:
    _, _, files, _, _, lens, size, time, views, _ = ROWS[name]
    kind = FORMATS[name]
    assert all(suffix in files for suffix in kind.suffixes)
    assert ("lens" in kind.keeps) == (lens.strip() not in ("no", "in names only"))
    assert ("size" in kind.keeps) == (size.strip() != "no")
    assert bool({"fps", "time"} & kind.keeps) == (time.strip() != "no")
    assert ("fps" in kind.keeps) == (time.strip() == "fps")
    assert (kind.layout == "one file") == (views.strip() == "all in one file")


def test_the_table_has_no_other_formats() -> None:
    assert set(ROWS) - {"format", "---"} == set(FORMATS)


def test_the_first_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0])
    assert detect_format("poses") == "realestate10k"
    assert read_cameras("scene.gltf", cameras=["cam02"]).hw == (480, 832)


@pytest.mark.parametrize("sample", SAMPLES, ids=["realestate10k", "nerfstudio", "tum", "spherical"])
def test_samples_are_read(sample: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    name = request.node.callspec.id
    path = tmp_path / "sample"
    path.write_text(sample)
    assert detect_format(path) == name
    lens = None if "lens" in FORMATS[name].keeps else 24.0
    assert read_cameras(path, hw=(480, 832), focal_mm=lens).num_views == 1

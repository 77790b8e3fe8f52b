"""What pip installs: metadata, pinned versions and the data files that the code reads."""

import re
import tomllib
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import syncam

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DATA_SUFFIXES = {".json", ".safetensors", ".vert", ".frag", ".glsl", ".txt", ".typed", ".html", ".css", ".js"}


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~ ]", requirement)[0].lower().replace("_", "-")


@pytest.fixture(scope="module")
def wheel_files() -> set[str]:
    """The paths that a wheel of this tree would hold."""
    return {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}


def test_every_source_and_data_file_is_installed(wheel_files: set[str]) -> None:
    expected = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "syncam").rglob("*")
        if path.suffix in DATA_SUFFIXES | {".py"}
    }
    assert expected <= wheel_files
    assert "syncam/py.typed" in wheel_files


def test_nothing_else_is_installed(wheel_files: set[str]) -> None:
    assert {path for path in wheel_files if Path(path).suffix not in DATA_SUFFIXES | {".py"}} == set()


def test_the_built_in_model_is_installed(wheel_files: set[str]) -> None:
    assert "syncam/models/small/model_index.json" in wheel_files


def test_constraints_pin_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {name_of(line): line for line in lines if not line.startswith("#")}
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in pins.values())
    wanted = [
        *PROJECT["dependencies"],
        *(line for extra in PROJECT["optional-dependencies"].values() for line in extra),
    ]
    assert {name_of(line) for line in wanted} - {"syncam"} <= set(pins)


def test_torch_comes_alone() -> None:
    """No package that would bring a second tensor library or a GPU build of its own."""
    text = (ROOT / "constraints.txt").read_text().lower()
    assert not re.search(r"^(torchvision|torchaudio|nvidia|triton|xformers|cuda)", text, re.MULTILINE)


def test_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", syncam.__version__)


def test_licence_is_apache() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text and len(text) > 10_000

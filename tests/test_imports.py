"""`import syncam` is cheap, and every public name resolves."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import syncam
from syncam.errors import InputError
from syncam.optional import require

HEAVY = ("torch", "numpy", "diffusers", "transformers", "moderngl", "av", "rich", "tyro")


def run_python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True)


def test_import_loads_nothing_heavy() -> None:
    loaded = run_python("import sys, syncam; print(*sys.modules)").stdout.split()
    assert not set(HEAVY) & set(loaded)


def test_import_takes_less_than_300_ms() -> None:
    lines = run_python("import syncam", "-X", "importtime").stderr.splitlines()
    [microseconds] = [int(line.split("|")[1]) for line in lines if line.split("|")[-1].strip() == "syncam"]
    assert microseconds < 300_000


@pytest.mark.parametrize("name", syncam.__all__)
def test_public_name(name: str) -> None:
    assert name in dir(syncam)
    assert getattr(syncam, name) is not None


def test_type_checkers_see_the_names_that_are_loaded_lazily() -> None:
    """The imports under TYPE_CHECKING and the table behind __getattr__ say the same."""
    nodes = ast.walk(ast.parse(Path(syncam.__file__).read_text()))
    seen = {
        alias.name: node.module
        for node in nodes
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("syncam.")
        for alias in node.names
    }
    assert seen == syncam._HOMES
    assert set(syncam.__all__) == {*seen, "__version__"}


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Camera'"):
        syncam.Camera  # noqa: B018


def test_require_names_the_extra() -> None:
    assert require("json", extra="render") is import_module("json")
    with pytest.raises(InputError, match=r"no_such_package is not installed; run: pip install 'syncam\[render\]'"):
        require("no_such_package.part", extra="render")


def test_require_does_not_hide_a_broken_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_package.py").write_text("import another_missing_package")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="another_missing_package"):
        require("broken_package", extra="render")

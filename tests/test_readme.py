"""README and the pages in docs say what is true: commands parse, code runs, links and files exist."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import command_lines, parse
from syncam import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = PAGES[0].read_text()
CHEAP = ("rig",)  # verbs whose documented commands run here and now


def blocks(text: str, language: str) -> str:
    """The code blocks of one language (or of none, for "sh"), one after the other."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return "\n".join(code for name, code in found if name == language or (language == "sh" and name in ("", "console")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_parse(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in command_lines(blocks(page.read_text(), "sh")):
        if not {"--help", "--version"} & set(arguments):
            assert parse(arguments, monkeypatch), arguments


def test_readme_shows_every_verb() -> None:
    assert {arguments[0] for arguments in command_lines(blocks(README, "sh"))} == set(cli.VERBS)


def test_cheap_commands_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments in command_lines(blocks(README, "sh")):
        if arguments[0] in CHEAP:
            cli.main(arguments)
            assert capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_index_of_the_documentation_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]} - {"README.md"}
    assert pages == set(re.findall(r"\]\(([\w/-]+\.md)\)", index))


def test_file_tree_lists_every_file() -> None:
    tree = re.search(r"## Files\n\n```\n(.*?)```", README, re.DOTALL)
    assert tree
    stack: list[str] = []
    listed = set()
    for line in tree.group(1).splitlines():
        name = line.split()[0]
        del stack[(len(line) - len(line.lstrip())) // 2 :]
        if name.endswith("/"):
            stack.append(name)
        listed.add("".join([*stack, name] if not name.endswith("/") else stack))
    source = ROOT / "src" / "syncam"
    files = {f"src/syncam/{path.relative_to(source)}" for path in source.rglob("*.py") if path.name != "__init__.py"}
    assert files <= listed, f"not in README's file tree: {sorted(files - listed)}"
    assert {name for name in listed if not (ROOT / name).exists()} == set()


@pytest.mark.slow
def test_python_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks(README, "python"), "<README>", "exec"), {})
    assert len(list(tmp_path.glob("view*.mp4"))) == 4
    assert (tmp_path / "rig.json").exists()


@pytest.mark.slow
def test_drawn_pictures_show_what_the_library_does(tmp_path: Path) -> None:
    """Drawn anew, the pictures of the conventions are those of the page, but for the rounding of colours."""
    subprocess.run([sys.executable, "docs/draw_conventions.py", str(tmp_path)], cwd=ROOT, check=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == set(re.findall(r"\]\(images/([\w-]+\.png)\)", (ROOT / "docs" / "conventions.md").read_text()))
    for name in names:
        drawn, shown = (
            np.asarray(Image.open(folder / name).convert("L"), dtype=float)
            for folder in (tmp_path, ROOT / "docs" / "images")
        )
        assert drawn.shape == shown.shape, name
        assert (abs(drawn - shown) > 64).mean() < 1e-4, f"{name}: run python docs/draw_conventions.py"

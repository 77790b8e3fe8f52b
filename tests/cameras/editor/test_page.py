"""The rig editor as one file."""

import base64
import json
import re
from pathlib import Path

import pytest
import torch

from cameras.editor.browser import cameras_of, export_as, exported, open_page, type_number
from syncam.cameras import arc, load_rig
from syncam.cameras.editor import write_page
from syncam.cameras.editor.assets import EDITOR, FOLDER
from syncam.cameras.editor.document import document


def test_everything_is_inside(tmp_path: Path) -> None:
    write_page(tmp_path / "rig.html", arc(views=2, radius=4.0, num_frames=3), fps=8.0)
    text = (tmp_path / "rig.html").read_text(encoding="utf-8")
    [imports] = re.findall(r'<script type="importmap">(.*?)</script>', text)
    modules = json.loads(imports)["imports"]
    assert modules.keys() == EDITOR.modules.keys()
    prefix = "data:text/javascript;base64,"
    assert all(base64.b64decode(modules[name].removeprefix(prefix)).decode() == EDITOR.text(name) for name in modules)
    assert not re.findall(r'(?:src|href)="(?!data:)', text)


@pytest.mark.parametrize("name", EDITOR.modules)
def test_modules_import_only_what_there_is(name: str) -> None:
    """Relative paths would not resolve inside data URLs; three/addons is in comments only."""
    imported = set(re.findall(r"""(?:\bfrom|\bimport)\s*["']([\w./-]+)["']""", EDITOR.text(name)))
    assert {name for name in imported if not name.startswith("three/addons/")} <= EDITOR.modules.keys()


def test_scripts_cannot_be_closed_from_inside() -> None:
    html = document(EDITOR, {"source": "</script><script>alert(1)</script>"}, token=None)
    assert "alert(1)</script>" not in html
    [start] = re.findall(r'<script type="application/json" id="start">(.*?)</script>', html)
    assert json.loads(start)["source"] == "</script><script>alert(1)</script>"


def test_files_are_small() -> None:
    for path in FOLDER.rglob("*.*"):
        assert path.stat().st_size < 1_000_000, path
    for path in (FOLDER / "static").iterdir():
        assert path.read_text(encoding="utf-8").count("\n") <= 400, f"split {path.name}"


def test_the_licence_is_bundled() -> None:
    assert "MIT License" in (FOLDER / "vendor" / "LICENSE.txt").read_text(encoding="utf-8")


@pytest.mark.browser
@pytest.mark.slow
def test_it_opens_from_disk_and_exports(page, tmp_path: Path) -> None:
    cameras = arc(views=2, radius=4.0, num_frames=3, hw=(48, 64))
    write_page(tmp_path / "rig.html", cameras, fps=8.0)
    page.context.set_offline(True)
    assert open_page(page, (tmp_path / "rig.html").as_uri()) == 2
    assert page.locator("#words").is_disabled() and "Run syncam rig edit" in page.inner_text(".words")
    type_number(page, "distance", 3)
    file = export_as(page, "syncam", tmp_path)
    assert torch.equal(load_rig(file).c2w, cameras_of(exported(page)).c2w)
    torch.testing.assert_close(load_rig(file).c2w[1], cameras.c2w[1], rtol=0, atol=1e-12)
    assert page.complaints == []
    assert all(address.startswith(("file:", "blob:", "data:")) for address in page.addresses)

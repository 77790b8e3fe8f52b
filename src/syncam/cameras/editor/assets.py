"""The bundled files of pages: the only files that their servers serve and that a page of one file holds.

vendor/ holds unchanged files of three.js r184 (npm three 0.184.0): build/*.min.js and two of examples/jsm/controls.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BASE", "EDITOR", "ORBIT", "THREE", "Bundle", "scripts"]

FOLDER = Path(__file__).parent
STATIC, VENDOR = FOLDER / "static", FOLDER / "vendor"
THREE = {"three": VENDOR / "three.module.min.js", "three-core": VENDOR / "three.core.min.js"}
ORBIT = {"three/OrbitControls": VENDOR / "OrbitControls.js"}
TRANSFORM = {"three/TransformControls": VENDOR / "TransformControls.js"}
BASE = {"styles/base.css": STATIC / "base.css"}
"""Colours and controls of every page."""


@dataclass(frozen=True)
class Bundle:
    """The files of one page. A name is what modules import, and where a server has the file."""

    html: Path
    styles: Mapping[str, Path]
    modules: Mapping[str, Path]
    main: str
    """The name of the module that starts the page."""

    def text(self, name: str) -> str:
        """The text of a style or a module.

        three.js names its core by a relative path, which a page of one file has not; it becomes the name in `modules`.
        """
        text = {**self.styles, **self.modules}[name].read_text(encoding="utf-8")
        return text.replace('"./three.core.min.js"', '"three-core"') if name == "three" else text


def scripts(folder: Path, name: str, *files: str) -> dict[str, Path]:
    """Modules by the names under which others import them: all of a folder, or some of its files."""
    paths = [folder / file for file in files] or sorted(folder.glob("*.js"))
    return {f"{name}/{path.name}": path for path in paths}


EDITOR = Bundle(
    html=STATIC / "index.html",
    styles=BASE | {"styles/editor.css": STATIC / "style.css"},
    modules=THREE | ORBIT | TRANSFORM | scripts(STATIC, "editor"),
    main="editor/main.js",
)

"""The bundled files of the rig editor: the only files that its server serves and its page holds.

vendor/ holds unchanged files of three.js r184 (npm three 0.184.0): build/*.min.js and two of examples/jsm/controls.
"""

from pathlib import Path

__all__ = ["MODULES", "STYLE", "asset"]

FOLDER = Path(__file__).parent
STYLE = "static/style.css"
MODULES = {
    "three": "vendor/three.module.min.js",
    "three-core": "vendor/three.core.min.js",
    "three/OrbitControls": "vendor/OrbitControls.js",
    "three/TransformControls": "vendor/TransformControls.js",
    **{f"editor/{path.name}": f"static/{path.name}" for path in sorted((FOLDER / "static").glob("*.js"))},
}
"""What modules import by name -> the file that holds it."""


def asset(name: str) -> str:
    """The text of a bundled file, by its path in this folder.

    three.js names its core by a relative path, which a page of one file has not; it becomes the name in `MODULES`.
    """
    text = (FOLDER / name).read_text(encoding="utf-8")
    return text.replace('"./three.core.min.js"', '"three-core"') if name == MODULES["three"] else text

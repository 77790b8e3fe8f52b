"""The direction of imports between the parts of syncam, and where foreign names may occur."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "syncam"
FILES = sorted(SOURCE.rglob("*.py"))
EVERYONE = {"errors", "files", "optional", "rig_words", "__version__"}
MAY_IMPORT = {
    "cameras": set(),
    "data": {"cameras"},
    "render": {"cameras", "data"},
    "adapters": {"cameras"},
    "pipelines": {"cameras", "data", "adapters"},
    "training": {"cameras", "data", "adapters", "pipelines", "evaluation"},
    "evaluation": {"cameras", "data"},
}
FOREIGN = {  # package -> the parts of syncam that may import it
    "diffusers": {"adapters", "pipelines", "training"},
    "transformers": {"data", "evaluation", "pipelines", "training"},
    "moderngl": {"render"},
    "ray": {"render"},
    "webdataset": set(),
    "av": {"data"},
    "tyro": {"cli", "cli_data", "cli_evaluate", "cli_render", "cli_reshoot", "cli_rig"},
    "cv2": set(),  # by `require`
    "pycolmap": set(),
    "torchmetrics": {"evaluation"},
    "torchvision": set(),
}
INSIDE_BLENDER = {"cameras/formats/blender_script.py", "render/blender/worker.py", "render/blender/worker_assets.py"}
INSIDE_BLENDER |= {"render/blender/worker_looks.py", "render/blender/worker_measure.py"}
BACKBONE_NAME = re.compile(r"WanTransformer|CogVideoXTransformer|\battn[12]\b")
BACKBONE_FILES = {"adapters/backbones.py", "adapters/published.py", "training/small_model.py"}
BACKBONE_FILES |= {"adapters/motion_unet.py", "adapters/published_unet.py"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports absolutely"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_file(path: Path) -> None:
    """One file keeps the rules of direction, of foreign packages, of backbone names and of length."""
    own = part(path)
    inside = str(path.relative_to(SOURCE)) in INSIDE_BLENDER
    for name in imports(path):
        package, _, rest = name.partition(".")
        assert own in FOREIGN.get(package, {own}), f"{own} imports {package}"
        assert inside or package not in ("bpy", "mathutils"), "only what runs inside Blender imports it"
        assert not inside or package not in ("syncam", "torch"), "what runs inside Blender has only Blender"
        if package == "syncam" and own in MAY_IMPORT:
            assert rest.partition(".")[0] in MAY_IMPORT[own] | EVERYONE | {own}, f"{own} imports {name}"
    text = path.read_text()
    if own != "pipelines" and str(path.relative_to(SOURCE)) not in BACKBONE_FILES:
        assert not (found := BACKBONE_NAME.search(text)), f"{found.group()} belongs in adapters/backbones.py"
    assert text.count("\n") <= 400, "split this file"

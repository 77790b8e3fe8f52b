"""What the browser tests do with a page: open it, start afresh, and read what it drew."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from syncam.cameras import Cameras, parse_rig
from syncam.cameras.conventions import opengl_to_opencv

FRAMES = 9
READY = """async () => {
  for (let i = 0; i < 2000 && !window.syncam?.drawn().length; i += 1) await new Promise((go) => setTimeout(go, 100));
  return window.syncam.drawn().length;
}"""
NEXT_PICTURE = "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
DRAWN = """() => window.syncam.drawn().map(({where, camera, width, height}) => ({
  where, width, height, c2w: camera.matrixWorld.toArray(), P: camera.projectionMatrix.toArray() }))"""
RESET = """() => {
  const undo = document.getElementById("undo");
  while (!undo.disabled) undo.click();
  document.getElementById("tool-move").click();
  document.getElementById("free").click();
}"""


def open_page(page: Any, address: str) -> int:
    page.goto(address, wait_until="commit")
    return page.evaluate(READY)


def reset(page: Any) -> None:
    """Undoes everything; the free view, frame 0 and the first camera."""
    page.evaluate(RESET)
    page.locator(".row-name").nth(1).click()
    go_to(page, 0)


def go_to(page: Any, frame: int) -> None:
    type_number(page, "frame", frame)


def type_number(page: Any, field: str, number: float) -> None:
    page.fill(f"#{field}", str(number))
    page.press(f"#{field}", "Enter")
    page.evaluate("document.activeElement.blur()")
    page.evaluate(NEXT_PICTURE)


def exported(page: Any) -> dict[str, Any]:
    return page.evaluate("window.syncam.rig()")


def cameras_of(content: dict[str, Any]) -> Cameras:
    c2w, K = (torch.tensor([view[name] for view in content["views"]], dtype=torch.float64) for name in ("c2w", "K"))
    return Cameras(c2w, K, (content["height"], content["width"]))


def drawn(page: Any) -> tuple[Tensor, Tensor, list[str]]:
    """c2w [N, 4, 4] (OpenCV axes) and K [N, 3, 3] of the three.js cameras of the last pictures, and where they are."""
    items = page.evaluate(DRAWN)
    c2w, K = [], []
    for item in items:
        width, height = item["width"], item["height"]
        c2w.append(opengl_to_opencv(torch.tensor(item["c2w"], dtype=torch.float64).view(4, 4).mT))
        P = torch.tensor(item["P"], dtype=torch.float64).view(4, 4).mT
        # pixels = half sizes * (1 +- NDC); NDC = P @ (x, -y, -z) / z
        to_pixels = torch.tensor([[width / 2, 0, width / 2], [0, -height / 2, height / 2], [0, 0, 1]])
        K.append(to_pixels.double() @ P[[0, 1, 3]][:, :3] @ torch.diag(torch.tensor([1.0, -1.0, -1.0])).double())
    return torch.stack(c2w), torch.stack(K), [item["where"] for item in items]


def downloaded(page: Any, press: Any, folder: Path) -> Path:
    with page.expect_download() as waiting:
        press()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def export_as(page: Any, format: str, folder: Path) -> Path:
    page.click("#export")
    page.select_option("#export-format", format)
    return downloaded(page, lambda: page.click("#export-dialog button[value=export]"), folder)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def crooked_rig() -> Cameras:
    """Three cameras on an arc; the second has an off-centre, skewed lens with pixels that are not square."""
    cameras = parse_rig("arc:views=3,radius=4,move=40", num_frames=FRAMES, hw=(72, 128))
    K = cameras.K.clone()
    K[1] = torch.tensor([[120.0, 0.5, 50.0], [0, 130.0, 41.0], [0, 0, 1]])
    still = cameras.c2w.clone()
    still[2] = still[2, 0]
    return Cameras(still, K, cameras.hw)


def drag(editor: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    editor.mouse.move(*start)
    editor.evaluate(NEXT_PICTURE)
    editor.mouse.down()
    for share in (0.3, 0.7, 1.0):
        editor.mouse.move(*(a + share * (b - a) for a, b in zip(start, end, strict=True)))
    editor.mouse.up()
    editor.evaluate(NEXT_PICTURE)

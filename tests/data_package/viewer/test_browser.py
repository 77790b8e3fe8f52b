"""The viewer in a browser: all views show the same frame, and the rig is that of the scene."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from data_package.viewer.sets import BITS, FRAMES, TRAIN, make_set, session
from syncam.cameras.conventions import opengl_to_opencv
from syncam.cameras.editor.local_server import serving
from syncam.data.dataset import SceneFolder
from syncam.data.viewer.viewing import site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SHOWN = f"""() => {{
  const state = window.syncam.state();
  const views = [...document.querySelectorAll("#views canvas")].map((canvas) => {{
    const {{ width, height }} = canvas;
    const {{ data }} = canvas.getContext("2d").getImageData(0, 0, width, height);
    const bit = (row, at) => {{
      const [x, y] = [Math.floor(((at + 0.5) * width) / {BITS}), Math.floor(((row + 0.5) * height) / 3)];
      return data[4 * (y * width + x)] > 128 ? 1 << at : 0;
    }};
    return [0, 1, 2].map((row) => Array.from({{ length: {BITS} }}, (_, at) => bit(row, at)).reduce((a, b) => a + b));
  }});
  return {{ frame: state.frame, index: state.index, playing: state.playing, views }};
}}"""
"""Scene, view and frame that the pictures of all views say they show, read in one task of the page."""

UNTIL = """async ([name, value]) => {
  for (let i = 0; i < 2400; i += 1) {
    if (window.syncam && JSON.stringify(window.syncam.state()[name]) === JSON.stringify(value)) return true;
    await new Promise((go) => setTimeout(go, 50));
  }
  return JSON.stringify(window.syncam?.state());
}"""
WATCH = f"""async (frames) => {{
  const shown = {SHOWN};
  const seen = [];
  for (let i = 0; i < 3000 && new Set(seen.map(({{ frame }}) => frame)).size < frames; i += 1) {{
    await new Promise((go) => requestAnimationFrame(go));
    seen.push(shown());
  }}
  return seen;
}}"""
BOXES = """() => ["header", "#scenes", "#views", "#rig", "#facts", "#transport"].map((name) => {
  const { left, top, right, bottom } = document.querySelector(name).getBoundingClientRect();
  return [name, left, top, right, bottom];
}).filter(([, left, top, right, bottom]) => right > left && bottom > top)"""
OVERFLOWING = """() => {
  const parts = [...document.querySelectorAll("header *, #transport *, #rig-tools *, #facts *")];
  return parts.filter((element) => {
    const { right, left } = element.getBoundingClientRect();
    return right > innerWidth + 1 || left < -1;
  }).map((element) => element.outerHTML.slice(0, 80));
}"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two whole scenes, one with damage, and one without videos."""
    root = make_set(tmp_path_factory.mktemp("set"), scenes=4)
    damaged, empty = root / TRAIN / "scene3", root / TRAIN / "scene4"
    (damaged / "videos/cam01.mp4").write_bytes(b"")
    shutil.copy(root / TRAIN / "scene3/videos/cam02.mp4", damaged / "videos/cam03.mp4")
    (damaged / "videos/cam03.mp4").write_bytes((damaged / "videos/cam03.mp4").read_bytes()[:900])
    (damaged / "cameras/rig.json").write_text("{")
    (damaged / "masks/cam02.npz").write_bytes(b"PK")
    for video in (empty / "videos").iterdir():
        video.unlink()
    return root


@pytest.fixture(scope="module")
def opened(page: Any, root: Path) -> Iterator[Any]:
    page.set_viewport_size({"width": 1280, "height": 800})
    viewer = session(root)
    with serving(site(viewer)) as address:
        page.goto(address, wait_until="commit")
        until(page, "frame", 0)
        yield page
    viewer.catalogue.close()


@pytest.fixture
def viewer(opened: Any) -> Iterator[Any]:
    """The first scene at frame 0, nothing over its pictures; after the test, no complaints."""
    if opened.evaluate(SHOWN)["index"] != 0:
        opened.fill("#search", "")
        opened.locator("#list button").first.click()
        until(opened, "index", 0)
        opened.get_by_text("scene number 1").wait_for()
    opened.keyboard.press("Escape")
    opened.keyboard.press("Home")
    until(opened, "frame", 0)
    yield opened
    assert opened.complaints == []


def until(page: Any, name: str, value: object) -> None:
    assert page.evaluate(UNTIL, [name, value]) is True


def agrees(shown: dict[str, Any], scene: int = 1) -> bool:
    """Whether every picture says that it is of the frame that the page says is shown."""
    return shown["views"] == [[scene, view, shown["frame"]] for view in range(3)]


# one clock


def test_stepping_and_scrubbing_are_exact(viewer: Any) -> None:
    """Also over the end of what is loaded at a time."""
    shown = viewer.evaluate(SHOWN)
    assert shown["frame"] == 0 and agrees(shown)
    for key, frame in (("ArrowRight", 1), ("ArrowRight", 2), ("Shift+ArrowRight", 12), ("ArrowLeft", 11)):
        viewer.keyboard.press(key)
        until(viewer, "frame", frame)
        assert agrees(viewer.evaluate(SHOWN))
    viewer.keyboard.press("End")
    until(viewer, "frame", FRAMES - 1)
    assert agrees(viewer.evaluate(SHOWN))
    viewer.keyboard.press("ArrowRight")
    until(viewer, "frame", FRAMES - 1)
    for frame in (31, 32, 5):
        viewer.fill("#scrub", str(frame))
        until(viewer, "frame", frame)
        assert agrees(viewer.evaluate(SHOWN)) and f"frame {frame} / {FRAMES - 1}" in viewer.inner_text("#time")


def test_playing_keeps_all_views_at_one_frame(viewer: Any) -> None:
    viewer.keyboard.press("Space")
    until(viewer, "playing", True)
    seen = viewer.evaluate(WATCH, 8)
    assert len({shown["frame"] for shown in seen}) >= 8 and all(agrees(shown) for shown in seen)
    viewer.keyboard.press("Space")
    until(viewer, "playing", False)


def test_the_end_of_playing(viewer: Any) -> None:
    viewer.keyboard.press("End")
    until(viewer, "frame", FRAMES - 1)
    viewer.keyboard.press("ArrowLeft")
    viewer.keyboard.press("l")
    until(viewer, "loop", False)
    viewer.select_option("#speed", "4")
    viewer.evaluate("document.activeElement.blur()")
    viewer.keyboard.press("Space")
    until(viewer, "playing", False)
    until(viewer, "frame", FRAMES - 1)
    viewer.check("#loop")
    viewer.keyboard.press("-")
    viewer.keyboard.press("-")
    until(viewer, "speed", 1)
    assert viewer.input_value("#speed") == "1" and agrees(viewer.evaluate(SHOWN))


def test_slow_answers_hold_all_views(viewer: Any) -> None:
    """One view's pictures are late: the others wait for them at the frame before."""
    held = []
    viewer.locator("#list button").nth(1).click()
    viewer.get_by_text("a blue horse in scene number 2").wait_for()
    viewer.route("**/api/frames", lambda route: late(route, held))
    viewer.reload(wait_until="commit")
    until(viewer, "frame", 0)
    viewer.keyboard.press("End")
    viewer.wait_for_timeout(1500)
    shown = viewer.evaluate(SHOWN)
    assert held and shown["frame"] == 0 and agrees(shown, 2)
    for route in held:
        route.continue_()
    viewer.unroute("**/api/frames")
    until(viewer, "frame", FRAMES - 1)
    assert agrees(viewer.evaluate(SHOWN), 2)


def late(route: Any, held: list[Any]) -> None:
    body = route.request.post_data_json
    if body["view"] == 1 and body["first"] >= 32:
        held.append(route)
    else:
        route.continue_()


# scenes


def test_another_scene(viewer: Any) -> None:
    viewer.locator("#list button").nth(1).click()
    viewer.get_by_text("a blue horse in scene number 2").wait_for()
    until(viewer, "frame", 0)
    assert agrees(viewer.evaluate(SHOWN), 2) and viewer.url.endswith("#2")
    viewer.keyboard.press("ArrowUp")
    viewer.get_by_text("a red horse in scene number 1").wait_for()
    until(viewer, "frame", 0)
    assert agrees(viewer.evaluate(SHOWN), 1)
    viewer.keyboard.press("ArrowDown")
    viewer.get_by_text("a blue horse in scene number 2").wait_for()
    viewer.reload(wait_until="commit")
    viewer.get_by_text("a blue horse in scene number 2").wait_for()
    until(viewer, "index", 1)


def test_searching(viewer: Any) -> None:
    viewer.keyboard.press("/")
    viewer.keyboard.type("blue scene2")
    viewer.get_by_text("1 of 4 scenes", exact=True).wait_for()
    assert viewer.locator("#list b").all_inner_texts() == ["scene2"]
    assert viewer.evaluate(SHOWN)["index"] == 0, "keys in a field are letters"
    viewer.fill("#search", "scene")
    viewer.get_by_text("4 of 4 scenes", exact=True).wait_for()
    viewer.keyboard.press("Escape")
    assert viewer.locator("#list [aria-current] b").all_inner_texts() == ["scene1"]


def test_a_damaged_scene_is_shown_as_far_as_it_can_be_read(opened: Any) -> None:
    opened.locator("#list button").nth(2).click()
    opened.get_by_text("scene number 3").wait_for()
    until(opened, "frame", 0)
    lines = opened.locator(".card .complaint").all_inner_texts()
    assert "cam01.mp4 is empty" in lines[0] and not lines[1] and "cam03.mp4" in lines[2]
    assert "rig.json is not JSON" in opened.inner_text("#no-rig") and not opened.is_visible("#space")
    assert opened.evaluate(SHOWN)["views"][1] == [3, 1, 0]
    opened.keyboard.press("ArrowRight")
    until(opened, "frame", 1)
    assert opened.evaluate(SHOWN)["views"][1] == [3, 1, 1], "the others do not wait for what is damaged"
    opened.keyboard.press("m")
    opened.locator(".card .complaint.small").wait_for()
    assert "cam02.npz cannot be read" in opened.locator(".card .complaint.small").inner_text()
    opened.keyboard.press("m")
    opened.keyboard.press("ArrowDown")
    opened.get_by_text("holds no mp4 files").wait_for()
    assert opened.is_disabled("#play") and opened.inner_text("#time") == "no frames"
    opened.keyboard.press("Space")
    opened.keyboard.press("ArrowUp")
    opened.get_by_text("scene number 3").wait_for()
    refused = [text for text in opened.complaints if "status of 400" in text]  # which the browser logs
    assert refused == opened.complaints
    opened.complaints.clear()


# labels and the rig


def test_masks(viewer: Any) -> None:
    tinted = """() => [...document.querySelectorAll("#views canvas")].map((canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return [2, 14, 22, 62].map((x) => data[4 * x] - data[4 * x + 1] > 20);
    })"""
    assert viewer.evaluate(tinted) == [[False] * 4] * 3
    viewer.keyboard.press("m")
    until(viewer, "label", "masks")
    for _ in range(600):
        if viewer.evaluate(tinted)[0][0]:
            break
        viewer.wait_for_timeout(50)
    assert viewer.evaluate(tinted) == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
    ]
    assert viewer.get_attribute("#labels button", "aria-pressed") == "true"
    viewer.keyboard.press("ArrowRight")
    until(viewer, "frame", 1)
    viewer.keyboard.press("m")
    until(viewer, "label", None)


@pytest.mark.parametrize("view", [0, 2])
def test_looking_through_a_camera(viewer: Any, root: Path, view: int) -> None:
    """What is drawn over a picture is drawn with the pose and the lens of that frame."""
    cameras = SceneFolder(root / TRAIN / "scene1").cameras
    viewer.keyboard.press(str(view + 1))
    until(viewer, "through", view)
    for key, frame in (("Home", 0), ("Shift+ArrowRight", 10)):
        viewer.keyboard.press(key)
        until(viewer, "frame", frame)
        viewer.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
        [drawn] = viewer.evaluate("window.syncam.drawn()")
        c2w = opengl_to_opencv(torch.tensor(drawn["c2w"], dtype=torch.float64).view(4, 4).mT)
        torch.testing.assert_close(c2w, cameras.c2w[view, frame], rtol=0, atol=1e-6)
        focal = drawn["P"][0] / 2 * cameras.hw[1]
        assert focal == pytest.approx(float(cameras.K[view, frame, 0, 0]), rel=1e-6)
    assert viewer.inner_text("#shown") == f"Through cam0{view + 1}"
    viewer.keyboard.press("0")
    until(viewer, "through", None)
    viewer.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    assert viewer.evaluate("window.syncam.drawn()") == [] and viewer.is_hidden("#free")


def test_choosing_and_the_larger_rig(viewer: Any) -> None:
    viewer.locator(".picture").nth(2).click()
    until(viewer, "chosen", 2)
    viewer.locator(".picture").nth(1).dblclick()
    until(viewer, "through", 1)
    viewer.click("#free")
    until(viewer, "through", None)
    before = viewer.locator("#rig").bounding_box()["width"]
    viewer.keyboard.press("x")
    until(viewer, "large", True)
    assert viewer.locator("#rig").bounding_box()["width"] > before
    viewer.click("#larger")
    viewer.keyboard.press("p")
    until(viewer, "onCameras", False)
    viewer.click("#on-cameras")
    until(viewer, "onCameras", True)
    assert viewer.locator("#badges .badge:visible").count() == 3


def test_keys_are_listed(viewer: Any) -> None:
    viewer.keyboard.press("?")
    assert viewer.locator("#keys-dialog dt").count() >= 12
    viewer.keyboard.press("ArrowRight")
    viewer.keyboard.press("Escape")
    assert viewer.evaluate(SHOWN)["frame"] == 0, "keys wait until the dialog is closed"


# the page


@pytest.mark.parametrize("size", [(1280, 800), (1024, 640), (900, 700), (760, 900), (390, 800)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overlaps(viewer: Any, size: tuple[int, int], scheme: str) -> None:
    viewer.emulate_media(color_scheme=scheme)
    viewer.set_viewport_size({"width": size[0], "height": size[1]})
    viewer.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    boxes = viewer.evaluate(BOXES)
    assert {name for name, *_ in boxes} >= {"#views", "#rig", "#facts", "#transport"}
    if size[0] > 760:  # below, the page scrolls under its header and the playback
        for index, (name, left, top, right, bottom) in enumerate(boxes):
            assert right <= size[0] + 1 and bottom <= size[1] + 1, name
            for other, *box in boxes[index + 1 :]:
                apart = right <= box[0] + 1 or box[2] <= left + 1 or bottom <= box[1] + 1 or box[3] <= top + 1
                assert apart, f"{name} lies over {other}"
    assert viewer.evaluate(OVERFLOWING) == []
    assert viewer.evaluate("document.documentElement.scrollWidth") <= size[0]
    viewer.set_viewport_size({"width": 1280, "height": 800})
    viewer.emulate_media(color_scheme="dark")


def test_scenes_of_narrow_windows(viewer: Any) -> None:
    viewer.set_viewport_size({"width": 390, "height": 800})
    assert not viewer.is_visible("#scenes")
    viewer.click("#scenes-button")
    viewer.locator("#list button").nth(1).click()
    viewer.get_by_text("a blue horse in scene number 2").wait_for()
    assert not viewer.is_visible("#scenes")
    viewer.set_viewport_size({"width": 1280, "height": 800})


def test_a_page_loads_its_own_files_only(opened: Any) -> None:
    assert all(address.startswith(("http://127.0.0.1:", "blob:", "data:")) for address in opened.addresses)

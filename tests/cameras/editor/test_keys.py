"""Keys on the timeline of the page, and the ways between them."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cameras.editor.browser import FRAMES, cameras_of, drag, exported, go_to, type_number
from syncam.cameras.curve import curve_through

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_dragging_keys_and_thinning_them(editor) -> None:
    row = editor.locator(".row").nth(1)
    assert row.locator(".key").count() == FRAMES
    editor.click("#thin")
    assert row.locator(".key").count() == FRAMES, "five degrees of an arc at 4 m are more than 1 cm off a straight line"
    editor.fill("#words", "arc:views=1,radius=4,move=10")
    editor.click("#words-replace")
    editor.get_by_text("1 camera from").wait_for()
    before = cameras_of(exported(editor))
    editor.click("#thin")
    keys = [key["frame"] for key in editor.evaluate("window.syncam.keys(0)")]
    assert 2 < len(keys) < FRAMES and keys[-1] == FRAMES - 1
    assert (cameras_of(exported(editor)).positions - before.positions).norm(dim=-1).max() < 0.01
    boxes = [row.locator(".key").nth(index).bounding_box() for index in (-2, -1)]
    (x, y), (last, _) = ((box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) for box in boxes)
    drag(editor, (x, y), (x + (last - x) / (keys[-1] - keys[-2]) * -1, y))
    assert editor.evaluate("window.syncam.keys(0)")[-2]["frame"] == keys[-2] - 1
    assert editor.input_value("#frame") == str(keys[-2] - 1)


def test_keys_and_what_is_between_them(editor) -> None:
    """Position straight, focal length by equal factors, rotation at constant speed; then held."""
    editor.locator(".row-name").nth(3).click()  # the camera with one key
    last = FRAMES - 1
    go_to(editor, last)
    editor.keyboard.press("k")
    start = cameras_of(exported(editor))
    type_number(editor, "position-x", 1.0)
    type_number(editor, "fov", 20)
    rig = cameras_of(exported(editor))
    middle = last // 2
    position, K = rig.positions[2], rig.K[2]
    assert torch.equal(position[0], start.positions[2, 0]) and position[last, 0] == 1
    torch.testing.assert_close(position[middle], (position[0] + position[last]) / 2, rtol=0, atol=1e-12)
    assert K[middle, 0, 0] == pytest.approx(math.sqrt(K[0, 0, 0] * K[last, 0, 0]), abs=1e-9)
    steps = rig.c2w[2, :-1, :3, :3].mT @ rig.c2w[2, 1:, :3, :3]
    angles = torch.acos(((steps.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2).clamp(-1, 1))
    torch.testing.assert_close(angles, angles.mean().expand_as(angles), rtol=0, atol=1e-6)

    go_to(editor, 0)
    editor.select_option("#easing", "ease")
    quarter = cameras_of(exported(editor)).positions[2, last // 4]
    torch.testing.assert_close(quarter, torch.lerp(position[0], position[last], 0.15625), rtol=0, atol=1e-12)
    editor.select_option("#easing", "hold")
    assert torch.equal(cameras_of(exported(editor)).positions[2, last - 1], position[0])

    editor.locator(".row").nth(3).locator(".key").nth(1).press("ArrowLeft")
    assert [key["frame"] for key in editor.evaluate("window.syncam.keys(2)")] == [0, last - 1]
    editor.evaluate("document.activeElement.blur()")
    editor.keyboard.press("Delete")
    assert [key["frame"] for key in editor.evaluate("window.syncam.keys(2)")] == [0]


def curved_camera(editor: Any, places: dict[int, list[float]]) -> None:
    """Gives the third camera keys at some frames, at these places, all on curves; it goes on looking at its aim."""
    editor.locator(".row-name").nth(3).click()
    for frame, place in places.items():
        go_to(editor, frame)
        if frame:
            editor.keyboard.press("k")
        for axis, number in zip("xyz", place, strict=True):
            type_number(editor, f"position-{axis}", number)
    editor.check("#whole")
    editor.select_option("#path", "curve")
    editor.uncheck("#whole")


def test_curves_are_those_of_python(editor) -> None:
    """At uneven keys; along an easing; and ending where the camera holds, goes straight or stands still."""
    places = {0: [2.0, -3, 1], 2: [3.5, -1, 1.25], 3: [4, 0.5, 2], 6: [2.5, 3, 1], 8: [-1, 3.5, 0.5]}
    curved_camera(editor, places)
    knots = torch.tensor(list(places), dtype=torch.float64)
    points = torch.tensor(list(places.values()), dtype=torch.float64)
    times = torch.arange(FRAMES, dtype=torch.float64)

    def positions() -> Tensor:
        return cameras_of(exported(editor)).positions[2]

    torch.testing.assert_close(positions(), curve_through(points, knots, times), rtol=0, atol=1e-12)
    go_to(editor, 4)
    editor.select_option("#easing", "ease")
    eased = times.clone()
    way = (eased[4:6] - 3) / 3
    eased[4:6] = 3 + 3 * way**2 * (3 - 2 * way)
    expected = curve_through(points, knots, eased)
    torch.testing.assert_close(positions(), expected, rtol=0, atol=1e-12)
    content = exported(editor)
    assert [key["path"] for key in content["editor"]["views"][2]["keys"]] == ["curve"] * 5

    for change in ("hold", "straight"):
        editor.select_option("#easing" if change == "hold" else "#path", change)
        found = positions()
        for part in (slice(0, 3), slice(3, None)):
            frames = slice(int(knots[part][0]), int(knots[part][-1]) + 1)
            alone = curve_through(points[part], knots[part], times[frames])
            torch.testing.assert_close(found[frames], alone, rtol=0, atol=1e-12)
        share = torch.zeros(2, 1) if change == "hold" else way[:, None] ** 2 * (3 - 2 * way[:, None])
        torch.testing.assert_close(found[4:6], torch.lerp(points[2], points[3], share.double()), rtol=0, atol=1e-12)
        editor.click("#undo")

    go_to(editor, 6)
    for axis, number in zip("xyz", places[3], strict=True):
        type_number(editor, f"position-{axis}", number)
    points[3] = points[2]
    torch.testing.assert_close(positions(), curve_through(points, knots, times), rtol=0, atol=1e-12)
    assert torch.equal(positions()[4], points[2])


def test_curves_are_saved_and_thinned(editor, tmp_path: Path) -> None:
    curved_camera(editor, {0: [2.0, -3, 1], 3: [4, 0.5, 2], 8: [-1, 3.5, 0.5]})
    content = exported(editor)
    old = exported(editor)
    for keys in old["editor"]["views"][:2]:
        for key in keys["keys"]:
            del key["path"]  # files from before there were curves
    (tmp_path / "curved.json").write_text(json.dumps(old))
    editor.fill("#words", "arc:views=1,radius=4,move=120")
    editor.click("#words-replace")
    editor.get_by_text("1 camera from").wait_for()
    before = cameras_of(exported(editor)).positions
    editor.check("#whole")
    editor.select_option("#path", "curve")
    editor.uncheck("#whole")
    editor.click("#thin")
    assert [key["frame"] for key in editor.evaluate("window.syncam.keys(0)")] == [0, 1, 2, 4, 6, 7, 8]
    assert (cameras_of(exported(editor)).positions - before).norm(dim=-1).max() < 0.01
    editor.set_input_files("#import-files", str(tmp_path / "curved.json"))
    editor.click("#import")
    editor.click("#import-dialog button[value=replace]")
    editor.get_by_text("3 cameras from curved.json.").wait_for()
    assert exported(editor) == content

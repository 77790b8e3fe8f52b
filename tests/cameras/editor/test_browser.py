"""The rig editor in a browser: what it shows is what it exports."""

import math
from pathlib import Path

import pytest
import torch

from cameras.editor.browser import (
    FRAMES,
    NEXT_PICTURE,
    cameras_of,
    crooked_rig,
    drag,
    drawn,
    export_as,
    exported,
    go_to,
    read,
    type_number,
)
from syncam.cameras import (
    Cameras,
    NamedCameras,
    load_rig,
    look_at,
    parse_rig,
    read_named_cameras,
    save_rig,
    write_named_cameras,
)
from syncam.cameras.editor.session import Session

pytestmark = [pytest.mark.browser, pytest.mark.slow]
AIM = torch.tensor([0.0, 0.0, 0.8], dtype=torch.float64)


def test_what_is_opened_is_what_is_exported(editor) -> None:
    cameras = cameras_of(exported(editor))
    torch.testing.assert_close(cameras.c2w, crooked_rig().c2w, rtol=0, atol=1e-12)
    torch.testing.assert_close(cameras.K, crooked_rig().K, rtol=0, atol=1e-12)
    assert editor.evaluate("window.syncam.keys(2).length") == 1, "a camera that stands still has one key"


def test_what_is_drawn_is_what_is_exported(editor) -> None:
    type_number(editor, "fov", 40)
    type_number(editor, "roll", 10)
    type_number(editor, "cx", 50.5)
    editor.keyboard.press("2")
    points = torch.tensor([[0.0, 0, 0], [0.6, 0.1, 1.4], [-0.5, 0.2, 0.3]], dtype=torch.float64)
    for frame in (0, 3, FRAMES - 1):
        go_to(editor, frame)
        cameras = cameras_of(exported(editor)).frames(frame)
        c2w, K, where = drawn(editor)
        assert where == ["main", "picture", "picture", "picture"]
        torch.testing.assert_close(c2w, cameras.c2w[[1, 0, 1, 2], 0], rtol=0, atol=1e-6)
        torch.testing.assert_close(K, cameras.K[[1, 0, 1, 2], 0], rtol=0, atol=1e-6)
        pixels = editor.evaluate("points => window.syncam.drawn().map(d => points.map(d.project))", points.tolist())
        expected = cameras.project(points)[0][[1, 0, 1, 2], 0]
        torch.testing.assert_close(torch.tensor(pixels, dtype=torch.float64), expected, rtol=0, atol=0.01)


def test_typing_and_undo(editor) -> None:
    before = exported(editor)
    type_number(editor, "position-z", 2.5)
    after = cameras_of(exported(editor))
    assert after.c2w[0, 0, 2, 3] == 2.5
    expected = look_at(after.c2w[0, 0, :3, 3], AIM)
    torch.testing.assert_close(after.c2w[0, 0], expected, rtol=0, atol=1e-12)
    assert torch.equal(after.c2w[1:], cameras_of(before).c2w[1:])
    editor.keyboard.press("Control+z")
    assert exported(editor) == before
    editor.keyboard.press("Control+Shift+z")
    assert torch.equal(cameras_of(exported(editor)).c2w, after.c2w)
    type_number(editor, "fov", 500)
    assert "must be a number from 0.1 to 175" in editor.inner_text("#status")
    assert torch.equal(cameras_of(exported(editor)).K, after.K)


def test_dragging(editor) -> None:
    """The handle in the middle of the gizmo moves the camera; the drag is one step of undo."""
    before = exported(editor)
    x, y = editor.evaluate("window.syncam.screen(window.syncam.keys(0)[0].position)")
    editor.mouse.move(x, y)
    editor.mouse.down()
    editor.mouse.move(x + 20, y - 20)
    editor.mouse.move(x + 40, y - 30)
    editor.mouse.up()
    after = cameras_of(exported(editor))
    assert (after.positions[0, 0] - cameras_of(before).positions[0, 0]).norm() > 0.1
    assert editor.evaluate("window.syncam.screen(window.syncam.keys(0)[0].position)") == pytest.approx(
        [x + 40, y - 30], abs=2
    )
    expected = look_at(after.c2w[0, 0, :3, 3], AIM)
    torch.testing.assert_close(after.c2w[0, 0], expected, rtol=0, atol=1e-12)
    editor.click("#undo")
    assert exported(editor) == before


def test_dragging_the_aim(editor) -> None:
    """The camera stays where it is and looks at what was dragged, without roll."""
    before = cameras_of(exported(editor))
    editor.click("#tool-aim")
    editor.evaluate(NEXT_PICTURE)
    x, y = editor.evaluate("window.syncam.screen([0, 0, 0.8])")
    drag(editor, (x, y), (x + 30, y - 15))
    after = cameras_of(exported(editor))
    assert torch.equal(after.positions[0, 0], before.positions[0, 0])
    target = torch.tensor([float(editor.input_value(f"#aim-{axis}")) for axis in "xyz"], dtype=torch.float64)
    assert (target - AIM).norm() > 0.1
    torch.testing.assert_close(after.c2w[0, 0], look_at(after.positions[0, 0], target), rtol=0, atol=1e-3)
    assert editor.input_value("#roll") == "0"


def test_dragging_the_roll(editor) -> None:
    """The ring turns the camera about its optical axis, the way that its picture is turned."""
    before = cameras_of(exported(editor)).c2w[0, 0]
    editor.keyboard.press("r")
    editor.evaluate(NEXT_PICTURE)
    on_ring = """turn => {
      const c2w = window.syncam.rig().views[0].c2w[0];
      const size = window.syncam.handleSize() / 2;
      const [x, y] = [Math.cos(turn) * size, Math.sin(turn) * size];
      return window.syncam.screen([0, 1, 2].map((row) => c2w[row][3] + c2w[row][0] * x + c2w[row][1] * y));
    }"""
    start, end = (editor.evaluate(on_ring, turn) for turn in (-0.3, 0.2))
    drag(editor, start, end)
    after = cameras_of(exported(editor)).c2w[0, 0]
    torch.testing.assert_close(after[:3, 2:], before[:3, 2:], rtol=0, atol=1e-9)
    angle = torch.atan2(after[:3, 0] @ before[:3, 1], after[:3, 0] @ before[:3, 0])
    assert 0.2 < abs(angle) < 1.2
    assert float(editor.input_value("#roll")) == pytest.approx(math.degrees(angle), abs=1e-3)


def test_choosing_by_click(editor) -> None:
    for index in (1, 2, 0):
        x, y = editor.evaluate(
            """index => {
              const pose = window.syncam.rig().views[index].c2w[0];
              return window.syncam.screen([0, 1, 2].map((row) => pose[row][3] + 0.35 * pose[row][2]));
            }""",
            index,
        )
        editor.mouse.move(x, y)
        editor.evaluate(NEXT_PICTURE)
        editor.mouse.down()
        editor.mouse.up()
        assert editor.input_value("#name") == f"cam0{index + 1}"


def test_whole_path(editor) -> None:
    before = cameras_of(exported(editor))
    editor.uncheck("#keep-aim")
    editor.check("#whole")
    type_number(editor, "position-z", 3)
    after = cameras_of(exported(editor))
    shift = after.positions[0] - before.positions[0]
    torch.testing.assert_close(shift, shift[:1].expand_as(shift), rtol=0, atol=1e-12)
    assert shift[0, 2] > 0.5 and torch.equal(after.c2w[0, :, :3, :3], before.c2w[0, :, :3, :3])
    editor.check("#keep-aim")
    editor.uncheck("#whole")


def test_frames_and_picture_size(editor) -> None:
    before = cameras_of(exported(editor))
    type_number(editor, "height", 144)
    torch.testing.assert_close(cameras_of(exported(editor)).K, before.resized((144, 128)).K, rtol=0, atol=1e-12)
    type_number(editor, "frames", 2 * FRAMES - 1)
    after = cameras_of(exported(editor))
    assert after.num_frames == 2 * FRAMES - 1
    torch.testing.assert_close(after.c2w[:, ::2], before.c2w, rtol=0, atol=1e-12)
    type_number(editor, "frames", 2.5)
    assert "frames must be a whole number" in editor.inner_text("#status")


def test_playing(editor) -> None:
    editor.keyboard.press("Space")
    editor.evaluate("""async () => {
      const frame = document.getElementById("frame");
      for (let i = 0; i < 600 && frame.value === "0"; i += 1) await new Promise((go) => setTimeout(go, 50));
    }""")
    assert editor.input_value("#frame") != "0"
    editor.keyboard.press("Space")
    assert editor.inner_text("#play") == "Play"
    editor.click("#fit")
    editor.keyboard.press("Space")
    assert editor.inner_text("#play") == "Stop", "a button that was clicked does not keep the space key"
    editor.keyboard.press("Space")


def test_rigs_in_words(editor) -> None:
    editor.fill("#words", "orbit:views=2,radius=3,move=90")
    editor.click("#words-replace")
    editor.get_by_text("2 cameras from").wait_for()
    expected = parse_rig("orbit:views=2,radius=3,move=90", num_frames=FRAMES, hw=(72, 128))
    torch.testing.assert_close(cameras_of(exported(editor)).c2w, expected.c2w, rtol=0, atol=1e-12)
    editor.fill("#words", "orbti")
    editor.click("#words-add")
    editor.get_by_text("did you mean 'orbit'").wait_for()
    editor.complaints.clear()  # the browser logs every answer that refuses something
    assert len(exported(editor)["views"]) == 2


def test_views(editor) -> None:
    editor.click(".add")
    editor.locator('[aria-label="Copy cam02"]').click()
    names = [view["name"] for view in exported(editor)["views"]]
    assert names == ["cam01", "cam02", "cam03", "cam04", "cam05"]
    editor.locator('[aria-label="Delete cam01"]').click()
    editor.evaluate(NEXT_PICTURE)
    assert len(drawn(editor)[2]) == 4


def test_save_and_edit_again(editor, session: Session) -> None:
    type_number(editor, "roll", -5)
    content = exported(editor)
    editor.click("#save")
    editor.get_by_text("Saved ").wait_for()
    assert session.out is not None and read(session.out) == content
    assert torch.equal(load_rig(session.out).c2w, cameras_of(content).c2w)
    editor.set_input_files("#import-files", str(session.out))
    editor.click("#import")
    editor.click("#import-dialog button[value=replace]")
    editor.get_by_text("3 cameras from out.json.").wait_for()
    assert exported(editor) == content


def test_import_and_export(editor, tmp_path: Path) -> None:
    own = export_as(editor, "syncam", tmp_path)
    assert read(own) == exported(editor)
    foreign = export_as(editor, "syncamvideo", tmp_path)
    torch.testing.assert_close(
        parse_rig(str(foreign), hw=(72, 128)).c2w, cameras_of(exported(editor)).c2w, rtol=0, atol=1e-9
    )
    save_rig(tmp_path / "two.json", crooked_rig().view([0, 1]))
    for file, said in (
        (tmp_path / "two.json", "2 cameras from two.json."),
        (foreign, "3 cameras from rig_syncamvideo"),
    ):
        editor.set_input_files("#import-files", str(file))
        editor.click("#import")
        editor.click("#import-dialog button[value=replace]")
        editor.get_by_text(said).wait_for()
    assert len(exported(editor)["views"]) == 3


def test_names_and_rates_of_other_programs(editor, tmp_path: Path) -> None:
    """They are shown, written back, and of added views kept unless they are taken."""
    cameras = Cameras(crooked_rig().c2w, crooked_rig().K[:1].expand(3, -1, -1, -1), (72, 128))
    write_named_cameras(tmp_path / "a.blender.json", NamedCameras(("wide", "top", "cam01"), cameras, 23.976))
    editor.set_input_files("#import-files", str(tmp_path / "a.blender.json"))
    editor.click("#import")
    editor.click("#import-dialog button[value=replace]")
    editor.locator(".card .name").get_by_text("wide").wait_for()
    assert editor.locator(".card .name").all_inner_texts() == ["wide", "top", "cam01"]
    assert editor.locator(".row-name").all_inner_texts() == ["", "wide", "top", "cam01"]
    assert editor.input_value("#name") == "wide" and editor.input_value("#fps") == "23.976"
    named = read_named_cameras(export_as(editor, "blender", tmp_path))
    assert (named.names, named.fps) == (("wide", "top", "cam01"), 23.976)
    editor.click("#undo")
    editor.click("#import")
    editor.click("#import-dialog button[value=add]")
    editor.locator(".card .name").get_by_text("wide").wait_for()
    assert exported(editor)["fps"] == 8
    assert [view["name"] for view in exported(editor)["views"]] == ["cam01", "cam02", "cam03", "wide", "top", "cam06"]


def test_a_page_loads_its_own_files_only(opened) -> None:
    assert all(address.startswith(("http://127.0.0.1:", "blob:", "data:")) for address in opened.addresses)


def test_done(opened, session: Session) -> None:
    """The last test of this page: the server would end."""
    content = exported(opened)
    opened.click("#done")
    opened.get_by_text("syncam rig edit has ended").wait_for()
    assert session.done.is_set() and session.out is not None and read(session.out) == content

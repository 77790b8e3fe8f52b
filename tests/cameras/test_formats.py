"""Camera files: there and back, the published layouts, and a one-line complaint about everything else."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cameras.examples import DATA, random_cameras
from golden import golden
from syncam.cameras import Cameras, describe, hemisphere, load_rig, orbit, read_extrinsics_json, save_rig
from syncam.cameras.formats import read_camera_file, write_extrinsics_json
from syncam.errors import InputError

SYNCAM_VIDEO = DATA / "camera_extrinsics.json"
FIRST_RELEASE = DATA / "ring_first_release.json"
SHORT_ROWS = DATA / "camera_extrinsics_short_rows.json"
IDENTITY = "[1 0 0 0] [0 1 0 0] [0 0 1 0] [0 0 0 1] "
examples = settings(max_examples=25, deadline=None, derandomize=True)


def write(folder: Path, content: Any, name: str = "cameras.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@st.composite
def any_cameras(draw: Callable) -> Cameras:
    hw = (draw(st.integers(1, 2000)), draw(st.integers(1, 2000)))
    cameras = random_cameras(draw(st.integers(1, 3)), draw(st.integers(1, 4)), hw=hw, seed=draw(st.integers(0, 99)))
    c2w, K = cameras.c2w.clone(), cameras.K.clone()
    c2w[..., :3, 3] *= draw(st.floats(1e-9, 1e9))
    K[..., :2, :2] *= draw(st.floats(1e-6, 1e6))
    return Cameras(c2w, K, hw)


# our own format


@examples
@given(any_cameras())
def test_rig_files_keep_every_bit(cameras: Cameras) -> None:
    with tempfile.TemporaryDirectory() as folder:
        save_rig(Path(folder) / "rig.json", cameras, fps=15.0)
        loaded = load_rig(Path(folder) / "rig.json")
    assert torch.equal(loaded.c2w, cameras.c2w) and torch.equal(loaded.K, cameras.K) and loaded.hw == cameras.hw


def test_rig_files_keep_single_precision(tmp_path: Path) -> None:
    cameras = random_cameras(2).to(torch.float32)
    save_rig(tmp_path / "rig.json", cameras)
    loaded = load_rig(tmp_path / "rig.json").to(torch.float32)
    assert torch.equal(loaded.c2w, cameras.c2w) and torch.equal(loaded.K, cameras.K)


def test_rig_files_say_what_they_are(tmp_path: Path) -> None:
    save_rig(tmp_path / "rig.json", random_cameras(2, 3), fps=15.0)
    content = json.loads((tmp_path / "rig.json").read_text())
    assert (content["schema"], content["version"], content["fps"]) == ("syncam-rig", 1, 15.0)
    assert (content["height"], content["width"], content["num_frames"]) == (48, 80, 3)
    assert [view["name"] for view in content["views"]] == ["cam01", "cam02"]
    assert "OpenCV" in content["convention"] and "metres" in content["convention"]


@pytest.mark.parametrize("save", [save_rig, write_extrinsics_json])
def test_files_hold_one_scene(tmp_path: Path, save: Callable[[Path, Cameras], None]) -> None:
    with pytest.raises(InputError, match=r"file holds one scene, got cameras with batch dims \(2,\)"):
        save(tmp_path / "rig.json", random_cameras(2, batch=(2,)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "other"}, 'is not a rig file; expected a JSON object with "schema": "syncam-rig"'),
        ({"version": 2}, "has rig version 2, this syncam reads version 1"),
        ({"views": []}, r"says 3 frames but its c2w have shape \(0,\)"),
        ({"num_frames": 4}, r"says 4 frames but its c2w have shape \(2, 3, 4, 4\)"),
        ({"views": [{"c2w": [[1.0]]}]}, "is damaged: KeyError.'K'.; every view needs c2w"),
        ({"views": [{"c2w": [[[1.0], [1.0, 2.0]]], "K": []}]}, "is damaged: ValueError"),
        ({"views": 3}, "is damaged: TypeError"),
        ({"height": 48.5}, "is damaged: TypeError.'height, width and num_frames must be whole numbers'"),
        ({"height": None}, "is damaged: TypeError"),
        ({"width": 0}, r"hw must be \(height, width\) in whole pixels, got \(48, 0\)"),
    ],
)
def test_damaged_rig_files(tmp_path: Path, change: dict, message: str) -> None:
    save_rig(tmp_path / "rig.json", random_cameras(2, 3))
    content = json.loads((tmp_path / "rig.json").read_text()) | change
    with pytest.raises(InputError, match=message) as caught:
        load_rig(write(tmp_path, content))
    assert "cameras.json" in str(caught.value) and "\n" not in str(caught.value)


def test_rig_files_are_checked_like_all_cameras(tmp_path: Path) -> None:
    save_rig(tmp_path / "rig.json", random_cameras(2, 3))
    content = json.loads((tmp_path / "rig.json").read_text())
    content["views"][1]["c2w"][2][0] = [9, 9, 9, 9]
    with pytest.raises(InputError, match=r"cameras\.json, views\[1\]\.c2w\[2\] .*not orthonormal"):
        load_rig(write(tmp_path, content))


# SynCamVideo and MultiCamVideo


@examples
@given(any_cameras())
def test_extrinsics_keep_poses(cameras: Cameras) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "camera_extrinsics.json"
        write_extrinsics_json(path, cameras)
        loaded = read_extrinsics_json(path, hw=cameras.hw)
    torch.testing.assert_close(loaded.c2w, cameras.c2w, rtol=1e-10, atol=1e-11)
    assert loaded.hw == cameras.hw


def test_published_layout_by_hand() -> None:
    cameras = read_extrinsics_json(SYNCAM_VIDEO)
    assert cameras.c2w.shape == (3, 9, 4, 4) and cameras.hw == (1280, 1280)
    assert cameras.c2w.dtype == cameras.K.dtype == torch.float64
    assert cameras.view(0).is_static and not cameras.view(1).is_static
    assert cameras.positions[0, 0].tolist() == pytest.approx([33.90, -13.80, 2.40])
    # yaw 12 and pitch -5 degrees in Unreal: to the right of x, downwards
    forward = [0.974425, -0.207121, -0.0871557]
    assert cameras.c2w[0, 0, :3, 2].tolist() == pytest.approx(forward)
    assert cameras.K[0, 0, 0, 0] == pytest.approx(24 / 23.76 * 1280)


def test_cameras_and_frames_in_the_order_asked_for() -> None:
    everything = read_extrinsics_json(SYNCAM_VIDEO)
    some = read_extrinsics_json(SYNCAM_VIDEO, cameras=["cam03", "cam01"], frames=[8, 0, 4])
    assert torch.equal(some.c2w, everything.c2w[[2, 0]][:, [8, 0, 4]])


def test_rows_of_three_numbers() -> None:
    short, whole = read_extrinsics_json(SHORT_ROWS), read_extrinsics_json(SYNCAM_VIDEO)
    assert short.c2w.shape == (2, 2, 4, 4)
    assert torch.equal(short.c2w[0, 0, :3, :3], whole.c2w[0, 0, :3, :3])
    assert short.positions[1, 1].tolist() == pytest.approx([1.0, -0.5, 1.7])


def test_first_release_has_still_cameras_with_a_lens_each() -> None:
    cameras = read_extrinsics_json(FIRST_RELEASE, hw=(480, 720))
    assert cameras.c2w.shape == (4, 1, 4, 4)
    assert [round(float(K[0, 0, 0]) * 23.76 / 720) for K in cameras.K] == [18, 24, 35, 50]
    rows = describe(cameras)
    assert [row["azimuth_deg"] for row in rows] == [-10, -100, 170, 80]
    assert {(row["elevation_deg"], row["distance_m"]) for row in rows} == {(30, 4)}


def test_focal_length_of_a_folder_and_of_the_caller(tmp_path: Path) -> None:
    scene = tmp_path / "train" / "f35_aperture2.4" / "scene1" / "cameras"
    scene.mkdir(parents=True)
    path = write(scene, {"frame0": {"cam01": IDENTITY}}, "camera_extrinsics.json")
    assert read_extrinsics_json(path).K[0, 0, 0, 0] == pytest.approx(35 / 23.76 * 1280)
    assert read_extrinsics_json(path, focal_mm=50.0).K[0, 0, 0, 0] == pytest.approx(50 / 23.76 * 1280)
    assert read_extrinsics_json(path, focal_mm=50.0, sensor_mm=36.0).K[0, 0, 0, 0] == pytest.approx(50 / 36 * 1280)
    with pytest.raises(InputError, match="focal length that is not positive"):
        read_extrinsics_json(path, focal_mm=0.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], 'holds no cameras; expected {"frame0"'),
        ({}, "holds no cameras"),
        ({"frame0": {}}, "has no cameras in frame 0"),
        ({"frame0": {"cam01": IDENTITY}, "frame1": "cam01"}, "has no cameras in frame 1"),
        (
            {"frame0": {"cam01": IDENTITY}, "frame2": {"cam01": IDENTITY}},
            "lacks frame 1; it has 2 frames up to frame 2",
        ),
        ({"frame7": {"cam01": IDENTITY}}, "lacks frame 0; it has 1 frames up to frame 7"),
        ({"frame0": {"cam01": IDENTITY}, "fps": 15}, "has fps among its frames; expected frame0, frame1, ... only"),
        (
            {"frame0": {"cam01": IDENTITY, "cam02": IDENTITY}, "frame1": {"cam01": IDENTITY}},
            "lacks camera cam02 in frame 1; that frame has cam01",
        ),
        ({"frame0": {"cam01": "[1 0 0 0] [0 1 0 0] [0 0 1 0]"}}, "camera cam01, frame 0: expected four rows of 3 or 4"),
        ({"frame0": {"cam01": "[1 0] [0 1] [0 0] [0 0]"}}, "camera cam01, frame 0: expected four rows of 3 or 4"),
        ({"frame0": {"cam01": 7}}, "camera cam01, frame 0: expected four rows of 3 or 4 numbers in brackets, got '7'"),
        ({"frame0": {"cam01": "[1 0 0 0] [0 x 0 0] [0 0 1 0] [0 0 0 1]"}}, "camera cam01, frame 0: could not convert"),
        (
            {"frame0": {"cam01": "[1 0 0 300] [0 1 0 200] [0 0 1 150] [0 0 0 1]"}},
            r"camera cam01, frame 0: the rows must end in 0, 0, 0 and 1, got \[300.0, 200.0, 150.0, 1.0\]",
        ),
        ({"frame0": {"cam01": IDENTITY.replace("[0 1 0 0]", "[0 nan 0 0]")}}, r"NaN or infinite .*view 0, frame 0"),
        ({"frame0": {"cam01": IDENTITY.replace("[0 1 0 0]", "[0 -1 0 0]")}}, r"left-handed .*\(view 0, frame 0\)"),
        ({"frame0": {"cam01": IDENTITY.replace("[0 1 0 0]", "[0 2 0 0]")}}, r"not orthonormal \(view 0, frame 0\)"),
    ],
)
def test_damaged_extrinsics(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_extrinsics_json(write(tmp_path, content))
    assert "cameras.json" in str(caught.value) and "\n" not in str(caught.value)


def test_missing_cameras_and_frames_are_named() -> None:
    with pytest.raises(InputError, match="lacks camera cam11 in frame 0; that frame has cam01, cam02, cam03"):
        read_extrinsics_json(SYNCAM_VIDEO, cameras=["cam01", "cam11"])
    with pytest.raises(InputError, match="lacks frame 84, 88; it has 9 frames up to frame 8"):
        read_extrinsics_json(SYNCAM_VIDEO, frames=[0, 84, 88])
    with pytest.raises(InputError, match="no frames chosen from .*; it has 9"):
        read_extrinsics_json(SYNCAM_VIDEO, frames=[])


# either


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is not JSON: Expecting value"),
        (b'{"frame0": ', "is not JSON: Expecting value: line 1 column 12"),
        (b"\xff\xfe{}", r"is not UTF-8 text \(byte 0\); expected JSON"),
        (b"[" + b"9" * 5000 + b"]", "is not JSON: Exceeds the limit"),
    ],
)
def test_files_that_are_not_json(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "rig.json"
    path.write_bytes(text)
    for read in (load_rig, read_extrinsics_json):
        with pytest.raises(InputError, match=f"rig.json {message}"):
            read(path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"camera file .*none\.json does not exist; expected a rig JSON or"):
        load_rig(tmp_path / "none.json")


def test_told_apart_by_content(tmp_path: Path) -> None:
    cameras = orbit(views=3, radius=4.0, num_frames=5, hw=(48, 80))
    save_rig(tmp_path / "ours.json", cameras)
    write_extrinsics_json(tmp_path / "theirs.json", cameras)
    for name in ("ours.json", "theirs.json"):
        loaded = read_camera_file(tmp_path / name, cameras=["cam03", "cam01"], hw=(96, 160))
        torch.testing.assert_close(loaded.c2w, cameras.c2w[[2, 0]], rtol=0, atol=1e-10)
        torch.testing.assert_close(loaded.K, cameras.resized((96, 160)).K[[2, 0]])
        with pytest.raises(InputError, match="lacks camera cam04"):
            read_camera_file(tmp_path / name, cameras=["cam04"], hw=(48, 80))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 99) | st.floats() | st.text(max_size=5) | st.just(IDENTITY),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["frame0", "cam01", "c2w", "K", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(part=st.sampled_from(["", "views", "height", "c2w", "K", "name", "num_frames", "version"]), value=json_values)
def test_any_json_is_cameras_or_an_input_error(part: str, value: Any) -> None:
    """Arbitrary files, and rig files with one part replaced by anything: never another exception."""
    with tempfile.TemporaryDirectory() as folder:
        save_rig(Path(folder) / "rig.json", hemisphere(views=2, radius=3.0))
        content = json.loads((Path(folder) / "rig.json").read_text())
        if part in content:
            content[part] = value
        elif part:
            content["views"][1][part] = value
        else:
            content = value
        path = write(Path(folder), content)
        for names in (None, ["cam02"]):
            try:
                cameras = read_camera_file(path, cameras=names, hw=(48, 80))
            except InputError:
                continue
            assert cameras.hw == (48, 80)


# files of the data sets themselves


def test_golden_first_release() -> None:
    folder = golden("hemi36")
    if folder is None:
        pytest.skip("no golden folder hemi36: set SYNCAM_GOLDEN to the folder that has it")
    files = sorted(folder.glob("*.json"))
    assert len(files) == 16
    for path in files:
        cameras = read_extrinsics_json(path, hw=(480, 720))
        _, distance, elevation = path.stem.split("_")
        rows = describe(cameras)
        assert len(rows) == 36 and cameras.num_frames == 1
        assert {row["distance_m"] for row in rows} == {float(distance[:-1])}
        assert {row["elevation_deg"] for row in rows} == {float(elevation)}
        assert sorted(row["azimuth_deg"] for row in rows) == list(range(-170, 181, 10))
        assert cameras.K[0, 0, 0, 0] == pytest.approx(18 / 23.76 * 720)


@pytest.mark.parametrize("name", ["syncammaster_example_cameras.json", "recammaster_example_cameras.json"])
def test_golden_examples_there_and_back(name: str, tmp_path: Path) -> None:
    path = golden(name)
    if path is None:
        pytest.skip(f"no golden file {name}: set SYNCAM_GOLDEN to the folder that has it")
    cameras = read_extrinsics_json(path)
    assert cameras.c2w.shape == (10, 81, 4, 4)
    write_extrinsics_json(tmp_path / "again.json", cameras)
    again = read_extrinsics_json(tmp_path / "again.json")
    torch.testing.assert_close(again.c2w, cameras.c2w, rtol=0, atol=1e-10)

"""What a format keeps comes back, of any cameras that it holds; what it does not keep must be given."""

import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cameras.formats.examples import FOCAL_MM, HW, aimed_cameras, any_cameras, close, laws, read_back, rig, written
from syncam.cameras import FORMATS, Cameras, detect_format, read_cameras, read_named_cameras, write_cameras
from syncam.cameras.conventions import intrinsics
from syncam.errors import InputError

HELD = {
    "blender": any_cameras(square=True),
    "gltf": any_cameras(zooms=False, centred=True),
    "spherical": aimed_cameras(),
}


@pytest.mark.parametrize("name", FORMATS)
@laws
@given(data=st.data())
def test_there_and_back(name: str, data: st.DataObject) -> None:
    cameras = data.draw(HELD.get(name, any_cameras()))
    keeps = FORMATS[name].keeps
    fps = data.draw(st.floats(0.5, 240.0)) if {"fps", "time"} & keeps else None
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), cameras, name, fps)
        named = read_back(path, cameras, name)
    close(named.cameras.c2w, cameras.c2w)
    assert named.cameras.hw == cameras.hw and named.cameras.c2w.dtype == torch.float64
    lens = cameras.K if "lens" in keeps else intrinsics(FOCAL_MM, cameras.hw).expand_as(cameras.K)
    close(named.cameras.K, lens)
    if cameras.num_views > 1:
        assert named.names == tuple(f"cam{view + 1:02d}" for view in range(cameras.num_views))
    if "fps" in keeps:
        assert named.fps == fps
    if "time" in keeps and cameras.num_frames > 1:
        assert named.times == pytest.approx([frame / fps for frame in range(cameras.num_frames)], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", FORMATS)
def test_found_out_by_content(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, rig(), name)
    assert detect_format(path) == name
    given_lens = None if "lens" in FORMATS[name].keeps or name == "syncamvideo" else FOCAL_MM
    cameras = read_cameras(str(path), hw=HW, focal_mm=given_lens)
    close(cameras.c2w, rig().c2w)
    close(cameras.K, rig().K)


@pytest.mark.parametrize("name", FORMATS)
def test_cameras_and_frames_are_chosen(name: str, tmp_path: Path) -> None:
    cameras = rig(3, 4)
    path = written(tmp_path, cameras, name)
    given_lens = None if "lens" in FORMATS[name].keeps or name == "syncamvideo" else FOCAL_MM
    some = read_cameras(path, cameras=["cam03", "cam01"], frames=[3, 0], hw=(96, 160), focal_mm=given_lens)
    expected = cameras.view([2, 0]).frames([3, 0]).resized((96, 160))
    close(some.c2w, expected.c2w)
    close(some.K, expected.K)
    with pytest.raises(InputError, match="lacks camera cam04; it has cam01, cam02, cam03"):
        read_cameras(path, cameras=["cam04"], hw=HW, focal_mm=given_lens)
    with pytest.raises(InputError, match="lacks frame 4; it has 4 frames"):
        read_cameras(path, frames=[0, 4], hw=HW, focal_mm=given_lens)
    with pytest.raises(InputError, match=r"lacks frame \(none chosen\)"):
        read_cameras(path, frames=[], hw=HW, focal_mm=given_lens)


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if "size" not in kind.keeps])
def test_a_size_that_is_not_kept_must_be_given(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, rig(), name)
    with pytest.raises(InputError, match="does not say how large the pictures are; give their height and width"):
        read_cameras(path, focal_mm=FOCAL_MM)


@pytest.mark.parametrize("name", ["tum", "spherical"])
def test_a_lens_that_is_not_kept_must_be_given(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, rig(), name)
    with pytest.raises(InputError, match="does not say which lens its cameras have; give focal_mm, millimetres"):
        read_cameras(path, hw=HW)
    with pytest.raises(InputError, match="focal_mm must be positive millimetres, got -1"):
        read_cameras(path, hw=HW, focal_mm=-1.0)


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if "lens" in kind.keeps])
def test_a_lens_that_is_kept_must_not_be_given(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, rig(), name)
    with pytest.raises(InputError, match="says which lenses its cameras have; leave focal_mm=35 out"):
        read_cameras(path, hw=HW, focal_mm=35.0)


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if not {"fps", "time"} & kind.keeps])
def test_frames_per_second_that_are_not_kept_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{name} keeps no frames per second; leave fps=15 out"):
        written(tmp_path, rig(), name, fps=15.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FORMATS)
def test_only_one_scene(name: str, tmp_path: Path) -> None:
    scene = rig()
    batch = Cameras(scene.c2w[None], scene.K[None], scene.hw)
    with pytest.raises(InputError, match=r"holds one scene, got cameras with batch dims \(1,\)"):
        written(tmp_path, batch, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["realestate10k", "nerfstudio", "colmap", "blender", "gltf", "csv"])
def test_skew_is_refused(name: str, tmp_path: Path) -> None:
    cameras = rig()
    K = cameras.K.clone()
    K[1, 0, 0, 1] = 0.5
    with pytest.raises(InputError, match=rf"{name} holds fx, fy, cx and cy, but K has skew \(view \d, frame 0\)"):
        written(tmp_path, Cameras(cameras.c2w, K, cameras.hw), name)


@pytest.mark.parametrize("name", ["realestate10k", "tum", "nerfstudio", "spherical", "npz"])
def test_one_view_is_one_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"left{FORMATS[name].ending}"
    write_cameras(path, rig(1), format=name)
    named = read_back(path, rig(1), name)
    assert path.is_file() and named.names == ("left",)
    close(named.cameras.c2w, rig(1).c2w)


@pytest.mark.parametrize("name", ["realestate10k", "tum", "nerfstudio", "spherical"])
def test_several_views_are_not_one_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"rig{FORMATS[name].ending}"
    with pytest.raises(InputError, match=f"{name} holds one view per file, got 2; give a folder"):
        write_cameras(path, rig(), format=name)
    assert list(tmp_path.iterdir()) == []


def test_folders_with_files_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("mine")
    for name in ("tum", "colmap"):
        with pytest.raises(InputError, match=f"has files in it already; give a new folder to write {name} to"):
            write_cameras(tmp_path, rig(), format=name)
    assert (tmp_path / "notes.md").read_text() == "mine"
    with pytest.raises(InputError, match="is a file; give a new folder to write colmap to"):
        write_cameras(tmp_path / "notes.md", rig(), format="colmap")
    with pytest.raises(InputError, match="is a folder; csv is one file with all views"):
        write_cameras(tmp_path, rig(), format="csv")


def test_folders_keep_the_natural_order_of_names(tmp_path: Path) -> None:
    cameras = rig(3)
    for view, stem in enumerate(("cam2", "cam10", "left")):
        write_cameras(tmp_path / f"{stem}.tum", cameras.view(view))
    named = read_named_cameras(tmp_path, hw=HW, focal_mm=FOCAL_MM)
    assert named.names == ("cam2", "cam10", "left")
    close(named.cameras.c2w, cameras.c2w)


@pytest.mark.parametrize("name", ["tum", "realestate10k"])
def test_ragged_and_unsynchronised_folders(name: str, tmp_path: Path) -> None:
    ending = FORMATS[name].ending
    lens = None if "lens" in FORMATS[name].keeps else FOCAL_MM
    write_cameras(tmp_path / f"a{ending}", rig(1, 3), format=name)
    write_cameras(tmp_path / f"b{ending}", rig(1, 4), format=name)
    with pytest.raises(InputError, match=rf"b\{ending} has frames 4, but a\{ending} has 3; synchronised views need"):
        read_cameras(tmp_path, hw=HW, focal_mm=lens)
    write_cameras(tmp_path / f"b{ending}", rig(1, 3), format=name, fps=25.0)
    with pytest.raises(InputError, match=rf"b\{ending} has times unlike a\{ending}; synchronised views need the same"):
        read_cameras(tmp_path, hw=HW, focal_mm=lens)


@pytest.mark.parametrize("name", FORMATS)
def test_files_with_too_many_poses_are_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = rig(views=1, frames=3)
    path = written(tmp_path, cameras, name)
    for module in ("source", "colmap_text", "colmap_binary", "csv_table"):
        monkeypatch.setattr(f"syncam.cameras.formats.{module}.MAX_POSES", 2)
    with pytest.raises(InputError, match=rf"{path.name}.*(more than 2|up to 2 are read)"):
        read_back(path, cameras, name)

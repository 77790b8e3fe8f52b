"""Names, frames per second and times of views: written where a format keeps them, and refused where it cannot."""

import json
from pathlib import Path

import numpy as np
import pytest

from cameras.formats.examples import FOCAL_MM, read_back, rig
from syncam.cameras import FORMATS, NamedCameras, read_named_cameras, write_cameras, write_named_cameras
from syncam.cameras.formats.sequence import even_rate
from syncam.cameras.rig import parse_named_rig
from syncam.errors import InputError

NAMES = ("A cam, left", "B.002", "ünten 7")
FOLDERS = [name for name, kind in FORMATS.items() if kind.layout != "one file"]


def write(folder: Path, named: NamedCameras, format: str) -> Path:
    kind = FORMATS[format]
    path = folder / ("rig" if format in FOLDERS else f"rig{kind.ending}")
    write_named_cameras(path, named, format=format)
    return path


@pytest.mark.parametrize("format", FORMATS)
def test_names_come_back(format: str, tmp_path: Path) -> None:
    named = NamedCameras(NAMES, rig(3), 12.5)
    again = read_back(write(tmp_path, named, format), rig(3), format)
    assert again.names == NAMES
    assert again.rate == (12.5 if {"fps", "time"} & FORMATS[format].keeps else None)


@pytest.mark.parametrize("format", [name for name, kind in FORMATS.items() if "time" in kind.keeps])
def test_uneven_times_come_back(format: str, tmp_path: Path) -> None:
    named = NamedCameras(NAMES, rig(3), times=(0.5, 0.75, 2.0))
    again = read_back(write(tmp_path, named, format), rig(3), format)
    assert again.times == (0.5, 0.75, 2.0) and again.rate is None


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "a", "b"), "more than one view is named a; give each a name of its own"),
        (("a", "", "b"), "'' is no name of a view; expected printable text"),
        (("a", "b ", "c"), "'b ' is no name of a view; expected printable text"),
        (("a", "b\nc", "d"), r"'b\\nc' is no name of a view; expected printable text"),
        (("a", "b"), "3 views need as many names, got 2: a, b"),
    ],
)
def test_bad_names(format: str, names: tuple[str, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write(tmp_path, NamedCameras(names, rig(3)), format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FOLDERS)
@pytest.mark.parametrize("name", ["..", "../up", ".hidden", "a:b", "a\\b", "a" * 300, "dot."])
def test_names_that_no_file_can_have(format: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{format} makes files of the views' names, but none can be called"):
        write(tmp_path, NamedCameras((name, "b", "c"), rig(3)), format)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FOLDERS)
def test_names_that_would_change_the_order(format: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="wide stands before close; give them names that .* such as 1_wide, 2_close"):
        write(tmp_path, NamedCameras(("wide", "close"), rig(2)), format)
    named = NamedCameras(("Camera", "Camera.2", "Camera.10"), rig(3))
    assert read_back(write(tmp_path, named, format), rig(3), format).names == named.names


def test_one_view_of_an_archive_is_called_by_its_file(tmp_path: Path) -> None:
    write_cameras(tmp_path / "left.npz", rig(1))
    assert np.load(tmp_path / "left.npz")["names"].tolist() == ["left"]


def test_nodes_without_names(tmp_path: Path) -> None:
    path = write(tmp_path, NamedCameras(("a", "b"), rig()), "gltf")
    content = json.loads(path.read_text())
    content["nodes"][0]["name"] = ""
    path.write_text(json.dumps(content))
    assert read_named_cameras(path).names == ("cam01", "b")


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        ([0.0, 0.066667, 0.133333, 0.2], 15),
        ([3.0, 3.033367, 3.066733, 3.1001], 29.97),
        ([0.0, 0.125, 0.25], 8),
        ([0.0, 1.0, 2.0], 1),
        ([0.0, 1.0, 2.1], None),
        ([5.0], None),
    ],
)
def test_rates_of_times(times: list[float], rate: float | None) -> None:
    """Times that were rounded to microseconds give the rate that they were made from."""
    assert even_rate(times) == rate


def test_a_rig_from_a_file_keeps_its_names(tmp_path: Path) -> None:
    path = write(tmp_path, NamedCameras(("wide", "close", "top"), rig(3), 8.0), "blender")
    named = parse_named_rig(f"{path}#top,wide then pan 20")
    assert (named.names, named.rate) == (("top", "wide"), 8.0)
    still = write(tmp_path, NamedCameras(("wide", "close"), rig(2, 1), times=(2.0,)), "csv")
    named = parse_named_rig(str(still), num_frames=5)
    assert (named.names, named.times, named.cameras.num_frames) == (("wide", "close"), None, 5)
    assert parse_named_rig("orbit:views=2", num_frames=2, hw=(48, 80)).names == ("cam01", "cam02")


def test_formats_without_time_leave_it_out(tmp_path: Path) -> None:
    named = NamedCameras(("a", "b"), rig(), 24.0)
    again = read_back(write(tmp_path, named, "syncamvideo"), rig(), "syncamvideo")
    assert (again.names, again.rate) == (("a", "b"), None)
    assert again.cameras.K[0, 0, 0, 0] == pytest.approx(FOCAL_MM / 23.76 * rig().hw[1])

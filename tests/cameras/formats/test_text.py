"""realestate10k, tum, spherical and csv: their published layouts, and every kind of bad line with its number."""

import math
import tracemalloc
from pathlib import Path

import pytest
import torch

from cameras.examples import random_cameras
from cameras.formats.examples import FOCAL_MM, HW, close, edit, edit_line, one_file, rig, written
from syncam.cameras import Cameras, hemisphere, read_cameras, read_named_cameras, write_cameras
from syncam.cameras.formats.source import MAX_POSES
from syncam.errors import InputError

FIRST = {"realestate10k": 2, "tum": 2, "spherical": 2}
"""The line of the first frame in files that we write."""
COUNTS = {"realestate10k": 19, "tum": 8, "spherical": 3}
LENS = {"realestate10k": None, "tum": FOCAL_MM, "spherical": FOCAL_MM}


def read(path: Path, name: str) -> Cameras:
    return read_cameras(path, format=name, hw=HW, focal_mm=LENS[name])


def test_realestate10k_by_hand(tmp_path: Path) -> None:
    """A camera 2 m along x that looks along x: w2c maps the world's x to z, y to -x and z to -y."""
    path = tmp_path / "clip.txt"
    path.write_text("https://www.example.org/watch?v=1\n40000 0.5 0.9 0.5 0.4 0 0 0 -1 0 0 0 0 -1 0 1 0 0 -2\n")
    named = read_named_cameras(path, hw=(100, 200))
    assert named.times == (0.04,) and named.names == ("clip",) and named.cameras.hw == (100, 200)
    assert named.cameras.positions.tolist() == [[[2.0, 0.0, 0.0]]]
    assert named.cameras.c2w[0, 0, :3, 2].tolist() == [1.0, 0.0, 0.0]
    assert named.cameras.K[0, 0].tolist() == [[100.0, 0.0, 100.0], [0.0, 90.0, 40.0], [0.0, 0.0, 1.0]]


def test_realestate10k_without_times(tmp_path: Path) -> None:
    """Files with 0 for every time, as VideoX-Fun comes with, say nothing about time."""
    path = tmp_path / "clip.txt"
    rows = [f"0 0.532 0.946 0.5 0.5 0 0 1 0 0 {step} 0 1 0 0 0 0 1 0\n" for step in (0.0, 0.25, 0.5)]
    path.write_text("".join(["\n", *rows]))
    named = read_named_cameras(path, hw=(480, 832))
    assert named.times is None and named.cameras.positions[0, :, 0].tolist() == [0.0, -0.25, -0.5]


def test_realestate10k_is_written_as_published(tmp_path: Path) -> None:
    cameras = rig(1, 2)
    path = tmp_path / "clip.txt"
    write_cameras(path, cameras, format="realestate10k", fps=15.0)
    title, first, second = path.read_text().splitlines()
    assert not title[0].isdigit() and len(first.split()) == 19
    assert first.split()[0] == "0" and second.split()[0] == "66667" and first.split()[5:7] == ["0", "0"]
    assert float(first.split()[1]) == pytest.approx(float(cameras.K[0, 0, 0, 0]) / HW[1])
    w2c = torch.tensor(list(map(float, second.split()[7:]))).view(3, 4)
    torch.testing.assert_close(w2c.double(), torch.linalg.inv(cameras.c2w[0, 1])[:3], rtol=0, atol=1e-5)


def test_realestate10k_without_a_title(tmp_path: Path) -> None:
    path = one_file(tmp_path, "realestate10k")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert read_cameras(path, hw=HW).num_frames == 3


def test_realestate10k_with_distortion(tmp_path: Path) -> None:
    path = edit_line(one_file(tmp_path, "realestate10k"), 3, lambda words: [*words[:5], "0.1", *words[6:]])
    with pytest.raises(InputError, match=r"line 3: columns 6 and 7 are \[0.1, 0.0\], expected two zeros; lenses with"):
        read(path, "realestate10k")


@pytest.mark.parametrize(("column", "value"), [(1, "-0.5"), (2, "0")])
def test_realestate10k_with_bad_focals(column: int, value: str, tmp_path: Path) -> None:
    path = edit_line(
        one_file(tmp_path, "realestate10k"), 4, lambda words: [*words[:column], value, *words[column + 1 :]]
    )
    with pytest.raises(InputError, match="line 4: K has a focal length that is not positive"):
        read(path, "realestate10k")


def test_tum_by_hand(tmp_path: Path) -> None:
    """A quarter turn about z: the camera's x axis is the world's y."""
    path = tmp_path / "slam.txt"
    half = math.sqrt(0.5)
    path.write_text(f"# timestamp tx ty tz qx qy qz qw\n1305031102.1758 1 2 3 0 0 {half} {half}\n")
    named = read_named_cameras(path, hw=HW, focal_mm=FOCAL_MM)
    assert named.times == (1305031102.1758,)
    expected = torch.tensor([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(named.cameras.c2w[0, 0], expected, rtol=0, atol=1e-12)


def test_tum_with_few_digits(tmp_path: Path) -> None:
    path = tmp_path / "slam.txt"
    path.write_text("0.5 0 0 0 0.6132 0.5962 -0.3311 -0.3986\n")
    rotation = read(path, "tum").c2w[0, 0, :3, :3]
    torch.testing.assert_close(rotation @ rotation.mT, torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-12)


@pytest.mark.parametrize("quaternion", ["0 0 0 0", "0 0 0 1.5", "0 0 nan 1"])
def test_tum_with_bad_quaternions(quaternion: str, tmp_path: Path) -> None:
    path = edit_line(one_file(tmp_path, "tum"), 3, lambda words: [*words[:4], *quaternion.split()])
    with pytest.raises(InputError, match=r"cam\.tum, line 3: the rotation is not a unit quaternion; its length is"):
        read(path, "tum")


def test_spherical_is_what_rigs_in_words_say(tmp_path: Path) -> None:
    path = tmp_path / "orbit.txt"
    path.write_text("15, -45, 5\n15, 45, 5\n")
    expected = hemisphere(views=2, radius=5.0, elevation_deg=15.0, span_deg=90.0, hw=HW, focal_mm=FOCAL_MM)
    torch.testing.assert_close(read(path, "spherical").c2w[0], expected.c2w[:, 0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("row", ["90 0 4", "nan 0 4", "10 inf 4", "10 0 0", "10 0 -4"])
def test_spherical_out_of_range(row: str, tmp_path: Path) -> None:
    path = edit_line(one_file(tmp_path, "spherical"), 4, lambda _: row.split())
    with pytest.raises(
        InputError, match=r"line 4: expected theta in -89..89 degrees, a finite phi and a positive r, got"
    ):
        read(path, "spherical")


def test_spherical_holds_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"looks? at \(0.0, 0.0, 0.8\), upright, but frame 0 of cam01 looks elsewhere"):
        write_cameras(tmp_path / "rig", random_cameras(1), format="spherical")
    above = rig(1, 1).c2w.clone()
    above[..., :3, 3] = torch.tensor([0.0, 0.0, 9.0])
    with pytest.raises(InputError, match="holds elevations of -89 to 89 degrees, but frame 0 of cam01 is 90.000"):
        write_cameras(tmp_path / "rig", Cameras(above, rig(1, 1).K, HW), format="spherical")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FIRST)
class TestLines:
    """What is wrong with a line is said with the file and its number, whatever the format."""

    def test_cut_off(self, name: str, tmp_path: Path) -> None:
        path = one_file(tmp_path, name)
        path.write_text(path.read_text().rstrip().rpartition(" ")[0])
        with pytest.raises(InputError, match=rf"cam\S+, line 4: expected {COUNTS[name]} numbers \(.*\), got"):
            read(path, name)

    def test_no_number(self, name: str, tmp_path: Path) -> None:
        path = edit_line(one_file(tmp_path, name), 3, lambda words: [*words[:-1], "x"])
        with pytest.raises(InputError, match="line 3: could not convert string to float: 'x'; expected"):
            read(path, name)

    def test_another_encoding(self, name: str, tmp_path: Path) -> None:
        path = one_file(tmp_path, name)
        path.write_bytes(path.read_text().encode("utf-16"))
        with pytest.raises(InputError, match=r"line 1: is not UTF-8 text \(byte 0 of the line\)"):
            read(path, name)

    def test_a_byte_order_mark_and_other_ends_of_lines(self, name: str, tmp_path: Path) -> None:
        path = one_file(tmp_path, name)
        expected = read(path, name)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
        assert torch.equal(read(path, name).c2w, expected.c2w)

    def test_empty(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "cam.txt"
        path.write_text("\n# only a comment\n")
        with pytest.raises(InputError, match=rf"cam\.txt holds no cameras; expected lines of {COUNTS[name]} numbers"):
            read(path, name)

    def test_one_endless_line(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("syncam.cameras.formats.source.MAX_LINE", 100)
        path = tmp_path / "cam.txt"
        path.write_text("1 " * 60)
        with pytest.raises(InputError, match="line 1: is longer than 100 bytes"):
            read(path, name)


@pytest.mark.parametrize("name", ["realestate10k", "tum"])
class TestTimes:
    """Frames have times that grow."""

    @pytest.mark.parametrize(
        ("time", "message"),
        [
            ("0", "line 3: the time 0.0 stands there twice"),
            ("-1", "line 3: the time -1.0 comes after 0.0; times must grow"),
            ("nan", "line 3: the time is nan, expected a finite number"),
        ],
    )
    def test_bad_times(self, name: str, time: str, message: str, tmp_path: Path) -> None:
        path = edit_line(one_file(tmp_path, name), 3, lambda words: [time, *words[1:]])
        with pytest.raises(InputError, match=message):
            read(path, name)

    def test_nan_positions(self, name: str, tmp_path: Path) -> None:
        column = 1 if name == "tum" else 10
        path = edit_line(one_file(tmp_path, name), 4, lambda words: [*words[:column], "nan", *words[column + 1 :]])
        with pytest.raises(InputError, match="line 4: c2w has NaN or infinite numbers"):
            read(path, name)

    @pytest.mark.slow
    def test_a_million_lines_in_bounded_memory(self, name: str, tmp_path: Path) -> None:
        """Reading stops at the limit: far less memory than the file is long, and than its numbers would take."""
        path = one_file(tmp_path, name, frames=1)
        *title, row = path.read_text().splitlines()
        rest = row.partition(" ")[2]
        with path.open("w") as file:
            file.write("".join(f"{line}\n" for line in title))
            file.writelines(f"{time} {rest}\n" for time in range(1_000_000))
        tracemalloc.start()
        with pytest.raises(InputError, match=f"line {MAX_POSES + 2}: has more than {MAX_POSES} frames; cut it into"):
            read(path, name)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 32 * 2**20 < path.stat().st_size


@pytest.mark.parametrize("turn", ["2 0 0 0 1 0 0 0 1", "1 0 0 0 1 0 0 0 -1"])
def test_realestate10k_with_matrices_that_are_no_rotations(turn: str, tmp_path: Path) -> None:
    r = turn.split()
    rows = [word for row in range(3) for word in (*r[3 * row : 3 * row + 3], "0")]
    path = edit_line(one_file(tmp_path, "realestate10k"), 3, lambda words: [*words[:7], *rows])
    with pytest.raises(InputError, match=r"cam\.txt, line 3: .*(not orthonormal|left-handed)"):
        read(path, "realestate10k")


def table(tmp_path: Path, fps: float | None = 10.0) -> Path:
    return written(tmp_path, rig(), "csv", fps)


def test_csv_rows_and_columns_in_any_order(tmp_path: Path) -> None:
    path = table(tmp_path)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    shuffled = [rows[0], *rows[6:0:-1]]
    path.write_text("\n".join(",".join(reversed(row)) for row in shuffled))
    named = read_named_cameras(path)
    assert named.names == ("cam02", "cam01") and named.times == (0.0, 0.1, 0.2)
    close(named.cameras.c2w, rig().c2w.flip(0))


def test_csv_without_size_and_lens(tmp_path: Path) -> None:
    path = table(tmp_path, fps=None)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join(row[:2] + row[8:]) for row in rows))
    named = read_named_cameras(path, hw=HW, focal_mm=FOCAL_MM)
    close(named.cameras.K, rig().K)
    assert named.times is None
    with pytest.raises(InputError, match="does not say how large the pictures are"):
        read_cameras(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cam01,1,", "cam01,0,", "line 3: frame 0 stands there twice"),
        ("cam01,2,", "cam01,7,", "line 4: frame 2 is missing between 1 and 7"),
        ("cam02,2,", "cam03,2,", r"view cam02 has 2 frames from 0 to 1, but view cam01 has 3 from 0 to 2"),
        ("cam01,2,", "cam01,2.5,", "line 4: frame is 2.5, expected a whole number"),
        ("cam01,2,", "cam01,nan,", "line 4: frame is nan, expected a whole number"),
        ("cam02,1,0.1,", "cam02,1,0.3,", "line 6: the time differs from that of view cam01"),
        ("cam01,1,0.1,", "cam01,1,0.0,", "line 3: the time 0.0 stands there twice"),
        ("cam01,1,0.1,80,", "cam01,1,0.1,81,", r"line 3: width and height are \[81.0, 48.0\]; expected the same whole"),
        ("cam01,1,0.1,80,48,", "cam01,1,0.1,80,48,-", "line 3: K has a focal length that is not positive"),
        ("cam01,1,0.1,80,48,", "cam01,1,0.1,80,48,x", "line 3: could not convert string to float"),
        ("view,frame,", "view,shot,", "line 1: the columns frame are missing; expected at least view, frame, c2w_00"),
        ("view,frame,time_s", "view,frame,when", "line 1: unknown columns when; known are"),
        ("view,frame,time_s", "view,frame,frame", "line 1: frame, frame stand there twice"),
        ("view,frame,time_s,width", "view,frame,width,time_s", "line 2: width and height are"),
        ("c2w_22,c2w_23", "c2w_22,c2w_22", "line 1: the columns c2w_23 are missing"),
    ],
)
def test_bad_tables(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"rig\.csv.*{message}"):
        read_cameras(edit(table(tmp_path), old, new), format="csv")


def test_csv_with_half_a_lens(tmp_path: Path) -> None:
    path = table(tmp_path, fps=None)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join(row[:7] + row[8:]) for row in rows))
    with pytest.raises(InputError, match="line 1: of the columns fx, fy, cx, cy some are missing; give all or none"):
        read_cameras(path)


def test_csv_cut_off(tmp_path: Path) -> None:
    path = table(tmp_path)
    path.write_text(path.read_text().rstrip().rpartition(",")[0])
    with pytest.raises(InputError, match="line 7: expected 21 cells as in the first row, got 20"):
        read_cameras(path)
    path.write_text("view,frame,c2w_00\n")
    with pytest.raises(InputError, match="line 1: the columns c2w_01, .* are missing"):
        read_cameras(path)
    path.write_text("")
    with pytest.raises(InputError, match=r"rig\.csv holds no cameras; expected a first row with view, frame, c2w_00"):
        read_cameras(path, format="csv")

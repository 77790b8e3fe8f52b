"""Archives whole and in parts: unpacked once, damage and gaps named, nothing written outside."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from syncam.data.unpack import JoinedParts, find_parts, unpack
from syncam.errors import InputError

FILES = {f"Set/train/f24_aperture5/scene{i}/videos/cam01.mp4": bytes([i]) * 5000 + bytes(range(256)) for i in range(4)}


def archive(path: Path, mode: str = "w:gz", extra: tarfile.TarInfo | None = None) -> Path:
    with tarfile.open(path, mode) as tar:  # pyright: ignore
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        if extra is not None:
            tar.addfile(extra)
    return path


def split(path: Path, names: str = "aa ab ac ad", prefix: str = "Set.part") -> list[Path]:
    """Cuts a file as `split` does and removes it."""
    content = path.read_bytes()
    step = -(-len(content) // len(names.split()))
    parts = []
    for index, name in enumerate(names.split()):
        parts.append(path.with_name(prefix + name))
        parts[-1].write_bytes(content[index * step : (index + 1) * step])
    path.unlink()
    return parts


def written(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_whole_archives(tmp_path: Path, mode: str) -> None:
    path = archive(tmp_path / ("a.tar" + mode[1:].replace(":", ".")), mode)
    assert unpack(path, tmp_path / "out")["files written"] == 4
    assert written(tmp_path / "out") == FILES


def test_zip_in_parts(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    parts = split(tmp_path / "a.zip", "001 002 003", "a.zip.")
    unpack(parts[0], tmp_path / "out")
    assert written(tmp_path / "out") == FILES


@pytest.mark.parametrize("source", ["folder", "first part", "another part"])
def test_parts_are_found_and_what_is_there_is_kept(tmp_path: Path, source: str) -> None:
    parts = split(archive(tmp_path / "Set.tar.gz"))
    (tmp_path / "README.md").write_text("about")
    given = {"folder": tmp_path, "first part": parts[0], "another part": parts[2]}[source]
    out = tmp_path / "out"
    seen: list[tuple[int, int]] = []
    assert unpack(given, out, progress=lambda *numbers: seen.append(numbers))["files written"] == 4
    scene2 = out / "Set/train/f24_aperture5/scene2/videos/cam01.mp4"
    (out / "Set/train/f24_aperture5/scene1/videos/cam01.mp4").unlink()
    scene2.write_bytes(b"half")
    stamp = (out / "Set/train/f24_aperture5/scene0/videos/cam01.mp4").stat().st_mtime_ns
    result = unpack(given, out)
    assert (result["files written"], result["files kept"], result["parts"]) == (2, 2, 4)
    assert (out / "Set/train/f24_aperture5/scene0/videos/cam01.mp4").stat().st_mtime_ns == stamp
    assert written(out) == FILES


def test_missing_parts_are_named(tmp_path: Path) -> None:
    parts = split(archive(tmp_path / "Set.tar.gz"))
    parts[1].unlink()
    with pytest.raises(InputError, match=r"lacks Set\.partab; expected every part up to Set\.partad"):
        find_parts(tmp_path)
    parts[0].unlink()
    with pytest.raises(InputError, match=r"lacks Set\.partaa, Set\.partab"):
        unpack(parts[2], tmp_path / "out")
    parts[2].write_bytes(b"")
    assert not (tmp_path / "out").exists()


def test_damaged_and_short_parts_are_named(tmp_path: Path) -> None:
    parts = split(archive(tmp_path / "Set.tar.gz"))
    whole = [part.read_bytes() for part in parts]
    parts[3].unlink()
    with pytest.raises(InputError, match=r"Set\.partac is cut short or damaged .* parts after it are missing"):
        unpack(tmp_path, tmp_path / "out")
    parts[3].write_bytes(whole[3][:-4])
    with pytest.raises(InputError, match=r"Set\.partad is cut short"):
        unpack(tmp_path, tmp_path / "out")
    parts[3].write_bytes(whole[3])
    parts[1].write_bytes(whole[1][:5] + bytes(20) + whole[1][25:])
    with pytest.raises(InputError, match=r"Set\.parta. is cut short or damaged"):
        unpack(tmp_path, tmp_path / "out2")
    parts[1].write_bytes(b"")
    with pytest.raises(InputError, match=r"Set\.partab is empty"):
        unpack(tmp_path, tmp_path / "out2")
    assert not [path for path in tmp_path.rglob(".*")]


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:\\evil", "link"])
def test_nothing_leaves_the_folder(tmp_path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    if name == "link":
        member.type, member.linkname = tarfile.SYMTYPE, "/etc"
    path = archive(tmp_path / "a.tar.gz", extra=member)
    with pytest.raises(InputError, match="leads out|is a link"):
        unpack(path, tmp_path / "in" / "out")
    assert written(tmp_path / "in" / "out") == FILES and not (tmp_path / "in" / "evil").exists()


def test_links_in_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "Set").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="through a link"):
        unpack(archive(tmp_path / "a.tar.gz"), tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        unpack(tmp_path / "none", tmp_path / "out")
    with pytest.raises(InputError, match="holds 0 archives"):
        unpack(tmp_path, tmp_path / "out")
    (tmp_path / "a.tar").write_bytes(b"text" * 500)
    with pytest.raises(InputError, match="no archive that is known"):
        unpack(tmp_path / "a.tar", tmp_path / "out")
    (tmp_path / "out").write_text("file")
    with pytest.raises(InputError, match="is a file"):
        unpack(archive(tmp_path / "b.tar.gz"), tmp_path / "out")


def test_parts_read_like_one_file(tmp_path: Path) -> None:
    for name, content in (("a", b"0123"), ("b", b"45"), ("c", b"6789")):
        (tmp_path / name).write_bytes(content)
    with io.BufferedReader(JoinedParts([tmp_path / name for name in "abc"]), 3) as stream:
        assert stream.read() == b"0123456789"
        assert stream.seek(-7, io.SEEK_END) == 3 and stream.read(4) == b"3456"

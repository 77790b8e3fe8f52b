"""Archives whole and in parts: unpacked once, damage and gaps named, nothing written outside."""

import gzip
import io
import os
import random
import re
import signal
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from syncam.data import parts as joining
from syncam.data import unpack as unpacking
from syncam.data.parts import JoinedParts, PartsInOrder, find_parts
from syncam.data.unpack import unpack
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


def test_parts_are_read_in_order_and_never_two_at_once(tmp_path: Path) -> None:
    for name, content in (("a", b"0123"), ("b", b"45"), ("c", b"6789")):
        (tmp_path / name).write_bytes(content)
    stream = PartsInOrder(JoinedParts([tmp_path / name for name in "abc"]))
    assert [stream.read(3) for _ in range(6)] == [b"012", b"3", b"45", b"678", b"9", b""]
    assert stream.position == 10


NOISE = {
    f"Set/scene{i}/videos/cam{j}.mp4": random.Random(7 * i + j).randbytes(20_000) for i in range(3) for j in (1, 2)
}


def noisy(path: Path, mode: str) -> Path:
    """An archive of what does not compress, as videos do not."""
    with tarfile.open(path, mode) as tar:  # pyright: ignore
        for name, content in NOISE.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def cut_anywhere(path: Path, rng: random.Random, count: int = 5) -> list[Path]:
    """Cuts a file into parts of random sizes and removes it."""
    content = path.read_bytes()
    borders = [0, *sorted(rng.sample(range(1, len(content)), count - 1)), len(content)]
    parts = [path.with_name(f"{path.name}.a{'abcdefghij'[index]}") for index in range(count)]
    for part, start, stop in zip(parts, borders, borders[1:], strict=False):
        part.write_bytes(content[start:stop])
    path.unlink()
    return parts


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("seed", range(3))
def test_parts_of_any_size(tmp_path: Path, mode: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "CHUNK", 1000)
    rng = random.Random(seed)
    parts = cut_anywhere(noisy(tmp_path / ("a.tar" + mode[1:].replace(":", ".")), mode), rng)
    assert unpack(rng.choice(parts), tmp_path / "out")["files written"] == len(NOISE)
    assert written(tmp_path / "out") == NOISE


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
@pytest.mark.parametrize("seed", range(4))
def test_a_part_that_lacks_its_end_is_named(
    tmp_path: Path, mode: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "CHUNK", 1000)
    monkeypatch.setattr(unpacking, "BLOCK", 1024)
    monkeypatch.setattr(unpacking, "AHEAD", max(12_000, getattr(gzip, "READ_BUFFER_SIZE", 0)))
    rng = random.Random(seed)
    parts = cut_anywhere(noisy(tmp_path / ("a.tar" + mode[1:].replace(":", ".")), mode), rng)
    number = rng.randrange(len(parts))
    content = parts[number].read_bytes()
    parts[number].write_bytes(content[: -rng.randint(1, len(content) - 1)])
    with pytest.raises(InputError) as error:
        unpack(parts[0], tmp_path / "out")
    text = str(error.value)
    assert "\n" not in text
    parts[number].write_bytes(content)
    if "where cannot be told" in text:  # what is lost is of the last file, and nothing but the end shows it
        assert written(tmp_path / "out").keys() == NOISE.keys() and mode != "w:bz2"
        return
    named = text.split(" cut short")[0]
    assert parts[number].name in named or ".ab or ... or " in named, f"{parts[number].name} was cut: {text}"
    unpack(parts[0], tmp_path / "out")
    assert written(tmp_path / "out") == NOISE


def test_only_parts_that_may_be_short_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "CHUNK", 1000)
    monkeypatch.setattr(unpacking, "BLOCK", 1024)
    monkeypatch.setattr(unpacking, "AHEAD", 2048)
    content = noisy(tmp_path / "a.tar", "w").read_bytes()
    borders = [0, 24_000, 50_000, 80_000, 104_000, len(content)]
    for index, (start, stop) in enumerate(zip(borders, borders[1:], strict=False)):
        (tmp_path / f"Set.part0{index}").write_bytes(content[start : stop - (700 if index == 2 else 0)])
    with pytest.raises(InputError) as error:
        unpack(tmp_path / "Set.part00", tmp_path / "out")
    assert re.findall(r"Set\.part0(\d)", str(error.value)) == ["2", "3"]
    for name, content in written(tmp_path / "out").items():
        assert NOISE[name] == content


def test_what_damage_has_spoilt_is_not_kept_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "BLOCK", 1024)
    path = noisy(tmp_path / "a.tar", "w")
    content = path.read_bytes()
    path.write_bytes(content[:30_000] + content[31_000:])  # in the second file
    second = list(NOISE)[1]
    for _ in range(2):
        spoilt = tmp_path / "out" / second
        spoilt.parent.mkdir(parents=True, exist_ok=True)
        spoilt.write_bytes(bytes(20_000))  # as a run has left it that was killed before it met the next header
        with pytest.raises(InputError, match="invalid header.*1 files before are unpacked"):
            unpack(path, tmp_path / "out")
        assert written(tmp_path / "out").keys() == {next(iter(NOISE))}
    path.write_bytes(content)
    unpack(path, tmp_path / "out")
    assert written(tmp_path / "out") == NOISE


def test_equal_parts_tell_which_one_is_short(tmp_path: Path) -> None:
    parts = split(noisy(tmp_path / "Set.tar", "w"))
    content = parts[1].read_bytes()
    parts[1].write_bytes(content[:-512])
    with pytest.raises(InputError, match=rf"Set\.partab is cut short: other parts have {len(content)} bytes"):
        unpack(tmp_path, tmp_path / "out")


def test_damage_that_only_a_checksum_shows(tmp_path: Path) -> None:
    path = noisy(tmp_path / "a.tar.gz", "w:gz")
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    split(path)
    with pytest.raises(InputError, match=r"partaa to .*partad: the archive is damaged .*which files are wrong"):
        unpack(tmp_path, tmp_path / "out")


def test_a_tar_that_stops_before_its_end_mark(tmp_path: Path) -> None:
    path = noisy(tmp_path / "a.tar", "w")
    content = path.read_bytes()
    for length in (len(NOISE) * 20_992, 3 * 20_992, 3 * 20_992 + 100):  # a header of 512 bytes, content in blocks
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"a\.tar is cut short or damaged"):
            unpack(path, tmp_path / "out")
    path.write_bytes(content[:20_992] + b"x" * 512 + content[21_504:])
    with pytest.raises(InputError, match="0 files before"):
        unpack(path, tmp_path / "out")


def zipped(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return path


def test_damaged_zips(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", NOISE)
    whole = path.read_bytes()
    parts = split(path, "001 002 003", "a.zip.")
    content = bytearray(parts[1].read_bytes())
    content[2000:2100] = bytes(100)
    parts[1].write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zip\.00(1 or .*002|2) is cut short or damaged"):
        unpack(parts[0], tmp_path / "out")
    parts[2].unlink()
    with pytest.raises(InputError, match=r"a\.zip\.002 is cut short or damaged .* parts after it are missing"):
        unpack(parts[0], tmp_path / "out")
    (tmp_path / "b.zip").write_bytes(whole[:-30])
    with pytest.raises(InputError, match=r"b\.zip is cut short"):
        unpack(tmp_path / "b.zip", tmp_path / "out")


def test_zips_that_are_not_read(tmp_path: Path) -> None:
    content = bytearray(zipped(tmp_path / "a.zip").read_bytes())
    plain = bytes(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(signature)
        content[place + offset] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="scene0/videos/cam01.mp4 of the archive is encrypted"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    content = bytearray(plain)
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + offset] = 98
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="is packed in a way that is not known"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists() or written(tmp_path / "out") == {}


def test_split_zips(tmp_path: Path) -> None:
    zipped(tmp_path / "Set.zip").rename(tmp_path / "Set.z01")
    zipped(tmp_path / "Set.zip")
    for given in (tmp_path, tmp_path / "Set.zip", tmp_path / "Set.z01"):
        with pytest.raises(InputError, match=r"Set\.z01 is a piece of a split zip.*zip -s 0 Set\.zip --out"):
            unpack(given, tmp_path / "out")
    zipped(tmp_path / "fine.zip")
    assert unpack(tmp_path / "fine.zip", tmp_path / "out")["files written"] == 4
    content = bytearray((tmp_path / "fine.zip").read_bytes())
    end = content.rindex(b"PK\x05\x06")
    content[end + 4 : end + 8] = b"\x01\x00\x01\x00"
    (tmp_path / "fine.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"fine\.zip is the end of a split zip"):
        unpack(tmp_path / "fine.zip", tmp_path / "out")


@pytest.mark.parametrize("make", [lambda folder: archive(folder / "a.tar.gz"), lambda folder: zipped(folder / "a.zip")])
def test_a_disk_that_is_too_small(
    tmp_path: Path, make: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    asked: list[Path] = []

    def usage(free: int) -> Callable[[Path], SimpleNamespace]:
        return lambda place: asked.append(place) or SimpleNamespace(free=free)

    monkeypatch.setattr(unpacking.shutil, "disk_usage", usage(10))
    with pytest.raises(InputError, match=r"has 10 bytes free, but a\.\S+ needs (about )?\d+ bytes; make room"):
        unpack(path, tmp_path / "deep" / "out")
    assert asked == [tmp_path] and not (tmp_path / "deep").exists()
    monkeypatch.setattr(unpacking.shutil, "disk_usage", usage(10**9))
    unpack(path, tmp_path / "out")
    monkeypatch.setattr(unpacking.shutil, "disk_usage", usage(0))
    assert unpack(path, tmp_path / "out")["files kept"] == 4  # nothing is missing


def unpack_until_killed(source: Path, out: Path, moment: int) -> None:
    """Unpacks until so many bytes were read, in a process that ends there, as by kill -9."""
    read = JoinedParts.readinto

    def readinto(self: JoinedParts, buffer: object) -> int:
        if self.tell() >= moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(self, buffer)

    try:
        JoinedParts.readinto = readinto
        unpack(source, out)
    finally:
        os._exit(1)


@pytest.mark.parametrize("seed", range(3))
def test_killed_runs_go_on_and_leave_nothing(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "CHUNK", 1000)
    monkeypatch.setattr(unpacking, "BLOCK", 1024)
    rng = random.Random(seed)
    path = noisy(tmp_path / "a.tar.gz", "w:gz")
    size = path.stat().st_size
    parts = cut_anywhere(path, rng, 3)
    out = tmp_path / "out"
    left = 0
    for _ in range(6):
        if not (child := os.fork()):
            unpack_until_killed(parts[0], out, rng.randrange(size))
        rng.random()
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        assert NOISE.items() >= {name: c for name, c in written(out).items() if "/." not in name}.items()
        left += len(list(out.rglob(".*")))
    assert left
    assert unpack(parts[0], out)["files written"] <= len(NOISE)
    assert written(out) == NOISE

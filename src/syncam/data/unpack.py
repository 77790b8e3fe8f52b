"""Published archives, joined and unpacked in one pass: parts of a split tar, plain or compressed, and zip files.

MultiCamVideo comes as MultiCamVideo-Dataset.partaa, .partab, ...: a tar.gz that `split` has cut. They are read one
after the other, as if they were one file, and no joined copy is written.
"""

import bz2
import gzip
import io
import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import IO, Any

from syncam.cameras.formats.sequence import natural
from syncam.errors import InputError
from syncam.files import atomic_path

__all__ = ["find_parts", "unpack"]

WHOLE = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
PART = re.compile(r"^(.+\.(?:tar|tar\.gz|tgz|tar\.bz2|tar\.xz|zip)[._-](?:part_?)?|.+[._-]part_?)([a-z]{2,3}|\d{2,4})$")
"""x.partaa, x.tar.gz.partaa, x.tar.gz.aa, x.zip.001, x.tar.gz.part_001: what all parts share, and the number."""
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, lzma.LZMAError, EOFError)
PROGRESS_BYTES = 2**20


@dataclass
class Counts:
    """What an unpacking did."""

    written: int = 0
    kept: int = 0
    """Files that were there already with the right length."""
    bytes: int = 0


def find_parts(source: str | Path) -> list[Path]:
    """The parts of an archive in order, from the archive itself, any of its parts, or the folder that holds them.

    InputError names the parts that are missing between the first and the last, and empty ones.
    """
    source = Path(source)
    if source.is_dir():
        archives = {_stem(file) for file in source.iterdir() if file.is_file() and _stem(file)}
        if len(archives) != 1:
            raise InputError(
                f"{source} holds {len(archives)} archives{_listed(archives)}; expected one, whole or in parts such as "
                "x.tar.gz.partaa; give its first part"
            )
        return _sequence(source, archives.pop())
    if not source.is_file():
        raise InputError(f"{source} does not exist; expected an archive, its first part, or the folder of its parts")
    return _sequence(source.parent, _stem(source)) if _stem(source) else [source]


def unpack(
    source: str | Path, out: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Unpacks an archive into the folder `out` and returns counts; what is there already is not written again.

    Every file appears whole or not at all. Members that lead out of `out`, and links, are refused before anything of
    theirs is written; InputError names the part in which an archive is cut short or damaged. `progress` gets the
    mebibytes read and their total.
    """
    parts, out = find_parts(source), Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder to unpack to")
    joined = JoinedParts(parts, progress)
    counts = Counts()
    try:
        with io.BufferedReader(joined, 2**20) as stream:
            kind = _kind(stream.peek(512)[:512])
            if kind == "zip":
                _unpack_zip(stream, out, counts)
            elif kind is not None:
                _unpack_tar(stream, kind, out, counts)
            else:
                raise InputError(
                    f"{parts[0]} is no archive that is known; expected tar, tar.gz, tar.bz2, tar.xz or zip"
                )
    except DAMAGE as err:
        raise InputError(
            f"{joined.place()} is cut short or damaged ({_said(err)}), or parts after it are missing; "
            f"{counts.written + counts.kept} files before are whole: fetch it again and run the same command"
        ) from err
    return {
        "out": str(out),
        "parts": len(parts),
        "files written": counts.written,
        "files kept": counts.kept,
        "bytes": counts.bytes,
    }


class JoinedParts(io.RawIOBase):
    """Files one after the other as one that can be read and sought."""

    def __init__(self, paths: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> None:
        self._paths = list(paths)
        self._starts = [0, *accumulate(path.stat().st_size for path in paths)]
        self._position = self._told = 0
        self._open: tuple[int, IO[bytes]] | None = None
        self._progress = progress

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Bytes before the next that is read, over all parts."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to an offset in bytes over all parts."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._starts[-1]}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer from one part; 0 after the last."""
        if self._position >= self._starts[-1]:
            return 0
        number = self._number()
        if self._open is None or self._open[0] != number:
            self._close()
            self._open = (number, self._paths[number].open("rb"))
        file = self._open[1]
        file.seek(self._position - self._starts[number])
        view = memoryview(buffer)[: self._starts[number + 1] - self._position]
        view[:] = content = file.read(len(view))
        self._position += len(content)
        if self._progress is not None and self._position - self._told >= PROGRESS_BYTES:
            self._told = self._position
            self._progress(self._position // PROGRESS_BYTES, -(-self._starts[-1] // PROGRESS_BYTES))
        return len(content)

    def place(self) -> Path:
        """The part that was read last."""
        return self._paths[self._number(max(0, min(self._position, self._starts[-1]) - 1))]

    def close(self) -> None:
        """Closes the part that is open."""
        self._close()
        super().close()

    def _number(self, position: int | None = None) -> int:
        return bisect_right(self._starts, self._position if position is None else position) - 1

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def _unpack_tar(stream: Any, kind: str, out: Path, counts: Counts) -> None:
    openers: dict[str, Callable[..., Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    plain = openers[kind](stream, "rb") if kind else stream
    with tarfile.open(fileobj=plain, mode="r|") as archive:
        for member in archive:
            target = _target(member.name, out)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif not member.isfile():
                raise InputError(f"member {member.name} of the archive is a link or a device; only files are unpacked")
            elif not _there(target, member.size, counts):
                content = archive.extractfile(member)
                assert content is not None  # it is a file
                _write(content, target, member.size, counts)
    while plain.read(PROGRESS_BYTES):  # to the end, where the checksum is
        pass


def _unpack_zip(stream: Any, out: Path, counts: Counts) -> None:
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            target = _target(member.filename, out)
            if member.external_attr >> 28 not in (0, 4, 8):  # the sort of file: unknown, folder, file
                raise InputError(
                    f"member {member.filename} of the archive is a link or a device; only files are unpacked"
                )
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            elif not _there(target, member.file_size, counts):
                with archive.open(member) as content:
                    _write(content, target, member.file_size, counts)


def _target(name: str, out: Path) -> Path:
    """Where a member goes; InputError where that is outside of `out`, by its name or through a link that is there."""
    path = PurePosixPath(name.replace("\\", "/"))
    target = out / path
    if path.is_absolute() or ".." in path.parts or re.match(r"^[A-Za-z]:", name):
        raise InputError(f"member {name} of the archive leads out of {out}; nothing of it is unpacked")
    if not target.resolve().is_relative_to(out.resolve()):
        raise InputError(f"member {name} of the archive leads out of {out} through a link there")
    return target


def _there(target: Path, size: int, counts: Counts) -> bool:
    """True for a file that an earlier run has finished: files appear whole or not at all."""
    if target.is_dir():
        raise InputError(f"{target} is a folder where the archive has a file; remove it first")
    there = target.is_file() and target.stat().st_size == size
    counts.kept += there
    return there


def _write(content: Any, target: Path, size: int, counts: Counts) -> None:
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            shutil.copyfileobj(content, file, 2**20)
        if (got := temporary.stat().st_size) != size:
            raise EOFError(f"{target.name} has {got} of {size} bytes")
    counts.written += 1
    counts.bytes += size


def _kind(head: bytes) -> str | None:
    """The compression of a tar by its first bytes, "" for none; zip; None for what is neither."""
    for start, kind in ((b"\x1f\x8b", "gz"), (b"BZh", "bz2"), (b"\xfd7zXZ", "xz"), (b"PK\x03\x04", "zip")):
        if head.startswith(start):
            return kind
    return "" if head[257:262] == b"ustar" else None


def _stem(file: Path) -> str:
    """A whole archive's name, or what the names of the parts of one share; "" of other files."""
    if file.name.endswith(WHOLE):
        return file.name
    found = PART.match(file.name)
    return found.group(1) if found else ""


def _sequence(folder: Path, stem: str) -> list[Path]:
    whole = folder / stem
    if whole.is_file():
        parts = [whole]
    else:
        parts = sorted((file for file in folder.iterdir() if _stem(file) == stem), key=lambda file: natural(file.name))
        numbers = [_number(part.name.removeprefix(stem)) for part in parts]
        first = 0 if not parts[0].name.removeprefix(stem).isdigit() else min(numbers[0], 1)
        if missing := sorted(set(range(first, numbers[-1])) - set(numbers)):
            names = ", ".join(stem + _written(number, parts[-1].name.removeprefix(stem)) for number in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise InputError(f"{folder} lacks {names}{more}; expected every part up to {parts[-1].name}")
    for part in parts:
        if not part.stat().st_size:
            raise InputError(f"{part} is empty (0 bytes); fetch it again")
    return parts


def _number(word: str) -> int:
    """aa is 0, ab is 1, ba is 26; digits count as they are."""
    if word.isdigit():
        return int(word)
    number = 0
    for letter in word:
        number = 26 * number + ord(letter) - ord("a")
    return number


def _written(number: int, like: str) -> str:
    if like.isdigit():
        return f"{number:0{len(like)}d}"
    letters = ""
    for _ in like:
        number, letter = divmod(number, 26)
        letters = chr(ord("a") + letter) + letters
    return letters


def _listed(names: set[str]) -> str:
    return f" ({', '.join(sorted(names)[:3])}{', ...' if len(names) > 3 else ''})" if names else ""


def _said(err: BaseException) -> str:
    return str(err) or type(err).__name__

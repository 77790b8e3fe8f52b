"""Published archives, joined and unpacked in one pass: parts of a split tar, plain or compressed, and zip files.

MultiCamVideo comes as MultiCamVideo-Dataset.partaa, .partab, ...: a tar.gz that `split` has cut. They are read one
after the other, as if they were one file, and no joined copy is written.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from syncam.data.parts import JoinedParts, PartsInOrder, find_parts
from syncam.errors import InputError
from syncam.files import atomic_path, leftovers

__all__ = ["unpack"]

DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)
END_RECORD = 22 + 2**16
"""Bytes at the end of a zip that its end record is in: a comment may follow it."""
BLOCK = 2**20
AHEAD = 2**21
"""Bytes that decoders may have read further than what they have given out."""
AGAIN = "fetch it again and run the same command"


@dataclass
class Unpacking:
    """Where files go, and what became of them so far."""

    out: Path
    written: int = 0
    kept: int = 0
    """Files that were there already with the right length."""
    bytes: int = 0
    last: Path | None = None
    """The last file that is there, whether it was written or kept."""
    last_start: int = 0
    """Where the archive was when the last file was begun."""
    folder: Path | None = None
    """The folder that was written to last."""
    left: dict[str, list[Path]] = field(default_factory=dict)
    """What an earlier run that was killed has left there, by the name of the file."""


def unpack(
    source: str | Path, out: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Unpacks an archive into the folder `out` and returns counts; what is there already is not written again.

    Every file appears whole or not at all; what a killed run has left of one is removed. Members that lead out of
    `out`, and links, are refused before anything of theirs is written; InputError where the disk is too small, and
    with the part in which an archive is cut short or damaged. `progress` gets the mebibytes read and their total.
    """
    parts, out = find_parts(source), Path(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; give a folder to unpack to")
    state = Unpacking(out)
    with JoinedParts(parts, progress) as joined:
        head = b""
        while len(head) < 512 and (more := joined.read(512 - len(head))):
            head += more
        joined.seek(0)
        kind = _kind(head)
        if kind == "zip":
            _unpack_zip(joined, state)
        elif kind is not None:
            _refuse_full_disk(joined.num_bytes, parts[0], out)
            _unpack_tar(joined, kind, state)
        else:
            raise InputError(f"{parts[0]} is no archive that is known; expected tar, tar.gz, tar.bz2, tar.xz or zip")
    return {
        "out": str(out),
        "parts": len(parts),
        "files written": state.written,
        "files kept": state.kept,
        "bytes": state.bytes,
    }


class StrictMember(tarfile.TarInfo):
    """A member of a tar. What is no header ends a tar silently, as its end does: here it is damage."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "StrictMember":
        """The next member; ReadError where there is none but the archive is not at its end either."""
        try:
            return super().fromtarfile(tarfile_)  # pyright: ignore[reportReturnType]
        except tarfile.EOFHeaderError:  # pyright: ignore[reportAttributeAccessIssue]
            raise
        except tarfile.HeaderError as err:
            raise tarfile.ReadError(f"the archive stops before its end: {err}") from err


def _unpack_tar(joined: JoinedParts, kind: str, state: Unpacking) -> None:
    openers: dict[str, Callable[..., Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    stream = PartsInOrder(joined)
    try:
        plain: Any = openers[kind](stream, "rb") if kind else stream
        with tarfile.open(fileobj=plain, mode="r|", bufsize=BLOCK, tarinfo=StrictMember) as archive:
            for member in archive:
                target = _target(member.name, state.out)
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                elif not member.isfile():
                    raise InputError(
                        f"member {member.name} of the archive is a link or a device; only files are unpacked"
                    )
                else:
                    state.last_start = stream.position
                    content = archive.extractfile(member)
                    assert content is not None  # it is a file
                    if not _there(target, member.size, state):
                        _write(content, target, member.size, state)
        while plain.read(BLOCK):  # to the end, where the checksum is
            pass
        if not kind and joined.num_bytes % tarfile.BLOCKSIZE:
            raise gzip.BadGzipFile(f"its length is no multiple of {tarfile.BLOCKSIZE} bytes")
    except DAMAGE as err:
        if not _is_damage(err):
            raise
        ended, done = stream.position >= joined.num_bytes, state.written + state.kept
        if ended and isinstance(err, gzip.BadGzipFile) and not joined.short():
            what = " to ".join(map(str, joined.paths[:: len(joined.paths) - 1 or 1][:2]))
            raise InputError(
                f"{what}: the archive is damaged ({_said(err)}), and where cannot be told, nor which files are wrong; "
                "fetch the parts again whose checksums are not those published, and unpack to an empty folder"
            ) from err
        if state.last is not None:  # its length was right, and what came after it is not: it may be wrong itself
            state.last.unlink(missing_ok=True)
            done -= 1
        missing = ", or parts after it are missing" if ended and len(joined.paths) > 1 else ""
        raise InputError(
            f"{joined.suspects(state.last_start - AHEAD, stream.position)} ({_said(err)}){missing}; "
            f"{done} files before are unpacked: {AGAIN}"
        ) from err


def _unpack_zip(joined: JoinedParts, state: Unpacking) -> None:
    last = joined.paths[-1]
    with io.BufferedReader(joined, BLOCK) as stream:
        _refuse_last_piece(stream, last)
        try:
            archive = zipfile.ZipFile(stream)
        except zipfile.BadZipFile as err:
            raise InputError(
                f"{last} is cut short or damaged ({_said(err)}), or parts after it are missing; {AGAIN}"
            ) from err
        members = archive.infolist()
        for member in members:
            _refuse_member(member, state.out)
        missing = [m for m in members if not m.is_dir() and not _there(_target(m.filename, state.out), m.file_size)]
        _refuse_full_disk(sum(member.file_size for member in missing), last, state.out, exact=True)
        for member in members:
            target = _target(member.filename, state.out)
            if member.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            if _there(target, member.file_size, state):
                continue
            try:
                with archive.open(member) as content:
                    _write(content, target, member.file_size, state)
            except NotImplementedError as err:
                raise InputError(
                    f"member {member.filename} of {last} is packed in a way that is not known ({err}); unpack it with "
                    "a program that knows it"
                ) from err
            except DAMAGE as err:
                if not _is_damage(err):
                    raise
                start = member.header_offset
                raise InputError(
                    f"{joined.suspects(start, start + member.compress_size)} ({_said(err)}); "
                    f"{state.written + state.kept} files before are whole: {AGAIN}"
                ) from err


def _refuse_last_piece(stream: Any, path: Path) -> None:
    """InputError for a zip whose end record says that it is one of several pieces, which may lie elsewhere."""
    stream.seek(max(0, stream.seek(0, io.SEEK_END) - END_RECORD))
    end = stream.read()
    place = end.rfind(b"PK\x05\x06")
    if place >= 0 and end[place + 4 : place + 6] not in (b"\0\0", b"\xff\xff"):
        raise InputError(
            f"{path} is the end of a split zip, which is not read; join the pieces first: "
            f"zip -s 0 {path.name} --out joined.zip"
        )


def _refuse_member(member: zipfile.ZipInfo, out: Path) -> None:
    _target(member.filename, out)
    if member.external_attr >> 28 not in (0, 4, 8):  # the sort of file: unknown, folder, file
        raise InputError(f"member {member.filename} of the archive is a link or a device; only files are unpacked")
    if member.flag_bits & 1:
        raise InputError(
            f"member {member.filename} of the archive is encrypted; unpack it with a program that takes the password"
        )


def _refuse_full_disk(needed: int, archive: Path, out: Path, *, exact: bool = False) -> None:
    """InputError where what the archive holds, as far as it is known, does not fit beside what is there already."""
    place = next(folder for folder in (out.absolute(), *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if needed <= free:
        return
    there = 0
    if not exact:  # compressed files are hardly larger when they are unpacked: videos cannot be compressed
        for folder, _, names in os.walk(out):
            there += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    if needed - there > free:
        done = f" beside the {_gib(there)} that are there" if there else ""
        raise InputError(
            f"{place} has {_gib(free)} free, but {archive.name} needs {'' if exact else 'about '}"
            f"{_gib(needed - there)}{done}; make room, or unpack to a larger disk"
        )


def _target(name: str, out: Path) -> Path:
    """Where a member goes; InputError where that is outside of `out`, by its name or through a link that is there."""
    path = PurePosixPath(name.replace("\\", "/"))
    target = out / path
    if path.is_absolute() or ".." in path.parts or re.match(r"^[A-Za-z]:", name):
        raise InputError(f"member {name} of the archive leads out of {out}; nothing of it is unpacked")
    if not target.resolve().is_relative_to(out.resolve()):
        raise InputError(f"member {name} of the archive leads out of {out} through a link there")
    return target


def _there(target: Path, size: int, state: Unpacking | None = None) -> bool:
    """True for a file that an earlier run has finished: files appear whole or not at all."""
    if target.is_dir():
        raise InputError(f"{target} is a folder where the archive has a file; remove it first")
    there = target.is_file() and target.stat().st_size == size
    if there and state is not None:
        state.kept += 1
        state.last = target
    return there


def _write(content: Any, target: Path, size: int, state: Unpacking) -> None:
    if state.folder != target.parent:
        state.folder, state.left = target.parent, leftovers(target.parent)
    for path in state.left.pop(target.name, ()):
        path.unlink(missing_ok=True)
    with atomic_path(target) as temporary:
        with temporary.open("wb") as file:
            shutil.copyfileobj(content, file, BLOCK)
        if (got := temporary.stat().st_size) != size:
            raise EOFError(f"{target.name} has {got} of {size} bytes")
    state.last = target
    state.written += 1
    state.bytes += size


def _kind(head: bytes) -> str | None:
    """The compression of a tar by its first bytes, "" for none; zip; None for what is neither."""
    starts = ((b"\x1f\x8b", "gz"), (b"BZh", "bz2"), (b"\xfd7zXZ", "xz"), (b"PK\x03\x04", "zip"), (b"PK\x07\x08", "zip"))
    for start, kind in starts:
        if head.startswith(start):
            return kind
    return "" if head[257:262] == b"ustar" else None


def _is_damage(err: BaseException) -> bool:
    """Of the errors of the system only those that decoders make themselves: they have no number."""
    return not isinstance(err, OSError) or err.errno is None


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 / 100 else f"{size} bytes"


def _said(err: BaseException) -> str:
    return str(err) or type(err).__name__

"""Files that are written whole or not at all: made under a temporary name beside the target, then renamed."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from syncam.errors import InputError

__all__ = ["atomic_dir", "atomic_path", "leftovers", "locked", "remove_leftovers", "write_json", "write_text"]

TEMPORARY = re.compile(r"^\.(.+)\.(\d+)\.[0-9a-f]{8}(?!\.old$)(\.[^.]+)?$")
"""The name, the process and the suffix of what the functions here write to; an old folder may be the only copy."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path with the suffix of `path`; success makes it replace `path`, any failure removes it."""
    path = _written_through(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{os.urandom(4).hex()}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: str | Path) -> Iterator[Path]:
    """Yields a temporary folder; success makes it `path` (replacing a folder there), any failure removes it.

    Raises NotADirectoryError at once if a file stands at `path`.
    """
    path = _written_through(path)
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file stands where a folder is to be written", str(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    old = temporary.with_name(temporary.name + ".old")
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():
            os.rename(path, old)
        os.rename(temporary, path)
    finally:
        if old.exists() and not path.exists():  # interrupted between the two renames: put the old folder back
            os.rename(old, path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def leftovers(folder: str | Path) -> dict[str, list[Path]]:
    """What processes that were killed have left of files in a folder, by the name of the file that it would have been.

    What a process that still runs is writing is left out; one of another machine cannot be seen.
    """
    found: dict[str, list[Path]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                # of our own number, too: in containers, a process started anew often has that of the old one
                if (match := TEMPORARY.match(entry.name)) and (int(match[2]) == os.getpid() or _dead(match[2])):
                    found.setdefault(match[1] + (match[3] or ""), []).append(Path(entry.path))
    except FileNotFoundError:
        pass
    return found


def _written_through(path: str | Path) -> Path:
    """`path`, or what it links to: a link stays a link. Its folder exists afterwards."""
    path = Path(path)
    path = path.resolve() if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def locked(path: str | Path, complaint: str) -> Iterator[None]:
    """Holds a file that exists, so that no other process holds it meanwhile; the system lets go of it for the dead.

    InputError with `complaint` while another process holds it. Nothing is held where a file system has no locks.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    while True:
        with open(path, "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                raise InputError(complaint) from err
            except OSError as err:
                if err.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    raise
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):  # not replaced while it was being opened
                yield
                return


def remove_leftovers(folder: str | Path, names: str) -> None:
    """Removes the `leftovers` of those targets in a folder whose names match the regular expression `names` in full.

    Call it where nobody else may be writing those targets, on another machine or in this process, as under a lock.
    """
    for name, paths in leftovers(folder).items():
        for path in paths if re.fullmatch(names, name) else ():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _dead(process: str) -> bool:
    if os.name != "posix":  # elsewhere signal 0 is not a question
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        return False
    return False

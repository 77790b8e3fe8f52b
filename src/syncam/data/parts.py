"""An archive that was cut into parts: which files they are, and reading them as one."""

import io
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

from syncam.cameras.formats.sequence import natural
from syncam.errors import InputError

__all__ = ["JoinedParts", "PartsInOrder", "find_parts"]

WHOLE = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
PART = re.compile(r"^(.+\.(?:tar|tar\.gz|tgz|tar\.bz2|tar\.xz|zip)[._-](?:part_?)?|.+[._-]part_?)([a-z]{2,3}|\d{2,4})$")
"""x.partaa, x.tar.gz.partaa, x.tar.gz.aa, x.zip.001, x.tar.gz.part_001: what all parts share, and the number."""
OF_SPLIT_ZIP = re.compile(r"\.z\d\d+$", re.IGNORECASE)
PROGRESS_BYTES = 2**20
CHUNK = 2**20


def find_parts(source: str | Path) -> list[Path]:
    """The parts of an archive in order, from the archive itself, any of its parts, or the folder that holds them.

    InputError names the parts that are missing between the first and the last, and empty ones.
    """
    source = Path(source)
    _refuse_split_zip(source)
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


class JoinedParts(io.RawIOBase):
    """Files one after the other as one that can be read and sought."""

    def __init__(self, paths: Sequence[Path], progress: Callable[[int, int], None] | None = None) -> None:
        self.paths = list(paths)
        self.sizes = [path.stat().st_size for path in paths]
        self._starts = [0, *accumulate(self.sizes)]
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
        number = self._number(self._position)
        if self._open is None or self._open[0] != number:
            self._close()
            self._open = (number, self.paths[number].open("rb"))
        file = self._open[1]
        file.seek(self._position - self._starts[number])
        view = memoryview(buffer)[: self._starts[number + 1] - self._position]
        view[:] = content = file.read(len(view))
        self._position += len(content)
        if self._progress is not None and self._position - self._told >= PROGRESS_BYTES:
            self._told = self._position
            self._progress(self._position // PROGRESS_BYTES, -(-self._starts[-1] // PROGRESS_BYTES))
        return len(content)

    @property
    def num_bytes(self) -> int:
        """Bytes of all parts."""
        return self._starts[-1]

    def suspects(self, start: int, stop: int) -> str:
        """Which parts are likely to be damaged, where that was noticed between two positions over all parts."""
        if short := self.short():
            return short
        first, last = self._number(max(0, start)), self._number(max(0, min(stop, self._starts[-1]) - 1))
        names = [str(path) for path in self.paths[first : last + 1]]
        shown = names if len(names) <= 4 else [*names[:2], "...", names[-1]]
        return f"{' or '.join(shown)} is cut short or damaged"

    def short(self) -> str:
        """Which parts before the last are shorter than most, in one sentence; "" for none: parts are cut alike."""
        *cut, last = self.sizes
        usual, count = Counter(cut).most_common(1)[0] if len(cut) > 1 else (last, 1)
        short = [path for path, size in zip(self.paths, cut, strict=False) if size < usual]
        if not short or 2 * count <= len(cut):
            return ""
        names = " and ".join(map(str, short[:3]))
        return f"{names} {'is' if len(short) == 1 else 'are'} cut short: other parts have {usual} bytes"

    def close(self) -> None:
        """Closes the part that is open."""
        self._close()
        super().close()

    def _number(self, position: int) -> int:
        return min(bisect_right(self._starts, position), len(self.paths)) - 1

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


class PartsInOrder:
    """Joined parts read once from the start on: never more of them than asked for, and never across two of them.

    `position` is the number of bytes that were given out: where a decoder is when it meets damage.
    """

    def __init__(self, joined: JoinedParts) -> None:
        self.position = 0
        self._joined = joined
        self._chunk, self._given = b"", 0

    def read(self, size: int = CHUNK) -> bytes:
        """Up to `size` of the next bytes of one part; none at the end."""
        if self._given == len(self._chunk):
            self._chunk, self._given = self._joined.read(CHUNK) or b"", 0
        content = self._chunk[self._given : self._given + size]
        self._given += len(content)
        self.position += len(content)
        return content


def _stem(file: Path) -> str:
    """A whole archive's name, or what the names of the parts of one share; "" of other files."""
    if file.name.endswith(WHOLE):
        return file.name
    found = PART.match(file.name)
    return found.group(1) if found else ""


def _refuse_split_zip(source: Path) -> None:
    folder, name = (source, "") if source.is_dir() else (source.parent, source.name)
    if name and not (name.lower().endswith(".zip") or OF_SPLIT_ZIP.search(name)):
        return
    stem = source.stem if name else None
    pieces = [file for file in folder.glob("*") if OF_SPLIT_ZIP.search(file.name) and stem in (None, file.stem)]
    if pieces:
        whole = pieces[0].with_suffix(".zip")
        raise InputError(
            f"{min(pieces)} is a piece of a split zip, which is not read; join the pieces first: "
            f"zip -s 0 {whole.name} --out joined.zip"
        )


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

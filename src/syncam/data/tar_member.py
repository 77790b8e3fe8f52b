"""A file inside a tar file, read where it lies."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncam.errors import InputError

__all__ = ["TarMember"]

BUFFER = 2**18


@dataclass(frozen=True)
class TarMember:
    """A stretch of a tar file, which has to be uncompressed; str() names both for people."""

    archive: Path
    name: str
    offset: int
    """Where its bytes begin in the archive."""
    size: int

    def __str__(self) -> str:
        return f"{self.name} in {self.archive}"

    def open(self) -> io.BufferedReader:
        """The file, to read and to seek in; InputError if the archive is gone or too short."""
        try:
            if self.archive.stat().st_size < self.offset + self.size:
                raise InputError(f"{self.archive} is cut short before the end of {self.name}; fetch it again")
            return io.BufferedReader(_Stretch(self), BUFFER)
        except FileNotFoundError as err:
            raise InputError(f"{self.archive} does not exist; expected the tar file with {self.name}") from err

    def read(self) -> bytes:
        """All of it."""
        with self.open() as file:
            return file.read()


class _Stretch(io.RawIOBase):
    """The bytes of a member as a file of its own."""

    def __init__(self, member: TarMember) -> None:
        self._file = member.archive.open("rb", buffering=0)
        self._start, self._size, self._position = member.offset, member.size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: max(0, self._size - self._position)]
        self._file.seek(self._start + self._position)
        count = self._file.readinto(view) or 0
        self._position += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()

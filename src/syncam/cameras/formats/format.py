"""What the table of camera formats says of one format."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from syncam.cameras.formats.named import NamedCameras

__all__ = ["Format", "Kept", "Layout"]

Kept = Literal["lens", "size", "names", "fps", "time"]
Layout = Literal["one file", "file per view", "either", "model folder"]


@runtime_checkable
class Reader(Protocol):
    """Reads one file, completed by `hw` and `focal_mm` as `named_cameras` says."""

    def __call__(
        self, path: Path, *, hw: tuple[int, int] | None = None, focal_mm: float | None = None
    ) -> NamedCameras: ...


@dataclass(frozen=True)
class Format:
    """One camera format: poses are kept by all of them, `keeps` says what else."""

    name: str
    about: str
    suffixes: tuple[str, ...]
    """How names of such files end; longer endings go before shorter ones. Empty: a folder."""
    keeps: frozenset[Kept]
    layout: Layout
    """one file: all views in one file; file per view: several views are a folder of files; either: both ways."""
    read: Reader
    write: Callable[[Path, NamedCameras], None]
    """Writes one file from cameras of one scene, with what the format keeps of their names, rate and times."""

    @property
    def ending(self) -> str:
        """The last part of the name of its files: .txt."""
        return Path("x" + self.suffixes[0]).suffix if self.suffixes else ""

"""Camera files of foreign formats, as the editor imports and exports them."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats import read_camera_file, write_extrinsics_json
from syncam.errors import InputError

__all__ = ["export_cameras", "formats", "import_cameras"]

SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._- ()")
MOST_FILES = 2000


@dataclass(frozen=True)
class Exchange:
    """One format: what the page says of it, the end of its files' names ("" for a folder), and how it is written."""

    about: str
    ending: Callable[[Cameras], str]
    write: Callable[[Path, Cameras, float | None], None]


def formats() -> dict[str, Exchange]:
    """All formats but our own, by name: those of syncam.cameras.formats.FORMATS where it has that table."""
    module = import_module("syncam.cameras.formats")
    if not hasattr(module, "FORMATS"):
        about = "camera_extrinsics.json of SynCamVideo and MultiCamVideo; keeps no lenses and no picture size"
        write = lambda path, cameras, fps: write_extrinsics_json(path, cameras)  # noqa: E731
        return {"syncamvideo": Exchange(about, lambda cameras: ".json", write)}

    def exchange(name: str) -> Exchange:
        kind = module.FORMATS[name]
        in_folder = kind.layout == "model folder"

        def ending(cameras: Cameras) -> str:
            return "" if in_folder or (kind.layout == "file per view" and cameras.num_views > 1) else kind.ending

        def write(path: Path, cameras: Cameras, fps: float | None) -> None:
            module.write_cameras(path, cameras, format=name, fps=fps if {"fps", "time"} & kind.keeps else None)

        return Exchange(kind.about, ending, write)

    return {name: exchange(name) for name in module.FORMATS if name != "syncam"}


def _read(path: Path, format: str | None, hw: tuple[int, int] | None, focal_mm: float | None) -> Cameras:
    module = import_module("syncam.cameras.formats")
    if hasattr(module, "read_cameras"):
        return module.read_cameras(path, format=format, hw=hw, focal_mm=focal_mm)
    return read_camera_file(path, hw=hw)


def import_cameras(
    files: Mapping[str, bytes], *, format: str | None, hw: tuple[int, int], focal_mm: float | None = None
) -> Cameras:
    """The cameras of one file, or of the files of a folder, by their names; `format` None finds out which it is.

    `hw` is the size of pictures for files that name none; others keep their own. The names are those that a browser
    gives: letters, digits and a few signs, or they are refused.
    """
    if format is not None and format not in {"syncam", *formats()}:
        raise InputError(f"unknown camera format {format!r}; known are syncam, {', '.join(formats())}")
    if not 1 <= len(files) <= MOST_FILES:
        raise InputError(f"import takes 1 to {MOST_FILES} files, got {len(files)}")
    for name in files:
        if not set(name) <= SAFE or name.startswith(".") or not 1 <= len(name) <= 200:
            raise InputError(f"file name {name!r} cannot be imported; use letters, digits and - _ . ( )")
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        path = Path(folder) / next(iter(files)) if len(files) == 1 else Path(folder)
        try:
            try:
                return _read(path, format, None, focal_mm)
            except InputError:
                return _read(path, format, hw, focal_mm)
        except InputError as err:
            shown = str(err).replace(f"{folder}/", "").replace(folder, "these files")
            raise InputError(shown) from err


def export_cameras(cameras: Cameras, format: str, fps: float | None) -> tuple[str, bytes]:
    """The name and the bytes of a file of that format; of a format of several files, a zip archive of them."""
    known = formats()
    if format not in known:
        raise InputError(f"unknown camera format {format!r}; known are {', '.join(known)}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"rig_{format}{known[format].ending(cameras)}"
        known[format].write(path, cameras, fps)
        if path.is_file():
            return path.name, path.read_bytes()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(path.rglob("*")):
                packed.write(file, file.relative_to(path))
        return f"{path.name}.zip", archive.getvalue()

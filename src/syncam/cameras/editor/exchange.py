"""Camera files of foreign formats, as the editor imports and exports them."""

import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from syncam.cameras.formats import FORMATS, Format, NamedCameras, read_named_cameras, write_named_cameras
from syncam.cameras.formats.named import is_file_name
from syncam.errors import InputError

__all__ = ["export_cameras", "formats", "import_cameras"]

MOST_FILES = 2000


def formats() -> dict[str, Format]:
    """All formats but our own, by name."""
    return {name: kind for name, kind in FORMATS.items() if name != "syncam"}


def import_cameras(
    files: Mapping[str, bytes], *, format: str | None, hw: tuple[int, int], focal_mm: float | None = None
) -> NamedCameras:
    """The cameras of one file, or of the files of a folder, by their names; `format` None finds out which it is.

    `hw` is the size of pictures for files that name none; others keep their own. The names are those that a browser
    gives: of files, without a folder, or they are refused.
    """
    if format is not None and format not in FORMATS:
        raise InputError(f"unknown camera format {format!r}; known are {', '.join(FORMATS)}")
    if not 1 <= len(files) <= MOST_FILES:
        raise InputError(f"import takes 1 to {MOST_FILES} files, got {len(files)}")
    for name in files:
        if not name or not name.isprintable() or not is_file_name(name):
            raise InputError(f"file name {name!r} cannot be imported; rename the file")
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        path = Path(folder) / next(iter(files)) if len(files) == 1 else Path(folder)
        try:
            try:
                return read_named_cameras(path, format=format, focal_mm=focal_mm)
            except InputError:
                return read_named_cameras(path, format=format, hw=hw, focal_mm=focal_mm)
        except InputError as err:
            shown = str(err).replace(f"{folder}/", "").replace(folder, "these files")
            raise InputError(shown) from err


def export_cameras(named: NamedCameras, format: str) -> tuple[str, bytes]:
    """The name and the bytes of a file of that format; of a format of several files, a zip archive of them.

    A single view in a format whose files hold one is called by the file's name, and the file by the view's.
    """
    known = formats()
    if format not in known:
        raise InputError(f"unknown camera format {format!r}; known are {', '.join(known)}")
    kind = known[format]
    name = f"rig_{format}{kind.ending}"
    if kind.layout == "file per view":
        name = f"rig_{format}" if named.cameras.num_views > 1 else f"{named.names[0]}{kind.ending}"
    if not is_file_name(name):
        raise InputError(f"{format} calls the file {name}, but no file can be called that; rename the camera")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_named_cameras(path, named, format=format)
        if path.is_file():
            return path.name, path.read_bytes()
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(path.rglob("*")):
                packed.write(file, file.relative_to(path))
        return f"{path.name}.zip", archive.getvalue()

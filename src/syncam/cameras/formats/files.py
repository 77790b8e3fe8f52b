"""Reading and writing camera files of any format."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.formats.detect import detect_format, formats_by_suffix, view_files
from syncam.cameras.formats.format import Format
from syncam.cameras.formats.named import NamedCameras, default_names, is_file_name
from syncam.cameras.formats.sequence import in_view_order
from syncam.cameras.formats.source import MAX_POSES, check_poses, some
from syncam.cameras.formats.table import FORMATS
from syncam.errors import InputError
from syncam.files import atomic_dir

__all__ = ["read_camera_file", "read_cameras", "read_named_cameras", "write_cameras", "write_named_cameras"]


def read_cameras(
    path: str | Path,
    *,
    format: str | None = None,
    cameras: Sequence[str] | None = None,
    frames: Sequence[int] | None = None,
    hw: tuple[int, int] | None = None,
    focal_mm: float | None = None,
) -> Cameras:
    """The cameras of a file of any format, in float64, OpenCV axes.

    `format` is a name in FORMATS; None finds it out. A path is a file, a COLMAP model folder, or a folder with a file
    per view of a format that holds one. `cameras` and `frames` choose by name and by number from 0, in the given
    order. `hw` is the size of the pictures at hand: needed where the file states none, else the lenses are scaled to
    it. `focal_mm`, on a sensor 23.76 mm wide, is needed where the file has no lens and refused where it has one.
    """
    rig = read_named_cameras(path, format=format, cameras=cameras, hw=hw, focal_mm=focal_mm).cameras
    if frames is not None:
        missing = [number for number in frames if not 0 <= number < rig.num_frames]
        if missing or not frames:
            raise InputError(f"{path} lacks frame {some(missing) or '(none chosen)'}; it has {rig.num_frames} frames")
        rig = rig.frames(list(frames))
    return rig


def read_named_cameras(
    path: str | Path,
    *,
    format: str | None = None,
    cameras: Sequence[str] | None = None,
    hw: tuple[int, int] | None = None,
    focal_mm: float | None = None,
) -> NamedCameras:
    """The same with their names, and with frames per second or times where the format keeps them."""
    path = Path(path)
    named = _read(path, format, hw, focal_mm)
    if cameras is None:
        return named
    unknown = [name for name in cameras if name not in named.names]
    if unknown or not cameras:
        raise InputError(f"{path} lacks camera {some(unknown) or '(none chosen)'}; it has {', '.join(named.names)}")
    return named.view([named.names.index(name) for name in cameras])


def _read(path: Path, format: str | None, hw: tuple[int, int] | None, focal_mm: float | None) -> NamedCameras:
    if not path.exists():
        raise InputError(f"camera file {path} does not exist; expected a rig JSON or another camera file")
    kind = _known(detect_format(path) if format is None else format)
    if path.is_dir() == (kind.layout == "model folder"):
        return kind.read(path, hw=hw, focal_mm=focal_mm)
    if not path.is_dir() or kind.layout == "one file":
        raise InputError(f"{path} is a {'folder' if path.is_dir() else 'file'}; {kind.name} is {_layout(kind)}")
    return _join(path, kind, hw, focal_mm)


def _join(path: Path, kind: Format, hw: tuple[int, int] | None, focal_mm: float | None) -> NamedCameras:
    """The views of a folder, in the natural order of their files' names, which are their names."""
    endings = {Path("x" + end).suffix for end in kind.suffixes}
    listed = view_files(path, endings)
    by_name = {file.stem: file for file in listed}
    if repeated := [file.stem for file in listed if by_name[file.stem] is not file]:
        raise InputError(f"{path} has more than one camera named {some(repeated)}")
    files = [by_name[name] for name in in_view_order(by_name)]
    if not files:
        raise InputError(f"{path} has no files that end in {' or '.join(sorted(endings))}; expected one per view")
    views = [replace(kind.read(file, hw=hw, focal_mm=focal_mm), names=(file.stem,)) for file in files]
    first = views[0]
    for file, view in zip(files, views, strict=True):
        if view.cameras.num_views != 1:
            raise InputError(f"{file} has {view.cameras.num_views} views; in a folder every file holds one")
        for about, own, expected in (
            ("frames", view.cameras.num_frames, first.cameras.num_frames),
            ("pictures of size (h, w)", view.cameras.hw, first.cameras.hw),
            ("times", view.times, first.times),
            ("frames per second", view.fps, first.fps),
        ):
            if own != expected:
                shown = f"{own}, but {files[0].name} has {expected}" if about != "times" else f"unlike {files[0].name}"
                raise InputError(f"{file} has {about} {shown}; synchronised views need the same")
    check_poses(path, len(views) * first.cameras.num_frames)
    c2w, K = (torch.cat([getattr(view.cameras, name) for view in views]) for name in ("c2w", "K"))
    return NamedCameras(tuple(file.stem for file in files), Cameras(c2w, K, first.cameras.hw), first.fps, first.times)


def write_cameras(path: str | Path, cameras: Cameras, *, format: str | None = None, fps: float | None = None) -> None:
    """Writes cameras of one scene in any format, whole or not at all; they are called cam01, cam02, ...

    `format` None goes by the end of the path's name. Of a format that holds one view per file, a path with a suffix is
    that file, whose name is the view's, and one without is a new folder with cam01.txt, cam02.txt, ... Poses are always
    kept; what else is says `FORMATS[format].keeps`. InputError where cameras cannot be held, and for `fps` where
    neither fps nor time is kept.
    """
    path = Path(path)
    kind = _known(_by_suffix(path) if format is None else format)
    if fps is not None:
        if not {"fps", "time"} & kind.keeps:
            raise InputError(f"{kind.name} keeps no frames per second; leave fps={fps:g} out")
        if not (math.isfinite(fps) and fps > 0):
            raise InputError(f"fps must be a positive number of frames per second, got {fps}")
    is_named_by_file = kind.layout == "either" and cameras.num_views == 1 and path.suffix
    names = (path.stem,) if is_named_by_file else default_names(cameras.num_views)
    write_named_cameras(path, NamedCameras(names, cameras, fps), format=kind.name)


def write_named_cameras(path: str | Path, named: NamedCameras, *, format: str | None = None) -> None:
    """The same with names, and with the frames per second or the times, as far as the format keeps them.

    InputError for names that are empty or stand there twice, and for those that a format with a file or folder per view
    cannot hold: names of files, which are read in their natural order.
    """
    path, cameras = Path(path), named.cameras
    kind = _known(_by_suffix(path) if format is None else format)
    if cameras.batch_shape:
        raise InputError(f"a camera file holds one scene, got cameras with batch dims {cameras.batch_shape}")
    if (total := cameras.num_views * cameras.num_frames) > MAX_POSES:
        raise InputError(f"a camera file holds up to {MAX_POSES} poses, got {total}; write fewer frames")
    _check_names(named)
    is_file = bool(path.suffix) and not path.is_dir()
    if kind.layout == "model folder" or (kind.layout != "one file" and not is_file):
        if path.is_dir() and any(path.iterdir()):
            raise InputError(f"{path} has files in it already; give a new folder to write {kind.name} to")
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; give a new folder to write {kind.name} to")
        _check_file_names(named.names, kind)
        if kind.layout == "model folder":
            return kind.write(path, named)
        with atomic_dir(path) as folder:
            for view, name in enumerate(named.names):
                kind.write(folder / f"{name}{kind.ending}", named.view([view]))
        return None
    if path.is_dir():
        raise InputError(f"{path} is a folder; {kind.name} is {_layout(kind)}")
    if kind.layout == "file per view" and cameras.num_views > 1:
        raise InputError(
            f"{kind.name} holds one view per file, got {cameras.num_views}; give a folder ({path.with_suffix('')})"
        )
    return kind.write(path, named)


def _check_names(named: NamedCameras) -> None:
    names = named.names
    if len(names) != named.cameras.num_views:
        raise InputError(f"{named.cameras.num_views} views need as many names, got {len(names)}: {some(list(names))}")
    if bad := [name for name in names if not name or name != name.strip() or not name.isprintable()]:
        raise InputError(f"{bad[0]!r} is no name of a view; expected printable text without spaces around it")
    if repeated := [name for index, name in enumerate(names) if name in names[:index]]:
        raise InputError(f"more than one view is named {some(repeated)}; give each a name of its own")


def _check_file_names(names: tuple[str, ...], kind: Format) -> None:
    """What only files and folders ask of names. In COLMAP's models, folders may lie in folders."""
    for name in names:
        if not all(map(is_file_name, name.split("/") if kind.layout == "model folder" else [name])):
            raise InputError(f"{kind.name} makes files of the views' names, but none can be called {name}; rename it")
    for name, read in zip(names, in_view_order(names), strict=True):
        if name != read:
            raise InputError(
                f"{kind.name} keeps views in the order of their names, but {name} stands before {read}; give them "
                "names that sort as they stand, such as "
                + ", ".join(f"{number}_{name}" for number, name in enumerate(names[:2], 1))
            )


def read_camera_file(
    path: str | Path, *, cameras: Sequence[str] | None = None, hw: tuple[int, int] | None = None
) -> Cameras:
    """The cameras of a file of any format that says which lenses they have, for pictures of size `hw`."""
    return read_cameras(path, cameras=cameras, hw=hw)


def _known(name: str) -> Format:
    if name not in FORMATS:
        raise InputError(f"unknown camera format {name!r}; the formats are {', '.join(FORMATS)}")
    return FORMATS[name]


def _by_suffix(path: Path) -> str:
    names = formats_by_suffix(path)
    if not names:
        raise InputError(f"{path.name} does not end like a camera file; say with format= which of {', '.join(FORMATS)}")
    if len(names) > 1:
        raise InputError(f"{path.name} could be {' or '.join(names)}; say which with format=")
    return names[0]


def _layout(kind: Format) -> str:
    return {
        "one file": "one file with all views",
        "file per view": "a file per view, or a folder of such files",
        "either": "a file, or a folder with a file per view",
        "model folder": "a folder with cameras and images, .txt or .bin",
    }[kind.layout]

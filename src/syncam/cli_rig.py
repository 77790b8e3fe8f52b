"""The verbs of `syncam rig`: typed functions without logic of their own, as in syncam.cli."""

from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Annotated, Any, Literal

from tyro.conf import FlagConversionOff, Positional, arg

from syncam.console import show as show_result
from syncam.errors import InputError
from syncam.rig_words import DEFAULT_RIG, rig_help

__all__ = ["RIG_VERBS"]

Spec = Annotated[Positional[str], arg(metavar="SPEC")]
Frames = Annotated[int | None, arg(help_behavior_hint="")]
Size = Annotated[str | None, arg(metavar="HxW", help_behavior_hint="")]
File = Annotated[Path | None, arg(help_behavior_hint="")]
Format = Annotated[
    Literal[
        "syncam",
        "syncamvideo",
        "realestate10k",
        "nerfstudio",
        "colmap",
        "tum",
        "npz",
        "spherical",
        "blender",
        "gltf",
        "csv",
    ]
    | None,
    arg(help_behavior_hint=""),
]


def show(spec: Spec, *, frames: Frames = None, size: Size = None, out: File = None, json: bool = False) -> None:
    """Show a camera rig as a table, and with --out as a picture: in space, from above and from the side.

    For example:
      $ syncam rig show hemisphere:views=4,radius=5,elevation=15,span=90
      $ syncam rig show "hemisphere:views=3,radius=5 then arc 30" --out rig.png
      $ syncam rig show camera_extrinsics.json#cam01,cam03 --size 480x832 --json

    {rigs}

    Args:
        spec: A rig in words or the path of a camera file; #cam01,cam03 behind a path chooses cameras.
        frames: Number of frames. Default: that of the file; 17 for a rig in words.
        size: Height and width of the pictures in pixels, such as 480x832. Default: that of the file; 128x128 for a rig
            in words.
        out: The PNG file to draw.
        json: Print the table as JSON.
    """
    from syncam.cameras.plot import draw_rig
    from syncam.cameras.rig import describe

    cameras = read(spec, frames, size)
    if out is not None:
        draw_rig(out, cameras)
    show_result(describe(cameras), as_json=json)


def make(
    spec: Spec, *, out: Path, frames: Frames = None, size: Size = None, format: Format = None, json: bool = False
) -> None:
    """Write a camera rig as a file, of our own format or another.

    For example:
      $ syncam rig make orbit:views=3,radius=5,elevation=20 --frames 81 --size 480x832 --out rig.json
      $ syncam rig make "still:radius=4 then dolly 1m speed=ease" --frames 81 --out dolly.json
      $ syncam rig make "preset 3" --frames 81 --size 480x832 --format syncamvideo --out camera_extrinsics.json

    Args:
        spec: A rig in words or the path of a camera file; see syncam rig show --help.
        out: The file to write; of formats that hold one camera per file, the folder.
        frames: Number of frames. Default: that of the file; 17 for a rig in words.
        size: Height and width of the pictures in pixels, such as 480x832. Default: that of the file; 128x128 for a rig
            in words.
        format: The format of the file. Default: told by the name; .json is our own, which keeps everything, but
            for names that are another format's, such as rig.blender.json and transforms.json.
        json: Print what was written as JSON.
    """
    from syncam.cameras.formats import write_named_cameras

    named = read_named(spec, frames, size)
    write_named_cameras(out, named, format=format)
    counts = {"views": named.cameras.num_views, "frames": named.cameras.num_frames}
    show_result({"file": str(out), **counts}, as_json=json)


def convert(
    file: Annotated[Positional[Path], arg(metavar="FILE")],
    *,
    out: Path,
    source: Format = None,
    format: Format = None,
    size: Size = None,
    focal: Annotated[float | None, arg(help_behavior_hint="")] = None,
    names: Annotated[str | None, arg(metavar="NAME,...", help_behavior_hint="")] = None,
    json: bool = False,
) -> None:
    """Turn a camera file of one format into another, with the names of the cameras and frames per second where the
    format keeps them; syncam's docs/camera-formats.md says what each of them keeps.

    For example:
      $ syncam rig convert transforms.json --out rig.json
      $ syncam rig convert camera_extrinsics.json --size 480x832 --format tum --out tum
      $ syncam rig convert path.txt --source tum --size 480x832 --focal 24 --out rig.json
      $ syncam rig convert rig.blender.json --names left,right --format tum --out tum

    Args:
        file: The file or folder to read; its format is told by its content.
        out: The file or folder to write.
        source: The format that is read, where the content leaves a doubt.
        format: The format to write. Default: told by the name, as in syncam rig make.
        size: Height and width of the pictures in pixels, for files that do not say it; otherwise K is scaled to it.
        focal: Focal length in millimetres on a sensor 23.76 mm wide, for files without a lens.
        names: Other names for all cameras, in their order, such as left,right. Default: those of the file.
        json: Print what was written as JSON.
    """
    import dataclasses

    from syncam.cameras.formats import detect_format, read_named_cameras, write_named_cameras

    read_as = source or detect_format(file)
    named = read_named_cameras(file, format=read_as, hw=picture_size(size), focal_mm=focal)
    if names is not None:
        named = dataclasses.replace(named, names=tuple(name.strip() for name in names.split(",")))
    write_named_cameras(out, named, format=format)
    counts = {"views": named.cameras.num_views, "frames": named.cameras.num_frames}
    show_result({"read": f"{file} ({read_as})", "file": str(out), **counts}, as_json=json)


def join(
    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILE...")],
    *,
    out: Path,
    size: Annotated[str, arg(metavar="HxW")],
    source_size: Size = None,
    frames: Frames = None,
    focal: Annotated[float | None, arg(help_behavior_hint="")] = None,
    format: Format = None,
    json: bool = False,
) -> None:
    """Join trajectories from several files to one rig: all cameras start at the same place, and go the ways of their
    files from there, as the two trajectories of Collaborative Video Diffusion do.

    For example:
      $ syncam rig join 2f25826f0d0ef09a.txt 2c80f9eb0d3b2bb4.txt --source-size 720x1280 --size 256x256 --out pair.json
      $ syncam rig join left.json right.json --size 480x832 --frames 16 --out both.json

    Args:
        files: Camera files of any format, with one camera or more each.
        out: The rig file to write.
        size: Height and width of the pictures to make: the largest middle part of the files' pictures that has these
            proportions.
        source_size: Height and width of the pictures of the files, where those do not say it, as RealEstate10K's,
            which are usually of 720x1280.
        frames: How many of the first frames to take. Default: all.
        focal: Focal length in millimetres on a sensor 23.76 mm wide, for files without a lens.
        format: The format of the file. Default: told by the name, as in syncam rig make.
        json: Print what was written as JSON.
    """
    from syncam.cameras.formats import write_named_cameras
    from syncam.data.joined import join_trajectories

    hw = picture_size(size)
    named = join_trajectories(files, hw=hw, source_hw=picture_size(source_size), num_frames=frames, focal_mm=focal)
    write_named_cameras(out, named, format=format)
    counts = {"views": named.cameras.num_views, "frames": named.cameras.num_frames}
    show_result({"file": str(out), **counts}, as_json=json)


def check(spec: Spec, *, frames: Frames = None, size: Size = None, adapter: File = None, json: bool = False) -> None:
    """Look for what is wrong with a rig: jumps, cameras under the ground or inside the subject, views without anything
    in common, motion that a model has not learnt. Ends with 1 if there are errors.

    Metres and degrees, in the world's coordinates; the subject is an ellipsoid at (0, 0, 0.8), 1 m wide and 1.6 m high.
    For example:
      $ syncam rig check rig.json
      $ syncam rig check "hemisphere:views=4,radius=5 then crane -2m" --frames 81
      $ syncam rig check rig.json --adapter view_sync --json

    Args:
        spec: A rig in words or the path of a camera file; see syncam rig show --help.
        frames: Number of frames. Default: that of the file; 17 for a rig in words.
        size: Height and width of the pictures in pixels, such as 480x832. Default: that of the file; 128x128 for a rig
            in words.
        adapter: The folder of an adapter whose trained_range.json says what it was trained with. Its lens is that of
            words that name none.
        json: Print the findings as JSON, with the share of the subject's surface that each pair of views sees.
    """
    import dataclasses
    import sys

    from syncam.cameras.check import check_rig
    from syncam.cameras.subject import Subject, shared_surface
    from syncam.cameras.trained_range import load_trained_range

    trained = None if adapter is None else load_trained_range(adapter)
    if adapter is not None and trained is None:
        raise InputError(f"{adapter} has no trained_range.json: it does not say which cameras it was trained with")
    cameras = read(spec, frames, size, focal_mm=None if trained is None else trained.lens_mm)
    findings = check_rig(cameras, trained=trained)
    shares = shared_surface(cameras, Subject())
    if json:
        found = [dataclasses.asdict(finding) for finding in findings]
        show_result(
            {"findings": found, "shared_surface": [[round(x, 4) for x in row] for row in shares.tolist()]}, as_json=True
        )
    else:
        lines = [f"{finding.severity}: {finding.message}" for finding in findings] or ["nothing found"]
        show_result("\n".join(lines), as_json=False)
        rows = [{"subject seen by": f"view {view + 1}"} | _shares(row) for view, row in enumerate(shares.tolist())]
        show_result(rows, as_json=False)
    if any(finding.severity == "error" for finding in findings):
        sys.exit(1)


def diff(
    one: Annotated[Positional[str], arg(metavar="SPEC")],
    other: Annotated[Positional[str], arg(metavar="SPEC")],
    *,
    relative: bool = False,
    frames: Frames = None,
    size: Size = None,
    json: bool = False,
) -> None:
    """Compare two rigs view by view: distances in metres, angles in degrees, focal lengths as a ratio less 1.

    For example:
      $ syncam rig diff hemisphere:radius=5 hemisphere:radius=5.5
      $ syncam rig diff rig.json camera_extrinsics.json --relative --size 480x832 --json

    Args:
        one: A rig in words or the path of a camera file.
        other: Another, with as many views, and as many frames or one.
        relative: Compare poses seen from the first view, which is what models are told: moving or turning a whole rig
            makes no difference then.
        frames: Number of frames. Default: that of the files; 17 for rigs in words.
        size: Height and width of the pictures in pixels. Default: those of the files; 128x128 for rigs in words.
        json: Print the table as JSON.
    """
    from syncam.cameras.difference import difference

    rows = difference(read(one, frames, size), read(other, frames, size), relative=relative)
    show_result(rows, as_json=json)


def edit(
    spec: Annotated[Positional[str], arg(metavar="SPEC")] = DEFAULT_RIG,
    *,
    out: File = None,
    frames: Frames = None,
    size: Size = None,
    port: int = 0,
    browser: Annotated[bool, FlagConversionOff, arg(metavar="True|False")] = True,
) -> None:
    """Edit a rig in the browser: drag cameras, set keys on a timeline, see every camera's picture.

    The page is served on this machine alone, and ends with its Done button or ctrl-C. For example:
      $ syncam rig edit
      $ syncam rig edit "hemisphere:views=3 then arc 30" --frames 81 --size 480x832 --out rig.json
      $ syncam rig edit rig.json --out rig.json --port 8123 --browser False

    Args:
        spec: A rig in words or the path of a camera file; see syncam rig show --help.
        out: The rig file (.json) that the page saves; without it, the page only downloads.
        frames: Number of frames. Default: that of the file; 17 for a rig in words.
        size: Height and width of the pictures in pixels, such as 480x832. Default: that of the file; 128x128 for a rig
            in words.
        port: The port to serve the page at. Default: any that is free.
        browser: Open the page in the browser; else only say where it is.
    """
    from syncam.cameras.editor import edit_rig

    saved = edit_rig(spec, out=out, num_frames=frames, hw=picture_size(size), port=port, open_browser=browser)
    if saved is not None:
        show_result({"file": str(saved)}, as_json=False)


def read(spec: str, frames: int | None, size: str | None, focal_mm: float | None = None) -> Any:
    """The cameras of a rig in words or in a file; words get 17 frames of 128x128 where nothing is said."""
    return read_named(spec, frames, size, focal_mm).cameras


def read_named(spec: str, frames: int | None, size: str | None, focal_mm: float | None = None) -> Any:
    """The same with their names."""
    from syncam.cameras.rig import preview_rig

    return preview_rig(spec, num_frames=frames, hw=picture_size(size), focal_mm=focal_mm)


def picture_size(size: str | None) -> Any:
    """(height, width) of "96x128"; None of None."""
    if size is None:
        return None
    height, _, width = size.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise InputError(f"--size must be height x width in pixels, such as 96x128, got {size!r}")
    return int(height), int(width)


def _shares(row: list[float]) -> dict[str, str]:
    return {f"and view {view + 1}": f"{100 * share:.0f} %" for view, share in enumerate(row)}


show.__doc__ = (show.__doc__ or "").replace("{rigs}", indent(rig_help(), "    ").strip())

RIG_VERBS: dict[str, Callable[..., None]] = {
    "show": show,
    "edit": edit,
    "make": make,
    "convert": convert,
    "join": join,
    "check": check,
    "diff": diff,
}

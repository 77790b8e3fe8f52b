"""Rigs in words, such as hemisphere:views=4,radius=5 then arc 30, and rigs in files."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from syncam.cameras import layouts, trajectories
from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import fov_deg
from syncam.cameras.formats import NamedCameras, read_named_cameras
from syncam.cameras.formats.named import default_names
from syncam.cameras.moves.perform import perform
from syncam.cameras.spec import read_spec
from syncam.cameras.spherical import common_target, to_spherical
from syncam.cameras.spreads import spread_out
from syncam.errors import InputError
from syncam.rig_words import DEFAULT_RIG, MOVE_WORDS, RIG_KEYS, RIG_WORDS, meant

__all__ = [
    "BUILDERS",
    "DEFAULT_RIG",
    "RIG_WORDS",
    "describe",
    "parse_named_rig",
    "parse_rig",
    "preview_rig",
    "rig_file",
]

BUILDERS: dict[str, Callable[..., Cameras]] = {
    "hemisphere": trajectories.hemisphere,
    "arc": trajectories.arc,
    "orbit": trajectories.orbit,
    "still": layouts.still,
    "linear": layouts.linear,
    "stereo": layouts.stereo,
    "film": layouts.film,
    "hemi36": layouts.hemi36,
    "az": partial(layouts.published, pattern="az", views=2, radius=4.0, elevation_deg=15.0),
    "el": partial(layouts.published, pattern="el", views=2, radius=5.0, elevation_deg=0.0),
    "dis": partial(layouts.published, pattern="dis", views=2, radius=4.0, elevation_deg=15.0),
    "circle": partial(spread_out, pattern="circle"),
    "upper_hemi": partial(spread_out, pattern="upper_hemi"),
    "interpolate": partial(spread_out, pattern="interpolate"),
}
"""The builders of the words in `rig_words.RIG_WORDS`."""


def parse_rig(
    spec: str, *, num_frames: int | None = None, hw: tuple[int, int] | None = None, focal_mm: float | None = None
) -> Cameras:
    """The cameras that `spec` describes, for a clip of `num_frames` pictures of size `hw`.

    `spec` is a layout, which is a rig word with optional keys or the path of a camera file of any format that says
    which lenses it has, with an optional #cam01,cam03 that chooses cameras; then moves, as in "hemisphere:views=3 then
    arc 30 then dolly 1m". Moves alone are those of a still camera. Words need `num_frames` and `hw`. Files have frames
    of their own, and some a size: None keeps them; otherwise a single frame is held for `num_frames`, and K is scaled
    to `hw`. `focal_mm` is the lens of words that name none; None: each word's own.
    InputError for unknown words and keys, with the ones that exist, and for another number of frames than the file's.
    """
    return parse_named_rig(spec, num_frames=num_frames, hw=hw, focal_mm=focal_mm).cameras


def parse_named_rig(
    spec: str, *, num_frames: int | None = None, hw: tuple[int, int] | None = None, focal_mm: float | None = None
) -> NamedCameras:
    """The same with the names, and the frames per second or times, that a file says; in words, names are cam01, ..."""
    parts = read_spec(spec)
    named = None
    if parts.file is not None:
        file, names = parts.file
        named = read_named_cameras(file, cameras=names, hw=hw)
        cameras = named.cameras
        if num_frames is not None:
            if cameras.num_frames not in (1, num_frames):
                raise InputError(
                    f"{file} has {cameras.num_frames} frames but the video has {num_frames}; "
                    f"ask for {cameras.num_frames} frames or give a rig of {num_frames}"
                )
            cameras = cameras.repeat_frames(num_frames)
        elif parts.steps and cameras.num_frames == 1:
            raise InputError(f"{file} has a single frame: say over how many frames it moves (num_frames, --frames)")
    else:
        cameras = _build(parts.layout, num_frames, hw, focal_mm)
    for step in parts.steps:
        cameras = perform(step, cameras)
    if named is None:
        return NamedCameras(default_names(cameras.num_views), cameras)
    times = named.times if cameras.num_frames == named.cameras.num_frames else None
    return replace(named, cameras=cameras, times=times)


def preview_rig(
    spec: str, *, num_frames: int | None = None, hw: tuple[int, int] | None = None, focal_mm: float | None = None
) -> NamedCameras:
    """The same, to look at before there are videos: words get 17 frames of 128x128 unless told otherwise."""
    if rig_file(spec) is None:
        num_frames, hw = 17 if num_frames is None else num_frames, hw or (128, 128)
    return parse_named_rig(spec, num_frames=num_frames, hw=hw, focal_mm=focal_mm)


def _build(layout: str, num_frames: int | None, hw: tuple[int, int] | None, focal_mm: float | None) -> Cameras:
    """The cameras of a layout in words."""
    word, _, rest = (part.strip() for part in layout.partition(":"))
    if word not in RIG_WORDS:
        known = f"known rigs: {', '.join(RIG_WORDS)}, or a camera file such as rig.json"
        known = f"{known}; known moves: {', '.join(MOVE_WORDS)}"
        first = word.partition(" ")[0]
        if first in MOVE_WORDS:
            raise InputError(
                f"{first} is a move, not a rig; expected a move such as '{first} {MOVE_WORDS[first].amount}'"
            )
        if first in RIG_WORDS:
            raise InputError(
                f"rig {first} is followed by {word[len(first) :].strip()!r}; keys come after a colon, moves after then"
            )
        raise InputError(f"unknown rig {word!r}{meant(first, [*RIG_WORDS, *MOVE_WORDS])}; {known}")
    keys = RIG_WORDS[word].keys
    given: dict[str, int | float] = {}
    for item in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, text = (part.strip() for part in item.partition("="))
        if key not in keys:
            raise InputError(f"rig {word} has no key {key!r}{meant(key, keys)}; its keys: {', '.join(keys)}")
        whole = RIG_KEYS[key].kind == "whole"
        try:
            value = int(text) if whole else float(text)
        except ValueError as err:
            kind = "a whole number" if whole else "a number"
            shown = text if equals else "nothing"
            raise InputError(f"rig {word}: {key} must be {kind} ({RIG_KEYS[key].about}), got {shown!r}") from err
        if key in given:
            raise InputError(f"rig {word}: {key} stands there twice, as {given[key]:g} and as {value:g}; keep one")
        given[key] = value
    if num_frames is None or hw is None:
        raise InputError(f"rig {word} needs num_frames and hw: words do not say how long and how large the videos are")
    lens = {} if focal_mm is None else {"focal": focal_mm}
    arguments = {RIG_KEYS[key].argument: value for key, value in (keys | lens | given).items()}
    return BUILDERS[word](**arguments, num_frames=num_frames, hw=hw)


def rig_file(spec: str) -> tuple[str, list[str] | None] | None:
    """The path and the chosen cameras (None: all) of a rig from a file; None for a rig in words."""
    return read_spec(spec).file


def describe(cameras: Cameras) -> list[dict[str, float | int | str | bool]]:
    """One row per view: azimuth and elevation as seen from the point all cameras look at, distance to it, lens, motion.

    Of the first frame; `travels_m` is the length of the camera's path. Where cameras have no common point in front of
    them (one camera, parallel or outward ones), they are measured from the target of the builders.
    """
    c2w = cameras.c2w.double()
    if cameras.batch_shape:
        raise InputError(f"describe shows one scene, got cameras with batch dims {cameras.batch_shape}")
    target, found = common_target(c2w[:, 0])
    if not found:
        target = torch.tensor(trajectories.TARGET, dtype=c2w.dtype, device=c2w.device)
    azimuth, elevation, distance = to_spherical(c2w[:, 0], target)
    azimuth = torch.where(azimuth < -179.9995, 180.0, azimuth)  # rounding noise decides the sign of a half turn
    travels = c2w[:, :, :3, 3].diff(dim=1).norm(dim=-1).sum(-1)
    return [
        {
            "view": view + 1,
            "azimuth_deg": _round(azimuth[view]),
            "elevation_deg": _round(elevation[view]),
            "distance_m": _round(distance[view]),
            "fov_deg": _round(fov_deg(float(cameras.K[view, 0, 0, 0]), cameras.hw[1])),
            "travels_m": _round(travels[view]),
        }
        for view in range(cameras.num_views)
    ]


def _round(number: torch.Tensor | float) -> float:
    return round(float(number), 3) + 0.0  # no -0.0

"""Rigs in words, such as hemisphere:views=4,radius=5,elevation=15,span=90, and rigs in files."""

import difflib
from collections.abc import Iterable
from pathlib import Path

import torch

from syncam.cameras import trajectories
from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import fov_deg
from syncam.cameras.formats import FORMATS, read_camera_file
from syncam.errors import InputError
from syncam.rig_words import DEFAULT_RIG, RIG_KEYS, RIG_WORDS

__all__ = ["DEFAULT_RIG", "RIG_WORDS", "describe", "parse_rig", "rig_file"]


def parse_rig(spec: str, *, num_frames: int | None = None, hw: tuple[int, int] | None = None) -> Cameras:
    """The cameras that `spec` describes, for a clip of `num_frames` pictures of size `hw`.

    `spec` is a rig word with optional keys, or the path of a camera file of any format that says which lenses it has,
    with an optional #cam01,cam03 that chooses cameras. Words need `num_frames` and `hw`. Files have frames of their
    own, and some a size: None keeps them; otherwise a single frame is held for `num_frames`, and K is scaled to `hw`.
    InputError for unknown words and keys, with the ones that exist, and for another number of frames than the file's.
    """
    if (in_file := rig_file(spec)) is not None:
        file, names = in_file
        cameras = read_camera_file(file, cameras=names, hw=hw)
        if num_frames is None:
            return cameras
        if cameras.num_frames not in (1, num_frames):
            raise InputError(
                f"{file} has {cameras.num_frames} frames but the video has {num_frames}; "
                f"ask for {cameras.num_frames} frames or give a rig of {num_frames}"
            )
        return cameras.repeat_frames(num_frames)
    word, _, rest = (part.strip() for part in spec.partition(":"))
    if word not in RIG_WORDS:
        known = ", ".join(RIG_WORDS)
        raise InputError(
            f"unknown rig {word!r}{_meant(word, RIG_WORDS)}; known rigs: {known}, or a camera file such as rig.json"
        )
    keys = RIG_WORDS[word].keys
    given: dict[str, int | float] = {}
    for item in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, text = (part.strip() for part in item.partition("="))
        if key not in keys:
            raise InputError(f"rig {word} has no key {key!r}{_meant(key, keys)}; its keys: {', '.join(keys)}")
        try:
            value = int(text) if key == "views" else float(text)
        except ValueError as err:
            kind = "a whole number" if key == "views" else "a number"
            shown = text if equals else "nothing"
            raise InputError(f"rig {word}: {key} must be {kind} ({RIG_KEYS[key].about}), got {shown!r}") from err
        if key in given:
            raise InputError(f"rig {word}: {key} stands there twice, as {given[key]:g} and as {value:g}; keep one")
        given[key] = value
    if num_frames is None or hw is None:
        raise InputError(f"rig {word} needs num_frames and hw: words do not say how long and how large the videos are")
    arguments = {RIG_KEYS[key].argument: value for key, value in (keys | given).items()}
    return getattr(trajectories, word)(**arguments, num_frames=num_frames, hw=hw)


def rig_file(spec: str) -> tuple[str, list[str] | None] | None:
    """The path and the chosen cameras (None: all) of a rig in a file; None for a rig in words."""
    file, mark, chosen = spec.rpartition("#")
    if not mark or Path(spec).is_file():
        file, chosen = spec, ""
    named_like_one = any(file.endswith(end) for format in FORMATS.values() for end in format.suffixes)
    if not (named_like_one or Path(file).is_file() or (file not in ("", *RIG_WORDS) and Path(file).is_dir())):
        return None
    return file, [name.strip() for name in chosen.split(",") if name.strip()] or None


def describe(cameras: Cameras) -> list[dict[str, float | int | str | bool]]:
    """One row per view: azimuth and elevation as seen from the point all cameras look at, distance to it, lens, motion.

    Of the first frame; `travels_m` is the length of the camera's path. Where cameras have no common point in front of
    them (one camera, parallel or outward ones), they are measured from the target of the builders.
    """
    c2w = cameras.c2w.double()
    if cameras.batch_shape:
        raise InputError(f"describe shows one scene, got cameras with batch dims {cameras.batch_shape}")
    offset = c2w[:, 0, :3, 3] - _common_target(c2w[:, 0])
    distance = offset.norm(dim=-1)
    azimuth = torch.rad2deg(torch.atan2(offset[:, 1], offset[:, 0]))
    azimuth = torch.where(azimuth < -179.9995, 180.0, azimuth)  # rounding noise decides the sign of a half turn
    elevation = torch.rad2deg(torch.asin((offset[:, 2] / distance.clamp(min=1e-9)).clamp(-1, 1)))
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


def _common_target(c2w: torch.Tensor) -> torch.Tensor:
    """The point nearest to all optical axes of c2w [V, 4, 4] in least squares, if it lies in front of all cameras."""
    position, forward = c2w[:, :3, 3], c2w[:, :3, 2]
    across = torch.eye(3, dtype=c2w.dtype) - forward[:, :, None] * forward[:, None, :]
    total = across.sum(0)
    if torch.linalg.eigvalsh(total)[0] > 1e-6:  # else the axes are parallel
        point = torch.linalg.solve(total, (across @ position[:, :, None]).sum(0)[:, 0])
        if (((point - position) * forward).sum(-1) > 0).all():
            return point
    return torch.tensor(trajectories.TARGET, dtype=c2w.dtype)


def _round(number: torch.Tensor | float) -> float:
    return round(float(number), 3) + 0.0  # no -0.0


def _meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""

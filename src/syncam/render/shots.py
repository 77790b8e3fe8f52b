"""The cameras of a scene, drawn by the rule of its data set."""

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from syncam.cameras.cameras import Cameras
from syncam.cameras.conventions import SENSOR_MM
from syncam.cameras.layouts import hemi36, still
from syncam.cameras.presets import PRESETS, preset
from syncam.cameras.rig import parse_named_rig, rig_file
from syncam.cameras.samplers import MULTICAM_RADII, sample_multicam, sample_syncam, sample_takes
from syncam.cameras.trajectories import TARGET
from syncam.errors import InputError
from syncam.render.framing import CLEAR_M
from syncam.render.generate import sample_cameras
from syncam.render.rules import HEMI36_RIGS, MULTICAM_LENSES, RADIUS, RULES, choice, lens_folder

if TYPE_CHECKING:
    from syncam.render.config import RenderConfig

__all__ = ["draw_cameras", "focused", "own_rig", "own_rig_folder", "own_rig_key", "redrawn"]

Point = tuple[float, float, float]
BASIC_METRES, BASIC_ELEVATION_DEG = 4.0, 15.0
"""Where the ten basic trajectories begin: high enough to go down by a metre, looking at the subject."""
NEAREST_FOCUS = 0.3


def draw_cameras(
    config: "RenderConfig", seed: int, *, scene: int | None = None, folder: int = 0, target: Point = TARGET
) -> Cameras:
    """Cameras by the config's rule, drawn with `seed`.

    scene: the seed of the scene, with which what its cameras share is drawn (None: `seed`); folder: which of the rule's
    folders it lies in; target: the middle of the subject, which all but a hemisphere and an own rig are about.
    """
    shape: dict[str, Any] = {"num_frames": config.num_frames, "hw": config.hw}
    if config.cameras == "hemisphere":
        hemisphere: dict[str, Any] = {"radius_m": config.radius, "elevation_deg": config.elevation_deg}
        hemisphere |= {"moving": config.moving, "focal_mm": config.focal_mm}
        return sample_cameras(seed, config.views, **shape, **hemisphere)
    if config.cameras == "syncamvideo":
        return sample_syncam(seed, views=config.views, **shape, target=target)
    if config.cameras == "multicamvideo":
        radius = MULTICAM_RADII[choice(seed if scene is None else scene, len(MULTICAM_RADII), RADIUS)]
        focal_mm, _ = MULTICAM_LENSES[folder]
        return sample_multicam(seed, views=config.views, **shape, target=target, radius=radius, focal_mm=focal_mm)
    if config.cameras == "takes":
        begin: dict[str, Any] = {"radius": config.radius, "elevation_deg": config.elevation_deg}
        begin |= {"focal_mm": config.focal_mm, "target": target}
        return sample_takes(seed, scene=scene, views=config.views, **shape, **begin)
    if config.cameras == "hemi36":
        radius, elevation_deg = HEMI36_RIGS[folder]
        return hemi36(radius=radius, elevation_deg=elevation_deg, target=target, **shape)
    if config.cameras == "basic":
        start = still(radius=BASIC_METRES, elevation_deg=BASIC_ELEVATION_DEG, target=target, **shape)
        rigs = [preset(start, name, distance=BASIC_METRES) for name in PRESETS]
        return replace(start, c2w=torch.cat([rig.c2w for rig in rigs]), K=torch.cat([rig.K for rig in rigs]))
    return own_rig(config.cameras, **shape, fps=config.fps)


def redrawn(cameras: Cameras, bad: list[int], others: Cameras) -> Cameras:
    """The rig with `others` in the places of its bad views."""
    c2w, K = cameras.c2w.clone(), cameras.K.clone()
    c2w[bad], K[bad] = others.c2w, others.K
    return replace(cameras, c2w=c2w, K=K)


def focused(cameras: Cameras, aperture: float, centre: np.ndarray) -> Cameras:
    """Cameras of that f-number, focused on the middle of the subject, centre [F, 3], at every frame."""
    away = torch.from_numpy(centre).to(cameras.c2w) - cameras.positions  # [V, F, 3]
    depth = (away * cameras.c2w[..., :3, 2]).sum(-1).clamp(min=NEAREST_FOCUS)
    return replace(cameras, aperture=torch.full_like(depth, aperture), focus_distance=depth)


def own_rig(spec: str, num_frames: int, hw: tuple[int, int], fps: float) -> Cameras:
    """The cameras of a rig in words or in a file, for clips of that length, size and rate.

    InputError where the file has other frames or, of cameras that move, another rate, and for cameras in the ground.
    """
    file = rig_file(spec)
    stamp = Path(file[0]).stat().st_mtime_ns if file is not None and Path(file[0]).exists() else 0
    return _own_rig(spec, num_frames, hw, fps, stamp)


@lru_cache(maxsize=4)
def _own_rig(spec: str, num_frames: int, hw: tuple[int, int], fps: float, stamp: int) -> Cameras:
    """The same, read once for each version of a file."""
    try:
        named = parse_named_rig(spec, num_frames=num_frames, hw=hw)
    except InputError as err:
        raise InputError(f"cameras {spec!r} are no rule ({', '.join(RULES)}) and, as a rig: {err}") from err
    cameras, moves = named.cameras, bool(named.cameras.c2w.diff(dim=1).any())
    if moves and named.rate is not None and abs(named.rate - fps) > 1e-3 * fps:
        raise InputError(f"cameras {spec!r} move at {named.rate:g} frames per second but fps is {fps:g}; make them one")
    low = cameras.positions[..., 2] < CLEAR_M - 1e-6
    if low.any():
        view, frame = low.nonzero()[0].tolist()
        metres = float(cameras.positions[view, frame, 2])
        raise InputError(
            f"cameras {spec!r}: {named.names[view]} is {metres:.2f} m above the ground in frame {frame}; "
            f"raise it to at least {CLEAR_M:g} m"
        )
    return cameras


def own_rig_folder(cameras: Cameras) -> str:
    """The folder of scenes seen by such a rig: that of its lens where it has one of a round focal length, else rig."""
    focal_mm = cameras.K[..., 0, 0].double() / cameras.hw[1] * SENSOR_MM
    usual = round(float(focal_mm.flatten()[0]), 1)
    return lens_folder(usual) if usual and float((focal_mm - usual).abs().max()) < 1e-3 else "rig"


def own_rig_key(cameras: Cameras) -> str:
    """What tells the rigs of two versions of a file apart."""
    numbers = b"".join(tensor.double().numpy().tobytes() for tensor in (cameras.c2w, cameras.K))
    return hashlib.sha256(numbers).hexdigest()[:16]

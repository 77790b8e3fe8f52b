"""What Blender is told: a folder with job.json and world.npz, and what it gives back: pictures and labels in frames/.

job.json   hw, num_views, num_frames, samples, seed, denoise, device, threads, passes, full, pattern_metres, sensor_mm,
           fps, assets, environment (None: sky and sun), lamp (colour, radiance and seen, linear) and, in order, name,
           kind, instance, casts_shadow of every solid
world.npz  of solid i: position{i}, normal{i}, triangles{i}, colour{i} and, of lamps, glow{i}, as `Solid` has them;
           light_*, as `Light` has them; ground_*; c2w [V, F, 4, 4] with OpenCV axes, K [V, F, 3, 3] pixels; with
           a depth of field also aperture (f-number) and focus_distance (metres), [V, F]
frames     v000_f0000.png: 8-bit sRGB; v000_f0000.npz: depth float32 [H, W] metres along the camera's z axis (inf in the
           sky), instance uint16 [H, W] (0 in the sky) and, where asked for, normal float32 [H, W, 3] in the world and
           flow_backward, flow_forward float32 [H, W, 2], pixels to where the same point is a frame before and after
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from syncam.cameras.conventions import SENSOR_MM
from syncam.errors import InputError
from syncam.files import atomic_dir, write_json
from syncam.render.asset_files import check_model, content_key
from syncam.render.assets import Character, Environment, Placed, Scenery
from syncam.render.grounds import PATTERN_METRES
from syncam.render.light import LAMP_COLOUR, LAMP_RADIANCE, LAMP_SEEN
from syncam.render.world import World

__all__ = ["Settings", "job_key", "make_job", "read_frame", "write_job"]

DEVICES = ("auto", "cpu", "gpu")
WORKER = Path(__file__).with_name("worker.py")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How Cycles renders."""

    samples: int = 16
    """Light paths per pixel."""
    denoise: bool = True
    """Clean the pictures with Open Image Denoise."""
    seed: int = 0
    """Seed of the light paths; the same in all frames, so that still things do not flicker."""
    device: str = "auto"
    """auto (an NVIDIA GPU where there is one), cpu or gpu."""
    threads: int | None = None
    """Processor threads; None: all."""

    def __post_init__(self) -> None:
        if self.samples < 1 or (self.threads is not None and self.threads < 1) or not 0 <= self.seed < 2**31:
            raise InputError(
                "samples and threads must be at least 1 and seed within 0..2147483647, "
                f"got samples {self.samples}, threads {self.threads}, seed {self.seed}"
            )
        if self.device not in DEVICES:
            raise InputError(f"device must be one of {', '.join(DEVICES)}, got {self.device!r}")


def make_job(
    world: World,
    c2w: np.ndarray,
    K: np.ndarray,
    hw: tuple[int, int],
    settings: Settings,
    passes: tuple[str, ...],
    aperture: np.ndarray | None = None,
    focus_distance: np.ndarray | None = None,
    placed: Sequence[Placed] = (),
    environment: Environment | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The content of job.json and of world.npz.

    passes: any of picture, normal, flow; depth and instances always come. aperture, focus_distance: [V, F], both or
    neither. placed: assets, whose instances follow the world's. InputError for a camera that Blender does not have.
    """
    _check_lenses(K, aperture, focus_distance)
    arrays = {"c2w": c2w, "K": K}
    if aperture is not None and focus_distance is not None:
        arrays |= {"aperture": np.asarray(aperture, float), "focus_distance": np.asarray(focus_distance, float)}
    for index, solid in enumerate(world.solids):
        for name in ("position", "normal", "triangles", "colour"):
            arrays[f"{name}{index}"] = getattr(solid, name)
        if solid.glow is not None:
            arrays[f"glow{index}"] = solid.glow
    arrays |= {f"light_{field.name}": getattr(world.light, field.name) for field in fields(world.light)}
    arrays |= {
        "ground_shift": np.array(world.ground_shift),
        "ground_texture": world.ground_texture,
    }
    job = {
        "hw": list(hw),
        "num_views": c2w.shape[0],
        "num_frames": c2w.shape[1],
        **asdict(settings),
        "passes": list(passes),
        "full": world.full,
        "pattern_metres": PATTERN_METRES,
        "sensor_mm": SENSOR_MM,
        "lamp": {"colour": LAMP_COLOUR.tolist(), "radiance": LAMP_RADIANCE, "seen": LAMP_SEEN.tolist()},
        "fps": _fps(world.times_s, placed),
        "assets": [_told(one, len(world.solids) + index + 1, world.times_s) for index, one in enumerate(placed)],
        "environment": None
        if environment is None
        else {
            "file": str(environment.file),
            "content": content_key(environment.file),
            "strength": environment.strength,
            "turn_deg": environment.turn_deg,
        },
        "solids": [
            {name: getattr(s, name) for name in ("name", "kind", "instance", "casts_shadow")} for s in world.solids
        ],
    }
    return job, arrays


def _told(one: Placed, instance: int, times_s: np.ndarray) -> dict[str, Any]:
    """An asset as the worker wants it."""
    clips = (one.asset.clips or {}) if isinstance(one.asset, Character) else {}
    return {
        **model(one.asset),
        "clip": None if one.clip is None else clips[one.clip],
        "instance": instance,
        "z": one.z,
        "rate": one.rate,
        "travel": one.travel,
        "places": one.places(times_s).tolist(),
    }


def model(asset: Scenery | Character) -> dict[str, Any]:
    """What the worker needs to import an asset, and a name for what its files hold, so that a job with another content
    is another job; InputError if it can be seen before that they will not do."""
    check_model(asset.file, asset.max_triangles)
    return {
        "file": str(asset.file),
        "content": content_key(asset.file),
        "scale": asset.scale,
        "up": asset.up,
        "turn_deg": asset.turn_deg,
        "usd_fps": (asset.fps if isinstance(asset, Character) else None) or 24.0,
        "max_triangles": asset.max_triangles,
    }


def _fps(times_s: np.ndarray, placed: Sequence[Placed]) -> float:
    """Frames per second: clips run at this rate."""
    if len(times_s) < 2:
        return 24.0
    steps = np.diff(times_s)
    if any(one.clip is not None for one in placed) and (steps.min() <= 0 or np.ptp(steps) > 1e-6):
        raise InputError("clips of assets need times that are equally far apart and rise")
    return float(1 / steps.mean()) if steps.mean() > 0 else 24.0


def _check_lenses(K: np.ndarray, aperture: np.ndarray | None, focus_distance: np.ndarray | None) -> None:
    if np.abs(K[..., 0, 1]).max() > 1e-9 or np.abs(K[..., 1, 0]).max() > 1e-9:
        raise InputError("K has skew, which Blender's cameras do not have; use the fast engine or cameras without skew")
    stretch = K[..., 0, 0] / K[..., 1, 1]
    if not ((stretch > 0.01) & (stretch < 100)).all():
        raise InputError(
            "Blender's pixels are at most 100 times as wide as high or as high as wide, "
            f"but K has fx / fy from {stretch.min():g} to {stretch.max():g}"
        )
    if (aperture is None) != (focus_distance is None):
        raise InputError("a depth of field needs both aperture and focus_distance")
    for name, values in (("aperture", aperture), ("focus_distance", focus_distance)):
        if values is not None and np.shape(values) != K.shape[:2]:
            raise InputError(f"{name} must be [V, F] = {K.shape[:2]}, got {np.shape(values)}")


def job_key(job: dict[str, Any], arrays: dict[str, np.ndarray], version: str) -> str:
    """A name that is the same for the same pictures: of the job, its arrays, the worker and Blender's version."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(WORKER.parent.glob("worker*.py"))))
    kept = {name: value for name, value in job.items() if name != "threads"}
    digest.update(json.dumps([kept, version], sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:32]


def write_job(folder: Path, job: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Writes the job's folder unless it is there: what was rendered in it is kept."""
    if folder.is_dir():
        write_json(folder / "job.json", job)  # another number of threads, maybe
        return
    with atomic_dir(folder) as temporary:
        write_json(temporary / "job.json", job)
        np.savez(temporary / "world.npz", allow_pickle=False, **arrays)


def read_frame(folder: Path, view: int, frame: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """uint8 [H, W, 3] of one picture of a finished job, and its labels [H, W, ...] by their names."""
    from PIL import Image

    path = folder / "frames" / f"v{view:03d}_f{frame:04d}.png"
    with Image.open(path) as picture, np.load(path.with_suffix(".npz")) as labels:
        return np.array(picture.convert("RGB")), dict(labels)

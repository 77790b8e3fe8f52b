"""The path that the camera of a video took, by structure from motion, and the same path without its shake."""

import tempfile
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from syncam.cameras.interpolate import interpolate_c2w
from syncam.cameras.rigid import compose_rigid, invert_rigid, rigid
from syncam.cameras.rotations import angle_deg
from syncam.data.frame_stream import FrameStream
from syncam.data.transforms import fit_pixels
from syncam.data.video import to_uint8
from syncam.errors import InputError
from syncam.optional import require

__all__ = ["estimate_path", "smoothed"]

MOST_FRAMES = 240
"""Of longer videos, every second frame is looked at, or every third, ..."""
LONG_SIDE = 640
"""Pixels that frames are scaled down to: enough to find a path."""
LEAST_FOUND = 0.5
"""Share of the frames whose cameras have to be found; those between are interpolated."""
TURN_FOR_LENS = 10.0
"""Degrees that a camera has to turn before its pictures tell the focal length: one that only travels sees a flat world
through a short lens as it sees a deep one through a long lens."""


def estimate_path(source: FrameStream, distance: float) -> Float[Tensor, "F 4 4"]:
    """c2w of the source's camera at every frame, relative to the first; needs pycolmap.

    The scale, which a video does not tell, is such that what the first frame shows is `distance` metres away, in the
    middle of all depths. InputError where too few frames can be placed: nothing moves, or everything does.
    """
    pycolmap = require("pycolmap", extra="stabilise")
    step = -(-source.length // MOST_FRAMES)
    with tempfile.TemporaryDirectory() as folder:
        numbers = _write_frames(source, step, Path(folder) / "frames")
        found = _reconstructed(pycolmap, Path(folder))
        poses = {} if found is None else _poses(found)
    if found is None or len(poses) < max(2, LEAST_FOUND * len(numbers)):
        raise InputError(
            f"{source.path}: the path of its camera cannot be found ({len(poses)} of {len(numbers)} frames placed); "
            "stabilise needs a camera that travels past a scene with detail; give moves, or a path of your own by --rig"
        )
    scale = distance / _middle_depth(found, min(poses))
    known = sorted(poses)
    c2w = torch.stack([poses[number] for number in known])
    c2w = compose_rigid(invert_rigid(c2w[:1]), c2w)
    c2w = rigid(c2w[:, :3, :3], c2w[:, :3, 3] * scale)
    return _at_all_frames(c2w, torch.tensor(known, dtype=torch.float64), source.length)


def smoothed(c2w: Float[Tensor, "F 4 4"], frames: float) -> Float[Tensor, "F 4 4"]:
    """A path whose poses are means over their neighbours, by a Gaussian with a deviation of so many frames.

    The first pose and the last stay: beyond them the path is thought to go on as its mirror image through them.
    """
    reach = min(len(c2w) - 1, round(3 * frames))
    if reach < 1:
        return c2w
    c2w = c2w.double()
    before, after = _mirrored(c2w[0], c2w[1 : reach + 1]).flip(0), _mirrored(c2w[-1], c2w[-reach - 1 : -1]).flip(0)
    whole = torch.cat([before, c2w, after])
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / frames) ** 2)
    windows = whole[:, :3].unfold(0, 2 * reach + 1, 1)  # [F, 3, 4, 2 reach + 1]
    mean = windows @ (weights / weights.sum())
    U, _, Vh = torch.linalg.svd(mean[..., :3])
    turn = torch.diag_embed(torch.stack([*[torch.ones(len(c2w)).double()] * 2, torch.linalg.det(U @ Vh)], -1))
    return rigid(U @ turn @ Vh, mean[..., 3])


def _mirrored(centre: Float[Tensor, "4 4"], c2w: Float[Tensor, "N 4 4"]) -> Float[Tensor, "N 4 4"]:
    """Poses on the other side of one: as far away, turned the other way."""
    rotation = centre[:3, :3] @ c2w[:, :3, :3].mT @ centre[:3, :3]
    return rigid(rotation, 2 * centre[:3, 3] - c2w[:, :3, 3])


def _write_frames(source: FrameStream, step: int, folder: Path) -> list[int]:
    """Every `step`th frame and the last, as pictures named by their numbers; returns the numbers."""
    folder.mkdir()
    scale = min(1.0, LONG_SIDE / max(source.hw))
    hw = (max(1, round(source.hw[0] * scale)), max(1, round(source.hw[1] * scale)))

    def small(pixels: UInt8[Tensor, "C H W"]) -> UInt8[Tensor, "C h w"]:
        return fit_pixels(pixels, hw)

    numbers = []
    for number, frame in enumerate(source.frames(small)):
        if number % step == 0 or number == source.length - 1:
            picture = to_uint8(frame).permute(1, 2, 0).contiguous().numpy()
            Image.fromarray(picture).save(folder / f"{number:08d}.png", compress_level=1)
            numbers.append(number)
    return numbers


def _reconstructed(pycolmap: Any, folder: Path) -> Any | None:
    """The largest reconstruction of the pictures in `folder`/frames; None where there is none."""
    database, frames, out = folder / "database.db", folder / "frames", folder / "out"
    out.mkdir()
    level, pycolmap.logging.minloglevel = pycolmap.logging.minloglevel, pycolmap.logging.FATAL.value
    try:
        reader = pycolmap.ImageReaderOptions(camera_model="SIMPLE_PINHOLE")
        device = pycolmap.Device.cpu
        pycolmap.extract_features(
            database, frames, camera_mode=pycolmap.CameraMode.SINGLE, reader_options=reader, device=device
        )
        geometry = pycolmap.TwoViewGeometryOptions(ransac={"random_seed": 0})
        pycolmap.match_sequential(database, verification_options=geometry, device=device)
        models = pycolmap.incremental_mapping(database, frames, out, _mapping(pycolmap)).values()
        largest = max(models, key=lambda one: one.num_reg_images(), default=None)
        if largest is not None and _turn(largest) > TURN_FOR_LENS:
            pycolmap.bundle_adjustment(largest, pycolmap.BundleAdjustmentOptions(print_summary=False))
        return largest
    except (RuntimeError, ValueError) as err:
        raise InputError(f"pycolmap fails: {' '.join(str(err).split())[:200]}") from err
    finally:
        pycolmap.logging.minloglevel = level


def _mapping(pycolmap: Any) -> Any:
    """Mapping that finds the same each time (one thread), and leaves the focal length at 1.2 times the long side."""
    options = pycolmap.IncrementalPipelineOptions(multiple_models=False, random_seed=0, num_threads=1)
    options.ba_refine_focal_length = options.mapper.abs_pose_refine_focal_length = False
    options.mapper.num_threads, options.mapper.random_seed = 1, 0
    return options


def _turn(reconstruction: Any) -> float:
    """Degrees between the first camera and the one turned furthest from it."""
    poses = _poses(reconstruction)
    c2w = torch.stack([poses[number] for number in sorted(poses)])
    return float(angle_deg(c2w[:1, :3, :3].mT @ c2w[:, :3, :3]).max())


def _poses(reconstruction: Any) -> dict[int, Float[Tensor, "4 4"]]:
    """c2w by number of frame, in the units of the reconstruction."""
    poses = {}
    for image in reconstruction.images.values():
        if image.has_pose:
            w2c = torch.from_numpy(image.cam_from_world().matrix()).double()
            poses[int(Path(image.name).stem)] = invert_rigid(rigid(w2c[:, :3], w2c[:, 3]))
    return poses


def _middle_depth(reconstruction: Any, number: int) -> float:
    """The median depth of the points that a frame sees, in the units of the reconstruction."""
    image = next(one for one in reconstruction.images.values() if int(Path(one.name).stem) == number)
    w2c = torch.from_numpy(image.cam_from_world().matrix()).double()
    seen = [reconstruction.points3D[p.point3D_id].xyz for p in image.points2D if p.has_point3D()]
    points = torch.tensor([list(xyz) for xyz in seen], dtype=torch.float64)
    return float((points @ w2c[2, :3] + w2c[2, 3]).median())


def _at_all_frames(
    c2w: Float[Tensor, "N 4 4"], numbers: Float[Tensor, " N"], num_frames: int
) -> Float[Tensor, "F 4 4"]:
    """Poses at every frame, of those at some: between them on the way from one to the next, outside as the nearest."""
    frames = torch.arange(num_frames, dtype=torch.float64)
    at = (torch.searchsorted(numbers, frames, right=True) - 1).clamp(0, len(numbers) - 2)
    share = ((frames - numbers[at]) / (numbers[at + 1] - numbers[at])).clamp(0, 1)
    whole = interpolate_c2w(c2w[at], c2w[at + 1], share)
    return compose_rigid(invert_rigid(whole[:1]), whole)

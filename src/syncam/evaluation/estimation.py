"""Cameras estimated from pictures: of two views from their matches, of a moving camera by global mapping."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor

from syncam.cameras.rigid import invert_rigid
from syncam.evaluation.matching import Matches
from syncam.evaluation.outcome import EstimateFailed
from syncam.optional import require

__all__ = [
    "PAIR_ESTIMATOR",
    "TRAJECTORY_ESTIMATOR",
    "RelativePose",
    "Trajectory",
    "estimate_relative_pose",
    "estimate_trajectory",
]

LEAST_INLIERS = 20
"""With fewer, some of the geometries that were found in renders were tens of degrees off."""
PAIR_ESTIMATOR = f"essential matrix, OpenCV MAGSAC++, at least {LEAST_INLIERS} inliers"
TRAJECTORY_ESTIMATOR = "pycolmap global mapping (GLOMAP), sequential matches"


@dataclass(frozen=True, eq=False)
class RelativePose:
    """[R | t] = w2c of the second camera times c2w of the first; the length of t cannot be known and is 1."""

    rotation: Float[Tensor, "3 3"]
    direction: Float[Tensor, "3"]
    num_inliers: int


def estimate_relative_pose(
    matches: Matches, first_K: Float[Tensor, "3 3"], second_K: Float[Tensor, "3 3"], threshold_px: float = 1.0
) -> RelativePose:
    """The relative pose of two cameras of known lenses; `threshold_px` is the noise of the matches.

    EstimateFailed where fewer than twenty matches agree with one essential matrix and lie before both cameras.
    """
    if len(matches) < LEAST_INLIERS:
        raise EstimateFailed("too few matches")
    cv2 = require("cv2", extra="evaluate")
    focal = float((first_K[0, 0] + first_K[1, 1] + second_K[0, 0] + second_K[1, 1]) / 4)
    points = []
    for uv, K in ((matches.first, first_K), (matches.second, second_K)):
        homogeneous = torch.nn.functional.pad(uv.double(), (0, 1), value=1.0)
        points.append((homogeneous @ torch.linalg.inv(K.double()).mT)[:, :2].mul(focal).contiguous().numpy())
    lens = np.diag([focal, focal, 1.0])
    cv2.setRNGSeed(0)
    try:
        essential, inliers = cv2.findEssentialMat(
            *points, cameraMatrix=lens, method=cv2.USAC_MAGSAC, prob=0.9999, threshold=threshold_px, maxIters=10_000
        )
    except cv2.error as err:  # degenerate points
        raise EstimateFailed("no geometry found") from err
    if essential is None or essential.shape != (3, 3):
        raise EstimateFailed("no geometry found")
    count, rotation, translation, _ = cv2.recoverPose(essential, *points, lens, mask=inliers.copy())
    if count < LEAST_INLIERS:
        raise EstimateFailed("too few inliers")
    return RelativePose(torch.from_numpy(rotation), torch.from_numpy(translation[:, 0]), int(count))


@dataclass(frozen=True, eq=False)
class Trajectory:
    """c2w in an arbitrary world and scale; the identity where a frame could not be placed, and `registered` False."""

    c2w: Float[Tensor, "F 4 4"]
    registered: Bool[Tensor, "F"]


def estimate_trajectory(
    video: Float[Tensor, "F C H W"],
    K: Float[Tensor, "3 3"] | None,
    still: Bool[Tensor, "F H W"] | None = None,
    seed: int = 0,
) -> Trajectory:
    """The path of the camera that filmed a video, by pycolmap's global mapper on SIFT keypoints.

    `K` is the lens of all frames; None estimates the focal length too, from a start of 1.2 times the larger side.
    `still` is True where the scene does not move; what moves would mislead the mapper. EstimateFailed where fewer
    than two frames can be placed, as of a camera that only turns.
    """
    pycolmap = require("pycolmap", extra="evaluate")
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
    height, width = video.shape[-2:]
    reader = pycolmap.ImageReaderOptions()
    if K is None:
        reader.camera_model = "SIMPLE_PINHOLE"
    else:
        reader.camera_model = "PINHOLE"
        reader.camera_params = ",".join(str(float(number)) for number in (K[0, 0], K[1, 1], K[0, 2], K[1, 2]))
    with tempfile.TemporaryDirectory(prefix="syncam-") as folder:
        pictures, masks, database = Path(folder, "pictures"), Path(folder, "masks"), Path(folder, "database.db")
        _write_pictures(pictures, rearrange((video * 255).round().clamp(0, 255).byte(), "F C H W -> F H W C"))
        if still is not None:
            _write_pictures(masks, still.byte() * 255)
            reader.mask_path = masks
        features = pycolmap.FeatureExtractionOptions()
        features.num_threads, features.use_gpu = 1, False
        features.sift.max_num_features = 4096
        matching = pycolmap.FeatureMatchingOptions()
        matching.num_threads, matching.use_gpu = 1, False
        verification = pycolmap.TwoViewGeometryOptions()
        verification.ransac.random_seed = seed
        mapping = pycolmap.GlobalPipelineOptions()
        mapping.num_threads, mapping.random_seed = 1, seed
        mapping.mapper.bundle_adjustment.refine_focal_length = K is None
        mapping.mapper.bundle_adjustment.refine_extra_params = False
        pycolmap.extract_features(
            database,
            pictures,
            camera_mode=pycolmap.CameraMode.SINGLE,
            reader_options=reader,
            extraction_options=features,
            device=pycolmap.Device.cpu,
        )
        pycolmap.match_sequential(
            database, matching_options=matching, verification_options=verification, device=pycolmap.Device.cpu
        )
        try:
            found = pycolmap.global_mapping(database, pictures, Path(folder, "model"), mapping)
        except (RuntimeError, ValueError) as err:  # no pair of frames has enough in common
            raise EstimateFailed("the mapper found no geometry") from err
    if not found:
        raise EstimateFailed("the mapper placed no frame")
    model = max(found.values(), key=lambda one: one.num_reg_images())
    w2c = torch.eye(4, dtype=torch.float64).repeat(len(video), 1, 1)
    registered = torch.zeros(len(video), dtype=torch.bool)
    for image in model.images.values():
        if image.has_pose:
            frame = int(Path(image.name).stem)
            w2c[frame, :3] = torch.from_numpy(np.array(image.cam_from_world().matrix()))
            registered[frame] = True
    if int(registered.sum()) < 2:
        raise EstimateFailed("the mapper placed fewer than two frames")
    return Trajectory(invert_rigid(w2c), registered)


def _write_pictures(folder: Path, pixels: Tensor) -> None:
    """A PNG for every frame; masks of 000001.png are called 000001.png.png, as COLMAP looks for them."""
    folder.mkdir()
    suffix = ".png.png" if pixels.ndim == 3 else ".png"
    for frame, picture in enumerate(pixels.numpy()):
        Image.fromarray(picture).save(folder / f"{frame:06d}{suffix}", compress_level=1)

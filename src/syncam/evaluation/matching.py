"""Points of two pictures that show the same thing: SIFT, mutual nearest neighbours, and which fit one geometry."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from syncam.optional import require

__all__ = ["DETECTOR", "MATCHER", "Keypoints", "Matches", "find_keypoints", "geometric_inliers", "match"]

CONTRAST, MOST_KEYPOINTS = 0.02, 4096
SMALL = 400
"""Pictures with a shorter side than that are looked at in twice their size, which gives twice the matches or more."""
DETECTOR = f"OpenCV SIFT (contrast {CONTRAST}, at most {MOST_KEYPOINTS}, doubled below {SMALL} px), RootSIFT"
RATIO = 0.8
MATCHER = f"mutual nearest, ratio {RATIO}"
LEAST_FOR_GEOMETRY = 8


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Points (x, y) in pixels, centres at +0.5, and their unit descriptors, strongest first."""

    uv: Float[Tensor, "N 2"]
    descriptors: Float[Tensor, "N 128"]


@dataclass(frozen=True, eq=False)
class Matches:
    """Pixels of a first and of a second picture that are taken for the same point."""

    first: Float[Tensor, "M 2"]
    second: Float[Tensor, "M 2"]

    def __len__(self) -> int:
        return len(self.first)

    def at(self, chosen: Bool[Tensor, "M"]) -> "Matches":
        """Some of them."""
        return Matches(self.first[chosen], self.second[chosen])


def find_keypoints(picture: Float[Tensor, "C H W"]) -> Keypoints:
    """SIFT keypoints of a picture in [0, 1]; descriptors as RootSIFT (Arandjelovic 2012)."""
    cv2 = require("cv2", extra="evaluate")
    pixels = (picture * 255).round().clamp(0, 255).byte().permute(1, 2, 0).contiguous().numpy()
    sift = cv2.SIFT_create(
        nfeatures=MOST_KEYPOINTS, contrastThreshold=CONTRAST, enable_precise_upscale=True
    )  # without precise upscaling all points are half a pixel of the doubled picture off
    gray, scale = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), 2 if min(picture.shape[-2:]) < SMALL else 1
    gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    points, descriptors = sift.detectAndCompute(gray, None)
    if not points:
        return Keypoints(torch.zeros(0, 2), torch.zeros(0, 128))
    order = np.argsort([-point.response for point in points], kind="stable")
    uv = torch.tensor(np.array([points[i].pt for i in order]), dtype=torch.float32).add(0.5) / scale
    raw = torch.from_numpy(np.ascontiguousarray(descriptors[order])).float()
    return Keypoints(uv, (raw / raw.sum(1, keepdim=True).clamp(min=1e-9)).sqrt())


def match(first: Keypoints, second: Keypoints, ratio: float = RATIO) -> Matches:
    """Pairs that are each other's nearest descriptor, and nearer than `ratio` times the second nearest one."""
    if min(len(first.uv), len(second.uv)) < 2:
        return Matches(torch.zeros(0, 2), torch.zeros(0, 2))
    alike = first.descriptors @ second.descriptors.mT  # of unit vectors: |a - b|^2 = 2 - 2 a.b
    best, index = alike.topk(2, dim=1)
    distance = (2 - 2 * best).clamp(min=0).sqrt()
    mutual = alike.argmax(0)[index[:, 0]] == torch.arange(len(first.uv))
    chosen = mutual & (distance[:, 0] < ratio * distance[:, 1])
    return Matches(first.uv[chosen], second.uv[index[chosen, 0]])


def geometric_inliers(matches: Matches, threshold_px: float = 1.0) -> Bool[Tensor, "M"]:
    """Which matches one fundamental matrix agrees with, found by MAGSAC++ (OpenCV); none of fewer than eight."""
    cv2 = require("cv2", extra="evaluate")
    nothing = torch.zeros(len(matches), dtype=torch.bool)
    if len(matches) < LEAST_FOR_GEOMETRY:
        return nothing
    first, second = matches.first.double().numpy(), matches.second.double().numpy()
    cv2.setRNGSeed(0)
    try:
        _, inliers = cv2.findFundamentalMat(first, second, cv2.USAC_MAGSAC, threshold_px, 0.9999, 10_000)
    except cv2.error:  # degenerate points
        return nothing
    return nothing if inliers is None else torch.from_numpy(inliers.reshape(-1).astype(bool))

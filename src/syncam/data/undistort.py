"""Pictures of a lens with distortion, as a pinhole would have taken them."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["undistort"]


def undistort(
    picture: UInt8[Tensor, "C H W"], K: Float[Tensor, "3 3"], distortion: tuple[float, float, float, float]
) -> UInt8[Tensor, "C H W"]:
    """The picture of the pinhole K, from one of the lens K with k1, k2, p1, p2 of OpenCV; black where it saw nothing.

    K is in pixels of the picture, with pixel centres at +0.5.
    """
    k1, k2, p1, p2 = distortion
    height, width = picture.shape[-2:]
    fx, fy, cx, cy = (float(K[i, j]) for i, j in ((0, 0), (1, 1), (0, 2), (1, 2)))
    y, x = torch.meshgrid(
        (torch.arange(height, dtype=torch.float64) + 0.5 - cy) / fy,
        (torch.arange(width, dtype=torch.float64) + 0.5 - cx) / fx,
        indexing="ij",
    )
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2 * r2
    distorted_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    distorted_y = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    # grid_sample counts from -1 at the left edge of the picture to 1 at its right edge
    grid = torch.stack([2 * (distorted_x * fx + cx) / width - 1, 2 * (distorted_y * fy + cy) / height - 1], -1)
    sampled = F.grid_sample(picture[None].float(), grid[None].float(), mode="bilinear", align_corners=False)
    return sampled[0].round().clamp(0, 255).to(torch.uint8)

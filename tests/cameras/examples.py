"""Cameras that the tests of this folder share."""

from pathlib import Path

import torch
from torch import Tensor

from syncam.cameras import Cameras
from tiny import seeded

DATA = Path(__file__).parents[1] / "data"
HW = (48, 80)


def random_rotations(*shape: int, seed: int = 0) -> Tensor:
    """Proper rotations [*shape, 3, 3] in float64."""

    def build() -> Tensor:
        q = torch.linalg.qr(torch.randn(*shape, 3, 3, dtype=torch.float64)).Q
        return q * torch.linalg.det(q)[..., None, None]

    return seeded(build, seed)


def random_cameras(
    views: int, frames: int = 5, batch: tuple[int, ...] = (), hw: tuple[int, int] = HW, seed: int = 0
) -> Cameras:
    """Cameras in any place and direction, every frame with a lens of its own."""
    shape = (*batch, views, frames)
    c2w = torch.eye(4, dtype=torch.float64).repeat(*shape, 1, 1)
    c2w[..., :3, :3] = random_rotations(*shape, seed=seed)
    c2w[..., :3, 3] = seeded(lambda: torch.randn(*shape, 3, dtype=torch.float64) * 3, seed + 1)
    K = torch.eye(3, dtype=torch.float64).repeat(*shape, 1, 1)
    K[..., :2, :2] *= 40 + 30 * seeded(lambda: torch.rand(*shape, 1, 1, dtype=torch.float64), seed + 2)
    K[..., 0, 2], K[..., 1, 2] = hw[1] / 2, hw[0] / 2
    return Cameras(c2w, K, hw)

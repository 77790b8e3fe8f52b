"""Adapters, cameras and inputs that the tests of AnimateDiff's adapters share."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from syncam.adapters import EpipolarSyncAdapter, PlueckerAdapter
from syncam.cameras.cameras import Cameras
from tiny import TEXT_DIM, seeded

SIZES: dict[type, dict[str, Any]] = {
    PlueckerAdapter: {"num_heads": 2, "max_frames": 8},
    EpipolarSyncAdapter: {"num_heads": 2, "norm_groups": 4, "trained_size": 64},
}
every_adapter = pytest.mark.parametrize("kind", SIZES)
GRID = (4, 6)  # of latents: pictures of 32 x 48


def fresh(kind: Any, unet: nn.Module, **settings: Any) -> Any:
    return kind.from_transformer(unet, **SIZES[kind] | settings)


def trained(kind: Any, unet: nn.Module, seed: int = 3, **settings: Any) -> Any:
    """An adapter whose every weight is drawn at random, so that none is without effect."""

    def build() -> Any:
        adapter = fresh(kind, unet, **settings)
        for parameter in adapter.parameters():
            nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
        return adapter

    return seeded(build, seed)


def rig(*views: int, num_frames: int = 3, seed: int = 5, grid: tuple[int, int] = GRID) -> Cameras:
    """Cameras [*views, F] that start at the identity and move and turn away from it, each its own way."""

    def build() -> Cameras:
        h, w = (8 * size for size in grid)
        step = torch.randn(*views, 1, 6) * 0.2 * torch.arange(num_frames)[:, None]
        c2w = torch.eye(4).repeat(*views, num_frames, 1, 1)
        turn = torch.zeros(*views, num_frames, 3, 3)
        turn[..., 0, 1], turn[..., 0, 2], turn[..., 1, 2] = step[..., 0], step[..., 1], step[..., 2]
        c2w[..., :3, :3] = torch.linalg.matrix_exp(0.3 * (turn - turn.mT))
        c2w[..., :3, 3] = step[..., 3:]
        K = torch.tensor([[0.9 * w, 0.0, w / 2], [0.0, 0.9 * w, h / 2], [0.0, 0.0, 1.0]])
        return Cameras(c2w=c2w, K=K.expand(*c2w.shape[:-2], 3, 3), hw=(h, w))

    return seeded(build, seed)


def inputs(batch: int, num_frames: int = 3, grid: tuple[int, int] = GRID, seed: int = 7) -> dict[str, Tensor]:
    """Keyword arguments for tiny_motion_unet, a different text for every item of the batch."""

    def build() -> dict[str, Tensor]:
        return {
            "sample": torch.randn(batch, 4, num_frames, *grid),
            "timestep": torch.tensor(601),
            "encoder_hidden_states": torch.randn(batch, 5, TEXT_DIM).repeat_interleave(num_frames, 0),
        }

    return seeded(build, seed)


def run(unet: nn.Module, kwargs: dict[str, Tensor]) -> Tensor:
    return unet(**kwargs, return_dict=False)[0]


def take(kwargs: dict[str, Tensor], items: list[int]) -> dict[str, Tensor]:
    """The inputs of some items of the batch."""
    num_frames = kwargs["sample"].shape[2]
    text = kwargs["encoder_hidden_states"].unflatten(0, (-1, num_frames))[items].flatten(0, 1)
    return kwargs | {"sample": kwargs["sample"][items], "encoder_hidden_states": text}


class PerFrameNorm(nn.GroupNorm):
    """A group norm of [B, C, F, H, W] that knows of one frame at a time."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([super(PerFrameNorm, self).forward(frame) for frame in x.unbind(2)], dim=2)


def with_norms_per_frame(unet: nn.Module, kwargs: dict[str, Tensor]) -> Tensor:
    """What the stock UNet gives with the motion modules' norms over each frame alone."""
    norms: list[Any] = [module.norm for module in unet.modules() if type(module).__name__ == "AnimateDiffTransformer3D"]
    for norm in norms:
        norm.__class__ = PerFrameNorm
    try:
        return run(unet, kwargs)
    finally:
        for norm in norms:
            norm.__class__ = nn.GroupNorm

"""The I3D network of FVD (Carreira and Zisserman 2017): 400 logits of Kinetics.

Tensors are called as in the published PyTorch conversion, such as i3d_pretrained_400.pt.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["LEAST_FRAMES", "I3d"]

SIDE = 224
LEAST_FRAMES = 10
"""Of fewer, nothing is left after three halvings in time."""
WIDTHS = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}
POOLS = {"Mixed_3b": ((1, 3, 3), (1, 2, 2)), "Mixed_4b": ((3, 3, 3), (2, 2, 2)), "Mixed_5b": ((2, 2, 2), (2, 2, 2))}
"""What comes before a block: kernel and stride."""


def _same(x: Tensor, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> Tensor:
    """Zeros around, as TensorFlow's SAME adds them: of an odd number, one more at the end."""
    edges: list[int] = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        missing = max(k - (s if size % s == 0 else size % s), 0)
        edges = [missing // 2, missing - missing // 2, *edges]  # F.pad starts with the last dim
    return F.pad(x, edges)


class ConvUnit(nn.Module):
    """Convolution, batch normalisation, ReLU; the logits have a bias instead of the latter two."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1, plain: bool = False):
        super().__init__()
        self.kernel, self.stride = (kernel, kernel, kernel), (stride, stride, stride)
        self.conv3d = nn.Conv3d(channels, width, kernel, stride, bias=plain)
        self.bn = None if plain else nn.BatchNorm3d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv3d(_same(x, self.kernel, self.stride))
        return x if self.bn is None else F.relu(self.bn(x))


class Block(nn.Module):
    def __init__(self, channels: int, one: int, mid3: int, three: int, mid5: int, five: int, pool: int):
        super().__init__()
        self.b0 = ConvUnit(channels, one, 1)
        self.b1a, self.b1b = ConvUnit(channels, mid3, 1), ConvUnit(mid3, three, 3)
        self.b2a, self.b2b = ConvUnit(channels, mid5, 1), ConvUnit(mid5, five, 3)
        self.b3b = ConvUnit(channels, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.max_pool3d(_same(x, (3, 3, 3), (1, 1, 1)), 3, 1)
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(pooled)], 1)


class I3d(nn.Module):
    """Videos in [0, 1] to 400 logits, after StyleGAN-V: all frames, each scaled to 224x224, pixels in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = ConvUnit(3, 64, 7, 2)
        self.Conv3d_2b_1x1, self.Conv3d_2c_3x3 = ConvUnit(64, 64, 1), ConvUnit(64, 192, 3)
        for name, widths in WIDTHS.items():
            self.add_module(name, Block(*widths))
        self.logits = ConvUnit(1024, 400, 1, plain=True)

    def forward(self, videos: Float[Tensor, "N F 3 H W"]) -> Float[Tensor, "N 400"]:
        frames = rearrange(videos, "N F C H W -> (N F) C H W")
        frames = F.interpolate(frames, (SIDE, SIDE), mode="bilinear", align_corners=False)
        x = rearrange(frames * 2 - 1, "(N F) C H W -> N C F H W", N=len(videos))
        x = self.Conv3d_1a_7x7(x)
        x = F.max_pool3d(_same(x, (1, 3, 3), (1, 2, 2)), (1, 3, 3), (1, 2, 2))
        x = self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x))
        for name in WIDTHS:
            if name in POOLS:
                kernel, stride = POOLS[name]
                x = F.max_pool3d(_same(x, kernel, stride), kernel, stride)
            x = self.get_submodule(name)(x)
        x = F.avg_pool3d(x, (2, 7, 7), 1)
        return self.logits(x).mean((2, 3, 4))

"""The Inception network of FID: that of 2015 in TensorFlow, whose layers differ from today's in their pooling.

Tensors are called as in the published conversions, such as pt_inception-2015-12-05-6726825d.pth.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["FidInception", "resized_as_tensorflow_1"]

SIDE = 299


class ConvUnit(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, channels: int, width: int, kernel: int | tuple[int, int], stride: int = 1, same: bool = False):
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if same else 0
        self.conv = nn.Conv2d(channels, width, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(width, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


def _mean_pool(x: Tensor) -> Tensor:
    """Of the pixels that there are: zeros beyond the border do not count."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class BlockA(nn.Module):
    def __init__(self, channels: int, pool: int):
        super().__init__()
        self.branch1x1 = ConvUnit(channels, 64, 1)
        self.branch5x5_1, self.branch5x5_2 = ConvUnit(channels, 48, 1), ConvUnit(48, 64, 5, same=True)
        self.branch3x3dbl_1 = ConvUnit(channels, 64, 1)
        self.branch3x3dbl_2, self.branch3x3dbl_3 = ConvUnit(64, 96, 3, same=True), ConvUnit(96, 96, 3, same=True)
        self.branch_pool = ConvUnit(channels, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        wide = self.branch5x5_2(self.branch5x5_1(x))
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), wide, twice, self.branch_pool(_mean_pool(x))], 1)


class BlockB(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.branch3x3 = ConvUnit(channels, 384, 3, 2)
        self.branch3x3dbl_1 = ConvUnit(channels, 64, 1)
        self.branch3x3dbl_2, self.branch3x3dbl_3 = ConvUnit(64, 96, 3, same=True), ConvUnit(96, 96, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), twice, F.max_pool2d(x, 3, 2)], 1)


class BlockC(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        row, column = (1, 7), (7, 1)
        self.branch1x1 = ConvUnit(768, 192, 1)
        self.branch7x7_1, self.branch7x7_2 = ConvUnit(768, width, 1), ConvUnit(width, width, row, same=True)
        self.branch7x7_3 = ConvUnit(width, 192, column, same=True)
        self.branch7x7dbl_1, self.branch7x7dbl_2 = ConvUnit(768, width, 1), ConvUnit(width, width, column, same=True)
        self.branch7x7dbl_3 = ConvUnit(width, width, row, same=True)
        self.branch7x7dbl_4 = ConvUnit(width, width, column, same=True)
        self.branch7x7dbl_5 = ConvUnit(width, 192, row, same=True)
        self.branch_pool = ConvUnit(768, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        once = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), once, twice, self.branch_pool(_mean_pool(x))], 1)


class BlockD(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branch3x3_1, self.branch3x3_2 = ConvUnit(768, 192, 1), ConvUnit(192, 320, 3, 2)
        self.branch7x7x3_1, self.branch7x7x3_2 = ConvUnit(768, 192, 1), ConvUnit(192, 192, (1, 7), same=True)
        self.branch7x7x3_3, self.branch7x7x3_4 = ConvUnit(192, 192, (7, 1), same=True), ConvUnit(192, 192, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        long = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([self.branch3x3_2(self.branch3x3_1(x)), long, F.max_pool2d(x, 3, 2)], 1)


class BlockE(nn.Module):
    """The last one takes the largest of its neighbours, not their mean."""

    def __init__(self, channels: int, last: bool):
        super().__init__()
        row, column = (1, 3), (3, 1)
        self.last = last
        self.branch1x1, self.branch3x3_1 = ConvUnit(channels, 320, 1), ConvUnit(channels, 384, 1)
        self.branch3x3_2a, self.branch3x3_2b = (ConvUnit(384, 384, sides, same=True) for sides in (row, column))
        self.branch3x3dbl_1, self.branch3x3dbl_2 = ConvUnit(channels, 448, 1), ConvUnit(448, 384, 3, same=True)
        self.branch3x3dbl_3a, self.branch3x3dbl_3b = (ConvUnit(384, 384, sides, same=True) for sides in (row, column))
        self.branch_pool = ConvUnit(channels, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        once, twice = self.branch3x3_1(x), self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, 1, 1) if self.last else _mean_pool(x)
        parts = [self.branch1x1(x), self.branch3x3_2a(once), self.branch3x3_2b(once)]
        parts += [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice), self.branch_pool(pooled)]
        return torch.cat(parts, 1)


class FidInception(nn.Module):
    """Frames in [0, 1] to the 2048 features of the last pooling layer."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3, self.Conv2d_2a_3x3 = ConvUnit(3, 32, 3, 2), ConvUnit(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvUnit(32, 64, 3, same=True)
        self.Conv2d_3b_1x1, self.Conv2d_4a_3x3 = ConvUnit(64, 80, 1), ConvUnit(80, 192, 3)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = BlockA(192, 32), BlockA(256, 64), BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e = BlockC(128), BlockC(160), BlockC(160), BlockC(192)
        self.Mixed_7a = BlockD()
        self.Mixed_7b, self.Mixed_7c = BlockE(1280, last=False), BlockE(2048, last=True)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, frames: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 2048"]:
        x = ((frames * 255).round() - 128) / 128
        x = resized_as_tensorflow_1(x, SIDE)
        x = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))), 3, 2)
        x = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), 3, 2)
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        return self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean((2, 3))


def resized_as_tensorflow_1(pictures: Float[Tensor, "N C H W"], side: int) -> Float[Tensor, "N C side side"]:
    """Bilinear as in TensorFlow 1: pixel i of the result is read at i times the ratio of the sizes, not of centres."""
    for dim in (2, 3):
        size = pictures.shape[dim]
        place = torch.arange(side, dtype=torch.float64) * (size / side)
        low = place.floor().long().clamp(max=size - 1).to(pictures.device)
        high = (low + 1).clamp(max=size - 1)
        share = (place.to(pictures.device) - low).to(pictures)
        share = share[:, None] if dim == 2 else share
        first, second = pictures.index_select(dim, low), pictures.index_select(dim, high)
        pictures = first + (second - first) * share
    return pictures

"""Pictures of any size brought to the size that a model makes, never squeezed: a part is cut off, or a border added."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Shaped
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.data.transforms import fit_pixels, middle

__all__ = ["Fit", "size_near"]


@dataclass(frozen=True)
class Fit:
    """How pictures of `source_hw` become pictures of `hw`.

    "crop" keeps the largest middle part with the proportions of `hw`; "pad" keeps all, with a black border that `cut`
    takes away again.
    """

    source_hw: tuple[int, int]
    hw: tuple[int, int]
    mode: Literal["crop", "pad"]

    @cached_property
    def inner(self) -> tuple[int, int, tuple[int, int]]:
        """Where in pictures of `hw` the source is: top, left and size, which is even, as videos need it."""
        if self.mode == "crop":
            return 0, 0, self.hw
        scale = min(size / source for size, source in zip(self.hw, self.source_hw, strict=True))
        height, width = (
            min(size - size % 2, max(2, 2 * round(source * scale / 2)))
            for size, source in zip(self.hw, self.source_hw, strict=True)
        )
        return (self.hw[0] - height) // 2, (self.hw[1] - width) // 2, (height, width)

    def apply(self, pixels: Shaped[Tensor, "*batch H W"]) -> Shaped[Tensor, "*batch h w"]:
        """Pictures of `hw`, of floating-point or 8-bit pictures."""
        top, left, (height, width) = self.inner
        fitted = fit_pixels(pixels, (height, width))
        return F.pad(fitted, (left, self.hw[1] - width - left, top, self.hw[0] - height - top))

    def cut(self, pixels: Shaped[Tensor, "*batch h w"]) -> Shaped[Tensor, "*batch a b"]:
        """Pictures of `hw` without the border."""
        top, left, (height, width) = self.inner
        return pixels[..., top : top + height, left : left + width]

    def cut_cameras(self, cameras: Cameras) -> Cameras:
        """Cameras of pictures of `hw`, without the border."""
        return cameras.crop(*self.inner)

    def __str__(self) -> str:
        (height, width), (_, _, (kept_height, kept_width)) = self.source_hw, middle(self.source_hw, self.inner[2])
        lost = f"the middle {kept_height}x{kept_width} of " if (kept_height, kept_width) != self.source_hw else ""
        border = self.inner[2] != self.hw
        size = f"{self.inner[2][0]}x{self.inner[2][1]}"
        framed = f"{size} in a black border of {self.hw[0]}x{self.hw[1]}, cut off again" if border else size
        return f"{lost}{height}x{width} as {framed}"


def size_near(source_hw: tuple[int, int], pixels: int, multiples: tuple[int, int]) -> tuple[int, int]:
    """The size of about so many pixels that has the proportions of the source, as nearly as the multiples allow."""
    proportion = source_hw[0] / source_hw[1]
    sizes = {
        (max(1, rows) * multiples[0], max(1, columns) * multiples[1])
        for rows in _around(math.sqrt(pixels * proportion) / multiples[0])
        for columns in _around(math.sqrt(pixels / proportion) / multiples[1])
    }

    def error(size: tuple[int, int]) -> float:
        # Other proportions cost a part of every picture, another number of pixels costs little.
        return 2 * abs(math.log(size[0] / size[1] / proportion)) + abs(math.log(size[0] * size[1] / pixels))

    return min(sorted(sizes), key=error)


def _around(number: float) -> tuple[int, int]:
    return math.floor(number), math.ceil(number)

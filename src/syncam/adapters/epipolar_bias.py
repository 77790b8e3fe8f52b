"""How much a pixel of one view attends to those of another: less, the further they are from its epipolar line (CVD).

With d the distance in pixels of key j from the line of query i, and d_max the largest one of a pair of pictures, the
published weights were trained with scores changed by::

    bias = -max(0, trained_size // 2 * d / d_max - 3)

which is a soft band about the line. As it is one linear function of the key per query, up to the absolute value, no
matrix of all pairs has to be kept: three numbers per query say all of it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention

from syncam.cameras.epipolar import EpipolarGeometry

FREE_BAND = 3.0  # scaled distance up to which nothing is taken away
NEAR_EPIPOLE = 1e-6  # lines fade where their normal is no longer than this, in the units of c2w; the weights know it so


@dataclass(frozen=True, eq=False)
class EpipolarBias:
    """What is added to the scores of all heads, for any number of pictures."""

    lines: Float[Tensor, "rows N 3"]
    """Of every query in the picture of the keys, scaled so that |a x + b y + c| - 3 is what is taken away."""
    points: Float[Tensor, "N 3"]
    """(x, y, 1) of every key."""

    def dense(self, dtype: torch.dtype) -> Float[Tensor, "rows N N"]:
        """All of it, for scaled_dot_product_attention."""
        with torch.autocast(self.lines.device.type, enabled=False):  # large numbers of both signs are added up
            distance = self.lines @ self.points.mT
        return distance.abs_().sub_(FREE_BAND).clamp_(min=0).neg_().to(dtype)

    def attend(
        self, q: Float[Tensor, "rows heads N d"], k: Float[Tensor, "rows heads N d"], v: Float[Tensor, "rows heads N d"]
    ) -> Float[Tensor, "rows heads N d"]:
        """Attention by FlexAttention, which computes the bias where it is needed; without gradients on a CPU."""
        a, b, c = (part.contiguous() for part in self.lines.unbind(-1))
        x, y, _ = (part.contiguous() for part in self.points.unbind(-1))

        def score_mod(score: Tensor, row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            distance = (a[row, query] * x[key] + b[row, query] * y[key] + c[row, query]).abs()
            return score - (distance - FREE_BAND).clamp(min=0)

        return compiled_flex_attention()(q.contiguous(), k.contiguous(), v.contiguous(), score_mod=score_mod)

    def rows(self, index: Tensor) -> "EpipolarBias":
        """The bias of some of the pictures."""
        return EpipolarBias(self.lines[index], self.points)


@lru_cache(maxsize=1)
def compiled_flex_attention() -> Any:
    """FlexAttention as a kernel; uncompiled, it would write out all scores."""
    return torch.compile(flex_attention, dynamic=False)


def epipolar_bias(
    geometry: EpipolarGeometry,
    slopes: Float[Tensor, "rows"],
    *,
    hw: tuple[int, int],
    grid: tuple[int, int],
    trained_size: int,
) -> EpipolarBias:
    """The bias between the cells of a `grid` (h, w) over pictures of size `hw`, for `rows` of pairs of pictures.

    The geometry is from the queries' picture to the keys'. Where it decides no line (both cameras have the same
    centre), the line goes through the point that looks in the same direction, at an angle of `slopes` to the picture's
    height: CVD was trained so with first frames, where all views coincide. There, only points inside the picture count
    for the largest distance. A query has no line, and no bias, where it sees the other camera itself, or where its
    direction is behind the other camera.
    """
    points = cell_points(hw, grid, like=geometry.fundamental.double())
    lines = points @ geometry.fundamental.double().mT  # [rows, N, 3]
    seen = points @ geometry.infinite_homography.double().mT
    seen = seen[..., :2] / seen[..., 2:].clamp(min=0)
    without_line = geometry.same_centre[:, None, None]
    lines = torch.where(without_line, pseudo_lines(seen, slopes.to(points)), lines)
    lines = lines / (lines[..., :2].norm(dim=-1, keepdim=True) + NEAR_EPIPOLE)

    h, w = grid
    corners = points[[0, w - 1, (h - 1) * w, h * w - 1]]  # the largest distance from a line is in a corner
    distance = (lines @ corners.mT).abs().amax(-1, keepdim=True)  # [rows, N, 1]
    valid = distance.isfinite()
    inside = (seen > -0.5).all(-1, keepdim=True) & (seen < points.new_tensor(hw[::-1]) - 0.5).all(-1, keepdim=True)
    counts = valid & (inside | ~without_line)
    largest = torch.where(counts, distance, 0).amax(1, keepdim=True)
    lines = torch.where(valid & (largest > 0), lines * (trained_size // 2) / largest, 0)
    return EpipolarBias(lines.float(), points.float())


def pseudo_lines(points: Float[Tensor, "rows N 2"], slopes: Float[Tensor, "rows"]) -> Float[Tensor, "rows N 3"]:
    """Lines (a, b, c) through points (x, y), all of a row with the normal (cos, sin) of its slope."""
    normal = torch.stack((slopes.cos(), slopes.sin()), dim=-1)[:, None]  # [rows, 1, 2]
    return torch.cat((normal.expand_as(points), -(points * normal).sum(-1, keepdim=True)), dim=-1)


def cell_points(hw: tuple[int, int], grid: tuple[int, int], like: Tensor) -> Float[Tensor, "N 3"]:
    """(x, y, 1) of the cells' centres, by rows, with whole numbers at the centres of pixels.

    That is half a pixel less than everywhere else here, and what the published weights were trained with.
    """
    y, x = (
        (torch.arange(cells, dtype=like.dtype, device=like.device) + 0.5) * (size / cells) - 0.5
        for size, cells in zip(hw, grid, strict=True)
    )
    x, y = torch.meshgrid(x, y, indexing="xy")
    return torch.stack((x, y, torch.ones_like(x)), dim=-1).flatten(0, 1)

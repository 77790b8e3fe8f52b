"""When a move runs during a clip, and how fast."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.cameras import Cameras
from syncam.errors import InputError

__all__ = ["CONSTANT", "Timing"]

STEEPEST = 50.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How much of a move is done at every frame: nothing until `start`, all of it from `end` on.

    Example:
        >>> Timing(speed="ease").progress(cameras)  # 5 frames
        tensor([0.0000, 0.1562, 0.5000, 0.8438, 1.0000], dtype=torch.float64)
    """

    speed: Literal["constant", "ease"] = "constant"
    """constant, or ease: from rest to rest."""
    a: float = 0.0
    """The speed of MultiCamVideo, (1 - exp(-a t)) / (1 - exp(-a)): above 0 fast at first, below 0 fast at last."""
    start: float = 0.0
    """Share of the clip, from 0 at the first frame to 1 at the last, at which the move begins."""
    end: float = 1.0
    """Share of the clip at which the move is complete."""

    def __post_init__(self) -> None:
        if self.speed not in ("constant", "ease"):
            raise InputError(f"timing: speed must be constant or ease, got {self.speed!r}")
        if not -STEEPEST <= self.a <= STEEPEST:
            raise InputError(f"timing: a must lie in {-STEEPEST:g}..{STEEPEST:g}, got {self.a:g}")
        if self.a and self.speed == "ease":
            raise InputError(f"timing: speed=ease and a={self.a:g} contradict each other; give one of them")
        if not 0 <= self.start < self.end <= 1 + 1e-9:
            raise InputError(f"timing: expected 0 <= start < end <= 1, got start={self.start:g} and end={self.end:g}")

    def progress(self, cameras: Cameras) -> Float[Tensor, " F"]:
        """The share of the move that is done at every frame of `cameras`, 0 to 1, in float64 on their device."""
        frames = torch.arange(cameras.num_frames, dtype=torch.float64, device=cameras.c2w.device)
        time = frames / max(cameras.num_frames - 1, 1)
        share = ((time - self.start) / (self.end - self.start)).clamp(0, 1)
        if self.speed == "ease":
            return share * share * (3 - 2 * share)
        if self.a:
            whole = torch.tensor(-self.a, dtype=share.dtype, device=share.device)
            return torch.expm1(-self.a * share) / torch.expm1(whole)
        return share


CONSTANT = Timing()

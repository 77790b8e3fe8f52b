"""LPIPS (Zhang et al. 2018), version 0.1 on AlexNet: how different two pictures look.

Tensors are called as in the published files: features.* of AlexNet's trunk, and lin0 to lin4 of the heads.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Lpips"]

TAPS = (1, 4, 7, 9, 11)
"""The ReLUs after which features are compared."""
CHANNELS = (64, 192, 384, 256, 256)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Head(nn.Module):
    """A weight for every channel; its place in the published files leaves a gap for dropout."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = nn.Sequential(nn.Identity(), nn.Conv2d(channels, 1, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Lpips(nn.Module):
    """Two sets of pictures in [0, 1] to a distance for each pair; 0 for equal ones."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, 4, 2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
        )
        for number, channels in enumerate(CHANNELS):
            self.add_module(f"lin{number}", Head(channels))

    def forward(self, first: Float[Tensor, "N 3 H W"], second: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N"]:
        distance = first.new_zeros(len(first))
        pairs = zip(self._activations(first), self._activations(second), strict=True)
        for number, (one, other) in enumerate(pairs):
            one, other = (x / (x.norm(dim=1, keepdim=True) + 1e-10) for x in (one, other))
            distance = distance + self.get_submodule(f"lin{number}")((one - other).square()).mean((1, 2, 3))
        return distance

    def _activations(self, pictures: Tensor) -> list[Tensor]:
        shift, scale = (torch.tensor(numbers).to(pictures).view(1, 3, 1, 1) for numbers in (SHIFT, SCALE))
        x, found = (pictures * 2 - 1 - shift) / scale, []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in TAPS:
                found.append(x)
        return found

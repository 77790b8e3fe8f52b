"""Task: what a trainer trains. One module holds everything, trained or frozen, so that DDP can wrap it."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from syncam.errors import InputError
from syncam.training.config import Phase, TrainConfig

__all__ = ["Task", "read_options"]


class Task(nn.Module, ABC):
    """A model with its data. Subclasses are modules: parameters that require gradients are trained.

    `forward(batch, generator)` gives the loss and the numbers to log; it and `batch` take all their randomness from the
    generator, which the trainer seeds by step: nothing else may be random, or a resumed run would differ.
    """

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def batch(self, phase: Phase, generator: torch.Generator) -> Any:
        """A training batch of that phase."""

    @abstractmethod
    def forward(self, batch: Any, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and the scalars to log."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Figures on held-out data, with the weights that are loaded (the trainer loads the averaged ones)."""

    @abstractmethod
    def export(self, folder: Path) -> None:
        """Writes the loaded weights as models that diffusers and syncam load."""

    def sample(self, path: Path) -> None:
        """Draws a PNG that shows what the model does; optional."""


def read_options(cls: type, options: dict[str, Any]) -> Any:
    """The task's options dataclass from a config's `options`; InputError naming the ones it does not have."""
    known = cls.__dataclass_fields__  # type: ignore[attr-defined]
    if unknown := sorted(options.keys() - known.keys()):
        raise InputError(f"{cls.__name__} has no option {', '.join(unknown)}; its options: {', '.join(known)}")
    return cls(**options)

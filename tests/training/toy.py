"""The smallest task that the trainer can run: a linear map is learnt. As a program, it trains in a given folder."""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from syncam.training.config import Phase, TrainConfig
from syncam.training.task import Task
from syncam.training.trainer import fit

TRUTH = torch.tensor([[1.0, -2.0, 0.5]])


def toy_config(steps: int = 12, **changes: Any) -> TrainConfig:
    numbers = {
        "task": "view_sync",
        "phases": (
            Phase(steps=steps // 2, batch_size=2, num_frames=1),
            Phase(steps=steps // 2, batch_size=4, num_frames=1),
        ),
        "learning_rate": 0.05,
        "warmup_steps": 3,
        "log_every": 1,
        "validate_every": 4,
        "checkpoint_every": 3,
        "mixed_precision": "no",
        "ema_decay": 0.9,
    }
    return TrainConfig(**numbers | changes)


class ToyTask(Task):
    """y = A x; noise comes from the generator in `batch` and in `forward`, as in the real tasks."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.frozen = nn.Linear(3, 1).requires_grad_(False)
        self.layer = nn.Linear(3, 1)
        with torch.no_grad():
            self.layer.weight.zero_()
            self.layer.bias.zero_()
        self.validated: list[Tensor] = []

    def batch(self, phase: Phase, generator: torch.Generator) -> Tensor:
        return torch.randn(phase.batch_size, 3, generator=generator)

    def forward(self, batch: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        target = batch @ TRUTH.T + 0.1 * torch.randn(len(batch), 1, generator=generator)
        loss = ((self.layer(batch) - target) ** 2).mean()
        return loss, {"mse": loss.detach()}

    def validate(self) -> dict[str, float]:
        assert not self.training and not torch.is_grad_enabled()
        self.validated.append(self.layer.weight.clone())
        return {"error": float((self.layer.weight - TRUTH).abs().max())}

    def export(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(self.layer.state_dict(), folder / "layer.pt")


if __name__ == "__main__":
    fit(ToyTask(toy_config(40)), Path(sys.argv[1]), progress=lambda *_: time.sleep(float(sys.argv[2])))

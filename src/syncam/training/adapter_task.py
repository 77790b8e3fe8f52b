"""What the tasks that train adapters have in common: a frozen base model, validation, precision, captions."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.cameras.trained_range import TrainedRange, save_trained_range
from syncam.pipelines.loading import ADAPTER_FOLDERS
from syncam.training.config import TrainConfig
from syncam.training.objective import Objective, objective_of
from syncam.training.task import Task, read_options

__all__ = ["AdapterOptions", "AdapterTask"]


@dataclass(frozen=True, kw_only=True)
class AdapterOptions:
    """Numbers that all tasks of adapters have."""

    caption_dropout: float = 0.1
    """Fraction of scenes trained without their caption, for guidance."""
    gradient_checkpointing: bool = False
    """Computes activations twice instead of keeping them: a third more time for a fraction of the memory."""
    validation_scenes: int = 48
    """Held-out scenes for the validation losses."""
    sample_steps: int = 20
    sample_guidance: float = 4.0


class AdapterTask(Task):
    """Trains the weights of an adapter and nothing else."""

    adapter_class: ClassVar[Any]
    options_class: ClassVar[type[AdapterOptions]]
    conditions: ClassVar[tuple[str, ...]]
    """What the adapter is told in validation."""
    options: Any

    objective: Objective
    adapter: Any

    def __init__(self, config: TrainConfig, *, trained: TrainedRange | None = None) -> None:
        """`trained` is the range of the data's cameras, to be saved beside the weights."""
        super().__init__(config)
        self.options = read_options(self.options_class, config.options)
        self.trained_range = trained

    def join(self, base: Any, transformer: Any, adapter: Any) -> None:
        """Takes a frozen base model with its transformer, and the adapter to train; None: a fresh one."""
        self._base = [base]  # in a list: text encoder and autoencoder are no part of what is trained
        self._embeddings: dict[str, Tensor] = {}
        self.objective = objective_of(base.scheduler)
        base.text_encoder.requires_grad_(False)
        self.transformer = transformer.requires_grad_(False)
        if self.options.gradient_checkpointing:
            self.transformer.enable_gradient_checkpointing()
        self.adapter = (self.fresh_adapter() if adapter is None else adapter).float()

    @abstractmethod
    def fresh_adapter(self) -> Any:
        """The adapter that training starts with where none is given."""

    @abstractmethod
    def embedding(self, caption: str) -> Float[Tensor, "N D"]:
        """A caption as the transformer reads it."""

    @abstractmethod
    def losses(self, batch: dict[str, Any], sigmas: Tensor, noise: Tensor, condition: Any) -> tuple[Tensor, Tensor]:
        """Losses as trained, and as reported, at noise levels `sigmas`; the adapter is told `condition`."""

    @abstractmethod
    def validation_batches(self, scenes: int) -> Iterator[tuple[dict[str, Any], Tensor, Tensor]]:
        """Batches of that many held-out scenes with fixed views, noise levels and noise."""

    def train(self, mode: bool = True) -> "AdapterTask":
        """The base never leaves evaluation mode."""
        super().train(mode)
        self.transformer.eval()
        return self

    def validate(self) -> dict[str, float]:
        """Mean held-out loss under every condition, at the same noise."""
        found: dict[str, list[Tensor]] = {condition: [] for condition in self.conditions}
        with self.autocast():
            for batch, sigmas, noise in self.validation_batches(self.options.validation_scenes):
                for condition in self.conditions:
                    found[condition].append(self.losses(batch, sigmas, noise, condition)[1].cpu())
        return {f"loss_{condition}": float(torch.cat(values).mean()) for condition, values in found.items()}

    def export(self, folder: Path) -> None:
        """Writes the adapter's folder, named as in the folder of a model, with the range of cameras it has seen."""
        place = folder / ADAPTER_FOLDERS[self.adapter_class]
        self.adapter.save_pretrained(place)
        if self.trained_range is not None:
            save_trained_range(place, self.trained_range)

    def autocast(self) -> torch.autocast:
        """The precision of products, as the recipe has it."""
        device = self.transformer.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.config.mixed_precision == "bf16")

    def embed(self, captions: list[str]) -> Float[Tensor, "b N D"]:
        """Captions as the transformer reads them; each is embedded once."""
        for caption in captions:
            if caption not in self._embeddings:
                with torch.no_grad():
                    self._embeddings[caption] = self.embedding(caption).cpu()
        return torch.stack([self._embeddings[caption] for caption in captions]).to(self.transformer.device)

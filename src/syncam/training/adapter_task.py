"""What the tasks that train adapters have in common: a frozen base model, several cameras of a scene, validation."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.autoencoders import strides
from syncam.cameras.cameras import Cameras
from syncam.cameras.trained_range import TrainedRange, save_trained_range
from syncam.data.dataset import pick_views
from syncam.errors import InputError
from syncam.pipelines.bases import find_base
from syncam.pipelines.latents import denormalised
from syncam.pipelines.loading import ADAPTER_FOLDERS
from syncam.training.config import Phase, TrainConfig
from syncam.training.objective import DISTRIBUTIONS, objective_of
from syncam.training.precompute import LatentStore, check_frames
from syncam.training.small_model import speed_up_transformer
from syncam.training.task import Task, read_options
from syncam.training.text_to_video import video_size

__all__ = ["AdapterOptions", "AdapterTask", "poses", "select"]


@dataclass(frozen=True, kw_only=True)
class AdapterOptions:
    """Numbers that all tasks of adapters have."""

    shift: float | None = None
    """Shift of the noise levels; None: 5 where the base model was trained by flow matching, else 1 (none)."""
    distribution: str = "uniform"
    """Of the noise levels before the shift: uniform or logit_normal."""
    weighting: str = "reference"
    """Of the loss over noise levels: reference (of flow matching a bell around the middle, else none) or none."""
    translation_scale: float = 2.0
    """Metres that encode as 1."""
    caption_dropout: float = 0.1
    """Fraction of scenes trained without their caption, for guidance."""
    subject_weight: float = 0.0
    """Added to the loss weight 1 of latent cells that show a subject."""
    gradient_checkpointing: bool = False
    """Computes activations twice instead of keeping them: a third more time for a fraction of the memory."""
    validation_scenes: int = 48
    """Held-out scenes for the validation losses."""
    sample_steps: int = 20
    sample_guidance: float = 4.0

    def __post_init__(self) -> None:
        for name, known in (("distribution", DISTRIBUTIONS), ("weighting", ("reference", "none"))):
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be {' or '.join(known)}, got {getattr(self, name)!r}")


class AdapterTask(Task):
    """Trains the weights of an adapter and nothing else, on latents of several views of a scene."""

    adapter_class: ClassVar[Any]
    options_class: ClassVar[type[AdapterOptions]]
    conditions: ClassVar[tuple[str, ...]]
    """What the adapter is told in validation."""
    options: Any

    def __init__(
        self,
        config: TrainConfig,
        train: LatentStore,
        held_out: LatentStore,
        base: Any,
        adapter: Any = None,
        *,
        trained: TrainedRange | None = None,
    ) -> None:
        """`adapter` is where training starts; without one, it starts with a fresh adapter. `trained` is the range of
        the data's cameras, to be saved beside the weights."""
        super().__init__(config)
        self.options = read_options(self.options_class, config.options)
        self.train_set, self.held_out, self.trained_range = train, held_out, trained
        self.check_views()
        check_frames(config, train, strides(base.vae.config).frames)
        self.objective = objective_of(base.scheduler)
        self.shift = self.objective.shift if self.options.shift is None else self.options.shift
        self.transformer = base.transformer.requires_grad_(False)
        if self.options.gradient_checkpointing:
            self.transformer.enable_gradient_checkpointing()
        if adapter is None:
            adapter = self.fresh_adapter()
        self.adapter = adapter.float()
        self.handle = self.adapter.attach(self.transformer)
        if config.compile:
            speed_up_transformer(self.transformer, dynamic=False)
        base.text_encoder.requires_grad_(False)
        self._base = [base]  # in a list: text encoder and autoencoder are no part of what is trained
        self._embeddings: dict[str, Tensor] = {}

    def fresh_adapter(self) -> Any:
        """The adapter that training starts with where none is given."""
        return self.adapter_class.from_transformer(self.transformer, translation_scale=self.options.translation_scale)

    @abstractmethod
    def check_views(self) -> None:
        """InputError unless the scenes of both splits have the views that the recipe needs."""

    @abstractmethod
    def losses(self, batch: dict[str, Any], sigmas: Tensor, noise: Tensor, condition: Any) -> tuple[Tensor, Tensor]:
        """Losses with and without the subject's weight at noise levels `sigmas`; the adapter is told `condition`."""

    @abstractmethod
    def validation_batches(self, scenes: int) -> Iterator[tuple[dict[str, Any], Tensor, Tensor]]:
        """Batches of that many held-out scenes with fixed views, noise levels and noise."""

    def train(self, mode: bool = True) -> "AdapterTask":
        """The base never leaves evaluation mode."""
        super().train(mode)
        self.transformer.eval()
        return self

    def draw(self, phase: Phase, views: tuple[int, ...], generator: torch.Generator) -> dict[str, Any]:
        """V views of random scenes within the phase's bounds: latents [b, V, z, f, h, w], c2w, masks, captions."""
        stills = phase.num_frames == 1 or float(torch.rand((), generator=generator)) < phase.stills
        count = phase.stills_batch_size if stills and phase.num_frames > 1 else phase.batch_size
        num_views = views[int(torch.randint(len(views), (1,), generator=generator))]
        scenes = torch.randint(len(self.train_set), (count,), generator=generator)
        moment = int(torch.randint(self.train_set.stills.shape[2] + 1, (1,), generator=generator)) - 1
        chosen = torch.tensor(
            [
                pick_views(
                    poses(self.train_set.c2w[scene]),
                    num_views,
                    max_azimuth_deg=phase.max_azimuth_deg,
                    max_elevation_deg=phase.max_elevation_deg,
                    max_distance=phase.max_distance,
                    generator=generator,
                )
                for scene in scenes
            ]
        )
        drawn = select(self.train_set, scenes, chosen, moment if stills else None)
        dropped = torch.rand(count, generator=generator) < self.options.caption_dropout
        captions = ["" if drop else text for text, drop in zip(drawn["captions"], dropped, strict=True)]
        return drawn | {"captions": captions}

    def validate(self) -> dict[str, float]:
        """Mean held-out loss under every condition, at the same noise."""
        found: dict[str, list[Tensor]] = {condition: [] for condition in self.conditions}
        with self.autocast():
            for batch, sigmas, noise in self.validation_batches(self.options.validation_scenes):
                for condition in self.conditions:
                    found[condition].append(self.losses(batch, sigmas, noise, condition)[1].cpu())
        return {f"loss_{condition}": float(torch.cat(values).mean()) for condition, values in found.items()}

    def generate(self, caption: str, num_views: int, seed: int) -> Float[Tensor, "V F C H W"]:
        """Videos by the base model with what its adapter has been told, in [0, 1]."""
        base, guidance = self._base[0], self.options.sample_guidance
        kind, generator = find_base(base), torch.Generator().manual_seed(seed)
        latents = kind.denoise(
            base,
            torch.randn((num_views, *self.held_out.latents.shape[2:]), generator=generator),
            dynamic_guidance=False,
            **kind.words(base, [caption], [""], guidance=guidance > 1, num_views=num_views),
            **video_size(self.held_out, base.vae),
            num_inference_steps=self.options.sample_steps,
            guidance_scale=guidance,
            generator=generator,
        )
        made = base.vae.decode(denormalised(base.vae, latents).to(base.vae.dtype), return_dict=False)[0]
        return (made.transpose(1, 2).float().cpu() / 2 + 0.5).clamp(0, 1)

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
        base = self._base[0]
        for caption in captions:
            if caption not in self._embeddings:
                with torch.no_grad():
                    words = find_base(base).words(base, [caption], [""], guidance=False)
                    self._embeddings[caption] = words["prompt_embeds"][0].cpu()
        return torch.stack([self._embeddings[caption] for caption in captions]).to(self.transformer.device)


def poses(c2w: Float[Tensor, "V f 4 4"]) -> Cameras:
    """Poses as a Cameras value; the lens plays no part in choosing views."""
    return Cameras(c2w, torch.eye(3).expand(*c2w.shape[:2], 3, 3), (1, 1))


def select(store: LatentStore, scenes: Tensor, views: Tensor, moment: int | None) -> dict[str, Any]:
    """The chosen views [b, V] of scenes [b]: whole clips, or the still at `moment` (-1: the first frame)."""
    at = (scenes[:, None], views)
    if moment is None:
        latents, masks, c2w = store.latents[at], store.masks[at], store.c2w[at]
    elif moment < 0:
        latents, masks, c2w = store.latents[at][:, :, :, :1], store.masks[at][:, :, :1], store.c2w[at][:, :, :1]
    else:
        latents = store.stills[at][:, :, moment][:, :, :, None]
        masks = store.still_masks[at][:, :, moment : moment + 1]
        c2w = store.still_c2w[at][:, :, moment : moment + 1]
    captions = [store.captions[scene] for scene in scenes]
    return {"latents": latents.float(), "masks": masks.float(), "c2w": c2w, "captions": captions}

"""The view-sync task (SynCamMaster): a frozen text-to-video transformer learns to denoise several views together."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import WanPipeline
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.cameras.cameras import Cameras
from syncam.cameras.trained_range import TrainedRange, save_trained_range
from syncam.data.dataset import pick_views
from syncam.data.video import contact_sheet
from syncam.errors import InputError
from syncam.files import atomic_path
from syncam.training.config import Phase, TrainConfig
from syncam.training.objective import DISTRIBUTIONS, TIMESTEPS, add_noise, reference_weight, sample_sigmas, velocity
from syncam.training.precompute import LatentStore, check_frames
from syncam.training.small_model import speed_up_transformer
from syncam.training.task import Task, read_options
from syncam.training.text_to_video import MOST_TOKENS, embed_text, subject_weights, video_size

__all__ = ["CONDITIONS", "ViewSyncTask"]

logger = logging.getLogger(__name__)

Condition = Literal["right", "permuted", "off"]
CONDITIONS: tuple[Condition, ...] = ("right", "permuted", "off")
"""What the adapter is told in validation: the views' cameras, the views' cameras in another order, or nothing."""


@dataclass(frozen=True, kw_only=True)
class ViewSyncOptions:
    """Numbers of the view-sync task."""

    shift: float = 5.0
    """Shift of the noise levels."""
    distribution: str = "uniform"
    """Of the noise levels before the shift: uniform or logit_normal."""
    weighting: str = "reference"
    """Of the loss over noise levels: reference (a bell around the middle) or none."""
    translation_scale: float = 2.0
    """Metres that encode as 1."""
    caption_dropout: float = 0.1
    """Fraction of scenes trained without their caption, for guidance."""
    lead_view: float = 0.0
    """Fraction of scenes in which view 0 leads: it has less noise than the others, in half of these scenes none."""
    subject_weight: float = 0.0
    """Added to the loss weight 1 of latent cells that show a subject."""
    gradient_checkpointing: bool = False
    """Computes activations twice instead of keeping them: a third more time for a fraction of the memory."""
    validation_scenes: int = 48
    """Held-out scenes for the validation losses."""
    validation_views: int = 2
    """Views of each of them, and of the samples drawn at validation."""
    sample_steps: int = 20
    sample_guidance: float = 4.0

    def __post_init__(self) -> None:
        for name, known in (("distribution", DISTRIBUTIONS), ("weighting", ("reference", "none"))):
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be {' or '.join(known)}, got {getattr(self, name)!r}")


class ViewSyncTask(Task):
    """Trains only the adapter's weights. One noise level per scene (leading views apart), noise of its own per view."""

    def __init__(
        self,
        config: TrainConfig,
        train: LatentStore,
        held_out: LatentStore,
        base: WanPipeline,
        adapter: ViewSyncAdapter | None = None,
        *,
        trained: TrainedRange | None = None,
    ) -> None:
        """`adapter` is where training starts; without one, it starts with a fresh adapter. `trained` is the range of
        the data's cameras, to be saved beside the weights."""
        super().__init__(config)
        self.options: ViewSyncOptions = read_options(ViewSyncOptions, config.options)
        most = max(max(phase.views) for phase in config.phases)
        if most > train.latents.shape[1]:
            present = train.latents.shape[1]
            raise InputError(f"the recipe trains up to {most} views, but the data has {present} per scene")
        if self.options.validation_views > held_out.latents.shape[1]:
            raise InputError(
                f"validation_views is {self.options.validation_views}, but the held-out data has "
                f"{held_out.latents.shape[1]} views per scene"
            )
        check_frames(config, train, base.vae.config.scale_factor_temporal)
        self.train_set, self.held_out, self.trained_range = train, held_out, trained
        self.transformer = base.transformer.requires_grad_(False)
        if self.options.gradient_checkpointing:
            self.transformer.enable_gradient_checkpointing()
        if adapter is None:
            scale = self.options.translation_scale
            adapter = ViewSyncAdapter.from_transformer(self.transformer, translation_scale=scale)
        self.adapter = adapter.float()
        self.handle = self.adapter.attach(self.transformer)
        if config.compile:
            speed_up_transformer(self.transformer, dynamic=False)
        base.text_encoder.requires_grad_(False)
        self._base = [base]  # in a list: text encoder and autoencoder are no part of what is trained
        self._embeddings: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> "ViewSyncTask":
        """The base never leaves evaluation mode."""
        super().train(mode)
        self.transformer.eval()
        return self

    def batch(self, phase: Phase, generator: torch.Generator) -> dict[str, Any]:
        """V views of random scenes within the phase's bounds: latents [b, V, z, f, h, w], c2w, masks, captions."""
        stills = phase.num_frames == 1 or float(torch.rand((), generator=generator)) < phase.stills
        count = phase.stills_batch_size if stills and phase.num_frames > 1 else phase.batch_size
        num_views = phase.views[int(torch.randint(len(phase.views), (1,), generator=generator))]
        scenes = torch.randint(len(self.train_set), (count,), generator=generator)
        moment = int(torch.randint(self.train_set.stills.shape[2] + 1, (1,), generator=generator)) - 1
        views = torch.tensor(
            [
                pick_views(
                    _cameras(self.train_set.c2w[scene]),
                    num_views,
                    max_azimuth_deg=phase.max_azimuth_deg,
                    max_elevation_deg=phase.max_elevation_deg,
                    max_distance=phase.max_distance,
                    generator=generator,
                )
                for scene in scenes
            ]
        )
        drawn = select(self.train_set, scenes, views, moment if stills else None)
        dropped = torch.rand(count, generator=generator) < self.options.caption_dropout
        captions = ["" if drop else text for text, drop in zip(drawn["captions"], dropped, strict=True)]
        return drawn | {"captions": captions}

    def forward(self, batch: dict[str, Any], generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted squared error of the predicted velocities of all views."""
        latents = batch["latents"]
        sigmas = sample_sigmas(
            len(latents), shift=self.options.shift, distribution=self.options.distribution, generator=generator
        )
        sigmas, learns = lead(sigmas, latents.shape[1], self.options.lead_view, generator)
        noise = torch.randn(latents.shape, generator=generator)
        losses, plain = self.losses(batch, sigmas, noise)
        if self.options.weighting == "reference":
            losses = losses * reference_weight(sigmas, self.options.shift).to(losses)
        weights = (learns / learns.mean()).to(losses)
        return (losses * weights).mean(), {"mse": (plain * weights).mean().detach()}

    def losses(
        self, batch: dict[str, Any], sigmas: Float[Tensor, "b V"], noise: Tensor, condition: Condition = "right"
    ) -> tuple[Float[Tensor, "b V"], Float[Tensor, "b V"]]:
        """Loss per view with and without the subject's weight, at noise levels `sigmas`."""
        device = self.transformer.device
        latents, noise, sigmas = batch["latents"].to(device), noise.to(device), sigmas.to(device)
        num_views = latents.shape[1]
        noisy = add_noise(latents.flatten(0, 1), noise.flatten(0, 1), sigmas.flatten())
        text = torch.stack([self._embed(caption) for caption in batch["captions"]]).to(device)
        timesteps = sigmas.flatten() * TIMESTEPS
        text = text.repeat_interleave(num_views, 0)
        c2w = batch["c2w"].to(device)
        if condition == "permuted":
            c2w = c2w.flip(1)
        told = self.adapter.disabled() if condition == "off" else self.adapter.cameras(c2w)
        with told:
            predicted = self.transformer(noisy, timesteps, text, return_dict=False)[0]
        error = (predicted.float().unflatten(0, (-1, num_views)) - velocity(latents, noise)) ** 2  # [b, V, z, f, h, w]
        weights = subject_weights(batch["masks"].to(device).flatten(0, 1), self.options.subject_weight)
        weighted = error * weights.unflatten(0, (-1, num_views))
        return weighted.flatten(2).mean(2), error.flatten(2).mean(2)

    def validation_batches(self, scenes: int, views: int, batch_size: int = 4) -> Iterator[tuple[dict, Tensor, Tensor]]:
        """Held-out batches with fixed views, noise levels and noise."""
        generator = torch.Generator().manual_seed(0)
        chosen = torch.arange(min(scenes, len(self.held_out)))
        sigmas = sample_sigmas(len(chosen), shift=self.options.shift, distribution="logit_normal", generator=generator)
        for part in chosen.split(batch_size):
            picks = torch.tensor([pick_views(_cameras(self.held_out.c2w[s]), views, generator=generator) for s in part])
            batch = select(self.held_out, part, picks, None)
            yield batch, sigmas[part, None].expand(-1, views), torch.randn(batch["latents"].shape, generator=generator)

    def validate(self) -> dict[str, float]:
        """Mean held-out loss with the right cameras, with permuted ones and without the adapter, at the same noise."""
        found: dict[str, list[Tensor]] = {condition: [] for condition in CONDITIONS}
        with self._autocast():
            for batch, sigmas, noise in self.validation_batches(
                self.options.validation_scenes, self.options.validation_views
            ):
                for condition in CONDITIONS:
                    found[condition].append(self.losses(batch, sigmas, noise, condition)[1].cpu())
        return {f"loss_{condition}": float(torch.cat(values).mean()) for condition, values in found.items()}

    def sample(self, path: Path) -> None:
        """A sheet of generated views of two held-out scenes, seen by the scenes' own cameras."""
        base, videos = self._base[0], []
        num_views = self.options.validation_views
        for scene in range(min(2, len(self.held_out))):
            with self._autocast(), self.adapter.cameras(self.held_out.c2w[scene, :num_views]):
                made = base(
                    self.held_out.captions[scene],
                    negative_prompt="",
                    **video_size(self.held_out, base.vae),
                    num_inference_steps=self.options.sample_steps,
                    guidance_scale=self.options.sample_guidance,
                    num_videos_per_prompt=num_views,
                    max_sequence_length=min(MOST_TOKENS, base.tokenizer.model_max_length),
                    generator=torch.Generator().manual_seed(scene),
                    output_type="pt",
                )
            videos.append(made.frames.float().cpu().clamp(0, 1))
            logger.info("rows of %s: %d views of %s", path, num_views, self.held_out.captions[scene])
        with atomic_path(path) as temporary:
            contact_sheet(torch.cat(videos), num_columns=5).save(temporary)

    def export(self, folder: Path) -> None:
        """Writes folder/view_sync, with the range of cameras it was trained with."""
        self.adapter.save_pretrained(folder / "view_sync")
        if self.trained_range is not None:
            save_trained_range(folder / "view_sync", self.trained_range)

    def _autocast(self) -> torch.autocast:
        device = self.transformer.device.type
        return torch.autocast(device, torch.bfloat16, enabled=self.config.mixed_precision == "bf16")

    def _embed(self, caption: str) -> Tensor:
        if caption not in self._embeddings:
            with torch.no_grad():
                base = self._base[0]
                self._embeddings[caption] = embed_text(base.tokenizer, base.text_encoder, [caption])[0].cpu()
        return self._embeddings[caption]


def _cameras(c2w: Float[Tensor, "V f 4 4"]) -> Cameras:
    """Poses as a Cameras value; the lens plays no part in choosing views."""
    return Cameras(c2w, torch.eye(3).expand(*c2w.shape[:2], 3, 3), (1, 1))


def lead(
    sigmas: Float[Tensor, " b"], num_views: int, fraction: float, generator: torch.Generator
) -> tuple[Float[Tensor, "b V"], Float[Tensor, "b V"]]:
    """Noise levels per view, and 1 for the views to learn, 0 for the others.

    Every view has its scene's level, except that in a `fraction` of the scenes view 0 leads: it has no noise, or a
    random part of the level, and is there for the others to learn from (as with a given video, section 3.5).
    """
    drawn = torch.rand(2, len(sigmas), generator=generator)
    leads = (drawn[0] < fraction) & (num_views > 1)
    levels, learns = sigmas[:, None].repeat(1, num_views), torch.ones(len(sigmas), num_views)
    levels[:, 0] *= torch.where(leads, (2 * drawn[1] - 1).clamp(min=0), 1.0)
    learns[leads, 0] = 0.0
    return levels, learns


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

"""The view-sync task (SynCamMaster): a frozen text-to-video transformer learns to denoise several views together."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.backbones import find_backbone
from syncam.adapters.calls import predict
from syncam.adapters.joint_view_sync import STILL
from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.data.dataset import pick_views
from syncam.data.video import contact_sheet
from syncam.errors import InputError
from syncam.files import atomic_path
from syncam.training.cached_views import ViewsOptions, ViewsTask, poses, select
from syncam.training.config import Phase
from syncam.training.objective import sample_sigmas
from syncam.training.text_to_video import subject_weights

__all__ = ["CONDITIONS", "ViewSyncTask"]

logger = logging.getLogger(__name__)

Condition = Literal["right", "permuted", "off"]
CONDITIONS: tuple[Condition, ...] = ("right", "permuted", "off")
"""What the adapter is told in validation: the views' cameras, the views' cameras in another order, or nothing."""


@dataclass(frozen=True, kw_only=True)
class ViewSyncOptions(ViewsOptions):
    """Numbers of the view-sync task."""

    lead_view: float = 0.0
    """Fraction of scenes in which view 0 leads: it has less noise than the others, in half of these scenes none."""
    adapter: dict[str, Any] = field(default_factory=dict)
    """More settings of a fresh adapter, such as view_rotary and text_views where text and video attend together."""
    validation_views: int = 2
    """Views of each held-out scene, and of the samples drawn at validation."""


class ViewSyncTask(ViewsTask):
    """Trains only the adapter's weights. One noise level per scene (leading views apart), noise of its own per view."""

    adapter_class = ViewSyncAdapter
    options_class = ViewSyncOptions
    conditions = CONDITIONS

    def fresh_adapter(self) -> ViewSyncAdapter:
        """An adapter with the options' settings; of a class that can be told so, it knows moving cameras if any do."""
        settings = dict(self.options.adapter)
        if find_backbone(self.transformer)[1].form == "joint":
            poses = [store.c2w for store in (self.train_set, self.held_out)]
            moves = any(bool((c2w - c2w[:, :, :1]).abs().max() > STILL) for c2w in poses)
            settings = {"moving_cameras": moves} | settings
        scale = self.options.translation_scale
        return self.adapter_class.from_transformer(self.transformer, translation_scale=scale, **settings)

    def check_views(self) -> None:
        """InputError unless the data has as many views as the recipe takes."""
        most, present = max(max(phase.views) for phase in self.config.phases), self.train_set.latents.shape[1]
        if most > present:
            raise InputError(f"the recipe trains up to {most} views, but the data has {present} per scene")
        if self.options.validation_views > self.held_out.latents.shape[1]:
            raise InputError(
                f"validation_views is {self.options.validation_views}, but the held-out data has "
                f"{self.held_out.latents.shape[1]} views per scene"
            )

    def batch(self, phase: Phase, generator: torch.Generator) -> dict[str, Any]:
        """As many views of each scene as the phase says: latents [b, V, z, f, h, w], c2w, masks, captions."""
        return self.draw(phase, phase.views, generator)

    def forward(self, batch: dict[str, Any], generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted squared error of the predicted velocities of all views."""
        latents = batch["latents"]
        sigmas = sample_sigmas(
            len(latents), shift=self.shift, distribution=self.options.distribution, generator=generator
        )
        sigmas, learns = lead(sigmas, latents.shape[1], self.options.lead_view, generator)
        noise = torch.randn(latents.shape, generator=generator)
        losses, plain = self.losses(batch, sigmas, noise)
        if self.options.weighting == "reference":
            losses = losses * self.objective.weight(sigmas, self.shift).to(losses)
        weights = (learns / learns.mean()).to(losses)
        return (losses * weights).mean(), {"mse": (plain * weights).mean().detach()}

    def losses(
        self, batch: dict[str, Any], sigmas: Float[Tensor, "b V"], noise: Tensor, condition: Condition = "right"
    ) -> tuple[Float[Tensor, "b V"], Float[Tensor, "b V"]]:
        """Loss per view with and without the subject's weight, at noise levels `sigmas`."""
        device = self.transformer.device
        latents, noise, sigmas = batch["latents"].to(device), noise.to(device), sigmas.to(device)
        num_views = latents.shape[1]
        told = latents.flatten(0, 1), noise.flatten(0, 1), sigmas.flatten()
        noisy, target = self.objective.noisy(*told), self.objective.target(*told)
        timesteps = self.objective.timesteps(told[2])
        text = self.embed(batch["captions"]).repeat_interleave(num_views, 0)
        c2w = batch["c2w"].to(device)
        if condition == "permuted":
            c2w = c2w.flip(1)
        with self.adapter.disabled() if condition == "off" else self.adapter.cameras(c2w):
            predicted = predict(self.transformer, noisy, timesteps, text)
        error = ((predicted.float() - target) ** 2).unflatten(0, (-1, num_views))  # [b, V, z, f, h, w]
        weights = subject_weights(batch["masks"].to(device).flatten(0, 1), self.options.subject_weight)
        weighted = error * weights.unflatten(0, (-1, num_views))
        return weighted.flatten(2).mean(2), error.flatten(2).mean(2)

    def validation_batches(
        self, scenes: int, views: int | None = None, batch_size: int = 4
    ) -> Iterator[tuple[dict[str, Any], Tensor, Tensor]]:
        """Held-out batches with fixed views, noise levels and noise."""
        count: int = self.options.validation_views if views is None else views
        generator = torch.Generator().manual_seed(0)
        chosen = torch.arange(min(scenes, len(self.held_out)))
        sigmas = sample_sigmas(len(chosen), shift=self.shift, distribution="logit_normal", generator=generator)
        for part in chosen.split(batch_size):
            picks = torch.tensor([pick_views(poses(self.held_out.c2w[s]), count, generator=generator) for s in part])
            batch = select(self.held_out, part, picks, None)
            yield batch, sigmas[part, None].expand(-1, count), torch.randn(batch["latents"].shape, generator=generator)

    def sample(self, path: Path) -> None:
        """A sheet of generated views of two held-out scenes, seen by the scenes' own cameras."""
        videos, num_views = [], self.options.validation_views
        for scene in range(min(2, len(self.held_out))):
            caption = self.held_out.captions[scene]
            with self.autocast(), self.adapter.cameras(self.held_out.c2w[scene, :num_views]):
                videos.append(self.generate(caption, num_views, seed=scene))
            logger.info("rows of %s: %d views of %s", path, num_views, caption)
        with atomic_path(path) as temporary:
            contact_sheet(torch.cat(videos), num_columns=5).save(temporary)


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

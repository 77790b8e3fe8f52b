"""The re-shoot task (ReCamMaster): a frozen text-to-video transformer learns to show a video from another path."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from syncam.adapters.frame_concat import FrameConcatAdapter
from syncam.cameras.rigid import compose_rigid, invert_rigid
from syncam.data.dataset import pick_views
from syncam.data.video import contact_sheet
from syncam.errors import InputError
from syncam.files import atomic_path
from syncam.pipelines.latents import denormalised
from syncam.training.cached_views import ViewsOptions, ViewsTask, poses, select
from syncam.training.config import Phase
from syncam.training.objective import TIMESTEPS, add_noise, reference_weight, sample_sigmas, velocity
from syncam.training.text_to_video import subject_weights

__all__ = ["CONDITIONS", "ReshootTask"]

Condition = Literal["right", "wrong", "still"]
CONDITIONS: tuple[Condition, ...] = ("right", "wrong", "still")
"""The path that the adapter is told in validation: the target's, another scene's, or none: to stay at the reference."""


@dataclass(frozen=True, kw_only=True)
class ReshootOptions(ViewsOptions):
    """Numbers of the re-shoot task; its own ones default to what the paper says."""

    translation_scale: float = 1.0
    """Metres that encode as 1."""
    source_noise: tuple[float, float] = (0.2, 0.5)
    """Least and greatest noise level of the source, which narrows the gap between rendered and real sources."""
    source_noise_share: float = 1.0
    """Fraction of samples whose source has noise. In use it has none: below 1, that is seen in training too."""
    text_to_video: float = 0.2
    """Fraction of samples whose source is nothing but noise: the path and the text are all there is."""
    image_to_video: float = 0.2
    """Fraction of samples of whose source only the first frame is left; noise stands for the others."""

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.source_noise
        if not 0 <= low <= high <= 1:
            raise InputError(f"source_noise must be a rising range within 0..1, got {low:g}..{high:g}")
        for name in ("source_noise_share", "text_to_video", "image_to_video"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be a fraction from 0 to 1, got {getattr(self, name)}")
        if self.text_to_video + self.image_to_video > 1:
            raise InputError(
                "text_to_video and image_to_video are fractions of the same samples and must not exceed 1 together, "
                f"got {self.text_to_video} and {self.image_to_video}"
            )


class ReshootTask(ViewsTask):
    """Trains only the adapter's weights, on pairs of views of a scene: one is the source, the other is learnt.

    The target's path is relative to the source's first camera; where no source is shown, to its own.
    """

    adapter_class = FrameConcatAdapter
    options_class = ReshootOptions
    conditions = CONDITIONS

    def check_views(self) -> None:
        """InputError unless every scene has two views, and validation another scene whose path is the wrong one."""
        for split, store in (("training", self.train_set), ("held-out", self.held_out)):
            if store.latents.shape[1] < 2:
                raise InputError(f"re-shooting is learnt from pairs of views, but the {split} data has 1 per scene")
        if min(self.options.validation_scenes, len(self.held_out)) < 2:
            raise InputError("re-shooting needs 2 held-out scenes at least: each lends its path to another")

    def batch(self, phase: Phase, generator: torch.Generator) -> dict[str, Any]:
        """A source and a target view of random scenes, latents [b, z, f, h, w] of each, within the phase's bounds.

        c2w [b, f, 4, 4] is the target's path and reference [b, 4, 4] the source's first camera; masks and captions.
        """
        return paired(self.draw(phase, (2,), generator))

    def forward(self, batch: dict[str, Any], generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted squared error of the target's predicted velocity."""
        options, target = self.options, batch["target"]
        sigmas = sample_sigmas(len(target), shift=self.shift, distribution=options.distribution, generator=generator)
        noise = torch.randn(target.shape, generator=generator)
        source, hidden = obscured(batch["source"], options, generator)
        reference = torch.where(hidden[:, None, None], batch["c2w"][:, 0], batch["reference"])
        losses, plain = self.losses(batch | {"source": source, "reference": reference}, sigmas, noise)
        if options.weighting == "reference":
            losses = losses * reference_weight(sigmas, self.shift).to(losses)
        return losses.mean(), {"mse": plain.mean().detach()}

    def losses(
        self, batch: dict[str, Any], sigmas: Float[Tensor, " b"], noise: Tensor, condition: Condition = "right"
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Loss of each target with and without the subject's weight, at noise levels `sigmas`."""
        device = self.transformer.device
        target, noise, sigmas = batch["target"].to(device), noise.to(device), sigmas.to(device)
        path, reference = batch["c2w"], batch["reference"]
        if condition == "wrong":
            path = batch["wrong"]
        elif condition == "still":
            path = reference[:, None].expand_as(path)
        with self.adapter.cameras(
            path[:, None].to(device), source=batch["source"].to(device), reference=reference.to(device)
        ):
            predicted = self.transformer(
                add_noise(target, noise, sigmas), sigmas * TIMESTEPS, self.embed(batch["captions"]), return_dict=False
            )[0]
        error = (predicted.float() - velocity(target, noise)) ** 2
        weights = subject_weights(batch["masks"].to(device), self.options.subject_weight)
        return (error * weights).flatten(1).mean(1), error.flatten(1).mean(1)

    def validation_batches(
        self, scenes: int, batch_size: int = 8
    ) -> Iterator[tuple[dict[str, Any], Float[Tensor, " b"], Tensor]]:
        """Held-out pairs with fixed views, noise levels and noise; sources as they are, `wrong` is the next path."""
        generator = torch.Generator().manual_seed(0)
        chosen = torch.arange(min(scenes, len(self.held_out)))
        sigmas = sample_sigmas(len(chosen), shift=self.shift, distribution="logit_normal", generator=generator)
        picks = torch.tensor([pick_views(poses(self.held_out.c2w[s]), 2, generator=generator) for s in chosen])
        whole = paired(select(self.held_out, chosen, picks, None))
        path = compose_rigid(invert_rigid(whole["reference"].double())[:, None], whole["c2w"].double())
        whole["wrong"] = compose_rigid(whole["reference"].double()[:, None], path.roll(-1, 0)).float()
        for part in chosen.split(batch_size):
            batch = {name: values[part] for name, values in whole.items() if name != "captions"}
            noise = torch.randn(batch["target"].shape, generator=generator)
            yield batch | {"captions": [whole["captions"][i] for i in part]}, sigmas[part], noise

    def sample(self, path: Path) -> None:
        """A sheet of two held-out scenes, three rows each: the source, the target, and what is made of the source."""
        videos, titles, vae = [], [], self._base[0].vae
        for batch, _, _ in self.validation_batches(2, batch_size=1):
            with self.autocast():
                latents = torch.cat((batch["source"], batch["target"])).to(self.transformer.device)
                shown = vae.decode(denormalised(vae, latents), return_dict=False)[0].float().cpu() / 2 + 0.5
                with self.adapter.cameras(batch["c2w"], source=batch["source"], reference=batch["reference"][0]):
                    made = self.generate(batch["captions"][0], 1, seed=0)
            videos += [shown.transpose(1, 2).clamp(0, 1), made]
            titles += [f"source: {batch['captions'][0]}", "target", "made"]
        with atomic_path(path) as temporary:
            contact_sheet(torch.cat(videos), num_columns=5, titles=titles).save(temporary)


def paired(drawn: dict[str, Any]) -> dict[str, Any]:
    """Two views as a source and a target."""
    source, target = drawn["latents"].unbind(1)
    first, path = drawn["c2w"][:, 0, 0], drawn["c2w"][:, 1]
    shown = {"source": source, "target": target, "c2w": path, "reference": first}
    return shown | {"masks": drawn["masks"][:, 1], "captions": drawn["captions"]}


def obscured(
    source: Float[Tensor, "b z f h w"], options: ReshootOptions, generator: torch.Generator
) -> tuple[Float[Tensor, "b z f h w"], Bool[Tensor, " b"]]:
    """The sources as training shows them, and which of them are hidden.

    On the line between source and noise, at a random level (as for what is denoised), except that noise stands for all
    frames of hidden ones (text to video) and for all but the first of some others (image to video).
    """
    drawn, (low, high) = torch.rand(3, len(source), generator=generator), options.source_noise
    levels = (low + (high - low) * drawn[0]) * (drawn[1] < options.source_noise_share)
    hidden = drawn[2] < options.text_to_video
    first_only = (drawn[2] < options.text_to_video + options.image_to_video) & ~hidden
    noise = torch.randn(source.shape, generator=generator)
    later = torch.arange(source.shape[2]) > 0
    lost = hidden[:, None] | (first_only[:, None] & later)  # [b, f]
    return torch.where(lost[:, None, :, None, None], noise, add_noise(source, noise, levels)), hidden

"""The text-to-video task: a transformer and its small text encoder learn to denoise single views."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.autoencoders import strides
from syncam.data.video import contact_sheet
from syncam.errors import InputError
from syncam.files import atomic_path, write_json
from syncam.pipelines.defaults import Defaults
from syncam.training.config import Phase, TrainConfig
from syncam.training.draws import draw_kind, drop_captions
from syncam.training.objective import TIMESTEPS, add_noise, sample_sigmas, velocity
from syncam.training.precompute import LatentStore, check_frames
from syncam.training.small_model import (
    build_text_encoder,
    build_tokenizer,
    build_transformer,
    save_pipeline,
    speed_up_transformer,
)
from syncam.training.task import Task, read_options

__all__ = ["TextToVideoTask", "embed_text"]

logger = logging.getLogger(__name__)

MOST_TOKENS = 512
"""Of a prompt of Wan2.1."""


@dataclass(frozen=True, kw_only=True)
class TextToVideoOptions:
    """Numbers of the text-to-video task."""

    model: dict[str, Any] = field(default_factory=dict)
    """Arguments of the transformer."""
    shift: float = 3.0
    """Shift of the noise levels, in training and in the saved scheduler."""
    caption_dropout: float = 0.1
    """Fraction of samples trained without their caption, for guidance."""
    subject_weight: float = 3.0
    """Added to the loss weight 1 of latent cells that show a subject."""
    validation_scenes: int = 64
    """Held-out scenes, one view each, for the validation loss."""
    sample_steps: int = 20
    """Of the samples drawn at validation, and of the saved model's defaults."""
    sample_guidance: float = 4.0
    """Classifier-free guidance of both."""


class TextToVideoTask(Task):
    """Flow matching on cached latents of single views, with the text encoder trained along."""

    def __init__(
        self,
        config: TrainConfig,
        train: LatentStore,
        held_out: LatentStore,
        vae: AutoencoderKLWan,
        *,
        start: WanPipeline | None = None,
        fps: float | None = None,
    ) -> None:
        """`start` is the model whose training to take further; without one, it starts with a fresh model. `fps` of the
        clips goes into the saved model's defaults; without it none are saved."""
        super().__init__(config)
        self.options: TextToVideoOptions = read_options(TextToVideoOptions, config.options)
        check_frames(config, train, vae.config.scale_factor_temporal)
        self.train_set, self.held_out = train, held_out
        channels = vae.config.z_dim
        arguments = {"in_channels": channels, "out_channels": channels} | self.options.model
        if start is None:
            self.tokenizer = build_tokenizer(train.captions)
            self.text_encoder = build_text_encoder(len(self.tokenizer), seed=config.seed)
            self.transformer = build_transformer(arguments, seed=config.seed)
        else:
            _check_same(start.transformer, arguments)
            self.tokenizer = start.tokenizer
            self.text_encoder = start.text_encoder.float()
            self.transformer = start.transformer.float()
        if config.compile:
            speed_up_transformer(self.transformer, dynamic=False)
        self._vae = [vae]  # in a list: not a part of what is trained and saved
        self._fps = fps
        patch, size = self.transformer.config.patch_size, train.latents.shape[-2:]
        if size[0] % patch[1] or size[1] % patch[2]:
            stride = vae.config.scale_factor_spatial
            raise InputError(
                f"the transformer needs pictures of multiples of {stride * patch[1]}x{stride * patch[2]} pixels, but "
                f"the data's are {stride * size[0]}x{stride * size[1]}"
            )

    def batch(self, phase: Phase, generator: torch.Generator) -> dict[str, Any]:
        """Latents [b, z, f, h, w], loss weights [b, 1, f, h, w] and captions of random views of random scenes."""
        return draw_views(self.train_set, phase, generator, caption_dropout=self.options.caption_dropout)

    def forward(self, batch: dict[str, Any], generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted squared error of the predicted velocity."""
        device = self.transformer.device
        latents = batch["latents"].to(device)
        count = len(latents)
        sigmas = sample_sigmas(count, shift=self.options.shift, distribution="logit_normal", generator=generator)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        losses, plain = self._losses(latents, noise, sigmas.to(device), batch["captions"], batch["masks"].to(device))
        return losses.mean(), {"mse": plain.mean().detach()}

    def _losses(
        self, latents: Tensor, noise: Tensor, sigmas: Tensor, captions: list[str], masks: Tensor
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        text = embed_text(self.tokenizer, self.text_encoder, captions)
        noisy = add_noise(latents, noise, sigmas)
        predicted = self.transformer(noisy, sigmas * TIMESTEPS, text, return_dict=False)[0]
        error = (predicted.float() - velocity(latents, noise)) ** 2
        weight = subject_weights(masks, self.options.subject_weight)
        return (error * weight).flatten(1).mean(1), error.flatten(1).mean(1)

    def validate(self) -> dict[str, float]:
        """Mean loss over held-out clips at evenly spread noise levels, with fixed noise; of videos and of stills."""
        figures = {}
        scenes = torch.arange(min(self.options.validation_scenes, len(self.held_out)))
        generator = torch.Generator().manual_seed(0)
        sigmas = sample_sigmas(len(scenes), shift=self.options.shift, distribution="logit_normal", generator=generator)
        views = scenes % self.held_out.latents.shape[1]
        captions = [self.held_out.captions[scene] for scene in scenes]
        clips = self.held_out.latents[scenes, views].float(), self.held_out.masks[scenes, views].float()
        pictures, picture_masks = self.held_out.stills[scenes, views, 0], self.held_out.still_masks[scenes, views, :1]
        stills = pictures[:, :, None].float(), picture_masks.float()
        device = self.transformer.device
        for name, (latents, masks) in {"video_loss": clips, "still_loss": stills}.items():
            noise = torch.randn(latents.shape, generator=generator)
            total = 0.0
            for part in scenes.split(16):
                clean, added, levels = (t[part].to(device) for t in (latents, noise, sigmas))
                words = [captions[i] for i in part]
                with torch.autocast(device.type, torch.bfloat16, enabled=self.config.mixed_precision == "bf16"):
                    total += float(self._losses(clean, added, levels, words, masks[part].to(device))[1].sum())
            figures[name] = total / len(scenes)
        return figures

    def sample(self, path: Path) -> None:
        """A sheet of videos for held-out captions."""
        captions = list(dict.fromkeys(self.held_out.captions))[:6]
        vae = self._vae[0]
        pipeline = WanPipeline(
            tokenizer=self.tokenizer,
            text_encoder=self.text_encoder,
            vae=vae,
            transformer=self.transformer,
            scheduler=FlowMatchEulerDiscreteScheduler(shift=self.options.shift),
        )
        pipeline.set_progress_bar_config(disable=True)
        videos = pipeline(
            captions,
            negative_prompt="",
            **video_size(self.held_out, vae),
            num_inference_steps=self.options.sample_steps,
            guidance_scale=self.options.sample_guidance,
            max_sequence_length=self.tokenizer.model_max_length,
            generator=torch.Generator().manual_seed(0),
            output_type="pt",
        ).frames
        with atomic_path(path) as temporary:
            contact_sheet(videos.float().cpu().clamp(0, 1), num_columns=5).save(temporary)
        logger.info("samples in %s, from top to bottom: %s", path, "; ".join(captions))

    def export(self, folder: Path) -> None:
        """Writes a complete WanPipeline folder."""
        save_pipeline(
            folder,
            tokenizer=self.tokenizer,
            text_encoder=self.text_encoder,
            vae=self._vae[0],
            transformer=self.transformer,
            shift=self.options.shift,
        )
        if self._fps is not None:
            size = video_size(self.train_set, self._vae[0])
            defaults = Defaults(
                num_frames=size["num_frames"],
                height=size["height"],
                width=size["width"],
                fps=self._fps,
                steps=self.options.sample_steps,
                guidance=self.options.sample_guidance,
                negative_prompt="",
                closed_vocabulary=True,
            )
            write_json(folder / "syncam.json", defaults.as_json())


def _check_same(transformer: Any, arguments: dict[str, Any]) -> None:
    """InputError unless the transformer is the one that a recipe's arguments describe."""
    for name, wanted in arguments.items():
        found = transformer.config.get(name)
        if (tuple(found) if isinstance(found, list) else found) != (
            tuple(wanted) if isinstance(wanted, list) else wanted
        ):
            raise InputError(
                f"the base model's transformer has {name} {found}, the recipe's {wanted}; to train a new one, give a "
                "base with nothing but vae/"
            )


def video_size(store: LatentStore, vae: Any) -> dict[str, int]:
    """num_frames, height and width of the videos that the latents stand for."""
    frames, height, width = store.latents.shape[3:]
    found = strides(vae.config)
    frames = (frames - 1) * found.frames + 1
    return {"num_frames": frames, "height": height * found.pixels, "width": width * found.pixels}


def draw_views(
    store: LatentStore, phase: Phase, generator: torch.Generator, *, caption_dropout: float
) -> dict[str, Any]:
    """Random single views: of videos, or of stills where the phase says so."""
    stills, count = draw_kind(phase, generator)
    scenes = torch.randint(len(store), (count,), generator=generator)
    views = torch.randint(store.latents.shape[1], (count,), generator=generator)
    if stills:
        moments = torch.randint(store.stills.shape[2] + 1, (count,), generator=generator) - 1
        # Moment -1 is the clip's first frame, which is the first latent frame.
        first, rest = store.latents[scenes, views, :, 0], store.stills[scenes, views, moments.clamp(min=0)]
        latents = torch.where((moments < 0)[:, None, None, None], first, rest)[:, :, None]
        first, rest = store.masks[scenes, views, 0], store.still_masks[scenes, views, moments.clamp(min=0)]
        masks = torch.where((moments < 0)[:, None, None], first, rest)[:, None]
    else:
        latents, masks = store.latents[scenes, views], store.masks[scenes, views]
    captions = drop_captions([store.captions[scene] for scene in scenes], caption_dropout, generator)
    return {"latents": latents.float(), "masks": masks.float(), "captions": captions}


def subject_weights(masks: Float[Tensor, "b f h w"], weight: float) -> Float[Tensor, "b 1 f h w"]:
    """Loss weights 1 + weight on the subject, divided by their mean over the batch."""
    weights = 1 + weight * masks[:, None]
    return weights / weights.mean()


def embed_text(tokenizer: Any, text_encoder: Any, captions: list[str]) -> Float[Tensor, "b N D"]:
    """Text as WanPipeline gives it to the transformer: padded to the tokenizer's length, zeros behind the end."""
    length = min(MOST_TOKENS, tokenizer.model_max_length)  # some tokenizers state no limit
    tokens = tokenizer(captions, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    tokens = tokens.to(text_encoder.device)
    hidden = text_encoder(tokens.input_ids, tokens.attention_mask).last_hidden_state
    return hidden * tokens.attention_mask[..., None].to(hidden)

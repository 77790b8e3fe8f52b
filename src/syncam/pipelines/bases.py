"""The text-to-video pipelines of diffusers that adapters are used in, and what differs between them.

Supporting another pipeline means one more entry in BASES; docs/adding-a-backbone.md says what each field has to be.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffusers import (
    AutoencoderKLCogVideoX,
    AutoencoderKLWan,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    SkyReelsV2Pipeline,
    SkyReelsV2Transformer3DModel,
    WanPipeline,
    WanTransformer3DModel,
)
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.autoencoders import strides
from syncam.adapters.backbones import swap_layout
from syncam.errors import InputError
from syncam.pipelines.defaults import Defaults

__all__ = ["BASES", "Base", "find_base", "named_base"]


@dataclass(frozen=True, kw_only=True)
class Base:
    """One class of pipelines."""

    title: str
    """What its models are called."""
    pipeline: Any
    transformer: Any
    autoencoder: Any
    size_multiple: int
    """Of height and width: the pipeline takes no others, whatever its models could do."""
    text_tokens: int
    """The most tokens of a prompt, where the transformer's config does not say."""
    guidance_calls: int
    """2 where the predictions with and without the prompt are calls of their own, 1 where they share one batch."""
    dynamic_guidance: str | None = None
    """The pipeline's argument that lets guidance change from step to step; None where there is none."""
    defaults: Defaults
    """What its models are made for, where a folder does not say."""

    def multiples(self, vae: Mapping[str, Any], transformer: Mapping[str, Any]) -> tuple[int, int]:
        """What height and width have to be multiples of, from the configs of a model."""
        patch = transformer["patch_size"]
        height, width = [patch] * 2 if isinstance(patch, int) else patch[1:]
        stride = strides(vae).pixels
        return math.lcm(stride * height, self.size_multiple), math.lcm(stride * width, self.size_multiple)

    def text_length(self, transformer: Mapping[str, Any], tokenizer: Any = None) -> int:
        """The tokens that a prompt is padded to, from the transformer's config and the tokenizer where it is known."""
        if own := transformer.get("max_text_seq_length"):
            return own
        return self.text_tokens if tokenizer is None else min(self.text_tokens, tokenizer.model_max_length)

    def words(
        self,
        pipeline: Any,
        prompts: Sequence[str],
        negative_prompts: Sequence[str],
        *,
        guidance: bool,
        num_views: int = 1,
    ) -> dict[str, Any]:
        """What the text encoder makes of the prompts, `num_views` times each, as arguments of `pipeline`."""
        positive, negative = pipeline.encode_prompt(
            list(prompts),
            negative_prompt=list(negative_prompts),
            do_classifier_free_guidance=guidance,
            num_videos_per_prompt=num_views,
            max_sequence_length=self.text_length(pipeline.transformer.config, pipeline.tokenizer),
            device=pipeline._execution_device,
        )
        pipeline.maybe_free_model_hooks()
        return {"prompt_embeds": positive, "negative_prompt_embeds": negative}

    def denoise(
        self, pipeline: Any, noise: Float[Tensor, "bv z f h w"], *, dynamic_guidance: bool, **settings: Any
    ) -> Float[Tensor, "bv z f h w"]:
        """What `pipeline` makes of `noise`; `settings` are its arguments, among them the `words`."""
        if self.dynamic_guidance is not None:
            settings |= {self.dynamic_guidance: dynamic_guidance}
        latents = swap_layout(pipeline.transformer, noise.to(pipeline._execution_device))
        return swap_layout(pipeline.transformer, pipeline(latents=latents, output_type="latent", **settings).frames)


BASES = {
    base.pipeline.__name__: base
    for base in (
        Base(
            title="Wan",
            pipeline=WanPipeline,
            transformer=WanTransformer3DModel,
            autoencoder=AutoencoderKLWan,
            size_multiple=16,
            text_tokens=512,
            guidance_calls=2,
            defaults=Defaults(),
        ),
        Base(
            title="SkyReels-V2",
            pipeline=SkyReelsV2Pipeline,
            transformer=SkyReelsV2Transformer3DModel,
            autoencoder=AutoencoderKLWan,
            size_multiple=16,
            text_tokens=512,
            guidance_calls=2,
            defaults=Defaults(num_frames=97, height=544, width=960, fps=24.0, guidance=6.0),
        ),
        Base(
            title="CogVideoX",
            pipeline=CogVideoXPipeline,
            transformer=CogVideoXTransformer3DModel,
            autoencoder=AutoencoderKLCogVideoX,
            size_multiple=8,
            text_tokens=226,
            guidance_calls=1,
            dynamic_guidance="use_dynamic_cfg",
            defaults=Defaults(
                num_frames=49,
                height=480,
                width=720,
                fps=8.0,
                guidance=6.0,
                negative_prompt="",
                dynamic_guidance=True,
            ),
        ),
    )
}
TITLES = " or ".join((", ".join([base.title for base in BASES.values()][:-1]), [*BASES.values()][-1].title))


def find_base(pipeline: Any) -> Base:
    """What differs in the class of `pipeline`; InputError if adapters are not used in it."""
    return named_base(type(pipeline).__name__, "the pipeline")


def named_base(pipeline: str, owner: str) -> Base:
    """The same by the name of the class; `owner` is whose it is."""
    if pipeline not in BASES:
        raise InputError(
            f"{owner} is a {pipeline}, expected a text-to-video model of {TITLES}: {', '.join(BASES)} of diffusers"
        )
    return BASES[pipeline]

"""MultiViewPipeline: a stock pipeline with a view-sync adapter turns text and cameras into synchronised videos."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.attention import check_attention_backend
from syncam.adapters.autoencoders import strides
from syncam.adapters.backbones import swap_layout
from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.cameras.cameras import Cameras
from syncam.errors import InputError
from syncam.pipelines.adapted import AdaptedPipeline, noise_per_view, seeded_generator
from syncam.pipelines.collaborative import Collaboration, in_pairs
from syncam.pipelines.lead import leading

__all__ = ["MultiViewOutput", "MultiViewPipeline"]


@dataclass(frozen=True)
class MultiViewOutput:
    """Videos in [0, 1], [V, F, C, H, W] for a prompt, [B, V, F, C, H, W] for a list; latents likewise, normalised."""

    videos: Tensor | None
    latents: Tensor


class MultiViewPipeline(AdaptedPipeline[ViewSyncAdapter]):
    """Text and V cameras to V videos of one scene.

    Holds a stock pipeline of diffusers (`base`) and a ViewSyncAdapter (`adapter`), as every AdaptedPipeline holds one.

    Example:
        >>> pipeline = MultiViewPipeline.from_pretrained()  # the built-in model
        >>> cameras = parse_rig("hemisphere:views=4,radius=5,elevation=15,span=90", num_frames=17, hw=(128, 128))
        >>> videos = pipeline("a red horse walks on green grass", cameras, seed=0).videos
    """

    adapter_class = ViewSyncAdapter

    def check(self, cameras: Cameras, num_frames: int, height: int, width: int) -> Cameras:
        """The cameras at latent frames; InputError where cameras, frames, size and model do not go together."""
        self.check_size(height, width)
        frames = self.latent_frames(num_frames)
        if cameras.batch_shape:
            raise InputError(f"cameras of one rig must have no batch dims, got {cameras.batch_shape}")
        return cameras.repeat_frames(num_frames).frames(frames)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        cameras: Cameras,
        *,
        negative_prompt: str | None = None,
        num_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int | Sequence[int] = 0,
        scheduler: str = "model",
        synchronise: bool = True,
        lead_view: bool | None = None,
        guide_adapter: bool | None = None,
        collaboration: Collaboration | None = None,
        video: Float[Tensor, "F C H W"] | Float[Tensor, "B F C H W"] | None = None,
        output_type: str = "pt",
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
    ) -> MultiViewOutput:
        """Makes one video per camera; with a list of prompts, one scene per prompt, all seen by the same rig.

        `cameras` have F frames (the video's) or one (held still). Sizes and steps default to the model's. View k of
        seed s starts from the same noise whatever the number of views and prompts. `synchronise=False` leaves the
        adapter out: independent videos, for comparison. `lead_view` makes all views together first, keeps view 0, and
        makes the others again to match it; else they are made together once. `guide_adapter` makes the prediction that
        guidance moves away from without the adapter, so that it strengthens the views' agreement, too. A
        `collaboration` denoises the views pair by pair: for more views than the adapter was trained with. A `video` in
        [0, 1], one per scene, is what view 0 shows: the others are made to match it. `output_type` is "pt" or "latent"
        (videos are None then).
        """
        defaults = self.defaults
        num_frames = num_frames or defaults.num_frames
        height, width = height or defaults.height, width or defaults.width
        steps = num_inference_steps or defaults.steps
        guidance = defaults.guidance if guidance_scale is None else guidance_scale
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        seeds = [seed] * len(prompts) if isinstance(seed, int) else list(seed)
        if not prompts or len(seeds) != len(prompts):
            raise InputError(f"expected one seed, or one per prompt, got {len(seeds)} seeds for {len(prompts)} prompts")
        if steps < 1:
            raise InputError(f"num_inference_steps must be at least 1, got {steps}")
        if output_type not in ("pt", "latent"):
            raise InputError(f"output_type must be pt or latent, got {output_type!r}")
        latent_cameras = self.check(cameras, num_frames, height, width)
        given = (num_frames, 3, height, width)
        if video is not None:
            if tuple(video.shape) not in (given, (len(prompts), *given)):
                raise InputError(f"video must be {given} (frames, colours, height, width), got {tuple(video.shape)}")
            if cameras.num_views == 1 or not synchronise:
                raise InputError("video is what view 0 shows: it needs other views to make, and synchronise=True")
        noise = self.noise(seeds, cameras.num_views, num_frames, height, width)
        transformer, device = self.base.transformer, self.base._execution_device
        own = partial(swap_layout, transformer)
        rows, together = len(noise), cameras.num_views
        if collaboration is not None:
            if not synchronise:
                raise InputError("a collaboration is of views that are synchronised; leave out synchronise=False")
            collaboration.check(cameras.num_views)
            rows, together = 2 * collaboration.at_once(cameras.num_views, len(prompts)), 2
        check_attention_backend(
            transformer,
            (rows * (2 if guidance > 1 and self.kind.guidance_calls == 1 else 1), *own(noise).shape[1:]),
            together,
            dtype=transformer.dtype,
            device=device,
            text_tokens=self.kind.text_length(transformer.config, self.base.tokenizer),
        )
        negative = defaults.negative_prompt if negative_prompt is None else negative_prompt
        denoise = partial(
            self.denoise,
            noise,
            **self.words(prompts, [negative] * len(prompts), guidance=guidance > 1, num_views=cameras.num_views),
            height=height,
            width=width,
            num_frames=num_frames,
            num_inference_steps=steps,
            guidance_scale=guidance,
            callback_on_step_end=callback_on_step_end,
        )
        scenes, lead = (len(prompts), cameras.num_views), None
        told = self.adapter.cameras(latent_cameras) if synchronise else self.adapter.disabled()

        def joined() -> contextlib.AbstractContextManager[None]:
            shown = None if lead is None else own(lead)
            if collaboration is not None:
                return in_pairs(self.base, self.adapter, latent_cameras, again, seeds, collaboration, shown)
            return contextlib.nullcontext() if shown is None else leading(transformer, shown, cameras.num_views)

        def again(step: int) -> Float[Tensor, "bv ..."]:
            return own(self.noise(seeds, cameras.num_views, num_frames, height, width, step))

        with told, self._guided(guide_adapter), self._scheduler(scheduler):
            if video is not None:
                lead = self.encode(video.expand(len(prompts), *given)).to(device)
            elif synchronise and cameras.num_views > 1 and (defaults.lead_view if lead_view is None else lead_view):
                with joined():
                    lead = denoise(generator=self.generators(seeds, cameras.num_views)).unflatten(0, scenes)[:, 0]
            with joined():
                latents = denoise(generator=self.generators(seeds, cameras.num_views))
        if lead is not None:
            latents.unflatten(0, scenes)[:, 0] = lead
        videos = None if output_type == "latent" else self.decode(latents)
        shape = (len(prompts), cameras.num_views) if not isinstance(prompt, str) else (cameras.num_views,)
        return MultiViewOutput(
            None if videos is None else videos.unflatten(0, shape), latents.float().cpu().unflatten(0, shape)
        )

    def noise(
        self, seeds: Sequence[int], num_views: int, num_frames: int, height: int, width: int, step: int | None = None
    ) -> Float[Tensor, "bv z f h w"]:
        """The starting noise, or that of a repeated step, drawn on the CPU for every seed and view by itself."""
        found = strides(self.base.vae.config)
        frames, stride = (num_frames - 1) // found.frames + 1, found.pixels
        shape = (self.base.transformer.config.in_channels, frames, height // stride, width // stride)
        return noise_per_view(shape, seeds, num_views, step)

    def generators(self, seeds: Sequence[int], num_views: int) -> list[torch.Generator]:
        """Of the noise that some samplers add at every step: for every seed and view one of its own."""
        return [seeded_generator(seed, view, -1) for seed in seeds for view in range(num_views)]

"""ReshootPipeline: a stock pipeline with a frame-concat adapter shows a video from other camera paths."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.attention import check_attention_backend
from syncam.adapters.autoencoders import strides
from syncam.adapters.frame_concat import FrameConcatAdapter
from syncam.cameras.cameras import Cameras
from syncam.cameras.rigid import compose_rigid, invert_rigid
from syncam.errors import InputError
from syncam.pipelines.adapted import AdaptedPipeline, seeded_generator
from syncam.pipelines.windows import blended, cut_windows, window_starts

__all__ = ["ReshootOutput", "ReshootPipeline", "ReshotPiece"]


@dataclass(frozen=True)
class ReshootOutput:
    """Videos [T, F, C, H, W] in [0, 1], and the latents of all W windows [T, W, z, f, h, w], normalised."""

    videos: Tensor
    latents: Tensor


@dataclass(frozen=True)
class ReshotPiece:
    """The frames that one window finishes: n of the source, and of every take."""

    source: Float[Tensor, "n 3 H W"]
    videos: Float[Tensor, "T n 3 H W"]
    latents: Float[Tensor, "T z f h w"]
    """Of the whole window, normalised."""


class ReshootPipeline(AdaptedPipeline[FrameConcatAdapter]):
    """A video and T camera paths to T videos of the same scene at the same moments.

    Holds a stock pipeline (`base`) and a FrameConcatAdapter (`adapter`), as every AdaptedPipeline holds one. The takes
    are made in turns, which bounds the memory: nothing that one shows depends on another, but all show what the source
    does. A video longer than the model makes at a time is cut into windows that overlap.

    Example:
        >>> pipeline = ReshootPipeline.from_pretrained(adapter="reshoot")
        >>> paths = parse_rig("arc 30", num_frames=len(video), hw=(128, 128))
        >>> videos = pipeline(video, paths, prompt="a red horse walks on green grass", seed=0).videos
    """

    adapter_class = FrameConcatAdapter

    def __call__(
        self,
        video: Float[Tensor, "F 3 H W"],
        cameras: Cameras,
        *,
        prompt: str,
        reference: Float[Tensor, "..."] | None = None,
        negative_prompt: str | None = None,
        num_frames: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int = 0,
        scheduler: str = "model",
        guide_adapter: bool | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
    ) -> ReshootOutput:
        """Shows a video in [0, 1] along every path of `cameras`; `stream` does so for videos of any length.

        `prompt` says what the video shows. `num_frames` are made at a time; that and the other settings default to the
        model's. Take k of seed s starts from the same noise whatever the number of takes. `guide_adapter` makes the
        prediction that guidance moves away from without source and path, so that guidance strengthens them, too.
        reference: c2w of the source's own camera, in the world of `cameras`: [4, 4] where it stands still or is not
        known, else [#T, #F, 4, 4]. The paths are relative to it at the first frame of each window. None: each path is
        relative to its own first camera, so that it starts where the source does.
        """
        self.check_size(*video.shape[-2:])
        pieces = list(
            self.stream(
                video,
                len(video),
                cameras,
                prompt=prompt,
                reference=reference,
                negative_prompt=negative_prompt,
                num_frames=num_frames,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
                seed=seed,
                scheduler=scheduler,
                guide_adapter=guide_adapter,
                callback_on_step_end=callback_on_step_end,
            )
        )
        videos = torch.cat([piece.videos for piece in pieces], 1)
        return ReshootOutput(videos, torch.stack([piece.latents for piece in pieces], 1))

    def stream(
        self,
        frames: Iterable[Float[Tensor, "3 H W"]],
        length: int,
        cameras: Cameras,
        *,
        prompt: str,
        reference: Float[Tensor, "..."] | None = None,
        negative_prompt: str | None = None,
        num_frames: int | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int = 0,
        scheduler: str = "model",
        guide_adapter: bool | None = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
    ) -> Iterator[ReshotPiece]:
        """As calling the pipeline, of `length` frames that come one after the other; finished frames are yielded.

        One window of the source, and one of every take, are in memory at a time. Windows have the noise of each
        latent frame in common, and fade into each other where they overlap.
        """
        defaults = self.defaults.reshooting()
        window = num_frames or defaults.num_frames
        steps = num_inference_steps or defaults.steps
        if steps < 1:
            raise InputError(f"num_inference_steps must be at least 1, got {steps}")
        stride = strides(self.base.vae.config).frames
        self.latent_frames(window)
        starts = window_starts(length, window, stride)
        if cameras.batch_shape:
            raise InputError(f"cameras of the takes must have no batch dims, got {cameras.batch_shape}")
        c2w = cameras.repeat_frames(length).c2w.double()  # [T, F, 4, 4]
        if reference is None:
            reference = c2w[:, :1]
        try:
            sources = reference.double().expand(c2w.shape)
        except RuntimeError as err:
            raise InputError(
                f"reference must be c2w [4, 4], or [T, F, 4, 4] for {len(c2w)} takes of {length} frames, "
                f"got {tuple(reference.shape)}"
            ) from err
        paths = [
            compose_rigid(invert_rigid(sources[:, start, None]), c2w[:, start : start + window]).float()
            for start in starts
        ]
        take = partial(
            self._takes,
            text={
                "prompt": prompt,
                "negative_prompt": defaults.negative_prompt if negative_prompt is None else negative_prompt,
            },
            seed=seed,
            scheduler=scheduler,
            guide_adapter=guide_adapter,
            num_inference_steps=steps,
            guidance_scale=defaults.guidance if guidance_scale is None else guidance_scale,
            callback_on_step_end=callback_on_step_end,
        )
        return self._pieces(cut_windows(frames, starts, window), starts, paths, take)

    def _pieces(
        self,
        windows: Iterator[Tensor],
        starts: list[int],
        paths: list[Tensor],
        take: Callable[..., Tensor],
    ) -> Iterator[ReshotPiece]:
        made: list[tuple[Tensor, Tensor]] = []
        words: dict[str, Any] = {}

        def decoded() -> Iterator[Tensor]:
            for source, start, path in zip(windows, starts, paths, strict=True):
                latents = take(source, start, path, words=words)
                made.append((source, latents))
                yield torch.cat([self.decode(one[None]) for one in latents])

        for videos in blended(decoded(), starts):
            source, latents = made.pop()
            yield ReshotPiece(source[: videos.shape[1]], videos, latents)

    @torch.no_grad()
    def _takes(
        self,
        source: Float[Tensor, "F 3 H W"],
        start: int,
        paths: Float[Tensor, "T F 4 4"],
        *,
        text: dict[str, str],
        words: dict[str, Any],
        seed: int,
        scheduler: str,
        guide_adapter: bool | None,
        **settings: Any,
    ) -> Float[Tensor, "T z f h w"]:
        """The latents of every take of one window, one after the other, on the CPU; the source is encoded once."""
        (num_frames, _, height, width), device = source.shape, self.base._execution_device
        self.check_size(height, width)
        latents = self.encode(source[None]).to(device)
        doubled = (1, latents.shape[1], 2 * latents.shape[2], *latents.shape[3:])
        transformer = self.base.transformer
        check_attention_backend(transformer, doubled, 1, dtype=transformer.dtype, device=device)
        if not words:  # the same for all windows
            prompts = [text["prompt"]], [text["negative_prompt"]]
            words.update(self.words(*prompts, guidance=settings["guidance_scale"] > 1))
        stride, takes = strides(self.base.vae.config).frames, []
        for number, path in enumerate(paths):
            told = self.adapter.cameras(
                path[None], source=latents, reference=torch.eye(4, dtype=path.dtype), temporal_stride=stride
            )
            with told, self._guided(guide_adapter), self._scheduler(scheduler):
                noise = self.noise(seed, number, start // stride, latents.shape)
                made = self.denoise(noise, **words, **settings, height=height, width=width, num_frames=num_frames)
            takes.append(made.float().cpu())
        return torch.cat(takes)

    def noise(self, seed: int, take: int, first: int, shape: torch.Size) -> Float[Tensor, "1 z f h w"]:
        """The starting noise of latent frames `first` and on, each drawn on the CPU by itself: windows share it."""
        _, channels, frames, height, width = shape
        drawn = [
            torch.randn((channels, height, width), generator=seeded_generator(seed, take, frame))
            for frame in range(first, first + frames)
        ]
        return torch.stack(drawn, 1)[None]

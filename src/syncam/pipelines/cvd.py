"""CVDPipeline: a stock AnimateDiffPipeline with the adapters of Collaborative Video Diffusion."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter
from diffusers.models.unets.unet_motion_model import UNetMotionOutput
from jaxtyping import Float, Int
from torch import Tensor

from syncam.adapters import EpipolarSyncAdapter, PlueckerAdapter
from syncam.adapters.spatial_lora import fuse_lora
from syncam.cameras.cameras import Cameras
from syncam.errors import InputError
from syncam.pipelines.adapted import choose_device, default_dtype, noise_per_view, seeded_generator
from syncam.pipelines.collaborative import Collaboration, averaged, calls_instead
from syncam.pipelines.matchings import disjoint
from syncam.pipelines.multiview import MultiViewOutput
from syncam.pipelines.recurrent import RecurrentScheduler, recurrent

__all__ = ["CVDPipeline", "check_folders", "load_frozen", "published_scheduler", "warn_about_first_poses"]

logger = logging.getLogger(__name__)

MOTION, SYNC, CONTROL, LORA = "motion", "sync", "control", "lora"
"""In a CVD folder: AnimateDiff's motion modules and the synchronisation; CameraCtrl and a LoRA may be missing."""
SLOPES = -2
"""Takes the place of a view's number in the seed of the lines that no geometry decides."""
SAME_PLACE_M, SAME_DIRECTION_DEG = 1e-3, 0.1
PIXELS_PER_LATENT = 8


def published_scheduler() -> DDIMScheduler:
    """The sampler that AnimateDiff v3 and CVD were published with."""
    return DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="linear", steps_offset=1, clip_sample=False)


class CVDPipeline:
    """Text and V cameras that start at one place to V videos of one scene.

    Holds a stock AnimateDiffPipeline (`base`), an EpipolarSyncAdapter (`sync`) and a PlueckerAdapter (`control`) or
    none, attached to its UNet as long as this pipeline lives. What diffusers loads into `base` (the checkpoint of
    another base model, LoRAs, textual inversions) stays in use.

    Example:
        >>> motion = MotionAdapter.from_pretrained("cvd/motion")
        >>> base = AnimateDiffPipeline.from_pretrained(model, motion_adapter=motion)
        >>> pipeline = CVDPipeline(base, EpipolarSyncAdapter.from_pretrained("cvd/sync"))
        >>> cameras = parse_rig("circle:views=4,radius=1", num_frames=16, hw=(256, 256))
        >>> videos = pipeline("a horse on a meadow", cameras, seed=0).videos
    """

    def __init__(
        self, base: AnimateDiffPipeline, sync: EpipolarSyncAdapter, control: PlueckerAdapter | None = None
    ) -> None:
        self.base: Any = base
        self.sync = sync
        self.control = control
        self.attachments = [adapter.attach(self.base.unet) for adapter in (sync, control) if adapter is not None]

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path,
        *,
        adapter: str | Path,
        dtype: torch.dtype | None = None,
        device: str | torch.device | None = None,
        offload: str = "none",
    ) -> "CVDPipeline":
        """Loads a Stable Diffusion 1.5 model (folder or hub id) and a folder with `motion`, `sync` and maybe `control`.

        If there is a `lora`, such as AnimateDiff v3's, it is added to the weights of the UNet. The sampler becomes that
        of the publication. `dtype` None is bfloat16 where the device multiplies it fast, else
        float32. `offload`: none, or model (only the model at work is on the device). InputError for what is missing.
        """
        folder, device = Path(adapter), choose_device(device)
        dtype = dtype or default_dtype(device)
        check_folders(folder, (MOTION, SYNC))
        if offload not in ("none", "model") or (offload == "model" and device.type == "cpu"):
            raise InputError(f"offload must be none, or model on another device than the CPU, got {offload!r}")
        base, control = load_frozen(model, folder, dtype)
        pipeline = cls(base, EpipolarSyncAdapter.from_pretrained(folder / SYNC, dtype=dtype), control)
        if offload == "model":
            base.enable_model_cpu_offload(device=device)  # the adapters follow what the UNet is given
        else:
            parts: list[Any] = [base, pipeline.sync, *([] if control is None else [control])]
            for part in parts:
                part.to(device)
        return pipeline

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        cameras: Cameras,
        *,
        negative_prompt: str = "",
        num_frames: int | None = None,
        num_inference_steps: int = 25,
        guidance_scale: float = 8.5,
        seed: int = 0,
        collaboration: Collaboration | None = None,
        output_type: str = "pt",
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
    ) -> MultiViewOutput:
        """Makes one video per camera, of the size of their pictures; at every step each view attends to others.

        `collaboration` says to how many, one by default, and how often steps are repeated. `num_frames` None is that of
        the cameras. Noise, pairs, repeats and the lines that no geometry decides follow from `seed`. InputError for a
        single view, and for repeats together with FreeInit; cameras that do not start at one place are warned of.
        """
        collaboration = collaboration or Collaboration()
        if cameras.batch_shape:
            raise InputError(f"cameras of one rig must have no batch dims, got {cameras.batch_shape}")
        if cameras.num_views < 2:
            raise InputError(
                "CVD makes views that agree with each other, but the rig has a single one; give two or more"
            )
        collaboration.check(cameras.num_views)
        if output_type not in ("pt", "latent"):
            raise InputError(f"output_type must be pt or latent, got {output_type!r}")
        if collaboration.repeats > 1 and self.base.free_init_enabled:
            raise InputError("FreeInit begins the denoising anew, and repeats repeat its steps; disable one of the two")
        cameras = cameras if num_frames is None else cameras.repeat_frames(num_frames)
        warn_about_first_poses(cameras)
        views, device = cameras.num_views, self.base._execution_device
        noise = partial(self._noise, seed, cameras)
        with ExitStack() as told:
            scheduler = told.enter_context(recurrent(self.base, collaboration.repeats, noise))
            told.enter_context(self.sync.cameras(cameras, generator=seeded_generator(seed, SLOPES)))
            if self.control is not None:
                told.enter_context(self.control.cameras(cameras))
            call = partial(self._call, collaboration, scheduler, seed, views)
            told.enter_context(calls_instead(self.base.unet, call))
            latents = self.base(
                prompt=[prompt] * views,
                negative_prompt=[negative_prompt] * views,
                height=cameras.hw[0],
                width=cameras.hw[1],
                num_frames=cameras.num_frames,
                num_inference_steps=num_inference_steps,
                guidance_scale=guidance_scale,
                latents=noise().to(device, self.base.unet.dtype),
                output_type="latent",
                callback_on_step_end=callback_on_step_end,
            ).frames
        videos = None if output_type == "latent" else self.decode(latents)
        return MultiViewOutput(videos, latents.float().cpu())

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "V z F h w"]) -> Float[Tensor, "V F 3 H W"]:
        """Videos in [0, 1] on the CPU, decoded one view at a time to bound the memory."""
        vae, device = self.base.vae, self.base._execution_device
        videos = [self.base.decode_latents(one.to(device, vae.dtype)).cpu()[0] for one in latents.split(1)]
        self.base.maybe_free_model_hooks()
        return (torch.stack(videos).transpose(1, 2) / 2 + 0.5).clamp(0, 1)

    def _noise(self, seed: int, cameras: Cameras, step: int | None = None) -> Float[Tensor, "V z F h w"]:
        """The starting noise, or that of a repeated step, drawn on the CPU for every view by itself."""
        height, width = (size // PIXELS_PER_LATENT for size in cameras.hw)
        shape = (self.base.unet.config.in_channels, cameras.num_frames, height, width)
        return noise_per_view(shape, [seed], cameras.num_views, step)

    def _call(
        self,
        collaboration: Collaboration,
        scheduler: RecurrentScheduler,
        seed: int,
        num_views: int,
        stock: Callable[..., Any],
        sample: Float[Tensor, "cv z F h w"],
        timestep: Any,
        encoder_hidden_states: Float[Tensor, "cvF n d"],
        **inputs: Any,
    ) -> UNetMotionOutput:
        """What the pipeline calls in place of its UNet: the mean over the pairs of this step."""
        branches, at_once = len(sample) // num_views, collaboration.at_once(num_views)
        text = encoder_hidden_states.unflatten(0, (len(sample), -1))  # [(c v), F, n, d]

        def predictions() -> Iterator[tuple[Int[Tensor, " rows"], Float[Tensor, "c rows *latent"]]]:
            for pairs in disjoint(collaboration.draw(num_views, [seed], scheduler.call)[0]):
                with self.sync.matching(_partners(pairs, num_views)):
                    for some in pairs.split(at_once):
                        views = some.flatten()
                        rows = torch.cat([branch * num_views + views for branch in range(branches)]).to(sample.device)
                        told = inputs | {"encoder_hidden_states": text[rows].flatten(0, 1)}
                        with self._views(views.tolist()):
                            made = stock(sample[rows], timestep, **told).sample
                        yield views, made.unflatten(0, (branches, -1))

        return UNetMotionOutput(sample=averaged(predictions(), num_views).flatten(0, 1))

    @contextmanager
    def _views(self, views: Sequence[int]) -> Iterator[None]:
        with ExitStack() as told:
            for adapter in (self.sync, self.control):
                if adapter is not None:
                    told.enter_context(adapter.views(views))
            yield


def check_folders(folder: Path, names: Sequence[str]) -> None:
    """InputError unless a CVD folder holds these adapters."""
    for name in names:
        if not (folder / name / "config.json").is_file():
            raise InputError(
                f"{folder} has no folder {name}; expected motion, sync and maybe control, by syncam convert"
            )


def load_frozen(
    model: str | Path, folder: Path, dtype: torch.dtype, vae_dtype: torch.dtype | None = None
) -> tuple[AnimateDiffPipeline, PlueckerAdapter | None]:
    """What CVD stands on: a Stable Diffusion 1.5 with the `motion` and maybe the `lora` of a CVD folder, and `control`.

    The sampler is that of the publication. `vae_dtype` None is `dtype`. InputError for what does not load.
    """
    dtypes = {"vae": vae_dtype or dtype, "default": dtype}
    try:
        motion = MotionAdapter.from_pretrained(folder / MOTION, dtype=dtype)
        base = AnimateDiffPipeline.from_pretrained(
            str(model), motion_adapter=motion, scheduler=published_scheduler(), dtype=dtypes, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError) as err:
        reason = " ".join(str(err).split())[:300]
        raise InputError(f"model {model} does not load as Stable Diffusion 1.5 with motion: {reason}") from err
    base.set_progress_bar_config(disable=True)
    if (folder / LORA).is_dir():
        fuse_lora(base.unet, folder / LORA)
    control = None
    if (folder / CONTROL).is_dir():
        control = PlueckerAdapter.from_pretrained(folder / CONTROL, dtype=dtype)
    return base, control


def _partners(pairs: Int[Tensor, "pairs 2"], num_views: int) -> list[int | None]:
    """For every view its partner; None for views without one."""
    partners: list[int | None] = [None] * num_views
    for first, second in pairs.tolist():
        partners[first], partners[second] = second, first
    return partners


def warn_about_first_poses(cameras: Cameras) -> str | None:
    """Logs how far apart the cameras start, if not at one place and in one direction; returns the message."""
    first = cameras.frames([0]).relative_to(view=0)[:, 0]  # [V, 4, 4]
    apart = float(first[:, :3, 3].norm(dim=-1).max())
    trace = first[:, :3, :3].diagonal(dim1=-2, dim2=-1).sum(-1)
    turned = float(((trace - 1) / 2).clamp(-1, 1).acos().rad2deg().max())
    if apart <= SAME_PLACE_M and turned <= SAME_DIRECTION_DEG:
        return None
    message = (
        f"the cameras start up to {apart:.3g} m and {turned:.3g} degrees apart, but CVD has learnt views that share "
        "their first pose: give a rig such as circle or one of syncam rig join, or make views around a scene with a "
        "view-sync model"
    )
    logger.warning("%s", message)
    return message

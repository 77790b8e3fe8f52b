"""The CVD task: beside a frozen AnimateDiff, modules that synchronise pairs of videos learn to predict the noise."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from diffusers import AnimateDiffPipeline
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from syncam.adapters import EpipolarSyncAdapter, PlueckerAdapter
from syncam.cameras.cameras import Cameras
from syncam.data.dataset import ClipStore
from syncam.data.scene import Scene
from syncam.data.video import contact_sheet
from syncam.errors import InputError
from syncam.files import atomic_path
from syncam.pipelines.cvd import (
    CONTROL,
    LORA,
    MOTION,
    PIXELS_PER_LATENT,
    SYNC,
    CVDPipeline,
    check_folders,
    load_frozen,
)
from syncam.pipelines.latents import normalised
from syncam.pipelines.loading import load_adapter
from syncam.training.adapter_task import AdapterOptions, AdapterTask
from syncam.training.config import Phase, TrainConfig
from syncam.training.draws import drop_captions
from syncam.training.objective import sample_sigmas
from syncam.training.pairs import KINDS, Kind, Pair, Spread, draw_pair
from syncam.training.precompute import PIXELS_AT_ONCE, training_caption
from syncam.training.task import read_options

__all__ = ["CONDITIONS", "CVDOptions", "CVDTask", "load_cvd_task"]

logger = logging.getLogger(__name__)

Condition = Literal["right", "permuted", "off"]
CONDITIONS: tuple[Condition, ...] = ("right", "permuted", "off")
"""What the modules are told in validation: what corresponds, the same with the views exchanged, or nothing."""


@dataclass(frozen=True, kw_only=True)
class CVDOptions(AdapterOptions):
    """Numbers of the CVD task; they default to what the paper says, and to ours where it does not."""

    hw: tuple[int, int] = (256, 256)
    """Height and width that videos are fitted to, pixels."""
    folded: float = 0.7
    """Weight of pairs of one moving camera's video, folded at its middle, among the kinds of pairs."""
    synchronised: float = 0.0
    """Weight of pairs of two cameras at the same moments, for data of several views."""
    warped: float = 0.3
    """Weight of pairs of a video and its copy under a homography that grows with time; they need no cameras."""
    videos: str | None = None
    """A data set with train and val that the warped pairs are made of; None: the same as the others."""
    max_stride: int = 2
    """Of the frames taken from clips that are long enough."""
    timestep_per_view: bool = True
    """Draws a noise level for each view of a pair, as published; False: one for both, as in use."""
    spread: dict[str, float] = field(default_factory=dict)
    """Standard deviations of the homographies, where not those of `Spread`."""
    adapter: dict[str, Any] = field(default_factory=dict)
    """More settings of fresh modules, such as slopes."""
    sample_steps: int = 25
    sample_guidance: float = 8.5

    def __post_init__(self) -> None:
        weights = {kind: getattr(self, kind) for kind in KINDS}
        if min(weights.values()) < 0 or not any(weights.values()):
            raise InputError(f"folded, synchronised and warped are weights, at least one above 0, got {weights}")
        if self.max_stride < 1:
            raise InputError(f"max_stride must be at least 1, got {self.max_stride}")
        if self.videos is not None and not self.warped:
            raise InputError("videos has no effect without warped pairs (warped=0.3)")
        if len(self.hw) != 2 or any(size % PIXELS_PER_LATENT for size in self.hw):
            raise InputError(f"hw must be a height and width in multiples of {PIXELS_PER_LATENT}, got {self.hw}")


class CVDTask(AdapterTask):
    """Trains only the synchronisation modules, on pairs of videos that are drawn and encoded anew in every step."""

    adapter_class = EpipolarSyncAdapter
    options_class = CVDOptions
    conditions = CONDITIONS

    def __init__(
        self,
        config: TrainConfig,
        data: str | Path,
        base: AnimateDiffPipeline,
        control: PlueckerAdapter | None = None,
        adapter: EpipolarSyncAdapter | None = None,
        *,
        folder: Path,
    ) -> None:
        """`adapter` is where training starts; without one, it starts with fresh modules.

        `folder` is that of the motion modules and of what else stands beside the modules: it is copied to the export.
        """
        super().__init__(config)
        if config.compile:
            raise InputError("compile has no effect on the task cvd; leave it away")
        self.spread: Spread = read_options(Spread, self.options.spread)
        self.folder = folder
        self.stores = {split: self._scenes(Path(data), split) for split in ("train", "val")}
        if control is not None:
            control.requires_grad_(False).eval()
        stack: Any = base
        self.join(stack, stack.unet, adapter)
        stack.vae.eval().requires_grad_(False)
        if self.options.gradient_checkpointing:
            self.adapter.enable_gradient_checkpointing()
        self.pipeline = CVDPipeline(base, self.adapter, control)

    def _scenes(self, data: Path, split: str) -> dict[Kind, Sequence[Scene]]:
        """What pairs of each kind are made of; InputError where the first scene cannot be."""
        generator, scenes = torch.Generator().manual_seed(0), {}
        for kind in KINDS:
            if getattr(self.options, kind) > 0:
                root = self.options.videos if kind == "warped" and self.options.videos is not None else data
                scenes[kind] = ClipStore(root, split).scenes
                for phase in self.config.phases:
                    self._pair(scenes[kind][0], kind, phase.num_frames, generator)
        return scenes

    def fresh_adapter(self) -> EpipolarSyncAdapter:
        """Modules with the options' settings and weights of the run's seed, for pictures of the options' height."""
        settings = {"trained_size": self.options.hw[0]} | self.options.adapter
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return EpipolarSyncAdapter.from_transformer(self.transformer, **settings)

    def embedding(self, caption: str) -> Float[Tensor, "N D"]:
        """A caption as AnimateDiffPipeline embeds it."""
        base = self._base[0]
        return base.encode_prompt(caption, self.transformer.device, 1, False)[0][0]

    def batch(self, phase: Phase, generator: torch.Generator) -> dict[str, Any]:
        """Pairs of one kind from random scenes: latents [b, 2, z, F, h, w], valid cells, what corresponds, captions."""
        stores = self.stores["train"]
        weights = torch.tensor([getattr(self.options, kind) for kind in stores])
        kind = list(stores)[int(torch.multinomial(weights, 1, generator=generator))]
        chosen = torch.randint(len(stores[kind]), (phase.batch_size,), generator=generator)
        drawn = self._collate([stores[kind][int(index)] for index in chosen], kind, phase.num_frames, generator)
        return drawn | {"captions": drop_captions(drawn["captions"], self.options.caption_dropout, generator)}

    def forward(self, batch: dict[str, Any], generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The squared error of the predicted noise in what is valid."""
        latents = batch["latents"]
        levels = self._levels(len(latents), generator)
        noise = torch.randn(latents.shape, generator=generator)
        losses, plain = self.losses(batch, levels, noise)
        return losses.mean(), {"mse": plain.mean().detach()}

    def losses(
        self, batch: dict[str, Any], sigmas: Float[Tensor, "b 2"], noise: Tensor, condition: Condition = "right"
    ) -> tuple[Float[Tensor, "b 2"], Float[Tensor, "b 2"]]:
        """Per view the masked error's mean over all cells, which is trained, and over those that are valid."""
        device = self.transformer.device
        latents, noise, sigmas = batch["latents"].to(device), noise.to(device), sigmas.to(device)
        told = latents.flatten(0, 1), noise.flatten(0, 1), sigmas.flatten()
        noisy, target = self.objective.noisy(*told), self.objective.target(*told)
        text = self.embed(batch["captions"]).repeat_interleave(2 * latents.shape[3], 0)  # [(b v F), N, D]
        with self._told(batch, condition):
            predicted = self.transformer(noisy, self.objective.timesteps(told[2]), text, return_dict=False)[0]
        valid = batch["valid"].to(device)[:, :, None]  # [b, V, 1, F, h, w]
        error = ((predicted.float() - target) ** 2).unflatten(0, (-1, 2)) * valid
        share = valid.flatten(2).mean(2).clamp(min=1e-6)
        losses = error.flatten(2).mean(2)
        return losses, losses / share

    def validation_batches(self, scenes: int) -> Iterator[tuple[dict[str, Any], Tensor, Tensor]]:
        """Held-out pairs, of the kinds in turn, with fixed frames, warps, noise levels and noise."""
        generator = torch.Generator().manual_seed(0)
        num_frames = self.config.phases[-1].num_frames
        for kind, store in self.stores["val"].items():
            for scene in store[: -(-scenes // len(self.stores["val"]))]:
                batch = self._collate([scene], kind, num_frames, generator)
                levels = self._levels(1, generator)
                yield batch, levels, torch.randn(batch["latents"].shape, generator=generator)

    def sample(self, path: Path) -> None:
        """A sheet of two held-out scenes, generated for the cameras of a pair; none where all pairs are warped."""
        generator, videos, titles = torch.Generator().manual_seed(0), [], []
        kind, store = next(iter(self.stores["val"].items()))
        if kind == "warped":
            return
        for number, scene in enumerate(store[:2]):
            pair = self._pair(scene, kind, self.config.phases[-1].num_frames, generator)
            assert pair.cameras is not None
            caption = training_caption(scene, path)
            with self.autocast():
                made = self.pipeline(
                    caption,
                    pair.cameras,
                    num_inference_steps=self.options.sample_steps,
                    guidance_scale=self.options.sample_guidance,
                    seed=number,
                ).videos
            assert made is not None
            videos.append(made.float())
            titles += [caption, ""]
        with atomic_path(path) as temporary:
            contact_sheet(torch.cat(videos), num_columns=5, titles=titles).save(temporary)

    def export(self, folder: Path) -> None:
        """Writes the modules beside copies of what they were trained with: a folder that CVDPipeline takes."""
        self.adapter.save_pretrained(folder / SYNC)
        for name in (MOTION, CONTROL, LORA):
            if (self.folder / name).is_dir():
                shutil.copytree(self.folder / name, folder / name)

    def _levels(self, count: int, generator: torch.Generator) -> Float[Tensor, "b 2"]:
        own = 2 if self.options.timestep_per_view else 1
        levels = sample_sigmas(count * own, shift=1.0, distribution="uniform", generator=generator)
        return levels.view(count, own).expand(count, 2)

    def _pair(self, scene: Scene, kind: Kind, num_frames: int, generator: torch.Generator) -> Pair:
        hw = (self.options.hw[0], self.options.hw[1])
        rest = {"hw": hw, "max_stride": self.options.max_stride, "spread": self.spread, "generator": generator}
        return draw_pair(scene, kind, num_frames=num_frames, **rest)

    def _collate(self, scenes: list[Scene], kind: Kind, num_frames: int, generator: torch.Generator) -> dict[str, Any]:
        captions = [training_caption(scene, scene.path.parent) for scene in scenes]
        pairs = [self._pair(scene, kind, num_frames, generator) for scene in scenes]
        cells = F.max_pool2d((~torch.stack([pair.valid for pair in pairs])).flatten(0, 1).float(), PIXELS_PER_LATENT)
        cameras, warps = [pair.cameras for pair in pairs if pair.cameras is not None], None
        if kind == "warped":
            warps = torch.stack([pair.warps for pair in pairs if pair.warps is not None])
        return {
            "latents": self._encode(torch.stack([pair.video for pair in pairs]), generator),
            "valid": 1 - cells.unflatten(0, (-1, 2)),  # [b, 2, F, h, w]; the cells that are valid as a whole
            "cameras": _side_by_side(cameras) if cameras else None,
            "warps": warps,
            "captions": captions,
            # Of the lines that no geometry decides: the same for all that is compared.
            "slopes": int(torch.randint(2**31, (1,), generator=generator)),
        }

    @torch.no_grad()
    def _encode(self, video: Float[Tensor, "b 2 F 3 H W"], generator: torch.Generator) -> Tensor:
        """Latents [b, 2, z, F, h, w], drawn from what the autoencoder says of each frame."""
        vae = self._base[0].vae
        frames = video.flatten(0, 2) * 2 - 1
        drawn = []
        with self.autocast():
            for part in frames.split(max(1, PIXELS_AT_ONCE // (8 * frames[0, 0].numel()))):
                drawn.append(vae.encode(part.to(vae.device)).latent_dist.sample(generator))
        latents = rearrange(torch.cat(drawn), "(n f) z h w -> n z f h w", f=video.shape[2])
        return normalised(vae, latents).unflatten(0, (-1, 2))

    @contextmanager
    def _told(self, batch: dict[str, Any], condition: Condition) -> Iterator[None]:
        """For a call of the UNet, what it and the modules are told of a batch."""
        slopes = torch.Generator().manual_seed(batch["slopes"])
        control, cameras = self.pipeline.control, batch["cameras"]
        flipped = condition == "permuted"
        with ExitStack() as told:
            if cameras is None:
                warps = batch["warps"].flip(1) if flipped else batch["warps"]
                told.enter_context(self.adapter.warped(warps, tuple(self.options.hw), generator=slopes))
            else:
                seen = cameras.view([1, 0]) if flipped else cameras
                told.enter_context(self.adapter.cameras(seen, generator=slopes))
            if control is not None:
                told.enter_context(control.disabled() if cameras is None else control.cameras(cameras))
            if condition == "off":
                told.enter_context(self.adapter.matching([None, None]))
            yield


def _side_by_side(cameras: list[Cameras]) -> Cameras:
    """The cameras of several pairs, as scenes."""
    return Cameras(torch.stack([x.c2w for x in cameras]), torch.stack([x.K for x in cameras]), cameras[0].hw)


def load_cvd_task(
    config: TrainConfig, data: Path, base: str | Path, adapter: str | Path | None, device: torch.device
) -> CVDTask:
    """The task on a Stable Diffusion 1.5 and a folder with `motion`, and maybe `control`, `lora` and `sync`.

    Without `sync` training starts with fresh modules. InputError for what is missing.
    """
    if adapter is None:
        raise InputError("cvd needs adapter: a folder with motion and maybe control, as syncam convert writes them")
    folder = Path(adapter)
    check_folders(folder, (MOTION,))
    # What is not trained is needed in the precision of the products only.
    dtype = torch.bfloat16 if config.mixed_precision == "bf16" else torch.float32
    frozen, control = load_frozen(base, folder, dtype, torch.float32)
    start = None
    if (folder / SYNC).is_dir():
        start = load_adapter(base, folder / SYNC, torch.float32, kind=EpipolarSyncAdapter)
        logger.info("going on from the modules in %s", folder / SYNC)
    stack: Any = frozen
    stack.to(device)
    return CVDTask(config, data, frozen, control, start, folder=folder)

"""The autoencoder task: a small AutoencoderKLWan learns to give back rendered videos."""

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from jaxtyping import Float, UInt8
from torch import Tensor

from syncam.cameras.encodings import latent_frame_indices
from syncam.data.dataset import ClipStore
from syncam.data.video import contact_sheet
from syncam.errors import InputError
from syncam.files import atomic_path
from syncam.training.config import Phase, TrainConfig
from syncam.training.small_model import build_autoencoder, speed_up_autoencoder
from syncam.training.task import Task, read_options

__all__ = ["AutoencoderTask", "PixelStore"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AutoencoderOptions:
    """Numbers of the autoencoder task."""

    model: dict[str, Any] = field(default_factory=dict)
    """Arguments of AutoencoderKLWan."""
    subject_weight: float = 4.0
    """Added to the loss weight 1 of pixels that show a subject."""
    gradient_weight: float = 0.5
    """Weight of the error of the horizontal and vertical differences, which keeps edges sharp."""
    kl_weight: float = 1e-3
    """Weight of the latents' divergence from a unit normal, per latent number."""
    validation_clips: int = 48
    """Held-out clips, one view each, for the validation PSNR."""
    clips: int = 1200
    """Most clips, single views of scenes, to train on; fewer are sooner in memory, and crops of them vary enough."""
    memory_gib: float = 8.0
    """Decoded clips are kept in memory up to this size."""


class PixelStore:
    """Decoded 8-bit clips of a store, kept in memory up to a limit (the least recently used go first)."""

    def __init__(self, store: ClipStore, memory_gib: float, clips: int | None = None) -> None:
        """`clips` evenly spread views of the store, or all."""
        self.store = store
        items = [(scene, view) for scene in range(len(store)) for view in range(store[scene].num_views)]
        count = len(items) if clips is None else min(clips, len(items))
        self.items = [items[index * len(items) // count] for index in range(count)]
        self._limit = int(memory_gib * 2**30)
        self._held = 0
        self._cache: OrderedDict[int, tuple[Tensor, Tensor]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[UInt8[Tensor, "F C H W"], UInt8[Tensor, "F H W"]]:
        """The pixels and the subject mask (0 or 1; zeros where the clip has none) of one view of one scene."""
        if index in self._cache:
            self._cache.move_to_end(index)
            return self._cache[index]
        scene, view = self.items[index]
        clip = self.store[scene].read(views=[view])
        video = (clip.video[0] * 255).round().to(torch.uint8)
        mask = torch.zeros_like(video[:, 0]) if clip.masks is None else clip.masks[0].to(torch.uint8)
        self._cache[index] = (video, mask)
        self._held += video.nbytes + mask.nbytes
        while self._held > self._limit and len(self._cache) > 1:
            _, (old_video, old_mask) = self._cache.popitem(last=False)
            self._held -= old_video.nbytes + old_mask.nbytes
        return video, mask


class AutoencoderTask(Task):
    """Reconstruction with a subject weight, a gradient term and a small divergence term."""

    def __init__(self, config: TrainConfig, data: str | Path) -> None:
        super().__init__(config)
        self.options: AutoencoderOptions = read_options(AutoencoderOptions, config.options)
        self.vae = build_autoencoder(self.options.model, seed=config.seed)
        self._stride = self.vae.config.scale_factor_temporal
        for phase in config.phases:
            latent_frame_indices(phase.num_frames, self._stride)
        if config.compile:
            speed_up_autoencoder(self.vae)
        self.train_pixels = PixelStore(ClipStore(data, "train"), self.options.memory_gib, self.options.clips)
        self.held_out = PixelStore(ClipStore(data, "val"), 1.0)
        sizes = {f"crop is {phase.crop}": (phase.crop, phase.crop) for phase in config.phases if phase.crop}
        for pixels in (self.train_pixels, self.held_out):
            height, width = pixels[0][1].shape[1:]
            sizes[f"the clips of {pixels.store[0].path.parent} are {height}x{width}"] = (height, width)
        multiple = self.vae.config.scale_factor_spatial
        for what, size in sizes.items():
            if size[0] % multiple or size[1] % multiple:
                raise InputError(f"{what}, but the autoencoder needs multiples of {multiple}")

    def batch(self, phase: Phase, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Videos [b, C, F, H, W] in [-1, 1] and loss weights [b, 1, F, H, W]: random clips, times and squares."""
        videos, weights = [], []
        for _ in range(phase.batch_size):
            index = int(torch.randint(len(self.train_pixels), (1,), generator=generator))
            video, mask = self.train_pixels[index]
            num_frames, height, width = mask.shape
            side_h, side_w = (phase.crop, phase.crop) if phase.crop else (height, width)
            if num_frames < phase.num_frames or height < side_h or width < side_w:
                scene = self.train_pixels.store[self.train_pixels.items[index][0]]
                raise InputError(
                    f"the recipe wants {phase.num_frames} frames of {side_h}x{side_w} pixels, but {scene.path} has "
                    f"{num_frames} of {height}x{width}"
                )
            frame, top, left = (
                int(torch.randint(size + 1, (1,), generator=generator))
                for size in (num_frames - phase.num_frames, height - side_h, width - side_w)
            )
            window = (slice(frame, frame + phase.num_frames), ..., slice(top, top + side_h), slice(left, left + side_w))
            videos.append(video[window].transpose(0, 1).float() / 127.5 - 1)
            weights.append(1 + self.options.subject_weight * mask[window][None].float())
        stacked = torch.stack(videos).contiguous(memory_format=torch.channels_last_3d)
        return stacked.to(self.vae.device), torch.stack(weights).to(self.vae.device)

    def forward(self, batch: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Weighted Charbonnier error of the pixels, error of their differences, and the divergence."""
        video, weight = batch
        posterior = self.vae.encode(video).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=generator).to(posterior.mean)
        latents = posterior.mean + posterior.std * noise
        error = self.vae.decode(latents, return_dict=False)[0].float() - video
        pixels = ((error**2 + 1e-4).sqrt() * weight).mean()
        edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        divergence = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).mean()
        loss = pixels + self.options.gradient_weight * edges + self.options.kl_weight * divergence
        return loss, {"mse": (error.detach() ** 2).mean(), "kl": divergence.detach()}

    def reconstruct(self, index: int) -> tuple[Float[Tensor, "F C H W"], Float[Tensor, "F C H W"]]:
        """One held-out clip and what the autoencoder makes of it, in [0, 1]."""
        pixels, posterior = self._encode(self.held_out, index)
        with torch.no_grad(), self._autocast():
            back = self.vae.decode(posterior.mode(), return_dict=False)[0]
        both = torch.cat([pixels, back.float().clamp(-1, 1)]).transpose(1, 2).cpu() / 2 + 0.5
        return both[0], both[1]

    def _encode(self, store: PixelStore, index: int) -> tuple[Tensor, DiagonalGaussianDistribution]:
        """A whole clip in [-1, 1], as many frames of it as the autoencoder takes, and the posterior of its latents."""
        video, _ = store[index]
        video = video[: (len(video) - 1) // self._stride * self._stride + 1]
        pixels = video.transpose(0, 1)[None].float() / 127.5 - 1
        pixels = pixels.to(self.vae.device).contiguous(memory_format=torch.channels_last_3d)
        with torch.no_grad(), self._autocast():
            return pixels, self.vae.encode(pixels).latent_dist

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.vae.device.type, torch.bfloat16, enabled=self.config.mixed_precision == "bf16")

    def _validation_indices(self) -> list[int]:
        count = min(self.options.validation_clips, len(self.held_out))
        return [index * len(self.held_out) // count for index in range(count)]

    def validate(self) -> dict[str, float]:
        """Mean PSNR in dB over held-out clips at full length, of all pixels and of the subject's."""
        whole, subject = [], []
        for index in self._validation_indices():
            clip, back = self.reconstruct(index)
            error = (clip - back) ** 2
            mask = self.held_out[index][1][: len(clip), None].float()
            whole.append(_psnr(error.mean()))
            if mask.any():
                subject.append(_psnr((error * mask).sum() / (3 * mask.sum())))
        return {"psnr": sum(whole) / len(whole)} | ({"subject_psnr": sum(subject) / len(subject)} if subject else {})

    def sample(self, path: Path) -> None:
        """A sheet of held-out clips, each above its reconstruction."""
        rows = [video for index in self._validation_indices()[:4] for video in self.reconstruct(index)]
        with atomic_path(path) as temporary:
            contact_sheet(torch.stack(rows), num_columns=6).save(temporary)

    def latent_statistics(self, clips: int = 256) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of every latent channel over training clips, the posterior's own noise included.

        With it, a channel that the divergence term has emptied stays small instead of being blown up.
        """
        sums = squares = torch.zeros(self.vae.config.z_dim, dtype=torch.float64)
        count = 0
        for index in range(0, len(self.train_pixels), max(1, len(self.train_pixels) // clips)):
            posterior = self._encode(self.train_pixels, index)[1]
            latents, noise = (part[0].flatten(1).double().cpu() for part in (posterior.mean, posterior.var))
            sums, squares = sums + latents.sum(1), squares + (latents**2 + noise).sum(1)
            count += latents.shape[1]
        mean = sums / count
        return mean.tolist(), (squares / count - mean**2).clamp(min=1e-12).sqrt().tolist()

    def export(self, folder: Path) -> None:
        """Writes folder/vae, with the statistics of its latents in the config."""
        mean, std = self.latent_statistics()
        self.vae.register_to_config(latents_mean=mean, latents_std=std)
        self.vae.save_pretrained(folder / "vae")


def _psnr(error: Tensor) -> float:
    return float(-10 * torch.log10(error.clamp(min=1e-10)))

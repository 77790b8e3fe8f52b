"""Latents of a clip store, encoded once and kept on disk, keyed by the autoencoder's weights and the clips' content."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from syncam.adapters.autoencoders import strides
from syncam.cameras.encodings import latent_frame_indices
from syncam.data.dataset import ClipStore
from syncam.data.scene import Scene
from syncam.errors import InputError
from syncam.files import atomic_path
from syncam.pipelines.latents import latent_statistics, normalised
from syncam.training.config import TrainConfig

__all__ = ["LatentStore", "check_frames", "encode_store", "in_turns", "load_latents", "training_caption"]

logger = logging.getLogger(__name__)

PIXELS_AT_ONCE = 2**26
"""Views of a scene are encoded together up to this size."""

STILLS = 4
"""Frames of every clip that are also encoded as pictures of their own."""


@dataclass(frozen=True)
class LatentStore:
    """The latents of S scenes of equal shape, normalised per channel, with what belongs to them."""

    latents: Float[Tensor, "S V z f h w"]
    stills: Float[Tensor, "S V n z h w"]
    masks: Float[Tensor, "S V f h w"]
    """1 where a latent cell shows any of a subject, else 0."""
    still_masks: Float[Tensor, "S V n h w"]
    c2w: Float[Tensor, "S V f 4 4"]
    """Camera to world at the video frames that the latent frames stand for."""
    still_c2w: Float[Tensor, "S V n 4 4"]
    captions: list[str]

    def __len__(self) -> int:
        return len(self.captions)


def encode_store(
    data: str | Path,
    split: str,
    vae: Any,
    cache: str | Path,
    *,
    bf16: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> LatentStore:
    """Encodes every scene of a split that `cache` does not hold yet, and loads them all.

    The cache is a folder per autoencoder; a scene is encoded again when its videos, masks, cameras or caption
    changed, or `bf16` did. Safe to kill: a scene's file is there whole or not at all.
    """
    store = ClipStore(data, split)
    folder = Path(cache) / f"latents-{fingerprint(vae)}" / split
    paths = []
    for index, scene in enumerate(store.scenes):
        caption = training_caption(scene, store.root)
        below = scene.path.relative_to(store.root).parts  # of <split>/<lens>/<scene> the last two
        path = folder / f"{'-'.join(below[1:] if len(below) > 2 else below)}.safetensors"
        content = content_hash(scene, f"{bf16}")
        if stored_hash(path) != content:
            tensors = _encode_scene(scene, vae, bf16=bf16)
            with atomic_path(path) as temporary:
                save_file(tensors, temporary, metadata={"caption": caption, "content": content})
        paths.append(path)
        if progress is not None:
            progress(index + 1, len(store))
    return load_latents(paths)


def training_caption(scene: Scene, data: str | Path) -> str:
    """The scene's caption; InputError where there is none."""
    if not scene.caption:
        raise InputError(f"{scene.path} has no caption to train on; syncam data caption {data} writes captions")
    return scene.caption


def check_frames(config: TrainConfig, store: LatentStore, temporal_stride: int) -> None:
    """InputError unless every phase takes stills or the store's clips at their full length, as latents can."""
    num_frames = (store.latents.shape[3] - 1) * temporal_stride + 1
    for phase in config.phases:
        if phase.num_frames not in (1, num_frames):
            raise InputError(
                f"the recipe trains on {phase.num_frames} frames, but the data's videos have {num_frames}; "
                f"render or choose data of {phase.num_frames} frames, or a recipe for {num_frames}"
            )


def load_latents(paths: list[Path]) -> LatentStore:
    """Reads scenes that encode_store wrote into memory; InputError unless they all have one shape."""
    columns: dict[str, list[Tensor]] = {}
    captions = []
    for path in paths:
        with safe_open(path, framework="pt") as file:
            captions.append((file.metadata() or {})["caption"])
            for name in file.keys():  # noqa: SIM118 - a safetensors handle is no mapping
                columns.setdefault(name, []).append(file.get_tensor(name))
                if columns[name][-1].shape != columns[name][0].shape:
                    raise InputError(
                        f"{path}: {name} has shape {tuple(columns[name][-1].shape)}, the scenes before it "
                        f"{tuple(columns[name][0].shape)}; a run needs scenes of equal views, frames and size"
                    )
    return LatentStore(captions=captions, **{name: torch.stack(values) for name, values in columns.items()})


def in_turns(stores: Sequence[LatentStore]) -> LatentStore:
    """The scenes of all stores, the first ones first; InputError unless they all have one shape."""
    if len(stores) == 1:
        return stores[0]
    order = sorted((index, number) for number, store in enumerate(stores) for index in range(len(store)))
    owners = torch.tensor([number for _, number in order])
    columns: dict[str, Tensor] = {}
    for name in (field.name for field in fields(LatentStore) if field.name != "captions"):
        parts: list[Tensor] = [getattr(store, name) for store in stores]
        if len(shapes := {part.shape[1:] for part in parts}) > 1:
            raise InputError(
                f"the data sets have {name} of shapes {' and '.join(str(tuple(shape)) for shape in sorted(shapes))}; "
                "a run needs scenes of equal views, frames and size"
            )
        columns[name] = parts[0].new_empty(len(order), *parts[0].shape[1:])
        for number, part in enumerate(parts):
            columns[name][owners == number] = part
    return LatentStore(captions=[stores[number].captions[index] for index, number in order], **columns)


def fingerprint(vae: Any) -> str:
    """A short hash of the autoencoder's weights and of the statistics that normalise its latents."""
    config = vae.config
    statistics = (config.latents_mean, config.latents_std)
    digest = hashlib.sha256(repr(latent_statistics(vae) if config.latents_mean is None else statistics).encode())
    for name, tensor in sorted(vae.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def content_hash(scene: Scene, about: str) -> str:
    """A hash of a scene's files and caption, and of `about`, which says what is made of them."""
    digest = hashlib.sha256(f"{about}/{scene.caption}".encode())
    for name, file in scene.sources():
        content = file.read_bytes() if isinstance(file, Path) else file.read()
        digest.update(f"/{name}/".encode() + hashlib.sha256(content).digest())
    return digest.hexdigest()


def stored_hash(path: Path) -> str | None:
    """The hash that a safetensors file carries of what it was made from; None without a whole file."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("content")
    except SafetensorError:
        return None  # damaged from outside: encode again


@torch.no_grad()
def _encode_scene(scene: Scene, vae: Any, *, bf16: bool) -> dict[str, Tensor]:
    clip = scene.read()
    found = strides(vae.config)
    stride_t, stride = found.frames, found.pixels
    if clip.video.shape[-1] % stride or clip.video.shape[-2] % stride:
        raise InputError(f"{scene.path} has pictures of {clip.hw}; the autoencoder needs multiples of {stride}")
    latent_frame_indices(clip.num_frames, found.clip)
    frames = latent_frame_indices(clip.num_frames, stride_t)
    # The stills lie between the latent frames' own moments, so that they add pictures instead of repeating them.
    stills = [round((k + 0.5) * (clip.num_frames - 1) / STILLS) for k in range(STILLS)]
    device = next(vae.parameters()).device
    video = clip.video.transpose(1, 2) * 2 - 1  # [V, C, F, H, W]
    views_at_once = max(1, PIXELS_AT_ONCE // video[0, 0].numel())
    masks = torch.zeros(clip.video.shape[:2] + clip.hw) if clip.masks is None else clip.masks.float()
    cells = F.max_pool2d(masks, stride)  # [V, F, h, w]
    spans = [cells[:, max(0, frame - stride_t + 1) : frame + 1].amax(1) for frame in frames]
    latents, pictures = [], []
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        for part in video.split(views_at_once):
            moving = part.to(device).contiguous(memory_format=torch.channels_last_3d)
            latents.append(normalised(vae, vae.encode(moving).latent_dist.mode()).half().cpu())
            still = moving[:, :, stills].transpose(1, 2).flatten(0, 1)[:, :, None]  # [V n, C, 1, H, W]
            encoded = normalised(vae, vae.encode(still).latent_dist.mode())[:, :, 0]
            pictures.append(encoded.unflatten(0, (-1, STILLS)).half().cpu())
    cameras = scene.cameras
    # Videos from anywhere have no cameras, and what is trained on them does not look at these.
    c2w = torch.eye(4).expand(*clip.video.shape[:2], 4, 4) if cameras is None else cameras.c2w.float()
    return {
        "latents": torch.cat(latents).contiguous(),
        "stills": torch.cat(pictures).contiguous(),
        "masks": torch.stack(spans, 1).half().contiguous(),
        "still_masks": cells[:, stills].half().contiguous(),
        "c2w": c2w[:, frames].contiguous(),
        "still_c2w": c2w[:, stills].contiguous(),
    }

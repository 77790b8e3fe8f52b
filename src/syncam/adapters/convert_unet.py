"""Published checkpoints of any family -> folders; here those around AnimateDiff v3, each one part of a stack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import MotionAdapter
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from diffusers.utils.constants import SAFETENSORS_WEIGHTS_NAME
from safetensors.torch import save_file
from torch import Tensor

from syncam.adapters.checkpoint_files import check_new_folder, read_checkpoint
from syncam.adapters.convert import Conversion, convert_checkpoint
from syncam.adapters.epipolar_sync import EpipolarSyncAdapter
from syncam.adapters.pluecker import PlueckerAdapter
from syncam.adapters.published_unet import (
    CAMERACTRL,
    CVD,
    DOMAIN_LORA,
    ESTATE_LORA,
    LAYERS_PER_BLOCK,
    MOTION,
    NUM_HEADS,
    NUM_LEVELS,
    WRAPPERS,
    UNetPart,
    cameractrl_name,
    cvd_name,
    find_unet_part,
    lora_name,
    motion_name,
)
from syncam.adapters.spatial_lora import LORA_FILE
from syncam.errors import InputError
from syncam.files import atomic_dir

POSITIONS = ("pos_encoder.pe", "pos_embed.pe")
POSITIONS_ATOL = 5e-3  # half precision


@dataclass(frozen=True, kw_only=True)
class UNetConversion:
    """What convert_file did with a part of the stack around AnimateDiff."""

    out: Path
    method: str
    """What the file is."""
    use: str
    """What reads the folder."""
    num_tensors: int
    """Of the checkpoint, without what an optimiser or a counter of steps left there."""
    num_parameters: int
    dtype: torch.dtype


def convert_file(
    checkpoint: str | Path,
    out: str | Path,
    *,
    base: str | Path | None = None,
    dtype: torch.dtype | None = None,
    rank: int | None = None,
) -> Conversion | UNetConversion:
    """Writes what a published checkpoint adds to its base model to the folder `out`; its tensors say what it is.

    CVD, CameraCtrl, the motion modules of AnimateDiff v3 and LoRAs of its UNet become folders for what `use` names.
    Everything else is convert_checkpoint's, and so are `base` and `rank`. `dtype` converts the weights.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    loaded = read_checkpoint(checkpoint)
    wrappers = [name for name in WRAPPERS if isinstance(loaded.get(name), dict)]
    held = [loaded[name] for name in wrappers] or [loaded]
    weights = {
        name.removeprefix("module."): value
        for tensors in held
        for name, value in tensors.items()
        if isinstance(value, Tensor)  # beside them stand steps, epochs and settings
    }
    part = find_unet_part(weights, wrappers, checkpoint)
    if part is None:
        return convert_checkpoint(checkpoint, out, base=base, dtype=dtype, rank=rank)
    if base is not None or rank is not None:
        raise InputError(f"{checkpoint} is of {part.method}: base and rank belong to checkpoints of transformers")
    check_new_folder(out)
    for name, value in weights.items():
        if not value.isfinite().all():
            raise InputError(f"{checkpoint}: {name} has values that are not finite")
    with atomic_dir(out) as folder:
        converted = WRITERS[part](weights, folder, checkpoint, dtype)
    return UNetConversion(
        out=out,
        method=part.method,
        use=part.use,
        num_tensors=len(weights),
        num_parameters=sum(value.numel() for value in converted.values()),
        dtype=next(iter(converted.values())).dtype,
    )


def write_sync(
    weights: Mapping[str, Tensor], folder: Path, checkpoint: Path, dtype: torch.dtype | None
) -> dict[str, Tensor]:
    """An EpipolarSyncAdapter; the tensors that it now holds."""
    channels = _channels(weights, "down_blocks.{}.epi_modules.0.epi_transformer.norm.weight")
    with torch.device("meta"):
        adapter = EpipolarSyncAdapter(
            block_out_channels=channels, layers_per_block=LAYERS_PER_BLOCK, num_heads=NUM_HEADS
        )
    return _write(adapter, {cvd_name(name): value for name, value in weights.items()}, folder, checkpoint, dtype)


def write_control(
    weights: Mapping[str, Tensor], folder: Path, checkpoint: Path, dtype: torch.dtype | None
) -> dict[str, Tensor]:
    """A PlueckerAdapter; the tensors that it now holds."""
    channels = _channels(weights, "encoder_down_attention_blocks.{}.0.ff_norm.weight")
    with torch.device("meta"):
        adapter = PlueckerAdapter(block_out_channels=channels, layers_per_block=LAYERS_PER_BLOCK, num_heads=NUM_HEADS)
    named = _without_positions(weights, checkpoint, cameractrl_name)
    return _write(adapter, named, folder, checkpoint, dtype)


def write_motion(
    weights: Mapping[str, Tensor], folder: Path, checkpoint: Path, dtype: torch.dtype | None
) -> dict[str, Tensor]:
    """A MotionAdapter of diffusers; the tensors that it now holds."""
    block = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0"
    channels = _channels(weights, "down_blocks.{}.motion_modules.0.temporal_transformer.norm.weight")
    with torch.device("meta"):
        adapter = MotionAdapter(
            block_out_channels=tuple(channels),
            motion_layers_per_block=LAYERS_PER_BLOCK,
            motion_num_attention_heads=NUM_HEADS,
            motion_max_seq_length=weights[f"{block}.pos_encoder.pe"].shape[1],
            use_motion_mid_block=False,
        )
    return _write(adapter, _without_positions(weights, checkpoint, motion_name), folder, checkpoint, dtype)


def write_lora(
    weights: Mapping[str, Tensor], folder: Path, checkpoint: Path, dtype: torch.dtype | None
) -> dict[str, Tensor]:
    """A folder for diffusers' load_lora_weights; the tensors that it now holds."""
    converted = {lora_name(name): value.to(dtype or value.dtype).contiguous() for name, value in weights.items()}
    for name, down in converted.items():
        up = converted[name.replace("lora_A", "lora_B")]
        if name.endswith(".lora_A.weight") and (down.ndim != 2 or up.ndim != 2 or len(down) != up.shape[1]):
            raise InputError(
                f"{checkpoint}: {name} has shape {tuple(down.shape)}, its other half {tuple(up.shape)}: they do not fit"
            )
    save_file(converted, folder / LORA_FILE, metadata={"format": "pt"})
    return converted


WRITERS: dict[UNetPart, Callable[..., dict[str, Tensor]]] = {
    CVD: write_sync,
    CAMERACTRL: write_control,
    MOTION: write_motion,
    DOMAIN_LORA: write_lora,
    ESTATE_LORA: write_lora,
}


def _channels(weights: Mapping[str, Tensor], name: str) -> list[int]:
    return [len(weights[name.format(level)]) for level in range(NUM_LEVELS)]


def _without_positions(
    weights: Mapping[str, Tensor], checkpoint: Path, rename: Callable[[str], str]
) -> dict[str, Tensor]:
    """In our names, without the positions in time: those are a function, and InputError where they are another one."""
    named = {}
    for name, value in weights.items():
        if not name.endswith(POSITIONS[0]):
            named[rename(name)] = value
            continue
        expected: Any = SinusoidalPositionalEmbedding(value.shape[-1], value.shape[1]).pe
        if value.shape != expected.shape or not torch.allclose(value.float(), expected, rtol=0, atol=POSITIONS_ATOL):
            raise InputError(f"{checkpoint}: {name} has other positions in time than sines and cosines")
    return named


def _write(
    model: Any, named: dict[str, Tensor], folder: Path, checkpoint: Path, dtype: torch.dtype | None
) -> dict[str, Tensor]:
    """Saves weights as those of `model`, whose positions in time are added."""
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    for name, shape in expected.items():
        if name.endswith(POSITIONS[1]):
            positions: Any = SinusoidalPositionalEmbedding(shape[2], shape[1]).pe
            named[name] = positions.to(next(iter(named.values())).dtype)
    for name, value in named.items():
        if tuple(value.shape) != expected[name]:
            raise InputError(f"{checkpoint}: {name} has shape {tuple(value.shape)}, expected {expected[name]}")
        named[name] = value.to(dtype or value.dtype).contiguous()
    model.save_config(folder)
    save_file(named, folder / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
    return named

"""Published checkpoints (whole transformers, in their own names) -> folders with the adapter alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.utils.constants import SAFE_WEIGHTS_INDEX_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from syncam.adapters.adapter import read_config
from syncam.adapters.checkpoint_files import check_new_folder, read_tensors
from syncam.adapters.low_rank import approximate
from syncam.adapters.published import (
    RECAMMASTER,
    Layout,
    Published,
    find_published,
    plain_names,
    split_state_dict,
)
from syncam.cameras.trained_range import save_trained_range
from syncam.errors import InputError
from syncam.files import atomic_dir


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What convert_checkpoint did."""

    out: Path
    method: str
    """Whose checkpoint it is: SynCamMaster (on Wan, or on CogVideoX) or ReCamMaster."""
    num_layers: int
    dim: int
    num_heads: int
    num_parameters: int
    """Of the adapter."""
    dtype: torch.dtype
    frozen_tensors: int
    """Tensors of the checkpoint that belong to the base model and were left out."""
    max_difference: float | None
    """Largest absolute difference between those and the base model's; None if no base was given."""
    rank_error: float | None
    """Largest error of a matrix that was approximated, relative to the matrix (Frobenius norms); None without rank."""
    change_lost: float | None
    """What the approximation leaves of the matrices' change from the base model's, relative to it, over all of them."""


def convert_checkpoint(
    checkpoint: str | Path,
    out: str | Path,
    *,
    base: str | Path | None = None,
    dtype: torch.dtype | None = None,
    rank: int | None = None,
) -> Conversion:
    """Writes what a published checkpoint adds to its base model to `out`, for the from_pretrained of its adapter.

    Every tensor must be known and present. `base` is the folder of the diffusers model that the checkpoint was
    trained on (or of its transformer): the rest of the checkpoint has to equal it, up to rounding to the coarser of
    the two dtypes. `dtype` converts the weights; None keeps them as they are. `rank` holds ReCamMaster's self-attention
    as a change of the base model's own, of that rank. Files are mapped, not read: memory stays near the adapter's size.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    check_new_folder(out)
    weights = plain_names(read_tensors(checkpoint), checkpoint)
    kind, num_layers, dim = find_published(weights, checkpoint)
    if rank is not None and (kind is not RECAMMASTER or base is None):
        raise InputError(
            f"rank belongs to ReCamMaster, and {checkpoint} is of {kind.method}"
            if kind is not RECAMMASTER
            else "rank needs the base model, whose self-attention the adapter then changes"
        )
    base_folder = None if base is None else transformer_folder(Path(base), kind.layout.backbone)
    num_heads = count_heads(weights, dim, kind.layout, base_folder)
    max_difference = None if base_folder is None else compare_with_base(checkpoint, kind, num_layers, base_folder)

    settings: dict[str, int | None] = {ours: weights[name].shape[-1] for ours, name in kind.sizes.items()}
    if kind is RECAMMASTER:
        settings["rank"] = rank
    with torch.device("meta"):
        adapter = kind.adapter(
            num_layers=num_layers,
            dim=dim,
            num_heads=num_heads,
            translation_scale=kind.translation_scale,
            backbone=kind.layout.backbone,
            **settings,
        )
    delta = split_state_dict(weights, kind)[1]
    frozen = len(weights) - len(delta)
    rank_error = change_lost = None
    for name, value in delta.items():
        if not value.isfinite().all():
            raise InputError(f"{checkpoint}: {name} has values that are not finite")
    if rank is not None and base_folder is not None:
        files, originals = base_files(base_folder), {kind.adapter_name(name): name for name in weights}
        names = {
            ours: kind.layout.base_name(original) or "" for ours, original in originals.items() if ours is not None
        }
        delta, rank_error, change_lost = approximate(delta, rank, lambda name: base_tensor(files, names[name]))
    expected = {name: tuple(parameter.shape) for name, parameter in adapter.state_dict().items()}
    for name, value in delta.items():
        if tuple(value.shape) != expected[name]:
            raise InputError(f"{checkpoint}: {name} has shape {tuple(value.shape)}, expected {expected[name]}")
        delta[name] = value.to(dtype or value.dtype).contiguous()
    with atomic_dir(out) as folder:
        adapter.save_config(folder)
        save_trained_range(folder, kind.trained)
        save_file(delta, folder / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
    return Conversion(
        out=out,
        method=kind.method,
        num_layers=num_layers,
        dim=dim,
        num_heads=num_heads,
        num_parameters=sum(value.numel() for value in delta.values()),
        dtype=delta["blocks.0.projector.weight"].dtype,
        frozen_tensors=frozen,
        max_difference=max_difference,
        rank_error=rank_error,
        change_lost=change_lost,
    )


def transformer_folder(base: Path, backbone: str) -> Path:
    """The folder with the config.json of a transformer of that class, given it or the pipeline folder around it."""
    for folder in (base / "transformer", base):
        if (folder / "config.json").is_file():
            name = read_config(folder / "config.json").get("_class_name")
            if name != backbone:
                raise InputError(f"base {folder} holds a {name}, expected a {backbone}")
            return folder
    raise InputError(
        f"base {base} has neither transformer/config.json nor config.json: expected a diffusers model folder"
    )


def count_heads(weights: Mapping[str, Tensor], dim: int, layout: Layout, base_folder: Path | None) -> int:
    """The number of attention heads, from the base model's config, the weights or what all published models have."""
    if base_folder is not None:
        config = read_config(base_folder / "config.json")
        heads, head_dim = config["num_attention_heads"], config["attention_head_dim"]
        if heads * head_dim != dim:
            raise InputError(f"the checkpoint has width {dim}, but the base model {heads} heads of {head_dim}")
        return heads
    head_dim = layout.head_dim if isinstance(layout.head_dim, int) else len(weights[layout.head_dim])
    if dim % head_dim:
        raise InputError(
            f"width {dim} is not a multiple of {layout.name}'s head size {head_dim}: give the base model to tell the "
            "heads"
        )
    return dim // head_dim


def compare_with_base(checkpoint: Path, kind: Published, num_layers: int, base_folder: Path) -> float:
    """The largest difference between the checkpoint's frozen weights and the base model's; InputError if not equal.

    The files are mapped anew for every block: mapped pages count as memory in use for as long as the mapping lives.
    """
    files, blocks = base_files(base_folder), f"{kind.layout.blocks}."
    largest = 0.0
    for prefix in ("", *(f"{blocks}{index}." for index in range(num_layers))):
        theirs_of: dict[Path, dict[str, Tensor]] = {}
        for name, ours in plain_names(read_tensors(checkpoint), checkpoint).items():
            theirs_name = kind.layout.base_name(name) if kind.is_frozen(name) else None
            if theirs_name is None or not (name.startswith(prefix) if prefix else not name.startswith(blocks)):
                continue
            file = files.get(theirs_name)
            if file is None:
                raise InputError(
                    f"the base model {base_folder} lacks {theirs_name}, which the checkpoint has as {name}"
                )
            if file not in theirs_of:
                theirs_of[file] = read_tensors(file)
            largest = max(largest, difference(name, ours, theirs_of[file][theirs_name]))
    return largest


def difference(name: str, ours: Tensor, theirs: Tensor) -> float:
    """The largest absolute difference of two tensors that are equal once both are in the coarser of their dtypes."""
    if ours.shape != theirs.shape:
        raise InputError(f"{name} has shape {tuple(ours.shape)}, but the base model's is {tuple(theirs.shape)}")
    coarser = max(ours.dtype, theirs.dtype, key=lambda dtype: torch.finfo(dtype).eps)
    largest = (ours.float() - theirs.float()).abs().max().item()
    if not torch.equal(ours.to(coarser), theirs.to(coarser)):
        raise InputError(
            f"{name} differs from the base model's by up to {largest:.3g}: the checkpoint was trained on another base"
        )
    return largest


def base_files(folder: Path) -> dict[str, Path]:
    """The file that holds each tensor of a diffusers model folder, sharded or not."""
    index, single = folder / SAFE_WEIGHTS_INDEX_NAME, folder / SAFETENSORS_WEIGHTS_NAME
    if index.is_file():
        return {name: folder / file for name, file in read_config(index)["weight_map"].items()}
    return dict.fromkeys(read_tensors(single), single)


def base_tensor(files: Mapping[str, Path], name: str) -> Tensor:
    """A tensor of a diffusers model, given the file that holds each."""
    if name not in files:
        raise InputError(f"the base model lacks {name}")
    with safe_open(files[name], framework="pt") as file:
        return file.get_tensor(name)

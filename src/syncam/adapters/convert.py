"""Published SynCamMaster checkpoints (a whole Wan transformer, original names) -> a folder with the adapter alone."""

import logging
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.utils.constants import SAFE_WEIGHTS_INDEX_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from syncam.adapters.adapter import read_config
from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.cameras.trained_range import TrainedRange, save_trained_range
from syncam.errors import InputError
from syncam.files import atomic_dir

logger = logging.getLogger(__name__)

BACKBONE = "WanTransformer3DModel"
HEAD_DIM = 128  # of every published Wan model; a state dict does not tell the number of heads
TRANSLATION_SCALE = 2.0  # metres; the reference divides centimetres by 200
TRAINED = TrainedRange(
    distance_m=(3.5, 9.0),
    elevation_deg=(0.0, 45.0),
    azimuth_from_first_deg=30.0,
    focal_mm=(24.0, 24.0),
    travel_m=0.0,
    views=(2, 2),
)
"""The cameras of SynCamVideo, and the pairs of them that the published training draws."""

# Original name -> name in diffusers. Weight and bias of a linear layer go together.
LINEAR_OUTSIDE = {
    "patch_embedding": "patch_embedding",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "head.head": "proj_out",
}
LINEAR_IN_BLOCK = {"norm3": "norm2", "ffn.0": "ffn.net.0.proj", "ffn.2": "ffn.net.2"}
ATTENTION = {"self_attn": "attn1", "cross_attn": "attn2"}
ATTENTION_LINEAR = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0"}
ATTENTION_NORM = ("norm_q.weight", "norm_k.weight")

# Original name -> name in a block of ViewSyncAdapter.
LINEAR_OF_ADAPTER = {"cam_encoder": "cam_encoder", "projector": "projector"}
LINEAR_OF_ADAPTER |= {f"mvs_attn.{x}": f"attn.{x}" for x in "qkvo"}


def _linear(names: Mapping[str, str]) -> dict[str, str]:
    return {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in names.items() for part in ("weight", "bias")}


OUTSIDE_NAMES = _linear(LINEAR_OUTSIDE) | {"head.modulation": "scale_shift_table"}
BLOCK_NAMES = (
    _linear(LINEAR_IN_BLOCK)
    | _linear({f"{a}.{x}": f"{b}.{y}" for a, b in ATTENTION.items() for x, y in ATTENTION_LINEAR.items()})
    | {f"{a}.{norm}": f"{b}.{norm}" for a, b in ATTENTION.items() for norm in ATTENTION_NORM}
    | {"modulation": "scale_shift_table"}
)
ADAPTER_NAMES = (
    _linear(LINEAR_OF_ADAPTER)
    | {f"mvs_attn.{norm}": f"attn.{norm}" for norm in ATTENTION_NORM}
    | {"modulation_mvs": "modulation"}
)


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What convert_checkpoint did."""

    out: Path
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


def convert_checkpoint(
    checkpoint: str | Path, out: str | Path, *, base: str | Path | None = None, dtype: torch.dtype | None = None
) -> Conversion:
    """Writes the view-synchronisation weights of a published checkpoint to `out`, for ViewSyncAdapter.from_pretrained.

    Every tensor must be known and present. `base` is the folder of the diffusers model that the checkpoint was
    trained on (or of its transformer): the rest of the checkpoint has to equal it, up to rounding to the coarser of
    the two dtypes. `dtype` converts the weights; None keeps them as they are. Files are mapped, not read: memory
    stays near the adapter's size.
    """
    checkpoint, out = Path(checkpoint), Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already: give another output folder or remove it")
    weights = read_tensors(checkpoint)
    num_layers, dim = check_layout(weights, checkpoint)
    base_folder = None if base is None else transformer_folder(Path(base))
    num_heads = count_heads(dim, base_folder)
    max_difference = None if base_folder is None else compare_with_base(checkpoint, num_layers, base_folder)

    with torch.device("meta"):
        adapter = ViewSyncAdapter(
            num_layers=num_layers,
            dim=dim,
            num_heads=num_heads,
            translation_scale=TRANSLATION_SCALE,
            backbone=BACKBONE,
        )
    expected = {name: tuple(parameter.shape) for name, parameter in adapter.state_dict().items()}
    delta = split_state_dict(weights)[1]
    frozen = len(weights) - len(delta)
    for name, value in delta.items():
        if tuple(value.shape) != expected[name]:
            raise InputError(f"{checkpoint}: {name} has shape {tuple(value.shape)}, expected {expected[name]}")
        if not value.isfinite().all():
            raise InputError(f"{checkpoint}: {name} has values that are not finite")
        delta[name] = value.to(dtype or value.dtype).contiguous()
    with atomic_dir(out) as folder:
        adapter.save_config(folder)
        save_trained_range(folder, TRAINED)
        save_file(delta, folder / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
    return Conversion(
        out=out,
        num_layers=num_layers,
        dim=dim,
        num_heads=num_heads,
        num_parameters=sum(value.numel() for value in delta.values()),
        dtype=delta["blocks.0.projector.weight"].dtype,
        frozen_tensors=frozen,
        max_difference=max_difference,
    )


def base_name(name: str) -> str | None:
    """The name in diffusers of a tensor of the base model, given its original name; None for any other tensor."""
    if name in OUTSIDE_NAMES:
        return OUTSIDE_NAMES[name]
    blocks, index, rest = name.split(".", 2)
    return f"{blocks}.{index}.{BLOCK_NAMES[rest]}" if rest in BLOCK_NAMES else None


def adapter_name(name: str) -> str | None:
    """The name in ViewSyncAdapter of a tensor that SynCamMaster adds, given its original name; None for any other."""
    if name in OUTSIDE_NAMES:
        return None
    blocks, index, rest = name.split(".", 2)
    return f"{blocks}.{index}.{ADAPTER_NAMES[rest]}" if rest in ADAPTER_NAMES else None


def split_state_dict(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The base transformer's weights in diffusers' names, and the adapter's in ours, of weights in original names."""
    base = {new: value for name, value in weights.items() if (new := base_name(name)) is not None}
    delta = {new: value for name, value in weights.items() if (new := adapter_name(name)) is not None}
    return base, delta


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or a torch checkpoint by name, mapped from disk."""
    if not path.is_file():
        raise InputError(f"{path} is not a file: expected a checkpoint (.ckpt, .pt or .safetensors)")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except SafetensorError as err:
            raise InputError(f"{path} is not a readable safetensors file: {_one_line(err)}") from err
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as err:
        raise InputError(
            f"{path} is not a readable torch checkpoint (damaged, or holding more than tensors): {_one_line(err)}"
        ) from err
    for wrapper in ("state_dict", "module"):
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise InputError(f"{path} does not hold a state dict (names with tensors)")
    return dict(loaded)


def check_layout(weights: Mapping[str, Tensor], path: Path) -> tuple[int, int]:
    """The number of blocks and the width of a SynCamMaster checkpoint; InputError if it is not a complete one."""
    names = set(weights)
    blocks = sorted({int(n.split(".")[1]) for n in names if n.startswith("blocks.") and n.split(".")[1].isdigit()})
    diffusers = any(name.startswith("condition_embedder.") for name in names)
    if diffusers or not blocks or "patch_embedding.bias" not in names:
        raise InputError(
            f"{path} holds {'a diffusers transformer' if diffusers else 'another model'} ({min(names)}, ...), expected "
            "a SynCamMaster checkpoint in Wan's original names (blocks.0.mvs_attn.q.weight, ...)"
        )
    added = {name.split(".")[2] for name in names if name.startswith("blocks.")}
    if "mvs_attn" not in added:
        kind = (
            "a ReCamMaster checkpoint (camera encoder and projector, but no view attention)"
            if {"cam_encoder", "projector"} <= added
            else "a plain Wan transformer (no camera encoder, no view attention)"
        )
        raise InputError(f"{path} is {kind}; expected a SynCamMaster checkpoint")
    expected = set(OUTSIDE_NAMES) | {
        f"blocks.{i}.{n}" for i in range(blocks[-1] + 1) for n in BLOCK_NAMES | ADAPTER_NAMES
    }
    for names_of_kind, kind in ((expected - names, "lacks"), (names - expected, "has unexpected")):
        if names_of_kind:
            first = sorted(names_of_kind)
            more = f" and {len(first) - 5} more" if len(first) > 5 else ""
            raise InputError(f"{path} {kind} {', '.join(first[:5])}{more}: it is incomplete or of another model")
    return len(blocks), len(weights["patch_embedding.bias"])


def transformer_folder(base: Path) -> Path:
    """The folder with the transformer's config.json, given it or the pipeline folder around it."""
    for folder in (base / "transformer", base):
        if (folder / "config.json").is_file():
            name = read_config(folder / "config.json").get("_class_name")
            if name != BACKBONE:
                raise InputError(f"base {folder} holds a {name}, expected a {BACKBONE}")
            return folder
    raise InputError(
        f"base {base} has neither transformer/config.json nor config.json: expected a diffusers model folder"
    )


def count_heads(dim: int, base_folder: Path | None) -> int:
    """The number of attention heads, from the base model's config or from Wan's head size."""
    if base_folder is not None:
        config = read_config(base_folder / "config.json")
        heads, head_dim = config["num_attention_heads"], config["attention_head_dim"]
        if heads * head_dim != dim:
            raise InputError(f"the checkpoint has width {dim}, but the base model {heads} heads of {head_dim}")
        return heads
    if dim % HEAD_DIM:
        raise InputError(
            f"width {dim} is not a multiple of Wan's head size {HEAD_DIM}: give the base model to tell the heads"
        )
    return dim // HEAD_DIM


def compare_with_base(checkpoint: Path, num_layers: int, base_folder: Path) -> float:
    """The largest difference between the checkpoint's frozen weights and the base model's; InputError if not equal.

    The files are mapped anew for every block: mapped pages count as memory in use for as long as the mapping lives.
    """
    files = base_files(base_folder)
    largest = 0.0
    for prefix in ("", *(f"blocks.{index}." for index in range(num_layers))):
        theirs_of: dict[Path, dict[str, Tensor]] = {}
        for name, ours in read_tensors(checkpoint).items():
            theirs_name = base_name(name)
            if theirs_name is None or not (name.startswith(prefix) if prefix else name in OUTSIDE_NAMES):
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


def _one_line(err: Exception) -> str:
    return str(err).strip().partition("\n")[0]

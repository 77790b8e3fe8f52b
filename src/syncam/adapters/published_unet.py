"""The published checkpoints around AnimateDiff v3: what tells them apart, and our names of what they hold."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from syncam.errors import InputError

NUM_LEVELS, LAYERS_PER_BLOCK = 4, 2  # of Stable Diffusion 1.5
NUM_HEADS = 8  # of all of these networks
CROSS_LEVELS = 3  # levels with attention to text

_BOTH = ("weight", "bias")
_ATTENTION = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias")
_OUTSIDE = [f"{name}.{x}" for name in ("norm", "proj_in", "proj_out") for x in _BOTH]
MODULE = re.compile(r"(down|up)_blocks\.(\d+)\.(?:motion|epi)_modules\.(\d+)\.")
LORA = re.compile(r"^(.+)\.processor\.(to_q|to_k|to_v|to_out)_lora\.(down|up)\.weight$")

BLOCK_NAMES = {
    "attention_blocks.0.pos_encoder.": "pos_embed.",
    "attention_blocks.0.": "attn1.",
    "attention_blocks.1.": "attn2.",
    "norms.0.": "norm1.",
    "norms.1.": "norm2.",
    "ff_norm.": "norm3.",
}
ENCODER_NAMES = {
    "encoder_conv_in.": "encoder.conv_in.",
    "encoder_down_conv_blocks.": "encoder.residuals.",
    "encoder_down_attention_blocks.": "encoder.temporals.",
    ".in_conv.": ".conv_in.",
    ".block1.": ".conv_1.",
    ".block2.": ".conv_2.",
}


def _renamed(name: str, names: Mapping[str, str]) -> str:
    for old, new in names.items():
        name = name.replace(old, new)
    return name


def _places(levels: Iterable[int], count: int) -> list[tuple[int, int]]:
    return [(level, layer) for level in levels for layer in range(count)]


def _modules(kind: str) -> list[str]:
    """The names of one module behind every layer, in the order in which they run."""
    down = [f"down_blocks.{i}.{kind}.{j}." for i, j in _places(range(NUM_LEVELS), LAYERS_PER_BLOCK)]
    return down + [f"up_blocks.{i}.{kind}.{j}." for i, j in _places(range(NUM_LEVELS), LAYERS_PER_BLOCK + 1)]


def _block(attentions: int, *, positions: bool) -> list[str]:
    """The names in a transformer block with so many attentions."""
    attention = [*_ATTENTION, *(["pos_encoder.pe"] if positions else [])]
    names = [f"attention_blocks.{k}.{x}" for k in range(attentions) for x in attention]
    names += [f"norms.{k}.{x}" for k in range(attentions) for x in _BOTH]
    return names + [f"{name}.{x}" for name in ("ff.net.0.proj", "ff.net.2", "ff_norm") for x in _BOTH]


def _cvd_names() -> set[str]:
    inside = _OUTSIDE + [f"transformer_blocks.0.{x}" for x in _block(2, positions=False)]
    return {f"{module}epi_transformer.{x}" for module in _modules("epi_modules") for x in inside}


def _motion_names() -> set[str]:
    inside = _OUTSIDE + [f"transformer_blocks.0.{x}" for x in _block(2, positions=True)]
    return {f"{module}temporal_transformer.{x}" for module in _modules("motion_modules") for x in inside}


MERGE = "temporal_transformer.transformer_blocks.0.attention_blocks.0.processor.qkv_merge."


def _cameractrl_names() -> set[str]:
    names = {f"{module}{MERGE}{x}" for module in _modules("motion_modules") for x in _BOTH}
    names |= {f"encoder_conv_in.{x}" for x in _BOTH}
    for i, j in _places(range(NUM_LEVELS), 2):
        layers = ("in_conv", "block1", "block2") if j == 0 and i in (1, 2) else ("block1", "block2")
        names |= {f"encoder_down_conv_blocks.{i}.{j}.{layer}.{x}" for layer in layers for x in _BOTH}
        names |= {f"encoder_down_attention_blocks.{i}.{j}.{x}" for x in _block(1, positions=True)}
    return names


def _lora_names() -> set[str]:
    blocks = [f"down_blocks.{i}.attentions.{j}" for i, j in _places(range(CROSS_LEVELS), LAYERS_PER_BLOCK)]
    blocks += [f"up_blocks.{i}.attentions.{j}" for i, j in _places(range(1, NUM_LEVELS), LAYERS_PER_BLOCK + 1)]
    return {
        f"{block}.transformer_blocks.0.attn{k}.processor.to_{x}_lora.{part}.weight"
        for block in (*blocks, "mid_block.attentions.0")
        for k in (1, 2)
        for x in ("q", "k", "v", "out")
        for part in ("down", "up")
    }


def cvd_name(name: str, layers_per_block: int = LAYERS_PER_BLOCK) -> str:
    """The name in an EpipolarSyncAdapter of a tensor of CVD.ckpt."""
    index = _site_index(name, layers_per_block)
    return _renamed(
        f"blocks.{index}.{MODULE.sub('', name)}",
        {"epi_transformer.": "", "transformer_blocks.0.": "block."} | BLOCK_NAMES,
    )


def cameractrl_name(name: str, layers_per_block: int = LAYERS_PER_BLOCK) -> str:
    """The name in a PlueckerAdapter of a tensor of CameraCtrl.ckpt."""
    if MODULE.match(name):
        return f"blocks.{_site_index(name, layers_per_block)}.linear.{name.rpartition('.')[2]}"
    return _renamed(_renamed(name, ENCODER_NAMES), BLOCK_NAMES)


def motion_name(name: str) -> str:
    """The name in a MotionAdapter or UNetMotionModel of a tensor of a motion module; positions come once per block."""
    return _renamed(name, {"temporal_transformer.": ""} | BLOCK_NAMES)


def lora_name(name: str) -> str:
    """The name in diffusers' LoRA files of a tensor of a spatial LoRA; InputError for other tensors."""
    if not (match := LORA.match(name)):
        raise InputError(f"{name} is no matrix of a LoRA of attention")
    path, layer, part = match.groups()
    return f"unet.{path}.{'to_out.0' if layer == 'to_out' else layer}.lora_{'A' if part == 'down' else 'B'}.weight"


def _site_index(name: str, layers_per_block: int) -> int:
    match = MODULE.match(name)
    if match is None:
        raise InputError(f"{name} is not inside a module behind a layer of the UNet")
    side, block, layer = match[1], int(match[2]), int(match[3])
    if side == "down":
        return block * layers_per_block + layer
    return NUM_LEVELS * layers_per_block + block * (layers_per_block + 1) + layer


@dataclass(frozen=True, kw_only=True)
class UNetPart:
    """A kind of checkpoint that holds one part of the stack."""

    method: str
    mark: str
    """What is in the names of this kind of tensors."""
    names: frozenset[str]
    """Of all tensors."""
    use: str
    """What reads the converted folder."""


CVD = UNetPart(
    method="CVD, synchronisation of views",
    mark=".epi_transformer.",
    names=frozenset(_cvd_names()),
    use="EpipolarSyncAdapter.from_pretrained",
)
CAMERACTRL = UNetPart(
    method="CameraCtrl, control of cameras",
    mark="encoder_down_conv_blocks.",
    names=frozenset(_cameractrl_names()),
    use="PlueckerAdapter.from_pretrained",
)
MOTION = UNetPart(
    method="AnimateDiff v3, motion modules",
    mark=".temporal_transformer.",
    names=frozenset(_motion_names()),
    use="diffusers.MotionAdapter.from_pretrained",
)
DOMAIN_LORA = UNetPart(
    method="AnimateDiff v3, domain adapter (a LoRA of the images' look, not of motion)",
    mark="_lora.",
    names=frozenset(_lora_names()),
    use="pipeline.load_lora_weights, or syncam.adapters.spatial_lora.fuse_lora",
)
ESTATE_LORA = UNetPart(
    method="CameraCtrl, LoRA of the look of RealEstate10K",
    mark="_lora.",
    names=DOMAIN_LORA.names,
    use=DOMAIN_LORA.use,
)
UNET_PARTS = (CVD, CAMERACTRL, MOTION, DOMAIN_LORA)
"""In the order in which a checkpoint is compared with them: CameraCtrl's merges lie in motion modules."""

WRAPPERS = {  # what a checkpoint calls the state dicts that it holds -> what that says about them
    "unet_trainable_dict": CVD,
    "lora_state_dict": ESTATE_LORA,
    "pose_encoder_state_dict": CAMERACTRL,
    "attention_processor_state_dict": CAMERACTRL,
}


def find_unet_part(weights: Mapping[str, Tensor], wrappers: Iterable[str], path: Path) -> UNetPart | None:
    """Which of these checkpoints this is, None if it is of another family; InputError if it is no complete one.

    `wrappers` are the names of the state dicts that the file held.
    """
    marked = next((part for part in UNET_PARTS if any(part.mark in name for name in weights)), None)
    if marked is None:
        return None
    part = next((WRAPPERS[name] for name in wrappers if name in WRAPPERS), marked)
    names = set(weights)
    for faulty, fault in ((part.names - names, "lacks"), (names - part.names, "has unexpected")):
        if faulty:
            first = sorted(faulty)
            more = f" and {len(first) - 5} more" if len(first) > 5 else ""
            raise InputError(
                f"{path}, a checkpoint of {part.method}, {fault} {', '.join(first[:5])}{more}: expected exactly "
                f"{len(part.names)} tensors"
            )
    return part

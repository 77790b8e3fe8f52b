"""The published checkpoints: whole Wan transformers in their original names, and what in them belongs to an adapter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from syncam.adapters.adapter import Adapter
from syncam.adapters.frame_concat import FrameConcatAdapter
from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.cameras.trained_range import TrainedRange
from syncam.errors import InputError

BACKBONE = "WanTransformer3DModel"
HEAD_DIM = 128  # of every published Wan model; a state dict does not tell the number of heads

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


def _linear(names: Mapping[str, str]) -> dict[str, str]:
    return {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in names.items() for part in ("weight", "bias")}


def _attention(name: str) -> dict[str, str]:
    """Original name of an attention's tensors -> their name in an adapter's block."""
    return _linear({f"{name}.{x}": f"attn.{x}" for x in "qkvo"}) | {f"{name}.{x}": f"attn.{x}" for x in ATTENTION_NORM}


OUTSIDE_NAMES = _linear(LINEAR_OUTSIDE) | {"head.modulation": "scale_shift_table"}
BLOCK_NAMES = (
    _linear(LINEAR_IN_BLOCK)
    | _linear({f"{a}.{x}": f"{b}.{y}" for a, b in ATTENTION.items() for x, y in ATTENTION_LINEAR.items()})
    | {f"{a}.{norm}": f"{b}.{norm}" for a, b in ATTENTION.items() for norm in ATTENTION_NORM}
    | {"modulation": "scale_shift_table"}
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A kind of checkpoint: a transformer with what a method has added to it or trained of it."""

    method: str
    adapter: Callable[..., Adapter]
    mark: str
    """What the blocks of this kind have and those of other kinds lack."""
    names: dict[str, str]
    """Original name of a block's tensor -> its name in a block of the adapter."""
    translation_scale: float
    """Metres that encode as 1."""
    trained: TrainedRange

    def expected(self, num_layers: int) -> set[str]:
        """The original names of all tensors of a checkpoint with so many blocks."""
        return set(OUTSIDE_NAMES) | {f"blocks.{i}.{n}" for i in range(num_layers) for n in BLOCK_NAMES | self.names}

    def adapter_name(self, name: str) -> str | None:
        """The name in the adapter of a tensor that the method has trained, given its original name; None for others."""
        if name in OUTSIDE_NAMES:
            return None
        blocks, index, rest = name.split(".", 2)
        return f"{blocks}.{index}.{self.names[rest]}" if rest in self.names else None

    def is_frozen(self, name: str) -> bool:
        """Whether a tensor, given its original name, equals the base model's."""
        return base_name(name) is not None and self.adapter_name(name) is None


SYNCAMMASTER = Published(
    method="SynCamMaster",
    adapter=ViewSyncAdapter,
    mark="mvs_attn",
    names=_linear({"cam_encoder": "cam_encoder", "projector": "projector"})
    | _attention("mvs_attn")
    | {"modulation_mvs": "modulation"},
    translation_scale=2.0,  # the reference divides centimetres by 200
    # The cameras of SynCamVideo, and the pairs of them that the published training draws.
    trained=TrainedRange(
        distance_m=(3.5, 9.0),
        elevation_deg=(0.0, 45.0),
        azimuth_from_first_deg=30.0,
        focal_mm=(24.0, 24.0),
        travel_m=0.0,
        views=(2, 2),
    ),
)
RECAMMASTER = Published(
    method="ReCamMaster",
    adapter=FrameConcatAdapter,
    mark="cam_encoder",
    names=_linear({"cam_encoder": "cam_encoder", "projector": "projector"}) | _attention("self_attn"),
    translation_scale=1.0,  # the reference divides centimetres by 100
    # The lenses of MultiCamVideo; its paths are relative to their own start, wherever that is.
    trained=TrainedRange(focal_mm=(18.0, 50.0)),
)
PUBLISHED = (SYNCAMMASTER, RECAMMASTER)
"""In the order in which a checkpoint is compared with them: ReCamMaster's mark is SynCamMaster's too."""


def find_published(weights: Mapping[str, Tensor], path: Path) -> tuple[Published, int, int]:
    """Which kind of checkpoint this is, its number of blocks and its width; InputError if it is no complete one."""
    names = set(weights)
    blocks = sorted({int(n.split(".")[1]) for n in names if n.startswith("blocks.") and n.split(".")[1].isdigit()})
    diffusers = any(name.startswith("condition_embedder.") for name in names)
    methods = " or ".join(kind.method for kind in PUBLISHED)
    if diffusers or not blocks or "patch_embedding.bias" not in names:
        raise InputError(
            f"{path} holds {'a diffusers transformer' if diffusers else 'another model'} ({min(names)}, ...), expected "
            f"a checkpoint of {methods} in Wan's original names (blocks.0.cam_encoder.weight, ...)"
        )
    parts = {name.split(".")[2] for name in names if name.startswith("blocks.")}
    kind = next((kind for kind in PUBLISHED if kind.mark in parts), None)
    if kind is None:
        raise InputError(f"{path} is a plain Wan transformer (no camera encoder); expected a checkpoint of {methods}")
    expected = kind.expected(blocks[-1] + 1)
    for names_of_kind, fault in ((expected - names, "lacks"), (names - expected, "has unexpected")):
        if names_of_kind:
            first = sorted(names_of_kind)
            more = f" and {len(first) - 5} more" if len(first) > 5 else ""
            raise InputError(
                f"{path}, a checkpoint of {kind.method}, {fault} {', '.join(first[:5])}{more}: it is incomplete or of "
                "another model"
            )
    return kind, len(blocks), len(weights["patch_embedding.bias"])


def base_name(name: str) -> str | None:
    """The name in diffusers of a tensor of the base model, given its original name; None for any other tensor."""
    if name in OUTSIDE_NAMES:
        return OUTSIDE_NAMES[name]
    blocks, index, rest = name.split(".", 2)
    return f"{blocks}.{index}.{BLOCK_NAMES[rest]}" if rest in BLOCK_NAMES else None


def split_state_dict(weights: Mapping[str, Tensor], kind: Published) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The transformer's weights in diffusers' names, and the adapter's in ours, of weights in original names."""
    base = {new: value for name, value in weights.items() if (new := base_name(name)) is not None}
    delta = {new: value for name, value in weights.items() if (new := kind.adapter_name(name)) is not None}
    return base, delta

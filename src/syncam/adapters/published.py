"""The published checkpoints: whole transformers in their own names, and what in them belongs to an adapter."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from syncam.adapters.adapter import Adapter
from syncam.adapters.frame_concat import FrameConcatAdapter
from syncam.adapters.joint_view_sync import JointViewSyncAdapter
from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.cameras.trained_range import TrainedRange
from syncam.errors import InputError

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


def _same(*names: str) -> dict[str, str]:
    return _linear({name: name for name in names})


def _attention(name: str) -> dict[str, str]:
    """Original name of an attention's tensors -> their name in an adapter's block."""
    return _linear({f"{name}.{x}": f"attn.{x}" for x in "qkvo"}) | {f"{name}.{x}": f"attn.{x}" for x in ATTENTION_NORM}


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a kind of transformer calls its tensors in published checkpoints."""

    name: str
    backbone: str
    blocks: str
    width: str
    """A tensor of one number per feature."""
    head_dim: int | str
    """Features of a head: of every published model of this kind, or a tensor that has one number for each."""
    outside: dict[str, str]
    """Name outside the blocks -> name in diffusers."""
    inside: dict[str, str]
    """Name in a block -> name in a block of diffusers."""

    def base_name(self, name: str) -> str | None:
        """The name in diffusers of a tensor of the base model; None for any other tensor."""
        if name in self.outside:
            return self.outside[name]
        blocks, index, rest = name.split(".", 2)
        return f"{blocks}.{index}.{self.inside[rest]}" if rest in self.inside else None

    def block_indices(self, names: Iterable[str]) -> list[int]:
        """The numbers of the blocks that have tensors of these names."""
        parts = (name.split(".") for name in names if name.startswith(f"{self.blocks}."))
        return sorted({int(index) for _, index, *_ in parts if index.isdigit()})


WAN_LAYOUT = Layout(
    name="Wan",
    backbone="WanTransformer3DModel",
    blocks="blocks",
    width="patch_embedding.bias",
    head_dim=128,
    outside=_linear(LINEAR_OUTSIDE) | {"head.modulation": "scale_shift_table"},
    inside=_linear(LINEAR_IN_BLOCK)
    | _linear({f"{a}.{x}": f"{b}.{y}" for a, b in ATTENTION.items() for x, y in ATTENTION_LINEAR.items()})
    | {f"{a}.{norm}": f"{b}.{norm}" for a, b in ATTENTION.items() for norm in ATTENTION_NORM}
    | {"modulation": "scale_shift_table"},
)
JOINT_ATTENTION = (*ATTENTION_LINEAR.values(), "norm_q", "norm_k")
COGVIDEOX_LAYOUT = Layout(  # the names are those of diffusers
    name="CogVideoX",
    backbone="CogVideoXTransformer3DModel",
    blocks="transformer_blocks",
    width="patch_embed.proj.bias",
    head_dim="transformer_blocks.0.attn1.norm_q.weight",
    outside=_same("patch_embed.proj", "patch_embed.text_proj", "time_embedding.linear_1", "time_embedding.linear_2")
    | _same("norm_final", "norm_out.linear", "norm_out.norm", "proj_out"),
    inside=_same(*(f"{norm}.{part}" for norm in ("norm1", "norm2") for part in ("linear", "norm")))
    | _same(*(f"attn1.{part}" for part in JOINT_ATTENTION), "ff.net.0.proj", "ff.net.2"),
)
LAYOUTS = (WAN_LAYOUT, COGVIDEOX_LAYOUT)

OLD_NAMES = {".pose_fuse_layer_1.": ".cam_encoder.", ".pose_fuse_layer_2.": ".projector."}
"""What the port to CogVideoX called its layers at first."""
DISTRIBUTED = "module."
"""In front of every name in a checkpoint of distributed training."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A kind of checkpoint: a transformer with what a method has added to it or trained of it."""

    method: str
    layout: Layout
    adapter: Callable[..., Adapter]
    mark: str
    """What the blocks of this kind have and those of other kinds of the same layout lack."""
    names: dict[str, str]
    """Original name of a block's tensor -> its name in a block of the adapter."""
    translation_scale: float
    """Metres that encode as 1."""
    trained: TrainedRange
    sizes: dict[str, str] = field(default_factory=dict)
    """Setting of the adapter -> a matrix with that many columns."""

    def expected(self, num_layers: int) -> set[str]:
        """The original names of all tensors of a checkpoint with so many blocks."""
        layout, inside = self.layout, self.layout.inside | self.names
        return set(layout.outside) | {f"{layout.blocks}.{i}.{name}" for i in range(num_layers) for name in inside}

    def adapter_name(self, name: str) -> str | None:
        """The name in the adapter of a tensor that the method has trained, given its original name; None for others."""
        if name in self.layout.outside:
            return None
        _, index, rest = name.split(".", 2)
        return f"blocks.{index}.{self.names[rest]}" if rest in self.names else None

    def is_frozen(self, name: str) -> bool:
        """Whether a tensor, given its original name, equals the base model's."""
        return self.layout.base_name(name) is not None and self.adapter_name(name) is None


SYNCAMMASTER = Published(
    method="SynCamMaster",
    layout=WAN_LAYOUT,
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
    layout=WAN_LAYOUT,
    adapter=FrameConcatAdapter,
    mark="cam_encoder",
    names=_linear({"cam_encoder": "cam_encoder", "projector": "projector"}) | _attention("self_attn"),
    translation_scale=1.0,  # the reference divides centimetres by 100
    # The lenses of MultiCamVideo; its paths are relative to their own start, wherever that is.
    trained=TrainedRange(focal_mm=(18.0, 50.0)),
)
COGVIDEOX = Published(
    method="SynCamMaster on CogVideoX",
    layout=COGVIDEOX_LAYOUT,
    adapter=JointViewSyncAdapter,
    mark="cam_encoder",
    names=_linear({"cam_encoder": "cam_encoder", "projector": "projector"})
    | _linear({f"norm_syncam.{part}": f"norm.{part}" for part in ("linear", "norm")})
    | _linear({f"attn_syncam.{part}": f"attn.{part}" for part in JOINT_ATTENTION}),
    translation_scale=2.0,
    # The cameras of the first SynCamVideo, as far as its files say.
    trained=TrainedRange(elevation_deg=(0.0, 45.0), focal_mm=(18.0, 18.0), travel_m=0.0),
    sizes={"time_dim": "transformer_blocks.0.norm_syncam.linear.weight"},
)
PUBLISHED = (SYNCAMMASTER, RECAMMASTER, COGVIDEOX)
"""In the order in which a checkpoint is compared with them: ReCamMaster's mark is SynCamMaster's too."""


def plain_names(weights: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Weights without the marks of distributed training, and in the newer of a method's names."""
    prefix = DISTRIBUTED if all(name.startswith(DISTRIBUTED) for name in weights) else ""
    plain: dict[str, Tensor] = {}
    for name, value in weights.items():
        new = name.removeprefix(prefix)
        for old, newer in OLD_NAMES.items():
            new = new.replace(old, newer)
        if new in plain:
            raise InputError(
                f"{path} has {new} twice, in an old name and in a newer one: it is no published checkpoint"
            )
        plain[new] = value
    return plain


def find_published(weights: Mapping[str, Tensor], path: Path) -> tuple[Published, int, int]:
    """Which kind of checkpoint this is, its number of blocks and its width; InputError if it is no complete one."""
    names = set(weights)
    layout = next((one for one in LAYOUTS if one.width in names and one.block_indices(names)), None)
    if layout is None or any(name.startswith("condition_embedder.") for name in names):
        diffusers = any(name.startswith(("condition_embedder.", "transformer_blocks.")) for name in names)
        methods = ", ".join(kind.method for kind in PUBLISHED)
        marks = " or ".join(f"{one.blocks}.0.cam_encoder.weight" for one in LAYOUTS)
        raise InputError(
            f"{path} holds {'a diffusers transformer' if diffusers else 'another model'} ({min(names)}, ...), expected "
            f"a checkpoint of {methods} in its original names ({marks}, ...)"
        )
    kinds = [kind for kind in PUBLISHED if kind.layout is layout]
    parts = {name.split(".")[2] for name in names if name.startswith(f"{layout.blocks}.")}
    kind = next((kind for kind in kinds if kind.mark in parts), None)
    if kind is None:
        methods = " or ".join(kind.method for kind in kinds)
        raise InputError(
            f"{path} is a plain {layout.name} transformer (no camera encoder); expected a checkpoint of {methods}"
        )
    blocks = layout.block_indices(names)
    expected = kind.expected(blocks[-1] + 1)
    for names_of_kind, fault in ((expected - names, "lacks"), (names - expected, "has unexpected")):
        if names_of_kind:
            first = sorted(names_of_kind)
            more = f" and {len(first) - 5} more" if len(first) > 5 else ""
            raise InputError(
                f"{path}, a checkpoint of {kind.method}, {fault} {', '.join(first[:5])}{more}: it is incomplete or of "
                "another model"
            )
    return kind, len(blocks), len(weights[layout.width])


def split_state_dict(weights: Mapping[str, Tensor], kind: Published) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The transformer's weights in diffusers' names, and the adapter's in ours, of weights in published names."""
    base = {new: value for name, value in weights.items() if (new := kind.layout.base_name(name)) is not None}
    delta = {new: value for name, value in weights.items() if (new := kind.adapter_name(name)) is not None}
    return base, delta

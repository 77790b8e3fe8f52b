"""Views in pairs that share a scene (Collaborative Video Diffusion): attention to a partner, after every motion module.

For each frame of a view, with x what the motion module gives, and bias as in epipolar_bias.py::

    t = proj_in(group_norm(x))
    t = t + attention(norm(t), to the partner's norm(t), bias)         twice, with weights of its own each
    x = x + proj_out(t + feed_forward(norm(t)))
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from syncam.adapters.backbones import Transformer
from syncam.adapters.epipolar_bias import EpipolarBias, epipolar_bias
from syncam.adapters.layers import zero_linear
from syncam.adapters.motion_unet import UNET, MotionSeam, MotionUNetAdapter, RigState, site_levels
from syncam.adapters.seams import Handle
from syncam.cameras.cameras import Cameras
from syncam.cameras.epipolar import EpipolarGeometry, epipolar_geometry, homography_geometry
from syncam.errors import InputError

DENSE_GIB = 2.0
Slopes = Literal["random", "horizontal"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Matching:
    """Who attends to whom, and what follows from the cameras of those views."""

    partners: tuple[int | None, ...]
    """For every view of the rig."""
    geometry: EpipolarGeometry
    """From each view with a partner to it, [S, P, F]."""
    slopes: Float[Tensor, "S P F"]
    """Of the lines that the geometry does not decide."""
    memory: dict[Any, Any] = field(default_factory=dict)
    """Biases by what they were asked for."""

    @property
    def paired(self) -> list[int]:
        """The views that have a partner."""
        return [view for view, partner in enumerate(self.partners) if partner is not None]


@dataclass(frozen=True, kw_only=True, eq=False)
class SyncState(RigState):
    """The cameras of one generation, and who attends to whom."""

    generator: torch.Generator | None
    dense_gib: float
    warps: Float[Tensor, "S V F 3 3"] | None = None
    """Of one picture to those of the views, where no cameras tell what corresponds."""
    matching: Matching | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class PairCall:
    """What one motion module's block needs to know about a call."""

    rows: Int[Tensor, "n"] | None
    """Of the batch of frames, those of views with a partner; None for all."""
    partners: Int[Tensor, "n"]
    """For each of these rows, the place of its partner's among them; empty if no view has one."""
    bias: Tensor | EpipolarBias | None
    """For the rows of one repeat of the views; an EpipolarBias is computed by FlexAttention where it is needed."""


class EpipolarSyncSeam(MotionSeam):
    """Adds to the output of a motion module."""

    def register(self) -> list[Handle]:
        return [*super().register(), self.site.module.register_forward_hook(self.after_motion)]

    def after_motion(self, module: nn.Module, args: tuple, output: Tensor) -> Tensor | None:
        call = self.camera_tokens
        if call is None or not len(call.partners):
            return None
        if call.rows is None:
            return output + self.adapter_block(output, call.partners, call.bias)
        change = self.adapter_block(output[call.rows], call.partners, call.bias)
        return output.index_add(0, call.rows, change)


class EpipolarSyncAdapter(MotionUNetAdapter):
    """Makes pairs of views of AnimateDiff show one scene, each seen by its own camera.

    `trained_size` is the size in pixels of the pictures that the weights know: it says how steep the bias is. `slopes`
    are those of the lines in first frames, where all cameras coincide: "random" (as for the published weights) or
    "horizontal".

    >>> sync = EpipolarSyncAdapter.from_transformer(unet)                # doctest: +SKIP
    >>> with sync.attach(unet), sync.cameras(cameras):                   # doctest: +SKIP
    ...     with sync.matching([1, 0, 3, 2]):
    ...         unet(latents, timestep, text)                       # [(b v), C, F, h, w]
    """

    seam = EpipolarSyncSeam
    make_state = SyncState
    _supports_gradient_checkpointing = True

    @register_to_config
    def __init__(
        self,
        *,
        block_out_channels: list[int],
        layers_per_block: int,
        num_heads: int = 8,
        norm_groups: int = 32,
        trained_size: int = 256,
        slopes: str = "random",
        backbone: str = UNET,
    ):
        super().__init__()
        if slopes not in get_args(Slopes):
            raise InputError(f"slopes must be {' or '.join(get_args(Slopes))}, got {slopes!r}")
        if trained_size < 2:
            raise InputError(f"trained_size is a number of pixels and must be at least 2, got {trained_size}")
        if wrong := [dim for dim in block_out_channels if dim % num_heads or dim % norm_groups]:
            raise InputError(
                f"block_out_channels must be multiples of num_heads={num_heads} and of norm_groups={norm_groups}, got "
                f"{wrong}"
            )
        self.levels = site_levels(len(block_out_channels), layers_per_block)
        self.blocks = nn.ModuleList(
            EpipolarSyncBlock(block_out_channels[level], num_heads, norm_groups) for level in self.levels
        )

    @contextmanager
    def cameras(
        self, cameras: Cameras, *, generator: torch.Generator | None = None, dense_gib: float = DENSE_GIB
    ) -> Iterator[None]:
        """For the length of the `with` block, the UNet's batch is seen by these cameras, one for every video frame.

        `cameras` are of pictures of 8 times the latents' height and width; those without batch axes serve every scene
        of the batch. `generator`, on the CPU, draws the slopes of lines that no geometry decides; None takes torch's
        global one. Biases are held as matrices where all of a call need no more than `dense_gib`; otherwise
        FlexAttention computes them on the way. It has no gradients on a CPU, where training holds matrices always.
        """
        with self._seen_by(cameras, generator=generator, dense_gib=dense_gib):
            yield

    @contextmanager
    def warped(
        self,
        warps: Float[Tensor, "*S V F 3 3"],
        hw: tuple[int, int],
        *,
        generator: torch.Generator | None = None,
        dense_gib: float = DENSE_GIB,
    ) -> Iterator[None]:
        """As `cameras`, for views that are one video of size `hw` in different shapes: training without cameras.

        `warps` takes (x, y, 1) of the video to each view, with whole numbers at the centres of pixels. Each query's
        line goes through the pixel of the partner that shows the same, with a slope from `generator`.
        """
        nowhere = torch.eye(4, dtype=torch.float64).expand(*warps.shape[:-2], 4, 4)
        cameras = Cameras(nowhere, nowhere[..., :3, :3], hw)
        told = warps.double().reshape(-1, *warps.shape[-4:])
        with self._seen_by(cameras, generator=generator, dense_gib=dense_gib, warps=told):
            yield

    @contextmanager
    def matching(self, partners: Sequence[int | None]) -> Iterator[None]:
        """Inside `cameras`: view v attends to view partners[v] of the whole rig, the same in every scene of the batch.

        Pairs, cycles and one-way maps are all possible; None leaves a view as it is. Slopes are drawn on entry, for
        all views, and stay for all calls inside: calls for a few `views` at a time give what one call for all gives.
        Outside of this, one view has no partner and two have each other, with slopes drawn in every call.
        """
        state = self._inside_cameras()
        with self._narrowed(replace(state, matching=self._match(state, partners))):
            yield

    def _match(self, state: SyncState, partners: Sequence[int | None]) -> Matching:
        num_views = state.cameras.num_views
        if len(partners) != num_views:
            raise InputError(f"partners has {len(partners)} entries, expected one for each of {num_views} views")
        for view, partner in enumerate(partners):
            if partner is not None and (partner == view or not 0 <= partner < num_views):
                raise InputError(
                    f"view {view} has the partner {partner}, expected another view of 0..{num_views - 1}, or None"
                )
            if partner is not None and partners[partner] is None:
                raise InputError(f"view {view} attends to view {partner}, which has no partner: give it one")
        of = [partner for partner in partners if partner is not None]
        paired = [view for view, partner in enumerate(partners) if partner is not None]
        c2w, K, warps = state.cameras.c2w, state.cameras.K, state.warps
        if self.config["slopes"] == "random":
            shape = (*c2w.shape[:3],)
            slopes = torch.rand(shape, generator=state.generator) * torch.pi
            slopes[:, :, 0] = torch.rand((), generator=state.generator) * torch.pi  # one for all first frames
        else:
            slopes = torch.full(c2w.shape[:3], torch.pi / 2)
        return Matching(
            partners=tuple(partners),
            geometry=epipolar_geometry(c2w[:, paired], K[:, paired], c2w[:, of], K[:, of])
            if warps is None
            else homography_geometry(warps[:, of] @ torch.linalg.inv(warps[:, paired])),
            slopes=slopes[:, paired],
        )

    def prepare(self, transformer: Transformer, latents: Tensor) -> tuple[Any, list[Any]]:
        """As for every adapter: for each motion module, which rows of the batch attend to which, and the bias."""
        state = self._rig(transformer, latents)
        if state is None:
            return None, [None] * len(self.blocks)
        matching = state.matching or self._match(state, default_partners(state.cameras.num_views))
        partners = [matching.partners[view] for view in state.views]
        for view, partner in zip(state.views, partners, strict=True):
            if partner is not None and partner not in state.views:
                raise InputError(
                    f"view {view} has the partner {partner}, which is not among the views {list(state.views)}"
                )
        chosen = [place for place, partner in enumerate(partners) if partner is not None]
        views = [state.views[place] for place in chosen]
        place_of_partner = [views.index(partner) for partner in partners if partner is not None]

        batch, _, num_frames, h, w = latents.shape
        grid = torch.arange(batch * num_frames, device=latents.device).view(-1, len(partners), num_frames)
        among = torch.arange(len(grid) * len(chosen) * num_frames, device=latents.device)
        among = among.view(len(grid), len(chosen), num_frames)[:, place_of_partner].flatten()
        rows = None if len(chosen) == len(partners) else grid[:, chosen].flatten()
        biases = self._biases(state, matching, views, latents) if views else [None] * (max(self.levels) + 1)
        return state, [PairCall(rows=rows, partners=among, bias=biases[level]) for level in self.levels]

    def _biases(self, state: SyncState, matching: Matching, views: list[int], latents: Tensor) -> list[Any]:
        """Per level, for the frames of these views; computed once per matching."""
        h, w = latents.shape[-2:]
        grids = [(h >> level, w >> level) for level in range(max(self.levels) + 1)]
        kind = latents.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.dtype  # that of the queries
        grad = torch.is_grad_enabled() and kind == "cpu"
        key = (tuple(views), latents.device, dtype, grad)
        if key in matching.memory:
            return matching.memory[key]
        matching.memory.clear()  # of other views: pair by pair, one is held at a time
        index = [matching.paired.index(view) for view in views]
        parts = (matching.geometry.fundamental, matching.geometry.essential, matching.geometry.infinite_homography)
        parts = (*parts, matching.geometry.same_centre, matching.slopes)
        *geometry, slopes = (part[:, index].flatten(0, 2).to(latents.device) for part in parts)
        biases: list[Any] = [
            epipolar_bias(
                EpipolarGeometry(*geometry),
                slopes,
                hw=state.cameras.hw,
                grid=grid,
                trained_size=self.config["trained_size"],
            )
            for grid in grids
        ]
        size = sum(len(slopes) * (h * w) ** 2 for h, w in grids) * dtype.itemsize / 2**30
        if size <= state.dense_gib or grad:
            biases = [bias.dense(dtype) for bias in biases]
        matching.memory[key] = biases
        return biases


def default_partners(num_views: int) -> list[int | None]:
    """Of one view and of two; InputError for more."""
    if num_views > 2:
        raise InputError(
            f"cameras has {num_views} views, which attend in pairs: call the UNet inside `with adapter.matching(...)`"
        )
    return [None] if num_views == 1 else [1, 0]


class EpipolarSyncBlock(nn.Module):
    """The weights added behind one motion module, and the change they make to its output; none until trained."""

    _gradient_checkpointing_func: Any  # set by diffusers' enable_gradient_checkpointing

    def __init__(self, dim: int, num_heads: int, norm_groups: int):
        super().__init__()
        self.norm = nn.GroupNorm(norm_groups, dim, eps=1e-6)
        self.proj_in = nn.Linear(dim, dim)
        self.block = BasicTransformerBlock(
            dim, num_heads, dim // num_heads, activation_fn="geglu", double_self_attention=True
        )
        processor: Any = PartnerProcessor()
        for layer in self.block.children():
            if isinstance(layer, Attention):
                layer.set_processor(processor)
        self.proj_out = zero_linear(dim, dim)
        self.gradient_checkpointing = False

    def forward(
        self, x: Float[Tensor, "n C h w"], partners: Int[Tensor, "n"], bias: Tensor | EpipolarBias
    ) -> Float[Tensor, "n C h w"]:
        """What to add to frames whose partners lie in the rows `partners`; `bias` is for one repeat of the views."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return self._gradient_checkpointing_func(self.change, x, partners, bias)
        return self.change(x, partners, bias)

    def change(self, x: Tensor, partners: Tensor, bias: Tensor | EpipolarBias) -> Tensor:
        """As `forward`."""
        h, w = x.shape[-2:]
        t = self.norm(x.to(self.proj_in.weight.dtype))
        t = self.proj_in(rearrange(t, "n c h w -> n (h w) c"))
        t = self.block(t, cross_attention_kwargs={"partners": partners, "bias": bias})
        return rearrange(self.proj_out(t), "n (h w) c -> n c h w", h=h, w=w).to(x.dtype)


class PartnerProcessor:
    """The attention processor of a block whose queries see another picture's keys and values."""

    def __call__(
        self,
        attention: Any,
        hidden_states: Float[Tensor, "n N C"],
        encoder_hidden_states: None = None,
        attention_mask: None = None,
        *,
        partners: Int[Tensor, "n"],
        bias: Tensor | EpipolarBias,
    ) -> Float[Tensor, "n N C"]:
        """The attended tokens. The bias is the same for all heads and repeats, which lie side by side here."""
        rows = len(bias) if isinstance(bias, Tensor) else len(bias.lines)
        split = {"heads": attention.heads, "m": rows}
        q, k, v = (
            rearrange(projected, "(r m) N (heads d) -> m (r heads) N d", **split)
            for projected in (
                attention.to_q(hidden_states),
                attention.to_k(hidden_states)[partners],
                attention.to_v(hidden_states)[partners],
            )
        )
        if isinstance(bias, EpipolarBias):
            y = bias.attend(q, k, v)
        else:
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[:, None].to(q.dtype))
        y = rearrange(y, "m (r heads) N d -> (r m) N (heads d)", heads=attention.heads)
        for layer in attention.to_out:
            y = layer(y)
        return y

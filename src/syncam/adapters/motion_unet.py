"""Adapters of diffusers' UNetMotionModel (Stable Diffusion 1.5 with AnimateDiff): its seams, and what they share.

The names inside a motion module occur in this file and in published_unet.py only. All adapters of this kind give the
motion modules the norm that AnimateDiff has trained them with: over each frame alone, where diffusers normalises over
all frames together.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, TypeVar

from diffusers.models.attention import BasicTransformerBlock
from jaxtyping import Float
from torch import Tensor, nn

from syncam.adapters.adapter import Adapter
from syncam.adapters.backbones import Transformer
from syncam.adapters.compatibility import is_offloaded
from syncam.adapters.seams import Handle
from syncam.cameras.cameras import Cameras
from syncam.errors import InputError

PIXELS_PER_LATENT = 8  # of Stable Diffusion's autoencoder
UNET = "UNetMotionModel"

M = TypeVar("M", bound="MotionUNetAdapter")


@dataclass(frozen=True, kw_only=True)
class MotionSite:
    """The modules of one motion module that an adapter hooks."""

    module: nn.Module
    """Called with [(b F), C, h, w]."""
    norm: nn.Module
    """Called with [b, C, F, h, w]."""
    first_attention: nn.Module
    """Called with [(b h w), F, C]: the normalised tokens with their positions in time."""
    level: int
    """0 at the size of the latents, then half of it each."""

    def check(self) -> None:
        """InputError where something has taken the place of the modules that are hooked."""
        block = self.module.get_submodule("transformer_blocks.0")
        if type(block) is not BasicTransformerBlock or block.attn1 is not self.first_attention:
            raise InputError(
                f"a motion module has a {type(block).__name__} where a BasicTransformerBlock was expected: adapters do "
                "not work with FreeNoise (pipeline.disable_free_noise() takes it out)"
            )


class MotionSizes:
    """The seams of UNetMotionModel, as `Backbone` has them of transformers."""

    @staticmethod
    def settings(unet: Transformer) -> dict[str, Any]:
        """What an adapter's weights depend on of the sizes of `unet`; InputError for UNets without a place for them."""
        config = unet.config
        if config.use_motion_mid_block:
            raise InputError(
                "the UNet has motion modules in its middle block, as AnimateDiff v2 has: expected one with those of v3 "
                "(a MotionAdapter with use_motion_mid_block=False)"
            )
        if not isinstance(config.layers_per_block, int):
            raise InputError(f"the UNet's layers_per_block differ ({config.layers_per_block}), expected one number")
        return {"block_out_channels": list(config.block_out_channels), "layers_per_block": config.layers_per_block}

    @staticmethod
    def sites(unet: Transformer) -> list[MotionSite]:
        """The hook points of every motion module, in the order in which they run."""
        modules = [module for block in (*unet.down_blocks, *unet.up_blocks) for module in block.motion_modules]
        levels = site_levels(len(unet.down_blocks), unet.config.layers_per_block)
        sites = [
            MotionSite(
                module=module,
                norm=module.norm,
                first_attention=module.transformer_blocks[0].attn1,
                level=level,
            )
            for module, level in zip(modules, levels, strict=True)
        ]
        for site in sites:
            site.check()
        return sites


def site_levels(num_levels: int, layers_per_block: int) -> list[int]:
    """The level of every motion module, in the order in which they run: down the UNet, and up with one layer more."""
    down = [level for level in range(num_levels) for _ in range(layers_per_block)]
    return down + [level for level in reversed(range(num_levels)) for _ in range(layers_per_block + 1)]


def motion_unet(transformer: Transformer) -> tuple[str, type[MotionSizes]]:
    """The name and the seams of `transformer`; InputError unless it is a UNetMotionModel."""
    if not any(cls.__name__ == UNET for cls in type(transformer).__mro__):
        raise InputError(
            f"transformer is a {type(transformer).__name__}, but this adapter attaches to {UNET} (as the unet of an "
            "AnimateDiffPipeline is)"
        )
    return UNET, MotionSizes


class MotionSeam:
    """One motion module joined to its part of an adapter; by itself it gives each frame a norm of its own."""

    def __init__(self, step_of: Callable[[Tensor], Any], site: MotionSite, adapter_block: Any):
        self.site = site
        self.adapter_block = adapter_block
        self.camera_tokens: Any = None
        """What the adapter has prepared for this module and the present call; None while it is disabled."""
        self.num_frames: int | None = None

    def register(self) -> list[Handle]:
        """Joins the two; the handles part them again."""
        return [
            self.site.norm.register_forward_pre_hook(self.before_norm),
            self.site.norm.register_forward_hook(self.after_norm),
        ]

    def before_norm(self, norm: nn.Module, args: tuple) -> Tensor | None:
        x = args[0]
        if self.camera_tokens is None or x.ndim == 4:  # another adapter has taken the frames apart already
            return None
        self.num_frames = x.shape[2]
        return x.transpose(1, 2).flatten(0, 1)  # [(b F), C, h, w]

    def after_norm(self, norm: nn.Module, args: tuple, output: Tensor) -> Tensor | None:
        num_frames, self.num_frames = self.num_frames, None
        return None if num_frames is None else output.unflatten(0, (-1, num_frames)).transpose(1, 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class RigState:
    """The cameras of one generation, and what has been made of them so far."""

    cameras: Cameras
    """Of all scenes, [S, V, F]."""
    views: tuple[int, ...]
    """Of the rig, those that the UNet's batch holds."""
    memory: dict[Any, Any] = field(default_factory=dict)
    """What an adapter computes once and reads again in later calls."""


class MotionUNetAdapter(Adapter):
    """Base of the adapters of UNetMotionModel: one of its `blocks` for every motion module.

    The UNet's batch holds the views of each scene side by side, in the order (repeats scenes views) with the branches
    of guidance as repeats; its latents are of pictures of 8 times their height and width.
    """

    latents_argument = "sample"
    _keep_in_fp32_modules = None
    make_state: ClassVar[Callable[..., RigState]] = RigState

    def _backbone_of(self, transformer: Transformer) -> tuple[str, Any]:
        return motion_unet(transformer)

    def _goes_with(self, other: Adapter) -> bool:
        return isinstance(other, MotionUNetAdapter) and type(other) is not type(self)

    @classmethod
    def from_transformer(cls: type[M], transformer: Transformer, **settings: Any) -> M:
        """A fresh adapter of the size, dtype and device of a UNetMotionModel: until trained, it changes no view.

        What does change is the norm of the motion modules, which is per frame for as long as an adapter is attached.
        """
        name, backbone = motion_unet(transformer)
        make: Any = cls
        adapter = make(backbone=name, **backbone.settings(transformer), **settings)
        nn.Module.to(adapter, device=transformer.device, dtype=transformer.dtype)
        return adapter

    @contextmanager
    def _seen_by(self, cameras: Cameras, **more: Any) -> Iterator[None]:
        c2w, K = (x.reshape(-1, *x.shape[-4:]) for x in (cameras.c2w, cameras.K))
        state = self.make_state(
            cameras=Cameras(c2w=c2w, K=K, hw=cameras.hw), views=tuple(range(cameras.num_views)), **more
        )
        with self._state(camera_state=state, enabled=True):
            yield

    @contextmanager
    def views(self, views: Sequence[int]) -> Iterator[None]:
        """Inside `cameras`: for the length of the block, the batch holds these views of the rig, in this order."""
        state = self._inside_cameras()
        num_views = state.cameras.num_views
        if not views or len(set(views)) < len(views) or not all(0 <= view < num_views for view in views):
            raise InputError(f"views must be different numbers of 0..{num_views - 1}, got {list(views)}")
        with self._narrowed(replace(state, views=tuple(views))):
            yield

    def _inside_cameras(self) -> Any:
        if self._camera_state is None:
            raise InputError("there are no cameras yet: expected to be inside `with adapter.cameras(...)`")
        return self._camera_state

    @contextmanager
    def _narrowed(self, state: RigState) -> Iterator[None]:
        before = self._camera_state
        self._set_state(state, self._enabled)
        try:
            yield
        finally:
            self._set_state(before, self._enabled)

    def _rig(self, transformer: Transformer, latents: Float[Tensor, "b C F h w"]) -> Any:
        """The camera state for a call with these latents, None if disabled; InputError if the two do not fit."""
        state = self._ready(transformer)
        if state is None:
            return None
        assert self._attachment is not None
        for seam in self._attachment.blocks:
            seam.site.check()
        batch, _, num_frames, h, w = latents.shape
        cameras, num_views = state.cameras, len(state.views)
        scenes = len(cameras.c2w)
        if batch % (scenes * num_views):
            raise InputError(
                f"the UNet's batch is {batch}, expected a multiple of {scenes * num_views} ({scenes} scenes of "
                f"{num_views} views)"
            )
        if num_frames != cameras.num_frames:
            raise InputError(f"cameras has {cameras.num_frames} frames but the UNet's input has {num_frames}")
        if num_frames > (longest := transformer.config.motion_max_seq_length):
            raise InputError(f"the UNet's input has {num_frames} frames, but its motion modules know {longest} at most")
        if cameras.hw != (PIXELS_PER_LATENT * h, PIXELS_PER_LATENT * w):
            raise InputError(
                f"cameras are of pictures of {cameras.hw[0]} x {cameras.hw[1]}, but latents of {h} x {w} make pictures "
                f"of {PIXELS_PER_LATENT * h} x {PIXELS_PER_LATENT * w}"
            )
        coarsest = 2 ** (len(transformer.config.block_out_channels) - 1)
        if h % coarsest or w % coarsest:
            raise InputError(
                f"pictures of {cameras.hw[0]} x {cameras.hw[1]} do not halve evenly in the UNet: expected multiples of "
                f"{PIXELS_PER_LATENT * coarsest}"
            )
        if self.device != latents.device and not is_offloaded(self):
            self._move(latents.device)
        return state

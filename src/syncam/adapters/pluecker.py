"""Cameras by their rays (CameraCtrl): an encoder of Pluecker maps, and its features in every motion module.

In the first of the two attentions over time of each motion module, with h its normalised input and p the features of
the module's level (equation 8 of the paper; positions in time are in h already)::

    h = h + strength * merge(h + p)
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention import BasicTransformerBlock
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from syncam.adapters.adapter import weights_key
from syncam.adapters.backbones import Transformer
from syncam.adapters.compatibility import is_offloaded
from syncam.adapters.layers import zero_linear
from syncam.adapters.motion_unet import PIXELS_PER_LATENT, UNET, MotionSeam, MotionUNetAdapter, RigState, site_levels
from syncam.adapters.seams import Handle
from syncam.cameras.cameras import Cameras
from syncam.cameras.rays import pluecker
from syncam.errors import InputError

ENCODER_DEPTH = 2  # pairs of a residual and a temporal block per level

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class PlueckerState(RigState):
    """The cameras of one generation, and how strongly they act."""

    strength: float


class PlueckerSeam(MotionSeam):
    """Merges the features of the cameras' rays into the input of a motion module's first attention."""

    def register(self) -> list[Handle]:
        return [*super().register(), self.site.first_attention.register_forward_pre_hook(self.before_attention)]

    def before_attention(self, attention: nn.Module, args: tuple) -> tuple | None:
        if self.camera_tokens is None:
            return None
        return (self.adapter_block(args[0], *self.camera_tokens), *args[1:])


class PlueckerAdapter(MotionUNetAdapter):
    """Makes AnimateDiff follow cameras; every view by itself.

    `translation_scale` is the number of metres that encode as 1; CameraCtrl takes the units of RealEstate10K unchanged.
    The rays of each view are seen from its own first camera. The encoder was trained with `trained_frames` frames.

    >>> adapter = PlueckerAdapter.from_pretrained("cameractrl")          # doctest: +SKIP
    >>> with adapter.attach(unet), adapter.cameras(cameras):             # doctest: +SKIP
    ...     unet(latents, timestep, text)                           # [(b v), C, F, h, w]
    """

    seam = PlueckerSeam
    make_state = PlueckerState

    @register_to_config
    def __init__(
        self,
        *,
        block_out_channels: list[int],
        layers_per_block: int,
        num_heads: int = 8,
        max_frames: int = 32,
        trained_frames: int = 16,
        translation_scale: float = 1.0,
        backbone: str = UNET,
    ):
        super().__init__()
        if not translation_scale > 0:
            raise InputError(f"translation_scale is metres per unit and must be positive, got {translation_scale}")
        self.encoder = PoseEncoder(block_out_channels, num_heads, max_frames)
        self.levels = site_levels(len(block_out_channels), layers_per_block)
        self._warned_of: set[int] = set()
        self.blocks = nn.ModuleList(PoseMerge(block_out_channels[level]) for level in self.levels)

    @contextmanager
    def cameras(self, cameras: Cameras, *, strength: float = 1.0) -> Iterator[None]:
        """For the length of the `with` block, the UNet's batch is seen by these cameras, one for every video frame.

        `cameras` are of pictures of 8 times the latents' height and width; those without batch axes serve every scene
        of the batch. `strength` scales what the cameras change.
        """
        with self._seen_by(cameras, strength=strength):
            yield

    def prepare(self, transformer: Transformer, latents: Tensor) -> tuple[Any, list[Any]]:
        """As for every adapter: for each motion module, the features of its level, and their strength."""
        state = self._rig(transformer, latents)
        if state is None:
            return None, [None] * len(self.blocks)
        features = self._features(state, latents.device)
        features = [level[:, list(state.views)].flatten(0, 2) for level in features]  # [(s v h w), F, C]
        return state, [(features[level], state.strength) for level in self.levels]

    def _features(self, state: PlueckerState, device: torch.device) -> list[Float[Tensor, "s v hw F C"]]:
        """Of all views of the rig, per level; computed once per generation unless the encoder is being trained."""
        if (num_frames := state.cameras.num_frames) > (most := self.config["max_frames"]):
            raise InputError(f"cameras has {num_frames} frames, but this adapter knows {most} at most (max_frames)")
        training = torch.is_grad_enabled() and any(weight.requires_grad for weight in self.encoder.parameters())
        key = (device, self.dtype, None if is_offloaded(self) else weights_key(self.encoder))
        if training or state.memory.get("key") != key:
            if num_frames > (trained := self.config["trained_frames"]) and num_frames not in self._warned_of:
                self._warned_of.add(num_frames)
                logger.warning("the camera encoder was trained with %d frames, not with %d", trained, num_frames)
            state.memory["features"] = self._encoded_views(state.cameras, device)
            state.memory["key"] = None if training else key
        return state.memory["features"]

    def _encoded_views(self, cameras: Cameras, device: torch.device) -> list[Tensor]:
        encoded = []
        cameras = cameras.to(torch.float64)  # which autocast leaves alone
        for view in range(cameras.num_views):  # one by one: maps of rays have the size of the pictures
            maps = pluecker(cameras.view(view), view=None, frame=0)[:, 0]  # [s, F, 6, H, W]
            moments, directions = maps.split(3, dim=2)
            maps = torch.cat((moments / self.config["translation_scale"], directions), dim=2)
            encoded.append(self.encoder(maps.to(device, self.dtype)))
        return [torch.stack(level, dim=1) for level in zip(*encoded, strict=True)]


class PoseMerge(nn.Module):
    """What the cameras change in one motion module; nothing until trained."""

    def __init__(self, dim: int):
        super().__init__()
        self.linear = zero_linear(dim, dim)

    def forward(
        self, hidden_states: Float[Tensor, "n F C"], features: Float[Tensor, "m F C"], strength: float
    ) -> Float[Tensor, "n F C"]:
        """The input of the attention, for tokens that repeat those of the features."""
        h = hidden_states.unflatten(0, (-1, len(features)))  # [repeats, (s v h w), F, C]
        change = self.linear(h.to(features.dtype) + features)
        return (h + strength * change.to(h.dtype)).flatten(0, 1)


class PoseEncoder(nn.Module):
    """Pluecker maps -> features per level of the UNet, at 1/8, 1/16, ... of the pictures' size."""

    def __init__(self, channels: list[int], num_heads: int, max_frames: int):
        super().__init__()
        self.conv_in = nn.Conv2d(6 * PIXELS_PER_LATENT**2, channels[0], 3, padding=1)
        self.residuals, self.temporals = nn.ModuleList(), nn.ModuleList()
        for before, after in zip([channels[0], *channels], channels, strict=False):
            widths = [before, *[after] * (ENCODER_DEPTH - 1)]
            self.residuals.append(nn.ModuleList(ResidualBlock(width, after) for width in widths))
            self.temporals.append(
                nn.ModuleList(
                    BasicTransformerBlock(
                        after,
                        num_heads,
                        after // num_heads,
                        activation_fn="geglu",
                        positional_embeddings="sinusoidal",
                        num_positional_embeddings=max_frames,
                    )
                    for _ in range(ENCODER_DEPTH)
                )
            )

    def forward(self, maps: Float[Tensor, "b F 6 H W"]) -> list[Float[Tensor, "b hw F C"]]:
        """One tensor per level, tokens in the order of rows."""
        num_frames = maps.shape[1]
        x = self.conv_in(F.pixel_unshuffle(maps.flatten(0, 1), PIXELS_PER_LATENT))
        features = []
        levels: list[Any] = list(zip(self.residuals, self.temporals, strict=True))
        for level, pairs in enumerate(levels):
            if level:
                x = F.avg_pool2d(x, 2)
            for residual, temporal in zip(*pairs, strict=True):
                x = residual(x)
                h, w = x.shape[-2:]
                x = temporal(rearrange(x, "(b f) c h w -> (b h w) f c", f=num_frames))
                x = rearrange(x, "(b h w) f c -> (b f) c h w", h=h, w=w)
            features.append(rearrange(x, "(b f) c h w -> b (h w) f c", f=num_frames))
        return features


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity, without norms; a third where the width changes."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.conv_in = nn.Conv2d(before, after, 1) if before != after else nn.Identity()
        self.conv_1 = nn.Conv2d(after, after, 3, padding=1)
        self.conv_2 = nn.Conv2d(after, after, 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n C h w"]:
        """Of the same height and width."""
        x = self.conv_in(x)
        return x + self.conv_2(F.relu(self.conv_1(x)))

"""Synchronised views where text and video attend together (SynCamMaster's first port, on CogVideoX).

Per block, before its own self-attention, on the video's part x of the residual stream::

    y, e, gate = norm(x, text, time)
    a = attention over [the views' text e | y + cam_encoder(camera), the views' tokens of one latent frame]
    x = x + gate * projector(the video's part of a)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal, get_args

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_processor import Attention, CogVideoXAttnProcessor2_0
from diffusers.models.embeddings import get_3d_rotary_pos_embed
from diffusers.models.normalization import CogVideoXLayerNormZero
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from syncam.adapters.adapter import CAMERA_FEATURES, Adapter, check_settings, latent_cameras
from syncam.adapters.backbones import Transformer, find_backbone, trained_grid
from syncam.adapters.layers import zero_linear
from syncam.adapters.seams import JointSeam
from syncam.adapters.self_attention import copy_self_attention
from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.cameras.cameras import Cameras
from syncam.errors import InputError

QK_EPS = 1e-6  # of the norms of queries and keys; `eps` is that of the norms of tokens
STILL = 1e-4  # by how much encodings of a camera that stands still may differ between frames

TextViews = Literal["all", "first", "none"]


class JointViewSyncAdapter(ViewSyncAdapter):
    """The view adapter of transformers whose blocks attend to text and video together.

    `view_rotary` gives the tokens of the view attention rotary positions (view, height, width). `text_views` says whose
    text takes part in it: that of all views, of each scene's first view, or none. Unless `moving_cameras`, the weights
    know cameras that stand still, and others are refused.

    >>> adapter = ViewSyncAdapter.from_transformer(transformer)          # doctest: +SKIP
    >>> with adapter.attach(transformer), adapter.cameras(cameras, temporal_stride=4):     # doctest: +SKIP
    ...     transformer(latents, text, timestep)                        # [(b v), f, C, h, w]
    """

    seam = JointSeam
    form = "joint"
    _keep_in_fp32_modules = None

    @register_to_config
    def __init__(
        self,
        *,
        num_layers: int,
        dim: int,
        num_heads: int,
        time_dim: int,
        eps: float = 1e-5,
        attention_bias: bool = True,
        translation_scale: float = 2.0,
        view_rotary: bool = False,
        text_views: str = "all",
        moving_cameras: bool = False,
        backbone: str,
    ):
        Adapter.__init__(self)
        check_settings(
            backbone=backbone,
            form=self.form,
            dim=dim,
            num_heads=num_heads,
            translation_scale=translation_scale,
        )
        if view_rotary and (dim // num_heads) % 16:
            raise InputError(
                f"view_rotary needs heads of a multiple of 16 features, got {dim // num_heads} (dim={dim}, "
                f"num_heads={num_heads})"
            )
        if text_views not in get_args(TextViews):
            raise InputError(f"text_views must be {', '.join(get_args(TextViews))}, got {text_views!r}")
        self.blocks = nn.ModuleList(
            JointViewSyncBlock(dim, num_heads, time_dim, eps, attention_bias, text_views) for _ in range(num_layers)
        )

    @classmethod
    def from_transformer(
        cls,
        transformer: Transformer,
        *,
        translation_scale: float = 2.0,
        view_rotary: bool = False,
        text_views: TextViews = "all",
        moving_cameras: bool = False,
    ) -> "JointViewSyncAdapter":
        """A fresh adapter for `transformer`: it does not change the output until trained.

        View attention and its norm start as copies of each block's self-attention and the norm in front of it (in
        their dtype and on their device), camera encoder and projector at zero. `translation_scale` is the number of
        metres that encode as 1; the class says what the other settings are.
        """
        cls._for_form_of(transformer)
        adapter, pairs = cls._sized_for(
            transformer,
            translation_scale=translation_scale,
            view_rotary=view_rotary,
            text_views=text_views,
            moving_cameras=moving_cameras,
        )
        backbone = find_backbone(transformer)[1]
        for ours, site in pairs:
            copy_self_attention(backbone.projections_of(ours.attn), site)
            ours.norm.load_state_dict(site.residual_norm.state_dict(), strict=True)
            weight = site.projections["q"].weight
            ours.to(device=weight.device, dtype=weight.dtype)
        return adapter

    @contextmanager
    def cameras(self, cameras: Cameras | Float[Tensor, "..."], *, temporal_stride: int = 1) -> Iterator[None]:
        """As for every ViewSyncAdapter; InputError for cameras that move if the weights know none that do."""
        if not self.config["moving_cameras"]:
            check_still(latent_cameras(cameras, 1).flatten(-2))
        with super().cameras(cameras, temporal_stride=temporal_stride):
            yield

    @contextmanager
    def camera_encodings(self, encodings: Float[Tensor, "..."]) -> Iterator[None]:
        """As `cameras`, from what the camera encoders read: 12 numbers per view and latent frame, [*B, V, f, 12]."""
        with super().camera_encodings(encodings):
            if not self.config["moving_cameras"]:
                check_still(encodings)
            yield

    def rotary_table(
        self, num_views: int, height: int, width: int, device: torch.device
    ) -> tuple[Tensor, Tensor] | None:
        """Rotation of the tokens (v h w) of one latent frame, as the transformer's own of (f h w)."""
        if not self.config["view_rotary"]:
            return None
        assert self._attachment is not None
        head_dim = self.config["dim"] // self.config["num_heads"]
        return joint_rotary_table(
            num_views, height, width, head_dim, trained_grid(self._attachment.transformer), device
        )


class JointViewSyncBlock(nn.Module):
    """The weights added to one block, and the change they make to the video's part of its residual stream."""

    def __init__(self, dim: int, num_heads: int, time_dim: int, eps: float, attention_bias: bool, text_views: str):
        super().__init__()
        self.text_views = text_views
        self.norm = CogVideoXLayerNormZero(time_dim, dim, eps=eps)
        self.cam_encoder = zero_linear(CAMERA_FEATURES, dim)
        processor: Any = CogVideoXAttnProcessor2_0()
        self.attn = Attention(
            query_dim=dim,
            heads=num_heads,
            dim_head=dim // num_heads,
            qk_norm="layer_norm",
            eps=QK_EPS,
            bias=attention_bias,
            processor=processor,
        )
        self.projector = zero_linear(dim, dim)

    def forward(
        self,
        hidden_states: Float[Tensor, "bv N D"],
        text: Float[Tensor, "bv n D"],
        time: Float[Tensor, "bv T"],
        encodings: Float[Tensor, "bv f 12"],
        camera_tokens: Float[Tensor, "bv f D"] | None,
        rotary: tuple[Tensor, Tensor] | None,
        num_views: int,
        dtype: torch.dtype,
    ) -> Float[Tensor, "bv N D"]:
        """What to add to the video's part of the residual stream; the layers compute in `dtype`.

        `camera_tokens` are the encoded cameras where they are already known; otherwise `encodings` are encoded here.
        """
        y, words, gate, _ = self.norm(hidden_states.to(dtype), text.to(dtype), time.to(dtype))
        camera = self.cam_encoder(encodings.to(dtype)) if camera_tokens is None else camera_tokens.to(dtype)
        num_frames = encodings.shape[1]
        y = y.unflatten(1, (num_frames, -1)) + camera[:, :, None]  # [(b v), f, (h w), D]
        y = rearrange(y, "(b v) f s d -> (b f) (v s) d", v=num_views)
        words = rearrange(words, "(b v) n d -> b v n d", v=num_views)
        words = words[:, : {"all": num_views, "first": 1, "none": 0}[self.text_views]].flatten(1, 2)  # [b, (v n), D]
        words = words[:, None].expand(-1, num_frames, -1, -1).flatten(0, 1)  # [(b f), (v n), D]
        y = self.attn(y, encoder_hidden_states=words, image_rotary_emb=rotary)[0]
        y = rearrange(self.projector(y), "(b f) (v s) d -> (b v) (f s) d", f=num_frames, v=num_views)
        return gate * y


def check_still(values: Float[Tensor, "... V F n"]) -> None:
    """InputError unless what describes each camera is the same at every frame."""
    moved = (values - values[..., :1, :]).abs().amax(dim=(-1, -2)) > STILL  # [..., V]
    if moved.any():
        view = int(moved.reshape(-1, values.shape[-3]).any(0).nonzero()[0, 0])
        raise InputError(
            f"the camera of view {view} moves, but this adapter was trained with cameras that stand still "
            "(moving_cameras is false in its config): give cameras that do not move"
        )


@lru_cache(maxsize=8)
def joint_rotary_table(
    num_views: int, height: int, width: int, head_dim: int, trained: tuple[int, int], device: torch.device
) -> tuple[Float[Tensor, "tokens head_dim"], Float[Tensor, "tokens head_dim"]]:
    """Cosine and sine of the tokens (v h w) in three axes; a grid of other than the trained size is scaled to it."""
    # Imported here: all of diffusers' pipelines come with it.
    from diffusers.pipelines.cogvideo.pipeline_cogvideox import get_resize_crop_region_for_grid

    corners: Any = get_resize_crop_region_for_grid((height, width), trained[1], trained[0])
    table: Any = get_3d_rotary_pos_embed(head_dim, corners, (height, width), num_views, device=device)
    return table

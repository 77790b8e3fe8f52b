"""Synchronised views (SynCamMaster): a camera encoder and attention across views in every block of a transformer.

Per block, on the residual stream x between self- and cross-attention (equations 5 and 6 of the paper, as in its
Wan2.1 port)::

    y = modulate(layer_norm(x)) + cam_encoder(camera)             per view
    x = x + gate * projector(attention over the views' tokens of one latent frame(y))
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_dispatch import AttentionBackendName
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from syncam.adapters.adapter import CAMERA_FEATURES, Adapter, check_settings, latent_cameras
from syncam.adapters.backbones import Transformer, find_backbone
from syncam.adapters.layers import zero_linear
from syncam.adapters.seams import ResidualSeam
from syncam.adapters.self_attention import RotaryTable, SelfAttention, copy_self_attention
from syncam.cameras.cameras import Cameras
from syncam.cameras.encodings import relative_pose_12d
from syncam.errors import InputError

ROPE_THETA = 10000.0


class ViewSyncAdapter(Adapter):
    """Makes a text-to-video transformer denoise several views of one scene together, each seen by its own camera.

    The transformer's batch holds the views of each scene side by side, order (b v); its weights stay as they are.

    >>> adapter = ViewSyncAdapter.from_transformer(transformer)          # doctest: +SKIP
    >>> with adapter.attach(transformer), adapter.cameras(cameras, temporal_stride=4):     # doctest: +SKIP
    ...     transformer(latents, timestep, text)                        # [(b v), C, f, h, w]
    """

    seam = ResidualSeam

    @register_to_config
    def __init__(
        self,
        *,
        num_layers: int,
        dim: int,
        num_heads: int,
        eps: float = 1e-6,
        translation_scale: float = 2.0,
        backbone: str,
    ):
        super().__init__()
        check_settings(
            backbone=backbone,
            form=self.form,
            dim=dim,
            num_heads=num_heads,
            translation_scale=translation_scale,
        )
        self.blocks = nn.ModuleList(ViewSyncBlock(dim, num_heads, eps) for _ in range(num_layers))

    @classmethod
    def from_transformer(
        cls, transformer: Transformer, *, translation_scale: float = 2.0, **more: Any
    ) -> "ViewSyncAdapter":
        """A fresh adapter for `transformer`, initialised as in the paper: it does not change the output until trained.

        View attention and modulation start as copies of each block's self-attention (in its dtype and on its device),
        camera encoder and projector at zero. `translation_scale` is the number of metres that encode as 1.
        A transformer whose blocks attend to text and video together gets a JointViewSyncAdapter, with the settings that
        it has besides.
        """
        member = cls._for_form_of(transformer)
        if member is not cls:
            return member.from_transformer(transformer, translation_scale=translation_scale, **more)
        if more:
            raise InputError(
                f"{', '.join(more)}: a ViewSyncAdapter of {type(transformer).__name__} has translation_scale alone"
            )
        adapter, pairs = cls._sized_for(transformer, translation_scale=translation_scale)
        modulation = find_backbone(transformer)[1].block_modulation
        assert modulation is not None, "every block of this form has one"
        for ours, site in pairs:
            copy_self_attention(dict(ours.attn.named_children()), site)
            weight = site.projections["q"].weight
            ours.to(device=weight.device, dtype=weight.dtype)
            table = getattr(site.block, modulation)  # in float32, whatever the other weights are in
            ours.modulation = nn.Parameter(table[:, :3].detach().clone())
        return adapter

    @contextmanager
    def cameras(self, cameras: Cameras | Float[Tensor, "..."], *, temporal_stride: int = 1) -> Iterator[None]:
        """For the length of the `with` block, the transformer's batch (b v) is seen by these cameras.

        `cameras` hold one camera per video frame and `temporal_stride` is the autoencoder's: latent frame i pairs with
        video frame i * temporal_stride. With stride 1 there is one camera per latent frame. A tensor is read as c2w
        [*B, V, F, 4, 4] (OpenCV axes, metres). Cameras without batch axes serve every scene of the batch.
        """
        c2w = latent_cameras(cameras, temporal_stride)
        with self._encoded(relative_pose_12d(c2w, translation_scale=self.config["translation_scale"])):
            yield

    @contextmanager
    def camera_encodings(self, encodings: Float[Tensor, "..."]) -> Iterator[None]:
        """As `cameras`, from what the camera encoders read: 12 numbers per view and latent frame, [*B, V, f, 12]."""
        with self._encoded(encodings):
            yield

    def rotary_table(self, num_views: int, height: int, width: int, device: torch.device) -> RotaryTable:
        """Rotation of the tokens (v h w) of one latent frame; the view index takes the place of the frame index."""
        return rotary_table(num_views, height, width, self.config["dim"] // self.config["num_heads"], device)


class ViewSyncBlock(nn.Module):
    """The weights added to one block, and the change they make to its residual stream."""

    def __init__(self, dim: int, num_heads: int, eps: float):
        super().__init__()
        self.eps = eps
        self.cam_encoder = zero_linear(CAMERA_FEATURES, dim)
        self.attn = SelfAttention(dim, num_heads, eps)
        self.projector = zero_linear(dim, dim)
        self.modulation = nn.Parameter(torch.zeros(1, 3, dim))

    def forward(
        self,
        hidden_states: Float[Tensor, "bv N D"],
        time_modulation: Float[Tensor, "b ... 6 D"],
        encodings: Float[Tensor, "bv f 12"],
        camera_tokens: Float[Tensor, "bv f D"] | None,
        rotary: RotaryTable,
        num_views: int,
        dtype: torch.dtype,
        backend: AttentionBackendName | None,
    ) -> Float[Tensor, "bv N D"]:
        """What to add to the residual stream, in float32; the layers compute in `dtype`.

        `camera_tokens` are the encoded cameras where they are already known; otherwise `encodings` are encoded here.
        """
        shift, scale, gate = (self.modulation.float() + time_modulation[..., :3, :].float()).unbind(-2)
        if time_modulation.ndim == 3:  # one modulation for all tokens, not one per token
            shift, scale, gate = shift[:, None], scale[:, None], gate[:, None]

        y = F.layer_norm(hidden_states.float(), (hidden_states.shape[-1],), eps=self.eps)
        y = (y * (1 + scale) + shift).to(dtype)
        camera = self.cam_encoder(encodings.to(dtype)) if camera_tokens is None else camera_tokens.to(dtype)
        num_frames = encodings.shape[1]
        # The camera is the same for all tokens of a frame: it is broadcast, never repeated h*w times in memory.
        y = y.unflatten(1, (num_frames, -1)) + camera[:, :, None]  # [(b v), f, (h w), D]
        y = rearrange(y, "(b v) f s d -> (b f) (v s) d", v=num_views)
        y = self.projector(self.attn(y, rotary, backend))
        y = rearrange(y, "(b f) (v s) d -> (b v) (f s) d", f=num_frames, v=num_views)
        return gate * y.float()


@lru_cache(maxsize=8)
def rotary_table(num_views: int, height: int, width: int, head_dim: int, device: torch.device) -> RotaryTable:
    """Cosine and sine [v h w, 1, head_dim / 2] of Wan's three-axis rotary embedding, computed in float64."""
    spatial = 2 * (head_dim // 6)
    axes = ((num_views, head_dim - 2 * spatial), (height, spatial), (width, spatial))
    angles = []
    for length, size in axes:
        frequencies = ROPE_THETA ** -(torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles.append(torch.arange(length, dtype=torch.float64)[:, None] * frequencies)
    v, h, w = angles
    grid = torch.cat(
        (
            v[:, None, None].expand(-1, height, width, -1),
            h[None, :, None].expand(num_views, -1, width, -1),
            w[None, None].expand(num_views, height, -1, -1),
        ),
        dim=-1,
    ).reshape(num_views * height * width, 1, -1)
    return grid.cos().float().to(device), grid.sin().float().to(device)

"""Re-shooting (ReCamMaster): a source video beside the target along frames, and the target's camera in every block.

The transformer is given [target | source] on the frame axis, and the target half of its output counts. Per block, with
y the modulated input of self-attention and c the target's camera, the same for both halves::

    self_attention(y)  becomes  projector(attn(y + cam_encoder(c)))
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention_dispatch import AttentionBackendName
from jaxtyping import Float
from torch import Tensor, nn

from syncam.adapters.adapter import CAMERA_FEATURES, Adapter, check_settings, latent_cameras
from syncam.adapters.backbones import BlockSite, Transformer
from syncam.adapters.layers import zero_linear
from syncam.adapters.seams import AttentionSeam, Step
from syncam.adapters.self_attention import LowRankAttention, SelfAttention, copy_self_attention
from syncam.cameras.cameras import Cameras
from syncam.cameras.encodings import pose_12d
from syncam.cameras.rigid import compose_rigid, invert_rigid, relative_c2w
from syncam.errors import InputError


class FrameConcatAdapter(Adapter):
    """Makes a text-to-video transformer show a source video from another camera path.

    The trained self-attention is the adapter's: `rank` None holds it whole and attends in place of the transformer's
    own, another number holds it as the transformer's own and a change of that rank.

    >>> adapter = FrameConcatAdapter.from_transformer(transformer)          # doctest: +SKIP
    >>> with adapter.attach(transformer), adapter.cameras(cameras, source=source, temporal_stride=4):  # doctest: +SKIP
    ...     transformer(latents, timestep, text)                        # [(b v), C, f, h, w]
    """

    seam = AttentionSeam

    @register_to_config
    def __init__(
        self,
        *,
        num_layers: int,
        dim: int,
        num_heads: int,
        eps: float = 1e-6,
        translation_scale: float = 1.0,
        rank: int | None = None,
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
        if rank is not None and not 1 <= rank <= dim:
            raise InputError(f"rank must lie in 1..{dim}, the width, or be None for whole matrices, got {rank}")
        self.blocks = nn.ModuleList(FrameConcatBlock(dim, num_heads, eps, rank) for _ in range(num_layers))

    @classmethod
    def from_transformer(
        cls, transformer: Transformer, *, translation_scale: float = 1.0, rank: int | None = None
    ) -> "FrameConcatAdapter":
        """A fresh adapter for `transformer`, initialised as in the paper: it changes nothing but the number of frames.

        Self-attention starts as each block's own (in its dtype and on its device), the camera encoder at zero, the
        projector as the identity. `translation_scale` is the number of metres that encode as 1.
        """
        cls._for_form_of(transformer)
        adapter, pairs = cls._sized_for(transformer, translation_scale=translation_scale, rank=rank)
        for ours, site in pairs:
            if rank is None:
                copy_self_attention(dict(ours.attn.named_children()), site)
            weight = site.projections["q"].weight
            ours.to(device=weight.device, dtype=weight.dtype)
        return adapter

    @contextmanager
    def cameras(
        self,
        cameras: Cameras | Float[Tensor, "..."],
        *,
        source: Float[Tensor, "S C f h w"],
        reference: Float[Tensor, "*B 4 4"] | None = None,
        temporal_stride: int = 1,
    ) -> Iterator[None]:
        """For the length of the `with` block, the batch (b v) shows the `source` videos along these camera paths.

        cameras: the target paths, one camera per video frame, of which latent frame i takes that of video frame
        i * temporal_stride; a tensor is read as c2w [*B, V, F, 4, 4] (OpenCV axes, metres).
        source: latents of the videos to re-shoot, with as many frames as the target: one per scene, or one for all;
        each serves all V paths of its scene.
        reference: c2w of the source's own first camera, which the paths are relative to. None: each path is relative
        to its own first camera, so that it starts where the source does.
        """
        c2w = latent_cameras(cameras, temporal_stride)
        if reference is None:
            relative = relative_c2w(c2w.double(), view=None, frame=0)
        else:
            relative = compose_rigid(invert_rigid(reference.double())[..., None, None, :, :], c2w.double())
        encodings = pose_12d(relative, translation_scale=self.config["translation_scale"]).to(c2w.dtype)
        with self.camera_encodings(encodings, source=source):
            yield

    @contextmanager
    def camera_encodings(
        self, encodings: Float[Tensor, "..."], *, source: Float[Tensor, "S C f h w"]
    ) -> Iterator[None]:
        """As `cameras`, from what the camera encoders read: 12 numbers per path and latent frame, [*B, V, f, 12]."""
        if not source.isfinite().all():
            raise InputError("source must be finite latents")
        with self._encoded(encodings, source):
            yield

    def prepare(self, transformer: Transformer, latents: Tensor) -> tuple[Step | None, Any]:
        """As for every adapter; InputError unless the source fits the latents, and for LoRA that would do nothing."""
        prepared = super().prepare(transformer, latents)
        if prepared[0] is not None:
            if self.config["rank"] is None:
                self._check_no_lora()
            source = self._source
            if source.shape[1:] != latents.shape[1:] or latents.shape[0] % source.shape[0]:
                raise InputError(
                    f"source has shape {tuple(source.shape)}, one for each path of its scene, but the latents to "
                    f"denoise {tuple(latents.shape)}: expected the same channels, frames and size, and a batch that "
                    "is a multiple"
                )
        return prepared

    def _check_no_lora(self) -> None:
        assert self._attachment is not None
        for seam in self._attachment.blocks:
            for name, layer in seam.site.projections.items():
                if hasattr(layer, "lora_A"):
                    raise InputError(
                        f"the transformer's self-attention's {name} has a LoRA, but this adapter attends in its place: "
                        "unload the LoRA, or convert the adapter with a rank, as a change of the transformer's own"
                    )

    @property
    def _source(self) -> Float[Tensor, "b C f h w"]:
        """The source of every item of the batch (b v), once for all paths of a scene."""
        assert self._camera_state is not None and self._camera_state.source is not None
        return self._camera_state.source.repeat_interleave(self._camera_state.num_views, 0)

    def to_input(self, latents: Tensor) -> Tensor:
        """[target | source] along frames."""
        source = self._source.to(latents)
        return torch.cat((latents, source.repeat(len(latents) // len(source), 1, 1, 1, 1)), dim=2)

    def to_output(self, output: Tensor) -> Tensor:
        """The target's frames."""
        return output[:, :, : output.shape[2] // 2]


class FrameConcatBlock(nn.Module):
    """The weights of one block: what takes the place of its self-attention."""

    def __init__(self, dim: int, num_heads: int, eps: float, rank: int | None):
        super().__init__()
        self.cam_encoder = zero_linear(CAMERA_FEATURES, dim)
        self.attn = SelfAttention(dim, num_heads, eps) if rank is None else LowRankAttention(dim, num_heads, rank)
        self.projector = nn.Linear(dim, dim)
        nn.init.eye_(self.projector.weight)
        nn.init.zeros_(self.projector.bias)

    def forward(
        self,
        hidden_states: Float[Tensor, "b N D"],
        site: BlockSite,
        encodings: Float[Tensor, "b f 12"],
        camera_tokens: Float[Tensor, "b f D"] | None,
        rotary: tuple[Tensor, Tensor],
        dtype: torch.dtype,
        backend: AttentionBackendName | None,
    ) -> Float[Tensor, "b N D"]:
        """What self-attention gives, for the tokens of both halves; the layers compute in `dtype`.

        `camera_tokens` are the encoded cameras where they are already known; otherwise `encodings` are encoded here.
        `site` has the block's own self-attention, `rotary` is its table.
        """
        camera = self.cam_encoder(encodings.to(dtype)) if camera_tokens is None else camera_tokens.to(dtype)
        # Both halves get the target's camera. It is the same for all tokens of a frame: broadcast, never repeated.
        y = hidden_states.to(dtype).unflatten(1, (2, encodings.shape[1], -1)) + camera[:, None, :, None]
        y, table = y.flatten(1, 3), (rotary[0][0, ..., 0::2], rotary[1][0, ..., 1::2])  # [N, 1, half]
        if isinstance(self.attn, LowRankAttention):
            attended = self.attn(y, table, backend, site, hidden_states.dtype)
        else:
            attended = self.attn(y, table, backend)
        return self.projector(attended).to(hidden_states.dtype)

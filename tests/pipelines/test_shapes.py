"""Models of the shapes of Wan2.1 14B, Wan2.2 TI2V-5B and SkyReels-V2: small, through their own pipelines."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKLWan,
    SkyReelsV2Pipeline,
    SkyReelsV2Transformer3DModel,
    UniPCMultistepScheduler,
    WanPipeline,
    WanTransformer3DModel,
)

from syncam.adapters import FrameConcatAdapter, ViewSyncAdapter
from syncam.adapters.estimate import denoise, fresh_adapter
from syncam.cameras import hemisphere
from syncam.errors import InputError
from syncam.pipelines.multiview import MultiViewPipeline
from tiny import (
    TEXT_DIM,
    seeded,
    tiny_skyreels_transformer,
    tiny_text_encoder,
    tiny_tokenizer,
    tiny_transformer,
    tiny_vae,
)

SIZE: dict[str, Any] = {"num_frames": 5, "height": 32, "width": 64, "num_inference_steps": 2, "guidance_scale": 3.0}
SMALL = {"attention_head_dim": 24, "text_dim": TEXT_DIM, "freq_dim": 32, "ffn_dim": 96, "num_layers": 2}
UNIPC = {"prediction_type": "flow_prediction", "use_flow_sigmas": True, "flow_shift": 3.0}


def parts(transformer: Any, vae: Any) -> dict[str, Any]:
    text = {"tokenizer": tiny_tokenizer(), "text_encoder": tiny_text_encoder()}
    return text | {"transformer": transformer, "vae": vae, "scheduler": UniPCMultistepScheduler(**UNIPC)}


def alive(transformer: Any) -> Any:
    """The transformer in eval mode, with what starts at zero drawn at random."""
    for parameter in transformer.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return transformer.eval()


def wan_14b() -> WanPipeline:
    """More heads than Wan2.1 1.3B in more layers; a normalised cross-attention."""
    return WanPipeline(**parts(tiny_transformer(num_layers=3, heads=5), tiny_vae()))


def ti2v_5b() -> WanPipeline:
    """48 channels at strides 4x16x16, and a timestep for every token."""
    vae = AutoencoderKLWan(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=48,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        is_residual=True,
        patch_size=2,
        in_channels=12,
        out_channels=12,
        latents_mean=[0.1] * 48,
        latents_std=[0.8] * 48,
        scale_factor_temporal=4,
        scale_factor_spatial=16,
    )
    transformer = WanTransformer3DModel(num_attention_heads=3, in_channels=48, out_channels=48, **SMALL)
    return WanPipeline(**parts(alive(transformer), vae.eval()), expand_timesteps=True)


def skyreels() -> SkyReelsV2Pipeline:
    return SkyReelsV2Pipeline(**parts(tiny_skyreels_transformer(), tiny_vae()))


@pytest.fixture(scope="module", params=[wan_14b, ti2v_5b, skyreels], ids=lambda build: build.__name__)
def base(request: pytest.FixtureRequest) -> Any:
    build: Callable[[], Any] = request.param
    pipeline = seeded(build, 0)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("views", [1, 3])
def test_views_are_synchronised_and_a_fresh_adapter_changes_nothing(base: Any, views: int) -> None:
    pipeline = MultiViewPipeline(base, ViewSyncAdapter.from_transformer(base.transformer))
    cameras = hemisphere(views=views, radius=4, num_frames=5, hw=(32, 64))
    try:
        alone = pipeline("a red horse", cameras, synchronise=False, **SIZE)
        assert alone.videos is not None and alone.videos.shape == (views, 5, 3, 32, 64)
        assert torch.equal(pipeline("a red horse", cameras, **SIZE).latents, alone.latents)
        with torch.no_grad():
            blocks: list[Any] = [*pipeline.adapter.blocks]
            for block in blocks:
                block.projector.weight.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
        together = pipeline("a red horse", cameras, **SIZE).latents
        assert not torch.equal(together, alone.latents)
        led = pipeline("a red horse", cameras, lead_view=True, **SIZE).latents
        assert torch.equal(led[0], together[0]) and (views == 1 or not torch.equal(led[1:], together[1:]))
        seen = pipeline.encode(alone.videos)
        assert seen.shape == alone.latents.shape
    finally:
        pipeline.attachment.remove()
    with pytest.raises(InputError, match=r"height must be a multiple of \d+ for this model, got 24"):
        pipeline("a red horse", cameras, **{**SIZE, "height": 24})


@pytest.mark.parametrize("rank", [None, 3])
def test_a_fresh_reshoot_adapter_shows_the_transformer_a_source_and_changes_nothing(
    base: Any, rank: int | None
) -> None:
    transformer = base.transformer
    adapter = FrameConcatAdapter.from_transformer(transformer, rank=rank)
    target, source = seeded(lambda: torch.randn(2, 1, transformer.config.in_channels, 2, 4, 8), 1).unbind(0)
    given = {"timestep": torch.tensor([500.0]), "encoder_hidden_states": torch.ones(1, 4, TEXT_DIM)}
    with torch.no_grad():
        stock = transformer(hidden_states=torch.cat((target, source), 2), **given, return_dict=False)[0][:, :, :2]
        with adapter.attach(transformer), adapter.camera_encodings(torch.zeros(1, 2, 12), source=source):
            ours = transformer(hidden_states=target, **given, return_dict=False)[0]
    torch.testing.assert_close(ours, stock, atol=1e-5, rtol=1e-4)


PUBLISHED = {
    "Wan2.1 14B": (WanTransformer3DModel, {"num_attention_heads": 40, "ffn_dim": 13824}, (60, 104), 5120),
    "Wan2.2 TI2V-5B": (
        WanTransformer3DModel,
        {"num_attention_heads": 24, "ffn_dim": 14336, "in_channels": 48, "out_channels": 48},
        (44, 80),
        3072,
    ),
    "SkyReels-V2 1.3B": (SkyReelsV2Transformer3DModel, {"num_attention_heads": 12, "ffn_dim": 8960}, (68, 120), 1536),
    "SkyReels-V2 14B": (SkyReelsV2Transformer3DModel, {"num_attention_heads": 40, "ffn_dim": 13824}, (90, 160), 5120),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_widths_attach_and_run_without_weights(name: str) -> None:
    cls, settings, (h, w), dim = PUBLISHED[name]
    with torch.device("meta"):
        transformer = cls(num_layers=1, **settings).requires_grad_(False)
    latents = torch.empty(2, transformer.config.in_channels, 3, h, w, device="meta")
    assert fresh_adapter(transformer).config["dim"] == dim
    with torch.no_grad():
        denoise(transformer, latents, 512, 2)


def test_noise_levels_per_frame_of_skyreels_are_refused() -> None:
    base = seeded(skyreels, 0)
    adapter = ViewSyncAdapter.from_transformer(base.transformer)
    text = torch.zeros(2, 4, TEXT_DIM)
    with (
        torch.no_grad(),
        adapter.attach(base.transformer),
        adapter.camera_encodings(torch.zeros(2, 2, 12)),
        pytest.raises(InputError, match="a noise level of its own for every frame"),
    ):
        base.transformer(torch.zeros(2, 16, 2, 4, 8), torch.zeros(2, 2), text, enable_diffusion_forcing=True)

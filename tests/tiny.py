"""Every component of a Wan model at toy size, with random weights, built offline in a fraction of a second.

The sizes keep what matters: several heads, rotary axes of unequal length, a VAE that compresses 4x in space and time,
text of variable length. Equal seeds give equal weights, whatever was drawn before.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    AutoencoderKLCogVideoX,
    AutoencoderKLWan,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
    FlowMatchEulerDiscreteScheduler,
    MotionAdapter,
    SkyReelsV2Transformer3DModel,
    UNet2DConditionModel,
    UNetMotionModel,
    WanPipeline,
    WanTransformer3DModel,
)
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from syncam.pipelines.cvd import published_scheduler

LATENT_CHANNELS = 16
TEXT_DIM = 16
TEXT_LENGTH = 32
WORDS = [
    "a",
    "an",
    "the",
    "and",
    "of",
    "on",
    "under",
    "over",
    "in",
    "with",
    "red",
    "blue",
    "green",
    "white",
    "black",
    "brown",
    "orange",
    "yellow",
    "grey",
    "horse",
    "dog",
    "cow",
    "cat",
    "elephant",
    "deer",
    "walks",
    "runs",
    "stands",
    "trots",
    "gallops",
    "grass",
    "sand",
    "snow",
    "sky",
    "field",
    "tree",
    "trees",
    "rocks",
    "sunset",
]

T = TypeVar("T")
M = TypeVar("M", bound=torch.nn.Module)


def seeded(build: Callable[[], T], seed: int) -> T:
    """What `build` returns when the global random state is at `seed`; the state is put back afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def filled(cls: Callable[..., M], seed: int, **config: Any) -> M:
    """A model of that class and config in eval mode; what starts at zero is drawn, too: nothing cancels by accident."""

    def build() -> M:
        model = cls(**config)
        for parameter in model.parameters():
            if not parameter.any():
                torch.nn.init.normal_(parameter, std=0.02)
        return model.eval()

    return seeded(build, seed)


def tiny_transformer(
    num_layers: int = 2,
    heads: int = 2,
    head_dim: int = 24,
    in_channels: int = LATENT_CHANNELS,
    text_dim: int = TEXT_DIM,
    ffn_dim: int = 96,
    seed: int = 0,
) -> WanTransformer3DModel:
    """A Wan transformer in eval mode."""
    return filled(
        WanTransformer3DModel,
        seed,
        patch_size=(1, 2, 2),
        num_attention_heads=heads,
        attention_head_dim=head_dim,
        in_channels=in_channels,
        out_channels=in_channels,
        text_dim=text_dim,
        freq_dim=32,
        ffn_dim=ffn_dim,
        num_layers=num_layers,
        rope_max_seq_len=64,
    )


def tiny_skyreels_transformer(
    num_layers: int = 2, heads: int = 2, head_dim: int = 24, seed: int = 0
) -> SkyReelsV2Transformer3DModel:
    """A SkyReels-V2 transformer in eval mode, of the sizes of tiny_transformer."""
    return filled(
        SkyReelsV2Transformer3DModel,
        seed,
        num_attention_heads=heads,
        attention_head_dim=head_dim,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        text_dim=TEXT_DIM,
        freq_dim=32,
        ffn_dim=96,
        num_layers=num_layers,
    )


def tiny_joint_transformer(
    num_layers: int = 2, heads: int = 3, head_dim: int = 16, rotary: bool = False, seed: int = 0
) -> CogVideoXTransformer3DModel:
    """A CogVideoX transformer in eval mode, made for latents [b, f, 16, 4, 6]; with sine and cosine positions as 2b.

    `rotary` leaves positions to the caller, as in 5b.
    """
    return filled(
        CogVideoXTransformer3DModel,
        seed,
        num_attention_heads=heads,
        attention_head_dim=head_dim,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        time_embed_dim=24,
        text_embed_dim=TEXT_DIM,
        num_layers=num_layers,
        sample_height=4,
        sample_width=6,
        sample_frames=5,
        max_text_seq_length=5,
        use_rotary_positional_embeddings=rotary,
    )


def tiny_motion_unet(
    block_out_channels: tuple[int, int] = (8, 16), layers_per_block: int = 1, seed: int = 0
) -> UNetMotionModel:
    """The UNet of an AnimateDiff in eval mode: two levels, attention to text at the first, motion modules at both."""

    def build() -> UNetMotionModel:
        return UNetMotionModel(
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
            up_block_types=("UpBlockMotion", "CrossAttnUpBlockMotion"),
            norm_num_groups=4,
            cross_attention_dim=TEXT_DIM,
            num_attention_heads=2,
            motion_num_attention_heads=2,
            motion_max_seq_length=8,
            use_motion_mid_block=False,
        ).eval()

    return seeded(build, seed)


def tiny_vae(z_dim: int = LATENT_CHANNELS, seed: int = 0) -> AutoencoderKLWan:
    """A causal video autoencoder: 4x smaller in height, width and time, first frame alone."""

    def build() -> AutoencoderKLWan:
        return AutoencoderKLWan(
            base_dim=4,
            z_dim=z_dim,
            dim_mult=[1, 1, 2],
            num_res_blocks=1,
            temperal_downsample=[True, True],
            latents_mean=[0.0] * z_dim,
            latents_std=[1.0] * z_dim,
            scale_factor_temporal=4,
            scale_factor_spatial=4,
        ).eval()

    return seeded(build, seed)


def tiny_tokenizer(words: tuple[str, ...] | list[str] = tuple(WORDS)) -> PreTrainedTokenizerFast:
    """A lower-casing word tokenizer with <pad> = 0, </s> = 1 and <unk> = 2, for texts of at most 32 tokens."""
    vocabulary = {word: index for index, word in enumerate(["<pad>", "</s>", "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=TEXT_LENGTH,
    )


def tiny_text_encoder(vocab_size: int | None = None, dim: int = TEXT_DIM, seed: int = 0) -> UMT5EncoderModel:
    """A one-layer UMT5 encoder; `vocab_size` defaults to that of tiny_tokenizer()."""

    def build() -> UMT5EncoderModel:
        config = UMT5Config(
            vocab_size=vocab_size or len(tiny_tokenizer()),
            d_model=dim,
            d_kv=8,
            d_ff=32,
            num_layers=1,
            num_heads=2,
            pad_token_id=0,
            eos_token_id=1,
            decoder_start_token_id=0,
        )
        return UMT5EncoderModel(config).eval()

    return seeded(build, seed)


def tiny_scheduler(shift: float = 3.0) -> FlowMatchEulerDiscreteScheduler:
    """A flow-matching Euler scheduler."""
    return FlowMatchEulerDiscreteScheduler(shift=shift)


def tiny_wan_pipeline(seed: int = 0, num_layers: int = 2) -> WanPipeline:
    """A complete text-to-video pipeline of the parts above, silent on the console."""
    pipeline = WanPipeline(
        tokenizer=tiny_tokenizer(),
        text_encoder=tiny_text_encoder(seed=seed),
        vae=tiny_vae(seed=seed),
        scheduler=tiny_scheduler(),
        transformer=tiny_transformer(num_layers=num_layers, seed=seed),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_joint_pipeline(seed: int = 0, rotary: bool = False) -> CogVideoXPipeline:
    """A complete text-to-video pipeline around tiny_joint_transformer, silent on the console; texts have 5 tokens."""

    def build() -> CogVideoXPipeline:
        text = T5Config(
            vocab_size=len(tiny_tokenizer()),
            d_model=TEXT_DIM,
            d_kv=8,
            d_ff=32,
            num_layers=1,
            num_heads=2,
            pad_token_id=0,
            eos_token_id=1,
        )
        vae = AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 3,
            up_block_types=("CogVideoXUpBlock3D",) * 3,
            block_out_channels=(8, 8, 8),
            layers_per_block=1,
            latent_channels=LATENT_CHANNELS,
            norm_num_groups=2,
            sample_height=16,
            sample_width=24,
        )
        return CogVideoXPipeline(
            tokenizer=tiny_tokenizer(),
            text_encoder=T5EncoderModel(text).eval(),
            vae=vae.eval(),
            transformer=tiny_joint_transformer(rotary=rotary, seed=seed),
            scheduler=CogVideoXDDIMScheduler(prediction_type="v_prediction", timestep_spacing="trailing"),
        )

    pipeline = seeded(build, seed)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tiny_letters() -> CLIPTokenizer:
    """A tokenizer of single characters."""
    letters = [*"abcdefghijklmnopqrstuvwxyz"]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=8, pad_token=words[1]
    )


def tiny_animatediff() -> AnimateDiffPipeline:
    """A complete AnimateDiff, as from_pretrained makes it of a Stable Diffusion and motion modules."""

    def build() -> AnimateDiffPipeline:
        unet = UNet2DConditionModel(
            sample_size=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            norm_num_groups=4,
            cross_attention_dim=12,
            attention_head_dim=4,
        )
        motion = MotionAdapter(
            block_out_channels=(8, 16),
            motion_layers_per_block=1,
            motion_norm_num_groups=4,
            motion_num_attention_heads=2,
            motion_max_seq_length=8,
            use_motion_mid_block=False,
        )
        vae = AutoencoderKL(
            block_out_channels=(4, 4, 4, 4),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=2,
        )
        text = CLIPTextConfig(
            vocab_size=60,
            hidden_size=12,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=8,
            bos_token_id=0,
            eos_token_id=1,
        )
        tokenizer = tiny_letters()
        return AnimateDiffPipeline(vae, CLIPTextModel(text), tokenizer, unet, motion, published_scheduler())

    pipeline = seeded(build, 0)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_tiny_wan_pipeline(folder: Path, seed: int = 0) -> Path:
    """Write tiny_wan_pipeline(seed) to `folder` in the layout of a published Wan model; returns `folder`."""
    tiny_wan_pipeline(seed).save_pretrained(folder)
    return folder


def tiny_latents(num_views: int = 2, f: int = 2, h: int = 4, w: int = 6, seed: int = 0) -> torch.Tensor:
    """Random latents [V, C, f, h, w] that fit tiny_transformer."""
    return seeded(lambda: torch.randn(num_views, LATENT_CHANNELS, f, h, w), seed)


def tiny_text(num_views: int = 2, num_tokens: int = 5, seed: int = 1) -> torch.Tensor:
    """Random text embeddings [V, N, D] that fit tiny_transformer."""
    return seeded(lambda: torch.randn(num_views, num_tokens, TEXT_DIM), seed)

"""The parts of the small built-in model, made new: tokenizer, text encoder, autoencoder, transformer, scheduler."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel
from diffusers.models.autoencoders.autoencoder_kl_wan import (
    WanAttentionBlock,
    WanCausalConv3d,
    WanResidualBlock,
    WanRMS_norm,
)
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from syncam.adapters.backbones import Transformer, find_backbone

__all__ = [
    "MAX_TOKENS",
    "build_autoencoder",
    "build_text_encoder",
    "build_tokenizer",
    "build_transformer",
    "channels_last",
    "copy_model",
    "save_pipeline",
    "speed_up_autoencoder",
    "speed_up_transformer",
]

logger = logging.getLogger(__name__)

MAX_TOKENS = 32
"""Words and commas of a prompt, with the end mark."""
TEXT_DIM = 128


def build_tokenizer(captions: Iterable[str]) -> PreTrainedTokenizerFast:
    """A tokenizer with one token per word of the captions; case and punctuation other than commas do not matter."""
    normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"[^\w\s,]"), " ")]
    )
    splitter = pre_tokenizers.Sequence([pre_tokenizers.Whitespace()])
    words = {word for caption in captions for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(caption))}
    specials = ["<pad>", "</s>", "<unk>"]
    vocabulary = {word: index for index, word in enumerate([*specials, *sorted(words)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=MAX_TOKENS,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
    )


def build_text_encoder(vocabulary_size: int, *, seed: int, layers: int = 2) -> UMT5EncoderModel:
    """A small UMT5 encoder."""
    config = UMT5Config(
        vocab_size=vocabulary_size,
        d_model=TEXT_DIM,
        d_kv=32,
        num_heads=4,
        d_ff=2 * TEXT_DIM,
        num_layers=layers,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UMT5EncoderModel(config)


def build_transformer(arguments: dict[str, Any], *, seed: int) -> WanTransformer3DModel:
    """A WanTransformer3DModel with these arguments; the text encoder's width is filled in."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return WanTransformer3DModel(**{"text_dim": TEXT_DIM} | arguments)


def build_autoencoder(arguments: dict[str, Any], *, seed: int) -> AutoencoderKLWan:
    """An AutoencoderKLWan that starts close to a linear map.

    Every convolution starts as an orthogonal map at its newest, central tap (for strided ones: over the square they
    reduce) plus a little noise; every residual branch starts at zero; the latents' noise starts small. From the usual
    initialisation, which shrinks the signal at every layer, the first thousand steps go to undoing that shrinkage.
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        vae = AutoencoderKLWan(**arguments)
        for name, module in vae.named_modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d):
                _start_linear(module, reduces="resample" in name and module.stride[-1] == 2)
        for module in vae.modules():
            if isinstance(module, WanResidualBlock):
                nn.init.zeros_(module.conv2.weight)
            elif isinstance(module, WanAttentionBlock):
                nn.init.zeros_(module.proj.weight)
    with torch.no_grad():
        vae.quant_conv.weight[vae.config.z_dim :] *= 0.1
        vae.quant_conv.bias[vae.config.z_dim :] = -6.0
    channels_last(vae)
    return vae


@torch.no_grad()
def _start_linear(conv: nn.Conv2d | nn.Conv3d, *, reduces: bool) -> None:
    out_channels, in_channels, *taps = conv.weight.shape
    nn.init.normal_(conv.weight, std=0.3 * conv.weight[0].numel() ** -0.5)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    if reduces:
        square = torch.empty(out_channels, 4 * in_channels, dtype=conv.weight.dtype)
        nn.init.orthogonal_(square)
        conv.weight[..., 0:2, 0:2] += square.view(out_channels, in_channels, *[1] * (len(taps) - 2), 2, 2)
        return
    centre = torch.empty(out_channels, in_channels)
    nn.init.orthogonal_(centre, gain=max(1.0, (out_channels / in_channels) ** 0.5))
    tap = [size // 2 for size in taps]
    if isinstance(conv, WanCausalConv3d):
        tap[0] = taps[0] - 1
    conv.weight[(slice(None), slice(None), *tap)] += centre


def channels_last(vae: nn.Module) -> None:
    """Stores the weights of convolutions as the fast kernels of CPUs and GPUs want them; inputs should be likewise."""
    for module in vae.modules():
        if isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)  # pyright: ignore[reportCallIssue]


def speed_up_autoencoder(vae: AutoencoderKLWan) -> None:
    """Compiles the normalisations, the slowest parts beside the convolutions, one kernel per shape."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 256)
    for module in vae.modules():
        if isinstance(module, WanRMS_norm):
            module.compile(dynamic=False)


def speed_up_transformer(transformer: Transformer, *, dynamic: bool | None = None) -> None:
    """Compiles the blocks; on a CPU, short sequences also attend faster without the flash kernel.

    `dynamic` False makes a kernel per batch shape, worth its compilation where there are few shapes.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 64)
    if transformer.device.type == "cpu":
        transformer.set_attention_backend("_native_math")
    if transformer._repeated_blocks:
        transformer.compile_repeated_blocks(dynamic=dynamic)
        return
    for site in find_backbone(transformer)[1].sites(transformer):  # diffusers names no repeated blocks of CogVideoX
        site.block.compile(dynamic=dynamic)


def save_pipeline(
    folder: Path,
    *,
    tokenizer: PreTrainedTokenizerFast,
    text_encoder: UMT5EncoderModel,
    vae: AutoencoderKLWan,
    transformer: WanTransformer3DModel,
    shift: float,
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """Writes a complete WanPipeline folder as safetensors, without touching the models given.

    The autoencoder stays in float32, so that latents made before and after are the same; the rest is in `dtype`.
    """
    parts = {"text_encoder": text_encoder, "vae": vae, "transformer": transformer}
    # Module.to, not that of diffusers, which would warn about layers that a loaded model turns back to float32.
    copies = {
        name: nn.Module.to(copy_model(part), dtype=torch.float32 if name == "vae" else dtype)
        for name, part in parts.items()
    }
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    WanPipeline(tokenizer=tokenizer, scheduler=scheduler, **copies).save_pretrained(folder, safe_serialization=True)


def copy_model(model: Any) -> Any:
    """A new model of the same configuration and weights, free of compilation and hooks."""
    new = type(model)(model.config) if isinstance(model, UMT5EncoderModel) else type(model).from_config(model.config)
    new.load_state_dict(model.state_dict())
    return new

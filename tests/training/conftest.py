"""Data, latents and a base model that the tests of all stages share; none of them may change it."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan

from syncam.training.precompute import LatentStore, encode_store
from syncam.training.small_model import build_text_encoder, build_tokenizer, build_transformer, save_pipeline
from training.examples import CHANNELS, TRANSFORMER, tiny_autoencoder, write_store


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes to train on and two held out."""
    return write_store(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def vae() -> AutoencoderKLWan:
    return tiny_autoencoder()


@pytest.fixture(scope="session")
def latents(data: Path, vae: AutoencoderKLWan) -> tuple[LatentStore, LatentStore]:
    """The latents of both splits."""
    train, held_out = (encode_store(data, split, vae, data / "cache", bf16=False) for split in ("train", "val"))
    return train, held_out


@pytest.fixture(scope="session")
def base_folder(
    tmp_path_factory: pytest.TempPathFactory, vae: AutoencoderKLWan, latents: tuple[LatentStore, LatentStore]
) -> Path:
    """A text-to-video model with random weights, as the text-to-video stage exports it."""
    folder = tmp_path_factory.mktemp("base")
    tokenizer = build_tokenizer(latents[0].captions)
    transformer = build_transformer({"in_channels": CHANNELS, "out_channels": CHANNELS} | TRANSFORMER, seed=0)
    torch.nn.init.normal_(transformer.proj_out.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    save_pipeline(
        folder,
        tokenizer=tokenizer,
        text_encoder=build_text_encoder(len(tokenizer), seed=0),
        vae=vae,
        transformer=transformer,
        shift=3.0,
        dtype=torch.float32,
    )
    return folder

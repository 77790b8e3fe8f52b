"""One tiny model folder for all tests of the package: a Wan layout with random weights, and an adapter of its own."""

from pathlib import Path

import pytest
import torch

from syncam.adapters import FrameConcatAdapter, ViewSyncAdapter
from tiny import save_tiny_wan_pipeline, seeded, tiny_wan_pipeline


def trained_like_adapter(seed: int = 0) -> ViewSyncAdapter:
    """An adapter that changes the output, as a trained one does."""
    adapter = ViewSyncAdapter.from_transformer(tiny_wan_pipeline().transformer)

    def shake() -> None:
        for block in adapter.blocks:
            torch.nn.init.normal_(block.projector.weight, std=0.3)
            torch.nn.init.normal_(block.cam_encoder.weight, std=0.3)

    seeded(shake, seed)
    return adapter


@pytest.fixture(scope="session")
def wan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model in the published layout, without an adapter."""
    return save_tiny_wan_pipeline(tmp_path_factory.mktemp("wan") / "Wan2.1-T2V-1.3B-Diffusers")


@pytest.fixture(scope="session")
def adapter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter folder as `syncam convert` writes it."""
    folder = tmp_path_factory.mktemp("adapter") / "view_sync"
    trained_like_adapter().save_pretrained(folder)
    return folder


def trained_like_reshoot_adapter(rank: int | None = None, seed: int = 0) -> FrameConcatAdapter:
    """A re-shoot adapter whose cameras change the output, as a trained one's do."""
    adapter = FrameConcatAdapter.from_transformer(tiny_wan_pipeline().transformer, rank=rank)

    def shake() -> None:
        for block in adapter.blocks:
            torch.nn.init.normal_(block.projector.weight, std=0.3)
            torch.nn.init.normal_(block.cam_encoder.weight, std=0.3)

    seeded(shake, seed)
    return adapter


@pytest.fixture(scope="session")
def reshoot_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A re-shoot adapter in a folder, as `syncam convert` writes it."""
    folder = tmp_path_factory.mktemp("adapter") / "reshoot"
    trained_like_reshoot_adapter().save_pretrained(folder)
    return folder

"""Adapters, cameras and inputs that the tests of this folder share."""

import torch
from torch import Tensor
from torch.nn import Module

from syncam.adapters import ViewSyncAdapter
from tiny import seeded, tiny_text


def random_adapter(transformer: Module, seed: int = 3, **settings: float) -> ViewSyncAdapter:
    """An adapter for `transformer` whose every weight is drawn at random, so that none is without effect."""

    def build() -> ViewSyncAdapter:
        adapter = ViewSyncAdapter.from_transformer(transformer, **settings)
        for parameter in adapter.parameters():
            torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
        return adapter

    return seeded(build, seed)


def random_c2w(*shape: int, seed: int = 5) -> Tensor:
    """Random rigid camera-to-world matrices [*shape, 4, 4]."""

    def build() -> Tensor:
        c2w = torch.eye(4).repeat(*shape, 1, 1)
        rotation = torch.linalg.qr(torch.randn(*shape, 3, 3)).Q
        c2w[..., :3, :3] = rotation * torch.linalg.det(rotation)[..., None, None]
        c2w[..., :3, 3] = torch.randn(*shape, 3)
        return c2w

    return seeded(build, seed)


def random_inputs(batch: int, f: int = 2, h: int = 4, w: int = 6, seed: int = 7) -> dict[str, Tensor]:
    """Keyword arguments for tiny_transformer, a different text for every item of the batch."""
    latents = seeded(lambda: torch.randn(batch, 16, f, h, w), seed)
    return {
        "hidden_states": latents,
        "timestep": torch.full((batch,), 700.0),
        "encoder_hidden_states": tiny_text(batch),
    }


def run(transformer: Module, inputs: dict[str, Tensor]) -> Tensor:
    return transformer(**inputs, return_dict=False)[0]

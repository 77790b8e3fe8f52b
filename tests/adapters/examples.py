"""Adapters, cameras and inputs that the tests of this folder share."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Module

from syncam.adapters import FrameConcatAdapter, JointViewSyncAdapter, ViewSyncAdapter
from syncam.adapters.backbones import BACKBONES, BlockSite, find_backbone
from syncam.cameras.cameras import Cameras
from tiny import seeded, tiny_joint_transformer, tiny_skyreels_transformer, tiny_text, tiny_transformer


@dataclass(frozen=True)
class Kind:
    """One kind of adapter: how it is made, told its cameras, and what a fresh one makes of a stock transformer."""

    adapter: Any
    settings: dict[str, Any] = field(default_factory=dict)
    shows_source: bool = False
    transformer: Callable[..., Any] = tiny_transformer
    """Makes a small transformer of the class that this kind attaches to."""
    backbone: str = "WanTransformer3DModel"

    @property
    def is_joint(self) -> bool:
        return BACKBONES[self.backbone].form == "joint"

    def inputs(self, batch: int, f: int = 2, h: int = 4, w: int = 6, seed: int = 7) -> dict[str, Tensor]:
        """Keyword arguments for the transformer, a different text for every item of the batch."""
        inputs = random_inputs(batch, f, h, w, seed)
        if BACKBONES[self.backbone].frame_axis == 1:
            inputs["hidden_states"] = inputs["hidden_states"].transpose(1, 2)
        return inputs

    def sites(self, transformer: Module) -> list[BlockSite]:
        """The hook points of every block."""
        return find_backbone(transformer)[1].sites(transformer)

    def fresh(self, transformer: Module, **settings: Any) -> Any:
        return self.adapter.from_transformer(transformer, **self.settings | settings)

    def random(self, transformer: Module, seed: int = 3, **settings: Any) -> Any:
        """An adapter whose every weight is drawn at random, so that none is without effect."""

        def build() -> Any:
            adapter = self.fresh(transformer, **settings)
            for parameter in adapter.parameters():  # what is held as a change is about 0, scales of norms about 1
                mean = float(parameter.ndim == 1 and self.settings.get("rank") is None)
                torch.nn.init.normal_(parameter, mean=mean, std=0.2)
            return adapter

        return seeded(build, seed)

    def cameras(
        self, adapter: Any, cameras: Cameras | Tensor, hw: tuple[int, int] = (4, 6), **options: Any
    ) -> AbstractContextManager[None]:
        frames = cameras.num_frames if isinstance(cameras, Cameras) else cameras.shape[-3]
        frames = (frames - 1) // options.get("temporal_stride", 1) + 1
        return adapter.cameras(cameras, **options, **self.shown(frames, hw))

    def encodings(self, adapter: Any, encodings: Tensor) -> AbstractContextManager[None]:
        return adapter.camera_encodings(encodings, **self.shown(encodings.shape[-2]))

    def shown(self, f: int, hw: tuple[int, int] = (4, 6)) -> dict[str, Tensor]:
        return {"source": random_source(1, f, *hw)} if self.shows_source else {}

    def to_input(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The inputs that a stock transformer has to have for the output of a fresh adapter."""
        if not self.shows_source:
            return inputs
        latents = inputs["hidden_states"]
        source = random_source(1, *latents.shape[2:]).to(latents).expand(len(latents), -1, -1, -1, -1)
        return inputs | {"hidden_states": torch.cat((latents, source), dim=2)}

    def to_output(self, output: Tensor) -> Tensor:
        """The part of that stock transformer's output which is of the latents."""
        return output[:, :, : output.shape[2] // 2] if self.shows_source else output


VIEW_SYNC = Kind(ViewSyncAdapter)
RESHOOT = Kind(FrameConcatAdapter, shows_source=True)
JOINT = Kind(  # with the settings that let it do what the others do; test_joint_view_sync.py has the others
    JointViewSyncAdapter,
    {"moving_cameras": True, "view_rotary": True},
    transformer=tiny_joint_transformer,
    backbone="CogVideoXTransformer3DModel",
)
SKYREELS = Kind(ViewSyncAdapter, transformer=tiny_skyreels_transformer, backbone="SkyReelsV2Transformer3DModel")
KINDS = {
    "view_sync": VIEW_SYNC,
    "skyreels": SKYREELS,
    "joint": JOINT,
    "reshoot": RESHOOT,
    "reshoot_low_rank": Kind(FrameConcatAdapter, {"rank": 5}, shows_source=True),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
"""For tests of what all adapters promise."""
cached_kinds = [pytest.param(kind, id=name) for name, kind in KINDS.items() if kind is not SKYREELS]
every_cached_kind = pytest.mark.parametrize("kind", cached_kinds)
"""For tests of caches that skip blocks, whose classes diffusers has to know: that of SkyReels-V2 it does not."""
cross_kinds = [pytest.param(kind, id=name) for name, kind in KINDS.items() if not kind.is_joint]
every_cross_kind = pytest.mark.parametrize("kind", cross_kinds)
"""For tests of what transformers with cross-attention have, and those whose text and video attend together lack."""
wan_kinds = [pytest.param(kind, id=name) for name, kind in KINDS.items() if kind.backbone == VIEW_SYNC.backbone]
every_wan_kind = pytest.mark.parametrize("kind", wan_kinds)
"""For tests of what Wan's class alone can be given."""


def random_adapter(transformer: Module, seed: int = 3, **settings: Any) -> ViewSyncAdapter:
    """A view adapter for `transformer` with random weights."""
    return VIEW_SYNC.random(transformer, seed, **settings)


def random_c2w(*shape: int, seed: int = 5) -> Tensor:
    """Random rigid camera-to-world matrices [*shape, 4, 4]."""

    def build() -> Tensor:
        c2w = torch.eye(4).repeat(*shape, 1, 1)
        rotation = torch.linalg.qr(torch.randn(*shape, 3, 3)).Q
        c2w[..., :3, :3] = rotation * torch.linalg.det(rotation)[..., None, None]
        c2w[..., :3, 3] = torch.randn(*shape, 3)
        return c2w

    return seeded(build, seed)


def random_source(batch: int = 1, f: int = 2, h: int = 4, w: int = 6) -> Tensor:
    """Random latents of videos to re-shoot."""
    return seeded(lambda: torch.randn(batch, 16, f, h, w), 11)


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

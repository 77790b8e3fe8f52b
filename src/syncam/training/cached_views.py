"""What the tasks of adapters on cached latents have in common: several cameras of a scene at the same moments."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.adapters.autoencoders import strides
from syncam.cameras.cameras import Cameras
from syncam.cameras.trained_range import TrainedRange
from syncam.data.dataset import pick_views
from syncam.errors import InputError
from syncam.pipelines.bases import find_base
from syncam.pipelines.latents import denormalised
from syncam.training.adapter_task import AdapterOptions, AdapterTask
from syncam.training.config import Phase, TrainConfig
from syncam.training.draws import draw_kind, drop_captions
from syncam.training.objective import DISTRIBUTIONS
from syncam.training.precompute import LatentStore, check_frames
from syncam.training.small_model import speed_up_transformer
from syncam.training.text_to_video import video_size

__all__ = ["ViewsOptions", "ViewsTask", "poses", "select"]


@dataclass(frozen=True, kw_only=True)
class ViewsOptions(AdapterOptions):
    """Numbers of the tasks on cached latents."""

    shift: float | None = None
    """Shift of the noise levels; None: 5 where the base model was trained by flow matching, else 1 (none)."""
    distribution: str = "uniform"
    """Of the noise levels before the shift: uniform or logit_normal."""
    weighting: str = "reference"
    """Of the loss over noise levels: reference (of flow matching a bell around the middle, else none) or none."""
    translation_scale: float = 2.0
    """Metres that encode as 1."""
    subject_weight: float = 0.0
    """Added to the loss weight 1 of latent cells that show a subject."""

    def __post_init__(self) -> None:
        for name, known in (("distribution", DISTRIBUTIONS), ("weighting", ("reference", "none"))):
            if getattr(self, name) not in known:
                raise InputError(f"{name} must be {' or '.join(known)}, got {getattr(self, name)!r}")


class ViewsTask(AdapterTask):
    """Trains the weights of an adapter and nothing else, on latents of several views of a scene."""

    def __init__(
        self,
        config: TrainConfig,
        train: LatentStore,
        held_out: LatentStore,
        base: Any,
        adapter: Any = None,
        *,
        trained: TrainedRange | None = None,
    ) -> None:
        """`adapter` is where training starts; without one, it starts with a fresh adapter. `trained` is the range of
        the data's cameras, to be saved beside the weights."""
        super().__init__(config, trained=trained)
        self.train_set, self.held_out = train, held_out
        self.check_views()
        check_frames(config, train, strides(base.vae.config).frames)
        self.join(base, base.transformer, adapter)
        self.shift = self.objective.shift if self.options.shift is None else self.options.shift
        self.handle = self.adapter.attach(self.transformer)
        if config.compile:
            speed_up_transformer(self.transformer, dynamic=False)

    def fresh_adapter(self) -> Any:
        """The adapter that training starts with where none is given."""
        return self.adapter_class.from_transformer(self.transformer, translation_scale=self.options.translation_scale)

    @abstractmethod
    def check_views(self) -> None:
        """InputError unless the scenes of both splits have the views that the recipe needs."""

    def draw(self, phase: Phase, views: tuple[int, ...], generator: torch.Generator) -> dict[str, Any]:
        """V views of random scenes within the phase's bounds: latents [b, V, z, f, h, w], c2w, masks, captions."""
        stills, count = draw_kind(phase, generator)
        num_views = views[int(torch.randint(len(views), (1,), generator=generator))]
        scenes = torch.randint(len(self.train_set), (count,), generator=generator)
        moment = int(torch.randint(self.train_set.stills.shape[2] + 1, (1,), generator=generator)) - 1
        chosen = torch.tensor(
            [
                pick_views(
                    poses(self.train_set.c2w[scene]),
                    num_views,
                    max_azimuth_deg=phase.max_azimuth_deg,
                    max_elevation_deg=phase.max_elevation_deg,
                    max_distance=phase.max_distance,
                    generator=generator,
                )
                for scene in scenes
            ]
        )
        copied = torch.rand(count, num_views - 1, generator=generator) < phase.copies
        chosen[:, 1:] = torch.where(copied, chosen[:, :1], chosen[:, 1:])
        drawn = select(self.train_set, scenes, chosen, moment if stills else None)
        return drawn | {"captions": drop_captions(drawn["captions"], self.options.caption_dropout, generator)}

    def embedding(self, caption: str) -> Float[Tensor, "N D"]:
        """A caption as the base model's own pipeline embeds it."""
        base = self._base[0]
        return find_base(base).words(base, [caption], [""], guidance=False)["prompt_embeds"][0]

    def generate(self, caption: str, num_views: int, seed: int) -> Float[Tensor, "V F C H W"]:
        """Videos by the base model with what its adapter has been told, in [0, 1]."""
        base, guidance = self._base[0], self.options.sample_guidance
        kind, generator = find_base(base), torch.Generator().manual_seed(seed)
        latents = kind.denoise(
            base,
            torch.randn((num_views, *self.held_out.latents.shape[2:]), generator=generator),
            dynamic_guidance=False,
            **kind.words(base, [caption], [""], guidance=guidance > 1, num_views=num_views),
            **video_size(self.held_out, base.vae),
            num_inference_steps=self.options.sample_steps,
            guidance_scale=guidance,
            generator=generator,
        )
        made = base.vae.decode(denormalised(base.vae, latents).to(base.vae.dtype), return_dict=False)[0]
        return (made.transpose(1, 2).float().cpu() / 2 + 0.5).clamp(0, 1)


def poses(c2w: Float[Tensor, "V f 4 4"]) -> Cameras:
    """Poses as a Cameras value; the lens plays no part in choosing views."""
    return Cameras(c2w, torch.eye(3).expand(*c2w.shape[:2], 3, 3), (1, 1))


def select(store: LatentStore, scenes: Tensor, views: Tensor, moment: int | None) -> dict[str, Any]:
    """The chosen views [b, V] of scenes [b]: whole clips, or the still at `moment` (-1: the first frame)."""
    at = (scenes[:, None], views)
    if moment is None:
        latents, masks, c2w = store.latents[at], store.masks[at], store.c2w[at]
    elif moment < 0:
        latents, masks, c2w = store.latents[at][:, :, :, :1], store.masks[at][:, :, :1], store.c2w[at][:, :, :1]
    else:
        latents = store.stills[at][:, :, moment][:, :, :, None]
        masks = store.still_masks[at][:, :, moment : moment + 1]
        c2w = store.still_c2w[at][:, :, moment : moment + 1]
    captions = [store.captions[scene] for scene in scenes]
    return {"latents": latents.float(), "masks": masks.float(), "c2w": c2w, "captions": captions}

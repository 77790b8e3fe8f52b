"""The probes task: to tell what pictures of rendered scenes show, and how two of them belong together."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from syncam.data.dataset import ClipStore
from syncam.errors import InputError
from syncam.evaluation.probe_network import (
    MOMENTS,
    SIDE,
    STILL_LABELS,
    ProbeNetwork,
    probe_moments,
    save_probes,
    shrunk,
    view_angles,
)
from syncam.evaluation.probe_words import LABELS, UNSAID, said
from syncam.files import atomic_path
from syncam.training.config import Phase, TrainConfig
from syncam.training.precompute import content_hash, stored_hash
from syncam.training.task import Task, read_options

__all__ = ["Pictures", "ProbesTask", "read_pictures"]

LIKE_PLACES = 0.5
"""Share of the couples of scenes that have the same ground and sky: what the same words do not tell apart is learnt."""
BLURRED, NOISE, GAIN = 0.4, 0.04, 0.15
"""Share of the pictures that lose their finest detail, and the largest noise and change of brightness."""


@dataclass(frozen=True, kw_only=True)
class ProbesOptions:
    """Numbers of the probes task."""

    validation_scenes: int = 60
    """Held-out scenes that are measured while training; the weights that are exported are measured on all."""


@dataclass(frozen=True)
class Pictures:
    """Five moments of every view of every scene of a split, small, with their cameras and what the captions say."""

    pixels: UInt8[Tensor, "B V M 3 S S"]
    c2w: Float[Tensor, "B V M 4 4"]
    truth: dict[str, Int[Tensor, "B"]]


def read_pictures(
    data: str | Path, split: str, cache: Path, progress: Callable[[int, int], None] | None = None
) -> Pictures:
    """The pictures of a split, decoded once into a file in `cache` and mapped from there.

    InputError for scenes that are not square, too short, or of another number of views than the first.
    """
    store = ClipStore(data, split)
    path = cache / f"probes-{SIDE}" / f"{split}.safetensors"
    digest = hashlib.sha256()
    for scene in store.scenes:
        digest.update(content_hash(scene, f"{scene.path.parent.name}/{scene.path.name}").encode())
    if stored_hash(path) != digest.hexdigest():
        tensors, captions = _decode(store, progress)
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, {"content": digest.hexdigest(), "captions": json.dumps(captions)})
    with safe_open(path, framework="pt") as file:
        found = [said(caption) for caption in json.loads(file.metadata()["captions"])]
        truth = {label: torch.tensor([one[label] for one in found]) for label in LABELS}
        return Pictures(file.get_tensor("pixels"), file.get_tensor("c2w"), truth)


def _decode(store: ClipStore, progress: Callable[[int, int], None] | None) -> tuple[dict[str, Tensor], list[str]]:
    pixels: list[Tensor] = []
    c2w: list[Tensor] = []
    for number, scene in enumerate(store.scenes, start=1):
        frames = probe_moments(scene.num_frames, scene.fps)
        if len(frames) < MOMENTS or scene.num_views < 2:
            raise InputError(
                f"{scene.path} has {scene.num_views} views of {len(frames)} moments; expected two or more of {MOMENTS}"
            )
        if scene.cameras is None:
            raise InputError(f"{scene.path} has no cameras, which the probes learn to tell; choose data that has")
        clip = scene.read(frames=frames)
        try:
            pixels.append((shrunk(clip.video) * 255).round().to(torch.uint8))
        except InputError as err:
            raise InputError(f"{scene.path}: {err}") from err
        c2w.append(scene.cameras.frames(frames).c2w.float())
        if pixels[-1].shape != pixels[0].shape:
            raise InputError(f"{scene.path} has {scene.num_views} views, the scenes before it {len(pixels[0])}")
        if progress is not None:
            progress(number, len(store))
    return {"pixels": torch.stack(pixels), "c2w": torch.stack(c2w)}, [scene.caption for scene in store.scenes]


@dataclass(frozen=True)
class Batch:
    """Scenes in couples: of each, view one at all moments, and view two at one of them and at another."""

    frames: Float[Tensor, "B N 3 S S"]
    """The moments of view one, then the two pictures of view two."""
    moment: Int[Tensor, "B"]
    """Which moment the first picture of view two shows."""
    angles: tuple[Float[Tensor, "B 3"], Float[Tensor, "B 3"]]
    """Azimuth and elevation of view one at that moment, and of the two pictures of view two."""
    truth: dict[str, Int[Tensor, "B"]]


class ProbesTask(Task):
    """All probes at once; their losses are added up."""

    def __init__(
        self,
        config: TrainConfig,
        data: str | Path,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        super().__init__(config)
        self.options: ProbesOptions = read_options(ProbesOptions, config.options)
        for phase in config.phases:
            if phase.num_frames != MOMENTS or phase.batch_size % 2:
                raise InputError(f"probes are trained on {MOMENTS} frames and an even batch_size, got {phase}")
        with torch.random.fork_rng():
            torch.manual_seed(config.seed)
            self.network = ProbeNetwork()
        cache = Path(data) / "cache"
        self.pictures, self.held_out = (read_pictures(data, split, cache, progress) for split in ("train", "val"))
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, place in enumerate(_places(self.pictures)):
            alike[place].append(index)
        self._alike = alike

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.places.device

    def batch(self, phase: Phase, generator: torch.Generator) -> Batch:
        """Random scenes, each second one often at the kind of place of the one before it, in random views."""
        places, count = _places(self.pictures), len(self.pictures.pixels)
        scenes: list[int] = []
        for _ in range(phase.batch_size // 2):
            scene = _draw(count, generator)
            others = self._alike[places[scene]]
            if len(others) < 2 or float(torch.rand((), generator=generator)) > LIKE_PLACES:
                others = range(count)
            partner = others[_draw(len(others) - 1, generator)]
            scenes += [scene, others[-1] if partner == scene else partner]
        return self._drawn(self.pictures, scenes, generator, spoil=True)

    def _drawn(self, pictures: Pictures, scenes: list[int], generator: torch.Generator, *, spoil: bool) -> Batch:
        views = pictures.pixels.shape[1]
        frames, azimuths, elevations, moments = [], [], [], []
        for scene in scenes:
            one, two = torch.randperm(views, generator=generator)[:2].tolist()
            moment, other = torch.randperm(MOMENTS, generator=generator)[:2].tolist()
            pixels, c2w = pictures.pixels[scene], pictures.c2w[scene]
            frames.append(torch.cat([pixels[one], pixels[two, [moment, other]]]))
            azimuth, elevation = view_angles(torch.stack([c2w[one, moment], c2w[two, moment], c2w[two, other]]))
            azimuths.append(azimuth)
            elevations.append(elevation)
            moments.append(moment)
        stacked = torch.stack(frames).float() / 255
        stacked = _spoilt(stacked, generator) if spoil else stacked
        truth = {label: values[scenes].to(self.device) for label, values in pictures.truth.items()}
        angles = (torch.stack(azimuths).to(self.device), torch.stack(elevations).to(self.device))
        return Batch(stacked.to(self.device), torch.tensor(moments, device=self.device), angles, truth)

    def forward(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of cross entropies and squared errors, and each of them."""
        cells = self.network.encode(batch.frames.flatten(0, 1)).unflatten(0, batch.frames.shape[:2])  # [B, N, S, D]
        losses: dict[str, Tensor] = {}
        told = self.network.labels(cells.flatten(0, 1))
        for label in STILL_LABELS:
            truth = batch.truth[label].repeat_interleave(cells.shape[1])
            losses[label] = _cross_entropy(told[label], truth)
        losses["action"] = _cross_entropy(self.network.action(cells[:, :MOMENTS]), batch.truth["action"])
        here = cells[torch.arange(len(cells), device=self.device), batch.moment]
        there, later = cells[:, -2], cells[:, -1]
        elsewhere = there.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)  # of the other scene of the couple
        found = self.network.relate(torch.cat([here] * 3), torch.cat([there, later, elsewhere]))
        azimuth, elevation = (torch.cat([angle[:, k] - angle[:, 0] for k in (1, 2)]) for angle in batch.angles)
        known = len(azimuth)
        around = torch.stack([azimuth.cos(), azimuth.sin()], dim=1)
        losses["azimuth"] = 2 * F.mse_loss(found["azimuth"][:known], around)
        losses["elevation"] = 10 * F.mse_loss(found["elevation"][:known], elevation)
        same = torch.ones(len(cells), device=self.device)
        one_scene = torch.cat([same, same, 0 * same])
        balance = torch.cat([same, same, 2 * same])
        losses["same_scene"] = F.binary_cross_entropy_with_logits(found["same_scene"], one_scene, balance)
        losses["same_moment"] = F.binary_cross_entropy_with_logits(
            found["same_moment"][:known], torch.cat([same, 0 * same])
        )
        return torch.stack([*losses.values()]).sum(), {name: loss.detach() for name, loss in losses.items()}

    def validate(self) -> dict[str, float]:
        """How good each probe is on held-out scenes: shares that are right, and mean angles in degrees."""
        return self.measured(self.options.validation_scenes)

    @torch.no_grad()
    def measured(self, scenes: int | None = None) -> dict[str, float]:
        """The same on the first scenes, or all.

        Labels of single pictures, the action of five; azimuth and elevation of all pairs of views at one moment; for
        same_scene and same_moment, half of the pairs are of another scene of the same ground and sky if there is one,
        or of another moment.
        """
        pictures = self.held_out
        count = min(scenes or len(pictures.pixels), len(pictures.pixels))
        right: dict[str, list[float]] = defaultdict(list)
        places = _places(pictures)
        for scene in range(count):
            cells = self._cells(pictures, scene)  # [V, M, S, D]
            for label, logits in self.network.labels(cells.flatten(0, 1)).items():
                _count(right[label], logits, int(pictures.truth[label][scene]))
            _count(right["action"], self.network.action(cells), int(pictures.truth["action"][scene]))
            alike = [other for other in range(len(places)) if other != scene and places[other] == places[scene]]
            others = alike or [other for other in range(len(places)) if other != scene]
            stranger = self._cells(pictures, others[scene % len(others)]) if others else None
            for one in range(len(cells)):
                for two in (view for view in range(len(cells)) if view != one):
                    found = self.network.relate(cells[one], cells[two])
                    self._count_angles(right, found, pictures.c2w[scene, one], pictures.c2w[scene, two])
                    late = self.network.relate(cells[one], cells[two].roll(1 + (one + two) % (MOMENTS - 1), 0))
                    right["same_moment"] += (found["same_moment"] > 0).tolist() + (late["same_moment"] <= 0).tolist()
                    if stranger is not None:
                        strange = self.network.relate(cells[one], stranger[two])
                        right["same_scene"] += (found["same_scene"] > 0).tolist() + (
                            strange["same_scene"] <= 0
                        ).tolist()
        return {name: sum(values) / len(values) for name, values in right.items() if values}

    def _cells(self, pictures: Pictures, scene: int) -> Float[Tensor, "V M S D"]:
        pixels = pictures.pixels[scene].to(self.device).float() / 255
        return self.network.encode(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2])

    def _count_angles(
        self,
        right: dict[str, list[float]],
        found: dict[str, Tensor],
        one: Float[Tensor, "M 4 4"],
        two: Float[Tensor, "M 4 4"],
    ) -> None:
        (first_azimuth, first_elevation), (azimuth, elevation) = view_angles(one), view_angles(two)
        cosine, sine = found["azimuth"].cpu().unbind(-1)
        off = torch.atan2(sine, cosine) - (azimuth - first_azimuth)
        right["azimuth_deg"] += torch.rad2deg(torch.atan2(off.sin(), off.cos()).abs()).tolist()
        off = found["elevation"].cpu() - (elevation - first_elevation)
        right["elevation_deg"] += torch.rad2deg(off.abs()).tolist()

    def export(self, folder: Path) -> None:
        """Writes the probes with what they reach on all held-out scenes, in the precision that is stored."""
        exact = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        self.network.load_state_dict({name: tensor.half().to(tensor.dtype) for name, tensor in exact.items()})
        held_out = self.measured()
        about = {"held_out_scenes": len(self.held_out.pixels), "trained_scenes": len(self.pictures.pixels)}
        save_probes(folder, self.network, held_out, about)
        self.network.load_state_dict(exact)


def _draw(count: int, generator: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def _places(pictures: Pictures) -> list[tuple[int, int]]:
    return list(zip(pictures.truth["ground"].tolist(), pictures.truth["sky"].tolist(), strict=True))


def _cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    """The mean over what the captions say; 0 where they say nothing."""
    total = F.cross_entropy(logits.float(), truth, ignore_index=UNSAID, reduction="sum")
    return total / (truth != UNSAID).sum().clamp(min=1)


def _count(right: list[float], logits: Tensor, truth: int) -> None:
    if truth != UNSAID:
        right += (logits.argmax(-1) == truth).tolist()


def _spoilt(frames: Float[Tensor, "B N 3 S S"], generator: torch.Generator) -> Float[Tensor, "B N 3 S S"]:
    """Some pictures blurred, and all with a little noise and another brightness, as generated ones may be."""
    shape = (*frames.shape[:2], 1, 1, 1)
    flat = frames.flatten(0, 1)
    half = F.interpolate(flat, scale_factor=0.5, mode="bilinear", antialias=True)
    soft = F.interpolate(half, flat.shape[-2:], mode="bilinear").view_as(frames)
    frames = torch.where(torch.rand(shape, generator=generator) < BLURRED, soft, frames)
    gain = 1 + GAIN * (2 * torch.rand(shape, generator=generator) - 1)
    noise = NOISE * torch.rand(shape, generator=generator) * torch.randn(frames.shape, generator=generator)
    return (gain * frames + noise).clamp(0, 1)

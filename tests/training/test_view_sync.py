"""The view-sync task: which views it draws, what it trains, and that it learns to use its cameras."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanPipeline

from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.errors import InputError
from syncam.training.cached_views import select
from syncam.training.config import Phase, TrainConfig
from syncam.training.objective import reference_weight
from syncam.training.precompute import STILLS, LatentStore
from syncam.training.view_sync import CONDITIONS, ViewSyncTask, lead
from training.examples import CHANNELS, NUM_FRAMES, NUM_VIEWS, SIZE, stage, view_sync_stage

CELLS = SIZE // 8
PAIRS = Phase(steps=1, batch_size=2, num_frames=NUM_FRAMES, views=(2,))
Stores = tuple[LatentStore, LatentStore]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def task(latents: Stores, base_folder: Path) -> ViewSyncTask:
    return make(latents, base_folder)


def make(latents: Stores, base_folder: Path, config: TrainConfig | None = None) -> ViewSyncTask:
    return ViewSyncTask(config or view_sync_stage(), *latents, WanPipeline.from_pretrained(base_folder))


def shake(adapter: ViewSyncAdapter) -> None:
    """Makes a fresh adapter change the output, as a trained one does."""
    for block in adapter.blocks:
        torch.nn.init.normal_(block.projector.weight, std=0.3, generator=generator())
        torch.nn.init.normal_(block.cam_encoder.weight, std=0.3, generator=generator())


@pytest.mark.parametrize("num_views", [1, 2, 3])
@pytest.mark.parametrize("moment", [None, -1, 0, STILLS - 1])
def test_select(latents: Stores, num_views: int, moment: int | None) -> None:
    store = latents[0]
    scenes, views = torch.tensor([2, 0]), torch.tensor([[3, 1, 0], [0, 2, 1]])[:, :num_views]
    found = select(store, scenes, views, moment)
    f = 2 if moment is None else 1
    assert found["latents"].shape == (2, num_views, CHANNELS, f, CELLS, CELLS)
    assert found["masks"].shape == (2, num_views, f, CELLS, CELLS)
    assert found["c2w"].shape == (2, num_views, f, 4, 4)
    assert found["captions"] == [store.captions[2], store.captions[0]]
    for row, scene in enumerate(scenes):
        for column, view in enumerate(views[row]):
            if moment is None:
                expected = store.latents[scene, view], store.masks[scene, view], store.c2w[scene, view]
            elif moment < 0:
                expected = store.latents[scene, view][:, :1], store.masks[scene, view][:1], store.c2w[scene, view][:1]
            else:
                expected = (
                    store.stills[scene, view, moment][:, None],
                    store.still_masks[scene, view, moment][None],
                    store.still_c2w[scene, view, moment][None],
                )
            for name, values in zip(("latents", "masks", "c2w"), expected, strict=True):
                assert torch.equal(found[name][row, column], values.float())


def azimuths_deg(task: ViewSyncTask, c2w: torch.Tensor) -> torch.Tensor:
    """Azimuths of cameras [..., f, 4, 4] about the target of the arc in their first frame."""
    position = c2w[..., 0, :3, 3]
    return torch.rad2deg(torch.atan2(position[..., 1], position[..., 0]))


@pytest.mark.parametrize(("bound", "most"), [(30, 30), (60, 60), (None, 90)])
def test_the_curriculum_bounds_the_views(task: ViewSyncTask, bound: float | None, most: float) -> None:
    phase = dataclasses.replace(PAIRS, batch_size=4, num_frames=1, max_azimuth_deg=bound)
    apart = []
    for seed in range(20):
        azimuth = azimuths_deg(task, task.batch(phase, generator(seed))["c2w"])
        apart += (azimuth[:, 1] - azimuth[:, 0]).abs().tolist()
    assert max(apart) == pytest.approx(most, abs=1e-3)  # cameras are 30 degrees apart
    assert min(apart) == pytest.approx(30, abs=1e-3)  # and never the same one twice


def test_numbers_of_views_and_kinds_of_pictures_mix(task: ViewSyncTask) -> None:
    phase = Phase(steps=1, batch_size=1, num_frames=NUM_FRAMES, views=(2, 4), stills=0.5, stills_batch_size=3)
    shapes = {tuple(task.batch(phase, generator(seed))["latents"].shape[:4]) for seed in range(60)}
    assert shapes == {(1, 2, CHANNELS, 2), (1, 4, CHANNELS, 2), (3, 2, CHANNELS, 1), (3, 4, CHANNELS, 1)}


def test_copies_are_the_first_view_once_more(task: ViewSyncTask) -> None:
    phase = dataclasses.replace(PAIRS, batch_size=8, views=(4,), copies=0.5)
    batch = task.batch(phase, generator())
    same = [(batch[name][:, 1:] == batch[name][:, :1]).flatten(2).all(2) for name in ("latents", "c2w")]
    assert torch.equal(*same), "with its camera"
    assert same[0].any() and not same[0].all()


def test_stills_are_of_one_moment(task: ViewSyncTask, latents: Stores) -> None:
    phase = dataclasses.replace(PAIRS, num_frames=1)
    for seed in range(10):
        batch = task.batch(phase, generator(seed))
        for latent, caption in zip(batch["latents"], batch["captions"], strict=True):
            if caption:
                scene = latents[0].captions.index(caption)
                moments = torch.cat([latents[0].latents[scene][:, None, :, 0], latents[0].stills[scene]], 1).float()
                same = [(moments == view[:, 0]).flatten(2).all(-1).any(0) for view in latent]
                assert torch.stack(same).all(0).any()


def test_only_the_adapter_is_trained(task: ViewSyncTask) -> None:
    trained = {name for name, parameter in task.named_parameters() if parameter.requires_grad}
    assert trained == {f"adapter.{name}" for name, _ in task.adapter.named_parameters()}
    shake(task.adapter)
    task.train()
    assert not task.transformer.training and task.adapter.training
    task(task.batch(PAIRS, generator()), generator())[0].backward()
    for name, parameter in task.named_parameters():
        assert (parameter.grad is not None) == name.startswith("adapter."), name
    assert all(parameter.grad is None for parameter in task._base[0].text_encoder.parameters())
    gradients = [parameter.grad.abs().max() for parameter in task.adapter.parameters()]
    assert sum(bool(gradient > 0) for gradient in gradients) > 0.9 * len(gradients)


def test_a_fresh_adapter_changes_nothing(task: ViewSyncTask) -> None:
    for batch, sigmas, noise in task.validation_batches(2, 2):
        losses = [task.losses(batch, sigmas, noise, condition)[1] for condition in CONDITIONS]
        assert torch.equal(losses[0], losses[2]) and torch.equal(losses[0], losses[1])


def test_a_trained_one_depends_on_its_cameras(task: ViewSyncTask) -> None:
    shake(task.adapter)
    batch, sigmas, noise = next(task.validation_batches(2, 2))
    right, permuted, off = (task.losses(batch, sigmas, noise, condition)[1] for condition in CONDITIONS)
    assert not torch.equal(right, permuted) and not torch.equal(right, off)


@pytest.mark.parametrize("lead_view", [0.0, 1.0])
@pytest.mark.parametrize("weighting", ["reference", "none"])
def test_losses_by_an_independent_sum(latents: Stores, base_folder: Path, weighting: str, lead_view: float) -> None:
    options = {"subject_weight": 2.0, "weighting": weighting, "shift": 3.0, "lead_view": lead_view}
    task = make(latents, base_folder, stage("view_sync", PAIRS, options=options))
    shake(task.adapter)
    batch = task.batch(PAIRS, generator())
    told: dict[str, Any] = {}
    plain = task.losses

    def overheard(batch: dict[str, Any], sigmas: torch.Tensor, noise: torch.Tensor) -> Any:
        told.update(sigmas=sigmas, noise=noise)
        return plain(batch, sigmas, noise)

    task.losses = overheard  # pyright: ignore
    loss, scalars = task(batch, generator(1))
    sigmas, noise = told["sigmas"], told["noise"]
    clean = batch["latents"]
    total, errors = 0.0, []
    weights = 1 + 2.0 * batch["masks"]
    weights = weights / weights.mean()
    assert sigmas.shape == (2, 2)
    for scene in range(2):
        sigma = sigmas[scene]
        each = sigma.view(2, 1, 1, 1, 1)
        noisy = (1 - each) * clean[scene] + each * noise[scene]
        text = task.embed(batch["captions"])[[scene, scene]]
        with task.adapter.cameras(batch["c2w"][scene]), torch.no_grad():
            predicted = task.transformer(noisy, 1000 * sigma, text, return_dict=False)[0]
        learnt = slice(1, None) if lead_view else slice(None)  # the leading view is given, not learnt
        error = ((predicted - (noise[scene] - clean[scene])) ** 2)[learnt]
        errors.append(error.mean())
        sigma = sigma[learnt]
        weighted = (error * weights[scene][learnt, None]).flatten(1).mean(1)
        total += (weighted * (reference_weight(sigma, 3.0) if weighting == "reference" else 1.0)).mean()
    torch.testing.assert_close(loss, total / 2)
    torch.testing.assert_close(scalars["mse"], sum(errors) / 2)


@pytest.mark.parametrize("fraction", [0.0, 0.25, 1.0])
def test_view_0_leads_in_a_fraction_of_the_scenes(fraction: float) -> None:
    sigmas = torch.rand(4000, generator=generator()) * 0.9 + 0.1
    levels, learns = lead(sigmas, 3, fraction, generator(1))
    assert torch.equal(levels[:, 1:], sigmas[:, None].expand(-1, 2))
    leads = learns[:, 0] == 0
    assert leads.float().mean().item() == pytest.approx(fraction, abs=0.03)
    assert torch.equal(levels[~leads, 0], sigmas[~leads]) and torch.all(learns[:, 1:] == 1)
    if fraction == 1.0:  # half of them without noise, the rest with any part of it
        assert (levels[:, 0] == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
        parts = (levels[:, 0] / sigmas)[levels[:, 0] > 0]
        assert parts.mean().item() == pytest.approx(0.5, abs=0.02) and parts.max() < 1


def test_a_view_alone_does_not_lead() -> None:
    levels, learns = lead(torch.ones(50), 1, 1.0, generator())
    assert torch.all(levels == 1) and torch.all(learns == 1)


def test_it_learns_one_batch(task: ViewSyncTask) -> None:
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=1e-2)
    batch = task.batch(PAIRS, generator())
    losses = []
    for _ in range(30):
        loss, _ = task(batch, generator(1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_gradient_checkpointing_gives_equal_gradients(latents: Stores, base_folder: Path) -> None:
    gradients = []
    for checkpointing in (False, True):
        config = stage("view_sync", PAIRS, options={"gradient_checkpointing": checkpointing})
        task = make(latents, base_folder, config).train()
        shake(task.adapter)
        assert task.transformer.is_gradient_checkpointing == checkpointing
        task(task.batch(PAIRS, generator()), generator(1))[0].backward()
        gradients.append([parameter.grad for parameter in task.adapter.parameters()])
    torch.testing.assert_close(*gradients)


def test_samples_are_drawn_with_the_cameras_of_the_scenes(task: ViewSyncTask, tmp_path: Path) -> None:
    shake(task.adapter)
    before = {name: value.clone() for name, value in task.state_dict().items()}
    task.eval()
    with torch.no_grad():
        for name in ("one", "same"):
            task.sample(tmp_path / f"{name}.png")
        shifted = dataclasses.replace(task.held_out, c2w=task.held_out.c2w.flip(1))
        task.held_out = shifted
        task.sample(tmp_path / "other.png")
    one, same, other = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "same", "other"))
    assert one == same != other
    assert all(torch.equal(before[name], value) for name, value in task.state_dict().items())


def test_validation_is_the_same_every_time(task: ViewSyncTask) -> None:
    shake(task.adapter)
    with torch.no_grad():
        figures = task.eval().validate()
        assert figures == task.validate()
    assert list(figures) == ["loss_right", "loss_permuted", "loss_off"]


def test_export_is_an_adapter_folder(task: ViewSyncTask, tmp_path: Path) -> None:
    shake(task.adapter)
    task.export(tmp_path)
    loaded = ViewSyncAdapter.from_pretrained(tmp_path / "view_sync")
    assert loaded.config.translation_scale == 2.0
    theirs = loaded.state_dict()
    assert all(torch.equal(theirs[name], value) for name, value in task.adapter.state_dict().items())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            stage("view_sync", dataclasses.replace(PAIRS, views=(2, 5))),
            "the recipe trains up to 5 views, but the data has",
        ),
        (
            stage("view_sync", PAIRS, options={"validation_views": 5}),
            "validation_views is 5, but the held-out data",
        ),
        (stage("view_sync", PAIRS, options={"distribution": "normal"}), "distribution must be uniform or logit_normal"),
        (stage("view_sync", PAIRS, options={"weighting": "bell"}), "weighting must be reference or none, got 'bell'"),
        (
            stage("view_sync", PAIRS, options={"layers": 1}),
            "ViewSyncOptions has no option layers; its options: caption_dropout",
        ),
        (stage("view_sync", dataclasses.replace(PAIRS, num_frames=9)), "the recipe trains on 9 frames, but the data's"),
    ],
)
def test_what_does_not_fit_is_refused(latents: Stores, base_folder: Path, config: TrainConfig, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make(latents, base_folder, config)
    assert NUM_VIEWS == 4

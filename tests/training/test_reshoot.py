"""The re-shoot task: which pairs it draws, what it hides of the source, and that it learns to use its path."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import WanPipeline
from PIL import Image

from syncam.adapters import FrameConcatAdapter
from syncam.errors import InputError
from syncam.training.config import Phase, TrainConfig
from syncam.training.objective import reference_weight
from syncam.training.precompute import LatentStore
from syncam.training.reshoot import CONDITIONS, ReshootOptions, ReshootTask, obscured
from training.examples import CHANNELS, NUM_FRAMES, SIZE, reshoot_stage, stage

CELLS = SIZE // 8
PAIRS = Phase(steps=1, batch_size=2, num_frames=NUM_FRAMES)
CLEAN = {"source_noise_share": 0.0, "text_to_video": 0.0, "image_to_video": 0.0}
Stores = tuple[LatentStore, LatentStore]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(latents: Stores, base_folder: Path, config: TrainConfig | None = None) -> ReshootTask:
    return ReshootTask(config or reshoot_stage(), *latents, WanPipeline.from_pretrained(base_folder))


@pytest.fixture
def task(latents: Stores, base_folder: Path) -> ReshootTask:
    return make(latents, base_folder)


def shake(adapter: FrameConcatAdapter) -> None:
    """Makes a fresh adapter heed its cameras, as a trained one does."""
    for block in adapter.blocks:
        torch.nn.init.normal_(block.cam_encoder.weight, std=0.3, generator=generator())


def test_pairs_are_two_views_of_a_scene(task: ReshootTask, latents: Stores) -> None:
    store, seen = latents[0], set()
    for seed in range(20):
        batch = task.batch(PAIRS, generator(seed))
        assert batch["target"].shape == batch["source"].shape == (2, CHANNELS, 2, CELLS, CELLS)
        assert batch["c2w"].shape == (2, 2, 4, 4) and batch["reference"].shape == (2, 4, 4)
        for row in range(2):
            same = [
                (store.latents.float() == batch[name][row]).flatten(2).all(-1).nonzero()
                for name in ("source", "target")
            ]
            (scene, source), (other, target) = (found[0].tolist() for found in same)
            assert scene == other and source != target
            assert torch.equal(batch["reference"][row], store.c2w[scene, source, 0])
            assert torch.equal(batch["c2w"][row], store.c2w[scene, target])
            assert torch.equal(batch["masks"][row], store.masks[scene, target].float())
            seen.add((source, target))
    assert len(seen) == 12  # every camera films every other one's source


@pytest.mark.parametrize("frames", [1, NUM_FRAMES])
def test_copies_show_the_source_from_its_own_path(task: ReshootTask, frames: int) -> None:
    phase = dataclasses.replace(PAIRS, num_frames=frames, batch_size=8)
    copied = task.batch(dataclasses.replace(phase, copies=1.0), generator())
    assert torch.equal(copied["source"], copied["target"])
    assert torch.equal(copied["c2w"][:, 0], copied["reference"])
    some = task.batch(dataclasses.replace(phase, copies=0.5), generator())
    same = (some["source"] == some["target"]).flatten(1).all(1)
    assert same.any() and not same.all()
    fresh = task.batch(phase, generator())
    assert torch.equal(some["target"][~same], fresh["target"][~same]), "the others are what they would have been"


def test_a_pair_of_stills_is_of_one_moment_and_relative_to_it(task: ReshootTask, latents: Stores) -> None:
    phase, store = dataclasses.replace(PAIRS, num_frames=1, batch_size=1), latents[0]
    moments = torch.cat([store.c2w[:, :, :1], store.still_c2w], dim=2)  # [S, V, 1 + n, 4, 4]
    found = set()
    for seed in range(30):
        batch = task.batch(phase, generator(seed))
        assert batch["target"].shape[2] == 1
        at = [(moments == c2w).flatten(3).all(-1).nonzero()[0] for c2w in (batch["reference"][0], batch["c2w"][0, 0])]
        assert at[0][0] == at[1][0] and at[0][2] == at[1][2]
        found.add(int(at[0][2]))
    assert len(found) == 3  # the stills of five frames are 0, 2, 2 and 4


@pytest.mark.parametrize("frames", [1, 5])
def test_what_training_hides_of_sources(frames: int) -> None:
    count, options = 4000, ReshootOptions(source_noise_share=0.5)
    source = torch.full((count, 1, frames, 4, 4), 100.0)  # so that what is left of it shows in the mean
    shown, hidden = obscured(source, options, generator())
    left = shown.mean(dim=(1, 3, 4)) / 100  # [b, f]: 1 - noise level, or 0 of what is lost
    assert hidden.float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert left[hidden].abs().max() < 0.02
    kept = left[~hidden]
    noisy = kept[:, 0] < 0.99
    assert noisy.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert torch.equal(shown[~hidden][~noisy][:, :, 0], source[~hidden][~noisy][:, :, 0])
    assert kept[noisy, 0].min() > 0.48 and kept[noisy, 0].max() < 0.82
    assert kept[noisy, 0].mean().item() == pytest.approx(0.65, abs=0.01)
    if frames > 1:
        first_only = kept[:, 1:].abs().amax(1) < 0.02
        assert first_only.float().mean().item() == pytest.approx(0.25, abs=0.02)  # a fifth of all
        assert not torch.equal(shown[hidden][:, :, 0], shown[hidden][:, :, 1])  # noise of its own in every frame
        torch.testing.assert_close(
            kept[~first_only, 1:], kept[~first_only, :1].expand(-1, frames - 1), rtol=0, atol=0.02
        )


def test_a_source_can_be_left_as_it_is() -> None:
    source = torch.randn(6, 2, 3, 4, 4, generator=generator())
    shown, hidden = obscured(source, ReshootOptions(**CLEAN), generator(1))
    assert torch.equal(shown, source) and not hidden.any()


@pytest.mark.parametrize("weighting", ["reference", "none"])
@pytest.mark.parametrize("text_to_video", [0.0, 1.0])
def test_losses_by_an_independent_sum(latents: Stores, base_folder: Path, weighting: str, text_to_video: float) -> None:
    options: dict[str, Any] = {"subject_weight": 2.0, "weighting": weighting, "shift": 3.0, **CLEAN}
    task = make(latents, base_folder, stage("reshoot", PAIRS, options=options | {"text_to_video": text_to_video}))
    shake(task.adapter)
    batch, told = task.batch(PAIRS, generator()), {}
    plain = task.losses

    def overheard(batch: dict[str, Any], sigmas: torch.Tensor, noise: torch.Tensor) -> Any:
        told.update(sigmas=sigmas, noise=noise, source=batch["source"])
        return plain(batch, sigmas, noise)

    task.losses = overheard  # pyright: ignore
    loss, scalars = task(batch, generator(1))
    assert torch.equal(told["source"], batch["source"]) == (text_to_video == 0)
    weights = 1 + 2.0 * batch["masks"][:, None]
    weights, total, errors = weights / weights.mean(), 0.0, []
    for row in range(2):
        sigma, noise, clean = told["sigmas"][row], told["noise"][row], batch["target"][row]
        # Without a source, the path is relative to its own start.
        reference = batch["c2w"][row, 0] if text_to_video else batch["reference"][row]
        path = torch.linalg.inv(reference.double()) @ batch["c2w"][row].double()
        path[:, :3, 3] /= task.adapter.config.translation_scale
        encodings = path[:, :3].flatten(1).float()[None]
        text = task.embed(batch["captions"])[row : row + 1]
        noisy = ((1 - sigma) * clean + sigma * noise)[None]
        with task.adapter.camera_encodings(encodings, source=told["source"][row : row + 1]), torch.no_grad():
            predicted = task.transformer(noisy, 1000 * sigma[None], text, return_dict=False)[0][0]
        error = (predicted - (noise - clean)) ** 2
        errors.append(error.mean())
        bell = reference_weight(sigma, 3.0) if weighting == "reference" else 1.0
        total += (error * weights[row]).mean() * bell
    torch.testing.assert_close(loss, total / 2)
    torch.testing.assert_close(scalars["mse"], sum(errors) / 2)


def test_only_the_adapter_is_trained(task: ReshootTask) -> None:
    trained = {name for name, parameter in task.named_parameters() if parameter.requires_grad}
    assert trained == {f"adapter.{name}" for name, _ in task.adapter.named_parameters()}
    task.train()
    assert not task.transformer.training and task.adapter.training
    task(task.batch(PAIRS, generator()), generator())[0].backward()
    for name, parameter in task.named_parameters():
        assert (parameter.grad is not None) == name.startswith("adapter."), name


def test_validation_tells_the_right_path_from_others(task: ReshootTask) -> None:
    batch, sigmas, noise = next(task.validation_batches(2))
    losses = [task.losses(batch, sigmas, noise, condition)[1] for condition in CONDITIONS]
    assert torch.equal(losses[0], losses[1]) and torch.equal(losses[0], losses[2])  # fresh: it heeds no path
    relative = torch.linalg.inv(batch["reference"])[:, None] @ batch["c2w"]
    borrowed = torch.linalg.inv(batch["reference"])[:, None] @ batch["wrong"]
    torch.testing.assert_close(borrowed, relative.flip(0), rtol=1e-4, atol=1e-4)
    shake(task.adapter)
    right, wrong, still = (task.losses(batch, sigmas, noise, condition)[1] for condition in CONDITIONS)
    assert not torch.equal(right, wrong) and not torch.equal(right, still)
    with torch.no_grad():
        figures = task.eval().validate()
        assert figures == task.validate() and list(figures) == ["loss_right", "loss_wrong", "loss_still"]


def test_it_learns_one_batch(latents: Stores, base_folder: Path) -> None:
    task = make(latents, base_folder, stage("reshoot", PAIRS, options=CLEAN | {"caption_dropout": 0.0}))
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=1e-2)
    batch, losses = task.batch(PAIRS, generator()), []
    for _ in range(30):
        loss, _ = task(batch, generator(1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_samples_show_source_target_and_what_was_made(task: ReshootTask, tmp_path: Path) -> None:
    shake(task.adapter)
    task.eval()
    with torch.no_grad():
        for name in ("one", "same"):
            task.sample(tmp_path / f"{name}.png")
        turned = task.held_out.c2w.clone()
        turned[:, :, :, :3, 3] *= 2
        task.held_out = dataclasses.replace(task.held_out, c2w=turned)
        task.sample(tmp_path / "other.png")
    sheets = {
        name: torch.from_numpy(np.array(Image.open(tmp_path / f"{name}.png"))) for name in ("one", "same", "other")
    }
    assert torch.equal(sheets["one"], sheets["same"])
    rows = {name: sheet.unflatten(0, (6, -1)) for name, sheet in sheets.items()}
    changed = (rows["one"] != rows["other"]).flatten(1).any(1)
    assert changed.tolist() == [False, False, True, False, False, True]  # what is rendered stays


def test_export_is_an_adapter_folder(task: ReshootTask, tmp_path: Path) -> None:
    shake(task.adapter)
    task.export(tmp_path)
    loaded = FrameConcatAdapter.from_pretrained(tmp_path / "reshoot")
    assert loaded.config.translation_scale == 1.0 and loaded.config.rank is None
    theirs = loaded.state_dict()
    assert all(torch.equal(theirs[name], value) for name, value in task.adapter.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source_noise": (0.5, 0.2)}, "source_noise must be a rising range within 0..1, got 0.5..0.2"),
        ({"source_noise_share": 2}, "source_noise_share must be a fraction from 0 to 1, got 2"),
        ({"text_to_video": 0.6, "image_to_video": 0.6}, "must not exceed 1 together, got 0.6 and 0.6"),
        ({"distribution": "normal"}, "distribution must be uniform or logit_normal"),
        ({"lead_view": 1.0}, "ReshootOptions has no option lead_view; its options: caption_dropout"),
        ({"validation_scenes": 1}, "re-shooting needs 2 held-out scenes at least: each lends its path to another"),
    ],
)
def test_what_does_not_fit_is_refused(
    latents: Stores, base_folder: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        make(latents, base_folder, stage("reshoot", PAIRS, options=options))


def test_scenes_of_one_view_are_refused(latents: Stores, base_folder: Path) -> None:
    tensors = {name: value[:, :1] for name, value in vars(latents[0]).items() if name != "captions"}
    alone = dataclasses.replace(latents[0], **tensors)
    with pytest.raises(InputError, match="learnt from pairs of views, but the held-out data has 1 per scene"):
        make((latents[0], alone), base_folder)
    with pytest.raises(InputError, match="views of a phase has no effect on the task reshoot"):
        stage("reshoot", dataclasses.replace(PAIRS, views=(2,)))

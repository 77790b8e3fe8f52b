"""The text-to-video task: what it draws, what it weighs, and that it learns."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan, WanPipeline

from syncam.errors import InputError
from syncam.training.config import Phase
from syncam.training.precompute import LatentStore
from syncam.training.text_to_video import TextToVideoTask, draw_views, subject_weights
from syncam.training.trainer import step_generator
from training.examples import CHANNELS, NUM_FRAMES, SIZE, TRANSFORMER, stage, text_to_video_stage

CELLS = SIZE // 8
STILLS = Phase(steps=1, batch_size=6, num_frames=1)
VIDEOS = Phase(steps=1, batch_size=3, num_frames=NUM_FRAMES)
Stores = tuple[LatentStore, LatentStore]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def among(part: torch.Tensor, *wholes: torch.Tensor) -> bool:
    """Whether a latent is one of those in the stores' tensors [..., *part.shape]."""
    return any((whole.float() == part).flatten(-part.ndim).all(-1).any() for whole in wholes)


def test_stills_are_drawn_from_first_frames_and_stored_stills(latents: Stores) -> None:
    drawn = draw_views(latents[0], STILLS, generator(), caption_dropout=0.0)
    assert drawn["latents"].shape == (6, CHANNELS, 1, CELLS, CELLS)
    assert drawn["masks"].shape == (6, 1, CELLS, CELLS)
    firsts, pictures = latents[0].latents[:, :, :, 0], latents[0].stills
    kinds = [(among(still[:, 0], firsts), among(still[:, 0], pictures)) for still in drawn["latents"]]
    assert set(kinds) == {(True, True), (False, True)}  # in 5 frames, the first still is the first frame too


def test_videos_are_drawn_whole_with_their_own_captions(latents: Stores) -> None:
    drawn = draw_views(latents[0], VIDEOS, generator(), caption_dropout=0.0)
    assert drawn["latents"].shape == (3, CHANNELS, 2, CELLS, CELLS)
    for latent, caption in zip(drawn["latents"], drawn["captions"], strict=True):
        scene = latents[0].captions.index(caption)
        assert among(latent, latents[0].latents[scene])


def test_phases_mix_stills_into_videos(latents: Stores) -> None:
    phase = Phase(steps=1, batch_size=2, num_frames=NUM_FRAMES, stills=0.25, stills_batch_size=5)
    shapes = [
        tuple(draw_views(latents[0], phase, generator(i), caption_dropout=0.0)["latents"].shape) for i in range(200)
    ]
    video, still = (2, CHANNELS, 2, CELLS, CELLS), (5, CHANNELS, 1, CELLS, CELLS)
    assert set(shapes) == {video, still}
    assert 30 <= shapes.count(still) <= 70


def test_captions_are_dropped_as_often_as_asked(latents: Stores) -> None:
    for share in (0.0, 1.0):
        drawn = draw_views(latents[0], STILLS, generator(), caption_dropout=share)
        assert [text == "" for text in drawn["captions"]] == [share == 1.0] * 6
    many = Phase(steps=1, batch_size=1000, num_frames=1)
    drawn = draw_views(latents[0], many, generator(), caption_dropout=0.1)
    assert 70 <= drawn["captions"].count("") <= 130


def test_draws_depend_on_the_generator_alone(latents: Stores) -> None:
    one, same, other = (draw_views(latents[0], STILLS, generator(seed), caption_dropout=0.5) for seed in (1, 1, 2))
    assert torch.equal(one["latents"], same["latents"]) and one["captions"] == same["captions"]
    assert not torch.equal(one["latents"], other["latents"])


@pytest.mark.parametrize("weight", [0.0, 3.0])
def test_subject_weights_have_mean_one(weight: float) -> None:
    masks = (torch.rand(2, 3, 4, 5) > 0.7).float()
    weights = subject_weights(masks, weight)
    assert weights.shape == (2, 1, 3, 4, 5)
    assert weights.mean() == pytest.approx(1.0, abs=1e-6)
    ratio = weights[masks[:, None] == 1].mean() / weights[masks[:, None] == 0].mean()
    assert ratio == pytest.approx(1 + weight, rel=1e-5)


def learn(task: TextToVideoTask, steps: int, phase: Phase) -> list[float]:
    """The losses of some steps at constant noise, so that they can be compared."""
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=3e-3)
    batch = task.batch(phase, generator())
    losses = []
    for _ in range(steps):
        loss, scalars = task(batch, generator(1))
        assert scalars.keys() == {"mse"}
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("phase", [STILLS, VIDEOS], ids=["stills", "videos"])
def test_it_learns_one_batch(latents: Stores, vae: AutoencoderKLWan, phase: Phase) -> None:
    task = TextToVideoTask(text_to_video_stage(), *latents, vae)
    losses = learn(task, 30, phase)
    assert losses[-1] < 0.8 * losses[0]


def test_transformer_and_text_encoder_are_trained_and_the_autoencoder_is_not(
    latents: Stores, vae: AutoencoderKLWan
) -> None:
    task = TextToVideoTask(text_to_video_stage(), *latents, vae)
    names = {name.partition(".")[0] for name, parameter in task.named_parameters() if parameter.requires_grad}
    assert names == {"transformer", "text_encoder"}
    learn(task, 2, VIDEOS)  # the first step moves the output layer off zero
    task(task.batch(VIDEOS, generator()), generator())[0].backward()
    assert task.text_encoder.shared.weight.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in vae.parameters())


def test_validation_is_the_same_every_time(latents: Stores, vae: AutoencoderKLWan) -> None:
    task = TextToVideoTask(text_to_video_stage(), *latents, vae).eval()
    with torch.no_grad():
        figures = task.validate()
        assert figures == task.validate()
    assert figures.keys() == {"video_loss", "still_loss"}
    assert all(value > 0 for value in figures.values())


def test_the_loss_weighs_the_subject(latents: Stores, vae: AutoencoderKLWan) -> None:
    options = {"model": TRANSFORMER, "subject_weight": 0.0}
    task = TextToVideoTask(stage("text_to_video", VIDEOS, options=options), *latents, vae)
    loss, scalars = task(task.batch(VIDEOS, generator()), generator())
    assert loss.item() == pytest.approx(scalars["mse"].item(), rel=1e-6)
    weighted = TextToVideoTask(text_to_video_stage(), *latents, vae)
    loss, scalars = weighted(weighted.batch(VIDEOS, generator()), generator())
    assert loss.item() != pytest.approx(scalars["mse"].item(), rel=1e-6)


def test_samples_and_export(latents: Stores, vae: AutoencoderKLWan, tmp_path: Path) -> None:
    task = TextToVideoTask(text_to_video_stage(), *latents, vae).eval()
    before = {name: value.clone() for name, value in task.state_dict().items()}
    with torch.no_grad():
        task.sample(tmp_path / "sample.png")
    assert (tmp_path / "sample.png").stat().st_size > 1000
    task.export(tmp_path / "export")
    assert all(torch.equal(before[name], value) for name, value in task.state_dict().items())
    pipeline = WanPipeline.from_pretrained(tmp_path / "export")
    pipeline.set_progress_bar_config(disable=True)
    frames = pipeline(
        "a red horse",
        negative_prompt="",
        height=SIZE,
        width=SIZE,
        num_frames=NUM_FRAMES,
        num_inference_steps=2,
        max_sequence_length=pipeline.tokenizer.model_max_length,
        output_type="pt",
    ).frames
    assert frames.shape == (1, NUM_FRAMES, 3, SIZE, SIZE)


def test_unknown_options_and_lengths_are_refused(latents: Stores, vae: AutoencoderKLWan) -> None:
    message = "TextToVideoOptions has no option colour; its options: model, shift, caption_dropout"
    with pytest.raises(InputError, match=message):
        TextToVideoTask(stage("text_to_video", VIDEOS, options={"colour": 1}), *latents, vae)
    long = stage("text_to_video", Phase(steps=1, batch_size=1, num_frames=9), options={"model": TRANSFORMER})
    with pytest.raises(InputError, match="the recipe trains on 9 frames, but the data's videos have 5"):
        TextToVideoTask(long, *latents, vae)


def test_batches_of_a_step_can_be_drawn_again(latents: Stores, vae: AutoencoderKLWan) -> None:
    task = TextToVideoTask(text_to_video_stage(), *latents, vae)
    losses = []
    for _ in range(2):
        source = step_generator(0, 5, 0, 0)
        losses.append(task(task.batch(VIDEOS, source), source)[0].item())
    assert losses[0] == losses[1]

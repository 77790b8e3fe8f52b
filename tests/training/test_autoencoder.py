"""The autoencoder task: which pixels it draws, how much of them it keeps, and that it learns."""

import re
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan
from PIL import Image

from syncam.data.dataset import ClipStore, SceneFolder
from syncam.errors import InputError
from syncam.training.autoencoder import AutoencoderTask, PixelStore
from syncam.training.config import Phase
from training.examples import NUM_FRAMES, NUM_VIEWS, SIZE, VAE, autoencoder_stage, stage, tiny_clip

CROPS = Phase(steps=1, batch_size=3, num_frames=1, crop=16)
WHOLE = Phase(steps=1, batch_size=2, num_frames=NUM_FRAMES)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pixels_are_those_of_the_videos(data: Path) -> None:
    store = PixelStore(ClipStore(data), 1.0)
    assert len(store) == 3 * NUM_VIEWS
    video, mask = store[NUM_VIEWS + 2]
    assert video.dtype == mask.dtype == torch.uint8
    expected = ClipStore(data)[1].read(views=[2])
    assert torch.equal(video, (expected.video[0] * 255).round().to(torch.uint8))
    assert torch.equal(mask.bool(), tiny_clip(1).masks[2])


def test_pixels_are_decoded_once_while_they_fit(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    plain = SceneFolder.read

    def counted(self: SceneFolder, views: list[int]) -> object:
        read.append(self.path)
        return plain(self, views=views)

    monkeypatch.setattr(SceneFolder, "read", counted)
    roomy = PixelStore(ClipStore(data), 1.0)
    for _ in range(2):
        for index in (0, 1, 2):
            roomy[index]
    assert len(read) == 3
    clip = NUM_FRAMES * SIZE * SIZE * 4  # three channels and a mask
    two = PixelStore(ClipStore(data), 2.5 * clip / 2**30)
    del read[:]
    for index in (0, 1, 0, 2, 0, 1):  # clip 1 is the least recently used when clip 2 comes
        two[index]
    assert len(read) == 4


def test_batches(data: Path) -> None:
    task = AutoencoderTask(autoencoder_stage(), data)
    video, weight = task.batch(CROPS, generator())
    assert video.shape == (3, 3, 1, 16, 16) and weight.shape == (3, 1, 1, 16, 16)
    video, weight = task.batch(WHOLE, generator())
    assert video.shape == (2, 3, NUM_FRAMES, SIZE, SIZE) and weight.shape == (2, 1, NUM_FRAMES, SIZE, SIZE)
    assert -1 <= video.min() < -0.2 and 0.2 < video.max() <= 1
    assert weight.unique().tolist() == [1.0, 5.0]
    assert torch.equal(weight[0, 0] == 5, tiny_clip(0).masks[0])
    again, _ = task.batch(WHOLE, generator())
    assert torch.equal(video, again)


def test_crops_move_over_space_and_time_together_with_their_masks(data: Path) -> None:
    task = AutoencoderTask(autoencoder_stage(), data)
    whole = {index: task.train_pixels[index][0] for index in range(len(task.train_pixels))}
    places = set()
    for seed in range(12):
        video, weight = task.batch(Phase(steps=1, batch_size=1, num_frames=1, crop=16), generator(seed))
        pixels = ((video[0, :, 0] + 1) * 127.5).round().to(torch.uint8)
        found = [
            (frame, top, left)
            for clip in whole.values()
            for frame in range(NUM_FRAMES)
            for top in range(SIZE - 15)
            for left in range(SIZE - 15)
            if torch.equal(clip[frame, :, top, left], pixels[:, 0, 0])
            and torch.equal(clip[frame, :, top : top + 16, left : left + 16], pixels)
        ]
        assert found
        frame, top, left = found[0]
        places.add(found[0])
        expected = tiny_clip(0).masks[0, frame, top : top + 16, left : left + 16]
        assert torch.equal(weight[0, 0, 0] == 5, expected)
    assert len({frame for frame, _, _ in places}) > 2 and len({place[1:] for place in places}) > 6


def test_it_learns_one_batch(data: Path) -> None:
    task = AutoencoderTask(autoencoder_stage(), data)
    optimizer = torch.optim.AdamW([p for p in task.parameters() if p.requires_grad], lr=3e-3)
    batch = task.batch(WHOLE, generator())
    losses = []
    for _ in range(15):
        loss, scalars = task(batch, generator(1))
        assert scalars.keys() == {"mse", "kl"}
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_validation_measures_psnr(data: Path) -> None:
    task = AutoencoderTask(autoencoder_stage(), data).eval()
    figures = task.validate()
    assert figures == task.validate()
    errors, subject = [], []
    for index in range(2 * NUM_VIEWS):
        clip, back = task.reconstruct(index)
        assert clip.shape == back.shape == (NUM_FRAMES, 3, SIZE, SIZE)
        error = ((clip - back) ** 2).mean(1)
        errors.append(-10 * error.mean().log10())
        subject.append(-10 * error[tiny_clip(0).masks[0]].mean().log10())
    assert figures["psnr"] == pytest.approx(float(sum(errors) / len(errors)), rel=1e-5)
    assert figures["subject_psnr"] == pytest.approx(float(sum(subject) / len(subject)), rel=1e-5)


def test_samples_show_clips_above_their_reconstructions(data: Path, tmp_path: Path) -> None:
    AutoencoderTask(autoencoder_stage(), data).eval().sample(tmp_path / "sample.png")
    with Image.open(tmp_path / "sample.png") as sheet:
        assert sheet.height > 8 * SIZE


def test_the_export_knows_the_statistics_of_its_latents(data: Path, tmp_path: Path) -> None:
    task = AutoencoderTask(autoencoder_stage(), data).eval()
    task.export(tmp_path)
    vae = AutoencoderKLWan.from_pretrained(tmp_path / "vae")
    with torch.no_grad():
        latents = torch.cat(
            [
                task.vae.encode(task.train_pixels[index][0].transpose(0, 1)[None] / 127.5 - 1).latent_dist.mode()[0]
                for index in range(len(task.train_pixels))
            ],
            dim=1,
        ).flatten(1)
    torch.testing.assert_close(torch.tensor(vae.config.latents_mean), latents.mean(1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.tensor(vae.config.latents_std), latents.std(1), atol=1e-4, rtol=1e-2)
    assert all(torch.equal(vae.state_dict()[name], value) for name, value in task.vae.state_dict().items())


def test_what_does_not_fit_is_refused(data: Path) -> None:
    with pytest.raises(InputError, match="1 more than a multiple of 4, got 4; 5 is the nearest"):
        AutoencoderTask(stage("autoencoder", Phase(steps=1, batch_size=1, num_frames=4), options={"model": VAE}), data)
    task = AutoencoderTask(autoencoder_stage(), data)
    message = r"the recipe wants 9 frames of 32x32 pixels, but .*scene\d has 5 of 32x32"
    with pytest.raises(InputError, match=message):
        task.batch(Phase(steps=1, batch_size=1, num_frames=9), generator())
    with pytest.raises(InputError, match=r"the recipe wants 5 frames of 64x64 pixels, but .*scene\d has 5 of 32x32"):
        task.batch(Phase(steps=1, batch_size=1, num_frames=5, crop=64), generator())
    with pytest.raises(InputError, match=re.escape("AutoencoderOptions has no option z_dim; its options: model,")):
        AutoencoderTask(stage("autoencoder", WHOLE, options={"z_dim": 4}), data)

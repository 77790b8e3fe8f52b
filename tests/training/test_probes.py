"""The probes task: what it learns from, that it learns, goes on exactly, and writes what `syncam evaluate` loads."""

import csv
import dataclasses
import re
from pathlib import Path

import pytest
import torch

from syncam.data.clip import MultiViewClip
from syncam.data.dataset import write_clip
from syncam.errors import InputError
from syncam.evaluation.probe_network import MOMENTS, SIDE, load_probes, view_angles
from syncam.evaluation.probe_words import LABELS, UNSAID
from syncam.training.config import Phase
from syncam.training.probes import ProbesTask, read_pictures
from syncam.training.recipes import train
from training.examples import stage, tiny_clip

BATCH = Phase(steps=1, batch_size=4, num_frames=MOMENTS)
COLOURS = {"red": (0.8, 0.1, 0.1), "blue": (0.1, 0.2, 0.8)}
CAPTION = "a {} horse walks on green grass under a dusk sky"


def coloured(seed: int) -> MultiViewClip:
    """A square of one of two colours before a random sky, at 2 Hz."""
    clip = tiny_clip(seed, num_views=3, num_frames=MOMENTS, size=SIDE)
    assert clip.masks is not None
    word = list(COLOURS)[seed % 2]
    fill = torch.tensor(COLOURS[word]).view(3, 1, 1)
    video = torch.where(clip.masks[:, :, None], fill, clip.video)
    return MultiViewClip(video, clip.cameras, CAPTION.format(word), 2.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("probes")
    for split, seeds in {"train": range(6), "val": range(6, 8)}.items():
        for seed in seeds:
            write_clip(root / split / "f24_aperture5" / f"scene{seed}", coloured(seed))
    return root


def config(steps: int = 6, **changes):
    return stage("probes", Phase(steps=steps, batch_size=4, num_frames=MOMENTS), **changes)


def test_pictures_are_decoded_once(data: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    pictures = read_pictures(data, "train", tmp_path, lambda *numbers: told.append(numbers))
    assert pictures.pixels.shape == (6, 3, MOMENTS, 3, SIDE, SIDE) and told == [(n, 6) for n in range(1, 7)]
    assert pictures.truth["colour"].tolist() == [LABELS["colour"].index(word) for word in ("red", "blue") * 3]
    assert (coloured(1).video - pictures.pixels[1].float() / 255).abs().mean() < 0.02
    cameras = coloured(1).cameras
    assert cameras is not None and torch.allclose(pictures.c2w[1], cameras.c2w.float(), atol=1e-6)
    again = read_pictures(data, "train", tmp_path, lambda *numbers: told.append(numbers))
    assert len(told) == 6 and torch.equal(again.pixels, pictures.pixels)


def test_a_batch_shows_two_views_of_each_scene(data: Path) -> None:
    task = ProbesTask(config(), data)
    batch = task.batch(BATCH, torch.Generator().manual_seed(3))
    assert batch.frames.shape == (4, MOMENTS + 2, 3, SIDE, SIDE)
    assert batch.frames.min() >= 0 and batch.frames.max() <= 1
    plain = task._drawn(task.pictures, [4, 1], torch.Generator().manual_seed(3), spoil=False)
    for row, scene in enumerate((4, 1)):
        pixels = task.pictures.pixels[scene].float() / 255
        [one] = [view for view in range(3) if torch.equal(pixels[view], plain.frames[row, :MOMENTS])]
        moment = int(plain.moment[row])
        [two] = [view for view in range(3) if torch.equal(pixels[view, moment], plain.frames[row, MOMENTS])]
        assert one != two
        assert any(torch.equal(pixels[two, k], plain.frames[row, -1]) for k in range(MOMENTS) if k != moment)
        azimuth, elevation = view_angles(task.pictures.c2w[scene, :, moment])
        assert torch.allclose(plain.angles[0][row, :2], azimuth[[one, two]])
        assert torch.allclose(plain.angles[1][row, :2], elevation[[one, two]])


def test_what_captions_leave_open_is_not_learnt(data: Path) -> None:
    task = ProbesTask(config(), data)
    batch = task.batch(BATCH, torch.Generator().manual_seed(0))
    batch.truth["species"] = torch.full_like(batch.truth["species"], UNSAID)
    _, losses = task(batch, torch.Generator())
    assert losses["species"] == 0 and losses["colour"] > 0


def test_learns_colours_and_cameras(data: Path) -> None:
    task = ProbesTask(config(), data)
    optimizer = torch.optim.AdamW(task.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    seen = []
    for _ in range(16):
        loss, parts = task(task.batch(BATCH, generator), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append((loss.item(), float(parts["colour"])))
    first, last = (torch.tensor(part).mean(0) for part in (seen[:4], seen[-4:]))
    assert last[0] < 0.8 * first[0] and last[1] < 0.7 * first[1]


def test_runs_resume_exactly_and_export_what_evaluation_loads(data: Path, tmp_path: Path) -> None:
    def stop(step: int, steps: int, numbers: dict[str, float]) -> None:
        if step == 4:
            raise RuntimeError("killed")

    train(config(), data=data, out=tmp_path / "whole")
    with pytest.raises(RuntimeError, match="killed"):
        train(config(), data=data, out=tmp_path / "parts", progress=stop)
    train(config(), data=data, out=tmp_path / "parts", resume=True)
    losses = []
    for name in ("whole", "parts"):
        with (tmp_path / name / "train.csv").open(newline="") as file:
            losses.append([row["loss"] for row in csv.DictReader(file)])
    assert losses[0] == losses[1] and len(losses[0]) == 6
    network, held_out, sha256 = load_probes(tmp_path / "whole" / "export")
    assert set(held_out) == {*LABELS, "azimuth_deg", "elevation_deg", "same_scene", "same_moment"}
    assert 0 <= held_out["azimuth_deg"] <= 180 and 0 <= held_out["same_scene"] <= 1 and len(sha256) == 64
    task = ProbesTask(config(), data)
    task.network.load_state_dict(network.state_dict())
    assert task.measured() == pytest.approx(held_out)
    size = sum(path.stat().st_size for path in (tmp_path / "whole" / "export").iterdir())
    assert size < 5e6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 3}, "probes are trained on 5 frames and an even batch_size"),
        ({"num_frames": 17}, "probes are trained on 5 frames and an even batch_size"),
    ],
)
def test_refuses_other_batches(data: Path, change: dict[str, int], message: str) -> None:
    phase = dataclasses.replace(BATCH, **change)
    with pytest.raises(InputError, match=re.escape(message)):
        train(stage("probes", phase), data=data, out=data.parent / "refused")


def test_refuses_short_scenes(tmp_path: Path) -> None:
    write_clip(tmp_path / "short" / "train" / "lens" / "scene1", tiny_clip(0))
    with pytest.raises(InputError, match="scene1 has 4 views of 2 moments; expected two or more of 5"):
        read_pictures(tmp_path / "short", "train", tmp_path)

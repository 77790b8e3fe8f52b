"""The re-shooting pipeline end to end on tiny models: takes, references, windows, noise, errors."""

from pathlib import Path

import pytest
import torch

from syncam.adapters import FrameConcatAdapter
from syncam.cameras import Cameras, parse_rig
from syncam.cameras.moves import arc, dolly
from syncam.errors import InputError
from syncam.pipelines.reshoot import ReshootPipeline
from tiny import tiny_wan_pipeline

SIZE = {"prompt": "a red horse", "num_frames": 5, "num_inference_steps": 2, "guidance_scale": 3.0}


@pytest.fixture(scope="module")
def pipeline(wan_folder: Path, reshoot_folder: Path) -> ReshootPipeline:
    return ReshootPipeline.from_pretrained(wan_folder, adapter=reshoot_folder, dtype=torch.float32, device="cpu")


def video(frames: int = 5) -> torch.Tensor:
    return torch.rand(frames, 3, 16, 32, generator=torch.Generator().manual_seed(0))


def paths(frames: int = 5, takes: int = 2) -> Cameras:
    still = parse_rig("still:radius=4", num_frames=frames, hw=(16, 32))
    moved = [arc(still, 30), dolly(still, 2.0), arc(still, -30)][:takes]
    return Cameras(torch.cat([one.c2w for one in moved]), torch.cat([one.K for one in moved]), (16, 32))


def test_makes_a_take_per_path_the_same_whatever_their_number(pipeline: ReshootPipeline) -> None:
    one, three = (pipeline(video(), paths(takes=takes), **SIZE) for takes in (1, 3))
    assert three.videos.shape == (3, 5, 3, 16, 32) and three.latents.shape == (3, 1, 16, 2, 4, 8)
    assert three.videos.min() >= 0 and three.videos.max() <= 1
    assert torch.equal(one.videos, three.videos[:1])
    assert len({float(take.sum()) for take in three.latents}) == 3
    assert not torch.equal(pipeline(video(), paths(takes=1), seed=1, **SIZE).latents, one.latents)
    assert not torch.equal(pipeline(1 - video(), paths(takes=1), **SIZE).latents, one.latents)


def test_it_is_what_the_adapter_and_the_stock_pipeline_make(pipeline: ReshootPipeline) -> None:
    source, path = pipeline.encode(video()[None]), paths(takes=1)
    with pipeline.adapter.cameras(path.c2w.float(), source=source, temporal_stride=4):
        expected = pipeline.base(
            "a red horse",
            negative_prompt=pipeline.defaults.negative_prompt,
            latents=pipeline.noise(0, 0, 0, source.shape),
            height=16,
            width=32,
            num_frames=5,
            num_inference_steps=2,
            guidance_scale=3.0,
            output_type="latent",
            max_sequence_length=32,
        ).frames
    torch.testing.assert_close(pipeline(video(), path, **SIZE).latents[0], expected, atol=1e-5, rtol=0)


def test_the_reference_is_where_the_source_stands(pipeline: ReshootPipeline) -> None:
    path = paths(takes=1)
    own = pipeline(video(), path, **SIZE).latents
    given = pipeline(video(), path, reference=path.c2w[0, 0], **SIZE).latents
    torch.testing.assert_close(given, own, atol=1e-5, rtol=0)
    elsewhere = pipeline(video(), path, reference=path.c2w[0, -1], **SIZE).latents
    assert (elsewhere - own).abs().max() > 1e-3
    carried = torch.eye(4, dtype=torch.float64)
    carried[:3, 3] = torch.tensor([3.0, -1.0, 2.0])
    moved = Cameras(carried @ path.c2w, path.K, path.hw)  # the whole world is somewhere else
    same = pipeline(video(), moved, reference=carried @ path.c2w[0, -1], **SIZE).latents
    torch.testing.assert_close(same, elsewhere, atol=1e-4, rtol=0)


def test_a_moving_source_refers_each_window_to_where_it_is_then(pipeline: ReshootPipeline) -> None:
    """Paths equal to the source's own stand still relative to it, whichever window they are in."""
    path = paths(9, takes=1)
    encoded = []
    pose, pipeline.adapter.cameras = pipeline.adapter.cameras, None

    def watched(cameras: torch.Tensor, **settings):
        encoded.append(cameras)
        return pose(cameras, **settings)

    pipeline.adapter.cameras = watched
    try:
        pipeline(video(9), path, reference=path.c2w, **SIZE)
        pipeline(video(9), path, reference=path.c2w[0, 0], **SIZE)
    finally:
        del pipeline.adapter.cameras
    eye = torch.eye(4)
    assert torch.allclose(encoded[0][0, 0], eye, atol=1e-6) and torch.allclose(encoded[1][0, 0], eye, atol=1e-6)
    assert torch.allclose(encoded[2][0, 0], eye, atol=1e-6)
    assert torch.allclose(encoded[2][0, 4], encoded[3][0, 0], atol=1e-6), "one path through all windows"


def test_long_videos_are_made_in_windows_that_share_their_noise(pipeline: ReshootPipeline) -> None:
    whole = pipeline.noise(3, 1, 0, torch.Size((1, 16, 4, 4, 8)))
    assert torch.equal(pipeline.noise(3, 1, 2, torch.Size((1, 16, 2, 4, 8))), whole[:, :, 2:])
    assert not torch.equal(pipeline.noise(3, 0, 0, whole.shape), whole)
    result = pipeline(video(11), paths(11), **SIZE)
    assert result.videos.shape == (2, 11, 3, 16, 32) and result.latents.shape[:2] == (2, 3)
    first = pipeline.decode(result.latents[:, 0])
    torch.testing.assert_close(result.videos[:, :4], first[:, :4])
    last = pipeline.decode(result.latents[:, 2])
    torch.testing.assert_close(result.videos[:, -2:], last[:, -2:])


def test_frames_are_taken_as_they_are_needed(pipeline: ReshootPipeline) -> None:
    taken = []

    def frames():
        for number, frame in enumerate(video(9)):
            taken.append(number)
            yield frame

    pieces = pipeline.stream(frames(), 9, paths(9, takes=1), **SIZE)
    assert taken == []
    piece = next(pieces)
    assert taken == [0, 1, 2, 3, 4] and torch.equal(piece.source, video(9)[:4])
    assert sum(piece.videos.shape[1] for piece in pieces) == 5


def test_the_source_is_encoded_once_for_all_takes(pipeline: ReshootPipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, encode = [], pipeline.encode
    monkeypatch.setattr(pipeline, "encode", lambda videos: calls.append(1) or encode(videos))
    pipeline(video(), paths(takes=3), **SIZE)
    assert len(calls) == 1


def test_saved_and_loaded_it_makes_the_same(pipeline: ReshootPipeline, tmp_path: Path) -> None:
    pipeline.save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "reshoot" / "config.json").is_file()
    again = ReshootPipeline.from_pretrained(tmp_path / "model", dtype=torch.float32, device="cpu")
    ours, theirs = (one(video(), paths(takes=1), **SIZE).latents for one in (pipeline, again))
    assert torch.equal(ours, theirs)


def test_a_fresh_adapter_of_low_rank(pipeline: ReshootPipeline) -> None:
    base = tiny_wan_pipeline()
    fresh = ReshootPipeline(base, FrameConcatAdapter.from_transformer(base.transformer, rank=2))
    one, other = (fresh(video(), paths(takes=1).frames(chosen), **SIZE) for chosen in (range(5), [0] * 5))
    assert torch.equal(one.latents, other.latents), "it has not learnt to tell cameras apart"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_frames": 6}, "1 more than a multiple of 4"),
        ({"num_inference_steps": -1}, "num_inference_steps must be at least 1"),
        ({"scheduler": "ddim"}, "unknown scheduler"),
        ({"num_frames": 9}, "the video has 5 frames, but 9 are made at a time"),
        ({"reference": torch.eye(4).expand(3, 1, 4, 4)}, r"reference must be c2w .* for 2 takes of 5 frames"),
        ({"video": torch.rand(5, 3, 16, 30)}, "width must be a multiple of 16"),
        ({"cameras": paths(4)}, "frames"),
    ],
)
def test_bad_settings(pipeline: ReshootPipeline, change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pipeline(**{"video": video(), "cameras": paths(), **SIZE, **change})

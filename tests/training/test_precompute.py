"""Latents on disk: encoded once, again only for what changed, and equal to what the autoencoder says."""

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan

from syncam.data.dataset import ClipStore, write_clip
from syncam.data.shard_writer import write_shards
from syncam.data.sources import open_dataset
from syncam.data.video import write_video
from syncam.errors import InputError
from syncam.training.config import Phase
from syncam.training.precompute import (
    STILLS,
    LatentStore,
    check_frames,
    encode_store,
    fingerprint,
    in_turns,
    load_latents,
)
from training.examples import (
    CAPTIONS,
    CHANNELS,
    NUM_FRAMES,
    NUM_VIEWS,
    SIZE,
    stage,
    tiny_autoencoder,
    tiny_clip,
    write_store,
)

TENSORS = [field.name for field in dataclasses.fields(LatentStore) if field.name != "captions"]


@pytest.fixture
def store(data: Path, tmp_path: Path) -> Path:
    """A copy of the data, without its cache, that a test may change."""
    return Path(shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns("cache")))


@pytest.fixture
def encoded(vae: AutoencoderKLWan, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Grows by the size of the batch at every call of the autoencoder's encoder."""
    calls: list[int] = []
    plain = vae.encode

    def counted(pixels: torch.Tensor) -> object:
        calls.append(len(pixels))
        return plain(pixels)

    monkeypatch.setattr(vae, "encode", counted)
    yield calls


def test_shapes(latents: tuple[LatentStore, LatentStore]) -> None:
    for scenes, store in zip((3, 2), latents, strict=True):
        cells, f = SIZE // 8, (NUM_FRAMES - 1) // 4 + 1
        assert store.latents.shape == (scenes, NUM_VIEWS, CHANNELS, f, cells, cells)
        assert store.stills.shape == (scenes, NUM_VIEWS, STILLS, CHANNELS, cells, cells)
        assert store.masks.shape == (scenes, NUM_VIEWS, f, cells, cells)
        assert store.still_masks.shape == (scenes, NUM_VIEWS, STILLS, cells, cells)
        assert store.c2w.shape == (scenes, NUM_VIEWS, f, 4, 4)
        assert store.still_c2w.shape == (scenes, NUM_VIEWS, STILLS, 4, 4)
        assert len(store) == len(store.captions) == scenes
    assert latents[0].captions == list(CAPTIONS[:3])


def test_latents_are_those_of_single_pictures_and_videos(
    data: Path, vae: AutoencoderKLWan, latents: tuple[LatentStore, LatentStore]
) -> None:
    mean, std = (torch.tensor(values).view(-1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std))
    clip = ClipStore(data)[1].read()
    for view in range(NUM_VIEWS):
        video = clip.video[view].transpose(0, 1)[None] * 2 - 1
        expected = (vae.encode(video).latent_dist.mode()[0] - mean) / std
        torch.testing.assert_close(
            latents[0].latents[1, view].float(), expected, atol=2e-3, rtol=1e-3
        )  # kept as float16
        for index, frame in enumerate([0, 2, 2, 4]):
            expected = (vae.encode(video[:, :, frame : frame + 1]).latent_dist.mode()[0] - mean) / std
            found = latents[0].stills[1, view, index][:, None].float()
            torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(latents[0].c2w[1], clip.cameras.c2w[:, ::4].float())
    torch.testing.assert_close(latents[0].still_c2w[1], clip.cameras.c2w[:, [0, 2, 2, 4]].float())


def test_masks_tell_which_cells_show_the_subject(latents: tuple[LatentStore, LatentStore]) -> None:
    expected = torch.zeros(SIZE // 8, SIZE // 8)
    expected[1:2, 2:3] = 1
    assert (latents[0].masks.float() == expected).all()
    assert (latents[0].still_masks.float() == expected).all()


def test_a_mask_counts_for_the_latent_frame_that_its_frame_goes_into(tmp_path: Path, vae: AutoencoderKLWan) -> None:
    clip = tiny_clip(0, num_views=1, num_frames=9)
    masks = torch.zeros_like(clip.masks)
    masks[0, 3, 0, 0] = True  # latent frame 1 stands for frames 1 to 4
    write_clip(tmp_path / "train" / "lens" / "scene1", dataclasses.replace(clip, masks=masks))
    found = encode_store(tmp_path, "train", vae, tmp_path / "cache", bf16=False).masks[0, 0].float()
    assert found.flatten(1).sum(1).tolist() == [0, 1, 0] and found[1, 0, 0] == 1


def test_clips_without_masks_have_empty_ones(tmp_path: Path, vae: AutoencoderKLWan) -> None:
    write_clip(tmp_path / "train" / "lens" / "scene1", dataclasses.replace(tiny_clip(0), masks=None))
    assert not encode_store(tmp_path, "train", vae, tmp_path / "cache", bf16=False).masks.any()


def test_the_second_call_encodes_nothing(store: Path, vae: AutoencoderKLWan, encoded: list[int]) -> None:
    told: list[tuple[int, int]] = []
    first = encode_store(store, "train", vae, store / "cache", bf16=False, progress=lambda *at: told.append(at))
    assert encoded == [NUM_VIEWS, NUM_VIEWS * STILLS] * 3
    assert told == [(1, 3), (2, 3), (3, 3)]
    again = encode_store(store, "train", vae, store / "cache", bf16=False)
    assert len(encoded) == 6
    assert all(torch.equal(getattr(first, name), getattr(again, name)) for name in TENSORS)
    assert first.captions == again.captions


@pytest.mark.parametrize("change", ["video", "caption", "cameras", "masks"])
def test_only_the_changed_scene_is_encoded_again(
    store: Path, vae: AutoencoderKLWan, encoded: list[int], change: str
) -> None:
    first = encode_store(store, "train", vae, store / "cache", bf16=False)
    folder, other = store / "train" / "f24_aperture5" / "scene2", store / "train" / "f24_aperture5" / "scene3"
    if change == "video":
        write_video(folder / "videos" / "cam03.mp4", tiny_clip(7).video[2], 8.0)
    elif change == "caption":
        (folder / "caption.txt").write_text("a green fox\n")
    elif change == "cameras":
        shutil.copy(other / "cameras" / "rig.json", folder / "cameras" / "rig.json")
    else:
        shutil.rmtree(folder / "masks")
    del encoded[:]
    again = encode_store(store, "train", vae, store / "cache", bf16=False)
    assert encoded == [NUM_VIEWS, NUM_VIEWS * STILLS]
    changed = {"video": "latents", "cameras": "c2w", "masks": "masks"}.get(change)
    if changed is None:
        assert again.captions == [first.captions[0], "a green fox", first.captions[2]]
    else:
        equal = [torch.equal(a, b) for a, b in zip(getattr(first, changed), getattr(again, changed), strict=True)]
        assert equal == [True, False, True]


def test_other_weights_and_statistics_have_folders_of_their_own(
    store: Path, vae: AutoencoderKLWan, encoded: list[int]
) -> None:
    encode_store(store, "val", vae, store / "cache", bf16=False)
    other = tiny_autoencoder(seed=1)
    encode_store(store, "val", other, store / "cache", bf16=False)
    assert len(encoded) == 4
    shifted = tiny_autoencoder()
    assert fingerprint(shifted) == fingerprint(vae)
    shifted.register_to_config(latents_mean=[0.0] * CHANNELS)
    assert len({fingerprint(model) for model in (vae, other, shifted)}) == 3
    folders = {f"latents-{fingerprint(model)}" for model in (vae, other)}
    assert {path.name for path in (store / "cache").iterdir()} == folders


def test_another_precision_is_encoded_anew(store: Path, vae: AutoencoderKLWan, encoded: list[int]) -> None:
    exact = encode_store(store, "val", vae, store / "cache", bf16=False)
    rough = encode_store(store, "val", vae, store / "cache", bf16=True)
    assert len(encoded) == 8
    torch.testing.assert_close(exact.latents, rough.latents, atol=0.1, rtol=0.1)


@pytest.mark.parametrize("damage", [b"", b"no tensors at all", None])
def test_a_damaged_file_is_encoded_again(
    store: Path, vae: AutoencoderKLWan, encoded: list[int], damage: bytes | None
) -> None:
    first = encode_store(store, "val", vae, store / "cache", bf16=False)
    (path,) = (store / "cache").glob("*/val/*scene1.safetensors")
    path.write_bytes(path.read_bytes()[:-10] if damage is None else damage)
    del encoded[:]
    again = encode_store(store, "val", vae, store / "cache", bf16=False)
    assert encoded == [NUM_VIEWS, NUM_VIEWS * STILLS]
    assert torch.equal(first.latents, again.latents)


def test_a_crash_while_encoding_leaves_no_half_file(
    store: Path, vae: AutoencoderKLWan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr("syncam.training.precompute.save_file", full)
        encode_store(store, "val", vae, store / "cache", bf16=False)
    assert [path for path in (store / "cache").rglob("*") if path.is_file()] == []


def test_scenes_need_equal_shapes(store: Path, vae: AutoencoderKLWan) -> None:
    write_clip(store / "val" / "f24_aperture5" / "scene9", tiny_clip(0, num_views=3))
    with pytest.raises(InputError, match=r"scene9.safetensors: .* a run needs scenes of equal views, frames and size"):
        encode_store(store, "val", vae, store / "cache", bf16=False)


def test_scenes_of_several_stores_take_turns(latents: tuple[LatentStore, LatentStore]) -> None:
    three, two = latents
    both = in_turns([two, three])
    assert both.captions == [*(store.captions[i] for i in range(2) for store in (two, three)), three.captions[2]]
    for field in dataclasses.fields(LatentStore):
        if field.name != "captions":
            rows = [getattr(store, field.name)[i] for i in range(2) for store in (two, three)]
            assert torch.equal(getattr(both, field.name), torch.stack([*rows, getattr(three, field.name)[2]]))
    assert in_turns([three]) is three


def test_sizes_that_do_not_fit_are_refused(tmp_path: Path, vae: AutoencoderKLWan) -> None:
    write_store(tmp_path / "odd", train=1, held_out=0, size=36)
    with pytest.raises(InputError, match=re.escape("has pictures of (36, 36); the autoencoder needs multiples of 8")):
        encode_store(tmp_path / "odd", "train", vae, tmp_path / "cache")
    write_store(tmp_path / "long", train=1, held_out=0, num_frames=6)
    with pytest.raises(InputError, match="1 more than a multiple of 4, got 6; 5 is the nearest"):
        encode_store(tmp_path / "long", "train", vae, tmp_path / "cache")


def test_recipes_have_to_take_whole_clips_or_stills(latents: tuple[LatentStore, LatentStore]) -> None:
    for num_frames in (1, NUM_FRAMES):
        check_frames(stage("view_sync", Phase(steps=1, batch_size=1, num_frames=num_frames)), latents[0], 4)
    message = "the recipe trains on 17 frames, but the data's videos have 5; render or choose data of 17 frames"
    with pytest.raises(InputError, match=message):
        check_frames(stage("view_sync", Phase(steps=1, batch_size=1, num_frames=17)), latents[0], 4)


def test_files_hold_one_scene_each(data: Path, vae: AutoencoderKLWan, latents: tuple[LatentStore, LatentStore]) -> None:
    paths = sorted((data / "cache" / f"latents-{fingerprint(vae)}" / "train").glob("*.safetensors"))
    assert [path.name for path in paths] == [f"f24_aperture5-scene{index}.safetensors" for index in (1, 2, 3)]
    assert torch.equal(load_latents(paths[1:2]).latents[0], latents[0].latents[1])


def test_shards_and_videos_without_cameras_are_read_too(
    store: Path, vae: AutoencoderKLWan, encoded: list[int], tmp_path: Path
) -> None:
    """What was encoded of a folder holds for the same scenes in tar files."""
    shards, cache = tmp_path / "shards", tmp_path / "cache"
    write_shards(open_dataset(store), shards)
    first = encode_store(store, "train", vae, cache, bf16=False)
    encoded.clear()
    again = encode_store(shards, "train", vae, cache, bf16=False)
    assert encoded == [] and again.captions == first.captions and torch.equal(again.latents, first.latents)
    videos = tmp_path / "videos" / "train"
    videos.mkdir(parents=True)
    shutil.copy(ClipStore(store)[0].footage[0].path, videos / "one.mp4")
    with pytest.raises(InputError, match="one.mp4 has no caption to train on; syncam data caption .* writes captions"):
        encode_store(videos.parent, "train", vae, cache, bf16=False)
    (videos / "metadata.csv").write_text("file_name,text\none.mp4,a dog\n")
    alone = encode_store(videos.parent, "train", vae, cache, bf16=False)
    assert alone.captions == ["a dog"] and torch.equal(alone.latents[0, 0], first.latents[0, 0])

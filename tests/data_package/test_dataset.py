"""Clips on disk in the layout of SynCamVideo, and the choice of views to train on."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from syncam.cameras import Cameras, hemisphere
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import ClipStore, SceneFolder, pick_views, read_mask, write_clip, write_mask
from syncam.errors import InputError


def make_clip(views: int = 3, frames: int = 5, masks: bool = True) -> MultiViewClip:
    cameras = hemisphere(views=views, radius=4, num_frames=frames, hw=(16, 32))
    video = torch.linspace(0, 1, views)[:, None, None, None, None].expand(views, frames, 3, 16, 32).contiguous()
    mask = torch.zeros(views, frames, 16, 32, dtype=torch.bool)
    mask[:, 1:, 3:7, 5:20] = True
    return MultiViewClip(video, cameras, "a red horse", 8.0, mask if masks else None)


def test_written_and_read_back(tmp_path: Path) -> None:
    clip = make_clip()
    write_clip(tmp_path / "train" / "f24_aperture5" / "scene1", clip, scene={"seed": 3})
    (scene,) = ClipStore(tmp_path, "train").scenes
    back = scene.read()
    assert (back.video - clip.video).abs().max() < 0.03
    assert torch.equal(back.cameras.c2w, clip.cameras.c2w) and torch.equal(back.cameras.K, clip.cameras.K)
    assert back.masks is not None and torch.equal(back.masks, clip.masks)
    assert (back.caption, back.fps) == ("a red horse", 8.0)
    assert json.loads((scene.path / "scene.json").read_text()) == {"seed": 3}


def test_some_views_and_frames(tmp_path: Path) -> None:
    clip = make_clip()
    write_clip(tmp_path / "scene", clip)
    part = SceneFolder(tmp_path / "scene").read(views=[2, 0], frames=[4, 1])
    assert part.video.shape == (2, 2, 3, 16, 32)
    assert torch.equal(part.cameras.c2w, clip.cameras.view([2, 0]).frames([4, 1]).c2w)
    assert part.video[0].mean() > 0.9 > 0.1 > part.video[1].mean()


def test_the_published_camera_file_alone_is_enough(tmp_path: Path) -> None:
    clip = make_clip()
    write_clip(tmp_path / "f24_aperture5" / "scene", clip)
    (tmp_path / "f24_aperture5" / "scene" / "cameras" / "rig.json").unlink()
    cameras = SceneFolder(tmp_path / "f24_aperture5" / "scene").cameras
    torch.testing.assert_close(cameras.c2w, clip.cameras.c2w, atol=1e-6, rtol=0)
    torch.testing.assert_close(cameras.K, clip.cameras.K)


def test_scenes_are_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_clip(tmp_path / "val" / "f24_aperture5" / f"scene{number}", make_clip(views=1))
    assert [scene.path.name for scene in ClipStore(tmp_path, "val").scenes] == ["scene1", "scene2", "scene10"]


def test_nothing_is_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncam.data.dataset.save_rig", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        write_clip(tmp_path / "scene", make_clip())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: (s / "caption.txt").unlink(), "caption.txt is missing"),
        (lambda s: (s / "caption.txt").write_bytes(b"\xff\xfe"), "caption.txt is not UTF-8"),
        (lambda s: (s / "caption.txt").write_text(" "), "caption.txt is empty"),
        (lambda s: (s / "videos" / "cam02.mp4").unlink(), "has 3 cameras but .*videos has 2 videos"),
        (lambda s: (s / "videos" / "cam02.mp4").write_bytes(b"x"), "cam02.mp4"),
        (lambda s: (s / "masks" / "cam01.npz").write_bytes(b"x"), "cam01.npz"),
        (lambda s: [p.unlink() for p in (s / "cameras").iterdir()], "camera_extrinsics.json is missing"),
    ],
)
def test_damaged_scenes_name_the_file(tmp_path: Path, damage: object, message: str) -> None:
    write_clip(tmp_path / "scene", make_clip())
    damage(tmp_path / "scene")  # pyright: ignore[reportCallIssue]
    with pytest.raises(InputError, match=message):
        SceneFolder(tmp_path / "scene").read()


def test_empty_and_missing_stores(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        ClipStore(tmp_path, "train")
    (tmp_path / "train").mkdir()
    with pytest.raises(InputError, match="is no data set that is known; expected <split>/<lens>/<scene>/videos"):
        ClipStore(tmp_path, "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video": torch.rand(3, 5, 3, 16, 32) * 2}, r"must lie in \[0, 1\]"),
        ({"fps": 0.0}, "fps must be positive"),
        ({"cameras": hemisphere(views=2, radius=4, num_frames=5, hw=(16, 32))}, "2 views but video has 3"),
        ({"cameras": hemisphere(views=3, radius=4, num_frames=4, hw=(16, 32))}, "4 frames but video has 5"),
        ({"cameras": hemisphere(views=3, radius=4, num_frames=5, hw=(16, 16))}, "cameras is for"),
    ],
)
def test_clips_check_themselves(change: dict, message: str) -> None:
    clip = make_clip(masks=False)
    with pytest.raises(InputError, match=message):
        MultiViewClip(**({"video": clip.video, "cameras": clip.cameras, "caption": "", "fps": 8.0} | change))


def ring() -> Cameras:
    """Twelve cameras, 30 degrees apart."""
    return hemisphere(views=12, radius=5, span_deg=360, hw=(16, 16))


def test_picked_views_keep_to_the_bounds() -> None:
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        first, *others = pick_views(ring(), 3, max_azimuth_deg=60, generator=generator)
        steps = [min((view - first) % 12, (first - view) % 12) for view in others]
        assert len({first, *others}) == 3 and max(steps) <= 2


def test_the_nearest_fill_up_where_too_few_qualify() -> None:
    first, *others = pick_views(ring(), 3, max_azimuth_deg=10, generator=torch.Generator().manual_seed(0))
    assert {(view - first) % 12 for view in others} == {1, 11}


def test_unbounded_picks_reach_every_view() -> None:
    generator = torch.Generator().manual_seed(0)
    seen = {view for _ in range(60) for view in pick_views(ring(), 2, generator=generator)}
    assert seen == set(range(12))


def test_more_views_than_there_are() -> None:
    with pytest.raises(InputError, match=r"1\.\.12"):
        pick_views(ring(), 13, generator=torch.Generator())


@pytest.mark.parametrize("hw", [(2, 6), (4, 4), (3, 5)])
def test_masks_of_chosen_frames(tmp_path: Path, hw: tuple[int, int]) -> None:
    """Also where frames begin in the midst of a byte."""
    mask = torch.rand(5, *hw, generator=torch.Generator().manual_seed(0)) > 0.5
    write_mask(tmp_path / "mask.npz", mask)
    assert torch.equal(read_mask(tmp_path / "mask.npz"), mask)
    for frames in ([3], [4, 0, 0], range(1, 5, 2)):
        assert torch.equal(read_mask(tmp_path / "mask.npz", frames), mask[list(frames)])
    for frames in ([5], [-1], []):
        with pytest.raises(InputError, match=r"frames of mask .*mask\.npz must lie in 0\.\.4, got"):
            read_mask(tmp_path / "mask.npz", frames)
    np.savez(tmp_path / "mask.npz", mask=np.zeros(1, np.uint8), shape=np.array([5, *hw]))
    with pytest.raises(InputError, match="1 bytes for 5 frames"):
        read_mask(tmp_path / "mask.npz")

"""A mixture gives clips of one class, whatever they are made of: by number and seed, in the shares of its weights."""

from collections import Counter
from copy import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from data_package.layouts import make_dl3dv, make_realestate, make_syncamvideo, make_videos
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import ClipStore, pick_views
from syncam.data.mix import Mix, Part
from syncam.data.sources import open_dataset
from syncam.errors import InputError


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    make_syncamvideo(folder / "rendered", views=4)
    make_realestate(folder / "walks")
    make_dl3dv(folder / "places")
    make_videos(folder / "videos")
    return folder


def hybrid(sets: Path, seed: int = 0, **options: Any) -> Mix:
    rendered, walks, places, videos = (open_dataset(sets / name) for name in ("rendered", "walks", "places", "videos"))
    parts = [
        Part(dataset=rendered, weight=0.6, num_views=2, num_frames=3, hw=(8, 16), max_azimuth_deg=100),
        Part(dataset=walks, weight=0.1, num_views=2, moments=True, hw=(8, 16)),
        Part(dataset=places, weight=0.1, num_views=3, moments=True, hw=(8, 16)),
        Part(dataset=videos, weight=0.2, num_frames=2, stride=3, hw=(8, 16)),
    ]
    return Mix(parts, seed=seed, **options)


def test_one_class_for_all(sets: Path) -> None:
    mix = hybrid(sets)
    shapes = {0: (2, 3), 1: (2, 1), 2: (3, 1), 3: (1, 2)}
    seen = set()
    for index in range(40):
        clip, draw = mix[index], mix.draw(index)
        assert isinstance(clip, MultiViewClip) and (draw.part, draw.scene) == mix.scene(index)
        assert clip.video.shape == (*shapes[draw.part], 3, 8, 16)
        assert (clip.cameras is None) == (draw.part == 3)
        scene = copy(mix.parts[draw.part].dataset[draw.scene])
        part = scene.read(draw.views, draw.frames, (8, 16))
        assert torch.equal(clip.video, part.video.transpose(0, 1) if draw.part in (1, 2) else part.video)
        if clip.cameras is not None:
            assert (clip.cameras.num_views, clip.cameras.num_frames) == shapes[draw.part]
        seen.add(draw.part)
    assert seen == {0, 1, 2, 3}
    assert all(set(scene.__dict__) == {"path", "text"} for scene in mix.parts[0].dataset)


def test_shares_are_the_weights_and_every_scene_is_met(sets: Path) -> None:
    mix = hybrid(sets)
    drawn = Counter(mix.scene(index) for index in range(3000))
    shares = Counter[int]()
    for (part, _), count in drawn.items():
        shares[part] += count
    assert [shares[part] / 3000 for part in range(4)] == pytest.approx([0.6, 0.1, 0.1, 0.2], abs=0.03)
    assert drawn.keys() == {(part, scene) for part in range(4) for scene in range(len(mix.parts[part].dataset))}


def test_a_number_means_a_clip(sets: Path) -> None:
    one, same, other = hybrid(sets), hybrid(sets), hybrid(sets, seed=1)
    backwards = {index: same.draw(index) for index in reversed(range(30))}
    assert all(one.draw(index) == draw for index, draw in backwards.items())
    assert any(other.draw(index) != draw for index, draw in backwards.items())
    assert torch.equal(one[7].video, same[7].video)
    assert len({(tuple(d.views), tuple(d.frames)) for d in backwards.values()}) > 10
    with pytest.raises(InputError, match="numbered from 0 up, got -1"):
        one.scene(-1)


def test_batches_are_of_one_part(sets: Path) -> None:
    mix = hybrid(sets, batch_size=4)
    parts = [mix.scene(index)[0] for index in range(80)]
    assert all(len(set(parts[start : start + 4])) == 1 for start in range(0, 80, 4)) and len(set(parts)) == 4
    assert len({mix.draw(index).scene for index in range(80) if parts[index] == 0}) > 1


def test_views_and_frames_of_a_part(sets: Path) -> None:
    rendered = open_dataset(sets / "rendered")
    everything = Mix([Part(dataset=rendered, weight=2, num_views=None, num_frames=None)], seed=0)
    assert everything.draw(5).views == [0, 1, 2, 3] and everything.draw(5).frames == [0, 1, 2, 3, 4]
    windows = Mix([Part(dataset=rendered, weight=1, num_frames=2, stride=2, num_views=3)], seed=0)
    draws = [windows.draw(index) for index in range(60)]
    assert {tuple(draw.frames) for draw in draws} == {(0, 2), (1, 3), (2, 4)}
    assert all(len(set(draw.views)) == 3 for draw in draws) and len({tuple(draw.views) for draw in draws}) > 10
    near = Mix([Part(dataset=rendered, weight=1, num_views=2, max_azimuth_deg=95)], seed=0)
    cameras = rendered[0].cameras
    assert cameras is not None
    allowed = set()
    for seed in range(100):
        generator = torch.Generator().manual_seed(seed)
        allowed.add(tuple(pick_views(cameras, 2, max_azimuth_deg=95, generator=generator)))
    assert {tuple(near.draw(index).views) for index in range(60)} <= allowed


def test_clip_stores_can_be_mixed(sets: Path, tmp_path: Path) -> None:
    make_syncamvideo(tmp_path)
    mix = Mix([Part(dataset=ClipStore(tmp_path), weight=1, num_frames=2)], seed=0)
    with pytest.raises(InputError, match=r"caption\.txt is missing"):
        mix[0]
    for scene in ClipStore(tmp_path).scenes:
        (scene.path / "caption.txt").write_text("a dance")
    assert mix[0].caption == "a dance"


def test_what_does_not_fit_is_said(sets: Path) -> None:
    rendered, videos = open_dataset(sets / "rendered"), open_dataset(sets / "videos")

    def part(**options: Any) -> Part:
        return Part(**({"dataset": rendered, "weight": 1} | options))

    for options, message in (
        ({"num_views": 0}, "num_views must be at least 1"),
        ({"weight": -1}, "weight must be"),
        ({"weight": float("nan")}, "weight must be"),
        ({"moments": True, "num_frames": 2}, "one frame and a number"),
        ({"moments": True, "num_views": None}, "one frame and a number"),
        ({"max_distance": 1.0}, "no effect"),
    ):
        with pytest.raises(InputError, match=message):
            part(**options)
    for parts in ([], [part(weight=0)], [part(weight=float("inf"))]):
        with pytest.raises(InputError, match="weight above 0"):
            Mix(parts, seed=0)
    for wrong, message in (
        (part(num_views=5), "has 4 views where a clip takes 5"),
        (part(num_frames=4, stride=2), "has 5 frames where a clip takes 4 at a distance of 2"),
        (part(moments=True, num_views=6), "has 5 frames for the 6 views"),
        (part(dataset=videos, num_views=2, max_azimuth_deg=9), "has 1 views"),
    ):
        with pytest.raises(InputError, match=message):
            Mix([wrong], seed=0).draw(0)
    with pytest.raises(InputError, match="batch_size"):
        Mix([part()], seed=0, batch_size=0)

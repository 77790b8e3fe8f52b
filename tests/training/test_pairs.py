"""Pairs of videos: which frames they are, that cameras and warps tell what corresponds, and what is refused."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from syncam.cameras import Cameras, hemisphere
from syncam.cameras.epipolar import epipolar_geometry, homography_geometry
from syncam.data.clip import MultiViewClip
from syncam.data.dataset import ClipStore
from syncam.data.footage import Footage
from syncam.data.scene import Scene
from syncam.errors import InputError
from syncam.training.pairs import Kind, Pair, Spread, draw_pair, homographies, warp

STILL = Spread(translation=0, rotation_deg=0, scale=0, shear=0, projection=0)


@dataclass
class Numbered(Scene):
    """A scene whose pictures have the value (view + frame / 100) / 8; its cameras step along x frame by frame."""

    num_views: int = 3
    num_frames: int = 12
    known: bool = True
    path: Path = Path("scene1")

    @property
    def footage(self) -> list[Footage]:
        return []

    @property
    def cameras(self) -> Cameras | None:
        cameras = hemisphere(views=self.num_views, radius=4, num_frames=self.num_frames, hw=(16, 24))
        c2w = cameras.c2w.clone()
        c2w[:, :, 0, 3] = torch.arange(self.num_frames).double()
        return Cameras(c2w, cameras.K, cameras.hw) if self.known else None

    def read(self, views: Any = None, frames: Any = None, hw: Any = None, **_: Any) -> MultiViewClip:
        value = torch.tensor([[view + frame / 100 for frame in frames] for view in views])
        cameras = self.cameras
        told = None if cameras is None else cameras.view(views).frames(list(frames))
        return MultiViewClip(value[:, :, None, None, None].div(8).expand(-1, -1, 3, *hw), told, "a horse", 8.0)


def draw(scene: Scene, kind: Kind, seed: int = 0, num_frames: int = 3, **changes: Any) -> Pair:
    numbers: dict[str, Any] = {"hw": (16, 24), "max_stride": 2, "spread": STILL} | changes
    generator = torch.Generator().manual_seed(seed)
    return draw_pair(scene, kind, num_frames=num_frames, generator=generator, **numbers)


def moments(pair: Pair) -> tuple[list[int], list[list[int]]]:
    """The view and the frames that each video of a pair is made of."""
    value = pair.video[:, :, 0, 0, 0] * 8
    return value.floor()[:, 0].int().tolist(), (value.frac() * 100).round().int().tolist()


@pytest.mark.parametrize(("max_stride", "stride"), [(1, 1), (2, 2), (5, 2)])
def test_a_folded_video_runs_from_its_middle_both_ways(max_stride: int, stride: int) -> None:
    seen = set()
    for seed in range(30):
        pair = draw(Numbered(), "folded", seed, max_stride=max_stride)
        views, (back, forth) = moments(pair)
        assert views[0] == views[1]
        assert back[0] == forth[0], "they share the first frame"
        assert [back[0] - frame for frame in back] == [frame - forth[0] for frame in forth] == [0, stride, 2 * stride]
        assert pair.cameras is not None and pair.valid.all() and pair.warps is None
        assert pair.cameras.positions[..., 0].round().int().tolist() == [back, forth], "cameras go with the frames"
        seen.add((views[0], back[0]))
    assert len({view for view, _ in seen}) == 3 and len({frame for _, frame in seen}) == 12 - 4 * stride


def test_synchronised_pairs_are_two_views_of_the_same_moments() -> None:
    pairs = [draw(Numbered(), "synchronised", seed) for seed in range(30)]
    for pair in pairs:
        (first, second), (left, right) = moments(pair)
        assert first != second and left == right
        assert pair.cameras is not None
        assert pair.cameras.positions[..., 0].round().int().tolist() == [left, right]
    assert len({tuple(moments(pair)[0]) for pair in pairs}) == 6


def test_lines_of_folded_pairs_meet_what_both_see() -> None:
    pair = draw(Numbered(), "folded")
    assert pair.cameras is not None
    c2w, K = pair.cameras.c2w, pair.cameras.K
    geometry = epipolar_geometry(c2w[0], K[0], c2w[1], K[1])
    assert geometry.same_centre.tolist() == [True, False, False]
    world = torch.tensor([5.0, 0.5, 0.7, 1.0], dtype=torch.float64)
    pixels = [(K[view] @ (torch.linalg.inv(c2w[view]) @ world)[:, :3, None]).squeeze(-1) for view in (0, 1)]
    products = (pixels[1][:, None] @ geometry.fundamental @ pixels[0][..., None]).flatten()
    torch.testing.assert_close(products[1:], torch.zeros(2, dtype=torch.float64), atol=1e-9, rtol=0)


def test_warps_begin_with_none_and_move_what_they_say() -> None:
    hw, spread = (20, 32), Spread(translation=0.3, rotation_deg=20)
    warps = homographies(5, hw, spread, torch.Generator().manual_seed(1))
    torch.testing.assert_close(warps[0], torch.eye(3, dtype=torch.float64))
    y, x = torch.meshgrid(torch.arange(hw[0]).double(), torch.arange(hw[1]).double(), indexing="ij")
    ramp = torch.stack((x, y, x + y)).expand(5, -1, -1, -1)  # linear: what is between pixels is exact
    moved, valid = warp(ramp, warps)
    torch.testing.assert_close(moved[0], ramp[0])
    assert valid[0].all() and 0.3 < valid[-1].float().mean() < 1
    source = torch.cat((moved[:, :2], torch.ones_like(moved[:, :1])), 1)
    there = torch.einsum("fij,fjhw->fihw", warps, source)
    there = there[:, :2] / there[:, 2:]
    shown = valid[:, None].expand_as(there)
    torch.testing.assert_close(there[shown], torch.stack((x, y)).expand_as(there)[shown], atol=1e-4, rtol=0)
    assert not moved[~valid[:, None].expand_as(moved)].any(), "black where there is nothing"


def test_spreads_are_standard_deviations_at_the_last_frame() -> None:
    generator, hw = torch.Generator().manual_seed(0), (32, 32)
    spread = Spread(translation=0.1, rotation_deg=0, scale=0, shear=0, projection=0)
    last = torch.stack([homographies(3, hw, spread, generator)[1:] for _ in range(2000)])
    assert last[:, 1, :2, 2].std().item() == pytest.approx(0.1 * 16, rel=0.05)
    assert last[:, 0, :2, 2].std().item() == pytest.approx(0.05 * 16, rel=0.05)
    turned = torch.stack(
        [
            homographies(2, hw, Spread(translation=0, rotation_deg=8, scale=0, shear=0, projection=0), generator)[1]
            for _ in range(2000)
        ]
    )
    angle = torch.atan2(turned[:, 1, 0], turned[:, 0, 0]).rad2deg()
    assert angle.std().item() == pytest.approx(8, rel=0.05)


def test_warped_pairs_need_no_cameras() -> None:
    pair = draw(Numbered(known=False), "warped", spread=Spread())
    assert pair.cameras is None and pair.warps is not None
    assert torch.equal(pair.warps[0], torch.eye(3, dtype=torch.float64).expand(3, 3, 3))
    assert pair.valid[0].all() and not pair.valid[1, -1].all()
    there = homography_geometry(pair.warps[1] @ torch.linalg.inv(pair.warps[0]))
    assert there.same_centre.all() and torch.equal(there.infinite_homography, pair.warps[1])


def test_videos_on_disk_become_pairs(data: Path) -> None:
    scene = ClipStore(data, "train")[0]
    pair = draw(scene, "folded", hw=(16, 16))
    assert pair.video.shape == (2, 3, 3, 16, 16) and pair.cameras is not None and pair.cameras.hw == (16, 16)
    assert torch.equal(pair.video[0, 0], pair.video[1, 0])


@pytest.mark.parametrize(
    ("scene", "kind", "message"),
    [
        (Numbered(num_frames=4), "folded", "scene1 has 4 frames, but folded pairs of 3 frames need 5"),
        (Numbered(num_frames=2), "warped", "scene1 has 2 frames, but warped pairs of 3 frames need 3"),
        (Numbered(known=False), "folded", "has no cameras, which folded pairs need; warped pairs need none"),
        (Numbered(num_views=1), "synchronised", "scene1 has a single view; synchronised pairs need two"),
    ],
)
def test_what_makes_no_pair_is_refused(scene: Numbered, kind: Kind, message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw(scene, kind)

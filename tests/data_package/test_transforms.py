"""Pixels, masks and cameras stay together: a point of the world stays on the same pixel's colour."""

import pytest
import torch

from syncam.cameras import hemisphere
from syncam.data.clip import MultiViewClip
from syncam.data.transforms import crop, fit, fit_cameras, fit_pixels, resize, select
from syncam.errors import InputError

HW = (48, 96)


def clip(cameras: bool = True) -> MultiViewClip:
    """Red counts columns and green counts rows; the mask is the right half."""
    rows, columns = torch.meshgrid(torch.arange(HW[0]) + 0.5, torch.arange(HW[1]) + 0.5, indexing="ij")
    picture = torch.stack([columns / HW[1], rows / HW[0], torch.zeros(HW)])
    masks = torch.zeros(2, 6, *HW, dtype=torch.bool)
    masks[..., HW[1] // 2 :] = True
    rig = hemisphere(views=2, radius=4, num_frames=6, hw=HW) if cameras else None
    return MultiViewClip(picture.expand(2, 6, 3, *HW).contiguous(), rig, "x", 12.0, masks)


CHANGES = {
    "crop": lambda c: crop(c, 3, 11, (30, 50)),
    "resize": lambda c: resize(c, (24, 32)),
    "fit, cut at the sides": lambda c: fit(c, (24, 24)),
    "fit, cut above and below": lambda c: fit(c, (16, 64)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_points_keep_their_colours(change) -> None:
    before, after = clip(), change(clip())
    point = torch.tensor([[0.1, -0.05, 0.9]], dtype=torch.float64)
    x, y = before.cameras.project(point)[0][0, 0, 0].tolist()
    new_x, new_y = after.cameras.project(point)[0][0, 0, 0].tolist()
    colour = after.video[0, 0, :, int(new_y), int(new_x)]
    assert colour[0] * HW[1] == pytest.approx(x, abs=2.5) and colour[1] * HW[0] == pytest.approx(y, abs=2.5)
    assert after.masks is not None and after.masks.dtype == torch.bool
    assert torch.equal(after.masks[0, 0, 0], after.video[0, 0, 0, 0] > 0.5)


def test_fit_of_parts_is_fit_of_the_whole() -> None:
    whole = fit(clip(), (20, 20))
    assert torch.equal(fit_pixels(clip().video, (20, 20)), whole.video)
    assert torch.equal(fit_cameras(clip().cameras, (20, 20)).K, whole.cameras.K)
    bytes_ = fit_pixels((clip().video * 255).round().to(torch.uint8), (20, 20))
    assert bytes_.dtype == torch.uint8 and (bytes_ / 255 - whole.video).abs().max() < 0.01


def test_views_and_frames() -> None:
    part = select(clip(), views=[1], frames=range(0, 6, 2))
    assert part.video.shape[:2] == (1, 3) and part.fps == 6 and part.cameras.num_frames == 3
    assert select(clip(cameras=False), frames=[3, 1]).cameras is None
    with pytest.raises(InputError, match=r"frames must lie in 0\.\.5"):
        select(clip(), frames=[6])


def test_bad_sizes() -> None:
    with pytest.raises(InputError, match="leaves the picture of 48x96"):
        crop(clip(), 30, 0, (30, 50))
    for hw in ((0, 4), (4, -1)):
        with pytest.raises(InputError, match="whole pixels"):
            fit(clip(), hw)
        with pytest.raises(InputError, match="whole pixels"):
            resize(clip(), hw)


@pytest.mark.parametrize("hw", [(10, 30), (40, 20), (17, 23)])
def test_how_pixels_lie_in_memory_does_not_matter(hw: tuple[int, int]) -> None:
    together = torch.randint(0, 256, (33, 47, 3), dtype=torch.uint8).permute(2, 0, 1)  # as pictures are decoded
    assert torch.equal(fit_pixels(together, hw), fit_pixels(together.contiguous(), hw))
    assert torch.equal(fit_pixels(together[None].contiguous(), hw)[0], fit_pixels(together, hw))

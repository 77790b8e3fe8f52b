"""Likeness of pixels and calm over time, against plain formulas."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syncam.errors import InputError
from syncam.evaluation.flow import warp_error
from syncam.evaluation.pixels import psnr, ssim, temporal_flickering


def texture(frames: int = 4, hw: tuple[int, int] = (40, 56)) -> torch.Tensor:
    coarse = torch.rand(1, 3, hw[0] // 4, hw[1] // 4)
    return F.interpolate(coarse, hw, mode="bicubic").clamp(0, 1).repeat(frames, 1, 1, 1)


def test_psnr_and_ssim_of_equal_and_of_noisy_videos() -> None:
    video = texture()
    assert bool(psnr(video, video).isinf().all()) and ssim(video, video).tolist() == pytest.approx([1.0] * 4)
    assert psnr(video, (video - 0.1)).tolist() == pytest.approx([20.0] * 4, abs=1e-3)
    noise = [ssim(video, (video + size * torch.randn(video.shape)).clamp(0, 1)).mean() for size in (0.02, 0.1, 0.3)]
    assert 1 > noise[0] > noise[1] > noise[2] > 0


def test_ssim_by_its_formula() -> None:
    """One window as large as the picture's inside: the statistics written out."""
    one, other = torch.rand(2, 1, 1, 11, 11).double().unbind()
    g = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    w = np.outer(g, g) / g.sum() ** 2
    a, b = one[0, 0].numpy(), other[0, 0].numpy()
    mean_a, mean_b = (w * a).sum(), (w * b).sum()
    var_a, var_b = (w * a * a).sum() - mean_a**2, (w * b * b).sum() - mean_b**2
    both = (w * a * b).sum() - mean_a * mean_b
    centre = (2 * mean_a * mean_b + 1e-4) * (2 * both + 9e-4)
    centre /= (mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)
    pad = 5  # torchmetrics averages over what the window covers wholly
    big = [F.pad(x, (pad,) * 4, mode="reflect") for x in (one, other)]
    from torchmetrics.functional.image import structural_similarity_index_measure

    picture = structural_similarity_index_measure(*big, data_range=1.0, return_full_image=True)[1]
    assert float(picture[0, 0, 10, 10]) == pytest.approx(centre, rel=1e-5)
    assert ssim(*big).shape == (1,)


def test_flickering_is_vbenchs_formula() -> None:
    video = torch.rand(5, 3, 8, 12)
    frames = (video * 255).round().numpy().astype(np.float64)
    expected = (255 - np.mean([np.abs(a - b).mean() for a, b in zip(frames, frames[1:], strict=False)])) / 255
    assert temporal_flickering(video) == pytest.approx(expected)
    assert temporal_flickering(video[:1].repeat(3, 1, 1, 1)) == 1.0


def test_warp_error_follows_motion_and_sees_flicker() -> None:
    wide = texture(1, (48, 96))[0]
    moving = torch.stack([wide[:, :, shift : shift + 64] for shift in range(0, 10, 2)])
    flickering = moving + torch.tensor([0.0, 0.1, 0.0, 0.1, 0.0]).view(-1, 1, 1, 1)
    calm, shaken = float(warp_error(moving).mean()), float(warp_error(flickering.clamp(0, 1)).mean())
    plain = float((moving[1:] - moving[:-1]).square().mean()) * 1000
    assert calm < plain / 4 and shaken > 4 * calm
    assert float(warp_error(moving[:1].repeat(2, 1, 1, 1)).max()) < 1e-6


def test_what_cannot_be_compared_is_refused() -> None:
    video = torch.rand(2, 3, 20, 20)
    with pytest.raises(InputError, match=r"same frames and size.*\[2, 3, 20, 20\] and \[1, 3, 20, 20\]"):
        psnr(video, video[:1])
    with pytest.raises(InputError, match="at least 11x11"):
        ssim(video[..., :8], video[..., :8])
    with pytest.raises(InputError, match="two frames or more"):
        warp_error(video[:1])
    assert math.isinf(float(psnr(video, video).max()))

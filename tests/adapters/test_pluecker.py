"""Cameras by their rays: what the encoder sees, when it runs, and where its features go."""

import logging

import pytest
import torch

from adapters.motion_examples import SIZES, fresh, inputs, rig, run, take, trained, with_norms_per_frame
from syncam.adapters import PlueckerAdapter
from syncam.adapters.pluecker import PoseMerge
from syncam.cameras.cameras import Cameras
from syncam.cameras.rays import pluecker
from syncam.errors import InputError
from tiny import tiny_motion_unet


def test_features_equal_the_encoder_of_each_view_alone() -> None:
    unet, cameras = tiny_motion_unet(), rig(3)
    control = trained(PlueckerAdapter, unet, translation_scale=2.0)
    halved = Cameras(c2w=cameras.c2w.clone(), K=cameras.K, hw=cameras.hw)
    halved.c2w[..., :3, 3] /= 2.0
    with torch.no_grad(), control.cameras(cameras):
        features = control._features(control._camera_state, torch.device("cpu"))
        for view in range(3):
            alone = control.encoder(pluecker(halved.view(view), view=None, frame=0))
            for level, expected in zip(features, alone, strict=True):
                torch.testing.assert_close(level[:, view], expected, rtol=1e-4, atol=1e-4)
    assert [tuple(level.shape) for level in features] == [(1, 3, 24, 3, 8), (1, 3, 6, 3, 16)]


def test_a_merge_adds_to_the_tokens_it_sees() -> None:
    merge = PoseMerge(4)
    torch.nn.init.normal_(merge.linear.weight)
    torch.nn.init.normal_(merge.linear.bias)
    h, p = torch.randn(6, 3, 4), torch.randn(3, 3, 4)
    expected = torch.stack([h[n] + 0.5 * merge.linear(h[n] + p[n % 3]) for n in range(6)])
    torch.testing.assert_close(merge(h, p, 0.5), expected)


def test_cameras_are_encoded_once_per_generation_but_never_stale() -> None:
    unet, kwargs = tiny_motion_unet(), inputs(2)
    control = trained(PlueckerAdapter, unet)
    calls = []
    control.encoder.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad(), control.attach(unet), control.cameras(rig(2)):
        first = run(unet, kwargs)
        run(unet, kwargs)
        with control.views([1]):
            run(unet, take(kwargs, [1]))
        assert len(calls) == 2, "one call per view"
        control.encoder.conv_in.weight.add_(1.0)
        assert not torch.equal(run(unet, kwargs), first)
        assert len(calls) == 4
    control.requires_grad_(False)
    with control.attach(unet), control.cameras(rig(2)):
        run(unet, kwargs)
        run(unet, kwargs)
    assert len(calls) == 6, "a frozen encoder runs once while others are trained"


def test_views_do_not_see_each_other() -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(3), rig(3)
    control = trained(PlueckerAdapter, unet)
    with torch.no_grad(), control.attach(unet), control.cameras(cameras):
        together = run(unet, kwargs)
        with control.views([2, 0]):
            torch.testing.assert_close(run(unet, take(kwargs, [2, 0])), together[[2, 0]], rtol=1e-5, atol=1e-5)


def test_each_view_starts_at_its_own_first_camera() -> None:
    """Moving one view's whole path changes nothing."""
    unet, kwargs, cameras = tiny_motion_unet(), inputs(2), rig(2)
    control = trained(PlueckerAdapter, unet)
    c2w = cameras.c2w.clone()
    c2w[1] = rig(1, num_frames=2, seed=9).c2w[0, 1] @ c2w[1]
    moved = Cameras(c2w=c2w, K=cameras.K, hw=cameras.hw)
    with torch.no_grad(), control.attach(unet):
        with control.cameras(cameras):
            before = run(unet, kwargs)
        with control.cameras(moved):
            torch.testing.assert_close(run(unet, kwargs), before, rtol=1e-4, atol=1e-4)


def test_strength() -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(2), rig(2)
    control = trained(PlueckerAdapter, unet)
    with torch.no_grad():
        without = with_norms_per_frame(unet, kwargs)
    with torch.no_grad(), control.attach(unet):
        with control.cameras(cameras, strength=0.0):
            assert torch.equal(run(unet, kwargs), without)
        with control.cameras(cameras, strength=0.5):
            half = run(unet, kwargs)
        with control.cameras(cameras):
            assert (run(unet, kwargs) - half).abs().max() > 1e-3


def test_more_frames_than_the_encoder_was_trained_with(caplog: pytest.LogCaptureFixture) -> None:
    unet = tiny_motion_unet()
    control = fresh(PlueckerAdapter, unet, trained_frames=2)
    with torch.no_grad(), control.attach(unet), caplog.at_level(logging.WARNING):
        for _ in range(2):
            with control.cameras(rig(1)):
                run(unet, inputs(1))
    assert [record.message for record in caplog.records] == ["the camera encoder was trained with 2 frames, not with 3"]
    short = fresh(PlueckerAdapter, unet, max_frames=2)
    with (
        torch.no_grad(),
        short.attach(unet),
        short.cameras(rig(1)),
        pytest.raises(InputError, match=r"has 3 frames, but this adapter knows 2 at most \(max_frames\)"),
    ):
        run(unet, inputs(1))


def test_contradictory_settings() -> None:
    with pytest.raises(InputError, match="must be positive, got 0.0"):
        PlueckerAdapter(block_out_channels=[8], layers_per_block=1, translation_scale=0.0, **SIZES[PlueckerAdapter])

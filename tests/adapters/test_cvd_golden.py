"""The whole stack (UNet, motion modules, cameras, synchronised pairs) equals the reference implementation's tensors."""

import pytest
import torch
from diffusers import UNetMotionModel
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor

from golden import golden
from syncam.adapters import EpipolarSyncAdapter, PlueckerAdapter
from syncam.adapters.published_unet import cameractrl_name, cvd_name, motion_name
from syncam.cameras.cameras import Cameras

SIZES = {"block_out_channels": [32, 32, 32, 32], "layers_per_block": 1}
SIZE = 128


@pytest.fixture(scope="module")
def reference() -> dict[str, Tensor]:
    """Weights, inputs and outputs of the reference implementation."""
    path = golden("cvd_unet.safetensors")
    if path is None:
        pytest.skip("the golden tensors are not on this machine (set SYNCAM_GOLDEN to their folder)")
    return {name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()}


@pytest.fixture(scope="module")
def stack(reference: dict[str, Tensor]) -> tuple[UNetMotionModel, PlueckerAdapter, EpipolarSyncAdapter]:
    unet = UNetMotionModel(
        **SIZES,
        cross_attention_dim=16,
        num_attention_heads=8,
        motion_num_attention_heads=8,
        use_motion_mid_block=False,
    ).eval()
    control = PlueckerAdapter(**SIZES).eval()
    sync = EpipolarSyncAdapter(**SIZES, trained_size=SIZE, slopes="horizontal").eval()
    weights: dict[str, dict[str, Tensor]] = {"unet": {}, "control": {}, "sync": {}}
    for name, value in reference.items():
        kind, _, rest = name.partition(".")
        if kind == "pose_encoder" or "qkv_merge" in name:
            weights["control"][cameractrl_name(rest, 1)] = value
        elif "epi_modules" in name:
            weights["sync"][cvd_name(rest, 1)] = value
        elif kind == "unet":
            weights["unet"][motion_name(rest)] = value
    for model, kind in ((unet, "unet"), (control, "control"), (sync, "sync")):
        positions = {name: value for name, value in model.state_dict().items() if name.endswith("pos_embed.pe")}
        model.load_state_dict(weights[kind] | positions, strict=True)
    return unet, control, sync


def cameras_of(reference: dict[str, Tensor], num_views: int) -> Cameras:
    c2w = reference["c2w"][:num_views]
    return Cameras(c2w=c2w, K=reference["K"].expand(*c2w.shape[:2], 3, 3), hw=(SIZE, SIZE))


def test_pose_features(
    reference: dict[str, Tensor], stack: tuple[UNetMotionModel, PlueckerAdapter, EpipolarSyncAdapter]
) -> None:
    _, control, _ = stack
    cameras = cameras_of(reference, 4)
    with torch.no_grad(), control.cameras(cameras):
        features = control._features(control._camera_state, torch.device("cpu"))
    for level, feature in enumerate(features):
        expected = reference[f"pose_feature_{level}"]
        got = rearrange(feature[0], "v (h w) f c -> (v f) c h w", h=expected.shape[-2])[::4]
        torch.testing.assert_close(got, expected, rtol=1e-3, atol=2e-3)  # the file has half precision


@pytest.mark.parametrize("num_views", [2, 4])
def test_the_stack_equals_the_reference(
    num_views: int,
    reference: dict[str, Tensor],
    stack: tuple[UNetMotionModel, PlueckerAdapter, EpipolarSyncAdapter],
) -> None:
    unet, control, sync = stack
    cameras = cameras_of(reference, num_views)
    partners = reference["pair4"].tolist() if num_views == 4 else [1, 0]
    x = reference["x"][:num_views].repeat(2, 1, 1, 1, 1)  # [(c v), C, F, h, w]
    text = reference["text"].repeat_interleave(num_views * x.shape[2], 0)  # [(c v F), n, D]
    with torch.no_grad(), control.attach(unet), sync.attach(unet), control.cameras(cameras), sync.cameras(cameras):
        with sync.matching(partners):
            got = unet(x, 601, text).sample
        with sync.disabled():
            alone = unet(x, 601, text).sample
    expected = rearrange(reference[f"y{num_views}"], "(v c) ... -> (c v) ...", c=2)
    assert (got - expected).abs().max() < 1e-4
    assert (alone - expected).abs().max() > 1e-2

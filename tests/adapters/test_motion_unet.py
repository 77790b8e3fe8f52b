"""What both adapters of AnimateDiff's UNet promise: where they attach, what they refuse, that they leave no trace."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNetMotionModel
from safetensors.torch import load_file, save_file
from torch import nn

from adapters.motion_examples import every_adapter, fresh, inputs, rig, run, take, trained, with_norms_per_frame
from syncam.adapters import EpipolarSyncAdapter, PlueckerAdapter, ViewSyncAdapter
from syncam.adapters.motion_unet import site_levels
from syncam.errors import InputError
from tiny import tiny_motion_unet, tiny_transformer


@every_adapter
@pytest.mark.parametrize("num_views", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fresh_adapters_change_the_norm_alone_and_removed_ones_nothing(
    kind: Any, num_views: int, dtype: torch.dtype
) -> None:
    unet = tiny_motion_unet().to(dtype)
    kwargs = {name: value.to(dtype) if value.ndim else value for name, value in inputs(2 * num_views).items()}
    keys = list(unet.state_dict())
    with torch.no_grad():
        stock, per_frame = run(unet, kwargs), with_norms_per_frame(unet, kwargs)
        assert not torch.equal(stock, per_frame)
        adapter = fresh(kind, unet)
        with adapter.attach(unet), adapter.cameras(rig(num_views)):
            assert torch.equal(run(unet, kwargs), per_frame)
            assert torch.equal(unet(**kwargs).sample, per_frame)
            assert list(unet.state_dict()) == keys
            with adapter.disabled():
                assert torch.equal(run(unet, kwargs), stock)
        adapter = trained(kind, unet)
        handle = adapter.attach(unet)
        with adapter.cameras(rig(num_views)):
            changes = num_views == 2 or kind is PlueckerAdapter  # a single view has no partner
            assert torch.equal(run(unet, kwargs), per_frame) != changes
        handle.remove()
        handle.remove()
        assert torch.equal(run(unet, kwargs), stock)
    assert sum(len(m._forward_pre_hooks) + len(m._forward_hooks) for m in unet.modules()) == 0


@every_adapter
def test_a_single_frame_has_only_one_norm(kind: Any) -> None:
    unet, kwargs = tiny_motion_unet(), inputs(2, num_frames=1)
    adapter = fresh(kind, unet)
    with torch.no_grad():
        stock = run(unet, kwargs)
        with adapter.attach(unet), adapter.cameras(rig(2, num_frames=1)):
            assert torch.equal(run(unet, kwargs), stock)


@every_adapter
def test_gradients_reach_the_adapter_alone(kind: Any) -> None:
    unet = tiny_motion_unet().requires_grad_(False)
    adapter = trained(kind, unet)
    with adapter.attach(unet), adapter.cameras(rig(2)):
        run(unet, inputs(2)).square().mean().backward()
    for name, parameter in adapter.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name
    assert all(parameter.grad is None for parameter in unet.parameters())


@every_adapter
def test_autocast_trains_float32_weights(kind: Any) -> None:
    unet = tiny_motion_unet().requires_grad_(False)
    settings: dict[str, Any] = {"slopes": "horizontal"} if kind is EpipolarSyncAdapter else {}
    adapter = trained(kind, unet, **settings)
    with adapter.attach(unet), adapter.cameras(rig(2)):
        exact = run(unet, inputs(2))
        with torch.autocast("cpu", torch.bfloat16):
            output = run(unet, inputs(2))
            output.float().square().mean().backward()
    assert (output - exact).abs().mean() < 0.1 * exact.abs().mean()
    assert {parameter.grad.dtype for parameter in adapter.parameters() if parameter.grad is not None} == {torch.float32}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("removed_first", [0, 1])
def test_both_work_together_in_any_order(first: int, removed_first: int) -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(2), rig(2)
    adapters = [trained(PlueckerAdapter, unet), trained(EpipolarSyncAdapter, unet, slopes="horizontal")]

    def attach_both(order: list[int]) -> list[Any]:
        handles: dict[int, Any] = {index: adapters[index].attach(unet) for index in order}
        return [handles[0], handles[1]]

    with torch.no_grad(), adapters[0].cameras(cameras), adapters[1].cameras(cameras):
        stock = run(unet, kwargs)
        handles = attach_both([0, 1])
        both = run(unet, kwargs)
        with adapters[0].disabled():
            sync_only = run(unet, kwargs)
        for handle in handles:
            handle.remove()
        handles = attach_both([first, 1 - first])
        assert torch.equal(run(unet, kwargs), both)
        handles[removed_first].remove()
        alone = run(unet, kwargs)
        assert not torch.equal(alone, both)
        assert removed_first == 1 or torch.equal(alone, sync_only)
        handles[1 - removed_first].remove()
        assert torch.equal(run(unet, kwargs), stock)


@every_adapter
@pytest.mark.parametrize("grid", [(2, 2), (4, 6), (6, 2)])
@pytest.mark.parametrize("num_frames", [1, 5, 8])
def test_sizes_and_numbers_of_frames(kind: Any, grid: tuple[int, int], num_frames: int) -> None:
    unet = tiny_motion_unet()
    adapter = trained(kind, unet)
    with torch.no_grad(), adapter.attach(unet), adapter.cameras(rig(2, num_frames=num_frames, grid=grid)):
        assert run(unet, inputs(4, num_frames, grid)).isfinite().all()


@every_adapter
def test_scenes_of_a_batch_and_branches_of_guidance_do_not_see_each_other(kind: Any) -> None:
    unet = tiny_motion_unet()
    settings: dict[str, Any] = {"slopes": "horizontal"} if kind is EpipolarSyncAdapter else {}
    adapter = trained(kind, unet, **settings)
    cameras, kwargs = rig(2, 2), inputs(8)  # [(branch scene view)]
    with torch.no_grad(), adapter.attach(unet):
        with adapter.cameras(cameras):
            together = run(unet, kwargs)
        for scene in range(2):
            for branch in range(2):
                items = [4 * branch + 2 * scene + view for view in range(2)]
                alone_cameras = type(cameras)(c2w=cameras.c2w[scene], K=cameras.K[scene], hw=cameras.hw)
                with adapter.cameras(alone_cameras):
                    alone = run(unet, take(kwargs, items))
                torch.testing.assert_close(together[items], alone, rtol=1e-5, atol=1e-5)


@every_adapter
def test_a_saved_adapter_gives_the_same_output(kind: Any, tmp_path: Path) -> None:
    unet, kwargs, cameras = tiny_motion_unet(), inputs(2), rig(2)
    settings: dict[str, Any] = {"slopes": "horizontal"} if kind is EpipolarSyncAdapter else {"translation_scale": 0.5}
    adapter = trained(kind, unet, **settings)
    adapter.save_pretrained(tmp_path / "adapter")
    loaded = kind.from_pretrained(tmp_path / "adapter")
    outputs = []
    for one in (adapter, loaded):
        with torch.no_grad(), one.attach(unet), one.cameras(cameras):
            outputs.append(run(unet, kwargs))
    assert torch.equal(*outputs)
    path = tmp_path / "adapter" / "diffusion_pytorch_model.safetensors"
    weights = load_file(path)
    missing = next(name for name in weights if name.startswith("blocks.0."))
    save_file({name: value for name, value in weights.items() if name != missing}, path, metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"has 1 missing weights: {re.escape(missing)}"):
        kind.from_pretrained(tmp_path / "adapter")
    other = PlueckerAdapter if kind is EpipolarSyncAdapter else EpipolarSyncAdapter
    with pytest.raises(InputError, match=f"holds a {kind.__name__}, expected a {other.__name__}"):
        other.from_pretrained(tmp_path / "adapter")


@every_adapter
def test_calls_that_do_not_fit_the_cameras(kind: Any) -> None:
    unet = tiny_motion_unet()
    adapter = trained(kind, unet)
    with torch.no_grad(), adapter.attach(unet):
        with pytest.raises(InputError, match="attached but has no cameras"):
            run(unet, inputs(2))
        with pytest.raises(InputError, match=r"expected to be inside `with adapter.cameras"), adapter.views([0]):
            pass
        with adapter.cameras(rig(2)):
            with pytest.raises(InputError, match=r"batch is 3, expected a multiple of 2 \(1 scenes of 2 views\)"):
                run(unet, inputs(3))
            with pytest.raises(InputError, match="cameras has 3 frames but the UNet's input has 2"):
                run(unet, inputs(2, num_frames=2))
            with pytest.raises(InputError, match=r"pictures of 32 x 48, but latents of 6 x 6 make pictures of 48 x 48"):
                run(unet, inputs(2, grid=(6, 6)))
            with pytest.raises(InputError, match=r"different numbers of 0\.\.1, got \[0, 2\]"), adapter.views([0, 2]):
                pass
        with adapter.cameras(rig(2, grid=(5, 6))), pytest.raises(InputError, match="expected multiples of 16"):
            run(unet, inputs(2, grid=(5, 6)))
        with (
            adapter.cameras(rig(2, num_frames=9)),
            pytest.raises(InputError, match="9 frames, but its motion modules know 8 at most"),
        ):
            run(unet, inputs(2, num_frames=9))


@every_adapter
def test_what_an_adapter_does_not_attach_to(kind: Any) -> None:
    unet = tiny_motion_unet()
    adapter = fresh(kind, unet)
    with pytest.raises(InputError, match="is a WanTransformer3DModel, but this adapter attaches to UNetMotionModel"):
        adapter.attach(tiny_transformer())
    with pytest.raises(InputError, match="transformer is a UNetMotionModel, but adapters attach to WanTransformer"):
        ViewSyncAdapter.from_transformer(unet)
    with pytest.raises(InputError, match=r"expected block_out_channels=\[8, 16\], got block_out_channels=\[8, 24\]"):
        adapter.attach(tiny_motion_unet((8, 24)))
    with adapter.attach(unet), pytest.raises(InputError, match="has an adapter attached already"):
        fresh(kind, unet).attach(unet)
    second = UNetMotionModel(**dict(unet.config) | {"use_motion_mid_block": True})
    with pytest.raises(InputError, match="motion modules in its middle block, as AnimateDiff v2 has"):
        adapter.attach(second)


@every_adapter
def test_free_noise_is_refused(kind: Any) -> None:
    """It puts blocks of its own in the place of those that are hooked."""
    unet = tiny_motion_unet()
    adapter = fresh(kind, unet)
    with torch.no_grad(), adapter.attach(unet), adapter.cameras(rig(2)):
        module = unet.down_blocks[0].motion_modules[0]
        module.transformer_blocks[0] = nn.Sequential(module.transformer_blocks[0])
        with pytest.raises(InputError, match="has a Sequential where a BasicTransformerBlock was expected"):
            run(unet, inputs(2))


def test_levels_of_the_real_unet() -> None:
    levels = site_levels(4, 2)
    assert levels == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3, 2, 2, 2, 1, 1, 1, 0, 0, 0]

"""What every adapter promises: fresh and removed ones change nothing, and training reaches it and nothing else."""

import pytest
import torch
from diffusers.models.attention_dispatch import attention_backend
from torch import Tensor

from adapters.examples import Kind, every_cross_kind, every_kind, every_wan_kind, random_c2w, run


@every_kind
@pytest.mark.parametrize("num_views", [1, 2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_fresh_and_removed_adapters_give_the_stock_output_bit_for_bit(
    kind: Kind, num_views: int, dtype: torch.dtype
) -> None:
    """A fresh one that shows a source gives what the stock transformer gives with the source beside."""
    transformer = kind.transformer().to(dtype)
    inputs = {name: value.to(dtype) for name, value in kind.inputs(2 * num_views).items()}
    keys = list(transformer.state_dict())
    processors = [site.self_attention.processor for site in kind.sites(transformer)]
    with torch.no_grad():
        stock, beside = run(transformer, inputs), kind.to_output(run(transformer, kind.to_input(inputs)))
        fresh = kind.fresh(transformer)
        with fresh.attach(transformer), kind.cameras(fresh, random_c2w(num_views, 2)):
            assert torch.equal(run(transformer, inputs), beside)
            assert torch.equal(transformer(**inputs).sample, beside)
            assert list(transformer.state_dict()) == keys
        trained = kind.random(transformer).to(dtype)
        handle = trained.attach(transformer)
        with kind.cameras(trained, random_c2w(num_views, 2)):
            assert not torch.equal(run(transformer, inputs), beside)
            with trained.disabled():
                assert torch.equal(run(transformer, inputs), stock)
        handle.remove()
        handle.remove()
        assert torch.equal(run(transformer, inputs), stock)
    hooks = [len(m._forward_pre_hooks) + len(m._forward_hooks) for m in transformer.modules()]
    assert sum(hooks) == 0
    assert [site.self_attention.processor for site in kind.sites(transformer)] == processors


@every_kind
def test_gradients_reach_the_adapter_alone(kind: Kind) -> None:
    transformer = kind.transformer().requires_grad_(False)
    adapter = kind.random(transformer)
    with adapter.attach(transformer), kind.cameras(adapter, random_c2w(2, 2)):
        run(transformer, kind.inputs(2)).square().mean().backward()
    for name, parameter in adapter.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name
    assert all(parameter.grad is None for parameter in transformer.parameters())


@every_kind
def test_gradients_do_not_depend_on_checkpointing_even_if_cameras_change_before_the_backward_pass(kind: Kind) -> None:
    transformer = kind.transformer().requires_grad_(False)
    adapter = kind.random(transformer)
    gradients = []
    with adapter.attach(transformer):
        for switch in (transformer.disable_gradient_checkpointing, transformer.enable_gradient_checkpointing):
            switch()
            adapter.zero_grad()
            losses = []
            for seed in (1, 2):
                with kind.cameras(adapter, random_c2w(2, 2, seed=seed)):
                    losses.append(run(transformer, kind.inputs(2, seed=seed)).square().mean())
            with torch.no_grad(), kind.cameras(adapter, random_c2w(2, 2, seed=3)):
                run(transformer, kind.inputs(2))
            sum(losses).backward()
            gradients.append([parameter.grad.clone() for parameter in adapter.parameters()])
    assert all(parameter.grad is None for parameter in transformer.parameters())
    for plain, checkpointed in zip(*gradients, strict=True):
        assert torch.equal(plain, checkpointed)


@every_kind
def test_bfloat16_stays_close_to_float32(kind: Kind) -> None:
    transformer = kind.transformer()
    adapter, cameras, inputs = kind.random(transformer), random_c2w(2, 2), kind.inputs(2)
    with torch.no_grad(), adapter.attach(transformer):
        with kind.cameras(adapter, cameras):
            exact = run(transformer, inputs)
        with kind.cameras(adapter, random_c2w(2, 2, seed=6)):
            effect = (run(transformer, inputs) - exact).abs().mean()
        with adapter.disabled():
            stock = run(transformer, inputs)
            transformer.to(torch.bfloat16)
            inputs = {name: value.bfloat16() for name, value in inputs.items()}
            rounding = (run(transformer, inputs).float() - stock).abs().mean()  # without any help of the adapter
        for precision in (torch.float32, torch.bfloat16):  # of the adapter
            adapter.to(precision)
            with kind.cameras(adapter, cameras):
                output = run(transformer, inputs)
            assert output.dtype == torch.bfloat16
            assert (output.float() - exact).abs().mean() < 0.1 * effect + rounding


@every_kind
def test_autocast_trains_float32_weights(kind: Kind) -> None:
    transformer = kind.transformer().requires_grad_(False)
    adapter = kind.random(transformer)
    with adapter.attach(transformer), kind.cameras(adapter, random_c2w(2, 2)):
        exact = run(transformer, kind.inputs(2))
        with torch.autocast("cpu", torch.bfloat16):
            output = run(transformer, kind.inputs(2))
            output.float().square().mean().backward()
    assert (output - exact).abs().max() < 0.1
    assert all(parameter.grad.dtype == torch.float32 for parameter in adapter.parameters())


@every_kind
def test_one_rig_serves_several_scenes_and_a_batch_doubled_for_guidance(kind: Kind) -> None:
    transformer = kind.transformer()
    adapter, inputs, cameras = kind.random(transformer), kind.inputs(4), random_c2w(2, 2)
    with torch.no_grad(), adapter.attach(transformer):
        with kind.cameras(adapter, cameras):
            shared = run(transformer, inputs)
        with kind.cameras(adapter, cameras.expand(2, -1, -1, -1, -1)):
            torch.testing.assert_close(run(transformer, inputs), shared, rtol=0, atol=0)


@every_kind
def test_cameras_are_encoded_once_per_generation_but_never_stale(kind: Kind) -> None:
    transformer = kind.transformer()
    adapter, inputs = kind.random(transformer), kind.inputs(2)
    calls = []
    for block in adapter.blocks:
        block.cam_encoder.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad(), adapter.attach(transformer), kind.cameras(adapter, random_c2w(2, 2)):
        first = run(transformer, inputs)
        run(transformer, inputs)
        assert len(calls) == 2
        adapter.blocks[0].cam_encoder.weight.add_(1.0)
        assert not torch.equal(run(transformer, inputs), first)
        assert len(calls) == 4


@every_cross_kind
def test_the_backend_of_the_transformer_is_used_and_kept(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    from syncam.adapters import self_attention

    seen = []
    original = self_attention.dispatch_attention_fn

    def record(*args: Tensor, backend: object) -> Tensor:
        seen.append(backend)
        return original(*args, backend=backend)

    monkeypatch.setattr(self_attention, "dispatch_attention_fn", record)
    transformer = kind.transformer()
    adapter = kind.random(transformer)
    with (
        torch.no_grad(),
        attention_backend("native"),  # puts back the active backend, which set_attention_backend changes
        adapter.attach(transformer),
        kind.cameras(adapter, random_c2w(2, 2)),
    ):
        default = run(transformer, kind.inputs(2))
        transformer.set_attention_backend("_native_math")
        torch.testing.assert_close(run(transformer, kind.inputs(2)), default, rtol=1e-4, atol=1e-5)
    assert seen == [None, None, "_native_math", "_native_math"]
    assert all(site.self_attention.processor._attention_backend == "_native_math" for site in kind.sites(transformer))


@every_wan_kind
def test_a_modulation_per_token_is_understood(kind: Kind) -> None:
    """Timesteps [b, N] (Wan2.2's image-conditioned model) that are all equal give the output of one timestep."""
    transformer = kind.transformer()
    adapter, inputs = kind.random(transformer), kind.inputs(2)
    tokens = 2 * 2 * 3 * (2 if kind.shows_source else 1)
    per_token = inputs | {"timestep": inputs["timestep"][:, None].expand(-1, tokens)}
    with torch.no_grad(), adapter.attach(transformer), kind.cameras(adapter, random_c2w(2, 2)):
        torch.testing.assert_close(run(transformer, per_token), run(transformer, inputs), rtol=1e-5, atol=1e-5)

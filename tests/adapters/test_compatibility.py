"""What else may be switched on, caches, offloading, layerwise casting: it works, or is refused; never ignored."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch
from diffusers import FasterCacheConfig, FirstBlockCacheConfig, PyramidAttentionBroadcastConfig
from diffusers.hooks import (
    MagCacheConfig,
    SeaCacheConfig,
    TaylorSeerCacheConfig,
    TextKVCacheConfig,
    apply_faster_cache,
    apply_group_offloading,
)
from torch import Tensor
from torch.nn import Module

from adapters.examples import JOINT, KINDS, RESHOOT, VIEW_SYNC, Kind, every_cached_kind, every_kind, random_c2w, run
from adapters.naive import attention, grid_positions, joint_view_sync_change, linear, view_sync_change
from syncam.errors import InputError

NUM_STEPS, NUM_LAYERS = 4, 4
each_seam = pytest.mark.parametrize("kind", [VIEW_SYNC, JOINT, RESHOOT], ids=["view_sync", "joint", "reshoot"])


def taylor(**settings: object) -> TaylorSeerCacheConfig:
    return TaylorSeerCacheConfig(disable_cache_before_step=2, taylor_factors_dtype=torch.float32, **settings)


CACHES: dict[str, Callable[[], object]] = {  # every one of them skips something in some of the four steps
    "first block": lambda: FirstBlockCacheConfig(threshold=1e9),
    "MagCache": lambda: MagCacheConfig(
        threshold=1e9,
        max_skip_steps=1,
        retention_ratio=0.0,
        num_inference_steps=NUM_STEPS,
        mag_ratios=[1.0] * NUM_STEPS,
    ),
    "SeaCache": lambda: SeaCacheConfig(
        threshold=1e9, cache_end_steps=0, raw_vision_callback=lambda _, args, kwargs: list(kwargs["hidden_states"])
    ),
    "PAB": lambda: PyramidAttentionBroadcastConfig(
        spatial_attention_block_skip_range=2,
        cross_attention_block_skip_range=2,
        current_timestep_callback=lambda: 500,
    ),
    "TaylorSeer on attention": lambda: taylor(cache_identifiers=[r"(transformer_)?blocks\.\d+\.attn[12]"]),
    "TaylorSeer on blocks": lambda: taylor(cache_identifiers=[r"(transformer_)?blocks\.\d+"]),
    "TaylorSeer on norms": lambda: taylor(cache_identifiers=[r"(transformer_)?blocks\.\d+\.norm2"]),
    "TaylorSeer lite": lambda: taylor(use_lite_mode=True),
}


@torch.no_grad()
def denoise(transformer: Module, inputs: dict[str, Tensor], kind: Kind | None = None) -> Tensor:
    """The outputs of a few steps with guidance, each step with inputs a little different from the last.

    With a `kind`, of a transformer without an adapter that is given what one of that kind would have shown it.
    """
    outputs = []
    for step in range(NUM_STEPS):
        for context in ("cond", "uncond"):
            where = {"step_index": step, "num_inference_steps": NUM_STEPS, "sigma": 0.9 - step / NUM_STEPS}
            now = dict(
                inputs, hidden_states=inputs["hidden_states"] + step / 10, timestep=inputs["timestep"] - 100 * step
            )
            if context == "uncond":
                now["encoder_hidden_states"] = -inputs["encoder_hidden_states"]
            with transformer.cache_context(context, **where):
                output = run(transformer, now if kind is None else kind.to_input(now))
                outputs.append(output if kind is None else kind.to_output(output))
    return torch.stack(outputs)


def rewrite_blocks(
    kind: Kind, transformer: Module, adapter: Any, encodings: Tensor, grid: tuple[int, int, int]
) -> None:
    """Gives every block the adapter's work written into it by hand, no hooks involved."""

    def synchronised(block: Module, weights: dict[str, Tensor]) -> Callable[..., Tensor]:
        def forward(x: Tensor, text: Tensor, temb: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
            rows = (block.scale_shift_table + temb).chunk(6, dim=1)
            x = x + rows[2] * block.attn1(block.norm1(x) * (1 + rows[1]) + rows[0], None, None, rotary)
            camera = encodings.flatten(0, -3)
            x = x + view_sync_change(weights, x, temb[:, :3], camera, encodings.shape[-3], grid, 2, 1e-6)
            x = x + block.attn2(block.norm2(x), text, None, None)
            return x + rows[5] * block.ffn(block.norm3(x) * (1 + rows[4]) + rows[3])

        return forward

    def reshooting(weights: dict[str, Tensor]) -> Callable[..., Tensor]:
        f, h, w = grid

        def processor(_: Module, y: Tensor, *__: object) -> Tensor:
            y = y + linear(weights, "cam_encoder", encodings).repeat(1, 2, 1).repeat_interleave(h * w, dim=1)
            positions = grid_positions(2 * f, h, w)
            attended = torch.stack([attention(weights, "attn", one, one, 2, 1e-6, positions) for one in y])
            return linear(weights, "projector", attended)

        return processor

    def joint(block: Module, weights: dict[str, Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
        def forward(
            hidden_states: Tensor, encoder_hidden_states: Tensor, temb: Tensor, **_: object
        ) -> tuple[Tensor, Tensor]:
            x, text, views = hidden_states, encoder_hidden_states, encodings.shape[-3]
            camera = encodings.flatten(0, -3)
            x = x + joint_view_sync_change(
                weights, x, text, temb, camera, views, grid, 3, texts=views, rotary=adapter.config.view_rotary
            )
            y, words, gate, text_gate = block.norm1(x, text, temb)
            y, words = block.attn1(y, encoder_hidden_states=words)
            x, text = x + gate * y, text + text_gate * words
            y, words, gate, text_gate = block.norm2(x, text, temb)
            words, y = block.ff(torch.cat((words, y), dim=1)).tensor_split((words.shape[1],), dim=1)
            return x + gate * y, text + text_gate * words

        return forward

    blocks = [site.block for site in kind.sites(transformer)]
    for block, ours in zip(blocks, adapter.blocks, strict=True):
        if kind.is_joint:
            block.forward = joint(block, ours.state_dict())
            continue
        if kind.shows_source:
            block.attn1.processor = reshooting(ours.state_dict())
            continue
        weights = {name.replace("attn.", "mvs_attn."): value for name, value in ours.state_dict().items()}
        weights["modulation_mvs"] = weights.pop("modulation")
        block.forward = synchronised(block, weights)


def setting(kind: Kind = VIEW_SYNC, f: int = 2) -> tuple[Module, Any, Tensor, dict[str, Tensor]]:
    transformer = kind.transformer(num_layers=NUM_LAYERS)
    return transformer, kind.random(transformer), torch.randn(2, f, 12), kind.inputs(2, f=f)


@each_seam
@pytest.mark.parametrize("name", CACHES)
@pytest.mark.parametrize("cache_first", [True, False])
def test_a_cache_does_to_an_adapted_block_what_it_does_to_a_rewritten_one(
    kind: Kind, name: str, cache_first: bool
) -> None:
    transformer, adapter, encodings, inputs = setting(kind)
    by_hand, *_ = setting(kind)
    rewrite_blocks(kind, by_hand, adapter, encodings, (2, 2, 3))
    exact = denoise(by_hand, inputs, kind)
    by_hand.enable_cache(CACHES[name]())
    expected = denoise(by_hand, inputs, kind)
    assert (expected - exact).abs().max() > 1e-3, "the cache skips nothing here"

    if cache_first:
        transformer.enable_cache(CACHES[name]())
    with adapter.attach(transformer):
        if not cache_first:
            transformer.enable_cache(CACHES[name]())
        with kind.encodings(adapter, encodings):
            torch.testing.assert_close(denoise(transformer, inputs), expected, rtol=1e-4, atol=1e-4)


@each_seam
@pytest.mark.parametrize("name", CACHES)
def test_caches_forget_what_they_saw_with_other_cameras(kind: Kind, name: str) -> None:
    transformer, adapter, encodings, inputs = setting(kind)
    transformer.enable_cache(CACHES[name]())
    stock = denoise(transformer, inputs)
    handle = adapter.attach(transformer)
    with kind.encodings(adapter, encodings):
        first = denoise(transformer, inputs)
    with kind.encodings(adapter, -encodings):
        assert not torch.equal(denoise(transformer, inputs)[0], first[0])
    with kind.encodings(adapter, encodings):
        assert torch.equal(denoise(transformer, inputs), first)
    with adapter.disabled():
        assert torch.equal(denoise(transformer, inputs), stock)
    handle.remove()
    assert torch.equal(denoise(transformer, inputs), stock)


@every_cached_kind
def test_changing_cameras_inside_a_cache_context_keeps_the_context(kind: Kind) -> None:
    transformer, adapter, encodings, inputs = setting(kind)
    transformer.enable_cache(FirstBlockCacheConfig(threshold=1e9))
    with torch.no_grad(), adapter.attach(transformer), transformer.cache_context("cond"):
        with kind.encodings(adapter, encodings):
            run(transformer, inputs)
        with adapter.disabled():
            run(transformer, inputs)


def refused() -> list[Callable[[Module], None]]:
    faster = FasterCacheConfig(current_timestep_callback=lambda: 500)
    return [
        lambda transformer: transformer.enable_cache(faster),
        lambda transformer: apply_faster_cache(transformer, faster),
        lambda transformer: transformer.enable_cache(TextKVCacheConfig()),
    ]


@each_seam
@pytest.mark.parametrize("enable", refused(), ids=["FasterCache", "FasterCache by function", "TextKVCache"])
def test_other_caches_are_refused_whenever_they_are_enabled(kind: Kind, enable: Callable[[Module], None]) -> None:
    transformer, adapter, encodings, inputs = setting(kind)
    handle = adapter.attach(transformer)
    enable(transformer)
    with (
        kind.encodings(adapter, encodings),
        pytest.raises(InputError, match="'.*cache.*' on itself, not known to work with an adapter"),
    ):
        run(transformer, inputs)
    handle.remove()
    with pytest.raises(InputError, match="not known to work with an adapter"):
        adapter.attach(transformer)


@every_kind
def test_parallel_mode_is_refused(kind: Kind) -> None:
    transformer, adapter, *_ = setting(kind)
    transformer._parallel_config = object()
    with pytest.raises(InputError, match="runs in parallel mode"):
        adapter.attach(transformer)


OFFLOADS: dict[str, Callable[[Module, Path], object]] = {
    "blocks": lambda model, _: apply_group_offloading(
        model, onload_device="cpu", offload_type="block_level", num_blocks_per_group=1
    ),
    "leaves": lambda model, _: apply_group_offloading(model, onload_device="cpu", offload_type="leaf_level"),
    # On disk, weights outside a module's forward are garbage: whatever reads them out of turn gives wrong results.
    "blocks on disk": lambda model, folder: apply_group_offloading(
        model, "cpu", offload_type="block_level", num_blocks_per_group=1, offload_to_disk_path=str(folder)
    ),
    "leaves on disk": lambda model, folder: apply_group_offloading(
        model, "cpu", offload_type="leaf_level", offload_to_disk_path=str(folder)
    ),
    # accelerate's sequential offloading leaves the weights on the meta device outside a module's forward.
    "accelerate": lambda model, _: accelerate.cpu_offload(model, execution_device="cpu"),
    "accelerate, whole model": lambda model, _: accelerate.cpu_offload_with_hook(model, execution_device="cpu"),
}


@every_kind
@pytest.mark.parametrize("name", OFFLOADS)
@pytest.mark.parametrize("which", ["transformer", "adapter", "both"])
def test_offloading_changes_nothing(kind: Kind, name: str, which: str, tmp_path: Path) -> None:
    transformer, adapter, encodings, inputs = setting(kind)
    with torch.no_grad(), adapter.attach(transformer), kind.encodings(adapter, encodings):
        expected = run(transformer, inputs)
    if which != "adapter":
        OFFLOADS[name](transformer, tmp_path / "transformer")
    if which != "transformer":
        OFFLOADS[name](adapter, tmp_path / "adapter")
    with torch.no_grad(), adapter.attach(transformer), kind.encodings(adapter, encodings):
        for _ in range(2):
            torch.testing.assert_close(run(transformer, inputs), expected, rtol=0, atol=0)


@each_seam
def test_the_adapter_follows_the_inputs_to_their_device_and_returns(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offloading a whole model means: weights on the CPU between generations, on the accelerator during one."""
    transformer, adapter, encodings, inputs = setting(kind)
    moves = []

    def move(_: Module, device: torch.device) -> None:
        moves.append(device.type)
        monkeypatch.setattr(kind.adapter, "device", device)

    monkeypatch.setattr(kind.adapter, "device", torch.device("cpu"))
    monkeypatch.setattr(kind.adapter, "_move", move)
    on_meta = {name: value.to("meta") for name, value in inputs.items()}
    with adapter.attach(transformer), kind.encodings(adapter, encodings):
        adapter.prepare(transformer, on_meta["hidden_states"])
        assert moves == ["meta"]
    assert moves == ["meta", "cpu"]


def first_of_batch(block: Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Hook before a block that leaves it the first item of the batch."""

    def cut(value: Any) -> Any:
        return value[:1] if isinstance(value, Tensor) else value

    return tuple(map(cut, args)), {name: cut(value) for name, value in kwargs.items()}


@every_kind
def test_inputs_left_behind_by_the_blocks_are_named(kind: Kind) -> None:
    transformer, adapter, encodings, inputs = setting(kind)
    block = kind.sites(transformer)[0].block
    with adapter.attach(transformer), kind.encodings(adapter, encodings), torch.no_grad():
        block.register_forward_pre_hook(first_of_batch, with_kwargs=True)
        with pytest.raises(
            InputError, match="blocks run with batch 1 on cpu, but the transformer was called with batch 2"
        ):
            run(transformer, inputs)


@every_kind
@pytest.mark.parametrize("storage", [torch.float8_e4m3fn, torch.bfloat16])
def test_layerwise_casting_computes_in_the_right_precision(kind: Kind, storage: torch.dtype) -> None:
    transformer, adapter, encodings, inputs = setting(kind)
    with torch.no_grad(), adapter.attach(transformer), kind.encodings(adapter, encodings):
        exact = run(transformer, inputs)
        for layer in adapter.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.to(storage).to(torch.float32)
        rounded = run(transformer, inputs)
        adapter.enable_layerwise_casting(storage_dtype=storage, compute_dtype=torch.float32)
        assert adapter.blocks[0].projector.weight.dtype == storage
        assert kind is not VIEW_SYNC or adapter.blocks[0].modulation.dtype == torch.float32
        torch.testing.assert_close(run(transformer, inputs), rounded, rtol=1e-5, atol=1e-5)
    assert not torch.equal(exact, rounded)


@pytest.mark.parametrize("name", ["view_sync", "joint", "reshoot_low_rank"])
def test_lora_on_the_transformer_and_the_adapter_add_up(name: str) -> None:
    pytest.importorskip("peft")
    from peft import LoraConfig

    kind = KINDS[name]
    transformer, adapter, encodings, inputs = setting(kind)
    with torch.no_grad(), adapter.attach(transformer), kind.encodings(adapter, encodings):
        before = run(transformer, inputs)
        transformer.add_adapter(LoraConfig(r=2, target_modules=["to_q"], init_lora_weights=True))
        assert torch.equal(run(transformer, inputs), before)  # a fresh LoRA is zero


def test_lora_on_a_self_attention_that_the_adapter_replaces_is_refused() -> None:
    """It would have no effect there; elsewhere it has one, and so it has where the adapter is a low-rank change."""

    class LoraLinear(torch.nn.Linear):  # peft's layers have the same attribute
        lora_A = torch.nn.ModuleDict()

    for kind in (RESHOOT, KINDS["reshoot_low_rank"]):
        transformer, adapter, encodings, inputs = setting(kind)
        with torch.no_grad(), adapter.attach(transformer), kind.encodings(adapter, encodings):
            transformer.blocks[0].attn2.to_q = LoraLinear(48, 48)
            run(transformer, inputs)
        transformer.blocks[1].attn1.to_out[0] = LoraLinear(48, 48)
        with torch.no_grad(), adapter.attach(transformer), kind.encodings(adapter, encodings):
            if kind is not RESHOOT:
                run(transformer, inputs)
                continue
            with pytest.raises(
                InputError, match="self-attention's o has a LoRA, but this adapter attends in its place"
            ):
                run(transformer, inputs)


@every_kind
def test_fused_projections_of_the_transformer(kind: Kind) -> None:
    transformer, adapter, encodings, inputs = setting(kind)
    with torch.no_grad(), adapter.attach(transformer), kind.encodings(adapter, encodings):
        before = run(transformer, inputs)
        transformer.fuse_qkv_projections()
        torch.testing.assert_close(run(transformer, inputs), before, rtol=1e-5, atol=1e-5)


@each_seam
def test_moving_cameras_per_frame_reach_cached_runs(kind: Kind) -> None:
    """Five latent frames, cameras of their own: the caches see them like any other input."""
    transformer, adapter, _, inputs = setting(kind, f=5)
    transformer.enable_cache(FirstBlockCacheConfig(threshold=1e9))
    with adapter.attach(transformer):
        with kind.cameras(adapter, random_c2w(2, 5)):
            one = denoise(transformer, inputs)
        with kind.cameras(adapter, random_c2w(2, 5, seed=6)):
            assert (denoise(transformer, inputs) - one).abs().max() > 1e-3

"""The adapter contract: what the view-synchronisation modules compute, and what they leave alone."""

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from adapters.examples import random_adapter, random_c2w, random_inputs, run
from adapters.naive import wan
from golden import golden
from syncam.adapters import ViewSyncAdapter
from syncam.adapters.published import SYNCAMMASTER, split_state_dict
from syncam.adapters.view_sync import rotary_table
from syncam.errors import InputError
from tiny import seeded, tiny_transformer

V_AND_GRID = [(1, (1, 2, 2)), (2, (3, 3, 5)), (3, (2, 5, 2))]


def published_weights(num_layers: int = 2, dim: int = 24, channels: int = 4, text_dim: int = 8) -> dict[str, Tensor]:
    """Random weights of a small transformer with view synchronisation, in the names of the published checkpoints."""

    def linear(name: str, n_in: int, n_out: int) -> dict[str, Tensor]:
        return {f"{name}.weight": torch.randn(n_out, n_in) / n_in**0.5, f"{name}.bias": torch.randn(n_out) / 4}

    def attention(name: str) -> dict[str, Tensor]:
        weights = {f"{name}.{norm}.weight": 1 + torch.randn(dim) / 4 for norm in ("norm_q", "norm_k")}
        for letter in "qkvo":
            weights |= linear(f"{name}.{letter}", dim, dim)
        return weights

    weights = {
        "patch_embedding.weight": torch.randn(dim, channels, 1, 2, 2) / 4,
        "patch_embedding.bias": torch.randn(dim),
    }
    weights |= linear("text_embedding.0", text_dim, dim) | linear("text_embedding.2", dim, dim)
    weights |= linear("time_embedding.0", 8, dim) | linear("time_embedding.2", dim, dim)
    weights |= linear("time_projection.1", dim, 6 * dim) | linear("head.head", dim, 4 * channels)
    weights["head.modulation"] = torch.randn(1, 2, dim) / 4
    for i in range(num_layers):
        block = f"blocks.{i}"
        weights |= attention(f"{block}.self_attn") | attention(f"{block}.cross_attn") | attention(f"{block}.mvs_attn")
        weights |= {f"{block}.norm3.weight": 1 + torch.randn(dim) / 4, f"{block}.norm3.bias": torch.randn(dim) / 4}
        weights |= linear(f"{block}.ffn.0", dim, 2 * dim) | linear(f"{block}.ffn.2", 2 * dim, dim)
        weights |= linear(f"{block}.cam_encoder", 12, dim) | linear(f"{block}.projector", dim, dim)
        weights |= {
            f"{block}.modulation": torch.randn(1, 6, dim) / 4,
            f"{block}.modulation_mvs": torch.randn(1, 3, dim) / 4,
        }
    return weights


def forward_of_published(
    weights: dict[str, Tensor], num_heads: int, inputs: dict[str, Tensor], camera: Tensor
) -> Tensor:
    """The output of a stock transformer with an attached adapter, both loaded from weights in the published names."""
    from diffusers import WanTransformer3DModel

    base, delta = split_state_dict(weights, SYNCAMMASTER)
    dim, channels, *patch = weights["patch_embedding.weight"].shape
    transformer = WanTransformer3DModel(
        patch_size=tuple(patch),
        num_attention_heads=num_heads,
        attention_head_dim=dim // num_heads,
        in_channels=channels,
        out_channels=channels,
        text_dim=weights["text_embedding.0.weight"].shape[1],
        freq_dim=weights["time_embedding.0.weight"].shape[1],
        ffn_dim=len(weights["blocks.0.ffn.0.bias"]),
        num_layers=sum(name.endswith("modulation_mvs") for name in weights),
    )
    transformer.load_state_dict(base, strict=True)
    adapter = ViewSyncAdapter.from_transformer(transformer)
    adapter.load_state_dict(delta, strict=True)
    with torch.no_grad(), adapter.attach(transformer), adapter.camera_encodings(camera):
        return run(transformer, inputs)


@pytest.mark.parametrize(("num_views", "grid"), V_AND_GRID)
@pytest.mark.parametrize("scenes", [1, 2])
def test_forward_equals_an_independent_implementation(num_views: int, grid: tuple[int, int, int], scenes: int) -> None:
    """Every view count, grid and number of scenes agrees with the loops of naive.py."""
    weights = published_weights()
    f, h, w = grid
    inputs = {
        "hidden_states": torch.randn(scenes * num_views, 4, f, 2 * h, 2 * w),
        "timestep": torch.tensor([637.0]).repeat(scenes * num_views),
        "encoder_hidden_states": torch.randn(scenes * num_views, 5, 8),
    }
    camera = torch.randn(scenes, num_views, f, 12)
    expected = wan(weights, *inputs.values(), camera.flatten(0, 1), num_views=num_views, heads=2)
    torch.testing.assert_close(forward_of_published(weights, 2, inputs, camera), expected, rtol=1e-4, atol=2e-5)


@pytest.fixture(scope="module")
def reference() -> dict[str, Tensor]:
    """Weights, inputs and output of the reference implementation."""
    path = golden("syncam_wan.safetensors")
    if path is None:
        pytest.skip("the golden tensors are not on this machine (set SYNCAM_GOLDEN to their folder)")
    return load_file(path)


def reference_weights(reference: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix("weights."): value for name, value in reference.items() if name.startswith("weights.")}


def test_forward_equals_the_reference(reference: dict[str, Tensor]) -> None:
    inputs = {
        "hidden_states": reference["x"].float(),
        "timestep": reference["timestep"],
        "encoder_hidden_states": reference["context"],
    }
    got = forward_of_published(reference_weights(reference), 2, inputs, reference["camera"])
    torch.testing.assert_close(got[..., ::4, ::4], reference["y"], rtol=0, atol=1e-4)
    assert (got[..., ::4, ::4] - reference["y"]).abs().max() < 5e-6, "still within tolerance, but it used to be 9.5e-7"


def test_the_independent_implementation_equals_the_reference(reference: dict[str, Tensor]) -> None:
    weights = reference_weights(reference)
    inputs = (reference["x"].float(), reference["timestep"], reference["context"], reference["camera"])
    got = wan(weights, *inputs, num_views=2, heads=2)
    torch.testing.assert_close(got[..., ::4, ::4], reference["y"], rtol=0, atol=1e-4)


def test_a_fresh_adapter_starts_from_the_self_attention() -> None:
    transformer = tiny_transformer()
    adapter = ViewSyncAdapter.from_transformer(transformer, translation_scale=1.5)
    assert (adapter.config.dim, adapter.config.num_heads, adapter.config.num_layers) == (48, 2, 2)
    assert (adapter.config.translation_scale, adapter.config.backbone) == (1.5, "WanTransformer3DModel")
    for ours, block in zip(adapter.blocks, transformer.blocks, strict=True):
        assert torch.equal(ours.attn.o.weight, block.attn1.to_out[0].weight)
        assert torch.equal(ours.attn.norm_k.weight, block.attn1.norm_k.weight)
        assert torch.equal(ours.modulation, block.scale_shift_table[:, :3])
        assert not ours.projector.weight.any() and not ours.cam_encoder.weight.any()
        assert ours.modulation.requires_grad
        assert ours.attn.q.weight.data_ptr() != block.attn1.to_q.weight.data_ptr()


def test_scenes_of_a_batch_do_not_see_each_other() -> None:
    transformer = tiny_transformer()
    adapter, inputs, cameras = random_adapter(transformer), random_inputs(6), random_c2w(2, 3, 2)
    with torch.no_grad(), adapter.attach(transformer):
        with adapter.cameras(cameras):
            together = run(transformer, inputs)
        for scene, part in enumerate(together.chunk(2)):
            with adapter.cameras(cameras[scene]):
                alone = run(transformer, {name: value.chunk(2)[scene] for name, value in inputs.items()})
            torch.testing.assert_close(part, alone, rtol=1e-5, atol=1e-5)


def test_moving_the_whole_rig_changes_nothing() -> None:
    transformer = tiny_transformer()
    adapter, cameras, inputs = random_adapter(transformer), random_c2w(2, 2).double(), random_inputs(2)
    with torch.no_grad(), adapter.attach(transformer):
        with adapter.cameras(cameras):
            here = run(transformer, inputs)
        with adapter.cameras(random_c2w(1, 1, seed=9).double() @ cameras):
            torch.testing.assert_close(run(transformer, inputs), here, rtol=1e-5, atol=1e-5)
        with adapter.cameras(cameras.flip(0)):
            assert (run(transformer, inputs) - here).abs().max() > 1e-3


def test_permuting_views_permutes_outputs_but_for_the_index_in_the_rotary_embedding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attention itself treats views alike; only their rotary index tells them apart."""
    transformer = tiny_transformer()
    adapter, inputs, encodings = random_adapter(transformer), random_inputs(3), torch.randn(3, 2, 12)
    order = torch.tensor([0, 2, 1])

    def permuted_and_not() -> tuple[Tensor, Tensor]:
        with torch.no_grad(), adapter.attach(transformer):
            with adapter.camera_encodings(encodings):
                plain = run(transformer, inputs)
            with adapter.camera_encodings(encodings[order]):
                return run(transformer, {name: value[order] for name, value in inputs.items()}), plain

    permuted, plain = permuted_and_not()
    assert (permuted - plain[order]).abs().max() > 1e-4

    def same_for_all_views(num_views: int, height: int, width: int, device: torch.device) -> tuple[Tensor, ...]:
        return tuple(part.repeat(num_views, 1, 1) for part in rotary_table(1, height, width, 24, device))

    monkeypatch.setattr(adapter, "rotary_table", same_for_all_views)
    permuted, plain = permuted_and_not()
    torch.testing.assert_close(permuted, plain[order], rtol=1e-5, atol=1e-5)


def test_cameras_of_every_latent_frame_count() -> None:
    """Each frame's own cameras steer it: changing frame 1 of view 1 first of all changes frame 1."""
    transformer = tiny_transformer(num_layers=1)
    adapter, encodings, inputs = random_adapter(transformer), torch.randn(2, 3, 12), random_inputs(2, f=3)
    changed = encodings.clone()
    changed[1, 1] += 1
    with torch.no_grad(), adapter.attach(transformer):
        with adapter.camera_encodings(encodings):
            before = run(transformer, inputs)
        with adapter.camera_encodings(changed):
            after = run(transformer, inputs)
    per_frame = (after - before).abs().amax(dim=(1, 3, 4))  # one layer: view attention is the only thing cameras reach
    assert per_frame[:, 1].min() > 1e-3 and per_frame[:, [0, 2]].max() == 0


def test_rotary_tables_are_built_once() -> None:
    assert rotary_table(2, 3, 5, 24, torch.device("cpu")) is rotary_table(2, 3, 5, 24, torch.device("cpu"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 50, "num_heads": 4}, "even head size, got dim=50 and num_heads=4"),
        ({"translation_scale": 0.0}, "must be positive, got 0.0"),
        ({"backbone": "UNet"}, "backbone is 'UNet'"),
    ],
)
def test_contradictory_settings(settings: dict, message: str) -> None:
    right = {"num_layers": 1, "dim": 48, "num_heads": 2, "backbone": "WanTransformer3DModel"}
    with pytest.raises(InputError, match=message):
        ViewSyncAdapter(**(right | settings))


def test_a_fresh_adapter_needs_plain_weights() -> None:
    transformer = tiny_transformer()
    transformer.blocks[1].attn1.to_k = torch.nn.Sequential(transformer.blocks[1].attn1.to_k)
    with pytest.raises(InputError, match="self-attention's k is a Sequential"):
        ViewSyncAdapter.from_transformer(transformer)


def test_head_sizes_that_six_does_not_divide() -> None:
    """Head size 16: rotary axes of 8, 4 and 4 features, as in the transformer's own table."""
    transformer = seeded(lambda: tiny_transformer(heads=3, head_dim=16), 0)
    own = transformer.rope(torch.empty(1, 16, 3, 2 * 2, 2 * 5))
    cos, sin = rotary_table(3, 2, 5, 16, torch.device("cpu"))
    torch.testing.assert_close(cos, own[0][0, ..., ::2])
    torch.testing.assert_close(sin, own[1][0, ..., 1::2])

"""View synchronisation where text and video attend together: what it computes, its settings, what it refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import CogVideoXTransformer3DModel
from safetensors.torch import load_file
from torch import Tensor

from adapters.examples import JOINT, random_adapter, random_c2w, run
from adapters.naive import joint_view_sync_change
from golden import golden
from syncam.adapters import FrameConcatAdapter, JointViewSyncAdapter, ViewSyncAdapter
from syncam.adapters.joint_view_sync import joint_rotary_table
from syncam.adapters.published import COGVIDEOX, split_state_dict
from syncam.errors import InputError
from tiny import tiny_joint_transformer, tiny_transformer

V_AND_GRID = [(1, (1, 2, 3)), (2, (3, 3, 5)), (3, (2, 5, 2))]


def still_c2w(num_views: int, num_frames: int, seed: int = 5) -> Tensor:
    return random_c2w(num_views, 1, seed=seed).expand(-1, num_frames, -1, -1)


@pytest.mark.parametrize(("num_views", "grid"), V_AND_GRID)
@pytest.mark.parametrize("text_views", ["all", "first", "none"])
@pytest.mark.parametrize("view_rotary", [True, False])
def test_the_change_equals_an_independent_implementation(
    num_views: int, grid: tuple[int, int, int], text_views: str, view_rotary: bool
) -> None:
    """Of one block, for two scenes: every view count, grid and setting agrees with the loops of naive.py."""
    adapter: Any = JOINT.random(
        tiny_joint_transformer(num_layers=1), text_views=text_views, view_rotary=view_rotary, moving_cameras=True
    )
    f, h, w = grid
    x, text, time = torch.randn(2 * num_views, f * h * w, 48), torch.randn(2 * num_views, 4, 48), torch.randn(1, 24)
    time, camera = time.expand(2 * num_views, -1), torch.randn(2 * num_views, f, 12)
    table = joint_rotary_table(num_views, h, w, 16, (h, w), torch.device("cpu")) if view_rotary else None
    block = adapter.blocks[0]
    with torch.no_grad():
        got = block(x, text, time, camera, None, table, num_views, torch.float32)
        texts = {"all": num_views, "first": 1, "none": 0}[text_views]
        expected = joint_view_sync_change(
            block.state_dict(), x, text, time, camera, num_views, grid, 3, texts=texts, rotary=view_rotary
        )
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("positions", "view_rotary"), [("rope", True), ("rope", False), ("sincos", False)])
def test_forward_equals_the_reference(positions: str, view_rotary: bool) -> None:
    """Transformers as 5b (rope) and 2b (sincos); the latter knows no rotary positions, not of views either."""
    path = golden(f"syncam_cogvideox_{positions}.safetensors")
    if path is None:
        pytest.skip("the golden tensors are not on this machine (set SYNCAM_GOLDEN to their folder)")
    reference = load_file(path)
    weights = {name.removeprefix("weights."): v for name, v in reference.items() if name.startswith("weights.")}
    base, delta = split_state_dict(weights, COGVIDEOX)
    transformer = CogVideoXTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=32,
        time_embed_dim=32,
        text_embed_dim=24,
        num_layers=2,
        sample_height=12,
        sample_width=20,
        sample_frames=5,
        max_text_seq_length=6,
        use_rotary_positional_embeddings=positions == "rope",
    ).eval()
    transformer.load_state_dict(base, strict=True)
    adapter = JointViewSyncAdapter.from_transformer(transformer, view_rotary=view_rotary)
    adapter.load_state_dict(delta, strict=True)
    inputs = {
        "hidden_states": reference["x"],
        "encoder_hidden_states": reference["context"],
        "timestep": reference["timestep"],
    }
    if positions == "rope":
        inputs["image_rotary_emb"] = (reference["rope_cos"], reference["rope_sin"])  # pyright: ignore
    encodings = reference["camera"][:, :, None].expand(-1, -1, 2, -1)
    with torch.no_grad(), adapter.attach(transformer), adapter.camera_encodings(encodings):
        got = run(transformer, inputs)
    expected = reference["y" if view_rotary else "y_without_view_rope"]
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4)
    assert (got - expected).abs().max() < 5e-6, "still within tolerance, but it used to be 7.2e-7"


def test_a_fresh_adapter_starts_from_the_self_attention_and_its_norm() -> None:
    transformer = tiny_joint_transformer()
    adapter: Any = ViewSyncAdapter.from_transformer(transformer, translation_scale=1.5)
    assert type(adapter) is JointViewSyncAdapter
    assert (adapter.config.view_rotary, adapter.config.text_views, adapter.config.moving_cameras) == (
        False,
        "all",
        False,
    )
    assert (adapter.config.translation_scale, adapter.config.time_dim) == (1.5, 24)
    for ours, block in zip(adapter.blocks, transformer.transformer_blocks, strict=True):
        for one, other in ((ours.attn, block.attn1), (ours.norm, block.norm1)):
            assert one.state_dict().keys() == other.state_dict().keys()
            for name, value in one.state_dict().items():
                assert torch.equal(value, other.state_dict()[name])
                assert value.data_ptr() != other.state_dict()[name].data_ptr()
        assert not ours.projector.weight.any() and not ours.cam_encoder.weight.any()


def test_a_transformer_that_leaves_positions_to_the_caller() -> None:
    """Rotary positions for the transformer, as 5b needs them, pass by the adapter."""
    transformer = tiny_joint_transformer(rotary=True)
    adapter, inputs = JOINT.random(transformer), JOINT.inputs(2)
    inputs["image_rotary_emb"] = joint_rotary_table(2, 2, 3, 16, (2, 3), torch.device("cpu"))  # pyright: ignore
    other = inputs | {"image_rotary_emb": tuple(-part for part in inputs["image_rotary_emb"])}
    fresh = JOINT.fresh(transformer)
    with torch.no_grad():
        stock = run(transformer, inputs)
        with fresh.attach(transformer), fresh.cameras(random_c2w(2, 2)):
            assert torch.equal(run(transformer, inputs), stock)
        with adapter.attach(transformer), adapter.cameras(random_c2w(2, 2)):
            assert not torch.equal(run(transformer, inputs), run(transformer, other))


def test_scenes_of_a_batch_do_not_see_each_other() -> None:
    transformer = tiny_joint_transformer()
    adapter, inputs, cameras = JOINT.random(transformer), JOINT.inputs(6), random_c2w(2, 3, 2)
    with torch.no_grad(), adapter.attach(transformer):
        with adapter.cameras(cameras):
            together = run(transformer, inputs)
        for scene, part in enumerate(together.chunk(2)):
            with adapter.cameras(cameras[scene]):
                alone = run(transformer, {name: value.chunk(2)[scene] for name, value in inputs.items()})
            torch.testing.assert_close(part, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("text_views", ["all", "first", "none"])
def test_permuting_views_permutes_outputs_unless_the_adapter_tells_them_apart(text_views: str) -> None:
    """Without rotary positions of views, and without a first view whose text counts, no view is special."""
    transformer = tiny_joint_transformer()
    adapter = JOINT.random(transformer, view_rotary=False, text_views=text_views)
    inputs, encodings, order = JOINT.inputs(3), torch.randn(3, 2, 12), torch.tensor([2, 0, 1])
    with torch.no_grad(), adapter.attach(transformer):
        with adapter.camera_encodings(encodings):
            plain = run(transformer, inputs)[order]
        with adapter.camera_encodings(encodings[order]):
            permuted = run(transformer, {name: value[order] for name, value in inputs.items()})
    close = torch.allclose(permuted, plain, rtol=1e-4, atol=1e-5)
    assert close == (text_views != "first")


@pytest.mark.parametrize("hw", [(4, 6), (6, 10), (8, 4)])
def test_any_size_and_length(hw: tuple[int, int]) -> None:
    transformer = tiny_joint_transformer()
    adapter = JOINT.random(transformer)
    for num_views, f in ((1, 1), (4, 3)):
        with torch.no_grad(), adapter.attach(transformer), adapter.cameras(still_c2w(num_views, f)):
            output = run(transformer, JOINT.inputs(num_views, f, *hw))
        assert output.shape == (num_views, f, 16, *hw) and output.isfinite().all()


def test_rotary_positions_are_scaled_to_the_size_that_the_transformer_was_made_for() -> None:
    """As the stock pipeline does it: a grid of twice the size has its positions half as far apart."""
    device = torch.device("cpu")
    small, large = (
        joint_rotary_table(2, 2 * k, 3 * k, 16, (2, 3), device)[0].view(2, 2 * k, 3 * k, 16) for k in (1, 2)
    )
    torch.testing.assert_close(large[:, ::2, ::2], small)
    assert joint_rotary_table(2, 4, 6, 16, (2, 3), device) is joint_rotary_table(2, 4, 6, 16, (2, 3), device)


def test_cameras_that_move_are_refused_unless_the_weights_know_them(tmp_path: Path) -> None:
    transformer = tiny_joint_transformer()
    adapter = JOINT.random(transformer, moving_cameras=False)
    still = still_c2w(3, 5)
    moving = still.clone()
    moving[1, 3:, 0, 3] += 0.01
    message = "camera of view 1 moves, but this adapter was trained with cameras that stand still"
    with adapter.attach(transformer), torch.no_grad():
        with adapter.cameras(still, temporal_stride=4):
            run(transformer, JOINT.inputs(3))
        with pytest.raises(InputError, match=message), adapter.cameras(moving, temporal_stride=4):
            pass
        together = random_c2w(1, 5) @ still  # all move as one: the same relative to each other, but not to the scene
        with pytest.raises(InputError, match="camera of view 0 moves"), adapter.cameras(together):
            pass
        encodings = torch.randn(2, 3, 1, 12).repeat(1, 1, 2, 1)
        with adapter.camera_encodings(encodings):
            run(transformer, JOINT.inputs(6))
        encodings[0, 1, 1] += 1
        with pytest.raises(InputError, match=message), adapter.camera_encodings(encodings):
            pass
    adapter.save_pretrained(tmp_path)
    trained = ViewSyncAdapter.from_pretrained(tmp_path, moving_cameras=True)
    assert type(trained) is JointViewSyncAdapter
    with trained.attach(transformer), trained.cameras(moving, temporal_stride=4), torch.no_grad():
        run(transformer, JOINT.inputs(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dim": 50, "num_heads": 4}, "even head size, got dim=50 and num_heads=4"),
        ({"translation_scale": 0.0}, "must be positive, got 0.0"),
        ({"backbone": "WanTransformer3DModel"}, "'WanTransformer3DModel', but this adapter attaches to CogVideoX"),
        ({"view_rotary": True, "num_heads": 2}, r"heads of a multiple of 16 features, got 24 \(dim=48, num_heads=2\)"),
        ({"text_views": "last"}, "text_views must be all, first, none, got 'last'"),
    ],
)
def test_contradictory_settings(settings: dict, message: str) -> None:
    right = {"num_layers": 1, "dim": 48, "num_heads": 3, "time_dim": 24, "backbone": "CogVideoXTransformer3DModel"}
    with pytest.raises(InputError, match=message):
        JointViewSyncAdapter(**(right | settings))


def test_each_kind_of_adapter_says_what_it_attaches_to() -> None:
    message = "is a CogVideoXTransformer3DModel, but a FrameConcatAdapter attaches to WanTransformer3DModel, "
    with pytest.raises(InputError, match=message):
        FrameConcatAdapter.from_transformer(tiny_joint_transformer())
    message = "is a WanTransformer3DModel, but a JointViewSyncAdapter attaches to CogVideoXTransformer3DModel$"
    with pytest.raises(InputError, match=message):
        JointViewSyncAdapter.from_transformer(tiny_transformer())


def test_another_form_in_a_folder(tmp_path: Path) -> None:
    random_adapter(tiny_transformer()).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="holds a ViewSyncAdapter, expected a JointViewSyncAdapter"):
        JointViewSyncAdapter.from_pretrained(tmp_path)


def test_sizes_that_patches_do_not_divide() -> None:
    transformer = tiny_joint_transformer()
    adapter = JOINT.random(transformer)
    message = r"latents of 2 x 5 x 6 \(frames, height, width\) are no multiple of .* 1 x 2 x 2: give another size"
    with adapter.attach(transformer), adapter.cameras(still_c2w(2, 2)), pytest.raises(InputError, match=message):
        run(transformer, JOINT.inputs(2, 2, 5, 6))


def test_tokens_of_several_latent_frames_are_refused() -> None:
    with torch.device("meta"):
        transformer = CogVideoXTransformer3DModel(num_layers=1, patch_size_t=2, sample_frames=81)
    with pytest.raises(InputError, match="makes one token of 2 latent frames"):
        ViewSyncAdapter.from_transformer(transformer)

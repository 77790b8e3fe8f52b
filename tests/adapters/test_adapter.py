"""Attaching, camera state, saving and loading; every refusal names what was wrong."""

import json
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapters.examples import Kind, every_kind, random_adapter, random_c2w, run
from syncam.adapters import ViewSyncAdapter
from syncam.errors import InputError
from tiny import tiny_joint_pipeline, tiny_joint_transformer, tiny_transformer, tiny_wan_pipeline

WEIGHTS = "diffusion_pytorch_model.safetensors"


@every_kind
def test_an_attached_adapter_asks_for_cameras(kind: Kind) -> None:
    transformer = kind.transformer()
    adapter = kind.random(transformer)
    with torch.no_grad(), adapter.attach(transformer):
        with pytest.raises(InputError, match=r"attached but has no cameras.*adapter.cameras.*adapter.disabled"):
            run(transformer, kind.inputs(2))
        with kind.cameras(adapter, random_c2w(2, 2)):
            run(transformer, kind.inputs(2))
        with pytest.raises(InputError, match="attached but has no cameras"):
            run(transformer, kind.inputs(2))


@every_kind
def test_camera_state_nests_and_survives_errors(kind: Kind) -> None:
    transformer = kind.transformer()
    adapter, inputs = kind.random(transformer), kind.inputs(2)
    with torch.no_grad(), adapter.attach(transformer), kind.cameras(adapter, random_c2w(2, 2)):
        outer = run(transformer, inputs)
        with pytest.raises(RuntimeError, match="inside"), kind.cameras(adapter, random_c2w(2, 2, seed=8)):
            assert not torch.equal(run(transformer, inputs), outer)
            raise RuntimeError("inside")
        with adapter.disabled(), kind.cameras(adapter, random_c2w(2, 2, seed=8)):
            assert not torch.equal(run(transformer, inputs), outer)
        assert torch.equal(run(transformer, inputs), outer)


@every_kind
@pytest.mark.parametrize(
    ("batch", "shape", "message"),
    [
        (3, (2, 2), r"batch is 3, expected a multiple of 2 \(1 scenes of 2 views\)"),
        (2, (2, 2, 2), r"batch is 2, expected a multiple of 4 \(2 scenes of 2 views\)"),
        (2, (2, 5), "cameras has 5 latent frames but the transformer's input has 2"),
    ],
)
def test_a_batch_that_does_not_fit_the_cameras(kind: Kind, batch: int, shape: tuple[int, ...], message: str) -> None:
    transformer = kind.transformer()
    adapter = kind.random(transformer)
    with (
        torch.no_grad(),
        adapter.attach(transformer),
        kind.cameras(adapter, random_c2w(*shape)),
        pytest.raises(InputError, match=message),
    ):
        run(transformer, kind.inputs(batch))


def test_cameras_that_are_none() -> None:
    adapter = random_adapter(tiny_transformer())
    with pytest.raises(InputError, match=r"c2w matrices \[\*B, V, F, 4, 4\], got shape \(2, 5, 3, 4\)"):
        adapter.cameras(torch.zeros(2, 5, 3, 4)).__enter__()
    with pytest.raises(InputError, match="frames must be 1 more than a multiple of 4, got 4"):
        adapter.cameras(random_c2w(2, 4), temporal_stride=4).__enter__()
    with pytest.raises(InputError, match=r"finite and \[\*B, V, f, 12\], got shape \(2, 5, 11\)"):
        adapter.camera_encodings(torch.zeros(2, 5, 11)).__enter__()
    with pytest.raises(InputError, match="encodings must be finite"):
        adapter.camera_encodings(torch.full((2, 5, 12), float("nan"))).__enter__()


@every_kind
def test_video_frames_pair_with_latent_frames(kind: Kind) -> None:
    """With temporal stride 4, latent frame i takes the camera of video frame 4 i."""
    transformer = kind.transformer()
    adapter, inputs, video = kind.random(transformer), kind.inputs(2), random_c2w(2, 5)
    with torch.no_grad(), adapter.attach(transformer):
        with kind.cameras(adapter, video, temporal_stride=4):
            strided = run(transformer, inputs)
        with kind.cameras(adapter, video[:, [0, 4]]):
            assert torch.equal(run(transformer, inputs), strided)


@every_kind
def test_the_cameras_value_is_understood(kind: Kind) -> None:
    from syncam.cameras.cameras import Cameras

    transformer = kind.transformer()
    adapter, inputs, c2w = kind.random(transformer), kind.inputs(2), random_c2w(2, 5)
    cameras = Cameras(c2w=c2w, K=torch.eye(3).expand(2, 5, 3, 3).clone(), hw=(16, 24))
    with torch.no_grad(), adapter.attach(transformer):
        with kind.cameras(adapter, cameras, temporal_stride=4):
            got = run(transformer, inputs)
        with kind.cameras(adapter, c2w, temporal_stride=4):
            assert torch.equal(run(transformer, inputs), got)


@every_kind
def test_translation_scale_is_the_unit_of_length(kind: Kind) -> None:
    transformer = kind.transformer()
    near, far = kind.random(transformer, translation_scale=1.0), kind.random(transformer, translation_scale=2.0)
    inputs, cameras = kind.inputs(2), random_c2w(2, 2)
    doubled = cameras.clone()
    doubled[..., :3, 3] *= 2
    with torch.no_grad():
        with near.attach(transformer), kind.cameras(near, cameras):
            got = run(transformer, inputs)
        with far.attach(transformer), kind.cameras(far, doubled):
            torch.testing.assert_close(run(transformer, inputs), got, rtol=1e-5, atol=1e-5)


@every_kind
@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"num_layers": 3}, "expected num_layers=2, got num_layers=3"),
        ({"heads": 4, "head_dim": 12}, "expected num_heads=[23], got num_heads=4"),
        ({"head_dim": 32}, "expected dim=48, got dim=(64|96)"),
    ],
)
def test_an_adapter_of_another_size(kind: Kind, other: dict[str, int], message: str, tmp_path: Path) -> None:
    kind.random(kind.transformer()).save_pretrained(tmp_path)
    adapter, transformer = kind.adapter.from_pretrained(tmp_path), kind.transformer(**other)
    with pytest.raises(InputError, match=message):
        adapter.attach(transformer)
    assert not transformer._forward_pre_hooks


@every_kind
def test_attaching_twice(kind: Kind) -> None:
    transformer, other = kind.transformer(), kind.transformer()
    adapter = kind.random(transformer)
    with adapter.attach(transformer):
        with pytest.raises(InputError, match="this adapter is attached to a transformer already"):
            adapter.attach(other)
        with pytest.raises(InputError, match="this transformer has an adapter attached already"):
            kind.random(transformer).attach(transformer)
    adapter.attach(other).remove()


@every_kind
def test_a_copy_is_not_attached(kind: Kind) -> None:
    """A copy, for an average of the weights say, leaves the transformer where it is."""
    transformer = kind.transformer()
    adapter, inputs = kind.random(transformer), kind.inputs(2)
    with torch.no_grad(), adapter.attach(transformer) as handle, kind.cameras(adapter, random_c2w(2, 2)):
        expected = run(transformer, inputs)
        copy = deepcopy(adapter)
        handle.remove()
        with copy.attach(transformer), kind.cameras(copy, random_c2w(2, 2)):
            assert torch.equal(run(transformer, inputs), expected)
    assert copy.blocks[0].projector.weight is not adapter.blocks[0].projector.weight


def test_attaching_to_something_else() -> None:
    adapter = random_adapter(tiny_transformer())
    with pytest.raises(InputError, match="transformer is a Linear, but adapters attach to WanTransformer3DModel"):
        adapter.attach(torch.nn.Linear(1, 1))


@every_kind
def test_attaching_to_a_transformer_of_another_class(kind: Kind) -> None:
    adapter = kind.random(kind.transformer())
    other = tiny_transformer() if kind.is_joint else tiny_joint_transformer()
    with pytest.raises(InputError, match=f"expected backbone={kind.backbone}, got backbone={type(other).__name__}$"):
        adapter.attach(other)
    assert not other._forward_pre_hooks


@every_kind
def test_save_and_load_give_the_same_output(kind: Kind, tmp_path: Path) -> None:
    transformer = kind.transformer()
    adapter, inputs = kind.random(transformer, translation_scale=1.25), kind.inputs(2)
    adapter.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", WEIGHTS]
    config = json.loads((tmp_path / "config.json").read_text())
    expected = {"dim": 48, "num_layers": 2, "translation_scale": 1.25}
    expected |= {"num_heads": 3, "eps": 1e-5, "time_dim": 24} if kind.is_joint else {"num_heads": 2, "eps": 1e-6}
    assert expected.items() <= config.items()
    assert config["_class_name"] == kind.adapter.__name__ and config["backbone"] == kind.backbone
    loaded = kind.adapter.from_pretrained(tmp_path)
    with torch.no_grad():
        outputs = []
        for one in (adapter, loaded):
            with one.attach(transformer), kind.cameras(one, random_c2w(2, 2)):
                outputs.append(run(transformer, inputs))
    assert torch.equal(*outputs)


@every_kind
def test_the_file_holds_the_delta_alone(kind: Kind, tmp_path: Path) -> None:
    adapter = kind.random(kind.transformer())
    adapter.save_pretrained(tmp_path)
    names = set(load_file(tmp_path / WEIGHTS))
    assert names == set(adapter.state_dict())
    assert all(name.split(".")[2] in ("cam_encoder", "attn", "projector", "modulation", "norm") for name in names)


def test_loading_in_bfloat16_keeps_the_modulation_exact(tmp_path: Path) -> None:
    random_adapter(tiny_transformer()).save_pretrained(tmp_path)
    loaded = ViewSyncAdapter.from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert loaded.dtype == torch.bfloat16
    assert loaded.blocks[0].modulation.dtype == torch.float32


def test_folders_that_hold_something_else(tmp_path: Path) -> None:
    transformer = tiny_transformer()
    adapter = random_adapter(transformer)
    with pytest.raises(InputError, match="has no config.json: expected a folder written by save_pretrained"):
        ViewSyncAdapter.from_pretrained(tmp_path)
    transformer.save_pretrained(tmp_path / "wan")
    with pytest.raises(InputError, match="wan holds a WanTransformer3DModel, expected a ViewSyncAdapter"):
        ViewSyncAdapter.from_pretrained(tmp_path / "wan")

    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="config.json is not valid JSON"):
        ViewSyncAdapter.from_pretrained(tmp_path)
    adapter.save_pretrained(tmp_path)
    weights = load_file(tmp_path / WEIGHTS)
    gone = {name: value for name, value in weights.items() if name != "blocks.1.projector.bias"}
    save_file(gone, tmp_path / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"has 1 missing weights: blocks.1.projector.bias"):
        ViewSyncAdapter.from_pretrained(tmp_path)
    save_file(weights | {"extra": torch.zeros(1)}, tmp_path / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match="has 1 unexpected weights: extra"):
        ViewSyncAdapter.from_pretrained(tmp_path)
    save_file(weights | {"blocks.1.projector.bias": torch.zeros(3)}, tmp_path / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(InputError, match="does not hold the weights its config describes.*blocks.1.projector.bias"):
        ViewSyncAdapter.from_pretrained(tmp_path)


@every_kind
def test_guidance_of_the_stock_pipeline_runs_through_the_adapter(kind: Kind) -> None:
    """Classifier-free guidance calls the transformer twice per step, or with a batch twice as large."""
    pipeline = tiny_joint_pipeline() if kind.is_joint else tiny_wan_pipeline()
    adapter = kind.random(pipeline.transformer)
    settings = {
        "prompt": ["a red horse runs on grass"] * 2 if kind.is_joint else "a red horse runs on grass",
        "negative_prompt": "sand",
        "height": 16,
        "width": 32,
        "num_frames": 5,
        "num_inference_steps": 2,
        "guidance_scale": 4.0,
        "num_videos_per_prompt": 1 if kind.is_joint else 2,
        "max_sequence_length": 5 if kind.is_joint else 32,
        "output_type": "latent",
    }
    calls = []

    def generate() -> torch.Tensor:
        return pipeline(**settings, generator=torch.Generator().manual_seed(0)).frames

    stock = generate()
    with adapter.attach(pipeline.transformer), kind.cameras(adapter, random_c2w(2, 5), (4, 8), temporal_stride=4):
        handle = pipeline.transformer.register_forward_hook(lambda *_: calls.append(1))
        latents = generate()
        handle.remove()
        assert len(calls) == (2 if kind.is_joint else 4)
        assert not torch.equal(latents, stock) and latents.isfinite().all()
        with adapter.disabled():
            assert torch.equal(generate(), stock)
    assert torch.equal(generate(), stock)

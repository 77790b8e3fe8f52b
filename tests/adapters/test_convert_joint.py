"""Checkpoints of SynCamMaster's port to CogVideoX become adapter folders, whatever their names have in front."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from adapters.examples import JOINT, random_c2w, run
from syncam.adapters import JointViewSyncAdapter, ViewSyncAdapter
from syncam.adapters.convert import convert_checkpoint
from syncam.adapters.published import COGVIDEOX
from syncam.cameras.trained_range import load_trained_range
from syncam.errors import InputError
from tiny import tiny_joint_transformer, tiny_transformer


def published(**sizes: int) -> dict[str, Tensor]:
    """A small transformer and a random adapter for it, in the names of the port."""
    transformer = tiny_joint_transformer(**sizes)
    adapter = JOINT.random(transformer, view_rotary=False, moving_cameras=False)
    original = {ours: theirs for theirs, ours in COGVIDEOX.names.items()}
    added = {}
    for name, value in adapter.state_dict().items():
        _, index, rest = name.split(".", 2)
        added[f"transformer_blocks.{index}.{original[rest]}"] = value
    return dict(transformer.state_dict()) | added


def write(weights: dict[str, Tensor], folder: Path) -> Path:
    save_file({name: value.contiguous().clone() for name, value in weights.items()}, folder / "checkpoint.safetensors")
    return folder / "checkpoint.safetensors"


def distributed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"module.{name}": value for name, value in weights.items()}


def old_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    old = {"cam_encoder": "pose_fuse_layer_1", "projector": "pose_fuse_layer_2"}
    return {re.sub("cam_encoder|projector", lambda m: old[m[0]], name): value for name, value in weights.items()}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tiny_joint_transformer().save_pretrained(tmp_path / "base" / "transformer")
    return tmp_path / "base"


@pytest.mark.parametrize("named", [dict, distributed, old_names, lambda weights: distributed(old_names(weights))])
def test_a_converted_checkpoint_gives_the_output_of_its_weights(named, base: Path, tmp_path: Path) -> None:
    report = convert_checkpoint(write(named(published()), tmp_path), tmp_path / "out", base=base)
    transformer = tiny_joint_transformer()
    expected = JOINT.random(transformer, view_rotary=False, moving_cameras=False)
    assert (report.method, report.num_layers, report.dim, report.num_heads) == ("SynCamMaster on CogVideoX", 2, 48, 3)
    assert (report.frozen_tensors, report.max_difference) == (len(transformer.state_dict()), 0.0)
    adapter = ViewSyncAdapter.from_pretrained(tmp_path / "out")
    assert type(adapter) is JointViewSyncAdapter
    assert {"time_dim": 24, "translation_scale": 2.0, "moving_cameras": False}.items() <= dict(adapter.config).items()
    outputs, cameras = [], random_c2w(2, 1).expand(-1, 2, -1, -1)
    with torch.no_grad():
        for one in (adapter, expected):
            with one.attach(transformer), one.cameras(cameras):
                outputs.append(run(transformer, JOINT.inputs(2)))
    assert torch.equal(*outputs)
    trained = load_trained_range(tmp_path / "out")
    assert trained is not None and trained.travel_m == 0.0 and trained.lens_mm == 18.0


def test_without_a_base_the_norm_of_the_queries_tells_the_heads(tmp_path: Path) -> None:
    report = convert_checkpoint(write(published(heads=4, head_dim=32), tmp_path), tmp_path / "out")
    assert (report.dim, report.num_heads, report.max_difference) == (128, 4, None)


def test_what_is_missing_or_belongs_to_something_else(base: Path, tmp_path: Path) -> None:
    weights = published()
    added = ("cam_encoder", "projector", "norm_syncam", "attn_syncam")
    plain = {name: value for name, value in weights.items() if not any(part in name for part in added)}
    no_norm = {name: value for name, value in weights.items() if "norm_syncam" not in name}
    twice = weights | old_names({name: value for name, value in weights.items() if "projector" in name})
    for wrong, message in (
        (
            no_norm,
            "a checkpoint of SynCamMaster on CogVideoX, lacks transformer_blocks.0.norm_syncam.linear.bias, .* and",
        ),
        (plain, "is a plain CogVideoX transformer .no camera encoder.; expected a checkpoint of SynCamMaster on Cog"),
        (twice, "has transformer_blocks.0.projector.bias twice, in an old name and in a newer one"),
    ):
        with pytest.raises(InputError, match=message):
            convert_checkpoint(write(wrong, tmp_path), tmp_path / "out", base=base)
    assert not (tmp_path / "out").exists()


def test_another_base(base: Path, tmp_path: Path) -> None:
    checkpoint = write(published(), tmp_path)
    tiny_transformer().save_pretrained(tmp_path / "wan")
    with pytest.raises(InputError, match="holds a WanTransformer3DModel, expected a CogVideoXTransformer3DModel"):
        convert_checkpoint(checkpoint, tmp_path / "out", base=tmp_path / "wan")
    tiny_joint_transformer(heads=4).save_pretrained(tmp_path / "larger")
    with pytest.raises(InputError, match="the checkpoint has width 48, but the base model 4 heads of 16"):
        convert_checkpoint(checkpoint, tmp_path / "out", base=tmp_path / "larger")
    tiny_joint_transformer(seed=1).save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match="norm_final.bias differs from the base model's by up to"):
        convert_checkpoint(checkpoint, tmp_path / "out", base=tmp_path / "other")
    with pytest.raises(InputError, match="rank belongs to ReCamMaster, and .* is of SynCamMaster on CogVideoX"):
        convert_checkpoint(checkpoint, tmp_path / "out", base=base, rank=4)

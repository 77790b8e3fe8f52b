"""Checkpoints around AnimateDiff v3, in their published names and numbers, become folders that load."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from safetensors.torch import load_file, save_file
from torch import Tensor

from syncam.adapters import EpipolarSyncAdapter, PlueckerAdapter
from syncam.adapters.convert import convert_checkpoint
from syncam.adapters.convert_unet import UNetConversion, convert_file
from syncam.adapters.published_unet import CAMERACTRL, CVD, DOMAIN_LORA, MOTION, motion_name
from syncam.adapters.spatial_lora import LORA_FILE, fuse_lora
from syncam.errors import InputError

CHANNELS = [32, 64, 96, 96]  # where those of Stable Diffusion 1.5 are 320, 640, 1280, 1280
COUNTS = {"CVD.ckpt": 520, "CameraCtrl.ckpt": 190, "v3_sd15_mm.ckpt": 560, "v3_sd15_adapter.ckpt": 256}
COUNTS |= {"RealEstate10K_LoRA.ckpt": 256}


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=tuple(CHANNELS), cross_attention_dim=16, attention_head_dim=8, layers_per_block=2
    ).eval()


@pytest.fixture(scope="module")
def stack(unet: UNet2DConditionModel) -> UNetMotionModel:
    return UNetMotionModel.from_unet2d(
        unet, MotionAdapter(block_out_channels=tuple(CHANNELS), use_motion_mid_block=False)
    )


def random_weights(names: Iterable[str], shape_of: Any, positions: int) -> dict[str, Tensor]:
    weights = {}
    for name in sorted(names):
        weights[name] = torch.randn(shape_of(name)) / 8
        if name.endswith("pos_encoder.pe"):
            weights[name] = SinusoidalPositionalEmbedding(weights[name].shape[-1], positions).pe
    return weights


def level_of(name: str) -> int:
    side, index = re.match(r"(down|up)_blocks\.(\d)", name).groups()  # pyright: ignore[reportOptionalMemberAccess]
    return int(index) if side == "down" else 3 - int(index)


def transformer_shape(name: str, dim: int) -> tuple[int, ...]:
    """Of a tensor in a motion or synchronisation module, or in the encoder's attention over time."""
    if name.endswith("pos_encoder.pe"):
        return (1, 1, dim)
    if "ff.net.0.proj" in name:
        return (8 * dim, dim) if name.endswith("weight") else (8 * dim,)
    if "ff.net.2.weight" in name:
        return (dim, 4 * dim)
    matrix = any(part in name for part in ("to_q", "to_k", "to_v", "to_out", "proj_in", "proj_out", "qkv_merge"))
    return (dim, dim) if matrix and name.endswith("weight") else (dim,)


def cameractrl_shape(name: str) -> tuple[int, ...]:
    if "blocks" in name and "encoder" not in name.split(".")[0]:
        return transformer_shape(name, CHANNELS[level_of(name)])
    if name.startswith("encoder_conv_in"):
        return (32, 384, 3, 3) if name.endswith("weight") else (32,)
    level = int(name.split(".")[1])
    dim = CHANNELS[level]
    if name.startswith("encoder_down_attention"):
        return transformer_shape(name, dim)
    if name.endswith("bias"):
        return (dim,)
    if "in_conv" in name:
        return (dim, CHANNELS[level - 1], 1, 1)
    return (dim, dim, 3, 3) if "block1" in name else (dim, dim, 1, 1)


def checkpoint(name: str, stack: UNetMotionModel, *, module: str = "") -> Any:
    """What such a file holds, with random weights of small width."""
    if name == "CVD.ckpt":
        weights = random_weights(CVD.names, lambda n: transformer_shape(n, CHANNELS[level_of(n)]), 0)
        return {"epoch": 3, "global_step": 100, "unet_trainable_dict": {module + n: v for n, v in weights.items()}}
    if name == "CameraCtrl.ckpt":
        weights = random_weights(CAMERACTRL.names, cameractrl_shape, 16)
        encoder = {module + n: v for n, v in weights.items() if n.startswith("encoder")}
        merges = {module + n: v for n, v in weights.items() if not n.startswith("encoder")}
        return {"epoch": 3, "pose_encoder_state_dict": encoder, "attention_processor_state_dict": merges}
    if name == "v3_sd15_mm.ckpt":
        return random_weights(MOTION.names, lambda n: transformer_shape(n, CHANNELS[level_of(n)]), 32)
    own = dict(stack.named_parameters())

    def lora_shape(n: str) -> tuple[int, ...]:
        path, layer, part = re.match(r"(.+)\.processor\.(to_\w+)_lora\.(down|up)", n).groups()  # pyright: ignore
        rows, columns = own[f"{path}.{'to_out.0' if layer == 'to_out' else layer}.weight"].shape
        return (4, columns) if part == "down" else (rows, 4)

    weights = random_weights(DOMAIN_LORA.names, lora_shape, 0)
    return {"lora_state_dict": weights, "global_step": 9} if "Estate" in name else {"state_dict": weights}


def written(name: str, content: Any, folder: Path) -> Path:
    torch.save(content, folder / name)
    return folder / name


def flat(content: dict[str, Any]) -> dict[str, Tensor]:
    tensors = {}
    for name, value in content.items():
        tensors |= flat(value) if isinstance(value, dict) else {name: value} if isinstance(value, Tensor) else {}
    return tensors


def converted(
    name: str, stack: UNetMotionModel, folder: Path, **settings: Any
) -> tuple[UNetConversion, dict[str, Tensor]]:
    content = checkpoint(name, stack)
    result = convert_file(written(name, content, folder), folder / "out", **settings)
    assert isinstance(result, UNetConversion)
    assert result.num_tensors == COUNTS[name] == len(flat(content))
    return result, flat(content)


def test_cvd(stack: UNetMotionModel, tmp_path: Path) -> None:
    result, weights = converted("CVD.ckpt", stack, tmp_path)
    assert result.method.startswith("CVD") and result.use == "EpipolarSyncAdapter.from_pretrained"
    adapter = EpipolarSyncAdapter.from_pretrained(result.out)
    assert result.num_parameters == sum(parameter.numel() for parameter in adapter.parameters())
    up = weights["up_blocks.1.epi_modules.2.epi_transformer.transformer_blocks.0.attention_blocks.1.to_k.weight"]
    own: Any = adapter.blocks[8 + 3 + 2]
    assert torch.equal(own.block.attn2.to_k.weight, up)
    down = weights["down_blocks.2.epi_modules.1.epi_transformer.proj_out.bias"]
    assert torch.equal(adapter.get_parameter("blocks.5.proj_out.bias"), down)
    with adapter.attach(stack):
        pass


@pytest.mark.parametrize("module", ["", "module."])
def test_cameractrl(module: str, stack: UNetMotionModel, tmp_path: Path) -> None:
    content = checkpoint("CameraCtrl.ckpt", stack, module=module)
    assert [len(content[name]) for name in ("pose_encoder_state_dict", "attention_processor_state_dict")] == [150, 40]
    result = convert_file(written("CameraCtrl.ckpt", content, tmp_path), tmp_path / "out")
    assert isinstance(result, UNetConversion) and result.num_tensors == 190
    assert result.method.startswith("CameraCtrl") and result.use == "PlueckerAdapter.from_pretrained"
    adapter = PlueckerAdapter.from_pretrained(result.out)
    encoder, merges = (content[name] for name in ("pose_encoder_state_dict", "attention_processor_state_dict"))
    for name, ours in (
        ("encoder_conv_in.weight", "encoder.conv_in.weight"),
        ("encoder_down_conv_blocks.2.0.in_conv.bias", "encoder.residuals.2.0.conv_in.bias"),
        ("encoder_down_conv_blocks.3.1.block1.weight", "encoder.residuals.3.1.conv_1.weight"),
        ("encoder_down_attention_blocks.1.0.ff_norm.weight", "encoder.temporals.1.0.norm3.weight"),
        ("encoder_down_attention_blocks.0.1.attention_blocks.0.to_q.weight", "encoder.temporals.0.1.attn1.to_q.weight"),
    ):
        assert torch.equal(adapter.get_parameter(ours), encoder[module + name]), name
    merge = "temporal_transformer.transformer_blocks.0.attention_blocks.0.processor.qkv_merge"
    first = merges[f"{module}up_blocks.3.motion_modules.2.{merge}.weight"]
    assert torch.equal(adapter.get_parameter("blocks.19.linear.weight"), first)
    positions: Any = SinusoidalPositionalEmbedding(32, 32).pe
    assert torch.equal(adapter.get_buffer("encoder.temporals.0.0.pos_embed.pe"), positions)
    with adapter.attach(stack):
        pass


def test_motion_modules(unet: UNet2DConditionModel, stack: UNetMotionModel, tmp_path: Path) -> None:
    result, weights = converted("v3_sd15_mm.ckpt", stack, tmp_path)
    adapter = MotionAdapter.from_pretrained(result.out)
    loaded = UNetMotionModel.from_unet2d(unet, adapter).state_dict()
    for name, value in weights.items():
        if "pos_encoder" not in name:
            assert torch.equal(loaded[motion_name(name)], value), name
    assert adapter.config["motion_max_seq_length"] == 32 and not adapter.config["use_motion_mid_block"]
    assert set(adapter.state_dict()) == set(load_file(result.out / "diffusion_pytorch_model.safetensors"))


@pytest.mark.parametrize("name", ["v3_sd15_adapter.ckpt", "RealEstate10K_LoRA.ckpt"])
def test_loras(name: str, unet: UNet2DConditionModel, stack: UNetMotionModel, tmp_path: Path) -> None:
    result, weights = converted(name, stack, tmp_path)
    assert ("RealEstate10K" in result.method) == ("Estate" in name)
    path = "mid_block.attentions.0.transformer_blocks.0.attn2"
    before = unet.get_parameter(f"{path}.to_out.0.weight").clone()
    assert fuse_lora(unet, result.out, scale=0.5) == 128
    down, up = (weights[f"{path}.processor.to_out_lora.{part}.weight"] for part in ("down", "up"))
    torch.testing.assert_close(unet.get_parameter(f"{path}.to_out.0.weight"), before + 0.5 * up @ down)
    assert fuse_lora(unet, result.out, scale=-0.5) == 128
    torch.testing.assert_close(unet.get_parameter(f"{path}.to_out.0.weight"), before)
    assert fuse_lora(stack, result.out) == 128
    fuse_lora(stack, result.out, scale=-1.0)


def test_a_lora_of_another_unet_is_not_fused(
    unet: UNet2DConditionModel, stack: UNetMotionModel, tmp_path: Path
) -> None:
    result, _ = converted("v3_sd15_adapter.ckpt", stack, tmp_path)
    before = {name: value.clone() for name, value in unet.state_dict().items()}
    path = result.out / LORA_FILE
    weights = load_file(path)
    last = next(name for name in reversed(weights) if name.endswith("lora_A.weight"))
    weights[last] = weights[last][:, 1:].contiguous()
    save_file(weights, path)
    with pytest.raises(InputError, match=r"the LoRA of .* is of \d+ x \d+, the layer of \d+ x \d+"):
        fuse_lora(unet, result.out)
    weights["unet.mid_block.resnets.0.conv1.lora_A.weight"] = weights.pop(last)
    save_file(weights, path)
    with pytest.raises(
        InputError, match="has a LoRA of mid_block.resnets.0.conv1, which is no linear layer of this UNet"
    ):
        fuse_lora(unet, result.out)
    assert all(torch.equal(value, before[name]) for name, value in unet.state_dict().items())


def test_safetensors_and_precision(stack: UNetMotionModel, tmp_path: Path) -> None:
    content = flat(checkpoint("CVD.ckpt", stack))
    save_file(content, tmp_path / "CVD.safetensors")
    result = convert_file(tmp_path / "CVD.safetensors", tmp_path / "out", dtype=torch.float16)
    assert isinstance(result, UNetConversion) and result.dtype == torch.float16
    adapter = EpipolarSyncAdapter.from_pretrained(result.out, torch_dtype=torch.float16)
    assert adapter.dtype == torch.float16


@pytest.mark.parametrize("name", ["CVD.ckpt", "v3_sd15_mm.ckpt", "v3_sd15_adapter.ckpt"])
def test_incomplete_and_other_checkpoints(name: str, stack: UNetMotionModel, tmp_path: Path) -> None:
    content = checkpoint(name, stack)
    held = content.get("unet_trainable_dict") or content.get("state_dict") or content
    gone = next(iter(held))
    value = held.pop(gone)
    with pytest.raises(InputError, match=rf"lacks {re.escape(gone)}: expected exactly {COUNTS[name]} tensors"):
        convert_file(written(name, content, tmp_path), tmp_path / "out")
    held |= {gone: value, gone.replace("blocks.0", "blocks.9"): value}
    with pytest.raises(InputError, match=r"has unexpected .*blocks\.9.*expected exactly"):
        convert_file(written(name, content, tmp_path), tmp_path / "out")
    held.pop(gone.replace("blocks.0", "blocks.9"))
    held[gone] = value[:-1].clone()
    with pytest.raises(InputError, match=r"has shape .*"):
        convert_file(written(name, content, tmp_path), tmp_path / "out")
    held[gone] = value * float("nan")
    with pytest.raises(InputError, match=rf"{re.escape(gone)} has values that are not finite"):
        convert_file(written(name, content, tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_positions_in_time(stack: UNetMotionModel, tmp_path: Path) -> None:
    content = checkpoint("v3_sd15_mm.ckpt", stack)
    name = next(name for name in content if name.endswith("pos_encoder.pe"))
    content[name] = content[name] + 0.1
    with pytest.raises(InputError, match=f"{re.escape(name)} has other positions in time than sines and cosines"):
        convert_file(written("v3_sd15_mm.ckpt", content, tmp_path), tmp_path / "out")


def test_settings_of_transformers(stack: UNetMotionModel, tmp_path: Path) -> None:
    path = written("CVD.ckpt", checkpoint("CVD.ckpt", stack), tmp_path)
    with pytest.raises(InputError, match="is of CVD.*: base and rank belong to checkpoints of transformers"):
        convert_file(path, tmp_path / "out", rank=4)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "something").touch()
    with pytest.raises(InputError, match="exists already"):
        convert_file(path, tmp_path / "out")
    with pytest.raises(InputError, match="does not hold a state dict"):
        convert_checkpoint(path, tmp_path / "other")

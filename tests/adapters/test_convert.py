"""Published checkpoints become adapter folders; everything that is not one is told apart."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import load_file, save_file
from torch import Tensor

from adapters.examples import random_inputs, run
from adapters.test_view_sync import forward_of_published, published_weights
from syncam.adapters import FrameConcatAdapter, ViewSyncAdapter
from syncam.adapters.convert import convert_checkpoint
from syncam.adapters.low_rank import truncated
from syncam.adapters.published import SYNCAMMASTER, split_state_dict
from syncam.cameras.trained_range import load_trained_range
from syncam.errors import InputError
from tiny import seeded

SETTINGS = {"num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 4, "out_channels": 4, "text_dim": 8}
SETTINGS |= {"freq_dim": 8, "ffn_dim": 48, "num_layers": 2}


@pytest.fixture
def weights() -> dict[str, Tensor]:
    return published_weights()


@pytest.fixture
def base(weights: dict[str, Tensor], tmp_path: Path) -> Path:
    """A diffusers model folder with the frozen part of `weights`."""
    transformer = WanTransformer3DModel(**SETTINGS)
    transformer.load_state_dict(split_state_dict(weights, SYNCAMMASTER)[0], strict=True)
    transformer.save_pretrained(tmp_path / "base" / "transformer", max_shard_size="20KB")
    assert len(list((tmp_path / "base" / "transformer").glob("*.safetensors"))) > 1, "sharded"
    return tmp_path / "base"


def write(weights: object, folder: Path, name: str = "step20000.ckpt") -> Path:
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


@pytest.mark.parametrize("name", ["step20000.ckpt", "model.safetensors"])
def test_a_converted_checkpoint_gives_the_reference_output(
    name: str, weights: dict[str, Tensor], base: Path, tmp_path: Path
) -> None:
    report = convert_checkpoint(write(weights, tmp_path, name), tmp_path / "out", base=base)
    assert (report.num_layers, report.dim, report.num_heads) == (2, 24, 2)
    assert report.max_difference == 0.0
    assert report.frozen_tensors == len(WanTransformer3DModel(**SETTINGS).state_dict())
    adapter = ViewSyncAdapter.from_pretrained(report.out)
    assert adapter.config.translation_scale == 2.0
    assert report.num_parameters == sum(parameter.numel() for parameter in adapter.parameters())

    transformer = WanTransformer3DModel.from_pretrained(base / "transformer")
    inputs = random_inputs(2) | {"encoder_hidden_states": torch.randn(2, 5, 8)}
    inputs["hidden_states"], camera = inputs["hidden_states"][:, :4], torch.randn(2, 2, 12)
    with torch.no_grad(), adapter.attach(transformer), adapter.camera_encodings(camera):
        got = run(transformer, inputs)
    assert torch.equal(got, forward_of_published(weights, 2, inputs, camera))


def test_the_folder_of_the_transformer_serves_as_base_too(
    weights: dict[str, Tensor], base: Path, tmp_path: Path
) -> None:
    report = convert_checkpoint(write(weights, tmp_path), tmp_path / "out", base=base / "transformer")
    assert report.max_difference == 0.0


@pytest.mark.parametrize("wrapper", ["state_dict", "module"])
def test_wrapped_state_dicts(wrapper: str, weights: dict[str, Tensor], base: Path, tmp_path: Path) -> None:
    convert_checkpoint(write({wrapper: weights, "step": 20000}, tmp_path), tmp_path / "out", base=base)


def test_a_bfloat16_checkpoint_of_a_float32_base(weights: dict[str, Tensor], base: Path, tmp_path: Path) -> None:
    rounded = {name: value.bfloat16() for name, value in weights.items()}
    report = convert_checkpoint(write(rounded, tmp_path), tmp_path / "out", base=base)
    assert report.dtype == torch.bfloat16
    assert report.max_difference is not None and 0 < report.max_difference < 0.02
    report = convert_checkpoint(write(rounded, tmp_path), tmp_path / "out32", base=base, dtype=torch.float32)
    assert report.dtype == torch.float32


def test_without_a_base_the_number_of_heads_follows_from_the_width(weights: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="width 24 is not a multiple of Wan's head size 128: give the base model"):
        convert_checkpoint(write(weights, tmp_path), tmp_path / "out")
    wide = published_weights(num_layers=1, dim=256)
    report = convert_checkpoint(write(wide, tmp_path), tmp_path / "out")
    assert (report.num_heads, report.max_difference) == (2, None)
    assert json.loads((report.out / "config.json").read_text())["num_heads"] == 2
    trained = load_trained_range(report.out)
    assert trained is not None and trained.distance_m == (3.5, 9.0) and trained.views == (2, 2)


def test_a_checkpoint_of_another_base_names_the_first_tensor(
    weights: dict[str, Tensor], base: Path, tmp_path: Path
) -> None:
    weights["blocks.1.cross_attn.k.weight"][3, 4] += 0.25
    with pytest.raises(InputError, match=r"blocks.1.cross_attn.k.weight differs from the base model's by up to 0.25"):
        convert_checkpoint(write(weights, tmp_path), tmp_path / "out", base=base)
    assert not (tmp_path / "out").exists()


def test_a_base_of_another_size(weights: dict[str, Tensor], tmp_path: Path) -> None:
    other = WanTransformer3DModel(**SETTINGS | {"ffn_dim": 40})
    other.load_state_dict(
        {name: v for name, v in split_state_dict(weights, SYNCAMMASTER)[0].items() if "ffn" not in name}, strict=False
    )
    other.save_pretrained(tmp_path / "base")
    with pytest.raises(
        InputError, match=r"blocks.0.ffn.0.weight has shape \(48, 24\), but the base model's is \(40, 24\)"
    ):
        convert_checkpoint(write(weights, tmp_path), tmp_path / "out", base=tmp_path / "base")
    WanTransformer3DModel(**SETTINGS | {"num_attention_heads": 3}).save_pretrained(tmp_path / "wide")
    with pytest.raises(InputError, match="the checkpoint has width 24, but the base model 3 heads of 12"):
        convert_checkpoint(write(weights, tmp_path), tmp_path / "out", base=tmp_path / "wide")


def test_a_base_that_is_none(weights: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has neither transformer/config.json nor config.json"):
        convert_checkpoint(write(weights, tmp_path), tmp_path / "out", base=tmp_path)
    (tmp_path / "config.json").write_text('{"_class_name": "UNet"}')
    with pytest.raises(InputError, match="holds a UNet, expected a WanTransformer3DModel"):
        convert_checkpoint(write(weights, tmp_path), tmp_path / "out", base=tmp_path)


def without(part: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if part not in name}


def test_checkpoints_of_other_models_are_recognised(weights: dict[str, Tensor], tmp_path: Path) -> None:
    plain = without("cam_encoder", without("projector", without("mvs", weights)))
    diffusers = split_state_dict(weights, SYNCAMMASTER)[0]
    expected = "expected a checkpoint of SynCamMaster(, | or )ReCamMaster"
    for other, message in (
        (plain, f"is a plain Wan transformer .*; {expected}"),
        (diffusers, rf"holds a diffusers transformer \(blocks.0.attn1.*{expected}"),
        ({"conv.weight": torch.zeros(1)}, rf"holds another model \(conv.weight, ...\), {expected}"),
    ):
        with pytest.raises(InputError, match=message):
            convert_checkpoint(write(other, tmp_path), tmp_path / "out")


def test_missing_and_unexpected_tensors_are_named(weights: dict[str, Tensor], tmp_path: Path) -> None:
    gone = without("blocks.1.mvs_attn.o", weights)
    with pytest.raises(
        InputError, match="lacks blocks.1.mvs_attn.o.bias, blocks.1.mvs_attn.o.weight: it is incomplete"
    ):
        convert_checkpoint(write(gone, tmp_path), tmp_path / "out")
    more = weights | {f"blocks.0.img_emb.{i}": torch.zeros(1) for i in range(7)}
    with pytest.raises(InputError, match="has unexpected blocks.0.img_emb.0, .* and 2 more"):
        convert_checkpoint(write(more, tmp_path), tmp_path / "out")


def test_wrong_shapes_and_numbers(weights: dict[str, Tensor], base: Path, tmp_path: Path) -> None:
    wrong = weights | {"blocks.0.projector.weight": torch.zeros(24, 23)}
    with pytest.raises(InputError, match=r"blocks.0.projector.weight has shape \(24, 23\), expected \(24, 24\)"):
        convert_checkpoint(write(wrong, tmp_path), tmp_path / "out", base=base)
    weights["blocks.0.modulation_mvs"][0, 0, 0] = float("inf")
    with pytest.raises(InputError, match="blocks.0.modulation has values that are not finite"):
        convert_checkpoint(write(weights, tmp_path), tmp_path / "out", base=base)
    assert not (tmp_path / "out").exists()


def test_files_that_are_no_checkpoints(weights: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing.ckpt is not a file"):
        convert_checkpoint(tmp_path / "nothing.ckpt", tmp_path / "out")
    path = write(weights, tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="step20000.ckpt is not a readable torch checkpoint"):
        convert_checkpoint(path, tmp_path / "out")
    (tmp_path / "bad.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(InputError, match="bad.safetensors is not a readable safetensors file"):
        convert_checkpoint(tmp_path / "bad.safetensors", tmp_path / "out")
    (tmp_path / "text.ckpt").write_text("hello")
    with pytest.raises(InputError, match="text.ckpt is not a readable torch checkpoint"):
        convert_checkpoint(tmp_path / "text.ckpt", tmp_path / "out")
    for content in ({"step": 3}, [1, 2], {}):
        with pytest.raises(InputError, match="does not hold a state dict"):
            convert_checkpoint(write(content, tmp_path), tmp_path / "out")


class Evil:
    def __reduce__(self) -> tuple:
        return print, ("run while loading",)


def test_a_checkpoint_cannot_run_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="not a readable torch checkpoint"):
        convert_checkpoint(write({"weight": Evil()}, tmp_path), tmp_path / "out")
    assert capsys.readouterr().out == ""


def test_an_output_folder_in_use(weights: dict[str, Tensor], base: Path, tmp_path: Path) -> None:
    path = write(weights, tmp_path)
    convert_checkpoint(path, tmp_path / "out", base=base)
    before = load_file(tmp_path / "out" / "diffusion_pytorch_model.safetensors")
    with pytest.raises(InputError, match="out exists already: give another output folder or remove it"):
        convert_checkpoint(path, tmp_path / "out", base=base)
    assert before.keys() == load_file(tmp_path / "out" / "diffusion_pytorch_model.safetensors").keys()


@pytest.fixture
def recam(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint of ReCamMaster whose self-attention is not the base model's."""
    tuned = {n: v + torch.randn_like(v) / 8 if ".self_attn." in n else v for n, v in weights.items()}
    return without("mvs", tuned)


def reshot(folder: Path, base: Path) -> Tensor:
    """What a transformer shows with the adapter in `folder`."""
    adapter = FrameConcatAdapter.from_pretrained(folder)
    transformer = WanTransformer3DModel.from_pretrained(base / "transformer")
    inputs = random_inputs(1) | {"encoder_hidden_states": seeded(lambda: torch.randn(1, 5, 8), 1)}
    inputs["hidden_states"] = inputs["hidden_states"][:, :4]
    camera, source = seeded(lambda: (torch.randn(1, 2, 12), torch.randn(1, 4, 2, 4, 6)), 2)
    with torch.no_grad(), adapter.attach(transformer), adapter.camera_encodings(camera, source=source):
        return run(transformer, inputs)


def test_a_converted_recammaster_checkpoint_brings_its_self_attention(
    recam: dict[str, Tensor], base: Path, tmp_path: Path
) -> None:
    report = convert_checkpoint(write(recam, tmp_path), tmp_path / "out", base=base)
    assert (report.method, report.max_difference, report.rank_error) == ("ReCamMaster", 0.0, None)
    adapter = FrameConcatAdapter.from_pretrained(report.out)
    assert (adapter.config.translation_scale, adapter.config.rank) == (1.0, None)
    assert torch.equal(adapter.blocks[1].attn.k.weight, recam["blocks.1.self_attn.k.weight"])
    trained = load_trained_range(report.out)
    assert trained is not None and trained.focal_mm == (18.0, 50.0)
    with pytest.raises(InputError, match="blocks.0.ffn.0.bias differs from the base model's"):
        recam["blocks.0.ffn.0.bias"] += 1
        convert_checkpoint(write(recam, tmp_path), tmp_path / "other", base=base)


def test_self_attention_as_a_change_of_low_rank(recam: dict[str, Tensor], base: Path, tmp_path: Path) -> None:
    """The full rank is exact; less of it is nearer the smaller the reported loss."""
    path = write(recam, tmp_path)
    convert_checkpoint(path, tmp_path / "whole", base=base)
    whole, far = reshot(tmp_path / "whole", base), []
    for rank in (24, 12, 3):
        report = convert_checkpoint(path, tmp_path / f"rank{rank}", base=base, rank=rank)
        assert report.rank_error is not None and report.change_lost is not None
        far.append((report.change_lost, report.rank_error, float((reshot(report.out, base) - whole).abs().mean())))
    assert far == sorted(far)
    assert far[0][0] < 1e-5 and far[0][2] < 1e-5 and 0.1 < far[2][0] < 1
    change = recam["blocks.0.self_attn.q.weight"] - base_attention(base, "blocks.0.attn1.to_q.weight")
    adapter = FrameConcatAdapter.from_pretrained(tmp_path / "rank3")
    left = torch.linalg.svdvals(change - adapter.blocks[0].attn.q.up.weight @ adapter.blocks[0].attn.q.down.weight)
    torch.testing.assert_close(left[:21], torch.linalg.svdvals(change)[3:], rtol=1e-3, atol=1e-5)


def base_attention(base: Path, name: str) -> Tensor:
    return WanTransformer3DModel.from_pretrained(base / "transformer").state_dict()[name]


def test_large_matrices_are_approximated_nearly_as_well() -> None:
    """The randomised decomposition loses at most 2 % more than the best one, and always the same."""
    matrix = seeded(lambda: torch.randn(256, 256) @ torch.diag(0.97 ** torch.arange(256)) @ torch.randn(256, 256), 0)
    up, down = truncated(matrix, 32)
    best = torch.linalg.svdvals(matrix)[32:].norm()
    assert best <= (matrix - up @ down).norm() * (1 + 1e-4) < 1.02 * best
    assert torch.equal(up, truncated(matrix, 32)[0])


def test_where_a_rank_makes_no_sense(
    weights: dict[str, Tensor], recam: dict[str, Tensor], base: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="rank belongs to ReCamMaster, and .* is of SynCamMaster"):
        convert_checkpoint(write(weights, tmp_path), tmp_path / "out", base=base, rank=4)
    with pytest.raises(InputError, match="rank needs the base model"):
        convert_checkpoint(write(recam, tmp_path), tmp_path / "out", rank=4)
    with pytest.raises(InputError, match=r"rank must lie in 1..24, the width, or be None for whole matrices, got 25"):
        convert_checkpoint(write(recam, tmp_path), tmp_path / "out", base=base, rank=25)
    assert not (tmp_path / "out").exists()


MEASURE = """
import re, sys
from pathlib import Path
from syncam.adapters.convert import convert_checkpoint
def peak():  # of this process alone: ru_maxrss would begin with the memory of the process that started it
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
convert_checkpoint(sys.argv[1], sys.argv[2], base=sys.argv[3])
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux' /proc")
def test_memory_stays_well_under_the_size_of_the_file(tmp_path: Path) -> None:
    """Files are mapped and looked at block by block: a whole checkpoint is never in memory, nor the base model."""
    weights = published_weights(num_layers=12, dim=320)
    path = write(weights, tmp_path)
    transformer = WanTransformer3DModel(**SETTINGS | {"attention_head_dim": 160, "ffn_dim": 640, "num_layers": 12})
    transformer.load_state_dict(split_state_dict(weights, SYNCAMMASTER)[0], strict=True)
    transformer.save_pretrained(tmp_path / "base", max_shard_size="10MB")
    arguments = [str(path), str(tmp_path / "out"), str(tmp_path / "base")]
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"},
        check=True,
    )
    size = path.stat().st_size
    assert size > 80e6
    assert int(result.stdout) < 0.8 * size

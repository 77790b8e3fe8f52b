"""Models that describe pictures: one picture or several frames, one video or several at once; what is none is said."""

import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from data_package.captioners import save_blip, save_llava
from syncam.data.captioner import BatchCaptioner, ModelCaptioner
from syncam.errors import InputError


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("captioners")
    torch.manual_seed(0)
    save_blip(folder / "blip")
    save_llava(folder / "llava")
    return folder


def test_a_model_of_one_picture(models: Path) -> None:
    captioner = ModelCaptioner(models / "blip", max_tokens=6)
    assert isinstance(captioner, BatchCaptioner) and captioner.num_frames == 1
    assert "torchvision" not in sys.modules
    wide, tall = torch.rand(1, 3, 12, 40), torch.rand(1, 3, 40, 12)
    one = captioner(wide)
    assert set(one.split()) == {"cat"} and captioner.batch([wide, tall]) == [one, one]
    with pytest.raises(InputError, match="describes one picture, got 2 frames"):
        captioner(torch.rand(2, 3, 16, 16))


def test_what_a_caption_begins_with_is_no_part_of_it(models: Path) -> None:
    captioner = ModelCaptioner(models / "blip", prompt="A  dog walks", max_tokens=3)
    assert set(captioner(torch.rand(1, 3, 16, 16)).split()) == {"cat"}
    inputs = captioner._plain_inputs([[Image.new("RGB", (20, 10))]] * 2)
    assert inputs["input_ids"].tolist() == [[2, 8, 6, 7, 3]] * 2


def test_a_model_that_is_asked(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captioner = ModelCaptioner(models / "llava", prompt="what frames", max_tokens=3)
    assert captioner.num_frames == 4
    videos = [torch.rand(2, 3, 12, 40), torch.rand(3, 3, 40, 12)]
    assert len(captioner.batch(videos)) == 2  # the network itself runs; it says anything
    seen = {}

    def answer(**inputs: torch.Tensor) -> torch.Tensor:
        seen.update(inputs)
        return torch.cat([inputs["input_ids"], torch.tensor([[8, 10, 3], [9, 3, 0]])], 1)

    monkeypatch.setattr(captioner._network, "generate", answer)
    assert captioner.batch(videos) == ["cat walks", "dog"]
    asked = seen["input_ids"]
    assert (asked == 4).sum(1).tolist() == [2 * 4, 3 * 4] and len(seen["pixel_values"]) == 5
    assert asked[:, -4:].tolist() == [[11, 12, 6, 7]] * 2 and asked[0, 0] == 0  # what is short is filled up on the left
    assert seen["do_sample"] is False and seen["max_new_tokens"] == 3


def test_half_precision(models: Path) -> None:
    captioner = ModelCaptioner(models / "blip", dtype="bfloat16", device="cpu", max_tokens=2)
    assert next(captioner._network.parameters()).dtype == torch.bfloat16
    assert captioner(torch.rand(1, 3, 16, 16)).split()[0] == "cat"


def test_what_is_no_captioner_is_said_in_one_line(models: Path, tmp_path: Path) -> None:
    def refused(model: Path | str, **options: object) -> str:
        with pytest.raises(InputError) as error:
            ModelCaptioner(model, **options)  # pyright: ignore[reportArgumentType]
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "none is not a folder" in refused(tmp_path / "none")
    assert "cannot be loaded as a model that describes pictures" in refused(tmp_path)
    assert "device cuda:77" in refused(models / "blip", device="cuda:77")
    assert "max_tokens must be at least 1" in refused(models / "blip", max_tokens=0)
    pickled = tmp_path / "pickled"
    shutil.copytree(models / "blip", pickled)
    torch.save({}, pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    assert "safetensors" in refused(pickled)
    words = tmp_path / "words"
    shutil.copytree(models / "llava", words)
    (words / "processor_config.json").unlink()
    assert "cannot be loaded" in refused(words)


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")
def test_a_processor_that_needs_torchvision_says_so(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "qwen"
    shutil.copytree(models / "llava", folder)
    content = json.loads((folder / "processor_config.json").read_text())
    content |= {
        "processor_class": "Qwen2VLProcessor",
        "video_processor": {"video_processor_type": "Qwen2VLVideoProcessor"},
    }
    (folder / "processor_config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="needs a package that is not installed: .*Torchvision"):
        ModelCaptioner(folder)


def test_a_model_that_is_not_whole(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(models / "blip", folder)
    weights = load_file(folder / "model.safetensors")
    del weights["vision_model.post_layernorm.weight"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 weights, such as vision_model\.post_layernorm\.weight"):
        ModelCaptioner(folder)

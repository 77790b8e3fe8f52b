"""Missing, damaged and unfitting model folders: one line that names the file."""

import shutil
from pathlib import Path

import pytest
import torch

from syncam.adapters import ViewSyncAdapter
from syncam.errors import InputError
from syncam.pipelines.loading import BUILT_IN, load_base
from syncam.pipelines.multiview import MultiViewPipeline
from tiny import tiny_transformer


def load(model: Path | str, adapter: Path | str | None = None) -> MultiViewPipeline:
    return MultiViewPipeline.from_pretrained(model, adapter=adapter, dtype=torch.float32, device="cpu")


@pytest.fixture
def model(wan_folder: Path, adapter_folder: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(wan_folder, folder)
    shutil.copytree(adapter_folder, folder / "view_sync")
    return folder


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model .*/nowhere does not exist; expected the folder of a text-to-video"):
        load(tmp_path / "nowhere")


def test_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no model_index.json"):
        load(tmp_path)


@pytest.mark.parametrize("part", ["tokenizer", "text_encoder", "vae", "transformer", "scheduler"])
def test_missing_part(model: Path, part: str) -> None:
    shutil.rmtree(model / part)
    with pytest.raises(InputError, match=f"lacks {part}"):
        load(model)


@pytest.mark.parametrize("part", ["text_encoder", "vae", "transformer", "view_sync"])
def test_damaged_and_missing_weights(model: Path, part: str) -> None:
    (weights,) = (model / part).glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(InputError, match=f"{part}/{weights.name} is damaged"):
        load(model)
    weights.unlink()
    with pytest.raises(InputError, match=f"{part} holds no weights"):
        load(model)


def test_base_without_adapter(wan_folder: Path) -> None:
    with pytest.raises(InputError, match="has no folder view_sync; name an adapter"):
        load(wan_folder)


def test_adapter_for_another_width(wan_folder: Path, tmp_path: Path) -> None:
    ViewSyncAdapter.from_transformer(tiny_transformer(heads=3)).save_pretrained(tmp_path / "wide")
    with pytest.raises(InputError, match="the adapter does not fit the transformer: expected dim=72.*got dim=48"):
        load(wan_folder, tmp_path / "wide")


def test_hub_id_that_cannot_be_reached_is_one_line() -> None:
    with pytest.raises(InputError, match="model nobody/nothing does not load") as caught:
        load("nobody/nothing")
    assert "\n" not in str(caught.value)


def test_the_built_in_model_loads_without_progress_bars(wan_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_base(BUILT_IN, torch.float32)
    assert capfd.readouterr().err == ""
    load_base(wan_folder, torch.float32)
    assert "100%" in capfd.readouterr().err

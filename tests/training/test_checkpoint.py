"""Checkpoints: exact, whole or not there, the newest few kept, the damaged and the foreign refused."""

import errno
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from syncam.errors import InputError
from syncam.training import checkpoint
from syncam.training.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint, trained_state


class Model(nn.Module):
    """One frozen and one trained layer, the trained one partly in channels-last order."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.base = nn.Linear(4, width).requires_grad_(False)
        self.conv = nn.Conv3d(2, width, 3).to(memory_format=torch.channels_last_3d)  # pyright: ignore
        self.scale = nn.Parameter(torch.ones(()))


def trained_model(width: int = 3) -> tuple[Model, torch.optim.Optimizer, list[Tensor]]:
    """A model, its optimizer after a few steps, and averages that differ from the weights."""
    model = Model(width)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        (model.conv(torch.randn(1, 2, 3, 3, 3)).square().mean() * model.scale).backward()
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer, [p.detach() + 1 for p in model.parameters() if p.requires_grad]


def save(folder: Path, step: int, keep: int = 2) -> tuple[Model, torch.optim.Optimizer, list[Tensor]]:
    model, optimizer, averages = trained_model()
    save_checkpoint(folder, step, model, averages, [optimizer], keep=keep)
    return model, optimizer, averages


def test_only_trained_parameters_are_kept(tmp_path: Path) -> None:
    model, _, _ = save(tmp_path, 1)
    assert list(trained_state(model)) == ["scale", "conv.weight", "conv.bias"]
    assert sorted(p.name for p in (tmp_path / "step00000001").iterdir()) == [
        "averages.safetensors",
        "optimizer.pt",
        "state.json",
        "weights.safetensors",
    ]


def test_there_and_back_bit_for_bit(tmp_path: Path) -> None:
    model, optimizer, averages = save(tmp_path, 7)
    other, other_optimizer, _ = trained_model()
    state = load_checkpoint(newest_checkpoint(tmp_path), other, [other_optimizer])
    assert state["step"] == 7
    for name, value in trained_state(model).items():
        assert torch.equal(trained_state(other)[name], value)
        assert trained_state(other)[name].stride() == value.stride()
    assert all(torch.equal(a, b) for a, b in zip(averages, state["averages"], strict=True))
    for mine, theirs in zip(optimizer.state.values(), other_optimizer.state.values(), strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in ("step", "exp_avg", "exp_avg_sq"))


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_few_are_kept(tmp_path: Path, keep: int) -> None:
    model, optimizer, averages = trained_model()
    for step in (5, 10, 99, 100):
        save_checkpoint(tmp_path, step, model, averages, [optimizer], keep=keep)
    expected = [f"step{step:08d}" for step in (5, 10, 99, 100)[-keep:]]
    assert sorted(p.name for p in tmp_path.iterdir()) == expected
    assert newest_checkpoint(tmp_path) == tmp_path / "step00000100"


def test_no_checkpoint(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "missing") is None


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer, averages = save(tmp_path, 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 2, model, averages, [optimizer], keep=1)
    assert [p.name for p in tmp_path.iterdir()] == ["step00000001"]


def test_leftovers_of_a_killed_save_are_ignored_and_removed(tmp_path: Path) -> None:
    save(tmp_path, 1)
    shutil.copytree(tmp_path / "step00000001", tmp_path / ".step00000002.abcd")
    assert newest_checkpoint(tmp_path) == tmp_path / "step00000001"
    save(tmp_path, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step00000001", "step00000003"]


@pytest.mark.parametrize("name", ["weights.safetensors", "averages.safetensors", "optimizer.pt", "state.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage"])
def test_damage_is_named_before_anything_is_loaded(tmp_path: Path, name: str, damage: str) -> None:
    save(tmp_path, 1)
    path = tmp_path / "step00000001" / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "garbage": b"\x00\xff" * 40}[damage])
    model, optimizer, _ = trained_model()
    before = {key: value.clone() for key, value in trained_state(model).items()}
    with pytest.raises(InputError, match=rf"^checkpoint .*{name} is damaged \(.+\); remove the folder .*step00000001"):
        load_checkpoint(tmp_path / "step00000001", model, [optimizer])
    assert all(torch.equal(before[key], value) for key, value in trained_state(model).items())


def test_another_model_is_refused(tmp_path: Path) -> None:
    save(tmp_path, 1)
    model, optimizer, _ = trained_model(width=5)
    with pytest.raises(InputError, match=r"\(weights\) is of another model: 2 tensors differ, conv.bias first"):
        load_checkpoint(tmp_path / "step00000001", model, [optimizer])
    model, optimizer, _ = trained_model()
    model.scale.requires_grad_(False)
    with pytest.raises(InputError, match="1 tensors differ, scale first"):
        load_checkpoint(tmp_path / "step00000001", model, [optimizer])

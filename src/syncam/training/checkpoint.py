"""Checkpoints of a run: a folder per step, written whole or not at all, of which the newest few are kept."""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from syncam.errors import InputError
from syncam.files import atomic_dir, write_json

__all__ = ["load_checkpoint", "newest_checkpoint", "save_checkpoint", "trained_state"]


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """The parameters under training by name; the frozen ones come from the base model again."""
    return {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}


def save_checkpoint(
    folder: Path,
    step: int,
    module: nn.Module,
    averaged: list[Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    *,
    keep: int,
) -> Path:
    """Writes folder/step00000100 with weights, their moving averages and the optimizers; removes all but `keep`."""
    state = trained_state(module)
    path = folder / f"step{step:08d}"
    with atomic_dir(path) as temporary:
        save_file({name: p.contiguous() for name, p in state.items()}, temporary / "weights.safetensors")
        means = {name: p.contiguous() for name, p in zip(state, averaged, strict=True)}
        save_file(means, temporary / "averages.safetensors")
        torch.save([optimizer.state_dict() for optimizer in optimizers], temporary / "optimizer.pt")
        write_json(temporary / "state.json", {"step": step})
    for old in [*folder.glob(".step*"), *sorted(folder.glob("step*"))[:-keep]]:  # dots: cut short by a crash
        shutil.rmtree(old)
    return path


def newest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step; unfinished ones never have such a name."""
    found = [path for path in folder.glob("step*") if re.fullmatch(r"step\d+", path.name)]
    return max(found, key=lambda path: int(path.name[4:]), default=None)


def load_checkpoint(path: Path, module: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Loads weights and the optimizers in place; returns {"step": ..., "averages": [...]}.

    InputError naming the file that is missing, damaged or of another model.
    """
    target = trained_state(module)
    weights = _read(path / "weights.safetensors", load_file)
    averages = _read(path / "averages.safetensors", load_file)
    step = _read(path / "state.json", lambda file: int(json.loads(file.read_text())["step"]))
    moments = _read(path / "optimizer.pt", partial(torch.load, weights_only=True, map_location="cpu"))
    for name, tensors in (("weights", weights), ("averages", averages)):
        wrong = [key for key in target.keys() | tensors.keys() if not _fits(target.get(key), tensors.get(key))]
        if wrong:
            raise InputError(
                f"checkpoint {path} ({name}) is of another model: {len(wrong)} tensors differ, {min(wrong)} first"
            )
    with torch.no_grad():
        for name, parameter in target.items():
            parameter.copy_(weights[name])
    if not isinstance(moments, list) or len(moments) != len(optimizers):
        raise InputError(f"checkpoint {path} is of other optimizers")
    for optimizer, state in zip(optimizers, moments, strict=True):
        optimizer.load_state_dict(state)
    return {"step": step, "averages": [averages[name] for name in target]}


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except (OSError, EOFError, RuntimeError, SafetensorError, UnpicklingError, ValueError, KeyError, TypeError) as err:
        reason = " ".join((str(err) or type(err).__name__).split())[:120]
        raise InputError(
            f"checkpoint {path} is damaged ({reason}); remove the folder {path.parent} to resume from the one before"
        ) from err


def _fits(ours: Tensor | None, theirs: Tensor | None) -> bool:
    return ours is not None and theirs is not None and ours.shape == theirs.shape

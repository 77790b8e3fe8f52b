"""Files of published checkpoints as tensors by name: mapped from disk, and read without running code."""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from syncam.errors import InputError

WRAPPERS = ("state_dict", "module")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or a torch checkpoint by name, mapped from disk."""
    loaded = read_checkpoint(path)
    if not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise InputError(f"{path} does not hold a state dict (names with tensors)")
    return loaded


def read_checkpoint(path: Path) -> dict[str, Any]:
    """As `read_tensors`, with whatever else stands beside the tensors."""
    if not path.is_file():
        raise InputError(f"{path} is not a file: expected a checkpoint (.ckpt, .pt or .safetensors)")
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except SafetensorError as err:
            raise InputError(f"{path} is not a readable safetensors file: {_one_line(err)}") from err
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, ValueError, EOFError, KeyError, pickle.UnpicklingError) as err:
        raise InputError(
            f"{path} is not a readable torch checkpoint (damaged, or holding more than tensors): {_one_line(err)}"
        ) from err
    for wrapper in WRAPPERS:
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    if not isinstance(loaded, dict):
        raise InputError(f"{path} does not hold a state dict (names with tensors)")
    return dict(loaded)


def check_new_folder(out: Path) -> None:
    """InputError if there is something in the way of a new folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already: give another output folder or remove it")


def _one_line(err: Exception) -> str:
    return str(err).strip().partition("\n")[0]

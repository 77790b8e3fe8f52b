"""Models and adapters from folders and from the hub, with one clear line for whatever is missing or damaged."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline
from safetensors import SafetensorError, safe_open

from syncam.adapters.adapter import Adapter
from syncam.adapters.frame_concat import FrameConcatAdapter
from syncam.adapters.view_sync import ViewSyncAdapter
from syncam.errors import InputError
from syncam.pipelines.bases import TITLES, Base, named_base

__all__ = ["ADAPTER_FOLDERS", "BUILT_IN", "load_adapter", "load_base", "read_base"]

A = TypeVar("A", bound=Adapter)

BUILT_IN = Path(__file__).parents[1] / "models" / "small"
"""The folder of the small model that comes with syncam."""
ADAPTER_FOLDERS: dict[type[Adapter], str] = {ViewSyncAdapter: "view_sync", FrameConcatAdapter: "reshoot"}
"""Where a model's folder holds its own adapter of each kind."""


def read_base(model: str | Path) -> Base:
    """Of which kind the model of a folder or hub id is; of a hub id, its index alone is fetched."""
    if Path(model).is_dir():
        index = _read_index(Path(model))
    elif _is_path(model):
        raise InputError(
            f"model {model} does not exist; expected the folder of a text-to-video model of {TITLES}, or a hub id"
        )
    else:
        try:
            index = DiffusionPipeline.load_config(str(model))
        except (OSError, ValueError) as err:
            raise InputError(f"model {model} does not load: {_one_line(err)}") from err
    return named_base(str(index.get("_class_name")), f"model {model}")


def load_base(model: str | Path, dtype: torch.dtype) -> Any:
    """The pipeline of a folder or hub id, of a class in BASES; the autoencoder in float32, the rest in `dtype`."""
    base = read_base(model)
    if Path(model).is_dir():
        _check_pipeline_folder(Path(model))
    try:
        with _bars(Path(model) != BUILT_IN):
            pipeline = base.pipeline.from_pretrained(
                model, dtype={"vae": torch.float32, "default": dtype}, use_safetensors=True
            )
    except (OSError, ValueError, RuntimeError, KeyError) as err:
        raise InputError(f"model {model} does not load: {_one_line(err)}") from err
    if getattr(pipeline, "transformer_2", None) is not None:
        raise InputError(
            f"model {model} has two transformers, for much and for little noise (as Wan2.2 A14B), but an adapter "
            "attaches to one: choose a model that has one"
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_adapter(
    model: str | Path, adapter: str | Path | None, dtype: torch.dtype, kind: type[A] = ViewSyncAdapter
) -> A:
    """The adapter of that kind at `adapter`, or the one inside the model's folder."""
    if adapter is None:
        adapter = Path(model) / ADAPTER_FOLDERS[kind]
        if not adapter.is_dir():
            raise InputError(
                f"model {model} has no folder {adapter.name}; name an adapter (--adapter), as syncam convert writes it"
            )
    elif not Path(adapter).is_dir() and _is_path(adapter):
        raise InputError(
            f"adapter {adapter} does not exist; expected a folder as syncam convert writes it, or a hub id"
        )
    if Path(adapter).is_dir():
        _check_weights(Path(adapter))
    try:
        return kind.from_pretrained(adapter, dtype=dtype)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError) as err:
        raise InputError(f"adapter {adapter} does not load: {_one_line(err)}") from err


@contextmanager
def _bars(shown: bool) -> Iterator[None]:
    """Progress bars of loading: for what loads in half a second they only clutter the screen."""
    libraries = [library.utils.logging for library in (diffusers, transformers)]
    hidden = [library for library in libraries if not shown and library.is_progress_bar_enabled()]
    for library in hidden:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in hidden:
            library.enable_progress_bar()


def _read_index(folder: Path) -> dict[str, Any]:
    index = folder / "model_index.json"
    if not index.is_file():
        raise InputError(f"{folder} has no model_index.json; expected the folder of a text-to-video model of {TITLES}")
    try:
        return json.loads(index.read_text(encoding="utf-8"))
    except json.JSONDecodeError as err:
        raise InputError(f"{index} is damaged: {err}") from err


def _check_pipeline_folder(folder: Path) -> None:
    parts = _read_index(folder)
    for part in ("tokenizer", "text_encoder", "vae", "transformer", "scheduler"):
        if part not in parts or not (folder / part).is_dir():
            raise InputError(f"{folder} lacks {part}; expected the folder of a text-to-video model of {TITLES}")
        if part not in ("tokenizer", "scheduler"):
            _check_weights(folder / part)


def _check_weights(folder: Path) -> None:
    """InputError unless there are safetensors, each with a sound header that fits its length."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"{folder} holds no weights; expected a .safetensors file")
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except (SafetensorError, OSError) as err:
            raise InputError(f"{path} is damaged ({_one_line(err)}); get it again") from err
    for path in folder.glob("*.safetensors.index.json"):
        wanted = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values())
        if missing := sorted(wanted - {file.name for file in files}):
            raise InputError(f"{folder} lacks {', '.join(missing)}, which {path.name} names; get it again")


def _is_path(name: str | Path) -> bool:
    """Whether a name can only be meant as a path: hub ids have exactly one slash, and no dot or slash in front."""
    text = str(name)
    return isinstance(name, Path) or text.startswith((".", "/", "~")) or text.count("/") != 1


def _one_line(err: BaseException, limit: int = 300) -> str:
    return " ".join(str(err).split())[:limit]

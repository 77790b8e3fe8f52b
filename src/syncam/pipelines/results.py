"""Folders of results: which are there already, where more can be written, and what is noted of how they were made."""

import json
import logging
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from syncam.errors import InputError
from syncam.files import atomic_dir, write_json
from syncam.versions import versions

__all__ = ["check_writable", "denoising_bar", "holds_result", "peak_memory", "write_record"]

logger = logging.getLogger(__name__)

RECORD = "run.json"


def holds_result(folder: Path, settings: Callable[[], dict[str, Any]], *, overwrite: bool) -> bool:
    """Whether a folder holds the result of these settings; InputError if it holds something else.

    `settings` is asked only where there is a result: it may have files to read. With `overwrite`, no result counts.
    """
    if not folder.exists():
        return False
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; choose another --out")
    record = folder / RECORD
    if not record.is_file():
        if any(folder.iterdir()):
            raise InputError(f"{folder} holds files that syncam did not make; choose another --out")
        return False
    if overwrite:
        return False
    try:
        saved = json.loads(record.read_text(encoding="utf-8"))["settings"]
    except (json.JSONDecodeError, KeyError, UnicodeDecodeError) as err:
        raise InputError(f"{record} is damaged; choose another --out or --overwrite") from err
    ours = settings()
    differing = [key for key in ours.keys() | saved.keys() if ours.get(key) != saved.get(key)]
    if differing:
        raise InputError(
            f"{folder} holds the result of other settings ({', '.join(sorted(differing))} differ); "
            "choose another --out or --overwrite"
        )
    logger.info("%s is there already, with the same settings", folder)
    return True


def check_writable(out: Path) -> None:
    """Fails before the model is loaded, not after it has worked."""
    try:
        with atomic_dir(out.parent / f".{out.name}.writable") as probe:
            (probe / "probe").write_bytes(b"x")
        (out.parent / f".{out.name}.writable" / "probe").unlink()
        (out.parent / f".{out.name}.writable").rmdir()
    except OSError as err:
        raise InputError(f"cannot write to {out}: {err.strerror or err}; choose another --out") from err


@contextmanager
def denoising_bar(total: int) -> Iterator[Callable[[str], None]]:
    """Yields a function of a text that moves a bar of `total` steps, on stderr when somebody watches."""
    from rich.console import Console
    from rich.progress import Progress, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        *Progress.get_default_columns()[:3], TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("loading", total=total)
        yield lambda prompt: bar.update(task, advance=1, description=prompt[:40])


def write_record(
    folder: Path, settings: dict[str, Any], model: str | Path | None, base: Any, seconds: dict[str, float], **more: Any
) -> None:
    """Writes run.json: the settings that `holds_result` compares, and how and in what time the pipeline `base` made it.

    `model` None is the built-in one.
    """
    record = {
        "settings": settings,
        "model": str(model or "built-in"),
        **more,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "peak_memory_bytes": peak_memory(),
        "device": str(base._execution_device),
        "versions": versions("torch", "diffusers", "transformers", "accelerate"),
        "command": sys.argv,
    }
    write_json(folder / RECORD, record)


def peak_memory() -> dict[str, int]:
    """The most memory this process has held so far, in bytes."""
    import torch

    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"ram": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    return peak | ({"cuda": torch.cuda.max_memory_allocated()} if torch.cuda.is_available() else {})

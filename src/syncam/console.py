"""What the command line shows: results on stdout; logs and progress on stderr."""

import dataclasses
import json
import logging
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["progress_bar", "set_up_logging", "show", "stoppable"]


def set_up_logging() -> None:
    """What syncam logs goes to stderr; the libraries below it speak up only about errors."""
    from rich.logging import RichHandler

    for library in ("DIFFUSERS", "TRANSFORMERS", "HF_HUB"):
        os.environ.setdefault(f"{library}_VERBOSITY", "error")
    warnings.filterwarnings("ignore", module=r"(torch|diffusers|transformers|accelerate|huggingface_hub)\.")
    handler = RichHandler(console=Console(stderr=True), show_time=False, show_path=False)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[handler])
    logging.getLogger("syncam").setLevel(logging.DEBUG if os.environ.get("SYNCAM_DEBUG") else logging.INFO)


def show(result: Any, *, as_json: bool) -> None:
    """Print a result: text as it is, a dataclass or mapping as one value per line, a list of mappings as a table."""
    if dataclasses.is_dataclass(result):
        result = dataclasses.asdict(result)  # pyright: ignore[reportArgumentType]
    if as_json:
        print(json.dumps(result, indent=2, default=str))
    elif isinstance(result, str):
        print(result)
    elif isinstance(result, Mapping):
        table = Table.grid(padding=(0, 2))
        for name, value in result.items():
            if value is not None:
                table.add_row(name.replace("_", " "), _cell(value))
        Console(soft_wrap=True).print(table, highlight=False)
    else:
        table = Table(*result[0])
        for row in result:
            table.add_row(*map(_cell, row.values()))
        Console(soft_wrap=True).print(table, highlight=False)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def progress_bar() -> Iterator[Callable[..., None]]:
    """Yields a function of (done, total, numbers, what) that moves a bar on stderr; silent where nobody watches."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    hour = 3600.0  # of rates that the time left is told by: there are scenes that take minutes
    with Progress(*columns, console=console, disable=not console.is_terminal, speed_estimate_period=hour) as bar:
        task = bar.add_task("", total=None)
        starts: dict[str, tuple[int, float]] = {}

        def update(done: int, total: int, numbers: Mapping[str, float] | None = None, *, what: str) -> None:
            first, started = starts.setdefault(what, (done, time.monotonic()))  # what was there before has no rate
            numbers, seconds = numbers or {}, time.monotonic() - started
            notes = [what, *([f"{(done - first) / seconds:.2f}/s"] if done > first else [])]
            notes += [f"loss {numbers['loss']:.4g}"] if "loss" in numbers else []
            notes += [f"{numbers['frames'] / seconds:.1f} frames/s"] if numbers.get("frames") else []
            notes += [f"{numbers['failed']:g} failed"] if numbers.get("failed") else []
            bar.update(task, completed=done, total=total, description=", ".join(notes))

        yield update


@contextmanager
def stoppable(advice: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM end what runs inside with one line that has the advice, and exit code 130 or 143."""
    came: list[int] = []

    def stop(number: int, frame: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        print(f"syncam: stopped; {advice}", file=sys.stderr)
        sys.exit(128 + (came[0] if came else signal.SIGINT))
    finally:
        signal.signal(signal.SIGTERM, before)

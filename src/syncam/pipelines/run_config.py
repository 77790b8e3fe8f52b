"""What all verbs that make videos can be told."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from syncam.errors import InputError
from syncam.pipelines.defaults import Defaults

__all__ = ["RunConfig", "known"]

C = TypeVar("C", bound="RunConfig")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Settings of a model at work. None takes the model's default."""

    positive: ClassVar[tuple[str, ...]] = ("num_frames", "steps")
    """Numbers that must be above 0 where they are given."""
    out: Path = Path("out")
    """Folder to write: for one item itself, for several of them one folder per item inside."""
    model: str | None = None
    """Folder or hub id of a text-to-video model; None: the built-in model."""
    adapter: str | None = None
    """Folder or hub id of the adapter; None: the one inside the model's folder."""
    negative_prompt: str | None = None
    hw: tuple[int, int] | None = None
    """Height and width, pixels."""
    num_frames: int | None = None
    """Frames that are made at a time."""
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0
    """Of the starting noise."""
    scheduler: str = "model"
    guide_adapter: bool | None = None
    """Let guidance strengthen what the adapter says, besides the prompt."""
    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    offload: Literal["none", "model", "group"] = "none"
    dry_run: bool = False
    """Only say what it would take."""
    overwrite: bool = False
    """Replace results of other settings."""

    def __post_init__(self) -> None:
        for name in self.positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} must be positive, got {value}")
        if self.seed < 0:
            raise InputError(f"seed must not be negative, got {self.seed}")

    def filled(self: C, defaults: Defaults, **more: Any) -> C:
        """The config with the model's defaults, and `more`, in place of None."""
        shared = ("num_frames", "steps", "guidance", "negative_prompt", "guide_adapter")
        fill = {name: getattr(defaults, name) for name in shared} | more
        return dataclasses.replace(self, **{key: value for key, value in fill.items() if getattr(self, key) is None})


def known(value: Any) -> Any:
    """A field that `filled` has filled in."""
    assert value is not None
    return value

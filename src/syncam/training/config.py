"""What a training run is: a recipe's numbers, checked when made and written beside the weights."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from syncam.errors import InputError

__all__ = ["Phase", "TrainConfig", "differences"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of steps that draw their batches in one way; a curriculum is a tuple of phases."""

    steps: int
    """Optimizer steps."""
    batch_size: int
    """Scenes per step and process; each brings as many videos as views are drawn."""
    num_frames: int
    """Frames of every video: 1 for stills, else 1 more than a multiple of the autoencoder's temporal stride."""
    views: tuple[int, ...] = (1,)
    """Numbers of views of a scene; one of them is drawn per step."""
    max_azimuth_deg: float | None = None
    """The other views lie within this azimuth of view 0, degrees; None: anywhere."""
    max_elevation_deg: float | None = None
    """The other views lie within this elevation of view 0, degrees; None: anywhere."""
    max_distance: float | None = None
    """The other views' distances differ from view 0's by at most this, metres; None: anything."""
    crop: int | None = None
    """Side of the random square that is cut from the pictures, pixels; None: whole pictures."""
    stills: float = 0.0
    """Fraction of the steps that take stills instead of videos, with `stills_batch_size` scenes."""
    stills_batch_size: int = 0
    copies: float = 0.0
    """Fraction of the other views that are view 0 once more: what is copied exactly is turned exactly, later."""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1 or self.num_frames < 1:
            raise InputError(f"a phase needs steps, batch_size and num_frames of at least 1, got {self}")
        if not self.views or min(self.views) < 1:
            raise InputError(f"views must name numbers of views of at least 1, got {self.views}")
        for name in ("stills", "copies"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} must be a fraction from 0 to 1, got {getattr(self, name)}")
        if (self.stills > 0) != (self.stills_batch_size > 0):
            raise InputError("stills and stills_batch_size go together: give both or neither")
        if self.stills > 0 and self.num_frames == 1:
            raise InputError("stills has no effect on a phase of num_frames=1, which takes nothing but stills")


POSITIVE = (
    "learning_rate",
    "max_grad_norm",
    "gradient_accumulation",
    "log_every",
    "validate_every",
    "checkpoint_every",
    "keep_checkpoints",
)
_VIEWS = ("views", "max_azimuth_deg", "max_elevation_deg", "max_distance")
_STILLS = ("stills", "stills_batch_size")
IDLE: dict[str, tuple[str, ...]] = {
    "autoencoder": (*_VIEWS, *_STILLS, "copies"),
    "text_to_video": (*_VIEWS, "crop", "copies"),
    "view_sync": ("crop",),
    "reshoot": ("views", "crop"),
    "cvd": (*_VIEWS, "crop", *_STILLS, "copies"),
    "probes": (*_VIEWS, "crop", *_STILLS, "copies"),
}
"""Fields of a phase that have no effect on a task and therefore have to keep their defaults."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All numbers of a run. `options` are those of the task, checked by the task."""

    task: Literal["autoencoder", "text_to_video", "view_sync", "reshoot", "cvd", "probes"]
    phases: tuple[Phase, ...]
    learning_rate: float
    seed: int = 0
    final_learning_rate: float = 0.1
    """Fraction of the learning rate that a cosine reaches at the last step; 1 keeps it constant."""
    warmup_steps: int = 100
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: the matrices inside stacks of blocks take orthogonalised steps of AdamW's size, the rest AdamW's own."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Of AdamW."""
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    gradient_accumulation: int = 1
    ema_decay: float = 0.999
    mixed_precision: Literal["no", "bf16"] = "bf16"
    compile: bool = False
    """Compile the parts of the model that gain from it."""
    log_every: int = 10
    validate_every: int = 500
    checkpoint_every: int = 250
    keep_checkpoints: int = 2
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.phases:
            raise InputError("a recipe needs at least one phase")
        for name in POSITIVE:
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"ema_decay must lie in 0..1, got {self.ema_decay}")
        if not 0 <= self.final_learning_rate <= 1:
            raise InputError(f"final_learning_rate must be a fraction from 0 to 1, got {self.final_learning_rate}")
        if self.optimizer not in ("adamw", "muon"):
            raise InputError(f"optimizer must be adamw or muon, got {self.optimizer!r}")
        if self.mixed_precision not in ("no", "bf16"):
            raise InputError(f"mixed_precision must be no or bf16, got {self.mixed_precision!r}")
        defaults = {field.name: field.default for field in dataclasses.fields(Phase)}
        for phase in self.phases:
            if idle := [name for name in IDLE[self.task] if getattr(phase, name) != defaults[name]]:
                raise InputError(f"{', '.join(idle)} of a phase has no effect on the task {self.task}; leave it away")

    @property
    def steps(self) -> int:
        """Optimizer steps of all phases together."""
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> Phase:
        """The phase that step number `step`, counted from 0, belongs to."""
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        raise IndexError(f"step lies {step} steps behind the end of the recipe")

    def scaled(self, steps: int) -> "TrainConfig":
        """The same recipe in `steps` steps: every phase is shortened or lengthened in proportion."""
        if steps < len(self.phases):
            raise InputError(f"steps must be at least {len(self.phases)}, one per phase, got {steps}")
        total, ends, done = self.steps, [0], 0
        for phase in self.phases:
            done += phase.steps
            later = len(self.phases) - len(ends)
            ends.append(min(max(ends[-1] + 1, round(done * steps / total)), steps - later))
        starts = ends[:-1]
        phases = tuple(
            dataclasses.replace(phase, steps=end - start)
            for phase, start, end in zip(self.phases, starts, ends[1:], strict=True)
        )
        return dataclasses.replace(self, phases=phases)


def differences(saved: Any, now: Any, name: str = "") -> list[str]:
    """The fields in which two configurations, as JSON values, differ, each with both values."""
    if isinstance(saved, dict) and isinstance(now, dict):
        fields = [(key, f"{name}.{key}".lstrip(".")) for key in sorted(saved.keys() | now.keys())]
        return [line for key, field in fields for line in differences(saved.get(key), now.get(key), field)]
    if isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        pairs = enumerate(zip(saved, now, strict=True))
        return [line for i, (old, new) in pairs for line in differences(old, new, f"{name}[{i}]")]
    return [] if saved == now else [f"{name} was {saved}, is {now}"]

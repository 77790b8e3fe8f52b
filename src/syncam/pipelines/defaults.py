"""What a model is made for: the sizes and sampling settings in the syncam.json beside its weights."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncam.errors import InputError

__all__ = ["CVD_DEFAULTS", "Defaults", "load_defaults"]

WAN_NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，"
    "JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，"
    "手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)
"""The negative prompt that Wan2.1 was published with."""


@dataclass(frozen=True, kw_only=True)
class Defaults:
    """Sampling settings of a model; those of Wan2.1 unless its folder says otherwise."""

    num_frames: int = 81
    height: int = 480
    width: int = 832
    fps: float = 15.0
    steps: int = 50
    guidance: float = 5.0
    reshoot_guidance: float | None = None
    """`guidance` where a source is re-shot, which says more than any prompt; None: no other one."""
    negative_prompt: str = WAN_NEGATIVE_PROMPT
    lead_view: bool = False
    """Whether view 0 of views made together is kept, and the others are made again to match it."""
    guide_adapter: bool = False
    """Whether guidance also moves away from what is made without the adapter."""
    dynamic_guidance: bool = False
    """Whether guidance changes from step to step, as the pipeline has it; CogVideoX alone does."""
    closed_vocabulary: bool = False
    """Whether the model knows only the words of its tokenizer."""

    def reshooting(self) -> "Defaults":
        """Those of re-shooting."""
        return self if self.reshoot_guidance is None else dataclasses.replace(self, guidance=self.reshoot_guidance)

    def as_json(self) -> dict[str, Any]:
        """The content of syncam.json."""
        return dataclasses.asdict(self)


CVD_DEFAULTS = Defaults(num_frames=16, height=256, width=256, fps=8.0, steps=25, guidance=8.5, negative_prompt="")
"""Those that Collaborative Video Diffusion was published with."""


def load_defaults(model: str | Path, otherwise: Defaults) -> Defaults:
    """The defaults in a model folder's syncam.json; `otherwise`, those of its kind, where there is no such file."""
    path = Path(model) / "syncam.json"
    if not path.is_file():
        return otherwise
    try:
        return Defaults(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError) as err:
        raise InputError(f"{path} is damaged: {err}") from err

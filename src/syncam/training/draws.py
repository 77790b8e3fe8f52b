"""What tasks draw alike: whether a step takes stills or videos, and which captions it does without."""

import torch

from syncam.training.config import Phase

__all__ = ["draw_kind", "drop_captions"]


def draw_kind(phase: Phase, generator: torch.Generator) -> tuple[bool, int]:
    """Whether a step of this phase takes stills, and how many scenes."""
    stills = phase.num_frames == 1 or float(torch.rand((), generator=generator)) < phase.stills
    return stills, phase.stills_batch_size if stills and phase.num_frames > 1 else phase.batch_size


def drop_captions(captions: list[str], share: float, generator: torch.Generator) -> list[str]:
    """Captions of which a random `share` is left empty."""
    dropped = torch.rand(len(captions), generator=generator) < share
    return ["" if drop else text for text, drop in zip(captions, dropped, strict=True)]

"""How sure a number is: bootstrap over clips, and paired differences of two runs."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

__all__ = ["RESAMPLES", "bootstrap"]

T = TypeVar("T")
RESAMPLES = 500


def bootstrap(
    clips: Sequence[T], pool: Callable[[Sequence[T]], float], seed: int = 0
) -> tuple[float, tuple[float, float]] | None:
    """Standard error and 95 % interval (percentiles) of `pool` over clips drawn anew with replacement.

    Clips are what is independent; views, pairs and frames of one are not. None of fewer than two clips, or where a
    draw has no value.
    """
    if len(clips) < 2:
        return None
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(clips), size=(RESAMPLES, len(clips)))
    values = np.array([pool([clips[index] for index in draw]) for draw in draws], dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) < RESAMPLES // 2:
        return None
    low, high = np.percentile(values, [2.5, 97.5]).tolist()
    error = float(values.std(ddof=1))
    return None if math.isnan(error) else (error, (low, high))

"""What all tasks share: their options and which parameters decay."""

from dataclasses import dataclass

import pytest

from syncam.errors import InputError
from syncam.training.task import read_options
from training.toy import ToyTask, toy_config


@dataclass(frozen=True, kw_only=True)
class Options:
    shift: float = 3.0
    scenes: int = 4


def test_options_are_read_by_name() -> None:
    assert read_options(Options, {}) == Options()
    assert read_options(Options, {"scenes": 2}) == Options(scenes=2)
    with pytest.raises(InputError, match="^Options has no option colour, size; its options: shift, scenes$"):
        read_options(Options, {"size": 1, "colour": 2, "shift": 1.0})


def test_of_what_is_trained_only_matrices_decay() -> None:
    groups = ToyTask(toy_config(weight_decay=0.3)).optimizer_groups()
    assert [(group["weight_decay"], [p.ndim for p in group["params"]]) for group in groups] == [(0.3, [2]), (0.0, [1])]

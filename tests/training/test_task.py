"""What all tasks share: their options read by name."""

from dataclasses import dataclass

import pytest

from syncam.errors import InputError
from syncam.training.task import read_options


@dataclass(frozen=True, kw_only=True)
class Options:
    shift: float = 3.0
    scenes: int = 4


def test_options_are_read_by_name() -> None:
    assert read_options(Options, {}) == Options()
    assert read_options(Options, {"scenes": 2}) == Options(scenes=2)
    with pytest.raises(InputError, match="^Options has no option colour, size; its options: shift, scenes$"):
        read_options(Options, {"size": 1, "colour": 2, "shift": 1.0})

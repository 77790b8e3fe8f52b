"""Recipes' numbers: what they refuse, which phase a step belongs to, and the same recipe in other lengths."""

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncam.errors import InputError
from syncam.training.config import Phase, TrainConfig, differences


def phase(**changes: Any) -> Phase:
    return Phase(**{"steps": 3, "batch_size": 2, "num_frames": 5} | changes)


def config(**changes: Any) -> TrainConfig:
    return TrainConfig(**{"task": "view_sync", "phases": (phase(),), "learning_rate": 1e-3} | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "a phase needs steps, batch_size and num_frames of at least 1"),
        ({"batch_size": 0}, "a phase needs steps, batch_size and num_frames of at least 1"),
        ({"num_frames": 0}, "a phase needs steps, batch_size and num_frames of at least 1"),
        ({"views": ()}, "views must name numbers of views of at least 1, got ()"),
        ({"views": (2, 0)}, "views must name numbers of views of at least 1, got (2, 0)"),
        ({"stills": 1.5, "stills_batch_size": 2}, "stills must be a fraction from 0 to 1, got 1.5"),
        ({"copies": -0.1}, "copies must be a fraction from 0 to 1, got -0.1"),
        ({"stills": 0.5}, "stills and stills_batch_size go together: give both or neither"),
        ({"stills_batch_size": 4}, "stills and stills_batch_size go together: give both or neither"),
        ({"stills": 0.5, "stills_batch_size": 4, "num_frames": 1}, "stills has no effect on a phase of num_frames=1"),
    ],
)
def test_phases_refuse(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        phase(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phases": ()}, "a recipe needs at least one phase"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be positive, got nan"),
        ({"max_grad_norm": -1.0}, "max_grad_norm must be positive, got -1.0"),
        ({"gradient_accumulation": 0}, "gradient_accumulation must be positive, got 0"),
        ({"log_every": 0}, "log_every must be positive, got 0"),
        ({"validate_every": 0}, "validate_every must be positive, got 0"),
        ({"checkpoint_every": 0}, "checkpoint_every must be positive, got 0"),
        ({"keep_checkpoints": 0}, "keep_checkpoints must be positive, got 0"),
        ({"ema_decay": 1.0}, ", got 1.0"),
        ({"final_learning_rate": 1.5}, "final_learning_rate must be a fraction from 0 to 1, got 1.5"),
        ({"phases": (phase(crop=8),)}, "crop of a phase has no effect on the task view_sync"),
        (
            {"task": "text_to_video", "phases": (phase(views=(2,)),)},
            "views of a phase has no effect on the task",
        ),
        (
            {"task": "autoencoder", "phases": (phase(stills=0.5, stills_batch_size=2),)},
            "stills, stills_batch_size of",
        ),
    ],
)
def test_configs_refuse(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        config(**changes)


def test_phase_at_walks_through_all_phases() -> None:
    made = config(phases=(phase(steps=2), phase(steps=1, views=(2,)), phase(steps=3, views=(3,))))
    assert made.steps == 6
    assert [made.phase_at(step).views[0] for step in range(6)] == [1, 1, 2, 3, 3, 3]
    with pytest.raises(IndexError, match="1 steps behind the end"):
        made.phase_at(7)


@settings(max_examples=200, deadline=None)
@given(lengths=st.lists(st.integers(1, 10_000), min_size=1, max_size=5), more=st.integers(0, 30_000))
def test_scaled_keeps_the_phases_and_their_shares(lengths: list[int], more: int) -> None:
    made = config(phases=tuple(phase(steps=length, batch_size=i + 1) for i, length in enumerate(lengths)))
    steps = len(lengths) + more
    scaled = made.scaled(steps)
    assert scaled.steps == steps
    assert [p.batch_size for p in scaled.phases] == [p.batch_size for p in made.phases]
    for old, new in zip(made.phases, scaled.phases, strict=True):
        assert abs(new.steps - old.steps * steps / made.steps) <= len(lengths) + 1
    assert made.scaled(made.steps) == made


def test_scaled_needs_a_step_per_phase() -> None:
    with pytest.raises(InputError, match="steps must be at least 2, one per phase, got 1"):
        config(phases=(phase(), phase())).scaled(1)


def test_differences_name_fields_with_both_values() -> None:
    old = {"seed": 0, "options": {"shift": 3.0, "model": {"layers": 2}}, "phases": [{"steps": 3}]}
    new = {"seed": 1, "options": {"shift": 3.0, "model": {"layers": 4}}, "phases": [{"steps": 3}], "compile": True}
    assert differences(old, old) == []
    assert differences(old, new) == [
        "compile was None, is True",
        "options.model.layers was 2, is 4",
        "seed was 0, is 1",
    ]
    assert differences({"phases": [{"steps": 3}, {"crop": 8}]}, {"phases": [{"steps": 3}, {"crop": 16}]}) == [
        "phases[1].crop was 8, is 16"
    ]
    assert differences({"views": [2]}, {"views": [2, 3]}) == ["views was [2], is [2, 3]"]


def test_configs_are_values() -> None:
    made = config()
    assert dataclasses.replace(made, seed=1) != made
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.seed = 3  # type: ignore[misc]

"""Repeated steps: samples keep the noise that their step says, whatever the scheduler, and end where one pass ends."""

import copy
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from syncam.errors import InputError
from syncam.pipelines.recurrent import RecurrentScheduler, noise_levels, num_calls, renoised
from syncam.pipelines.schedulers import ReferenceScheduler

BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear", "steps_offset": 1}
SCHEDULERS = {
    "flow": lambda: FlowMatchEulerDiscreteScheduler(shift=3.0),
    "reference": lambda: ReferenceScheduler(shift=5.0),
    "ddim": lambda: DDIMScheduler(clip_sample=False, **BETAS),
    "ddim to the data": lambda: DDIMScheduler(clip_sample=False, set_alpha_to_one=True, timestep_spacing="trailing"),
    "euler": lambda: EulerDiscreteScheduler(**BETAS),
}


def noise(seed: int) -> torch.Tensor:
    return torch.randn(4, 4000, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def sampled(scheduler: Any, steps: int, data: torch.Tensor, levels: list | None = None) -> tuple[torch.Tensor, list]:
    """What the loop of a pipeline makes of a model that knows the data, and the noise that this model was shown."""
    scheduler.set_timesteps(steps)
    levels = levels or noise_levels(scheduler.scheduler)
    sample, seen = data * levels[0][0] + noise(0) * levels[0][1], []
    for timestep in scheduler.timesteps:
        own = list(scheduler.scheduler.timesteps).index(timestep)
        signal, spread = levels[own]
        if scheduler.scheduler.__class__ is EulerDiscreteScheduler:
            scheduler.scale_model_input(sample, timestep)
        found = (sample - signal * data) / spread
        seen.append((own, found))
        model = found - data if isinstance(scheduler.scheduler, FlowMatchEulerDiscreteScheduler) else found
        sample = scheduler.step(model, timestep, sample, return_dict=False)[0].double()
    return sample, seen


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("repeats", [1, 3])
def test_every_repeat_is_shown_the_noise_of_its_step(name: str, repeats: int) -> None:
    data = torch.full((4, 4000), 0.7, dtype=torch.float64)
    scheduler = RecurrentScheduler(SCHEDULERS[name](), repeats, lambda call: noise(call))
    made, seen = sampled(scheduler, 5, data)
    assert [own for own, _ in seen] == [step for step in range(4) for _ in range(repeats)] + [4]
    assert len(seen) == num_calls(5, repeats) == scheduler.call
    for _, found in seen:
        assert abs(float(found.std()) - 1) < 0.03 and abs(float(found.mean())) < 0.03
    signal, spread = noise_levels(scheduler.scheduler)[-1]
    torch.testing.assert_close(made, signal * data + spread * seen[-1][1], atol=1e-5, rtol=0)


def test_repeats_begin_from_other_noise_and_end_with_it() -> None:
    data = torch.zeros(4, 4000, dtype=torch.float64)
    scheduler = RecurrentScheduler(SCHEDULERS["ddim"](), 3, lambda call: noise(call))
    _, seen = sampled(scheduler, 5, data)
    assert not torch.allclose(seen[3][1], seen[4][1], atol=0.1)  # repeats of one step
    torch.testing.assert_close(seen[5][1], seen[6][1], atol=1e-5, rtol=0)  # a last repeat and the step after it


def test_renoising_is_the_published_equation_for_kept_variance() -> None:
    now, then = 0.8, 0.3  # cumulated alphas
    levels = [(share**0.5, (1 - share) ** 0.5) for share in (now, then)]
    sample, fresh = noise(0), noise(1)
    ratio = then / now
    torch.testing.assert_close(renoised(sample, fresh, *levels), ratio**0.5 * sample + (1 - ratio) ** 0.5 * fresh)
    with pytest.raises(ValueError, match="has more noise than"):
        renoised(sample, fresh, *reversed(levels))


def test_from_pure_noise_nothing_is_kept() -> None:
    fresh = noise(1)
    assert torch.equal(renoised(noise(0), fresh, (0.5, 0.5), (0.0, 1.0)), fresh)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_without_repeats_it_is_the_scheduler(name: str) -> None:
    stock, ours = SCHEDULERS[name](), RecurrentScheduler(SCHEDULERS[name](), 1, noise)
    sample = noise(0)[:, :8].float()
    for scheduler in (stock, ours):
        scheduler.set_timesteps(4)
    assert torch.equal(stock.timesteps, ours.timesteps) and ours.order == 1 and ours.config == stock.config
    results = []
    for scheduler in (stock, ours):
        made = sample * scheduler.init_noise_sigma if hasattr(scheduler, "init_noise_sigma") else sample
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(made, timestep) if hasattr(scheduler, "scale_model_input") else made
            made = scheduler.step(scaled.sin(), timestep, made).prev_sample
        results.append(made)
    assert torch.equal(*results)


@pytest.mark.parametrize("scheduler", [UniPCMultistepScheduler(), DPMSolverMultistepScheduler()])
def test_steps_that_build_on_the_ones_before_are_not_repeated(scheduler: Any) -> None:
    once = RecurrentScheduler(scheduler, 1, noise)
    once.set_timesteps(4)
    assert len(once.timesteps) == 4
    name = type(scheduler).__name__
    with pytest.raises(InputError, match=f"those of {name} build on the ones before: choose another scheduler"):
        RecurrentScheduler(scheduler, 2, noise).set_timesteps(4)


def test_it_can_be_copied() -> None:
    scheduler = RecurrentScheduler(SCHEDULERS["flow"](), 2, noise)
    assert copy.deepcopy(scheduler).config == scheduler.config

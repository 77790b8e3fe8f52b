"""Recurrent sampling: every step is made several times, with noise added again in between.

What views that do not see each other have made of a step is drawn nearer to each other when they make it again with
other partners (algorithm 1 of Collaborative Video Diffusion).
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from jaxtyping import Float, Shaped
from torch import Tensor

from syncam.errors import InputError

__all__ = ["RecurrentScheduler", "noise_levels", "num_calls", "recurrent", "renoised"]

Level = tuple[float, float]
"""What a sample is made of: so much of the data, and so much noise of deviation 1."""


def num_calls(steps: int, repeats: int) -> int:
    """How often a model is called: all steps but the last are repeated."""
    return (steps - 1) * repeats + 1


def renoised(
    sample: Float[Tensor, "..."], noise: Float[Tensor, "..."], now: Level, then: Level
) -> Float[Tensor, "..."]:
    """A sample of one level with the noise added that makes it one of another level, of more noise.

    Its data is scaled to what they are there, and the variance of the new noise is what the old one then lacks. For
    variance-preserving models this is equation 7 of the paper.
    """
    scale = then[0] / now[0]
    missing = then[1] ** 2 - (scale * now[1]) ** 2
    if missing < 0:
        raise ValueError(f"a sample of level {now} has more noise than one of level {then}")
    return scale * sample + missing**0.5 * noise.to(sample)


def noise_levels(scheduler: Any) -> list[Level]:
    """The levels of a scheduler's steps, and the one after the last; InputError if its steps need the ones before.

    That is: for schedulers of Euler steps, of flow matching or of noise prediction, and for DDIM.
    """
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        return [(1 - sigma, sigma) for sigma in scheduler.sigmas.double().tolist()]
    if isinstance(scheduler, EulerDiscreteScheduler):
        return [(1.0, sigma) for sigma in scheduler.sigmas.double().tolist()]
    if isinstance(scheduler, DDIMScheduler):
        stride = scheduler.config["num_train_timesteps"] // scheduler.num_inference_steps
        kept, last = scheduler.alphas_cumprod.double(), float(scheduler.final_alpha_cumprod)
        timesteps = [int(timestep) for timestep in scheduler.timesteps]
        shares = [float(kept[t]) if t >= 0 else last for t in (*timesteps, timesteps[-1] - stride)]
        return [(share**0.5, (1 - share) ** 0.5) for share in shares]
    raise InputError(
        f"repeats need steps that can be made again by themselves, as Euler steps and DDIM's can; those of "
        f"{type(scheduler).__name__} build on the ones before: choose another scheduler, or repeats=1"
    )


class RecurrentScheduler:
    """A scheduler whose steps, all but the last, are made `repeats` times; diffusers' pipelines see more timesteps.

    `noise` makes what is added before the given call of the model, of the shape of the samples. With `repeats` 1 any
    scheduler will do, and only its calls are counted.
    """

    def __init__(self, scheduler: Any, repeats: int, noise: Callable[[int], Float[Tensor, "..."]]) -> None:
        if list(inspect.signature(scheduler.step).parameters)[:3] != ["model_output", "timestep", "sample"]:
            raise InputError(
                f"the steps of {type(scheduler).__name__} take more than a prediction, so that pipelines make an "
                "exception for it: choose another scheduler to denoise in pairs, such as ddim"
            )
        self.scheduler = scheduler
        self.repeats = repeats
        self.noise = noise
        self.call = 0
        """Which call of the model is next."""
        self.timesteps = torch.empty(0)
        self.levels: list[Level] = []

    def __getattr__(self, name: str) -> Any:
        if name == "scheduler":  # while it is being copied
            raise AttributeError(name)
        return getattr(self.scheduler, name)

    def set_timesteps(self, *arguments: Any, **settings: Any) -> None:
        """Sets the scheduler's own, and begins anew."""
        self.scheduler.set_timesteps(*arguments, **settings)
        steps = self.scheduler.timesteps
        self.levels = noise_levels(self.scheduler) if self.repeats > 1 else []
        self.timesteps = self._repeated(steps)
        self.call = 0

    @property
    def sigmas(self) -> Float[Tensor, " levels"]:
        """The scheduler's own, one per call, and the last."""
        sigmas = self.scheduler.sigmas
        return torch.cat([self._repeated(sigmas[:-1]), sigmas[-1:]])

    def _repeated(self, steps: Shaped[Tensor, " steps"]) -> Shaped[Tensor, " calls"]:
        return steps.repeat_interleave(self.repeats)[: num_calls(len(steps), self.repeats)]

    def step(
        self, model_output: Tensor, timestep: Any, sample: Tensor, return_dict: bool = True, **settings: Any
    ) -> Any:
        """The scheduler's step; unless it was the last repeat, the sample is noised again and the step not counted."""
        result = self.scheduler.step(model_output, timestep, sample, return_dict=return_dict, **settings)
        step, repeat = divmod(self.call, self.repeats)
        last = repeat == self.repeats - 1 or self.call == len(self.timesteps) - 1
        self.call += 1
        if last:
            return result
        again = renoised(
            result.prev_sample if return_dict else result[0],
            self.noise(self.call),
            self.levels[step + 1],
            self.levels[step],
        )
        if getattr(self.scheduler, "_step_index", None) is not None:
            self.scheduler._step_index -= 1
        if not return_dict:
            return (again, *result[1:])
        result.prev_sample = again
        return result


@contextmanager
def recurrent(base: Any, repeats: int, noise: Callable[[int], Float[Tensor, "..."]]) -> Iterator[RecurrentScheduler]:
    """For the length of the `with` block, the scheduler of the pipeline `base` repeats its steps."""
    stock = base.scheduler
    base.scheduler = RecurrentScheduler(stock, repeats, noise)
    try:
        yield base.scheduler
    finally:
        base.scheduler = stock

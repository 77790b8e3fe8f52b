"""The samplers of the pipelines, by name."""

from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from syncam.errors import InputError

__all__ = ["SCHEDULERS", "ReferenceScheduler", "make_scheduler"]

SCHEDULERS = ("model", "euler", "unipc", "reference")
"""The model folder's own sampler; Euler steps; UniPC; and SynCamMaster's Euler steps with its spacing and shift 5."""


class ReferenceScheduler(FlowMatchEulerDiscreteScheduler):
    """Euler steps over the reference's noise levels: linspace(1, 0, N + 1) without its end, shifted."""

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None, **settings: Any) -> None:
        """Sets the N noise levels; diffusers' own spacing for the same N ends lower."""
        if num_inference_steps is None:
            raise InputError("the reference scheduler needs a number of steps")
        sigmas = torch.linspace(1, 0, num_inference_steps + 1, dtype=torch.float64)[:-1].tolist()
        super().set_timesteps(device=device, sigmas=sigmas, **settings)


def make_scheduler(name: str, own: Any) -> Any:
    """The named sampler, with the noise shift of the model's own where the name does not set one."""
    shift = own.config.get("shift") or own.config.get("flow_shift") or 1.0
    if name == "model":
        return own
    if name == "euler":
        return FlowMatchEulerDiscreteScheduler(shift=shift)
    if name == "unipc":
        return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    if name == "reference":
        return ReferenceScheduler(shift=5.0)
    raise InputError(f"unknown scheduler {name!r}; expected one of {', '.join(SCHEDULERS)}")

"""The samplers of the pipelines, by name: which of them a model can have, its own noise schedule says."""

from typing import Any

import torch
from diffusers import (
    CogVideoXDDIMScheduler,
    CogVideoXDPMScheduler,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from syncam.errors import InputError

__all__ = ["SCHEDULERS", "V_PREDICTION_SCHEDULERS", "ReferenceScheduler", "make_scheduler"]

SCHEDULERS = ("model", "euler", "unipc", "reference")
"""The model folder's own sampler; Euler steps; UniPC; and SynCamMaster's Euler steps with its spacing and shift 5."""
V_PREDICTION_SCHEDULERS = ("model", "ddim", "dpm", "reference")
"""Of CogVideoX: the folder's own; DDIM and DPM++ over trailing timesteps; and which of these its size was published
with."""


class ReferenceScheduler(FlowMatchEulerDiscreteScheduler):
    """Euler steps over the reference's noise levels: linspace(1, 0, N + 1) without its end, shifted."""

    def set_timesteps(self, num_inference_steps: int | None = None, device: Any = None, **settings: Any) -> None:
        """Sets the N noise levels; diffusers' own spacing for the same N ends lower."""
        if num_inference_steps is None:
            raise InputError("the reference scheduler needs a number of steps")
        sigmas = torch.linspace(1, 0, num_inference_steps + 1, dtype=torch.float64)[:-1].tolist()
        super().set_timesteps(device=device, sigmas=sigmas, **settings)


def make_scheduler(name: str, own: Any, *, rotary: bool = False) -> Any:
    """The named sampler, with the noise schedule of the model's own where the name does not set one.

    `rotary`: whether the model has rotary positions, as CogVideoX-5b, which was published with another sampler than 2b.
    """
    v_prediction = own.config.get("prediction_type") == "v_prediction"
    known = V_PREDICTION_SCHEDULERS if v_prediction else SCHEDULERS
    if name not in known:
        raise InputError(f"unknown scheduler {name!r}; expected one of {', '.join(known)}")
    if name == "model":
        return own
    if v_prediction:
        dpm = name == "dpm" or (name == "reference" and rotary)
        kind = CogVideoXDPMScheduler if dpm else CogVideoXDDIMScheduler
        return kind.from_config(own.config, timestep_spacing="trailing")
    shift = own.config.get("shift") or own.config.get("flow_shift") or 1.0
    if name == "euler":
        return FlowMatchEulerDiscreteScheduler(shift=shift)
    if name == "unipc":
        return UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)
    return ReferenceScheduler(shift=5.0)

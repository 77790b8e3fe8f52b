"""How the transformers of diffusers are called: each class has a layout and positions of its own."""

from typing import Any

from jaxtyping import Float, Num
from torch import Tensor

from syncam.adapters.backbones import Transformer, swap_layout, token_grid, trained_grid
from syncam.adapters.joint_view_sync import joint_rotary_table

__all__ = ["call_arguments", "predict"]


def call_arguments(
    transformer: Transformer,
    latents: Float[Tensor, "b C f h w"],
    timesteps: Num[Tensor, " b"],
    text: Float[Tensor, "b n D"],
) -> dict[str, Any]:
    """What `transformer` is given for these inputs, by name, as its pipeline does."""
    own = swap_layout(transformer, latents)
    arguments: dict[str, Any] = {"hidden_states": own, "timestep": timesteps, "encoder_hidden_states": text}
    config = transformer.config
    if config.get("use_rotary_positional_embeddings"):  # CogVideoX leaves their table to the caller
        grid, trained = token_grid(transformer, tuple(own.shape)), trained_grid(transformer)
        arguments["image_rotary_emb"] = joint_rotary_table(*grid, config.attention_head_dim, trained, latents.device)
    return arguments


def predict(
    transformer: Transformer,
    latents: Float[Tensor, "b C f h w"],
    timesteps: Num[Tensor, " b"],
    text: Float[Tensor, "b n D"],
) -> Float[Tensor, "b C f h w"]:
    """What `transformer` predicts for these latents."""
    arguments = call_arguments(transformer, latents, timesteps, text)
    return swap_layout(transformer, transformer(**arguments, return_dict=False)[0])

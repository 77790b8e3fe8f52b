"""The optimizers of a run: AdamW, and Muon for hidden matrices where the recipe asks for it."""

import torch
from torch import Tensor, nn

from syncam.training.config import TrainConfig

__all__ = ["build_optimizers"]


def build_optimizers(module: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """Optimizers that share the parameters under training among them, each parameter to one.

    Matrices decay; biases, norms and tables do not. Muon (Jordan et al. 2024) takes the matrices of linear layers
    inside stacks of blocks, its steps scaled to the size of AdamW's, so that one learning rate serves both.
    """
    hidden = _hidden_matrices(module) if config.optimizer == "muon" else []
    taken = {id(p) for p in hidden}
    others = [p for p in module.parameters() if p.requires_grad and id(p) not in taken]
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizers: list[torch.optim.Optimizer] = []
    if groups := [group for group in groups if group["params"]]:
        optimizers.append(torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True))
    if hidden:
        optimizers.append(
            torch.optim.Muon(
                hidden, lr=config.learning_rate, weight_decay=config.weight_decay, adjust_lr_fn="match_rms_adamw"
            )
        )
    return optimizers


def _hidden_matrices(module: nn.Module) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    for stack in module.modules():
        if isinstance(stack, nn.ModuleList):
            for layer in stack.modules():
                if isinstance(layer, nn.Linear) and layer.weight.requires_grad:
                    found[id(layer.weight)] = layer.weight
    return list(found.values())

"""Which optimizer trains which parameter."""

import torch
from torch import nn

from syncam.training.optimizers import build_optimizers
from training.toy import toy_config


class Stacked(nn.Module):
    """A table, an input layer, a stack of two blocks (one layer of which is frozen) and an output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.enter = nn.Linear(4, 6)
        self.blocks = nn.ModuleList(nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 6), nn.Linear(6, 6)) for _ in range(2))
        self.leave = nn.Linear(6, 3)
        self.blocks[1].requires_grad_(False)


def names(module: nn.Module, parameters: list[torch.Tensor]) -> list[str]:
    known = {id(p): name for name, p in module.named_parameters()}
    return [known[id(p)] for p in parameters]


def test_adamw_takes_all_that_is_trained_and_only_matrices_decay() -> None:
    module = Stacked()
    (optimizer,) = build_optimizers(module, toy_config(weight_decay=0.3))
    assert isinstance(optimizer, torch.optim.AdamW)
    decayed, rest = optimizer.param_groups
    assert (decayed["weight_decay"], rest["weight_decay"]) == (0.3, 0.0)
    assert names(module, decayed["params"]) == [
        "table.weight",
        "enter.weight",
        "blocks.0.1.weight",
        "blocks.0.2.weight",
        "leave.weight",
    ]
    assert names(module, rest["params"]) == [
        "enter.bias",
        "blocks.0.0.weight",
        "blocks.0.0.bias",
        "blocks.0.1.bias",
        "blocks.0.2.bias",
        "leave.bias",
    ]


def test_muon_takes_the_trained_matrices_of_the_stack_and_nothing_else() -> None:
    module = Stacked()
    adamw, muon = build_optimizers(module, toy_config(optimizer="muon", weight_decay=0.3))
    assert isinstance(adamw, torch.optim.AdamW)
    assert isinstance(muon, torch.optim.Muon)
    taken = [p for group in muon.param_groups for p in group["params"]]
    assert names(module, taken) == ["blocks.0.1.weight", "blocks.0.2.weight"]
    others = [p for group in adamw.param_groups for p in group["params"]]
    trained = [name for name, p in module.named_parameters() if p.requires_grad]
    assert sorted(names(module, others + taken)) == sorted(trained)


def test_one_step_of_either_moves_a_hidden_matrix_about_as_far() -> None:
    moved = []
    for name in ("adamw", "muon"):
        torch.manual_seed(0)
        module = Stacked()
        before = module.blocks[0][1].weight.detach().clone()
        module.leave(module.blocks[0](module.enter(torch.randn(64, 4)))).square().sum().backward()
        for optimizer in build_optimizers(module, toy_config(optimizer=name, weight_decay=0.0)):
            optimizer.step()
        moved.append((module.blocks[0][1].weight - before).square().mean().sqrt())
    assert 0.1 < moved[1] / moved[0] < 1  # Muon aims at 0.2, what AdamW's steps come to once they average

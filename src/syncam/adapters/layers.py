"""A layer that all adapters have: one that adds nothing until it is trained."""

from torch import nn

__all__ = ["zero_linear"]


def zero_linear(in_features: int, out_features: int) -> nn.Linear:
    """A linear layer whose weights and bias start at zero."""
    layer = nn.Linear(in_features, out_features)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer

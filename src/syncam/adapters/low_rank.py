"""Trained self-attention as a low-rank change of a base model's own."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from syncam.errors import InputError

OVERSAMPLED = 16
"""Directions beyond the rank that the randomised decomposition of a large matrix looks at."""
ITERATIONS = 6


def approximate(
    weights: Mapping[str, Tensor], rank: int, base_of: Callable[[str], Tensor]
) -> tuple[dict[str, Tensor], float, float]:
    """The weights of a FrameConcatAdapter of rank None as those of one of rank `rank`.

    `base_of` gives the base model's tensor for a name in the adapter's attention. Also returns the largest error of a
    matrix relative to it, and what is lost of all matrices' changes relative to these (Frobenius norms). Biases and
    norms are exact.
    """
    low: dict[str, Tensor] = {}
    largest, lost, changed = 0.0, 0.0, 0.0
    for name, value in weights.items():
        block, attention, rest = name.partition(".attn.")
        if not attention:
            low[name] = value
            continue
        base = base_of(name)
        if base.shape != value.shape:
            raise InputError(f"{name} has shape {tuple(value.shape)}, but the base model's is {tuple(base.shape)}")
        part, change = rest.partition(".")[0], value.float() - base.float()
        target = f"{block}.attn.{part}"
        if part.startswith("norm_"):
            low[target] = change.to(value.dtype)
        elif rest.endswith("bias"):
            low[f"{target}.up.bias"] = change.to(value.dtype)
        else:
            up, down = truncated(change, rank)
            low[f"{target}.up.weight"], low[f"{target}.down.weight"] = up.to(value.dtype), down.to(value.dtype)
            error = (change - up @ down).norm().item()
            largest = max(largest, error / max(value.float().norm().item(), 1e-30))
            lost, changed = lost + error**2, changed + change.norm().item() ** 2
    return low, largest, (lost / changed) ** 0.5 if changed > 0 else 0.0


def truncated(matrix: Float[Tensor, "m n"], rank: int) -> tuple[Float[Tensor, "m r"], Float[Tensor, "r n"]]:
    """Two factors whose product is the best approximation of that rank; of large matrices, nearly the best."""
    if 4 * (rank + OVERSAMPLED) < min(matrix.shape):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            u, s, v = torch.svd_lowrank(matrix, q=rank + OVERSAMPLED, niter=ITERATIONS)
            vh = v.mT
    else:
        u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    scale = s[:rank].sqrt()
    return u[:, :rank] * scale, scale[:, None] * vh[:rank]

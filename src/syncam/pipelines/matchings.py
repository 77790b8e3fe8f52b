"""Which views are made to agree at a step, where more of them are made than a model denoises together.

Collaborative Video Diffusion draws matchings of the views into pairs, anew at every step. A view with one partner per
step is its strategy of partitions, with several its multi-partitions, with all others its exhaustive strategy.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from syncam.errors import InputError

__all__ = ["check_partners", "disjoint", "draw_led_pairs", "draw_pairs", "num_pairs"]


def check_partners(num_views: int, partners: int) -> None:
    """InputError unless a view can have that many partners."""
    if num_views < 2:
        raise InputError("partners are other views, but the rig has a single one; give a rig of two or more")
    if not 1 <= partners < num_views:
        numbers = "1" if num_views == 2 else f"1 to {num_views - 1}"
        raise InputError(f"partners must be {numbers} for {num_views} views, got {partners}")


def num_pairs(num_views: int, partners: int, *, led: bool = False) -> int:
    """How many pairs `draw_pairs` draws, or `draw_led_pairs`: half as many as the views have partners, rounded up."""
    if led:
        return num_views - 1 + -(-(num_views - 1) * min(partners, num_views - 2) // 2)
    return -(-num_views * partners // 2)


def draw_pairs(num_views: int, partners: int, generator: torch.Generator) -> Int[Tensor, "pairs 2"]:
    """Pairs of views, none twice, in which every view has that many partners; all pairs where it has all others.

    Where the number of views and that of partners are both odd, one view has one partner more. In a pair, the view that
    comes first in the rig comes first: models are told the other's camera relative to it. The reference draws its
    multi-partitions independently, so that a view may meet the same partner again within a step.
    """
    check_partners(num_views, partners)
    ring = torch.arange(num_views)
    between, odd = divmod(partners, 2)
    # Views in a ring, everyone with its nearest neighbours on both sides; and what gives everyone one partner more.
    steps, lone = range(1, between + 1), []
    if odd and num_views % 2 == 0:
        lone = [torch.stack([ring, ring + num_views // 2], -1)[: num_views // 2]]
    elif odd:
        steps, lone = range(2, between + 2), [torch.stack([ring, ring + 1], -1)[::2]]
    neighbours = [torch.stack([ring, ring + step], -1) for step in steps]
    places = torch.cat([*lone, *neighbours]) % num_views
    return torch.randperm(num_views, generator=generator)[places].sort(-1).values


def draw_led_pairs(num_views: int, partners: int, generator: torch.Generator) -> Int[Tensor, "pairs 2"]:
    """Every other view with the first, which is known, and pairs of the others, each with that many partners or all."""
    others = torch.arange(1, num_views)
    led = torch.stack([torch.zeros_like(others), others], -1)
    if num_views < 3:
        return led
    return torch.cat([led, 1 + draw_pairs(num_views - 1, min(partners, num_views - 2), generator)])


def disjoint(pairs: Int[Tensor, "pairs 2"]) -> list[Int[Tensor, "some 2"]]:
    """The pairs in groups in which every view is at most once, as few as a first fit finds."""
    groups: list[list[Tensor]] = []
    for pair in pairs:
        free = (group for group in groups if not torch.isin(pair, torch.stack(group)).any())
        if (group := next(free, None)) is None:
            groups.append([pair])
        else:
            group.append(pair)
    return [torch.stack(group) for group in groups]
